"""Random histories: whatever happens in whatever order, every invariant holds after every step."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rollup.codec import decode_transaction, encode_transaction
from rollup.events import Event
from rollup.instruments import SeriesId
from rollup.outcome import Outcome, QueueItem, Transaction
from rollup.rebuild import rebuild
from rollup.rejections import Rejection
from rollup.state import Account, State
from rollup.transactions import (
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
)
from rollup.units import VAULT_CAP, OrderKind, Side
from tests.conftest import LONG
from tests.rollup.workbench import (
    CALL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    KEY,
    PUT,
    REFUSED_KEY,
    TREASURY,
    House,
    make,
    order,
    owner_of,
    signed,
)

ACCOUNTS = st.sampled_from([TREASURY, 2, 3, 4, 5, 6])
ANY_ACCOUNTS = st.one_of(ACCOUNTS, ACCOUNTS, ACCOUNTS, st.sampled_from([0, 77, 2**24 - 1, 2**24, 2**32 - 1]))
GROUPS = st.integers(7, 12)
ANY_GROUPS = st.one_of(GROUPS, GROUPS, GROUPS, st.sampled_from([0, 2**16 - 1]))
STRIKES = st.sampled_from([80, 90, 100, 110, 120])
AMOUNTS = st.one_of(st.integers(0, 200 * DOLLAR), st.sampled_from([0, 1, VAULT_CAP, 2**64 - 1]))
PRICES = st.one_of(st.integers(0, 20 * DOLLAR), st.sampled_from([0, 1, 2**32 - 1]))
LOTS = st.one_of(st.integers(1, 5), st.sampled_from([0, 1, 2**16 - 1]))
DAY = 24 * HOUR
SEEDS = st.integers(0, 2**32 - 1)


def both(before: State, after: State, account: int) -> list[tuple[str, Account]]:
    """An account before and after a step; the treasury before there is one has neither."""
    states = (("before", before), ("after", after))
    return [(when, found) for when, state in states if (found := state.account(account)) is not None]


class Histories(RuleBasedStateMachine):
    """Drives a clearing house; the workbench checks the invariants at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.deposited = 0
        self.claimed = 0

    @initialize()
    def people_and_a_market(self) -> None:
        for account in (TREASURY, 2, 3, 4):
            self.queue(make(Deposit, account, owner_of(account), owner_of(account), 2_000 * DOLLAR))
            self.queue(make(RegisterKey, account, owner_of(account), 0, KEY.suite, KEY.x, KEY.y))
        for group in (7, 8):
            self.queue(make(ListGroup, group, 1, GENESIS_TIME + (group - 6) * DAY, 200, DOLLAR, DOLLAR))
            for strike in (90, 100, 110):
                self.queue(make(ListSeries, group, strike, CALL))
                self.queue(make(ListSeries, group, strike, PUT))

    def book(self, events: tuple[Event, ...]) -> None:
        self.claimed += sum(claim.amount for event in events for claim in event.claims)

    def queue(self, item: QueueItem) -> None:
        """Queue items are total: this never fails."""
        assert decode_transaction(encode_transaction(item)) == item
        if isinstance(item, Deposit):
            self.deposited += item.amount
        self.book((self.house.serve(item),))

    def submit(self, transaction: Transaction) -> None:
        """Transactions may be refused, and then leave no trace."""
        before = self.house.state
        assert decode_transaction(encode_transaction(transaction)) == transaction
        outcome = self.house.attempt(transaction)
        if isinstance(outcome, Outcome):
            self.book(outcome.events)
            if isinstance(transaction, Trade):
                self.compare_with_the_orders(before, transaction)
        else:
            assert isinstance(outcome, Rejection)
            assert self.house.state is before

    def compare_with_the_orders(self, before: State, trade: Trade) -> None:
        """Work a trade out once more, from the orders alone and in fractions."""
        parameters, after = before.system.parameters, self.house.state
        maker = trade.buy.order if trade.buyer_is_maker else trade.sell.order
        premium = maker.limit_price * trade.lots
        rates = (parameters.maker_fee_rate, parameters.taker_fee_rate)
        buyer_rate, seller_rate = rates if trade.buyer_is_maker else rates[::-1]
        moved: Counter[int] = Counter()
        for signed_order, sign, rate in ((trade.buy, -1, buyer_rate), (trade.sell, 1, seller_rate)):
            order = signed_order.order
            fee = ceil(Fraction(premium * rate, 1_000_000))
            moved[order.account] += sign * premium - fee
            moved[parameters.treasury] += fee
            lots = {when: dict(found.positions) for when, found in both(before, after, order.account)}
            assert (
                lots["after"].get(order.series, 0) - lots["before"].get(order.series, 0) == -sign * trade.lots
            )
            assert order.limit_price * sign <= maker.limit_price * sign
        for account, amount in moved.items():
            cash = {when: found.cash for when, found in both(before, after, account)}
            assert amount == 0 or cash["after"] - cash["before"] == amount

    @rule(
        account=ANY_ACCOUNTS,
        payer=ACCOUNTS,
        amount=AMOUNTS,
        is_owner=st.sampled_from([True, True, True, False]),
    )
    def deposit(self, account: int, payer: int, amount: int, is_owner: bool) -> None:
        self.queue(
            make(Deposit, account, owner_of(account if is_owner else account + 1), owner_of(payer), amount)
        )

    @rule(
        account=ANY_ACCOUNTS,
        floor=st.integers(0, 5),
        key=st.sampled_from([KEY, KEY, REFUSED_KEY]),
        first=st.sampled_from([None, None, 2**31 - 2**24 + 1, 2**32 - 1]),
    )
    def register_key(self, account: int, floor: int, key: object, first: int | None) -> None:
        assert isinstance(key, type(KEY))
        x = key.x if first is None else (first, *key.x[1:])
        self.queue(make(RegisterKey, account, owner_of(account), floor, key.suite, x, key.y))

    @rule(account=ANY_ACCOUNTS, floor=st.sampled_from([0, 1, 2, 5, 9, 2**32 - 1]), is_owner=st.booleans())
    def force_cancel(self, account: int, floor: int, is_owner: bool) -> None:
        self.queue(make(ForcedCancelOrders, account, owner_of(account if is_owner else account + 1), floor))

    @rule(account=ANY_ACCOUNTS, luck=st.integers(0, 9))
    def force_out(self, account: int, luck: int) -> None:
        # Rarely by the owner: a house that everyone leaves at once sees no trades.
        self.queue(make(ForcedWithdrawal, account, owner_of(account + (luck > 1))))

    @rule(
        group=ANY_GROUPS,
        days=st.integers(-1, 5),
        cap=st.sampled_from([200, 200, 150, 0, 2**24, 2**32 - 1]),
        tick=st.sampled_from([DOLLAR, DOLLAR, 1, 0, 2**32 - 1]),
    )
    def list_group(self, group: int, days: int, cap: int, tick: int) -> None:
        self.queue(make(ListGroup, group, 1, self.house.state.system.time + days * DAY, cap, tick, DOLLAR))

    @rule(
        group=ANY_GROUPS,
        strike=st.one_of(STRIKES, st.sampled_from([0, 200, 2**32 - 1])),
        option=st.sampled_from([CALL, PUT, 2, 2**16 - 1]),
    )
    def list_series(self, group: int, strike: int, option: int) -> None:
        self.queue(make(ListSeries, group, strike, option))

    @rule(maker=st.sampled_from([0, 100, 0xFFFF]), taker=st.sampled_from([0, 300]), treasury=ANY_ACCOUNTS)
    def set_parameters(self, maker: int, taker: int, treasury: int) -> None:
        self.queue(make(SetParameters, maker, taker, treasury))

    @rule(group=ANY_GROUPS, price=st.one_of(st.integers(0, 250), STRIKES, st.just(2**64 - 1)))
    def settlement_price(self, group: int, price: int) -> None:
        self.queue(make(SettlementPrice, group, price))

    @rule(hours=st.sampled_from([0, 0, 1, 1, 5, 24]))
    def time_passes(self, hours: int) -> None:
        self.house.at(self.house.state.system.time + hours * HOUR)

    @rule(
        parties=st.tuples(ACCOUNTS, ACCOUNTS),
        slots=st.tuples(st.integers(0, 2), st.sampled_from([0, 255])),
        numbers=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        group=GROUPS,
        strike=STRIKES,
        option=st.sampled_from([CALL, PUT]),
        price=PRICES,
        limit_room=st.sampled_from([0, 0, 0, 1, -1]),
        lots=LOTS,
        size=st.integers(1, 12),
        kinds=st.tuples(*[st.sampled_from([OrderKind.LIMIT, OrderKind.LIMIT, *OrderKind])] * 2),
        life=st.sampled_from([1, HOUR, DAY, DAY, 30 * DAY, 31 * DAY]),
        buyer_is_maker=st.booleans(),
    )
    def trade(
        self,
        parties: tuple[int, int],
        slots: tuple[int, int],
        numbers: tuple[int, int],
        group: int,
        strike: int,
        option: int,
        price: int,
        limit_room: int,
        lots: int,
        size: int,
        kinds: tuple[OrderKind, ...],
        life: int,
        buyer_is_maker: bool,
    ) -> None:
        series = (group << 25) | strike << 1 | option
        expiry = self.house.state.system.time + life
        orders = [
            order(
                account,
                side,
                SeriesId(series),
                limit,
                size,
                slot=slot,
                number=number,
                kind=kind,
                expiry=expiry,
            )
            for account, side, limit, slot, number, kind in zip(
                parties,
                (Side.BUY, Side.SELL),
                (min(max(price + limit_room, 0), 2**32 - 1), price),
                slots,
                numbers,
                kinds,
                strict=True,
            )
        ]
        self.submit(make(Trade, signed(orders[0]), signed(orders[1]), buyer_is_maker, lots))

    def deal(self, random: Random) -> None:
        """A trade that mostly succeeds: among what is there, with numbers that mostly rise."""
        now = self.house.state.system.time
        listed = [
            series for group in self.house.state.groups() if now < group.expiry for series in group.series
        ]
        people = [account for account in self.house.state.accounts() if account.key is not None]
        if not listed or len(people) < 2:
            return
        draws = random.sample(range(256), 7)
        price = random.randrange(9 * DOLLAR)
        series = listed[draws[0] % len(listed)]
        buyer = people[draws[1] % len(people)]
        seller = people[(people.index(buyer) + 1 + draws[2] % (len(people) - 1)) % len(people)]
        slots = (draws[1] % 3, draws[2] % 3)
        numbers = tuple(
            self.house.numbers.get((account.account, slot), 0)
            if draw % 4 == 0
            else max(self.house.number(account.account, slot), account.order_floor)
            for account, slot, draw in zip((buyer, seller), slots, draws[3:5], strict=True)
        )
        expiry = now + DAY
        size = 1 + draws[5] % 8
        buy = order(
            buyer.account, Side.BUY, series, price, size, slot=slots[0], number=numbers[0], expiry=expiry
        )
        sell = order(
            seller.account, Side.SELL, series, price, size, slot=slots[1], number=numbers[1], expiry=expiry
        )
        self.submit(make(Trade, signed(buy), signed(sell), draws[6] < 128, 1 + draws[6] % size))

    @rule(seed=SEEDS)
    def deal_one(self, seed: int) -> None:
        self.deal(Random(seed))

    @rule(seed=SEEDS, trades=st.integers(1, 12))
    def a_busy_hour(self, seed: int, trades: int) -> None:
        random = Random(seed)
        for _ in range(trades):
            self.deal(random)

    @rule(parties=st.tuples(ACCOUNTS, ACCOUNTS), amount=AMOUNTS)
    def transfer(self, parties: tuple[int, int], amount: int) -> None:
        if self.house.state.account(parties[0]) is not None:
            self.submit(self.house.transfer(*parties, amount))

    @rule(account=ACCOUNTS, amount=AMOUNTS)
    def withdraw(self, account: int, amount: int) -> None:
        if self.house.state.account(account) is not None:
            self.submit(self.house.withdrawal(account, amount))

    @rule(account=ACCOUNTS, floor=st.integers(0, 6))
    def cancel(self, account: int, floor: int) -> None:
        if self.house.state.account(account) is not None:
            self.submit(self.house.cancel(account, floor))

    @rule(account=ACCOUNTS, group=GROUPS)
    def settle(self, account: int, group: int) -> None:
        self.submit(make(SettleGroup, account, group))

    @rule(draw=st.integers(0, 255), price=st.one_of(STRIKES, st.integers(0, 250)))
    def a_group_expires(self, draw: int, price: int) -> None:
        """Time reaches the expiry of some group, its price is fixed, and some accounts are settled."""
        waiting = [group for group in self.house.state.groups() if group.settlement_price is None]
        if draw % 4 == 0 or not waiting:
            return
        group = waiting[draw % len(waiting)]
        self.house.at(max(self.house.state.system.time, group.expiry))
        self.queue(make(SettlementPrice, group.group, price))
        for account in list(self.house.state.accounts())[draw % 3 :: 2]:
            self.submit(make(SettleGroup, account.account, group.group))

    @invariant()
    def the_vault_holds_what_is_owed(self) -> None:
        assert self.house.state.system.owed == self.deposited - self.claimed

    def teardown(self) -> None:
        """In the end everyone can leave, the vault is paid out to the last micro-dollar, and L1 tells it all."""
        end = max((group.expiry for group in self.house.state.groups()), default=GENESIS_TIME)
        self.house.at(max(end, self.house.state.system.time))
        for group in list(self.house.state.groups()):
            self.queue(make(SettlementPrice, group.group, 104))
        for account in list(self.house.state.accounts()):
            self.queue(make(ForcedWithdrawal, account.account, account.owner))
        assert self.deposited == self.claimed
        assert all(account.cash == 0 and account.positions == () for account in self.house.state.accounts())
        self.house.seal()
        assert self.house.genesis is not None
        assert rebuild(self.house.genesis, self.house.published, self.house.check) == self.house.state


Histories.TestCase.settings = settings(
    max_examples=10_000 if LONG else 200, stateful_step_count=100, deadline=None
)
test_histories = Histories.TestCase
