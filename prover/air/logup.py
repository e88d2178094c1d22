"""The bus argument: one sum of fractions a table, and the sums of all tables add up to zero.

A message (v1, .., vk) on a bus with tag t has the fingerprint chi - (t + tau v1 + .. + tau^k vk).
A row adds count / fingerprint for what it sends and subtracts it for what it receives.

    sum.next = sum + fractions of this row - claimed sum / height      on every row, cyclically

So the rows of a table add up to exactly the claimed sum.
Fractions are grouped, as many a column as the degree allows; the last group lives in the running sum itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from prover.air.bus import Direction, Interaction
from prover.air.expression import Cell, CellKind, Expression, lift, read
from prover.air.table import ChallengeColumn, Constraint, Scope, Table

CHI_INDEX = 0
TAU_INDEX = 1
BUS_CHALLENGES = 2
"""Two challenges: one that shifts every fingerprint and one that combines the values of a message."""


@dataclass(frozen=True, slots=True)
class FractionGroup:
    """Several interactions whose fractions are added in one column: numerator / denominator."""

    numerator: Expression
    denominator: Expression


@lru_cache(maxsize=1 << 14)
def fingerprint(interaction: Interaction, bus_round: int) -> Expression:
    """The random linear combination that stands for a message."""
    chi = read(Cell(CellKind.CHALLENGE, CHI_INDEX, 0, bus_round))
    tau = read(Cell(CellKind.CHALLENGE, TAU_INDEX, 0, bus_round))
    # Soundness: without the tag a message could be received on a bus it was never sent on.
    combined = lift(interaction.bus.tag)
    power = tau
    for value in interaction.values:
        combined = combined + power * value
        power = power * tau
    return chi - combined


def group_fractions(
    interactions: tuple[Interaction, ...], bus_round: int, degree: int
) -> list[FractionGroup]:
    """Add fractions greedily while column times denominator, and the numerator, stay within the degree."""
    groups: list[FractionGroup] = []
    for interaction in interactions:
        count = interaction.count if interaction.direction is Direction.SEND else -interaction.count
        single = FractionGroup(count, fingerprint(interaction, bus_round))
        if groups:
            last = groups[-1]
            merged = FractionGroup(
                last.numerator * single.denominator + single.numerator * last.denominator,
                last.denominator * single.denominator,
            )
            if 1 + merged.denominator.degree <= degree and merged.numerator.degree <= degree:
                groups[-1] = merged
                continue
        groups.append(single)
    return groups


def with_bus_argument(table: Table, bus_round: int, degree: int) -> Table:
    """Add the columns and constraints of the bus argument to a table; a table without messages stays as it is."""
    if not table.interactions:
        return table
    groups = group_fractions(table.interactions, bus_round, degree)
    names = [*(f"bus fractions {number}" for number in range(len(groups) - 1)), "bus running sum"]
    columns = [read(Cell(CellKind.CHALLENGE_COLUMN, index, 0, bus_round)) for index in range(len(names))]
    running_sum = columns[-1]
    constraints = [
        Constraint(
            f"{name} are the sum of their fractions",
            Scope.EVERY_ROW,
            column * group.denominator - group.numerator,
        )
        for name, column, group in zip(names[:-1], columns[:-1], groups[:-1], strict=True)
    ]
    # Soundness: dividing the claimed sum over all rows lets the constraint hold cyclically, on every row.
    # Without it the last row's fractions would be counted by nothing.
    step = running_sum.next - running_sum + read(Cell(CellKind.BUS_SUM_SHARE, 0))
    for column in columns[:-1]:
        step = step - column
    constraints.append(
        Constraint(
            "the bus running sum grows by the fractions of the row",
            Scope.EVERY_ROW,
            step * groups[-1].denominator - groups[-1].numerator,
        )
    )
    # Without a fixed start the running sum could be shifted by any constant: harmless, but then nothing binds it.
    constraints.append(Constraint("the bus running sum starts at zero", Scope.FIRST_ROW, running_sum))
    counts = list(table.challenge_counts) + [0] * (bus_round - len(table.challenge_counts))
    counts[bus_round - 1] = BUS_CHALLENGES
    return replace(
        table,
        challenge_columns=table.challenge_columns + tuple(ChallengeColumn(name, bus_round) for name in names),
        challenge_counts=tuple(counts),
        constraints=table.constraints + tuple(constraints),
    )
