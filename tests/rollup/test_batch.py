"""Batches: one time, the queue first, real signatures, and events that tell everything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prover.field.extension import QUINTIC
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.keccak import keccak256
from prover.hash.poseidon import POSEIDON16_20, sponge
from rollup.admission import message_of
from rollup.authority import Signature, TradingKey
from rollup.batch import Batch, BatchOutcome, BatchPart, RejectedBatch, apply_batch, open_batch, serve_item
from rollup.binding import PIECE_BYTES, bind, data_hash, evaluate, point_of
from rollup.codec import QueuedItem, decode_batch
from rollup.events import Claim, ItemIgnored, SignatureChecked, Traded
from rollup.instruments import SeriesId
from rollup.orders import Order
from rollup.outcome import Outcome, QueueItem, Transaction
from rollup.rebuild import rebuild
from rollup.rejections import Rejection
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite, sign
from rollup.state import Account, State
from rollup.state_hash import KernelHasher, ReferenceHasher
from rollup.transactions import TAGS, Deposit, ListGroup, ListSeries, RegisterKey, Trade, Transfer
from rollup.transition import apply_transaction
from rollup.units import WIDTH_BITS, AccountId, Address, BatchNumber, ChainId, Nonce, Side, SuiteId, Time
from tests.rollup.test_rebuild import a_day_of_trading
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    DEPLOYMENT,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    UNSIGNED,
    CountingCheck,
    House,
    make,
    order,
    owner_of,
    signed,
)

SCHNORR = SepticSchnorr()
SUITE = SignatureSuite.SEPTIC_POSEIDON16_20
SECRETS = {ALICE: SecretKey(SUITE, 1234567), BOB: SecretKey(SUITE, 7654321)}
SERIES = SeriesId(7 << 25 | 100 << 1)


def signature(account: int, tag: int, fields: object) -> Signature:
    secret = SECRETS[AccountId(account)]
    return sign(secret, make(message_of, DEPLOYMENT, SuiteId(SUITE), account, tag, fields))


def a_signed_trade(**sell_changes: object) -> Trade:
    expiry = GENESIS_TIME + HOUR
    buy = order(ALICE, Side.BUY, SERIES, 3 * DOLLAR, 2, expiry=expiry)
    sell: Order = order(BOB, Side.SELL, SERIES, 3 * DOLLAR, 2, expiry=expiry)
    changed: Order = make(replace, sell, **sell_changes)
    return make(
        Trade,
        signed(buy, signature(ALICE, TAGS[Trade], buy)),
        signed(changed, signature(BOB, TAGS[Trade], sell)),
        True,
        2,
    )


def a_signed_transfer(amount: int = 5 * DOLLAR) -> Transfer:
    transfer = make(Transfer, BOB, ALICE, amount, 0, UNSIGNED)
    return replace(transfer, signature=signature(BOB, TAGS[Transfer], transfer))


def opening_items() -> tuple[QueuedItem, ...]:
    items: list[QueueItem] = [make(ListGroup, 7, 1, GENESIS_TIME + 24 * HOUR, 200, DOLLAR, DOLLAR)]
    items.append(make(ListSeries, 7, 100, CALL))
    for account, secret in SECRETS.items():
        key: TradingKey = secret.trading_key
        items.append(make(Deposit, account, owner_of(account), owner_of(account), 500 * DOLLAR))
        items.append(make(RegisterKey, account, owner_of(account), 1, key.suite, key.x, key.y))
    return tuple(QueuedItem(Time(GENESIS_TIME), item) for item in items)


def genesis() -> State:
    return make(State.genesis, DEPLOYMENT, GENESIS_TIME)


def a_batch(*transactions: Transaction) -> Batch:
    return make(Batch, 1, GENESIS_TIME, 0, opening_items(), transactions)


def test_a_batch_with_real_signatures_is_applied_and_rebuilt() -> None:
    outcome = apply_batch(genesis(), a_batch(a_signed_trade(), a_signed_transfer()), SCHNORR)
    assert isinstance(outcome, BatchOutcome)
    alice, bob = outcome.state.account(ALICE), outcome.state.account(BOB)
    assert alice is not None
    assert bob is not None
    assert (alice.cash, bob.cash) == (499 * DOLLAR, 501 * DOLLAR)
    assert sum(isinstance(event, SignatureChecked) for event in outcome.events) == 3
    assert rebuild(genesis(), [outcome.published], SCHNORR) == outcome.state


@pytest.mark.parametrize(
    "change", [{"limit_price": 2 * DOLLAR}, {"lots": 3}, {"number": 2}, {"slot": 1}], ids=str
)
def test_a_changed_order_is_not_what_was_signed(change: dict[str, object]) -> None:
    outcome = apply_batch(genesis(), a_batch(a_signed_trade(**change)), SCHNORR)
    assert outcome == RejectedBatch(BatchPart.TRANSACTION, 0, Rejection.SIGNATURE_INVALID)


def test_a_signature_is_good_in_one_clearing_house_only() -> None:
    elsewhere = make(State.genesis, replace(DEPLOYMENT, chain=ChainId(1)), GENESIS_TIME)
    outcome = apply_batch(elsewhere, a_batch(a_signed_trade()), SCHNORR)
    assert outcome == RejectedBatch(BatchPart.TRANSACTION, 0, Rejection.SIGNATURE_INVALID)


def test_a_signature_is_good_for_one_transaction_only() -> None:
    transfer = a_signed_transfer()
    outcome = apply_batch(genesis(), a_batch(transfer, transfer), SCHNORR)
    assert outcome == RejectedBatch(BatchPart.TRANSACTION, 1, Rejection.NONCE_NOT_NEXT)


def test_the_first_broken_rule_is_named_with_its_place() -> None:
    early = opening_items()
    late = QueuedItem(Time(GENESIS_TIME + 1), early[0].item)
    outcome = apply_batch(genesis(), replace(a_batch(), items=(*early, late)), SCHNORR)
    assert outcome == RejectedBatch(BatchPart.ITEM, len(early), Rejection.QUEUE_ITEM_FROM_FUTURE)


def test_more_claims_than_their_count_can_say_make_a_batch_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    refunds = tuple(make(QueuedItem, GENESIS_TIME, make(Deposit, 0, 0, payer, 1)) for payer in (1, 2))
    batch = make(Batch, 1, GENESIS_TIME, 0, refunds, ())
    outcome = apply_batch(genesis(), batch, CountingCheck())
    assert isinstance(outcome, BatchOutcome)
    assert decode_batch(outcome.published).claims == (make(Claim, 1, 1), make(Claim, 2, 1))
    # Two items fit a count of two bits, and so do three claims; a batch that makes four does not.
    monkeypatch.setitem(WIDTH_BITS, "Count", 2)
    house = House()
    house.deposit(ALICE, 1)
    steps = (house.withdrawal(ALICE, 1), replace(house.withdrawal(ALICE, 1), nonce=Nonce(1)))
    system = house.state.system
    batch = make(Batch, system.batch_number + 1, system.time, system.queue_position, refunds, steps)
    outcome = apply_batch(house.state, batch, CountingCheck())
    assert outcome == RejectedBatch(BatchPart.HEADER, 0, Rejection.BATCH_TOO_LARGE)


def replayed(state: State, outcome: Outcome) -> State:
    """The state after nothing but the leaf changes of an outcome's events."""
    for event in outcome.events:
        for change in event.changes:
            assert state.leaves.get(change.index) == change.before
            state = State(state.leaves.set_many({change.index: change.after}))
    return state


def test_events_alone_lead_from_each_state_to_the_next() -> None:
    house = a_day_of_trading()
    assert house.genesis is not None
    state = house.genesis
    for published in house.published:
        content = decode_batch(published)
        opened = open_batch(state, content.time)
        assert not isinstance(opened, Rejection)
        assert [change.after for change in opened[1].changes] == [opened[0].system]
        state = opened[0]
        for queued in content.items:
            served = serve_item(state, queued, house.check)
            assert isinstance(served, Outcome)
            assert replayed(state, served) == served.state
            state = served.state
        for record in content.records:
            after, event = record.clear(state)
            assert replayed(state, Outcome(after, (event,), record)) == after
            state = after
    assert state == house.state


def test_a_trade_in_which_the_treasury_takes_part_is_told_leaf_by_leaf() -> None:
    house = House()
    house.set_fees(100, 300)
    house.deposit(1, 1_000)
    house.deposit(ALICE, 1_000)
    house.list_group()
    series = house.list_series(7, 100, CALL)
    before = house.state
    event = house.trade(1, ALICE, series, 1, 10)
    assert isinstance(event, Traded)
    assert [type(change.after).__name__ for change in event.changes] == [
        "OrderSlot",
        "OrderSlot",
        "Account",
        "Account",
        "Account",
    ]
    assert replayed(before, house.steps[-1]) == house.state
    last = event.changes[-1].after
    assert isinstance(last, Account)
    assert last.cash == house.cash(1)


def test_an_ignored_item_shows_what_it_looked_at() -> None:
    house = House()
    house.deposit(ALICE, 1)
    event = house.serve(make(RegisterKey, ALICE, owner_of(BOB), 0, 1, (0,) * 7, (0,) * 7))
    assert isinstance(event, ItemIgnored)
    assert [read.leaf for read in event.seen] == [house.account(ALICE)]
    assert event.reason is Rejection.NOT_OWNER


def test_a_refused_transaction_leaves_the_state_as_it_was() -> None:
    house = House()
    house.deposit(ALICE, 1)
    before = dict(house.state.all_leaves())
    assert (
        apply_transaction(house.state, house.transfer(ALICE, BOB, 1), house.check)
        is Rejection.ACCOUNT_UNKNOWN
    )
    assert house.state.all_leaves() == before


def test_the_data_is_bound_by_digest_and_value() -> None:
    published = a_day_of_trading().published[0]
    number = BatchNumber(1)
    bound = bind(published, DEPLOYMENT, number, KernelHasher(POSEIDON16_20))
    assert bind(published[:40], DEPLOYMENT, number, KernelHasher(POSEIDON16_20)) == bind(
        published[:40], DEPLOYMENT, number, ReferenceHasher(POSEIDON16_20)
    )
    words = [int.from_bytes(published[place : place + 2], "big") for place in range(0, len(published), 2)]
    assert bound.digest == sponge(POSEIDON16_20, HashKind.BATCH_DATA, words)
    assert bound.keccak == keccak256(bytes(32) + published)  # one piece: shorter data is hashed at once
    power, total = QUINTIC.one, QUINTIC.zero
    for word in reversed([1, *words]):
        total = QUINTIC.add(total, QUINTIC.multiply(power, QUINTIC.from_base(word)))
        power = QUINTIC.multiply(power, bound.point)
    assert bound.value == tuple(total)
    assert all(0 <= element < PRIME for element in (*bound.point, *bound.value))


def test_leading_zeros_change_the_value() -> None:
    point = (3, 1, 4, 1, 5)
    assert evaluate(b"\0\0\0\7", point) != evaluate(b"\0\7", point)


def test_the_point_depends_on_everything() -> None:
    digest, keccak = (1, 2, 3, 4, 5, 6, 7, 8), b"\1" * 32
    points = {
        make(point_of, DEPLOYMENT, 1, 40, digest, keccak),
        make(point_of, replace(DEPLOYMENT, chain=ChainId(1)), 1, 40, digest, keccak),
        make(point_of, replace(DEPLOYMENT, contract=Address(1)), 1, 40, digest, keccak),
        make(point_of, DEPLOYMENT, 2, 40, digest, keccak),
        make(point_of, DEPLOYMENT, 1, 42, digest, keccak),
        make(point_of, DEPLOYMENT, 1, 40, (2, *digest[1:]), keccak),
        make(point_of, DEPLOYMENT, 1, 40, digest, b"\2" * 32),
    }
    assert len(points) == 7


def test_longer_data_is_hashed_piece_by_piece() -> None:
    published = bytes(range(256)) * 33
    first = keccak256(bytes(32) + published[:PIECE_BYTES])
    second = keccak256(first + published[PIECE_BYTES : 2 * PIECE_BYTES])
    assert data_hash(published) == keccak256(second + published[2 * PIECE_BYTES :])
    assert data_hash(b"") == bytes(32)
