"""Clearing formulas that are polynomials, written once for any ring.

The rules call them with integers.
The circuits call them with symbolic expressions.
Conditions (price above strike, the larger of two) are not polynomials and stay with the caller.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar


class Ring(Protocol):
    """The three operations a formula may use."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...


R = TypeVar("R", bound=Ring)


def premium(price: R, lots: R) -> R:
    """Pay the price of one lot for every lot."""
    return price * lots


def fee_identity(premium_paid: R, rate: R, fee: R, excess: R, million: R) -> R:
    """Vanish when the fee is the premium times the rate, rounded up.

    Assumes: 0 <= excess < one million, checked by the caller; excess is what rounding up added, in millionths.
    """
    return premium_paid * rate + excess - fee * million


def call_payoff(price: R, strike: R, tick_value: R) -> R:
    """Pay a long call that ends in the money."""
    return (price - strike) * tick_value


def put_payoff(price: R, strike: R, tick_value: R) -> R:
    """Pay a long put that ends in the money."""
    return (strike - price) * tick_value


def payoff_at_next_kink(payoff: R, slope: R, price: R, next_price: R, tick_value: R) -> R:
    """Carry a portfolio's payoff along a straight piece; the slope is in lots."""
    return payoff + slope * (next_price - price) * tick_value


def slope_after_strike(slope: R, lots: R) -> R:
    """Turn the payoff's slope at a strike.

    A call starts to rise by its lots; a put stops falling by them: the same change.
    """
    return slope + lots


def buyer_cash(cash: R, premium_paid: R, fee: R) -> R:
    """Cash of the buyer after a trade."""
    return cash - premium_paid - fee


def seller_cash(cash: R, premium_received: R, fee: R) -> R:
    """Cash of the seller after a trade."""
    return cash + premium_received - fee


def settled_cash(cash: R, payoff: R) -> R:
    """Cash of an account after it settles a group."""
    return cash + payoff


def settled_pool(pool: R, payoff: R) -> R:
    """Settlement pool of a group after an account settles."""
    return pool - payoff


def tick_value_identity(tick_micro_dollars: R, lot_micro_units: R, tick_value: R, million: R) -> R:
    """Vanish when a tick on one lot is exactly that many micro-dollars."""
    return tick_micro_dollars * lot_micro_units - tick_value * million
