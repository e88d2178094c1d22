"""A signature has one spelling and one answer: alone, in a batch, remembered, or spelled by a hostile hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.curve.comb import fixed_points
from prover.curve.septic import ORDER, Point, add, multiply, multiply_generator, negate_point
from prover.field.koalabear import PRIME
from rollup import schnorr
from rollup.authority import Signature, TradingKey
from rollup.codec import decode_transaction, encode_transaction
from rollup.fields import MalformedError
from rollup.schnorr import (
    MessageHeader,
    SecretKey,
    SepticSchnorr,
    SignatureRefusal,
    SignatureSuite,
    SignatureWitness,
    challenge_elements,
    challenge_number,
    verify,
    verify_comb,
)
from rollup.schnorr_batch import SignedMessage, verify_many
from rollup.transactions import Withdrawal
from rollup.units import AccountId, Address, ChainId
from tests.rollup.workbench import make

SECRETS = [SecretKey(suite, scalar) for suite in SignatureSuite for scalar in (1, 2, ORDER - 1, 1 << 200)]


def message_for(secret: SecretKey) -> tuple[int, ...]:
    header = MessageHeader(secret.suite, ChainId(1), Address(2), AccountId(3), 9).elements
    return (*header, 5, 0, 0, 0, 7, 0)


GOOD = [
    SignedMessage(secret.trading_key, message_for(secret), schnorr.sign(secret, message_for(secret)))
    for secret in SECRETS
]


def alone(signed: SignedMessage) -> SignatureRefusal | None:
    outcome = verify_comb(*signed)
    return None if isinstance(outcome, SignatureWitness) else outcome


def assert_one_answer(signed: list[SignedMessage]) -> list[SignatureRefusal | None]:
    """The answers, which are the same alone, in a batch, in a batch turned round, and by `verify`."""
    answers = [alone(one) for one in signed]
    assert verify_many(signed) == answers
    assert verify_many(signed[::-1]) == answers[::-1]
    assert [verify(*one) for one in signed] == [answer is None for answer in answers]
    return answers


NUMBERS = st.sampled_from(
    [
        0,
        1,
        2,
        0xFFFF,
        1 << 16,
        PRIME - 1,
        PRIME,
        PRIME + 1,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        -1,
        1 << 32,
        1 << 64,
    ]
)
SCALARS = st.sampled_from(
    [0, 1, ORDER - 1, ORDER, ORDER + 1, (1 << 217) - 1, 1 << 217, (1 << 224) - 1, 1 << 224, -1]
)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD) - 1),
            st.sampled_from(["none", "key", "commitment", "response", "message", "suite", "cut", "grow"]),
            st.integers(0, 27),
            NUMBERS,
            SCALARS,
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_batch_and_the_rule_agree_on_every_hostile_spelling(
    spoilings: list[tuple[int, str, int, int, int]],
) -> None:
    signed, expected = [], []
    for which, part, place, number, scalar in spoilings:
        one = spoiled(GOOD[which], part, place, number, scalar)
        signed.append(one)
        expected.append(one == GOOD[which])
    assert [answer is None for answer in assert_one_answer(signed)] == expected


def spoiled(good: SignedMessage, part: str, place: int, number: int, scalar: int) -> SignedMessage:
    """A good signature with one number replaced."""
    key, message, signature = good
    match part:
        case "key":
            elements = _with(key.x + key.y, place % 14, number)
            return good._replace(key=make(TradingKey, key.suite, elements[:7], elements[7:]))
        case "commitment":
            elements = _with(signature.commitment_x + signature.commitment_y, place % 14, number)
            return good._replace(signature=make(Signature, elements[:7], elements[7:], signature.response))
        case "response":
            return good._replace(signature=make(replace, signature, response=scalar))
        case "message":
            return good._replace(message=_with(message, place % len(message), number))
        case "suite":
            return good._replace(key=make(replace, key, suite=number))
        case "cut":
            return good._replace(message=message[: place % len(message)])
        case "grow":
            return good._replace(message=(*message, number))
        case _:
            return good


def _with(elements: tuple[int, ...], place: int, number: int) -> tuple[int, ...]:
    return (*elements[:place], number, *elements[place + 1 :])


@pytest.mark.parametrize("cut", [0, 1, 6, 8, 13, 14])
def test_coordinates_cut_elsewhere_are_no_second_spelling(cut: int) -> None:
    """The fourteen numbers are the same, and hash the same: only where x ends differs."""
    key, message, signature = GOOD[0]
    numbers = signature.commitment_x + signature.commitment_y
    elements = key.x + key.y
    other = make(Signature, numbers[:cut], numbers[cut:], signature.response)
    other_key = make(TradingKey, key.suite, elements[:cut], elements[cut:])
    signed = [SignedMessage(key, message, other), SignedMessage(other_key, message, signature), GOOD[0]]
    assert assert_one_answer(signed) == [
        SignatureRefusal.COMMITMENT_NOT_A_POINT,
        SignatureRefusal.KEY_NOT_A_POINT,
        None,
    ]


def test_no_relative_of_a_signature_is_one() -> None:
    """Signs turned, responses shifted by the order, parts of two signatures joined: all refused."""
    for good, other in pairwise(GOOD):
        key, message, signature = good
        commitment = Point(signature.commitment_x, signature.commitment_y)
        minus = negate_point(commitment)
        response = signature.response
        relatives = [
            make(Signature, minus.x, minus.y, response),
            make(Signature, minus.x, minus.y, (-response) % ORDER),
            make(Signature, commitment.x, commitment.y, (-response) % ORDER),
            make(Signature, commitment.x, commitment.y, response + ORDER),
            make(Signature, commitment.x, commitment.y, response - ORDER),
            make(Signature, commitment.x, commitment.y, other.signature.response),
            make(Signature, other.signature.commitment_x, other.signature.commitment_y, response),
        ]
        signed = [SignedMessage(key, message, relative) for relative in relatives]
        assert all(answer is not None for answer in assert_one_answer(signed))


@pytest.mark.parametrize("response", [-1, ORDER, ORDER + 1, (1 << 217) - 1, (1 << 224) - 1, 1 << 224])
def test_a_response_has_one_spelling_below_the_order(response: int) -> None:
    key, message, signature = GOOD[0]
    signed = SignedMessage(key, message, make(replace, signature, response=response))
    assert assert_one_answer([signed]) == [SignatureRefusal.RESPONSE_NOT_REDUCED]


def test_the_key_minus_a_key_does_not_inherit_its_signatures() -> None:
    key, message, signature = GOOD[0]
    minus = negate_point(Point(key.x, key.y))
    turned = SignedMessage(make(TradingKey, key.suite, minus.x, minus.y), message, signature)
    assert assert_one_answer([turned]) == [SignatureRefusal.EQUATION_FAILS]


def test_a_forgery_from_a_chosen_response_and_challenge_fails() -> None:
    """R = s G - e A solves the equation for any s and e, but then e is not the challenge of that R."""
    key, message, _ = GOOD[0]
    point = Point(key.x, key.y)
    forged = []
    for response, challenge in ((5, 0), (5, 7), (0, 1), (ORDER - 1, (1 << 124) - 1)):
        total = add(multiply_generator(response), multiply(point, -challenge))
        assert total is not None
        assert challenge_number(challenge_elements(key, total, message)) != challenge
        forged.append(SignedMessage(key, message, make(Signature, total.x, total.y, response)))
    assert all(answer is not None for answer in assert_one_answer(forged))


def test_keys_at_the_constants_of_the_comb_are_answered_alike() -> None:
    """The entries of the generator's table are ordinary keys; with the key table's offset nobody can sign."""
    message = message_for(SECRETS[0])
    signature = GOOD[0].signature
    fixed = fixed_points()
    for entries, expected in (
        ((*fixed.table[:4], fixed.start), SignatureRefusal.EQUATION_FAILS),
        ((fixed.key_offset,), SignatureRefusal.KEY_CANNOT_SIGN),
    ):
        points = [*entries, *map(negate_point, entries)]
        keys = [make(TradingKey, 1, point.x, point.y) for point in points]
        assert all(SepticSchnorr().accepts_key(key) for key in keys)
        assert set(assert_one_answer([SignedMessage(key, message, signature) for key in keys])) == {expected}
    assert assert_one_answer([GOOD[0]]) == [None]


def test_a_bad_neighbour_changes_no_answer_in_any_lane() -> None:
    """Forty signatures, more than two vectors, with an exceptional comb at each place in turn."""
    key, message, signature = GOOD[0]
    commitment = Point(signature.commitment_x, signature.commitment_y)
    challenge = challenge_number(challenge_elements(key, commitment, message))
    exceptional = make(replace, signature, response=challenge * SECRETS[0].scalar % ORDER)
    bad = SignedMessage(key, message, exceptional)
    assert alone(bad) is SignatureRefusal.ADDITION_EXCEPTIONAL
    crowd = (GOOD * 5)[:40]
    for place in (0, 1, 15, 16, 31, 39):
        answers = verify_many([*crowd[:place], bad, *crowd[place + 1 :]])
        expected: list[SignatureRefusal | None] = [None] * 40
        expected[place] = SignatureRefusal.ADDITION_EXCEPTIONAL
        assert answers == expected


@pytest.mark.parametrize("place", range(14))
def test_bytes_of_a_signature_have_one_reading(place: int) -> None:
    """A coordinate plus p fits its four bytes, and is malformed before anything is verified."""
    good = make(Withdrawal, 2, 5, 0, GOOD[0].signature)
    encoded = bytearray(encode_transaction(good))
    assert decode_transaction(bytes(encoded)) == good
    start = len(encoded) - 28 - 14 * 4 + 4 * place
    number = int.from_bytes(encoded[start : start + 4], "big")
    encoded[start : start + 4] = (number + PRIME).to_bytes(4, "big")
    with pytest.raises(MalformedError, match="not below"):
        decode_transaction(bytes(encoded))


def test_the_memory_of_good_keys_forgets_nothing_about_bad_ones() -> None:
    """The check of a key is remembered; a key that differs in one number is asked anew."""
    key = GOOD[0].key
    changes: list[dict[str, Any]] = [
        {"suite": 0},
        {"suite": 3},
        {"x": _with(key.x, 0, key.x[0] + PRIME)},
        {"y": _with(key.y, 6, key.y[6] ^ 1)},
        {"x": key.y, "y": key.x},
    ]
    for _ in range(2):
        assert schnorr.key_refusal(key) is None
        for change in changes:
            assert schnorr.key_refusal(make(replace, key, **change)) is not None
