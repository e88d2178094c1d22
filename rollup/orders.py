"""Signed limit orders: what a trader promises, and when an order may still be filled."""

from __future__ import annotations

from dataclasses import dataclass

from rollup.authority import Signature
from rollup.instruments import SeriesId, series_id
from rollup.rejections import Rejection
from rollup.state import Account, OrderSlot
from rollup.units import (
    MAX_ORDER_LIFETIME_SECONDS,
    AccountId,
    GroupId,
    Lots,
    OptionKind,
    OrderKind,
    OrderNumber,
    Price,
    RatePerMillion,
    Side,
    SlotIndex,
    Ticks,
    Time,
)


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order.

    It names the option by its terms, not by its index: what is signed can be read without the group's list.
    `max_fee_rate` is a rate, not an amount, so that splitting an order into many fills cannot multiply the fee.
    `expiry` is the first second in which the order is dead.
    """

    account: AccountId
    slot: SlotIndex
    number: OrderNumber
    side: Side
    kind: OrderKind
    group: GroupId
    strike: Ticks
    option: OptionKind
    limit_price: Price
    lots: Lots
    max_fee_rate: RatePerMillion
    expiry: Time

    @property
    def series(self) -> SeriesId:
        """The option that is traded."""
        return series_id(self.group, self.strike, self.option)


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with its signature."""

    order: Order
    signature: Signature


def filled_before(slot: OrderSlot | None, number: OrderNumber) -> int:
    """Lots that this order number has already taken.

    Assumes: the slot does not hold a larger number.
    """
    return slot.filled if slot is not None and slot.number == number else 0


def slot_rejection(account: Account, slot: OrderSlot | None, number: OrderNumber) -> Rejection | None:
    """Say why an order number is dead, from the state alone.

    Soundness: without the floor a cancelled order could be traded; without the slot's own number an order that has
    given way to a newer one could come back with nothing filled.
    """
    if number < account.order_floor:
        return Rejection.ORDER_CANCELLED
    if slot is not None and number < slot.number:
        return Rejection.ORDER_REPLACED
    return None


def time_rejection(order: Order, now: Time) -> Rejection | None:
    """Say why an order is out of its time."""
    if now >= order.expiry:
        return Rejection.ORDER_EXPIRED
    if order.expiry - now > MAX_ORDER_LIFETIME_SECONDS:
        return Rejection.ORDER_LIVES_TOO_LONG
    return None
