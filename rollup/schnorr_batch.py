"""Many signatures at once: what a sequencer admits, a prover lays out and a benchmark signs.

The same answers as `rollup.schnorr` gives one by one, through the compiled kernels of hash and comb.
Those are imported inside the functions, so that importing this module stays quick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prover.curve.formulas import DEGREE
from prover.curve.septic import ORDER, POINT_ELEMENTS, Point
from prover.field.koalabear import PRIME
from prover.field.koalabear import decode as from_montgomery
from prover.field.koalabear import encode as to_montgomery
from prover.hash.domain import HashKind
from rollup.authority import Signature, TradingKey
from rollup.remembered_tables import RememberedTables
from rollup.schnorr import (
    CHALLENGE_ELEMENTS,
    RESPONSE_LIMBS,
    SUITE_HASHES,
    SecretKey,
    SignatureRefusal,
    challenge_number,
    form_refusal,
    key_elements,
    key_refusal,
    nonce_of,
    sign,
    signature_from,
    trading_key_from,
)

Columns = NDArray[np.uint32]
"""Canonical field elements or limbs; one column a signature."""


class SignedMessage(NamedTuple):
    """A claim to be verified."""

    key: TradingKey
    message: tuple[int, ...]
    signature: Signature


_TABLES: Final = RememberedTables()


def verify_many(signed: Sequence[SignedMessage], *, threads: int = 1) -> list[SignatureRefusal | None]:
    """Verify signatures: of each why it is refused, as `schnorr.verify_comb` says it, or None when it is valid."""
    from prover.curve.comb_kernels import run_combs

    refusals: list[SignatureRefusal | None] = [None] * len(signed)
    positions = []
    for position, one in enumerate(signed):
        if _is_well_spelled(*one):
            positions.append(position)
        else:
            refusals[position] = form_refusal(*one)
    well_spelled = [signed[position] for position in positions]
    commitments = _columns(
        [one.signature.commitment_x + one.signature.commitment_y for one in well_spelled], POINT_ELEMENTS
    )
    keys = list(dict.fromkeys(one.key for one in well_spelled))
    places = {key: place for place, key in enumerate(keys)}
    which_key = np.array([places[one.key] for one in well_spelled], np.int64)
    challenges = _challenges(which_key, keys, commitments, [one.message for one in well_spelled], threads)
    tables = _TABLES.tables_of(keys, threads=threads)
    responses = _limbs([one.signature.response for one in well_spelled])
    combs = run_combs(tables, which_key, responses, challenges, has_witness=False, threads=threads)
    is_equal = (from_montgomery(combs.results) == commitments).all(axis=0)
    for place in np.flatnonzero(combs.is_exceptional | ~is_equal).tolist():
        if tables.is_exceptional[which_key[place]]:
            refusal = SignatureRefusal.KEY_CANNOT_SIGN
        elif combs.is_exceptional[place]:
            refusal = SignatureRefusal.ADDITION_EXCEPTIONAL
        else:
            refusal = SignatureRefusal.EQUATION_FAILS
        refusals[positions[place]] = form_refusal(*well_spelled[place]) or refusal
    return refusals


def _is_well_spelled(key: TradingKey, message: Sequence[int], signature: Signature) -> bool:
    """Say that nothing is wrong with the numbers, but perhaps that the commitment is no point of the curve.

    That question costs more than the comb, and a signature that verifies answers it:
    the comb adds points of the curve, so what equals its result is one.
    """
    commitment = signature.commitment_x + signature.commitment_y
    return (
        key_refusal(key) is None
        and len(signature.commitment_x) == len(signature.commitment_y) == DEGREE
        and 0 <= min(commitment) <= max(commitment) < PRIME
        and 0 <= signature.response < ORDER
        and len(message) > 0
        and 0 <= min(message) <= max(message) < PRIME
        and message[0] == key.suite
    )


def sign_many(
    secrets: Sequence[SecretKey], messages: Sequence[Sequence[int]], *, threads: int = 1
) -> list[Signature]:
    """Sign each message with its secret; the signatures are those of `schnorr.sign`."""
    signers = list(dict.fromkeys(secrets))
    places = {secret: place for place, secret in enumerate(signers)}
    which_key = np.array([places[secret] for secret in secrets], np.int64)
    nonces = [nonce_of(secret, message, 0) for secret, message in zip(secrets, messages, strict=True)]
    keys, commitments = _keys_and_commitments(signers, nonces, threads)
    challenges = _challenges(which_key, keys, commitments, messages, threads)
    signed = []
    for place, secret, message, nonce, commitment, challenge in zip(
        which_key.tolist(),
        secrets,
        messages,
        nonces,
        commitments.T.tolist(),
        challenges.T.tolist(),
        strict=True,
    ):
        response = (nonce + challenge_number(challenge) * secret.scalar) % ORDER
        made = signature_from(_point(commitment), response)
        signed.append(SignedMessage(keys[place], tuple(message), made))
    # What does not verify met an exceptional addition with its first nonce: `sign` goes on to the next.
    return [
        one.signature if refusal is None else sign(secret, one.message)
        for secret, one, refusal in zip(secrets, signed, verify_many(signed, threads=threads), strict=True)
    ]


def _keys_and_commitments(
    signers: Sequence[SecretKey], nonces: Sequence[int], threads: int
) -> tuple[list[TradingKey], Columns]:
    """The signers' keys and the nonces' points: all multiples of the generator."""
    from prover.curve.comb_kernels import generator_multiples

    numbers = [*(secret.scalar for secret in signers), *nonces]
    multiples = generator_multiples(_limbs(numbers), threads=threads)
    points, count = from_montgomery(multiples.results), len(signers)
    keys = [
        secret.trading_key if is_exceptional else trading_key_from(secret.suite, _point(point))
        for secret, is_exceptional, point in zip(
            signers, multiples.is_exceptional[:count].tolist(), points[:, :count].T.tolist(), strict=True
        )
    ]
    return keys, points[:, count:]


def _point(elements: Sequence[int]) -> Point:
    """A point from its fourteen coordinates."""
    x0, x1, x2, x3, x4, x5, x6, y0, y1, y2, y3, y4, y5, y6 = elements
    return Point((x0, x1, x2, x3, x4, x5, x6), (y0, y1, y2, y3, y4, y5, y6))


def _challenges(
    which_key: NDArray[np.int64],
    keys: Sequence[TradingKey],
    commitments: Columns,
    messages: Sequence[Sequence[int]],
    threads: int,
) -> Columns:
    """Twin of `schnorr.challenge_elements`: messages of one suite and length go through the sponge together."""
    from prover.hash.poseidon_kernels import hash_rows

    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for position, (place, message) in enumerate(zip(which_key.tolist(), messages, strict=True)):
        groups[keys[place].suite, len(message)].append(position)
    key_columns = _columns([key_elements(key) for key in keys], POINT_ELEMENTS)[:, which_key]
    challenges = np.zeros((CHALLENGE_ELEMENTS, len(messages)), np.uint32)
    for (suite, length), positions in groups.items():
        body = _columns([messages[position] for position in positions], length)
        elements = to_montgomery(np.concatenate([commitments[:, positions], key_columns[:, positions], body]))
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
