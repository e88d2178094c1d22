"""Whether one side of a trade could bear it: asked before an order is taken, and to learn whose fault a refusal was."""

from __future__ import annotations

from rollup.admission import checked_signature, known_account, met_margin
from rollup.authority import SignatureCheck
from rollup.formulas import buyer_cash, premium, seller_cash
from rollup.orders import Order, SignedOrder, slot_rejection, time_rejection
from rollup.outcome import RuleBrokenError, require
from rollup.positions import with_lots
from rollup.rejections import Rejection
from rollup.state import State
from rollup.transactions.trade import fee_up
from rollup.units import Price, RatePerMillion, Side


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
        met_margin(state, account.with_holdings(cash, with_lots(account.positions, order.series, change)))
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
