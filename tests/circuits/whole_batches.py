"""Whole batches laid out without the slow tables, and everything that is wrong with them.

Signatures, sponge permutations, nodes and the range check are left out; what the others ask of them is compared with
what they would answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from circuits import key_multiples, keys, poseidon, range_check, shapes, signature
from circuits.buses import COMPRESS, DIGEST_PLACE, FOURTEEN_BITS, SIXTEEN_BITS, SPONGE, TWO_BYTES
from circuits.poseidon import PARAMETERS
from circuits.witness import BatchWitness, follow_batch, lay_out
from prover.air.bus import Bus, Direction
from prover.air.expression import Cell, CellKind
from prover.air.table import Scope, Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, RATE, sponge
from rollup.schnorr import key_elements
from rollup.state_tree import StateTree
from tests.circuits.story import Chapter

SLOW: Final = (signature.NAME, key_multiples.NAME, poseidon.NAME, range_check.NAME)
"""Tables that are not filled; their answers are computed here instead."""

LIMITS: Final = {SIXTEEN_BITS: 1 << 16, FOURTEEN_BITS: 1 << 14, TWO_BYTES: 1 << 8}
"""Values of look-ups below these are provided by the range check."""

FIRST_MESSAGE_BLOCK: Final = 3
"""Blocks of a signature's call before this one are the signature table's."""

_DIGEST: Final = DIGEST_PLACE % PRIME

Numbers = NDArray[np.int64]
Message = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Heights:
    """The smallest heights that hold a batch: many tables are full to the last row."""

    log_heights: Mapping[str, int]


@cache
def quick_tables() -> tuple[Table, ...]:
    """The tables that are filled."""
    return tuple(table for table in shapes.kinds_of_rows() if table.name not in SLOW)


@cache
def _tape(table: Table) -> Tape:
    """Every constraint, then every message with its count."""
    messages = [value for one in table.interactions for value in (*one.values, one.count)]
    return Tape.compile([*(constraint.polynomial for constraint in table.constraints), *messages])


def laid_out(told: Chapter, room: int = 0) -> BatchWitness:
    """The traces of a batch, each table as low as it can be, times two as often as `room` says."""
    followed = follow_batch(told.before, told.batch, told.tree, told.outcome)
    heights = {name: (max(rows, 1) - 1).bit_length() + room for name, rows in followed.needed.items()}
    # A single row has no row below it, and no shape has such a table but the batch's own.
    heights = {name: max(log, 1) for name, log in heights.items()}
    heights |= {
        "batch": 0,
        keys.NAME: max(heights[keys.NAME], keys.LEAST_LOG_HEIGHT),
        range_check.NAME: range_check.LOG_HEIGHT,
    }
    nothing = np.zeros((1, 1), np.uint32)
    with ExitStack() as stack:
        for name, answer in (
            ("signature", nothing),
            ("key_multiples", nothing),
            ("poseidon", (nothing, nothing)),
        ):
            stack.enter_context(mock.patch(f"circuits.{name}.fill", return_value=answer))
        return lay_out(followed, Heights(heights), quick_tables(), {}, threads=1)


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is wrong with a batch's traces."""

    constraints: frozenset[str]
    loose: Mapping[Bus, Mapping[Message, int]]
    """Messages sent more often than received; received more often: negative."""


def faults_of(laid: BatchWitness) -> Faults:
    """Evaluate every constraint on every row, and balance every bus."""
    publics: dict[Cell, Any] = {
        Cell(CellKind.PUBLIC, place): value for place, value in enumerate(laid.statement.elements)
    }
    broken = set()
    ends: dict[Bus, list[tuple[Numbers, Numbers]]] = defaultdict(list)
    for table in quick_tables():
        trace = laid.traces[table.name]
        tape, height = _tape(table), trace.shape[1]
        out = np.empty((tape.planes, height), np.uint32)
        periodic = [encode(np.array(column.values, dtype=np.int64)) for column in table.periodic]
        tape.run(Sources(trace, None, periodic=periodic), publics, out, threads=1)
        for values, constraint in zip(out, table.constraints, strict=False):
            if values[_rows_of(constraint.scope)].any():
                broken.add(f"{table.name}: {constraint.name}")
        place = len(table.constraints)
        for one in table.interactions:
            count = decode(out[place + one.bus.arity]).astype(np.int64)
            used = np.flatnonzero(count)
            message = decode(out[place : place + one.bus.arity][:, used]).astype(np.int64)
            sign = 1 if one.direction is Direction.SEND else -1
            ends[one.bus].append((message, sign * count[used]))
            place += one.bus.arity + 1
    return Faults(frozenset(broken), {bus: _loose(parts) for bus, parts in ends.items()})


def _rows_of(scope: Scope) -> slice:
    match scope:
        case Scope.EVERY_ROW:
            return slice(None)
        case Scope.FIRST_ROW:
            return slice(1)
        case Scope.LAST_ROW:
            return slice(-1, None)
        case _:
            return slice(-1)


def _loose(parts: list[tuple[Numbers, Numbers]]) -> dict[Message, int]:
    messages, counts = (np.concatenate([part[which] for part in parts], axis=-1) for which in (0, 1))
    if not counts.size:
        return {}
    order = np.lexsort(messages)
    messages, counts = messages[:, order], counts[order]
    starts = np.flatnonzero(np.append(True, (messages[:, 1:] != messages[:, :-1]).any(axis=0)))
    totals = np.add.reduceat(counts, starts)
    left = np.flatnonzero(totals % PRIME)
    found: list[list[int]] = messages[:, starts[left]].T.tolist()
    return {tuple(message): int(total) for message, total in zip(found, totals[left], strict=True)}


def tree_after(told: Chapter) -> StateTree:
    """The tree that the batch's events lead to."""
    changes = [change for event in told.outcome.events for change in event.changes]
    return told.tree.updated({change.index: change.after for change in changes if change.after is not None})


def wrong_with(told: Chapter, room: int = 0) -> list[str]:
    """Why a batch that the rules accepted would have no proof; nothing when it has one."""
    laid = laid_out(told, room)
    faults = faults_of(laid)
    answers = sorted(faults.constraints)
    loose = dict(faults.loose)
    for bus, limit in LIMITS.items():
        if not all(count > 0 and max(message) < limit for message, count in loose.pop(bus).items()):
            answers.append(f"a value on bus {bus.name} is out of range")
    if not _are_nodes_true(loose.pop(COMPRESS, {})):
        answers.append("a node is not the hash of its sides")
    answers += _untrue_sponges(loose.pop(SPONGE), laid)
    answers += [f"bus {bus.name}: {dict(list(left.items())[:3])}" for bus, left in loose.items() if left]
    after = tree_after(told)
    if laid.statement.old_root != told.tree.root or laid.statement.new_root != after.root:
        answers.append("the root is not the rules'")
    return answers


def _are_nodes_true(asked: Mapping[Message, int]) -> bool:
    """Hash all nodes anew."""
    from prover.hash.poseidon_kernels import permute_states

    if not asked:
        return True
    levels, sides, digests = np.split(np.array(list(asked), np.int64).T, [1, 1 + 2 * DIGEST_LENGTH])
    sides[LEVEL_ELEMENT] = (sides[LEVEL_ELEMENT] + levels[0] + 1) % PRIME
    outputs = decode(permute_states(encode(sides), PARAMETERS, 1)).astype(np.int64)
    return min(asked.values()) > 0 and bool(
        ((outputs[:DIGEST_LENGTH] + sides[:DIGEST_LENGTH]) % PRIME == digests).all()
    )


def _untrue_sponges(asked: Mapping[Message, int], laid: BatchWitness) -> list[str]:
    """Hash all sponge calls anew; of a signature's call only what stands behind the key's first elements is asked."""
    from prover.hash.poseidon_kernels import hash_rows

    calls: dict[int, dict[int, Message]] = defaultdict(dict)
    answers = []
    for (call, owner, place, *rest), count in asked.items():
        if count != 1 or place in calls[call]:
            answers.append("a message of a sponge call is sent twice")
        calls[call][place] = (owner, *rest)
    groups: dict[tuple[int, int, int], list[tuple[list[int], Message]]] = defaultdict(list)
    signed: list[tuple[int, Message]] = []
    for parts in calls.values():
        tags = {part[:4] for part in parts.values()}
        blocks = sorted(place for place in parts if place != _DIGEST)
        if len(tags) != 1:
            answers.append("a sponge call of two kinds")
            continue
        ((owner, kind, length, label),) = tags
        elements = [value for place in blocks for value in parts[place][4:]]
        if kind == HashKind.SIGNATURE_CHALLENGE:
            first = FIRST_MESSAGE_BLOCK * RATE
            is_whole = blocks == list(range(FIRST_MESSAGE_BLOCK, -(-length // RATE))) and _DIGEST not in parts
            signed.append((owner, tuple(elements[: length - first])))
        else:
            is_whole = blocks == list(range(max(1, -(-length // RATE)))) and _DIGEST in parts
            groups[kind, length, label].append((elements, parts.get(_DIGEST, ())[4:]))
        if not is_whole or any(elements[length - RATE * blocks[0] :]):
            answers.append("a sponge call with a part missing or too many")
    for (kind, length, label), found in groups.items():
        rows = np.array([elements[:length] for elements, _ in found], np.int64).reshape(len(found), length)
        if length:
            columns = np.ascontiguousarray(encode(rows.T))
            digests = decode(hash_rows([columns], PARAMETERS, HashKind(kind), label, 1)).T.tolist()
        else:
            digests = [list(sponge(PARAMETERS, HashKind(kind), (), label))] * len(found)
        if digests != [list(digest) for _, digest in found]:
            answers.append(f"a digest of kind {HashKind(kind).name}")
    numbers = laid.journey.keys
    expected = [
        (numbers[key_elements(one.key)], (*key_elements(one.key)[10:], *one.message))
        for one in laid.journey.signed
    ]
    if sorted(signed) != sorted(expected):
        answers.append("the signatures asked for are not those that the rules checked")
    return answers
