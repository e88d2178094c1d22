"""The node's deterministic heart: what it admits, what it turns away, and that replaying it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from rollup.batch import BatchOutcome, apply_batch
from rollup.codec import QueuedItem
from rollup.node.effects import Effects
from rollup.node.engine import INPUTS_PER_CHECKPOINT, Engine, Limits, Reason
from rollup.node.inputs import (
    CancelOrder,
    CloseBatch,
    Input,
    InputKind,
    OpenBatch,
    PlaceOrder,
    SubmitTransaction,
    decode_input,
    encode_input,
    kind_of_input,
)
from rollup.node.order_book import Departure
from rollup.node.refusals import Refusal
from rollup.node.verified import VerifiedSignatures
from rollup.orders import SignedOrder
from rollup.outcome import Transaction
from rollup.rebuild import rebuild
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.transactions import (
    CancelOrders,
    ForcedCancelOrders,
    RegisterKey,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
)
from rollup.units import OrderKind, Side, Time
from tests.rollup.node.desk import ALICE, BOB, CAROL, DOLLAR, Desk, small_market
from tests.rollup.workbench import UNSIGNED, make

NOW = small_market().time
DAY = 24 * 3600


def place(engine: Engine, signed: SignedOrder, time: int = NOW) -> Effects | Reason:
    return engine.apply(PlaceOrder(Time(time), signed))


def placed(engine: Engine, signed: SignedOrder) -> Effects:
    effects = place(engine, signed)
    assert isinstance(effects, Effects), effects
    return effects


def submit(engine: Engine, transaction: Transaction) -> Effects | Reason:
    return engine.apply(SubmitTransaction(Time(NOW), transaction))


def next_batch(engine: Engine, time: int, *items: object) -> Effects:
    """Close the open batch and open another with these queue items."""
    engine.apply(CloseBatch(Time(time)))
    effects = engine.apply(OpenBatch(Time(time), tuple(_queued(time, item) for item in items)))
    assert isinstance(effects, Effects)
    return effects


def _queued(time: int, item: object) -> QueuedItem:
    return make(QueuedItem, time, item)


def test_two_orders_that_cross_trade_at_the_makers_price() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.sell(ALICE, 5, 3))
    effects = placed(engine, desk.buy(BOB, 6, 2))
    (fill,) = effects.fills
    assert (fill.trade.price, fill.trade.lots, fill.trade.buyer_is_maker) == (5 * DOLLAR, 2, False)
    assert engine.open_count == 1
    (left,) = engine.book.entries()
    assert left.remaining == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lots": 0}, Rejection.LOTS_ARE_ZERO),
        ({"account": 77}, Rejection.ACCOUNT_UNKNOWN),
        ({"account": 1}, Rejection.KEY_MISSING),
        ({"group": 9}, Rejection.GROUP_UNKNOWN),
        ({"strike": 81}, Rejection.SERIES_NOT_LISTED),
        ({"max_fee_rate": 299}, Rejection.FEE_ABOVE_MAXIMUM),
        ({"expiry": NOW}, Rejection.ORDER_EXPIRED),
        ({"expiry": NOW + 31 * DAY}, Rejection.ORDER_LIVES_TOO_LONG),
        ({"lots": 1 << 24}, Rejection.FIELD_OUT_OF_RANGE),
        ({"lots": 3_000_000}, Rejection.CASH_INSUFFICIENT),
    ],
)
def test_an_order_that_could_never_trade_is_turned_away(
    changes: dict[str, object], reason: Rejection
) -> None:
    desk = Desk()
    engine = desk.engine()
    good = desk.buy(ALICE, 5, 1)
    bad = SignedOrder(make(replace, good.order, **changes), good.signature)
    before = (engine.state, engine.sequence, engine.book.entries())
    assert place(engine, bad) == reason
    assert (engine.state, engine.sequence, engine.book.entries()) == before


def test_an_order_with_anothers_signature_is_turned_away() -> None:
    desk = Desk()
    engine = desk.engine()
    good = desk.buy(ALICE, 5, 1)
    assert (
        place(engine, SignedOrder(good.order, desk.buy(BOB, 5, 1).signature)) is Rejection.SIGNATURE_INVALID
    )


def test_a_slot_takes_larger_numbers_only_and_gives_up_its_older_order() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.buy(ALICE, 5, 1, number=5))
    assert place(engine, desk.buy(ALICE, 6, 1, number=5)) is Refusal.ORDER_NUMBER_USED
    effects = placed(engine, desk.buy(ALICE, 6, 1, number=6))
    assert [one.reason for one in effects.departed] == [Departure.REPLACED]
    assert [entry.order.number for entry in engine.book.entries()] == [6]


def test_a_cancelled_order_cannot_come_back() -> None:
    desk = Desk()
    engine = desk.engine()
    order = desk.buy(ALICE, 5, 1)
    placed(engine, order)
    cancel = CancelOrder(Time(NOW), desk.cancel(ALICE, 0, 1))
    forged = CancelOrder(Time(NOW), make(type(cancel.request), ALICE, 0, 1, desk.cancel(BOB, 0, 1).signature))
    assert engine.apply(forged) is Rejection.SIGNATURE_INVALID
    effects = engine.apply(cancel)
    assert isinstance(effects, Effects)
    assert [one.reason for one in effects.departed] == [Departure.CANCELLED]
    assert engine.apply(cancel) is Refusal.ORDER_NOT_IN_BOOK
    assert place(engine, order) is Refusal.ORDER_NUMBER_USED


def test_post_only_orders_never_take_and_immediate_ones_never_rest() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.sell(ALICE, 5, 1))
    assert place(engine, desk.buy(BOB, 5, 1, kind=OrderKind.POST_ONLY)) is Refusal.POST_ONLY_WOULD_TAKE
    effects = placed(engine, desk.buy(BOB, 5, 3, kind=OrderKind.IMMEDIATE))
    assert len(effects.fills) == 1
    assert engine.book.count == 0


def test_open_orders_are_limited() -> None:
    desk = Desk()
    engine = desk.engine()
    engine.limits = Limits(open_orders_per_account=1, open_orders=2)
    placed(engine, desk.buy(ALICE, 5, 1))
    assert place(engine, desk.buy(ALICE, 5, 1, slot=1)) is Refusal.OPEN_ORDERS_TOO_MANY
    placed(engine, desk.buy(ALICE, 4, 1))
    placed(engine, desk.buy(BOB, 5, 1))
    assert place(engine, desk.buy(CAROL, 5, 1)) is Refusal.BOOK_FULL


def test_a_resting_order_that_lost_its_margin_leaves_and_the_next_one_trades() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.sell(ALICE, 5, 1))
    placed(engine, desk.sell(CAROL, 6, 1))
    cash = engine.state.account(ALICE)
    assert cash is not None
    effects = submit(engine, desk.transaction(Withdrawal, ALICE, ALICE, cash.cash, 0))
    assert isinstance(effects, Effects)
    effects = placed(engine, desk.buy(BOB, 6, 1))
    assert [one.reason for one in effects.departed] == [Departure.UNFIT, Departure.FILLED, Departure.FILLED]
    assert effects.fills[0].maker.order.account == CAROL


def test_trades_and_queue_items_are_not_submitted() -> None:
    desk = Desk()
    engine = desk.engine()
    trade = make(Trade, desk.buy(ALICE, 5, 1), desk.sell(BOB, 5, 1), True, 1)
    assert submit(engine, trade) is Refusal.NOT_SUBMITTED_HERE


def test_a_raised_floor_empties_the_book_of_what_it_kills() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.buy(ALICE, 5, 1, number=5))
    placed(engine, desk.buy(ALICE, 4, 1, slot=1, number=50))
    effects = submit(engine, desk.transaction(CancelOrders, ALICE, ALICE, 10, 0))
    assert isinstance(effects, Effects)
    assert [one.entry.order.number for one in effects.departed] == [5]
    effects = next_batch(engine, NOW, make(ForcedCancelOrders, ALICE, small_market().owner(ALICE), 60))
    assert [one.entry.order.number for one in effects.departed] == [50]


def test_a_new_key_empties_the_book_of_the_old_ones_orders() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.buy(ALICE, 5, 1))
    key = small_market().secrets[BOB].trading_key
    effects = next_batch(
        engine, NOW, make(RegisterKey, ALICE, small_market().owner(ALICE), 0, key.suite, key.x, key.y)
    )
    assert [one.reason for one in effects.departed] == [Departure.CANCELLED]


def test_an_expired_group_leaves_the_book() -> None:
    desk = Desk()
    engine = desk.engine()
    placed(engine, desk.buy(ALICE, 5, 1, expiry=NOW + 2 * DAY))
    assert place(engine, desk.sell(BOB, 5, 1, expiry=NOW + 2 * DAY), NOW + DAY) is Refusal.GROUP_HAS_EXPIRED
    effects = next_batch(engine, NOW + DAY)
    assert [one.reason for one in effects.departed] == [Departure.DELISTED]
    assert place(engine, desk.sell(BOB, 5, 1, expiry=NOW + 2 * DAY), NOW + DAY) is Rejection.GROUP_EXPIRED


def test_a_batch_without_content_is_never_published_until_the_journal_grows_long() -> None:
    desk = Desk()
    engine = desk.engine()
    next_batch(engine, NOW)
    state, number = engine.state, engine.state.system.batch_number
    placed(engine, desk.buy(ALICE, 5, 1))
    closed = engine.apply(CloseBatch(Time(NOW)))
    assert isinstance(closed, Effects)
    assert closed.sealed is None
    assert engine.state.system.batch_number == number - 1
    engine.apply(OpenBatch(Time(NOW), ()))
    assert engine.state == state
    engine.sequence += INPUTS_PER_CHECKPOINT
    closed = engine.apply(CloseBatch(Time(NOW)))
    assert isinstance(closed, Effects)
    assert closed.sealed is not None


def random_inputs(seed: int, count: int) -> list[Input]:
    """A day of trading by six people: orders of all kinds, cancels, transfers, withdrawals, a settlement."""
    desk, random = Desk(), Random(seed)
    market = desk.market
    inputs: list[Input] = [OpenBatch(Time(NOW), tuple(market.queue_items()))]
    nonces = dict.fromkeys(market.traders, 0)
    time = NOW
    for _ in range(count):
        time += random.randrange(3)
        now, account, slot = Time(time), random.choice(market.traders), random.randrange(3)
        match random.randrange(10):
            case 0:
                inputs.append(
                    CancelOrder(now, desk.cancel(account, slot, desk.numbers.get((account, slot), 0)))
                )
            case 1:
                other = random.choice(market.traders)
                transaction = desk.transaction(Transfer, account, account, other, 5 * DOLLAR, nonces[account])
                nonces[account] += account != other
                inputs.append(SubmitTransaction(now, transaction))
            case 2:
                inputs += [CloseBatch(now), OpenBatch(now, ())]
            case _:
                side, kind = random.choice(list(Side)), random.choice(list(OrderKind))
                series = random.choice(market.series[:3])
                signed = desk.order(
                    account,
                    side,
                    random.randrange(3, 7),
                    random.randrange(1, 9),
                    slot=slot,
                    kind=kind,
                    series=series,
                )
                inputs.append(PlaceOrder(now, signed))
    end = NOW + DAY
    items = tuple(_queued(end, item) for item in (make(SettlementPrice, 1, 100),))
    inputs += [CloseBatch(Time(end)), OpenBatch(Time(end), items)]
    inputs += [SubmitTransaction(Time(end), make(SettleGroup, account, 1)) for account in market.traders]
    return [*inputs, CloseBatch(Time(end))]


@pytest.mark.parametrize("seed", range(3))
def test_replaying_the_inputs_from_their_bytes_gives_the_same_state_book_and_fingerprints(seed: int) -> None:
    first, second = Desk().engine(), Engine(small_market().genesis, VerifiedSignatures(SepticSchnorr()))
    first = Engine(small_market().genesis, first.check)
    taken = []
    published, batches = [], []
    for entry in random_inputs(seed, 120):
        effects = first.apply(entry)
        if isinstance(effects, Effects):
            taken.append((kind_of_input(entry), encode_input(entry), effects.fingerprint))
            if effects.sealed is not None:
                published.append(effects.sealed.published)
                batches.append(effects.sealed)
    for kind, encoded, fingerprint in taken:
        entry = decode_input(InputKind(kind), encoded)
        message = second.signed_message(entry)
        if message is not None:
            second.check.remember(*message)
        effects = second.apply(entry)
        assert isinstance(effects, Effects)
        assert effects.fingerprint == fingerprint
    assert first.state == second.state
    assert first.book.entries() == second.book.entries()
    assert first.seen == second.seen
    # The batches are what the rules make of them, and anyone reaches the same state from their data.
    assert rebuild(small_market().genesis, published, SepticSchnorr()) == first.state
    state = small_market().genesis
    for sealed in batches:
        outcome = apply_batch(state, sealed.batch, first.check)
        assert isinstance(outcome, BatchOutcome)
        assert (outcome.published, outcome.content) == (sealed.published, sealed.content)
        before, after = state.all_leaves(), outcome.state.all_leaves()
        assert after == {**before, **sealed.after}
        assert all(before.get(place) == leaf for place, leaf in sealed.before.items())
        changed = {place for place, leaf in sealed.before.items() if sealed.after[place] != leaf}
        assert changed == {place for place in after if before.get(place) != after[place]}
        state = outcome.state
    assert state == first.state
    assert sum(len(sealed.batch.transactions) for sealed in batches) > 20


def test_an_unsigned_transaction_is_refused() -> None:
    desk = Desk()
    engine = desk.engine()
    assert submit(engine, make(Transfer, ALICE, BOB, 1, 0, UNSIGNED)) is Rejection.SIGNATURE_INVALID
