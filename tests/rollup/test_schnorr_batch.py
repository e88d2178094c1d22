"""Signatures in batches: the same outcomes as one by one, whatever stands beside them."""

from __future__ import annotations

from dataclasses import replace

from prover.curve.comb import fixed_points
from prover.curve.septic import ORDER, Point
from rollup import schnorr
from rollup.authority import Signature
from rollup.schnorr import MessageHeader, SecretKey, SignatureRefusal, SignatureSuite, SignatureWitness
from rollup.schnorr_batch import SignedMessage, sign_many, verify_many
from rollup.units import AccountId, Address, ChainId, FieldElement, Scalar, SuiteId


def header(suite: SignatureSuite) -> tuple[int, ...]:
    return MessageHeader(suite, ChainId(1), Address(2), AccountId(3), 4).elements


SECRETS = [SecretKey(suite, 1000 + index) for index in range(5) for suite in SignatureSuite] * 2
MESSAGES = [(*header(secret.suite), *range(index % 3 * 7), index) for index, secret in enumerate(SECRETS)]
SIGNED = [
    SignedMessage(secret.trading_key, message, schnorr.sign(secret, message))
    for secret, message in zip(SECRETS, MESSAGES, strict=True)
]


def one_by_one(signed: list[SignedMessage]) -> list[SignatureRefusal | None]:
    outcomes = [schnorr.verify_comb(*one) for one in signed]
    return [None if isinstance(outcome, SignatureWitness) else outcome for outcome in outcomes]


def test_signing_together_gives_the_signatures_of_signing_alone() -> None:
    assert sign_many(SECRETS, MESSAGES, threads=2) == [one.signature for one in SIGNED]


def test_what_verifies_alone_verifies_together_whatever_its_suite_and_length() -> None:
    assert verify_many(SIGNED, threads=2) == [None] * len(SIGNED)


def test_every_refusal_is_the_refusal_of_verifying_alone() -> None:
    key, message, signature = SIGNED[0]
    offset = fixed_points().key_offset
    useless_key = schnorr.trading_key_from(SignatureSuite(key.suite), offset)
    commitment = Point(signature.commitment_x, signature.commitment_y)
    challenge = schnorr.challenge_number(schnorr.challenge_elements(key, commitment, message))
    to_identity = Scalar(challenge * SECRETS[0].scalar % ORDER)
    zeros = tuple(map(FieldElement, [0] * 7))
    claims = [
        SignedMessage(key, message, signature),
        SignedMessage(replace(key, suite=SuiteId(9)), message, signature),
        SignedMessage(replace(key, y=key.x), message, signature),
        SignedMessage(useless_key, message, signature),
        SignedMessage(key, message, Signature(zeros, zeros, signature.response)),  # type: ignore[arg-type]
        SignedMessage(key, message, replace(signature, commitment_y=signature.commitment_x)),
        SignedMessage(key, message, replace(signature, response=Scalar(signature.response + ORDER))),
        SignedMessage(key, (*message, -1), signature),
        SignedMessage(key, (SignatureSuite.SEPTIC_POSEIDON16_36, *message[1:]), signature),
        SignedMessage(key, message, replace(signature, response=to_identity)),
        SignedMessage(key, (*message, 0), signature),
        SignedMessage(key, message, signature),
    ]
    expected = [
        None,
        SignatureRefusal.SUITE_UNKNOWN,
        SignatureRefusal.KEY_NOT_A_POINT,
        SignatureRefusal.KEY_CANNOT_SIGN,
        SignatureRefusal.COMMITMENT_NOT_A_POINT,
        SignatureRefusal.COMMITMENT_NOT_A_POINT,
        SignatureRefusal.RESPONSE_NOT_REDUCED,
        SignatureRefusal.MESSAGE_NOT_CANONICAL,
        SignatureRefusal.MESSAGE_OF_OTHER_SUITE,
        SignatureRefusal.ADDITION_EXCEPTIONAL,
        SignatureRefusal.EQUATION_FAILS,
        None,
    ]
    assert verify_many(claims) == one_by_one(claims) == expected


def test_an_empty_batch_is_no_mistake() -> None:
    assert verify_many([]) == []
    assert sign_many([], []) == []
