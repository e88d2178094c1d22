"""The circuit that proves signatures and nothing else: four tables and what fills them.

signatures --- chain points ---> keys <--- key ends --- messages
     |                                                      |
     +---------- sponge ---> poseidon <--- sponge ----------+
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits import keys, poseidon, signature, signed_messages
from prover.air.builder import AirBuilder
from prover.field.koalabear import Montgomery, decode, encode
from prover.hash.domain import HashKind
from prover.stark.circuit import Circuit, define_circuit
from rollup.schnorr import CHALLENGE_ELEMENTS, RESPONSE_LIMBS, key_elements
from rollup.schnorr_batch import SignedMessage
from rollup.units import limbs_of

TABLES: Final = (signature.NAME, keys.NAME, poseidon.NAME, signed_messages.NAME)


def _constrain_keys(air: AirBuilder) -> None:
    """Keys without owners: no identity asks for them here."""
    keys.constrain_points(air)


def signature_circuit(message_length: int) -> Circuit:
    """Signatures of messages of one length."""
    return define_circuit(
        "signatures",
        [
            (signature.NAME, signature.constrain),
            (keys.NAME, _constrain_keys),
            (poseidon.NAME, poseidon.constrain_calls),
            (signed_messages.NAME, signed_messages.constrain_messages(message_length)),
        ],
    )


@dataclass(frozen=True, slots=True)
class SignatureWitness:
    """The traces of all tables, in the circuit's order."""

    traces: tuple[Montgomery, ...]

    @property
    def by_table(self) -> dict[str, Montgomery]:
        """The traces by the tables' names."""
        return dict(zip(TABLES, self.traces, strict=True))


def log_heights(signatures: int, key_count: int, message_length: int) -> tuple[int, ...]:
    """The smallest heights that hold so many signatures by so many keys."""
    blocks = -(-(28 + message_length) // 8)

    def log_up(rows: int) -> int:
        return max(0, rows - 1).bit_length()

    return (
        signature.LOG_BLOCK + log_up(signatures),
        keys.LOG_BLOCK + log_up(key_count),
        log_up(signatures * blocks),
        log_up(signatures),
    )


def fill(signed: Sequence[SignedMessage], heights: Sequence[int], *, threads: int = 1) -> SignatureWitness:
    """Lay out signatures that verify; messages have one length.

    What does not verify is laid out too, and breaks the constraint or the bus that refuses it.
    """
    from prover.curve.kernels import run_chains

    numbers: dict[tuple[int, ...], int] = {}
    key_numbers = np.array(
        [numbers.setdefault(key_elements(one.key), len(numbers)) for one in signed], dtype=np.uint32
    )
    distinct = _columns(list(numbers))
    key_columns = np.ascontiguousarray(distinct[:, key_numbers])
    commitments = _columns([one.signature.commitment_x + one.signature.commitment_y for one in signed])
    messages = _columns([one.message for one in signed])
    elements = np.concatenate([commitments, key_columns, messages])
    calls = poseidon.SpongeCalls(HashKind.SIGNATURE_CHALLENGE, signature.NO_LABEL, key_numbers, elements)
    poseidon_trace, (digests,) = poseidon.fill([calls], heights[2], threads=threads)
    challenges = decode(digests[:CHALLENGE_ELEMENTS])
    responses = np.array(
        [limbs_of(one.signature.response, 16 * RESPONSE_LIMBS) for one in signed], dtype=np.uint32
    ).T.copy()
    chains = run_chains(key_columns, responses, challenges, has_witness=True, threads=threads)
    numbering = np.arange(len(signed), dtype=np.uint32)
    rows = signature.SignatureRows(
        key_numbers,
        key_columns,
        responses,
        challenges,
        digests,
        chains,
        numbering,
        np.full(len(signed), len(elements)),
    )
    return SignatureWitness(
        (
            signature.fill(rows, distinct[:, :1], heights[0]),
            _fill_keys(distinct, rows, heights),
            poseidon_trace[: poseidon.CALL_COLUMNS],
            signed_messages.fill(numbering, key_numbers, key_columns, messages, heights[3]),
        )
    )


def _fill_keys(distinct: Montgomery, rows: signature.SignatureRows, heights: Sequence[int]) -> Montgomery:
    """The key table, with what signatures and messages ask of it."""
    count = distinct.shape[1]
    asked = signature.entries_asked(rows)
    sums = np.stack([np.bincount(rows.key_numbers, weights, count) for weights in asked]).astype(np.int64)
    ends = np.bincount(rows.key_numbers, minlength=count)
    # A block looks its negative key up on two rows, and so do the dead blocks, which use key number 0.
    negatives = 2 * ends
    negatives[0] += 2 * ((1 << heights[0]) // signature.BLOCK - len(rows.key_numbers))
    trace = keys.fill(distinct, heights[1])[: keys.POINT_COLUMNS].copy()
    counts = trace[-len(keys.POINT_COUNTS) :].reshape(len(keys.POINT_COUNTS), -1, keys.BLOCK)
    counts[0, :count] = encode(sums).T
    counts[1, :count, 0] = encode(negatives)
    counts[2, :count, 0] = encode(ends)
    return trace


def _columns(rows: Sequence[Sequence[int]]) -> Montgomery:
    """Lists of one length as the columns of an array."""
    return np.ascontiguousarray(encode(np.array(rows, dtype=np.int64)).T)
