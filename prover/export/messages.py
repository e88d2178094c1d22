"""A statement that a table sends on a bus, five values in a message: its fractions are summed apart from the tape.

Message m is (m, value 5m, .., value 5m + 4).
All of them are sent as often, and no row changes them, so with D_m the fingerprint of message m

    sum of count / D_m = count * S / P,    P = product of all D_m,    S = sum over m of the product of all others

S and P are two registers, which the contract computes in a loop of its own: two products a message.
The tape would take three, and find every operand anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prover.air.bus import Direction, Interaction
from prover.air.expression import Cell, CellKind, Expression
from prover.air.logup import CHI_INDEX, TAU_INDEX, FractionGroup, fingerprint, group_fractions
from prover.air.table import Table
from prover.export.tape import Shortcut, Value

MESSAGE_VALUES: Final = 5
"""Values of a message behind its number."""

SUM: Final = Value("fraction", 0)
PRODUCT: Final = Value("fraction", 1)

if TAU_INDEX != CHI_INDEX + 1:
    raise AssertionError("the contract takes both challenges of a bus from neighbouring registers")


@dataclass(frozen=True, slots=True)
class PublicMessages:
    """The statement's messages in one table."""

    table: int
    start: int
    """The first of them among the table's interactions."""
    count: int
    tag: int
    """Of the bus."""

    @property
    def values(self) -> int:
        """Public values that they hold; those behind the last one are zero."""
        return self.count * MESSAGE_VALUES


def find_public_messages(tables: tuple[Table, ...]) -> PublicMessages | None:
    """The first run of such messages, if it holds all public values."""
    for index, table in enumerate(tables):
        for start in range(len(table.interactions)):
            count = sum(1 for _ in _run(table.interactions[start:]))
            if count:
                return PublicMessages(index, start, count, table.interactions[start].bus.tag)
    return None


def _run(interactions: tuple[Interaction, ...]) -> Iterator[Interaction]:
    """The messages from the first one on that hold the public values in order."""
    seen = 0
    for number, interaction in enumerate(interactions):
        first = interactions[0]
        values = interaction.values
        if (
            (interaction.bus, interaction.direction) != (first.bus, Direction.SEND)
            or interaction.count is not first.count
            or len(values) != 1 + MESSAGE_VALUES
            or values[0].constant_value != number
        ):
            return
        publics = [_public_index(value) for value in values[1:]]
        held = [index for index in publics if index is not None]
        zeros = publics[len(held) :]
        is_padded = all(value.constant_value == 0 for value in values[1 + len(held) :])
        if not held or held != list(range(seen, seen + len(held))) or any(zeros) or not is_padded:
            return
        seen += len(held)
        yield interaction
        if zeros:
            return


def _public_index(value: Expression) -> int | None:
    cell = value.payload
    return cell.index if isinstance(cell, Cell) and cell.kind is CellKind.PUBLIC else None


def shortcuts_of(
    messages: PublicMessages, table: Table, bus_round: int, degree: int
) -> dict[Expression, Shortcut]:
    """The two nodes of the table's bus argument behind the last message, out of those in front of the first.

    They are found by adding the fractions as the bus argument does; a node that it does not have is never met.
    """
    groups = group_fractions(table.interactions[: messages.start], bus_round, degree)
    if not groups:
        return {}
    before = last = groups[-1]
    count = table.interactions[messages.start].count
    for interaction in table.interactions[messages.start : messages.start + messages.count]:
        single = fingerprint(interaction, bus_round)
        last = FractionGroup(
            last.numerator * single + interaction.count * last.denominator, last.denominator * single
        )
    return {
        last.numerator: Shortcut(((before.numerator, PRODUCT), (count * before.denominator, SUM))),
        last.denominator: Shortcut(((before.denominator, PRODUCT),)),
    }
