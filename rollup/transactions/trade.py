"""Trade: two signed orders meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to, checked_signature, known_account, known_group, met_margin
from rollup.authority import Authority, SignatureCheck
from rollup.events import Event, Fee, LeafChange, OrdersMatched, Traded, TradeSide
from rollup.formulas import buyer_cash, fee_identity, premium, seller_cash
from rollup.orders import Order, SignedOrder, filled_before, slot_rejection, time_rejection
from rollup.outcome import Record, RuleBrokenError, Transaction, require
from rollup.positions import with_lots
from rollup.rejections import Rejection
from rollup.state import Account, OrderSlot, State, account_index
from rollup.units import (
    MICRO,
    WIDTH_BITS,
    AccountId,
    Amount,
    FillLots,
    GroupId,
    OrderKind,
    OrderNumber,
    Price,
    RatePerMillion,
    SeriesIndex,
    Side,
    SlotIndex,
    fits,
)


def fee_up(premium_paid: int, rate: RatePerMillion) -> Fee:
    """Take a rate of the premium, rounded up to a micro-dollar."""
    amount = -(-premium_paid * rate // MICRO)
    return Fee(rate, Amount(amount), -fee_identity(premium_paid, rate, amount, 0, MICRO))


@dataclass(frozen=True, slots=True)
class TradeRecord(Record):
    """What is published of a trade: 26 bytes, enough to repeat its effect on every leaf."""

    buyer_is_maker: bool
    index: SeriesIndex
    group: GroupId
    buyer: AccountId
    buyer_slot: SlotIndex
    buyer_number: OrderNumber
    seller: AccountId
    seller_slot: SlotIndex
    seller_number: OrderNumber
    price: Price
    lots: FillLots

    def clear(self, state: State) -> tuple[State, Event]:
        """Exchange premium for positions, take the fees, and require both margins."""
        # Admission.
        require(self.lots > 0, Rejection.LOTS_ARE_ZERO)
        require(self.buyer != self.seller, Rejection.SAME_ACCOUNT)
        group = known_group(state, self.group)
        require(self.index < len(group.series), Rejection.SERIES_NOT_LISTED)
        require(state.system.time < group.expiry, Rejection.GROUP_EXPIRED)
        series = group.series[self.index]
        parameters = state.system.parameters
        # Computation.
        paid = premium(self.price, self.lots)
        maker_fee, taker_fee = (
            fee_up(paid, parameters.maker_fee_rate),
            fee_up(paid, parameters.taker_fee_rate),
        )
        buyer_fee, seller_fee = (maker_fee, taker_fee) if self.buyer_is_maker else (taker_fee, maker_fee)
        buyer_before, seller_before = known_account(state, self.buyer), known_account(state, self.seller)
        buyer_slot = _filled(state, buyer_before, self.buyer_slot, self.buyer_number, self.lots)
        seller_slot = _filled(state, seller_before, self.seller_slot, self.seller_number, self.lots)
        buyer = buyer_before.with_holdings(
            buyer_cash(buyer_before.cash, paid, buyer_fee.amount),
            with_lots(buyer_before.positions, series, self.lots),
        )
        seller = seller_before.with_holdings(
            seller_cash(seller_before.cash, paid, seller_fee.amount),
            with_lots(seller_before.positions, series, -self.lots),
        )
        buyer_margin, seller_margin = met_margin(state, buyer), met_margin(state, seller)
        # Effects.
        traded = state.with_leaves(buyer_slot, seller_slot, buyer, seller)
        # The treasury is read after the trade, because it may be one of the parties.
        treasury_before = traded.account(parameters.treasury)
        treasury_after = (
            None
            if treasury_before is None
            else treasury_before.with_cash(treasury_before.cash + buyer_fee.amount + seller_fee.amount)
        )
        event = Traded(
            (
                *changes_to(state, buyer_slot, seller_slot, buyer, seller),
                *_change(treasury_before, treasury_after),
            ),
            group,
            series,
            self.index,
            self.price,
            self.lots,
            self.buyer_is_maker,
            Amount(paid),
            TradeSide(buyer_before, buyer, buyer_slot, buyer_fee, buyer_margin),
            TradeSide(seller_before, seller, seller_slot, seller_fee, seller_margin),
            treasury_before,
            treasury_after,
        )
        return (traded if treasury_after is None else traded.with_leaves(treasury_after)), event


def _filled(
    state: State, account: Account, slot: SlotIndex, number: OrderNumber, lots: FillLots
) -> OrderSlot:
    """Record a fill in an order's slot."""
    before = state.slot(account.account, slot)
    rejection = slot_rejection(account, before, number)
    if rejection is not None:
        raise RuleBrokenError(rejection)
    filled = filled_before(before, number) + lots
    require(fits(filled, WIDTH_BITS["Lots"]), Rejection.ORDER_OVERFILLED)
    return OrderSlot(account.account, slot, number, filled)


def _change(before: Account | None, after: Account | None) -> tuple[LeafChange, ...]:
    """Describe the treasury's change, if there is a treasury."""
    return () if after is None else (LeafChange(account_index(after.account), before, after),)


@dataclass(frozen=True, slots=True)
class Trade(Transaction):
    """Match two orders for some lots; the sequencer says which of them was first (version 1)."""

    buy: SignedOrder
    sell: SignedOrder
    buyer_is_maker: bool
    lots: FillLots

    authority: ClassVar[Authority] = Authority.TWO_ORDERS
    rule: ClassVar[str] = (
        "buyer is not seller; same listed series, before expiry; prices cross; neither order over-filled, cancelled, "
        "replaced or expired; fee rates within both orders'; premium at the maker's price; fees to the treasury; "
        "both margins met afterwards"
    )

    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Check everything that only the orders can tell; the rest is the record's."""
        buy, sell = self.buy.order, self.sell.order
        parameters = state.system.parameters
        # The pair.
        require(buy.side == Side.BUY and sell.side == Side.SELL, Rejection.ORDERS_NOT_OPPOSITE)
        require(buy.account != sell.account, Rejection.SAME_ACCOUNT)
        require(buy.series == sell.series, Rejection.SERIES_DIFFER)
        require(buy.limit_price >= sell.limit_price, Rejection.PRICES_DO_NOT_CROSS)
        maker, taker = (buy, sell) if self.buyer_is_maker else (sell, buy)
        # Compared by value: a plain number that means the same must not slip through.
        require(maker.kind != OrderKind.IMMEDIATE, Rejection.MAKER_ORDER_IS_IMMEDIATE)
        require(taker.kind != OrderKind.POST_ONLY, Rejection.TAKER_ORDER_IS_POST_ONLY)
        require(maker.max_fee_rate >= parameters.maker_fee_rate, Rejection.FEE_ABOVE_MAXIMUM)
        require(taker.max_fee_rate >= parameters.taker_fee_rate, Rejection.FEE_ABOVE_MAXIMUM)
        group = known_group(state, buy.group)
        index = group.index_of(buy.series)
        if index is None:
            raise RuleBrokenError(Rejection.SERIES_NOT_LISTED)
        # Each order.
        for order in (buy, sell):
            _require_fillable(state, order, self.lots)
        signatures = tuple(
            checked_signature(state, signed.order.account, tag, signed.order, signed.signature, check)
            for signed in (self.buy, self.sell)
        )
        record = TradeRecord(
            self.buyer_is_maker,
            index,
            buy.group,
            buy.account,
            buy.slot,
            buy.number,
            sell.account,
            sell.slot,
            sell.number,
            maker.limit_price,
            self.lots,
        )
        return record, (*signatures, OrdersMatched((), buy, sell, state.system))


def _require_fillable(state: State, order: Order, lots: FillLots) -> None:
    """Require that an order is in its time and has these lots left."""
    account = known_account(state, order.account)
    slot = state.slot(order.account, order.slot)
    rejection = time_rejection(order, state.system.time) or slot_rejection(account, slot, order.number)
    if rejection is not None:
        raise RuleBrokenError(rejection)
    require(filled_before(slot, order.number) + lots <= order.lots, Rejection.ORDER_OVERFILLED)
