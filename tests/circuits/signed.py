"""Real signatures and their witnesses, and what is broken in a witness, by name."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from circuits import poseidon, signature
from circuits.demand import write_counts
from circuits.signature_circuit import SignatureWitness, fill, log_heights, signature_circuit
from prover.air.inspect import Findings, inspect
from prover.air.table import Table
from prover.curve.comb_kernels import run_combs
from prover.curve.key_table_kernels import key_tables
from prover.curve.septic import ORDER, Point
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit
from rollup.schnorr import RESPONSE_LIMBS, SecretKey, SignatureSuite
from rollup.schnorr_batch import SignedMessage, sign_many
from rollup.units import limbs_of

MESSAGE_LENGTH = 21
"""A header of eighteen elements and three more: the last block is not full."""


@cache
def circuit() -> Circuit:
    """The circuit of signatures whose messages have the specimens' length."""
    return signature_circuit(MESSAGE_LENGTH)


@cache
def signed(count: int, keys: int) -> tuple[SignedMessage, ...]:
    """Signatures of random messages, the keys taking turns; the same every time."""
    generator = random.Random(f"signed {count} {keys}")
    suite = SignatureSuite.SEPTIC_POSEIDON16_20
    owned = [SecretKey(suite, generator.randrange(1, ORDER)) for _ in range(keys)]
    secrets = [owned[number % keys] for number in range(count)]
    messages = [
        (int(suite), *(generator.randrange(1 << 16) for _ in range(MESSAGE_LENGTH - 1))) for _ in secrets
    ]
    made = sign_many(secrets, messages)
    return tuple(
        SignedMessage(secret.trading_key, message, one)
        for secret, message, one in zip(secrets, messages, made, strict=True)
    )


def witness(claims: tuple[SignedMessage, ...], keys: int) -> SignatureWitness:
    """The traces of claims, in the smallest tables that hold them."""
    return fill(claims, log_heights(len(claims), keys, MESSAGE_LENGTH))


def inspected(traces: dict[str, Montgomery]) -> Findings:
    """All that is wrong with the traces of all tables."""
    return inspect(circuit().tables, traces, is_montgomery=True)


def broken(found: Findings) -> set[str]:
    """The names of the broken constraints without their coefficients, and of the unbalanced buses."""
    names = {
        finding.constraint.split(", coefficient")[0].split(", element")[0] for finding in found.constraints
    }
    return names | {f"bus {finding.bus}" for finding in found.messages}


def signature_table() -> Table:
    """The signature table as the circuit has it."""
    return next(table for table in circuit().tables if table.name == signature.NAME)


def comb_rows(key: Point, response: int, challenges: Sequence[int]) -> signature.SignatureRows:
    """One comb for any numbers, without a hash behind it: the digest is what the challenge says modulo p."""
    column = encode(np.array(encode_point(key)))[:, None]
    limbs = np.array(limbs_of(response, 16 * RESPONSE_LIMBS), dtype=np.uint32)[:, None]
    elements = np.array(challenges, dtype=np.uint32)[:, None]
    digest = encode(np.array([*challenges, 0, 0, 0, 0]))[:, None]
    tables = key_tables(column, has_witness=True)
    combs = run_combs(tables, np.zeros(1, np.int64), limbs, elements, has_witness=True)
    zero = np.zeros(1, np.uint32)
    return signature.SignatureRows(zero, column, elements, digest, combs, zero, np.full(1, 49))


def block(rows: signature.SignatureRows) -> Montgomery:
    """The trace of one signature that is sent."""
    return signature.fill(rows, rows.combs, signature.LOG_BLOCK)


def broken_in_table(trace: Montgomery) -> set[str]:
    """The constraints that a trace of the signature table alone breaks."""
    found = inspect([signature_table()], {signature.NAME: trace}, is_montgomery=True)
    return {name for name in broken(found) if not name.startswith("bus ")}


def recounted(traces: dict[str, Montgomery]) -> Findings:
    """All that is wrong with changed traces when look-ups are counted anew.

    The Poseidon table must be an honest one: of it only the messages are looked at, which is a hundred times quicker.
    """
    copies = {name: trace.copy() for name, trace in traces.items()}
    tables = [
        replace(table, constraints=()) if table.name == poseidon.NAME else table for table in circuit().tables
    ]
    write_counts(tables, [copies[table.name] for table in tables], [None] * len(tables), (), threads=1)
    return inspect(tables, copies, is_montgomery=True)
