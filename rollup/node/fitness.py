"""Whether one side of a trade could bear it: asked before an order is taken, and to learn whose fault a refusal was."""

from __future__ import annotations

from functools import lru_cache

from rollup.admission import checked_signature, known_account, known_group
from rollup.authority import SignatureCheck
from rollup.formulas import buyer_cash, premium, seller_cash
from rollup.instruments import Group
from rollup.margin import group_margin, positions_by_group
from rollup.orders import Order, SignedOrder, slot_rejection, time_rejection
from rollup.outcome import RuleBrokenError, require
from rollup.positions import with_lots
from rollup.rejections import Rejection
from rollup.state import Position, State
from rollup.transactions.trade import fee_up
from rollup.units import Price, RatePerMillion, Side


@lru_cache(maxsize=1 << 16)
def _group_requirement(group: Group, positions: tuple[Position, ...]) -> int:
    """What positions of one group require; an order changes one group of its account, and the others are known."""
    return group_margin(positions, group).requirement


def _requirement(state: State, positions: tuple[Position, ...]) -> int:
    """The same sum as `rollup.margin.margin_of` comes to."""
    return sum(
        _group_requirement(known_group(state, group), held) for group, held in positions_by_group(positions)
    )


def holding_rejection(
    state: State, order: Order, price: Price, lots: int, fee_rate: RatePerMillion
) -> Rejection | None:
    """Say why the account could not hold what such a fill would give it."""
    try:
        account = known_account(state, order.account)
        paid = premium(price, lots)
        fee = fee_up(paid, fee_rate).amount
        if order.side is Side.BUY:
            cash, change = buyer_cash(account.cash, paid, fee), lots
        else:
            cash, change = seller_cash(account.cash, paid, fee), -lots
        require(cash >= 0, Rejection.CASH_INSUFFICIENT)
        positions = with_lots(account.positions, order.series, change)
        require(cash >= _requirement(state, positions), Rejection.MARGIN_NOT_MET)
    except RuleBrokenError as broken:
        return broken.rejection
    return None


def maker_rejection(
    state: State, maker: SignedOrder, lots: int, tag: int, check: SignatureCheck
) -> Rejection | None:
    """Say why the resting order of a pair cannot trade, or that it is not its fault."""
    order = maker.order
    rate = state.system.parameters.maker_fee_rate
    try:
        account = known_account(state, order.account)
        dead = time_rejection(order, state.system.time) or slot_rejection(
            account, state.slot(order.account, order.slot), order.number
        )
        if dead is not None:
            return dead
        require(order.max_fee_rate >= rate, Rejection.FEE_ABOVE_MAXIMUM)
        checked_signature(state, order.account, tag, order, maker.signature, check)
    except RuleBrokenError as broken:
        return broken.rejection
    return holding_rejection(state, order, order.limit_price, lots, rate)
