"""What a table says to tables that are not there: the messages left over when it is inspected alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from circuits.buses import COMPRESS, SPONGE
from circuits.poseidon import PARAMETERS
from prover.air.builder import AirBuilder, define_table
from prover.air.bus import Bus
from prover.air.inspect import Findings, inspect
from prover.air.table import Table
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import compress, sponge
from prover.stark.circuit import MINIMUM_QUOTIENT_DEGREE


def table_of(name: str, constrain: Callable[[AirBuilder], None], publics: Sequence[str] = ()) -> Table:
    """A table that is as cheap as all others: no constraint above the degree that is free."""
    table = define_table(name, constrain, publics)
    assert table.degree <= MINIMUM_QUOTIENT_DEGREE
    return table


def untrue_hashes(found: Findings) -> set[str]:
    """What the Poseidon table would refuse of the hashes asked for; much faster than inspecting that table."""
    answers = set()
    for level, *digests in loose_ends(found, COMPRESS):
        sides = [value % PRIME for value in digests]
        if compress(sides[:8], sides[8:16], level, PARAMETERS) != tuple(sides[16:]):
            answers.add("a node")
    calls: dict[int, dict[int, tuple[int, ...]]] = {}
    for message, count in loose_ends(found, SPONGE).items():
        call, _, place, *rest = message
        if count != 1 or place in calls.setdefault(call, {}):
            answers.add("a message sent twice")
        calls[call][place] = tuple(value % PRIME for value in rest)
    return answers | {answer for call in calls.values() if (answer := _untrue_call(call))}


def _untrue_call(parts: dict[int, tuple[int, ...]]) -> str:
    """What is wrong with the messages of one call."""
    tags = {part[:3] for part in parts.values()}
    if len(tags) != 1 or set(parts) != {-1, *range(len(parts) - 1)}:
        return "a call of two kinds or with a part missing"
    ((kind, length, label),) = tags
    elements = [value for place in range(len(parts) - 1) for value in parts[place][3:]]
    if len(elements) != max(8, -(-length // 8) * 8) or any(elements[length:]):
        return "a call of another length"
    digest = sponge(PARAMETERS, HashKind(kind), elements[:length], label)
    return "" if digest == parts[-1][3:] else "a digest"


def broken(found: Findings) -> set[str]:
    """The names of the broken constraints, without what follows a comma."""
    return {finding.constraint.split(",")[0] for finding in found.constraints}


def loose_ends(found: Findings, bus: Bus) -> Counter[tuple[int, ...]]:
    """How often each message of a bus was sent (received: negative) without its other end."""
    ends: Counter[tuple[int, ...]] = Counter()
    for message in found.messages:
        if message.bus == bus.name:
            ends[centred(message.message)] += message.sent - message.received
    return ends


def centred(values: Sequence[int]) -> tuple[int, ...]:
    """Elements as the smallest integers, negative ones where they are nearer to zero."""
    return tuple(value if value <= PRIME // 2 else value - PRIME for value in values)


def inspected(
    tables: Sequence[Table], traces: Mapping[str, Montgomery], publics: Sequence[int] = ()
) -> Findings:
    """All that is wrong with the traces."""
    return inspect(tables, traces, publics, is_montgomery=True)


def changed(trace: Montgomery, table: Table, at: int, /, **cells: int) -> Montgomery:
    """A copy with other values in some columns of a row; blanks in a column's name are written as underscores."""
    names = {name.replace(" ", "_").replace("'", ""): place for place, name in enumerate(table.main_names)}
    copy = trace.copy()
    for name, value in cells.items():
        copy[names[name], at] = encode(np.array([value]))[0]
    return copy


def unbound_columns(table: Table, honest: Montgomery, *, at: int, publics: Sequence[int] = ()) -> list[str]:
    """The columns that can be changed alone in a row without a broken constraint or another message."""
    expected = inspected([table], {table.name: honest}, publics)
    buses = {interaction.bus for interaction in table.interactions}
    unbound = []
    for column, name in enumerate(table.main_names):
        trace = honest.copy()
        trace[column, at] ^= np.uint32(1)
        found = inspected([table], {table.name: trace}, publics)
        is_seen = any(loose_ends(found, bus) != loose_ends(expected, bus) for bus in buses)
        if not (found.constraints or is_seen):
            unbound.append(name)
    return unbound
