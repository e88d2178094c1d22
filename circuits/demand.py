"""Counting look-ups: how often each row of a providing table is asked for, read off the traces of those that ask.

A table that provides messages leaves its counts zero; here they are written.
What nobody provides stays uncounted, and the bus is left unbalanced by exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import Cell, CellKind
from prover.air.table import Table
from prover.air.tape import Sources, Tape
from prover.field.koalabear import Montgomery, encode
from prover.field.threads import run_each

_MIXERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
"""Odd 64-bit constants with well spread bits: the fractions of the golden ratio and of a prime of xxHash."""

_TAPES_KEPT = 1024

Keys = NDArray[np.uint64]
"""A 64-bit hash a message.

Two messages with one key would only make a count wrong, and the prover's own proof with it: nothing rests on this hash.
"""


@dataclass(frozen=True, slots=True)
class _Provider:
    """One message that a table provides, and the column of its counts."""

    table: int
    interaction: Interaction
    column: int


@lru_cache(maxsize=_TAPES_KEPT)
def _tape_of(interaction: Interaction) -> Tape:
    return Tape.compile([*interaction.values, interaction.count])


def _messages(
    interaction: Interaction,
    sources: Sources,
    publics: Mapping[Cell, int | tuple[int, int, int, int, int]],
) -> Montgomery:
    """The message on every row where it happens, (arity, n)."""
    tape = _tape_of(interaction)
    values = np.empty((tape.planes, sources.height), np.uint32)
    tape.run(sources, publics, values, threads=1)
    return values


def _keys_of(messages: Montgomery) -> Keys:
    """Hash every column of an array of words."""
    keys = np.zeros(messages.shape[1], np.uint64)
    for words in messages:
        keys ^= words
        keys *= np.uint64(_MIXERS[0])
        keys ^= keys >> np.uint64(32)
        keys *= np.uint64(_MIXERS[1])
        keys ^= keys >> np.uint64(29)
    return keys


def _sources_of(table: Table, trace: Montgomery, preprocessed: Montgomery | None) -> Sources:
    return Sources(
        trace,
        preprocessed,
        periodic=[encode(np.array(column.values, dtype=np.int64)) for column in table.periodic],
    )


def _providers(tables: Sequence[Table]) -> dict[Bus, list[_Provider]]:
    """Every message with a free count."""
    found: dict[Bus, list[_Provider]] = {}
    for position, table in enumerate(tables):
        for interaction in table.interactions:
            if interaction.weight == 0:
                cell = interaction.count.payload
                if not isinstance(cell, Cell) or cell.kind is not CellKind.MAIN:
                    raise ValueError(f"table {table.name}: a free count is a column of its own")
                found.setdefault(interaction.bus, []).append(_Provider(position, interaction, cell.index))
    return found


def write_counts(
    tables: Sequence[Table],
    traces: Sequence[Montgomery],
    preprocessed: Sequence[Montgomery | None],
    public_values: Sequence[int],
    *,
    threads: int,
) -> None:
    """Write into the providing tables' traces how often each message is asked for."""
    publics: dict[Cell, int | tuple[int, int, int, int, int]] = {
        Cell(CellKind.PUBLIC, place): value for place, value in enumerate(public_values)
    }
    providers = _providers(tables)
    asked: dict[Bus, list[Keys]] = {bus: [] for bus in providers}
    sources = [_sources_of(*parts) for parts in zip(tables, traces, preprocessed, strict=True)]
    one = encode(np.array([1], dtype=np.int64))[0]

    def ask(sent: tuple[int, Interaction]) -> None:
        position, interaction = sent
        values = _messages(interaction, sources[position], publics)
        happens = values[-1] == one
        asked[interaction.bus].append(_keys_of(values[:-1, happens]))

    def answer(bus: Bus) -> None:
        keys = np.concatenate([np.zeros(0, np.uint64), *asked[bus]])
        _count(providers[bus], keys, traces, sources, publics)

    # In any order: what is counted does not depend on it.
    sends = [
        (position, interaction)
        for position, table in enumerate(tables)
        for interaction in table.interactions
        if interaction.direction is Direction.SEND and interaction.bus in asked
    ]
    run_each(threads, sends, ask)
    run_each(threads, providers, answer)


def _count(
    ends: Sequence[_Provider],
    asked: Keys,
    traces: Sequence[Montgomery],
    sources: Sequence[Sources],
    publics: Mapping[Cell, int | tuple[int, int, int, int, int]],
) -> None:
    """Share what is asked on one bus among its providers: each message goes to the first row that has it."""
    keys, counts = np.unique(asked, return_counts=True)
    is_taken = np.zeros(len(keys), bool)
    for end in ends:
        values = _messages(end.interaction, sources[end.table], publics)
        provided, first_rows = np.unique(_keys_of(values[:-1]), return_index=True)
        places = np.searchsorted(provided, keys)
        places[places == len(provided)] = 0
        is_found = (provided[places] == keys) & ~is_taken
        column = np.zeros(values.shape[1], np.int64)
        column[first_rows[places[is_found]]] = counts[is_found]
        traces[end.table][end.column] = encode(column)
        is_taken |= is_found
