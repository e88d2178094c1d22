"""Many signatures at once: what a sequencer admits, a prover lays out and a benchmark signs.

The same answers as `rollup.schnorr` gives one by one, through the compiled kernels of hash and chain.
Those are imported inside the functions, so that importing this module stays quick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prover.curve.chain import ChainBatch
from prover.curve.septic import GENERATOR, ORDER, POINT_ELEMENTS, Point, encode
from prover.field.koalabear import decode as from_montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.hash.domain import HashKind
from rollup.authority import Signature, TradingKey
from rollup.schnorr import (
    CHALLENGE_ELEMENTS,
    RESPONSE_LIMBS,
    SUITE_HASHES,
    SecretKey,
    SignatureRefusal,
    challenge_number,
    form_refusal,
    key_elements,
    nonce_of,
    sign,
    signature_from,
)

Columns = NDArray[np.uint32]
"""Canonical field elements or limbs; one column a signature."""


class SignedMessage(NamedTuple):
    """A claim to be verified."""

    key: TradingKey
    message: tuple[int, ...]
    signature: Signature


@dataclass(frozen=True, slots=True)
class VerifiedBatch:
    """What verifying many signatures gives."""

    refusals: tuple[SignatureRefusal | None, ...]
    """One a signature, None when it is valid."""
    positions: tuple[int, ...]
    """Which signatures the arrays below hold: those whose numbers had the right form."""
    challenges: Columns
    """Shape (4, positions)."""
    chains: ChainBatch


def verify_many(
    signed: Sequence[SignedMessage], *, has_witness: bool = False, threads: int = 1
) -> VerifiedBatch:
    """Verify signatures, each with the outcome of `schnorr.verify_chain`."""
    from prover.curve.kernels import run_chains

    refusals = [form_refusal(*one) for one in signed]
    positions = [position for position, refusal in enumerate(refusals) if refusal is None]
    well_formed = [signed[position] for position in positions]
    keys = _columns([key_elements(one.key) for one in well_formed], POINT_ELEMENTS)
    commitments = _columns(
        [one.signature.commitment_x + one.signature.commitment_y for one in well_formed], POINT_ELEMENTS
    )
    suites = [one.key.suite for one in well_formed]
    challenges = _challenges(suites, commitments, keys, [one.message for one in well_formed], threads)
    responses = _limbs([one.signature.response for one in well_formed])
    chains = run_chains(to_montgomery(keys), responses, challenges, has_witness=has_witness, threads=threads)
    is_equal = (from_montgomery(chains.results) == commitments).all(axis=0)
    for place, position in enumerate(positions):
        if chains.is_exceptional[place]:
            refusals[position] = SignatureRefusal.ADDITION_EXCEPTIONAL
        elif not is_equal[place]:
            refusals[position] = SignatureRefusal.EQUATION_FAILS
    return VerifiedBatch(tuple(refusals), tuple(positions), challenges, chains)


def sign_many(
    secrets: Sequence[SecretKey], messages: Sequence[Sequence[int]], *, threads: int = 1
) -> list[Signature]:
    """Sign each message with its secret; the signatures are those of `schnorr.sign`."""
    from prover.curve.kernels import run_chains

    known_keys = {secret: secret.trading_key for secret in set(secrets)}
    generator = _columns([encode(GENERATOR)] * len(secrets), POINT_ELEMENTS)
    nonces = [nonce_of(secret, message, 0) for secret, message in zip(secrets, messages, strict=True)]
    zeros = np.zeros((CHALLENGE_ELEMENTS, len(secrets)), np.uint32)
    # The chain with challenge 0 is a multiplication of the generator.
    multiples = run_chains(
        to_montgomery(generator), _limbs(nonces), zeros, has_witness=False, threads=threads
    )
    commitments = from_montgomery(multiples.results)
    keys = _columns([key_elements(known_keys[secret]) for secret in secrets], POINT_ELEMENTS)
    suites = [int(secret.suite) for secret in secrets]
    challenges = _challenges(suites, commitments, keys, messages, threads)
    made = []
    for secret, nonce, commitment, challenge in zip(
        secrets, nonces, commitments.T.tolist(), challenges.T.tolist(), strict=True
    ):
        response = (nonce + challenge_number(challenge) * secret.scalar) % ORDER
        made.append(signature_from(Point(tuple(commitment[:7]), tuple(commitment[7:])), response))
    verified = verify_many(
        [
            SignedMessage(known_keys[secret], tuple(message), signature)
            for secret, message, signature in zip(secrets, messages, made, strict=True)
        ],
        threads=threads,
    )
    # What does not verify met an exceptional addition with its first nonce: `sign` goes on to the next.
    return [
        signature if refusal is None else sign(secret, message)
        for secret, message, signature, refusal in zip(
            secrets, messages, made, verified.refusals, strict=True
        )
    ]


def _challenges(
    suites: Sequence[int],
    commitments: Columns,
    keys: Columns,
    messages: Sequence[Sequence[int]],
    threads: int,
) -> Columns:
    """Twin of `schnorr.challenge_elements`: messages of one suite and length go through the sponge together."""
    from prover.hash.poseidon_kernels import hash_rows

    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for position, (suite, message) in enumerate(zip(suites, messages, strict=True)):
        groups[suite, len(message)].append(position)
    challenges = np.zeros((CHALLENGE_ELEMENTS, len(messages)), np.uint32)
    for (suite, length), positions in groups.items():
        body = _columns([messages[position] for position in positions], length)
        elements = to_montgomery(np.concatenate([commitments[:, positions], keys[:, positions], body]))
        digests = hash_rows([elements], SUITE_HASHES[suite], HashKind.SIGNATURE_CHALLENGE, 0, threads)
        challenges[:, positions] = from_montgomery(digests[:CHALLENGE_ELEMENTS])
    return challenges


def _columns(rows: Sequence[Sequence[int]], width: int) -> Columns:
    """Lists of numbers as the columns of an array, also when there are none."""
    return np.ascontiguousarray(np.array(rows, dtype=np.uint32).reshape(len(rows), width).T)


def _limbs(numbers: Sequence[int]) -> Columns:
    """The 16-bit limbs of numbers below 2^224, lowest first."""
    spelled = b"".join(number.to_bytes(2 * RESPONSE_LIMBS, "little") for number in numbers)
    limbs = np.frombuffer(spelled, dtype="<u2").reshape(len(numbers), RESPONSE_LIMBS)
    return np.ascontiguousarray(limbs.T.astype(np.uint32))
