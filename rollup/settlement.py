"""Closing an account's positions in a group whose price is fixed."""

from __future__ import annotations

from rollup.events import GroupSettlement, SettlementLeg
from rollup.formulas import settled_cash, settled_pool
from rollup.instruments import Group, group_of, payoff_per_lot
from rollup.outcome import RuleBrokenError, require
from rollup.positions import without_group
from rollup.rejections import Rejection
from rollup.state import Account
from rollup.units import Amount


def with_pool(group: Group, pool: int) -> Group:
    """The same group with another settlement pool."""
    return Group(
        group.group,
        group.underlying,
        group.expiry,
        group.cap,
        group.tick_micro_dollars,
        group.lot_micro_units,
        group.tick_value,
        group.series,
        group.settlement_price,
        pool,
    )


def settled(account: Account, group: Group) -> tuple[Account, GroupSettlement]:
    """Pay all of an account's positions in one fixed group, in one step.

    All legs together: leg by leg, the losing half of a spread could ask for cash that only the winning half brings.
    The margin rule has counted a fixed group at its price ever since it was fixed, so cash covers a negative payoff
    and the margin of what remains stays met.
    """
    price = group.settlement_price
    if price is None:
        raise RuleBrokenError(Rejection.GROUP_NOT_FIXED)
    closed = tuple(held for held in account.positions if group_of(held.series) == group.group)
    require(bool(closed), Rejection.NOTHING_TO_SETTLE)
    legs = tuple(
        SettlementLeg(series, lots, Amount(payoff_per_lot(series, price, group.tick_value)))
        for series, lots in closed
    )
    payoff = sum(leg.lots * leg.payoff_per_lot for leg in legs)
    after = account.with_holdings(
        settled_cash(account.cash, payoff), without_group(account.positions, group.group)
    )
    return after, GroupSettlement(group, with_pool(group, settled_pool(group.pool, payoff)), legs, payoff)
