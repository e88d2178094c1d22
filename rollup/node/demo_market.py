"""The demonstration's market: who trades, what is listed, what the options are worth, and who sends which order when.

Everything is drawn from one seed.
Models and floats are the traders' business and stay here: what they send are whole micro-dollars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import erf, exp, pi, sqrt
from random import Random
from typing import Final

from rollup.instruments import SeriesId, group_of, kind_of, series_id, strike_of
from rollup.node.demo_house import Listing
from rollup.node.deployment import DAY
from rollup.orders import Order
from rollup.units import (
    MICRO,
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

MAKER_RATE: Final = 200
TAKER_RATE: Final = 500
"""Fees a million of premium."""

CENT: Final = 10_000
ORDER_SECONDS: Final = 3600
YEAR: Final = 365 * DAY


class Style(Enum):
    """What a person does in the market."""

    TREASURY = "treasury"
    MAKER = "makes markets"
    HEDGER = "buys puts"
    BULL = "buys calls"
    INCOME = "writes options"
    SPREADER = "trades spreads"


@dataclass(frozen=True, slots=True)
class Person:
    """A participant and the dollars it deposits."""

    name: str
    style: Style
    dollars: int


PEOPLE: Final = (
    Person("treasury", Style.TREASURY, 100),
    Person("north", Style.MAKER, 250_000),
    Person("south", Style.MAKER, 250_000),
    Person("east", Style.MAKER, 250_000),
    Person("alice", Style.HEDGER, 20_000),
    Person("bob", Style.BULL, 20_000),
    Person("carol", Style.INCOME, 40_000),
    Person("dan", Style.SPREADER, 15_000),
    Person("erin", Style.BULL, 10_000),
    Person("frank", Style.HEDGER, 30_000),
    Person("grace", Style.SPREADER, 25_000),
    Person("heidi", Style.INCOME, 50_000),
)

LISTED_SPOT: Final = {1: 3000.0, 2: 6000.0}
"""Ticks at which each underlying stands when it is listed: a dollar of ether, ten dollars of bitcoin."""

VOLATILITY: Final = {1: 0.65, 2: 0.5}


def listed_terms(first_expiry: int, second_expiry: int) -> tuple[Listing, ...]:
    """Ether at two expiries and bitcoin at the first; a tick on a lot is worth ten cents."""
    return (
        Listing(1, 1, "ether, first expiry", first_expiry, 6000, MICRO, MICRO // 10, (2800, 3000, 3200)),
        Listing(2, 2, "bitcoin, first expiry", first_expiry, 12000, 10 * MICRO, MICRO // 100, (5800, 6200)),
        Listing(3, 1, "ether, second expiry", second_expiry, 6000, MICRO, MICRO // 10, (2600, 3400)),
    )


def fair_ticks(spot: float, strike: int, kind: OptionKind, width: float) -> float:
    """What an option is worth if its underlying ends normally distributed around the spot."""
    distance = (spot - strike) / width
    inside = 0.5 * (1 + erf(distance / sqrt(2)))
    call = (spot - strike) * inside + width * exp(-distance * distance / 2) / sqrt(2 * pi)
    return call if kind is OptionKind.CALL else call - (spot - strike)


@dataclass(slots=True)
class DemoMarket:
    """Spots, and how orders come about."""

    seed: int
    listed: tuple[Listing, ...]
    accounts: dict[str, int]
    spots: dict[int, float] = field(default_factory=lambda: dict(LISTED_SPOT))
    random: Random = field(init=False)
    _numbers: Counter[tuple[int, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    @property
    def series(self) -> tuple[SeriesId, ...]:
        """Every option that is listed."""
        return tuple(
            series_id(GroupId(terms.group), Ticks(strike), kind)
            for terms in self.listed
            for strike in terms.strikes
            for kind in OptionKind
        )

    def move(self) -> None:
        """Let the underlyings move a little."""
        for underlying, spot in self.spots.items():
            self.spots[underlying] = spot * (1 + self.random.gauss(0, 0.004))

    def fair(self, series: SeriesId, now: int) -> int:
        """An option's worth in micro-dollars a lot."""
        terms = self.listed[group_of(series) - 1]
        spot = self.spots[terms.underlying]
        years = max(terms.expiry - now, 1) / YEAR
        width = spot * VOLATILITY[terms.underlying] * sqrt(years)
        ticks = fair_ticks(spot, strike_of(series), kind_of(series), width)
        return round(ticks * terms.tick_micro_dollars * terms.lot_micro_units / MICRO)

    def quotes(self, maker: Person, now: int) -> Iterator[Order]:
        """Both sides of every series, each in a slot of its own, so that new quotes replace old ones."""
        for place, series in enumerate(self.series):
            edge = self.random.uniform(0.03, 0.08)
            fair = self.fair(series, now) * (1 + self.random.gauss(0, 0.02))
            for side, price in ((Side.BUY, fair * (1 - edge) - CENT), (Side.SELL, fair * (1 + edge) + CENT)):
                cents = round(price / CENT)
                if cents > 0:
                    slot = 2 * place + int(side)
                    lots = self.random.randrange(4, 20)
                    yield self._order(maker, slot, side, OrderKind.LIMIT, series, cents * CENT, lots, now)

    def wishes(self, trader: Person, now: int) -> Iterator[Order]:
        """What a trader takes out of the book in one round."""
        for series, side in self._choices(trader.style):
            fair = self.fair(series, now)
            reach = 1.25 if side is Side.BUY else 0.8
            price = max(1, round(fair * reach / CENT)) * CENT + (3 * CENT if side is Side.BUY else 0)
            slot, lots = self.random.randrange(8), self.random.randrange(1, 9)
            yield self._order(trader, slot, side, OrderKind.IMMEDIATE, series, price, lots, now)

    def _choices(self, style: Style) -> list[tuple[SeriesId, Side]]:
        draw = self.random
        terms = draw.choice(self.listed)
        spot = self.spots[terms.underlying]
        low, high = terms.strikes[0], terms.strikes[-1]

        def named(strike: int, kind: OptionKind) -> SeriesId:
            return series_id(GroupId(terms.group), Ticks(strike), kind)

        any_strike = draw.choice(terms.strikes)
        match style:
            case Style.HEDGER:
                return [(named(any_strike, OptionKind.PUT), Side.BUY), (named(low, OptionKind.PUT), Side.BUY)]
            case Style.BULL:
                return [
                    (named(any_strike, OptionKind.CALL), Side.BUY),
                    (named(high, OptionKind.CALL), Side.BUY),
                ]
            case Style.INCOME:
                far = high if spot < (low + high) / 2 else low
                kind = OptionKind.CALL if far == high else OptionKind.PUT
                return [(named(far, kind), Side.SELL), (named(any_strike, OptionKind.PUT), Side.SELL)]
            case Style.SPREADER:
                return [(named(low, OptionKind.CALL), Side.BUY), (named(high, OptionKind.CALL), Side.SELL)]
            case _:
                return []

    def order(
        self, name: str, slot: int, side: Side, series: SeriesId, price: int, lots: int, now: int
    ) -> Order:
        """One immediate order of somebody."""
        person = next(one for one in PEOPLE if one.name == name)
        return self._order(person, slot, side, OrderKind.IMMEDIATE, series, price, lots, now)

    def _order(
        self,
        person: Person,
        slot: int,
        side: Side,
        kind: OrderKind,
        series: SeriesId,
        price: int,
        lots: int,
        now: int,
    ) -> Order:
        account = self.accounts[person.name]
        self._numbers[account, slot] += 1
        return Order(
            AccountId(account),
            SlotIndex(slot),
            OrderNumber(self._numbers[account, slot]),
            side,
            kind,
            group_of(series),
            strike_of(series),
            kind_of(series),
            Price(price),
            Lots(lots),
            RatePerMillion(max(MAKER_RATE, TAKER_RATE)),
            Time(now + ORDER_SECONDS),
        )

    def settlement(self, terms: Listing, oracles: int) -> list[int]:
        """What each oracle says the price was: all but the last agree within a tick or two."""
        end = self.spots[terms.underlying] * (1 + self.random.gauss(0, 0.03))
        honest = [round(end) + self.random.randrange(-1, 2) for _ in range(oracles - 1)]
        return [*honest, round(end * 1.5)]
