"""Each reason for which the rules refuse, met by the plainest breaches of its rule.

The file is long because every reason has its own breach, and they are read best side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollup.batch import Batch, RejectedBatch, apply_batch, open_batch, serve_item
from rollup.codec import QueuedItem
from rollup.events import ItemIgnored
from rollup.instruments import SeriesId
from rollup.outcome import Outcome, QueueItem, Transaction
from rollup.rejections import Rejection
from rollup.state import SYSTEM_INDEX, Account, Position
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
)
from rollup.transition import apply_l1_item
from rollup.units import VAULT_CAP, Nonce, OrderKind, Side
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    FORGED,
    GENESIS_TIME,
    HOUR,
    KEY,
    REFUSED_KEY,
    UNSIGNED,
    House,
    make,
    order,
    owner_of,
    signed,
)

SERIES = SeriesId(7 << 25 | 100 << 1)
DAY = 24 * HOUR
Breach = Callable[[House], Rejection | None]
BREACHES: dict[Rejection, list[Breach]] = {}


def breaks(rejection: Rejection) -> Callable[[Breach], Breach]:
    def register(breach: Breach) -> Breach:
        BREACHES.setdefault(rejection, []).append(breach)
        return breach

    return register


@pytest.fixture
def house() -> House:
    """Alice and Bob with 1,000 dollars and keys, Carol with 10 and none, one call at 100, fees, a second group."""
    house = House()
    house.deposit(ALICE, 1_000)
    house.deposit(BOB, 1_000)
    house.deposit(CAROL, 10, has_key=False)
    house.set_fees(100, 300)
    house.list_group()
    house.list_series(7, 100, CALL)
    house.list_group(8)
    return house


def ignored(house: House, item: QueueItem) -> Rejection | None:
    event = house.serve(item)
    return event.reason if isinstance(event, ItemIgnored) else None


def refused(house: House, transaction: Transaction) -> Rejection | None:
    outcome = house.attempt(transaction)
    return None if isinstance(outcome, Outcome) else outcome


def trade(
    house: House, lots: int = 1, buyer_is_maker: bool = True, **changes: dict[str, object]
) -> Rejection | None:
    """A good trade of Alice and Bob with single fields of either order replaced."""
    buy = order(ALICE, Side.BUY, SERIES, DOLLAR, 5, **changes.get("buy", {}))
    sell = order(BOB, Side.SELL, SERIES, DOLLAR, 5, **changes.get("sell", {}))
    return refused(house, make(Trade, signed(buy), signed(sell), buyer_is_maker, lots))


def test_the_trade_that_the_breaches_start_from_is_good(house: House) -> None:
    assert trade(house) is None


@breaks(Rejection.ACCOUNT_UNKNOWN)
def _(house: House) -> Rejection | None:
    return refused(house, make(SettleGroup, 77, 7))


@breaks(Rejection.ACCOUNT_UNKNOWN)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(ALICE, 77, 1))


@breaks(Rejection.ACCOUNT_UNKNOWN)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ForcedWithdrawal, 2**32 - 1, owner_of(1)))


@breaks(Rejection.AMOUNT_IS_ZERO)
def _(house: House) -> Rejection | None:
    return refused(house, house.withdrawal(ALICE, 0))


@breaks(Rejection.AMOUNT_IS_ZERO)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(ALICE, BOB, 0))


@breaks(Rejection.AMOUNT_IS_ZERO)
def _(house: House) -> Rejection | None:
    return ignored(house, make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), 0))


@breaks(Rejection.AMOUNT_TOO_LARGE)
def _(house: House) -> Rejection | None:
    return ignored(
        house, make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), VAULT_CAP - house.state.system.owed + 1)
    )


@breaks(Rejection.BATCH_NUMBER_NOT_NEXT)
def _(house: House) -> Rejection | None:
    return batch(house, number=house.state.system.batch_number)


@breaks(Rejection.BATCH_TOO_LARGE)
def _(house: House) -> Rejection | None:
    item = QueuedItem(house.state.system.time, make(ForcedCancelOrders, 0, 0, 0))
    return batch(house, items=(item,) * 2**16)


@breaks(Rejection.CASH_INSUFFICIENT)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(ALICE, BOB, 1_000 * DOLLAR + 1))


@breaks(Rejection.CASH_INSUFFICIENT)
def _(house: House) -> Rejection | None:
    return trade(house, 1, True, buy={"limit_price": 1_000 * DOLLAR})


@breaks(Rejection.FEE_ABOVE_MAXIMUM)
def _(house: House) -> Rejection | None:
    return trade(house, buy={"max_fee_rate": 99})


@breaks(Rejection.FEE_ABOVE_MAXIMUM)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"max_fee_rate": 299})


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(ALICE, BOB, -1))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return trade(house, 2**16)


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return ignored(house, make(Deposit, 2**24, owner_of(2), owner_of(2), 1))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return ignored(house, make(Deposit, 0, owner_of(2), owner_of(2), 1))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListSeries, 7, 110, 2))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 9, 1, GENESIS_TIME + DAY, 2**24, 1, DOLLAR))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    x = (2**31 - 2**24 + 1, *KEY.x[1:])
    return ignored(house, make(RegisterKey, ALICE, owner_of(ALICE), 1, 1, x, KEY.y))


@breaks(Rejection.FIELD_OUT_OF_RANGE)
def _(house: House) -> Rejection | None:
    opened = make(open_batch, house.state, 2**48)
    return opened if isinstance(opened, Rejection) else None


@breaks(Rejection.FLOOR_NOT_RAISED)
def _(house: House) -> Rejection | None:
    return refused(house, house.cancel(ALICE, 0))


@breaks(Rejection.FLOOR_NOT_RAISED)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ForcedCancelOrders, ALICE, owner_of(ALICE), 0))


@breaks(Rejection.GROUP_ALREADY_FIXED)
def _(house: House) -> Rejection | None:
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 100)
    return ignored(house, make(SettlementPrice, 7, 101))


@breaks(Rejection.GROUP_ALREADY_LISTED)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 7, 1, GENESIS_TIME + DAY, 200, DOLLAR, DOLLAR))


@breaks(Rejection.GROUP_EXPIRED)
def _(house: House) -> Rejection | None:
    house.at(GENESIS_TIME + DAY)
    return trade(house)


@breaks(Rejection.GROUP_EXPIRED)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 9, 1, GENESIS_TIME, 200, DOLLAR, DOLLAR))


@breaks(Rejection.GROUP_EXPIRED)
def _(house: House) -> Rejection | None:
    house.at(GENESIS_TIME + DAY)
    return ignored(house, make(ListSeries, 7, 110, CALL))


@breaks(Rejection.GROUP_FULL)
def _(house: House) -> Rejection | None:
    house.has_invariants_checked = False
    house.list_group(9, cap=1000)
    for strike in range(1, 257):
        assert ignored(house, make(ListSeries, 9, strike, CALL)) is None
    return ignored(house, make(ListSeries, 9, 257, CALL))


@breaks(Rejection.GROUP_NOT_EXPIRED)
def _(house: House) -> Rejection | None:
    house.at(GENESIS_TIME + DAY - 1)
    return ignored(house, make(SettlementPrice, 7, 100))


@breaks(Rejection.GROUP_NOT_FIXED)
def _(house: House) -> Rejection | None:
    return refused(house, make(SettleGroup, ALICE, 7))


@breaks(Rejection.GROUP_TERMS_INVALID)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 9, 1, GENESIS_TIME + DAY, 200, DOLLAR + 1, DOLLAR - 1))


@breaks(Rejection.GROUP_TERMS_INVALID)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 9, 1, GENESIS_TIME + DAY, 4295, DOLLAR, DOLLAR))


@breaks(Rejection.GROUP_TERMS_INVALID)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListGroup, 9, 1, GENESIS_TIME + DAY, 0, DOLLAR, DOLLAR))


@breaks(Rejection.GROUP_UNKNOWN)
def _(house: House) -> Rejection | None:
    return refused(house, make(SettleGroup, ALICE, 99))


@breaks(Rejection.GROUP_UNKNOWN)
def _(house: House) -> Rejection | None:
    return trade(house, buy={"group": 99}, sell={"group": 99})


@breaks(Rejection.KEY_MISSING)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(CAROL, BOB, 1))


@breaks(Rejection.KEY_REFUSED)
def _(house: House) -> Rejection | None:
    return ignored(house, make(RegisterKey, ALICE, owner_of(ALICE), 1, 1, REFUSED_KEY.x, REFUSED_KEY.y))


@breaks(Rejection.LOTS_ARE_ZERO)
def _(house: House) -> Rejection | None:
    return trade(house, 0)


@breaks(Rejection.MAKER_ORDER_IS_IMMEDIATE)
def _(house: House) -> Rejection | None:
    return trade(house, buy={"kind": OrderKind.IMMEDIATE})


@breaks(Rejection.MARGIN_NOT_MET)
def _(house: House) -> Rejection | None:
    assert trade(house, 5) is None
    return refused(house, house.withdrawal(BOB, 505 * DOLLAR))


@breaks(Rejection.MARGIN_NOT_MET)
def _(house: House) -> Rejection | None:
    return trade(house, 11, buy={"lots": 20}, sell={"lots": 20})


@breaks(Rejection.NONCE_EXHAUSTED)
def _(house: House) -> Rejection | None:
    house.state = house.state.with_leaves(replace(house.account(ALICE), nonce=Nonce(2**32 - 1)))
    return refused(house, house.transfer(ALICE, BOB, 1))


@breaks(Rejection.NONCE_NOT_NEXT)
def _(house: House) -> Rejection | None:
    assert refused(house, house.transfer(ALICE, BOB, 1)) is None
    return refused(house, make(Transfer, ALICE, BOB, 1, 0, UNSIGNED))


@breaks(Rejection.NONCE_NOT_NEXT)
def _(house: House) -> Rejection | None:
    return refused(house, make(CancelOrders, ALICE, 5, 1, UNSIGNED))


@breaks(Rejection.NOTHING_TO_SETTLE)
def _(house: House) -> Rejection | None:
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 100)
    return refused(house, make(SettleGroup, ALICE, 7))


@breaks(Rejection.NOTHING_TO_WITHDRAW)
def _(house: House) -> Rejection | None:
    house.force_out(ALICE)
    return ignored(house, make(ForcedWithdrawal, ALICE, owner_of(ALICE)))


@breaks(Rejection.NOT_OWNER)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ForcedWithdrawal, ALICE, owner_of(BOB)))


@breaks(Rejection.NOT_OWNER)
def _(house: House) -> Rejection | None:
    return ignored(house, make(RegisterKey, ALICE, owner_of(BOB), 1, 1, KEY.x, KEY.y))


@breaks(Rejection.NOT_OWNER)
def _(house: House) -> Rejection | None:
    return ignored(house, make(Deposit, ALICE, owner_of(BOB), owner_of(BOB), 1))


@breaks(Rejection.ORDERS_NOT_OPPOSITE)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"side": Side.BUY})


@breaks(Rejection.ORDER_CANCELLED)
def _(house: House) -> Rejection | None:
    house.force_cancel(ALICE, 2)
    return trade(house)


@breaks(Rejection.ORDER_EXPIRED)
def _(house: House) -> Rejection | None:
    return trade(house, buy={"expiry": GENESIS_TIME})


@breaks(Rejection.ORDER_LIVES_TOO_LONG)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"expiry": GENESIS_TIME + 30 * DAY + 1})


@breaks(Rejection.ORDER_OVERFILLED)
def _(house: House) -> Rejection | None:
    assert trade(house, 3) is None
    return trade(house, 3)


@breaks(Rejection.ORDER_REPLACED)
def _(house: House) -> Rejection | None:
    assert trade(house, buy={"number": 2}) is None
    return trade(house, sell={"number": 2})


@breaks(Rejection.POSITIONS_TOO_MANY)
def _(house: House) -> Rejection | None:
    house.deposit(BOB, 10_000)
    for strike in range(1, 34):
        series = house.list_series(8, strike, CALL)
        outcome = house.attempt(house.a_trade(ALICE, BOB, series, 1, 0))
        if isinstance(outcome, Rejection):
            assert len(house.account(ALICE).positions) == 32
            return outcome
    return None


@breaks(Rejection.POSITION_TOO_LARGE)
def _(house: House) -> Rejection | None:
    lots = 2**24 - 1
    alice, bob = house.account(ALICE), house.account(BOB)
    house.state = house.state.with_leaves(
        _holding(alice, lots), replace(_holding(bob, -lots), cash=VAULT_CAP)
    )
    house.has_invariants_checked = False
    return trade(house)


def _holding(account: Account, lots: int) -> Account:
    return replace(account, positions=(Position(SERIES, lots),))


@breaks(Rejection.PRICES_DO_NOT_CROSS)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"limit_price": DOLLAR + 1})


@breaks(Rejection.QUEUE_ITEM_FROM_FUTURE)
def _(house: House) -> Rejection | None:
    queued = make(
        QueuedItem, house.state.system.time + 1, make(ForcedCancelOrders, ALICE, owner_of(ALICE), 1)
    )
    outcome = serve_item(house.state, queued, house.check)
    return outcome if isinstance(outcome, Rejection) else None


@breaks(Rejection.QUEUE_POSITION_NOT_NEXT)
def _(house: House) -> Rejection | None:
    return batch(house, queue_start=house.state.system.queue_position + 1)


@breaks(Rejection.SAME_ACCOUNT)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"account": ALICE, "slot": 1})


@breaks(Rejection.SAME_ACCOUNT)
def _(house: House) -> Rejection | None:
    return refused(house, house.transfer(ALICE, ALICE, 1))


@breaks(Rejection.SERIES_ALREADY_LISTED)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListSeries, 7, 100, CALL))


@breaks(Rejection.SERIES_DIFFER)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"strike": 101})


@breaks(Rejection.SERIES_NOT_LISTED)
def _(house: House) -> Rejection | None:
    return trade(house, buy={"strike": 101}, sell={"strike": 101})


@breaks(Rejection.SIGNATURE_INVALID)
def _(house: House) -> Rejection | None:
    return refused(house, make(Transfer, ALICE, BOB, 1, 0, FORGED))


@breaks(Rejection.SIGNATURE_INVALID)
def _(house: House) -> Rejection | None:
    good = house.a_trade(ALICE, BOB, SERIES, 1, 1)
    return refused(house, replace(good, sell=signed(good.sell.order, FORGED)))


@breaks(Rejection.STRIKE_OUTSIDE_CAP)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListSeries, 7, 200, CALL))


@breaks(Rejection.STRIKE_OUTSIDE_CAP)
def _(house: House) -> Rejection | None:
    return ignored(house, make(ListSeries, 7, 0, CALL))


@breaks(Rejection.TAKER_ORDER_IS_POST_ONLY)
def _(house: House) -> Rejection | None:
    return trade(house, sell={"kind": OrderKind.POST_ONLY})


@breaks(Rejection.TIME_RUNS_BACKWARDS)
def _(house: House) -> Rejection | None:
    return batch(house, time=house.state.system.time - 1)


@breaks(Rejection.TREASURY_MISSING)
def _(house: House) -> Rejection | None:
    return ignored(house, make(SetParameters, 1, 1, 77))


def batch(house: House, **changes: object) -> Rejection | None:
    """An empty batch with single fields replaced."""
    system = house.state.system
    good = make(Batch, system.batch_number + 1, system.time, system.queue_position, (), ())
    outcome = apply_batch(house.state, make(replace, good, **changes), house.check)
    return outcome.rejection if isinstance(outcome, RejectedBatch) else None


def test_every_reason_has_its_breach() -> None:
    assert set(BREACHES) == set(Rejection)


@pytest.mark.parametrize(
    ("rejection", "breach"),
    [(rejection, breach) for rejection, breaches in BREACHES.items() for breach in breaches],
    ids=[
        f"{rejection}-{place}" for rejection, breaches in BREACHES.items() for place in range(len(breaches))
    ],
)
def test_a_breach_is_refused_for_its_own_reason(house: House, rejection: Rejection, breach: Breach) -> None:
    assert breach(house) is rejection


def test_every_reason_is_explained() -> None:
    assert all(rejection.value == rejection.name.lower() for rejection in Rejection)
    assert list(Rejection) == sorted(Rejection)


def test_a_deposit_that_cannot_be_credited_is_claimed_back_by_its_payer(house: House) -> None:
    event = house.serve(make(Deposit, ALICE, owner_of(BOB), owner_of(CAROL), 5))
    assert [(claim.owner, claim.amount) for claim in event.claims] == [(owner_of(CAROL), 5)]


def test_an_ignored_item_moves_the_queue_and_nothing_else(house: House) -> None:
    outcome = apply_l1_item(house.state, make(ForcedWithdrawal, 77, 0), house.check)
    before, after = house.state.all_leaves(), outcome.state.all_leaves()
    assert [index for index in after if before.get(index) != after[index]] == [SYSTEM_INDEX]
    assert outcome.state.system.queue_position == house.state.system.queue_position + 1


def test_a_queue_item_that_no_queue_can_hold_is_a_bug(house: House) -> None:
    with pytest.raises(ValueError, match="a queue item's fields fit their words"):
        apply_l1_item(house.state, make(ForcedWithdrawal, 2**32, 0), house.check)
