"""Schnorr signatures: what is signed verifies, and nothing else does, each refusal with its own reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.curve import septic
from prover.curve.chain import ChainPart, ExceptionalAddition, fixed_points, naive_result, run_chain
from prover.curve.formulas import Element
from prover.curve.septic import GENERATOR, ORDER, POINT_ELEMENTS, Point
from prover.field.koalabear import PRIME
from rollup import schnorr
from rollup.authority import Coordinate, Signature, SignatureCheck, TradingKey
from rollup.schnorr import (
    MessageHeader,
    SecretKey,
    SepticSchnorr,
    SignatureRefusal,
    SignatureSuite,
    SignatureWitness,
)
from rollup.units import AccountId, Address, ChainId, FieldElement, Scalar, SuiteId

SUITE = SignatureSuite.SEPTIC_POSEIDON16_20
OTHER_SUITE = SignatureSuite.SEPTIC_POSEIDON16_36
HEADER: Final = MessageHeader(SUITE, ChainId(11155111), Address(0xC1EA << 144), AccountId(70_000), 3)
SECRET: Final = SecretKey(SUITE, 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF12345)
KEY: Final = SECRET.trading_key
MESSAGE: Final = (*HEADER.elements, 1, 2, PRIME - 1)
SIGNATURE: Final = schnorr.sign(SECRET, MESSAGE)

secrets = st.integers(1, ORDER - 1).map(lambda scalar: SecretKey(SUITE, scalar))
bodies = st.lists(st.integers(0, PRIME - 1), max_size=30)


def outcome(
    key: TradingKey = KEY, message: tuple[int, ...] = MESSAGE, signature: Signature = SIGNATURE
) -> SignatureRefusal | None:
    """The reason of refusal, None when the signature is valid."""
    verified = schnorr.verify_chain(key, message, signature)
    assert schnorr.verify(key, message, signature) == isinstance(verified, SignatureWitness)
    return None if isinstance(verified, SignatureWitness) else verified


def coordinate(element: Element) -> Coordinate:
    c0, c1, c2, c3, c4, c5, c6 = map(FieldElement, element)
    return (c0, c1, c2, c3, c4, c5, c6)


def key_of(point: Point) -> TradingKey:
    """A key from any pair of coordinates, on the curve or not."""
    return TradingKey(SuiteId(SUITE), coordinate(point.x), coordinate(point.y))


def signature_of(commitment: Point, response: int) -> Signature:
    """A signature from any parts, valid or not."""
    return Signature(coordinate(commitment.x), coordinate(commitment.y), Scalar(response))


KEY_POINT: Final = Point(KEY.x, KEY.y)
COMMITMENT: Final = Point(SIGNATURE.commitment_x, SIGNATURE.commitment_y)


# --- what is valid ----------------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(secrets, bodies)
def test_what_is_signed_verifies(secret: SecretKey, body: list[int]) -> None:
    message = (*HEADER.elements, *body)
    assert outcome(secret.trading_key, message, schnorr.sign(secret, message)) is None


@pytest.mark.parametrize("suite", SignatureSuite)
def test_every_suite_signs_and_verifies(suite: SignatureSuite) -> None:
    secret = SecretKey(suite, SECRET.scalar)
    message = replace(HEADER, suite=suite).elements
    assert outcome(secret.trading_key, message, schnorr.sign(secret, message)) is None


def test_the_witness_holds_what_was_verified() -> None:
    witness = schnorr.verify_chain(KEY, MESSAGE, SIGNATURE)
    assert isinstance(witness, SignatureWitness)
    assert (witness.key, witness.message, witness.signature) == (KEY, MESSAGE, SIGNATURE)
    assert witness.challenge == sum(e << 31 * i for i, e in enumerate(witness.challenge_elements))
    assert witness.chain.result == COMMITMENT
    assert witness.chain.result == naive_result(KEY_POINT, SIGNATURE.response, witness.challenge)


def test_the_scheme_is_the_port_that_the_rules_ask_for() -> None:
    scheme: SignatureCheck = SepticSchnorr()
    assert scheme.accepts_key(KEY)
    assert scheme.is_valid(KEY, MESSAGE, SIGNATURE)
    assert not scheme.is_valid(KEY, (*MESSAGE, 0), SIGNATURE)
    assert not scheme.accepts_key(replace(KEY, suite=SuiteId(99)))


def test_a_signature_reads_back_from_its_elements() -> None:
    elements = schnorr.signature_elements(SIGNATURE)
    assert len(elements) == schnorr.SIGNATURE_ELEMENTS == 28
    assert schnorr.decode_signature(elements) == SIGNATURE


# --- one message, one place -------------------------------------------------------------------------------------------


def test_the_header_is_laid_out_in_limbs_lowest_first() -> None:
    header = MessageHeader(SUITE, ChainId(0x1_0002_0003), Address(0xABCD << 144 | 7), AccountId(0x10005), 9)
    chain, contract, account = (3, 2, 1, 0), (7, 0, 0, 0, 0, 0, 0, 0, 0, 0xABCD), (5, 1)
    assert header.elements == (1, *chain, *contract, *account, 9)


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, chain_id=ChainId(1)),
        replace(HEADER, contract=Address(HEADER.contract + 1)),
        replace(HEADER, account_id=AccountId(70_001)),
        replace(HEADER, transaction_tag=4),
    ],
    ids=["chain", "contract", "account", "transaction"],
)
def test_a_signature_is_good_in_one_place_only(header: MessageHeader) -> None:
    assert outcome(message=(*header.elements, *MESSAGE[18:])) is SignatureRefusal.EQUATION_FAILS


@pytest.mark.parametrize("position", range(len(MESSAGE)))
def test_no_element_of_a_message_can_change(position: int) -> None:
    changed = list(MESSAGE)
    changed[position] = (changed[position] + 1) % PRIME
    expected = SignatureRefusal.MESSAGE_OF_OTHER_SUITE if position == 0 else SignatureRefusal.EQUATION_FAILS
    assert outcome(message=tuple(changed)) is expected


def test_a_message_cannot_grow_or_shrink() -> None:
    assert outcome(message=(*MESSAGE, 0)) is SignatureRefusal.EQUATION_FAILS
    assert outcome(message=MESSAGE[:-1]) is SignatureRefusal.EQUATION_FAILS
    assert outcome(message=()) is SignatureRefusal.MESSAGE_OF_OTHER_SUITE


def test_a_message_with_an_element_that_is_not_canonical_is_refused() -> None:
    assert outcome(message=(*MESSAGE[:-1], MESSAGE[-1] + PRIME)) is SignatureRefusal.MESSAGE_NOT_CANONICAL
    assert outcome(message=(*MESSAGE[:-1], -1)) is SignatureRefusal.MESSAGE_NOT_CANONICAL


def test_a_signature_of_one_suite_is_none_of_another() -> None:
    key = replace(KEY, suite=SuiteId(OTHER_SUITE))
    assert outcome(key) is SignatureRefusal.MESSAGE_OF_OTHER_SUITE
    assert outcome(key, (OTHER_SUITE, *MESSAGE[1:])) is SignatureRefusal.EQUATION_FAILS


# --- keys -------------------------------------------------------------------------------------------------------------


def test_another_s_key_does_not_verify() -> None:
    assert outcome(SecretKey(SUITE, SECRET.scalar + 1).trading_key) is SignatureRefusal.EQUATION_FAILS


def test_the_negative_of_a_key_does_not_verify() -> None:
    assert outcome(key_of(septic.negate_point(KEY_POINT))) is SignatureRefusal.EQUATION_FAILS


def test_an_unknown_suite_is_refused() -> None:
    assert outcome(replace(KEY, suite=SuiteId(0))) is SignatureRefusal.SUITE_UNKNOWN


@pytest.mark.parametrize("is_negated", [False, True])
@pytest.mark.parametrize("index", range(4))
def test_a_key_from_the_fixed_table_is_refused(index: int, is_negated: bool) -> None:
    entry = fixed_points().table[index]
    key = key_of(septic.negate_point(entry) if is_negated else entry)
    assert schnorr.key_refusal(key) is SignatureRefusal.KEY_IN_FIXED_TABLE
    assert outcome(key) is SignatureRefusal.KEY_IN_FIXED_TABLE


@pytest.mark.parametrize(
    "point",
    [
        Point((0,) * 7, (0,) * 7),
        Point(GENERATOR.x, (1, 0, 0, 0, 0, 0, 0)),
        Point((GENERATOR.x[0] + PRIME, *GENERATOR.x[1:]), GENERATOR.y),
    ],
    ids=["no identity", "invalid curve", "not canonical"],
)
def test_a_key_that_is_no_point_is_refused(point: Point) -> None:
    assert schnorr.key_refusal(key_of(point)) is SignatureRefusal.KEY_NOT_A_POINT
    assert outcome(key_of(point)) is SignatureRefusal.KEY_NOT_A_POINT


@pytest.mark.parametrize("scalar", [0, -1, ORDER, ORDER + 1])
def test_a_secret_outside_its_range_is_no_key(scalar: int) -> None:
    with pytest.raises(ValueError, match="a secret key lies between 1 and the group's order less one"):
        SecretKey(SUITE, scalar)


def test_a_secret_is_not_shown() -> None:
    assert repr(SECRET) == f"SecretKey(suite={SUITE!r})"


# --- signatures -------------------------------------------------------------------------------------------------------


def test_a_response_plus_the_order_is_refused() -> None:
    malleated = replace(SIGNATURE, response=Scalar(SIGNATURE.response + ORDER))
    assert outcome(signature=malleated) is SignatureRefusal.RESPONSE_NOT_REDUCED
    elements = schnorr.signature_elements(malleated)
    assert schnorr.decode_signature(elements) is SignatureRefusal.RESPONSE_NOT_REDUCED


@pytest.mark.parametrize("response", [-1, ORDER, 1 << 217, 1 << 224])
def test_a_response_out_of_range_is_refused(response: int) -> None:
    changed = replace(SIGNATURE, response=Scalar(response))
    assert outcome(signature=changed) is SignatureRefusal.RESPONSE_NOT_REDUCED


@pytest.mark.parametrize("shift", [1 << 16, -(1 << 16)])
@pytest.mark.parametrize("limb", range(14))
def test_limbs_that_are_not_canonical_are_refused(limb: int, shift: int) -> None:
    elements = list(schnorr.signature_elements(SIGNATURE))
    elements[POINT_ELEMENTS + limb] += shift
    assert schnorr.decode_signature(elements) is SignatureRefusal.RESPONSE_NOT_LIMBS


def test_an_alias_in_the_limbs_is_refused() -> None:
    """One limb less by one and the limb below more by 2^16: the same number, spelled differently."""
    elements = list(schnorr.signature_elements(SIGNATURE))
    elements[POINT_ELEMENTS] += 1 << 16
    elements[POINT_ELEMENTS + 1] -= 1
    assert schnorr.decode_signature(elements) is SignatureRefusal.RESPONSE_NOT_LIMBS


@pytest.mark.parametrize("length", [0, 14, 27, 29])
def test_a_signature_has_twenty_eight_elements(length: int) -> None:
    elements = (*schnorr.signature_elements(SIGNATURE), 0)[:length]
    assert isinstance(schnorr.decode_signature(elements), SignatureRefusal)


@pytest.mark.parametrize("position", range(14))
def test_coordinates_of_the_commitment_that_are_not_canonical_are_refused(position: int) -> None:
    elements = list(schnorr.signature_elements(SIGNATURE))
    elements[position] += PRIME
    assert schnorr.decode_signature(elements) is SignatureRefusal.COMMITMENT_NOT_A_POINT
    point = Point(tuple(elements[:7]), tuple(elements[7:14]))  # type: ignore[arg-type]
    changed = signature_of(point, SIGNATURE.response)
    assert outcome(signature=changed) is SignatureRefusal.COMMITMENT_NOT_A_POINT


@pytest.mark.parametrize(
    "point",
    [Point((0,) * 7, (0,) * 7), Point(GENERATOR.x, GENERATOR.x)],
    ids=["no identity", "off the curve"],
)
def test_a_commitment_that_is_no_point_is_refused(point: Point) -> None:
    assert outcome(signature=signature_of(point, 1)) is SignatureRefusal.COMMITMENT_NOT_A_POINT


def test_a_commitment_at_the_identity_cannot_be_had() -> None:
    """response = challenge * secret makes the chain end at the identity, whatever R the challenge was made of."""
    commitment = septic.multiply_generator(123)
    assert commitment is not None
    challenge = schnorr.challenge_number(schnorr.challenge_elements(KEY, commitment, MESSAGE))
    forged = signature_of(commitment, challenge * SECRET.scalar % ORDER)
    assert outcome(signature=forged) is SignatureRefusal.ADDITION_EXCEPTIONAL


def test_no_variant_of_a_signature_verifies() -> None:
    commitment = COMMITMENT
    opposite = septic.negate_point(commitment)
    moved = septic.add(commitment, GENERATOR)
    assert moved is not None
    for point, response in [
        (commitment, ORDER - SIGNATURE.response),
        (opposite, SIGNATURE.response),
        (opposite, ORDER - SIGNATURE.response),
        (moved, (SIGNATURE.response + 1) % ORDER),
        (commitment, SIGNATURE.response - 1),
        (commitment, 0),
    ]:
        assert outcome(signature=signature_of(point, response)) is SignatureRefusal.EQUATION_FAILS


@pytest.mark.parametrize("is_negated", [False, True])
def test_a_key_chosen_so_that_the_chain_meets_equal_x_never_verifies(is_negated: bool) -> None:
    """key = B - START, or B + START: whenever the challenge's top bit is set the first step is exceptional."""
    fixed = fixed_points()
    start = fixed.start if is_negated else septic.negate_point(fixed.start)
    point = septic.add(fixed.offset, start)
    assert point is not None
    key = key_of(point)
    assert schnorr.key_refusal(key) is None
    reasons = set()
    for number in range(8):
        message = (*HEADER.elements, number)
        challenge = schnorr.challenge_elements(key, GENERATOR, message)
        # The top bit of the fourth element is the first that the chain reads.
        expected = (
            SignatureRefusal.ADDITION_EXCEPTIONAL if challenge[3] >> 30 else SignatureRefusal.EQUATION_FAILS
        )
        assert outcome(key, message, signature_of(GENERATOR, 1)) is expected
        reasons.add(expected)
    assert reasons == {SignatureRefusal.ADDITION_EXCEPTIONAL, SignatureRefusal.EQUATION_FAILS}


# --- signing ----------------------------------------------------------------------------------------------------------


def test_signing_twice_gives_the_same_signature() -> None:
    assert schnorr.sign(SECRET, list(MESSAGE)) == SIGNATURE


def test_no_two_messages_or_keys_share_a_commitment() -> None:
    """Two responses to one commitment give the secret away: (s1 - s2) / (e1 - e2)."""
    commitments = {
        schnorr.sign(secret, message).commitment_x
        for secret in (SECRET, SecretKey(SUITE, 1), SecretKey(SUITE, ORDER - 1))
        for message in (MESSAGE, MESSAGE[:-1], (*MESSAGE, 0), (*MESSAGE[:-1], 0))
    }
    assert len(commitments) == 12


def test_the_suites_do_not_share_nonces() -> None:
    other = SecretKey(OTHER_SUITE, SECRET.scalar)
    signature = schnorr.sign(other, (OTHER_SUITE, *MESSAGE[1:]))
    assert signature.commitment_x != SIGNATURE.commitment_x


def test_a_message_of_another_suite_is_not_signed() -> None:
    for message in ((OTHER_SUITE, *MESSAGE[1:]), ()):
        with pytest.raises(ValueError, match="a message begins with the suite of its key"):
            schnorr.sign(SECRET, message)


def test_after_an_exceptional_chain_the_next_attempt_has_another_nonce(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def run_that_fails_once(key: Point, response: int, challenge: int) -> Any:
        calls.append(response)
        return (
            ExceptionalAddition(ChainPart.TABLE, 0)
            if len(calls) == 1
            else run_chain(key, response, challenge)
        )

    monkeypatch.setattr("rollup.schnorr.run_chain", run_that_fails_once)
    signature = schnorr.sign(SECRET, MESSAGE)
    assert len(set(calls)) == 2
    assert signature != SIGNATURE
    monkeypatch.undo()
    assert outcome(signature=signature) is None


# --- keys from wallets ------------------------------------------------------------------------------------------------

WALLET_SIGNATURE: Final = bytes(range(1, 33)) + bytes(range(33, 65)) + b"\x1b"


def test_wallets_that_write_one_signature_differently_get_one_key() -> None:
    r, s = WALLET_SIGNATURE[:32], int.from_bytes(WALLET_SIGNATURE[32:64])
    high = (schnorr.SECP256K1_ORDER - s).to_bytes(32)
    spellings = [r + s.to_bytes(32) + bytes([v]) for v in (0, 1, 27, 28)] + [r + high + b"\x1c"]
    derived = {schnorr.secret_key_from_wallet_signature(SUITE, spelling).scalar for spelling in spellings}
    assert len(derived) == 1


def test_every_suite_and_every_signature_derives_its_own_key() -> None:
    changed = WALLET_SIGNATURE[:63] + b"\x00\x1b"
    derived = [
        schnorr.secret_key_from_wallet_signature(suite, signature).scalar
        for suite in SignatureSuite
        for signature in (WALLET_SIGNATURE, changed)
    ]
    assert len(set(derived)) == 4


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (WALLET_SIGNATURE[:64], "a wallet's signature has 65 bytes"),
        (bytes(32) + WALLET_SIGNATURE[32:], "not an ECDSA signature"),
        (WALLET_SIGNATURE[:32] + b"\xff" * 32 + b"\x1b", "not an ECDSA signature"),
    ],
)
def test_what_is_no_wallet_signature_gives_no_key(signature: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        schnorr.secret_key_from_wallet_signature(SUITE, signature)


def test_a_real_wallet_signs_the_typed_data_and_gets_the_same_key_each_time() -> None:
    from eth_account import Account

    wallet = Account.from_key(b"\x11" * 32)
    owner = Address(int(wallet.address, 16))

    def derive(chain: int, contract: int, number: int) -> int:
        typed = schnorr.key_typed_data(SUITE, ChainId(chain), Address(contract), owner, number)
        signed = Account.sign_typed_data(wallet.key, full_message=typed)
        return schnorr.secret_key_from_wallet_signature(SUITE, bytes(signed.signature)).scalar

    places = [(1, 2, 0), (3, 2, 0), (1, 4, 0), (1, 2, 5)]
    assert len({derive(*place) for place in places}) == 4
    assert [derive(*place) for place in places] == [derive(*place) for place in places]


def test_the_typed_data_names_the_contract_and_the_chain_and_warns() -> None:
    typed = schnorr.key_typed_data(SUITE, ChainId(5), Address(0xAB), Address(0xCD), 2)
    assert typed["domain"] == {
        "name": "Options Clearing House",
        "version": "1",
        "chainId": 5,
        "verifyingContract": "0x" + "00" * 19 + "ab",
    }
    assert typed["message"] == {
        "warning": schnorr.KEY_WARNING,
        "owner": "0x" + "00" * 19 + "cd",
        "signatureSuite": 1,
        "keyNumber": 2,
    }


def test_random_keys_differ() -> None:
    assert len({schnorr.random_secret_key(SUITE).scalar for _ in range(20)}) == 20


# --- known answers ----------------------------------------------------------------------------------------------------


def made_vectors() -> dict[str, Any]:
    """The content of tests/vectors/schnorr.json, made again."""
    fixed = fixed_points()
    answers = []
    for suite in SignatureSuite:
        for scalar, body in [(1, []), (ORDER - 1, [PRIME - 1]), (SECRET.scalar, list(range(40)))]:
            secret = SecretKey(suite, scalar)
            message = (*replace(HEADER, suite=suite).elements, *body)
            signature = schnorr.sign(secret, message)
            witness = schnorr.verify_chain(secret.trading_key, message, signature)
            assert isinstance(witness, SignatureWitness)
            answers.append(
                {
                    "suite": int(suite),
                    "secret": str(scalar),
                    "key": list(schnorr.key_elements(secret.trading_key)),
                    "message": list(message),
                    "signature": list(schnorr.signature_elements(signature)),
                    "challenge_elements": list(witness.challenge_elements),
                }
            )
    derived = schnorr.secret_key_from_wallet_signature(SUITE, WALLET_SIGNATURE)
    return {
        "about": "Schnorr signatures on the septic curve: keys and signatures as field elements and 16-bit limbs.",
        "source": "made by made_vectors() in tests/rollup/test_schnorr.py with rollup.schnorr;"
        " tests/prover/curve/test_chain.py checks response * G = R + challenge * key with py_ecc's field classes",
        "chain": {
            "offset": list(septic.encode(fixed.offset)),
            "start": list(septic.encode(fixed.start)),
            "table": [list(septic.encode(point)) for point in fixed.table],
        },
        "wallet_signature": {"suite": 1, "signature": WALLET_SIGNATURE.hex(), "secret": str(derived.scalar)},
        "answers": answers,
    }


def test_the_frozen_answers_are_still_the_answers(checkout: Path) -> None:
    """To make the file again: write `made_vectors()` with `json.dumps(..., indent=1)`, and say why it had to change."""
    frozen = (checkout / "tests/vectors/schnorr.json").read_text(encoding="utf-8")
    assert json.loads(frozen) == made_vectors()
