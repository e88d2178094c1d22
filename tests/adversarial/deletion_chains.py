"""Honest traces of signatures, of keys' multiples, of permutations and of the range check, and what of them is bound.

Other stories lay out whole batches without these tables, which have many rows for what happens once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from circuits import key_multiples, poseidon, range_check, shapes, signature
from circuits.compressions import COUNT, NodeCalls
from circuits.demand import write_counts
from circuits.key_multiples import ENTRIES_START, SEGMENT
from circuits.poseidon import PARAMETERS, SpongeCalls
from circuits.signature import BLOCK, END
from circuits.witness import BatchWitness
from prover.air.table import Table
from prover.field.koalabear import Montgomery, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import WIDTH
from tests.adversarial.deletion_onward import Chain
from tests.adversarial.deletions import Ground
from tests.circuits import signed
from tests.circuits.whole_batches import LIMITS, SLOW, quick_tables

SIGNED, KEYS_THAT_SIGN = 3, 2

TAGS: Final = 6
"""What a sponge's message says before its elements: call, owner, place, kind, length, label."""
SIDES: Final = 1 + WIDTH
"""What a node's message says before its digest: level, and both sides."""
CALLS: Final = (((20, 8, 3, 16), 3), ((20, 8, 3, 20), 0))
"""Lengths of the calls of two tables, and how many nodes stand below: the second is full to the last row."""


def answered() -> frozenset[str]:
    """Buses on which some table answers as often as it is asked."""
    tables = shapes.kinds_of_rows()
    return frozenset(one.bus.name for table in tables for one in table.interactions if one.weight == 0)


def slow_tables() -> tuple[Table, ...]:
    """The tables that are laid out here, in the order of the circuit."""
    return tuple(table for table in shapes.kinds_of_rows() if table.name in SLOW)


def _ground(table: Table, trace: Montgomery) -> Ground:
    return Ground(table, decode(trace).astype(np.int64), (), {}, answered())


def _permutations(lengths: Sequence[int], nodes: int) -> Montgomery:
    """Calls of these lengths and some nodes, each asked for once."""
    random = np.random.default_rng(7)
    calls = [
        SpongeCalls(
            HashKind.SIGNATURE_CHALLENGE if number % 2 else HashKind.STATE_LEAF,
            number,
            np.array([40 + number], np.uint32),
            encode(random.integers(1, 1 << 30, (length, 1))),
        )
        for number, length in enumerate(lengths)
    ]
    below = NodeCalls(np.arange(5, 5 + nodes), encode(random.integers(1, 1 << 30, (WIDTH, nodes))))
    rows = sum(call.rows for call in calls) + nodes
    trace, _ = poseidon.fill(calls, (rows - 1).bit_length(), [below])
    trace[-1, rows - nodes : rows] = encode([1])[0]
    return trace


@cache
def chains_of(name: str) -> tuple[Chain, ...]:
    """Honest traces of a table, and what of them stays as it is when a rule is broken."""
    (table,) = (one for one in slow_tables() if one.name == name)
    if name == poseidon.NAME:
        assert table.main_names[-1] == COUNT
        grounds = [_ground(table, _permutations(*calls)) for calls in CALLS]
        bound = {0: table.interactions[0].bus.arity, 1: TAGS, 2: SIDES}
        live = [int(np.flatnonzero(ground.trace[-1] + ground.trace[_live(table)])[-1]) for ground in grounds]
        rounds = len(PARAMETERS.round_constants)
        return tuple(
            Chain(ground, tuple(range(last, -1, -1)), bound, {}, rounds + 2, is_straight=True)
            for ground, last in zip(grounds, live, strict=True)
        )
    trace = signed.witness(signed.signed(SIGNED, KEYS_THAT_SIGN), KEYS_THAT_SIGN).by_table[name]
    ground = _ground(table, trace)
    if name == signature.NAME:
        # The constants of the generator, the multiples of the key, and the key's own elements.
        bound = {number: table.interactions[number].bus.arity for number in range(3)}
        bound |= dict.fromkeys(range(3, len(table.interactions)), TAGS)
        return (Chain(ground, (*range(END - 1, 0, -1), END, BLOCK), bound, {}),)
    assert name == key_multiples.NAME
    # The second key that signs; its last doublings first, so that few rows follow.
    first = 2 * key_multiples.BLOCK
    rows = [
        *range(ENTRIES_START - 1, ENTRIES_START - 4, -1),
        *range(key_multiples.END, ENTRIES_START - 1, -1),
    ]
    rows += [2 * SEGMENT, 2 * SEGMENT - 1, SEGMENT, SEGMENT - 1, 0, 1]
    bound = {number: table.interactions[number].bus.arity for number in (0, 1)}
    return (Chain(ground, tuple(first + row for row in rows), bound, {1: 2}),)


def _live(table: Table) -> int:
    return table.main_names.index("is live")


def range_ground(laid: BatchWitness) -> Ground:
    """The range check, as often as the other tables of a batch ask."""
    (table,) = (one for one in slow_tables() if one.name == range_check.NAME)
    trace, fixed = range_check.fill(), range_check.preprocessed()
    tables = [*quick_tables(), table]
    traces = [*(laid.traces[one.name].copy() for one in quick_tables()), trace]
    known = [None] * len(quick_tables())
    write_counts(tables, traces, [*known, fixed], laid.statement.elements, threads=1)
    limits = {bus.name: limit for bus, limit in LIMITS.items()}
    return replace(_ground(table, trace), preprocessed=decode(fixed).astype(np.int64), limits=limits)
