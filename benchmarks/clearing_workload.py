"""The workload of the clearing benchmarks: 1,000 accounts, 2 underlyings, 3 expiries, 32 series, seeded.

A trade here is two orders never seen before, each with its signature.
A tenth of the accounts end with 20 positions, the median account with 6 over 3 expiries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from statistics import median
from typing import Any, Final, TypeVar

from rollup.admission import message_of
from rollup.codec import QueuedItem
from rollup.instruments import SeriesId, group_of, kind_of, series_id, strike_of
from rollup.orders import Order, SignedOrder
from rollup.outcome import QueueItem
from rollup.schnorr import SecretKey, SignatureSuite
from rollup.schnorr_batch import sign_many
from rollup.state import Deployment, State
from rollup.transactions import TAGS, Deposit, ListGroup, ListSeries, RegisterKey, SetParameters, Trade
from rollup.units import MICRO, OptionKind, OrderKind, Side, SuiteId

T = TypeVar("T")

TREASURY: Final = 1
FIRST_TRADER: Final = 2
CASH: Final = 10_000_000 * MICRO
DAY: Final = 24 * 3600
CAP: Final = 400
TERMS: Final = ((1, 1), (1, 7), (1, 30), (2, 7))
"""Underlying and days to expiry of each group: two underlyings over three expiries."""
STRIKES: Final = (80, 95, 105, 120)
"""Each as call and put in each of four groups: 32 series."""
SLOTS: Final = 16
"""Slots an account uses in turn."""
ORDER_TAG: Final = TAGS[Trade]


def plain(kind: Callable[..., T], /, *values: Any, **named: Any) -> T:
    """Call with plain numbers where the rules want quantities."""
    return kind(*values, **named)


@dataclass(frozen=True)
class Market:
    """People with keys, and the groups and series they trade."""

    seed: int = 7
    accounts: int = 1000
    time: int = 1_800_000_000

    @cached_property
    def genesis(self) -> State:
        """The state before any queue item."""
        return plain(State.genesis, plain(Deployment, 31337, 0xC1EA << 144 | 1), self.time)

    @cached_property
    def secrets(self) -> dict[int, SecretKey]:
        """Trading keys by account."""
        random = Random(self.seed)
        suite = SignatureSuite.SEPTIC_POSEIDON16_20
        return {account: SecretKey(suite, random.randrange(1, 1 << 200)) for account in self.traders}

    @property
    def traders(self) -> range:
        """Accounts that trade."""
        return range(FIRST_TRADER, FIRST_TRADER + self.accounts)

    @cached_property
    def series(self) -> tuple[SeriesId, ...]:
        """Every option."""
        return tuple(
            plain(series_id, group, strike, kind)
            for group in range(1, len(TERMS) + 1)
            for strike in STRIKES
            for kind in OptionKind
        )

    def owner(self, account: int) -> int:
        """The address that owns an account."""
        return 0xA000 << 144 | account

    def queue_items(self) -> list[QueuedItem]:
        """Deposits, keys, groups, series and fees."""
        items: list[QueueItem] = [plain(Deposit, TREASURY, self.owner(TREASURY), self.owner(TREASURY), MICRO)]
        items.append(plain(SetParameters, 100, 300, TREASURY))
        for group, (underlying, days) in enumerate(TERMS, 1):
            items.append(plain(ListGroup, group, underlying, self.time + days * DAY, CAP, MICRO, MICRO))
        items += [plain(ListSeries, group_of(one), strike_of(one), kind_of(one)) for one in self.series]
        for account in self.traders:
            key = self.secrets[account].trading_key
            items.append(plain(Deposit, account, self.owner(account), self.owner(account), CASH))
            items.append(plain(RegisterKey, account, self.owner(account), 0, key.suite, key.x, key.y))
        return [plain(QueuedItem, self.time, item) for item in items]

    def order(
        self, account: int, side: Side, series: SeriesId, price: int, lots: int, **changes: Any
    ) -> Order:
        """An order; `changes` set slot, number, kind and the like."""
        fields: dict[str, Any] = {
            "account": account,
            "slot": 0,
            "number": 1,
            "side": side,
            "kind": OrderKind.LIMIT,
            "group": group_of(series),
            "strike": strike_of(series),
            "option": kind_of(series),
            "limit_price": price,
            "lots": lots,
            "max_fee_rate": 1000,
            "expiry": self.time + DAY - 1,
        }
        return Order(**(fields | changes))

    def signed(self, orders: Sequence[Order]) -> list[SignedOrder]:
        """Sign orders with their accounts' keys."""
        deployment = self.genesis.system.deployment
        secrets = [self.secrets[order.account] for order in orders]
        messages = [
            message_of(deployment, plain(SuiteId, secret.suite), order.account, ORDER_TAG, order)
            for order, secret in zip(orders, secrets, strict=True)
        ]
        return [
            SignedOrder(order, signature)
            for order, signature in zip(orders, sign_many(secrets, messages), strict=True)
        ]

    def pairs(self, count: int) -> Iterator[tuple[Order, Order]]:
        """Orders in pairs that trade with one another, in the mix that the module's first lines promise."""
        random = Random(self.seed + 1)
        numbers: Counter[int] = Counter()
        wishes = self._wishes(random)
        for place in range(count):
            buyer, seller, series = wishes[place % len(wishes)]
            if random.random() < 0.5:
                buyer, seller = seller, buyer
            price, lots = random.randrange(1 * MICRO, 9 * MICRO, 10_000), random.randrange(1, 20)
            orders = []
            for account, side in ((buyer, Side.BUY), (seller, Side.SELL)):
                numbers[account] += 1
                # Slots in turn: arrivals that overtake one another do not make each other's numbers stale.
                turn = {"slot": numbers[account] % SLOTS, "number": numbers[account]}
                orders.append(self.order(account, side, series, price, lots, **turn))
            yield orders[0], orders[1]

    def _wishes(self, random: Random) -> list[tuple[int, int, SeriesId]]:
        """Who trades what with whom: each account has a list of series, a tenth of them a long one."""
        wants: dict[SeriesId, list[int]] = {series: [] for series in self.series}
        busy = max(1, self.accounts // 10)
        for account in self.traders:
            count = 20 if account - FIRST_TRADER < busy else 6
            for series in random.sample(self.series, count):
                wants[series].append(account)
        wishes = []
        for series, people in wants.items():
            random.shuffle(people)
            wishes += [(one, other, series) for one, other in zip(people[::2], people[1::2], strict=False)]
        random.shuffle(wishes)
        return wishes

    def describe(self, state: State) -> dict[str, Any]:
        """The mix that a run ended with."""
        held = [account.positions for account in state.accounts() if account.account != TREASURY]
        return {
            "seed": self.seed,
            "accounts": len(held),
            "underlyings": len({underlying for underlying, _ in TERMS}),
            "expiries": len({days for _, days in TERMS}),
            "series": len(self.series),
            "accounts_with_20_positions": sum(len(positions) >= 20 for positions in held),
            "median_positions": median(len(positions) for positions in held),
            "median_expiries": median(
                len({TERMS[group_of(one.series) - 1][1] for one in positions}) for positions in held
            ),
        }
