"""A clearing house on the bench: short words for the tests, and a signature check that needs no keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rollup.authority import Signature, TradingKey
from rollup.batch import open_batch, publish, serve_item
from rollup.codec import QueuedItem, encode_batch
from rollup.events import Event
from rollup.instruments import Group, SeriesId, kind_of, series_id, strike_of
from rollup.invariants import broken_invariants, broken_step
from rollup.orders import Order, SignedOrder
from rollup.outcome import Outcome, QueueItem, Transaction
from rollup.rejections import Rejection
from rollup.state import Account, Deployment, State
from rollup.transactions import (
    CancelOrders,
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListGroup,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
)
from rollup.transition import apply_transaction
from rollup.units import AccountId, OptionKind, OrderKind, Side

T = TypeVar("T")


def make(kind: Callable[..., T], /, *values: object, **named: object) -> T:
    """Call with plain numbers where the rules want quantities."""
    return kind(*values, **named)


DEPLOYMENT = make(Deployment, 31337, 0xC1EA_0000_0000_0000_0000_0000_0000_0000_0000_0001)
GENESIS_TIME = 1_800_000_000
HOUR = 3600
DOLLAR = 1_000_000
CALL, PUT = OptionKind.CALL, OptionKind.PUT
TREASURY = 1
ZEROS = (0,) * 7
UNSIGNED = make(Signature, ZEROS, ZEROS, 0)
FORGED = make(Signature, ZEROS, ZEROS, 1)
KEY = make(TradingKey, 1, (1, *ZEROS[1:]), ZEROS)
REFUSED_KEY = make(TradingKey, 1, (2, *ZEROS[1:]), ZEROS)
ALICE, BOB, CAROL = AccountId(2), AccountId(3), AccountId(4)


@dataclass
class CountingCheck:
    """Accepts the workbench's signature and key, and counts how often it was asked."""

    signatures: int = 0

    def accepts_key(self, key: TradingKey) -> bool:
        return key != REFUSED_KEY

    def is_valid(self, key: TradingKey, message: tuple[int, ...], signature: Signature) -> bool:
        self.signatures += 1
        assert message[0] == key.suite
        return signature == UNSIGNED


def owner_of(account: int) -> int:
    return 0xA000_0000_0000_0000_0000_0000_0000_0000_0000_0000 + account


def order(account: int, side: Side, series: SeriesId, price: int, lots: int, /, **changes: object) -> Order:
    """An order with generous limits; `changes` replace single fields."""
    made = make(
        Order,
        account=account,
        slot=0,
        number=1,
        side=side,
        kind=OrderKind.LIMIT,
        group=series >> 25,
        strike=strike_of(series),
        option=kind_of(series),
        limit_price=price,
        lots=lots,
        max_fee_rate=0xFFFF,
        expiry=GENESIS_TIME + 20 * 24 * HOUR,
    )
    changed: Order = make(replace, made, **changes)
    return changed


def signed(order: Order, signature: Signature = UNSIGNED) -> SignedOrder:
    return SignedOrder(order, signature)


@dataclass
class House:
    """A state that moves on, the batch that is open, and everything published so far."""

    state: State = field(default_factory=lambda: make(State.genesis, DEPLOYMENT, GENESIS_TIME))
    check: CountingCheck = field(default_factory=CountingCheck)
    genesis: State | None = None
    published: list[bytes] = field(default_factory=list)
    has_invariants_checked: bool = True
    before: State | None = None
    items: list[tuple[QueuedItem, Outcome]] = field(default_factory=list)
    steps: list[Outcome] = field(default_factory=list)
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    by_name: dict[str, Outcome] = field(default_factory=dict)
    """The first outcome of each kind of transaction."""

    def __post_init__(self) -> None:
        self.genesis = self.state
        self.open()

    # Batches.

    def open(self, time: int | None = None) -> None:
        self.before = self.state
        opened = make(open_batch, self.state, self.state.system.time if time is None else time)
        if isinstance(opened, Rejection):
            raise AssertionError(opened)
        self.move(opened[0])

    def seal(self) -> bytes:
        """Publish the open batch."""
        assert self.before is not None
        content = publish(self.before, self.state.system.time, tuple(self.items), tuple(self.steps))
        self.published.append(encode_batch(content))
        self.items, self.steps = [], []
        return self.published[-1]

    def next_batch(self, time: int | None = None) -> None:
        self.seal()
        self.open(time)

    def at(self, time: int) -> None:
        """Move to a time, in a new batch."""
        self.next_batch(time)

    # Steps.

    def move(self, state: State) -> None:
        if self.has_invariants_checked:
            assert broken_invariants(state) == []
            assert broken_step(self.state, state) == []
        self.state = state

    def serve(self, item: QueueItem) -> Event:
        """Consume a queue item; its own event is returned. Items after transactions open a new batch first."""
        if self.steps:
            self.next_batch()
        queued = QueuedItem(self.state.system.time, item)
        outcome = serve_item(self.state, queued, self.check)
        assert not isinstance(outcome, Rejection)
        self.items.append((queued, outcome))
        self.move(outcome.state)
        return outcome.events[-1]

    def attempt(self, transaction: Transaction) -> Outcome | Rejection:
        """Apply a transaction if the rules allow it."""
        outcome = apply_transaction(self.state, transaction, self.check)
        if not isinstance(outcome, Rejection):
            self.steps.append(outcome)
            self.by_name.setdefault(type(transaction).__name__, outcome)
            self.move(outcome.state)
        return outcome

    def apply(self, transaction: Transaction) -> Event:
        """Apply a transaction that must be allowed."""
        outcome = self.attempt(transaction)
        assert isinstance(outcome, Outcome), outcome
        return outcome.events[-1]

    # Words.

    def deposit(self, account: int, dollars: float, *, has_key: bool = True) -> Event:
        event = self.serve(
            make(Deposit, account, owner_of(account), owner_of(account), round(dollars * DOLLAR))
        )
        if has_key and self.account(account).key is None:
            self.serve(make(RegisterKey, account, owner_of(account), 0, KEY.suite, KEY.x, KEY.y))
        return event

    def list_group(self, group: int = 7, *, cap: int = 200, expiry: int = GENESIS_TIME + 24 * HOUR) -> Event:
        """A group whose tick is one dollar and whose lot is one unit."""
        return self.serve(make(ListGroup, group, 1, expiry, cap, DOLLAR, DOLLAR))

    def list_series(self, group: int, strike: int, kind: int) -> SeriesId:
        self.serve(make(ListSeries, group, strike, kind))
        return make(series_id, group, strike, kind)

    def set_fees(self, maker: int, taker: int) -> Event:
        self.deposit(TREASURY, 1, has_key=False)
        return self.serve(make(SetParameters, maker, taker, TREASURY))

    def fix(self, group: int, price: int) -> Event:
        return self.serve(make(SettlementPrice, group, price))

    def number(self, account: int, slot: int = 0) -> int:
        """The next order number of a slot."""
        self.numbers[account, slot] = self.numbers.get((account, slot), 0) + 1
        return self.numbers[account, slot]

    def trade(self, buyer: int, seller: int, series: SeriesId, lots: int, dollars: float) -> Event:
        return self.apply(self.a_trade(buyer, seller, series, lots, dollars))

    def a_trade(self, buyer: int, seller: int, series: SeriesId, lots: int, dollars: float) -> Trade:
        price = round(dollars * DOLLAR)
        expiry = self.state.system.time + 24 * HOUR
        buy = order(buyer, Side.BUY, series, price, lots, number=self.number(buyer), expiry=expiry)
        sell = order(seller, Side.SELL, series, price, lots, number=self.number(seller), expiry=expiry)
        return make(Trade, signed(buy), signed(sell), True, lots)

    def transfer(self, sender: int, receiver: int, amount: int) -> Transfer:
        return make(Transfer, sender, receiver, amount, self.account(sender).nonce, UNSIGNED)

    def withdrawal(self, account: int, amount: int) -> Withdrawal:
        return make(Withdrawal, account, amount, self.account(account).nonce, UNSIGNED)

    def cancel(self, account: int, floor: int) -> CancelOrders:
        return make(CancelOrders, account, floor, self.account(account).nonce, UNSIGNED)

    def settle(self, account: int, group: int = 7) -> Event:
        return self.apply(make(SettleGroup, account, group))

    def force_out(self, account: int) -> Event:
        return self.serve(make(ForcedWithdrawal, account, owner_of(account)))

    def force_cancel(self, account: int, floor: int) -> Event:
        return self.serve(make(ForcedCancelOrders, account, owner_of(account), floor))

    # Readings.

    def account(self, account: int) -> Account:
        found = self.state.account(account)
        assert found is not None
        return found

    def group(self, group: int = 7) -> Group:
        found = make(self.state.group, group)
        assert found is not None
        return found

    def cash(self, account: int) -> int:
        return self.account(account).cash
