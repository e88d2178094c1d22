"""The fully collateralised tier: what an account must hold, group by group.

A group's payoff is a straight line between neighbouring strikes, so its worst value over all settlement prices lies at
zero, at a strike, or at the cap. The walk visits exactly those, upwards, and is returned as the witness.

    at price zero:   payoff = strikes of the puts, slope = - lots of the puts
    at a strike:     slope += lots, for a call and for a put alike
    to the next:     payoff += slope * (next - here) * tick value

The requirement is the sum over groups of what the worst case takes.
A group whose worst case gives gives nothing elsewhere: the groups settle apart, and the worst cases can come together.
A group whose price is fixed has one case left, that price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rollup.formulas import payoff_at_next_kink, put_payoff, slope_after_strike
from rollup.instruments import Group, group_of, is_put, payoff_per_lot, strike_of
from rollup.state import Position
from rollup.units import GroupId, Ticks


class WalkStep(NamedTuple):
    """One visited price: the payoff there, and the slope in lots just above it."""

    price: Ticks
    payoff: int
    slope: int


@dataclass(frozen=True, slots=True)
class GroupMargin:
    """One group's worst case; `walk` is empty when the group's price is fixed."""

    group: Group
    worst_payoff: int
    requirement: int
    walk: tuple[WalkStep, ...]


@dataclass(frozen=True, slots=True)
class Margin:
    """What an account must hold, and how it comes about."""

    requirement: int
    groups: tuple[GroupMargin, ...]


def group_payoff(positions: tuple[Position, ...], price: Ticks, tick_value: int) -> int:
    """Sum the payoff of positions of one group at a settlement price."""
    return sum(lots * payoff_per_lot(series, price, tick_value) for series, lots in positions)


def walk_group(positions: tuple[Position, ...], group: Group) -> tuple[WalkStep, ...]:
    """Visit zero, every strike held and the cap.

    Assumes: the positions are of this group and sorted by series, so by strike.
    """
    tick_value = group.tick_value
    payoff, slope = 0, 0
    for series, lots in positions:
        if is_put(series):
            payoff += lots * put_payoff(0, strike_of(series), tick_value)
            slope -= lots
    price = Ticks(0)
    steps = [WalkStep(price, payoff, slope)]
    for series, lots in positions:
        strike = strike_of(series)
        payoff = payoff_at_next_kink(payoff, slope, price, strike, tick_value)
        slope = slope_after_strike(slope, lots)
        price = strike
        steps.append(WalkStep(price, payoff, slope))
    payoff = payoff_at_next_kink(payoff, slope, price, group.cap, tick_value)
    steps.append(WalkStep(group.cap, payoff, slope))
    return tuple(steps)


@lru_cache(maxsize=1 << 14)
def group_margin(positions: tuple[Position, ...], group: Group) -> GroupMargin:
    """Find the worst case of one group.

    Remembered: a trade changes one group of each of its accounts, and the others are what they were.
    """
    if group.settlement_price is not None:
        walk: tuple[WalkStep, ...] = ()
        worst = group_payoff(positions, group.settlement_price, group.tick_value)
    else:
        walk = walk_group(positions, group)
        worst = min(step.payoff for step in walk)
    return GroupMargin(group, worst, max(0, -worst), walk)


def positions_by_group(positions: tuple[Position, ...]) -> list[tuple[GroupId, tuple[Position, ...]]]:
    """Cut a sorted position list into its groups."""
    groups: list[tuple[GroupId, tuple[Position, ...]]] = []
    start, length = 0, len(positions)
    while start < length:
        group = group_of(positions[start].series)
        end = start + 1
        while end < length and group_of(positions[end].series) == group:
            end += 1
        groups.append((group, positions[start:end]))
        start = end
    return groups


def margin_of(positions: tuple[Position, ...], group_named: Callable[[GroupId], Group | None]) -> Margin:
    """Compute what an account with these positions must hold."""
    groups = []
    for group_id, of_group in positions_by_group(positions):
        group = group_named(group_id)
        if group is None:
            raise LookupError(f"a position is held in group {group_id}, which is not listed")
        groups.append(group_margin(of_group, group))
    return Margin(sum(group.requirement for group in groups), tuple(groups))
