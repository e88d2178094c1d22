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
from prover.curve.comb import (
    DOUBLINGS,
    CombPart,
    ExceptionalAddition,
    fixed_points,
    naive_result,
    run_comb,
)
from prover.curve.formulas import Element
from prover.curve.septic import GENERATOR, ORDER, Point
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
    verified = schnorr.verify_comb(key, message, signature)
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
    witness = schnorr.verify_comb(KEY, MESSAGE, SIGNATURE)
    assert isinstance(witness, SignatureWitness)
    assert (witness.key, witness.message, witness.signature) == (KEY, MESSAGE, SIGNATURE)
    assert witness.challenge == sum(e << 31 * i for i, e in enumerate(witness.challenge_elements))
    assert witness.comb.result == COMMITMENT
    assert witness.comb.result == naive_result(KEY_POINT, SIGNATURE.response, witness.challenge)


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
def test_a_key_whose_table_is_exceptional_may_be_registered_and_cannot_sign(is_negated: bool) -> None:
    """It hurts nobody but its owner: it is laid out only where it signs, and it never does."""
    offset = fixed_points().key_offset
    key = key_of(septic.negate_point(offset) if is_negated else offset)
    assert schnorr.key_refusal(key) is None
    assert outcome(key) is SignatureRefusal.KEY_CANNOT_SIGN


def test_the_constants_of_the_generator_s_table_are_ordinary_keys() -> None:
    for entry in fixed_points().table[:4]:
        assert outcome(key_of(entry)) is SignatureRefusal.EQUATION_FAILS


@pytest.mark.parametrize(
    "point",
    [Point((0,) * 7, (0,) * 7), Point(GENERATOR.x, GENERATOR.x)],
    ids=["no identity", "off the curve"],
)
def test_a_commitment_that_is_no_point_is_refused(point: Point) -> None:
    assert outcome(signature=signature_of(point, 1)) is SignatureRefusal.COMMITMENT_NOT_A_POINT


def test_a_commitment_at_the_identity_cannot_be_had() -> None:
    """response = challenge * secret makes the comb end at the identity, whatever R the challenge was made of."""
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
def test_a_key_chosen_for_an_exceptional_first_step_never_verifies(is_negated: bool) -> None:
    """2^93 key = C - N or C + N, where N = 2 START + B: exceptional when the challenge's top bits are 1, 0, 0, 0."""
    fixed = fixed_points()
    doubled = septic.add(septic.double(fixed.start), fixed.generator_offset)
    wanted = septic.add(fixed.key_offset, doubled if is_negated else septic.negate(doubled))
    point = septic.multiply(wanted, pow(1 << DOUBLINGS, -1, ORDER))
    assert point is not None
    key = key_of(point)
    assert schnorr.key_refusal(key) is None
    reasons = set()
    for number in range(40):
        message = (*HEADER.elements, number)
        challenge = schnorr.challenge_elements(key, GENERATOR, message)
        is_met = [element >> 30 for element in challenge] == [0, 0, 0, 1]
        expected = SignatureRefusal.ADDITION_EXCEPTIONAL if is_met else SignatureRefusal.EQUATION_FAILS
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


def test_a_key_that_cannot_sign_says_so_instead_of_trying_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows the secret of such a key, so the table is made exceptional from outside."""
    monkeypatch.setattr("rollup.schnorr.run_comb", lambda *_: ExceptionalAddition(CombPart.KEY_TABLE, 0))
    with pytest.raises(ValueError, match="no signature of this key verifies"):
        schnorr.sign(SECRET, MESSAGE)


def test_after_an_exceptional_addition_the_next_attempt_has_another_nonce(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def run_that_fails_once(key: Point, response: int, challenge: int) -> Any:
        calls.append(response)
        return (
            ExceptionalAddition(CombPart.FIRST_CHORD, 0)
            if len(calls) == 1
            else run_comb(key, response, challenge)
        )

    monkeypatch.setattr("rollup.schnorr.run_comb", run_that_fails_once)
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
            witness = schnorr.verify_comb(secret.trading_key, message, signature)
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
        " tests/prover/curve/test_comb.py checks response * G = R + challenge * key with py_ecc's field classes",
        "comb": {
            "generator_offset": list(septic.encode(fixed.generator_offset)),
            "key_offset": list(septic.encode(fixed.key_offset)),
            "start": list(septic.encode(fixed.start)),
            "table_at_powers_of_two": [list(septic.encode(fixed.table[1 << part])) for part in range(7)],
        },
        "wallet_signature": {"suite": 1, "signature": WALLET_SIGNATURE.hex(), "secret": str(derived.scalar)},
        "answers": answers,
    }


def test_the_frozen_answers_are_still_the_answers(checkout: Path) -> None:
    """To make the file again: write `made_vectors()` with `json.dumps(..., indent=1)`, and say why it had to change."""
    frozen = (checkout / "tests/vectors/schnorr.json").read_text(encoding="utf-8")
    assert json.loads(frozen) == made_vectors()
