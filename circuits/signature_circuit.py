"""The circuit that proves signatures and nothing else: five tables and what fills them.

signatures --- key entries ---> key multiples --- keys ---> keys <--- key ends --- messages
     |  '--- key starts, generator points ----------------->'                          |
     +---------- sponge ---> poseidon <--- sponge -------------------------------------+
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits import comb_runs, demand, key_multiples, keys, poseidon, signature, signed_messages
from prover.field.koalabear import Montgomery, decode, encode
from prover.hash.domain import HashKind
from prover.stark.circuit import Circuit, define_circuit
from rollup.schnorr import CHALLENGE_ELEMENTS, RESPONSE_LIMBS, key_elements
from rollup.schnorr_batch import SignedMessage
from rollup.units import limbs_of

TABLES: Final = (signature.NAME, key_multiples.NAME, keys.NAME, poseidon.NAME, signed_messages.NAME)


def signature_circuit(message_length: int) -> Circuit:
    """Signatures of messages of one length."""
    return define_circuit(
        "signatures",
        [
            (signature.NAME, signature.constrain),
            (key_multiples.NAME, key_multiples.constrain),
            (keys.NAME, keys.constrain),
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
    """The smallest heights that hold so many signatures by so many keys, and the generator beside them."""
    blocks = -(-(28 + message_length) // 8)

    def log_up(rows: int) -> int:
        return max(0, rows - 1).bit_length()

    return (
        signature.LOG_BLOCK + log_up(signatures),
        key_multiples.LOG_BLOCK + log_up(key_count + 1),
        max(keys.LEAST_LOG_HEIGHT, log_up(key_count + 1)),
        log_up(signatures * blocks),
        log_up(signatures),
    )


def fill(signed: Sequence[SignedMessage], heights: Sequence[int], *, threads: int = 1) -> SignatureWitness:
    """Lay out signatures that verify; messages have one length.

    What does not verify is laid out too, and breaks the constraint or the bus that refuses it.
    """
    numbers: dict[tuple[int, ...], int] = {comb_runs.SPARE_KEY: 0}
    key_numbers = np.array(
        [numbers.setdefault(key_elements(one.key), len(numbers)) for one in signed], dtype=np.uint32
    )
    distinct = _columns(list(numbers))
    key_columns = np.ascontiguousarray(distinct[:, key_numbers])
    commitments = _columns([one.signature.commitment_x + one.signature.commitment_y for one in signed])
    messages = _columns([one.message for one in signed])
    elements = np.concatenate([commitments, key_columns, messages])
    calls = poseidon.SpongeCalls(HashKind.SIGNATURE_CHALLENGE, signature.NO_LABEL, key_numbers, elements)
    poseidon_trace, (digests,) = poseidon.fill([calls], heights[3], threads=threads)
    challenges = decode(digests[:CHALLENGE_ELEMENTS])
    responses = np.array(
        [limbs_of(one.signature.response, 16 * RESPONSE_LIMBS) for one in signed], dtype=np.uint32
    ).T.copy()
    runs = comb_runs.run(distinct, key_numbers.astype(np.int64), responses, challenges, threads=threads)
    numbering = np.arange(len(signed), dtype=np.uint32)
    rows = signature.SignatureRows(
        key_numbers,
        key_columns,
        challenges,
        digests,
        runs.combs,
        numbering,
        np.full(len(signed), len(elements)),
    )
    traces = (
        signature.fill(rows, runs.spare, heights[0]),
        key_multiples.fill(runs.tables, runs.key_numbers, heights[1]),
        keys.fill(distinct, heights[2]),
        poseidon_trace[: poseidon.CALL_COLUMNS],
        signed_messages.fill(numbering, key_numbers, key_columns, messages, heights[4]),
    )
    tables = signature_circuit(messages.shape[0]).tables
    demand.write_counts(tables, traces, [None] * len(tables), (), threads=threads)
    return SignatureWitness(traces)


def _columns(rows: Sequence[Sequence[int]]) -> Montgomery:
    """Lists of one length as the columns of an array."""
    return np.ascontiguousarray(encode(np.array(rows, dtype=np.int64)).T)
