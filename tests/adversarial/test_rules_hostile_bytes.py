"""Whatever bytes arrive: one record has one spelling, the rules answer with a Rejection, and L1 is read one way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import Batch, BatchOutcome, RejectedBatch, apply_batch, open_batch, serve_item
from rollup.codec import (
    QueuedItem,
    decode_batch,
    decode_transaction,
    encode_batch,
    encode_record,
    encode_transaction,
)
from rollup.events import ItemIgnored
from rollup.fields import MalformedError, fields_of, packed_bytes, unpack
from rollup.instruments import SeriesId
from rollup.invariants import broken_invariants, broken_step
from rollup.outcome import Outcome, QueueItem, Record, Transaction
from rollup.rebuild import RebuildError, rebuild, rebuild_batch
from rollup.rejections import Rejection
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite
from rollup.state import State
from rollup.state_hash import ReferenceHasher
from rollup.state_tree import StateTree
from rollup.transactions import (
    TRANSACTIONS,
    CancelOrdersRecord,
    Deposit,
    Entry,
    ForcedWithdrawal,
    RegisterKey,
    SetParameters,
    TransferRecord,
    WithdrawalRecord,
)
from rollup.transition import apply_l1_item, apply_record, apply_transaction
from rollup.units import BatchNumber, Time
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    DEPLOYMENT,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    CountingCheck,
    House,
    make,
    owner_of,
)

QUEUED = [entry for entry in TRANSACTIONS if entry.is_from_queue]
SUBMITTED = [entry for entry in TRANSACTIONS if not entry.is_from_queue]
SCHEME = SepticSchnorr()


def market() -> House:
    """Everything a hostile item or transaction could aim at, and a batch with each kind of record."""
    house = House()
    house.set_fees(100, 200)
    for account in (ALICE, BOB):
        house.deposit(account, 1_000)
    house.list_group(7)
    house.list_group(8, expiry=GENESIS_TIME + 48 * HOUR)
    for group in (7, 8):
        house.list_series(group, 100, CALL)
        house.list_series(group, 100, PUT)
    house.next_batch()
    house.trade(ALICE, BOB, SeriesId(7 << 25 | 200), 3, 10)
    house.trade(BOB, ALICE, SeriesId(8 << 25 | 201), 2, 4)
    house.apply(house.transfer(ALICE, BOB, DOLLAR))
    house.apply(house.withdrawal(BOB, DOLLAR))
    house.apply(house.cancel(ALICE, 2))
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 120)
    house.force_out(BOB)
    house.settle(ALICE)
    return house


HOUSE = market()
STATE = HOUSE.state
SEALED = (*HOUSE.published, HOUSE.seal())
"""The data of every batch of the market."""

EDGES = st.sampled_from([0, 1, 2, 3, 7, 8, 99, 100, 200, 255, 256, 65_535, GENESIS_TIME + 25 * HOUR])


def bodies(entry: Entry) -> st.SearchStrategy[bytes]:
    """Words layout with numbers near what exists, at the ends of their widths, or anything."""
    fields = fields_of(entry.submitted)
    numbers = []
    for field in fields:
        near = st.one_of(EDGES, EDGES, st.integers(0, 2 ** (16 * field.words) - 1), st.just(field.limit - 1))
        # The workbench's signature, which the counting check accepts: else nothing would get past it.
        numbers.append(_in_words(st.just(0) if "signature." in field.path else near, field.words))
    return st.tuples(*numbers).map(b"".join)


def _in_words(numbers: st.SearchStrategy[int], words: int) -> st.SearchStrategy[bytes]:
    return numbers.map(lambda value: (value % 2 ** (16 * words)).to_bytes(2 * words, "big"))


# Bytes.


@given(st.integers(0, 20), st.binary(max_size=420))
def test_bytes_are_a_transaction_that_spells_them_or_malformed(tag: int, body: bytes) -> None:
    encoded = tag.to_bytes(2, "big") + body
    try:
        decoded = decode_transaction(encoded)
    except MalformedError:
        return
    assert encode_transaction(decoded) == encoded


@given(st.binary(max_size=1))
def test_bytes_too_short_for_a_tag_are_malformed(encoded: bytes) -> None:
    with pytest.raises(MalformedError, match=r"^no transaction has this tag$"):
        decode_transaction(encoded)


@pytest.mark.parametrize("entry", SUBMITTED, ids=lambda entry: entry.name)
@given(st.data())
def test_a_submitted_body_is_applied_or_rejected_and_never_raises(entry: Entry, data: st.DataObject) -> None:
    encoded = TRANSACTIONS.index(entry).to_bytes(2, "big") + data.draw(bodies(entry))
    try:
        decoded = decode_transaction(encoded)
    except MalformedError:
        return
    assert isinstance(decoded, Transaction)
    for check in (CountingCheck(), SCHEME):
        outcome = apply_transaction(STATE, decoded, check)
        assert isinstance(outcome, Rejection | Outcome)
        if isinstance(outcome, Outcome):
            assert broken_invariants(outcome.state) == broken_step(STATE, outcome.state) == []
            repeated = apply_record(STATE, outcome.record)
            assert isinstance(repeated, Outcome)
            assert repeated.state == outcome.state
            assert repeated.events == outcome.events[-1:]


@pytest.mark.parametrize("entry", QUEUED, ids=lambda entry: entry.name)
@given(st.data())
def test_every_body_that_the_queue_can_hold_is_consumed(entry: Entry, data: st.DataObject) -> None:
    encoded = TRANSACTIONS.index(entry).to_bytes(2, "big") + data.draw(bodies(entry))
    item = decode_transaction(encoded)
    assert isinstance(item, QueueItem)
    for check in (CountingCheck(), SCHEME):
        outcome = apply_l1_item(STATE, item, check)
        assert broken_invariants(outcome.state) == broken_step(STATE, outcome.state) == []
        assert outcome.state.system.queue_position == STATE.system.queue_position + 1
        event = outcome.events[-1]
        if isinstance(event, ItemIgnored):
            # Nothing but the queue moved, and what decided it is shown as it was.
            assert outcome.state == STATE.with_leaves(outcome.state.system)
            assert all(
                STATE.leaves.get(seen.index) == seen.leaf or seen.index == 3 << 32 for seen in event.seen
            )


def test_an_ignored_exit_shows_the_groups_that_decided_it() -> None:
    """Else a prover could call nothing free what a fixed group would have paid."""
    first = apply_l1_item(STATE, make(ForcedWithdrawal, BOB, owner_of(BOB)), CountingCheck()).state
    event = apply_l1_item(first, make(ForcedWithdrawal, BOB, owner_of(BOB)), CountingCheck()).events[-1]
    assert isinstance(event, ItemIgnored)
    assert event.reason is Rejection.NOTHING_TO_WITHDRAW
    assert [seen.leaf for seen in event.seen] == [first.account(BOB), make(first.group, 8)]


@given(st.binary(min_size=1, max_size=40))
def test_a_record_has_one_spelling(body: bytes) -> None:
    for entry in SUBMITTED:
        tag = TRANSACTIONS.index(entry)
        size = len(encode_record(unpack_zero(entry)))
        encoded = bytes([tag << 1 | body[0] & 1, *body[1:]]).ljust(size, b"\0")[:size]
        try:
            record = unpack(entry.published, encoded)
        except MalformedError:
            continue
        assert encode_record(record) == encoded


def unpack_zero(entry: Entry) -> Record:
    """The record whose every number is zero."""
    tag = TRANSACTIONS.index(entry)
    return unpack(entry.published, bytes([tag << 1]) + bytes(packed_bytes(entry.published) - 1))


# Batch data.


def read(published: bytes, before: State) -> State | None:
    """Rebuild one batch; the two declared refusals are None, anything else goes through."""
    try:
        return rebuild_batch(before, published, CountingCheck())
    except (MalformedError, RebuildError):
        return None


GENESIS = make(State.genesis, DEPLOYMENT, GENESIS_TIME)
BEFORE = [rebuild(GENESIS, SEALED[:place], CountingCheck()) for place in range(len(SEALED))]


def test_the_market_is_rebuilt_batch_by_batch() -> None:
    assert rebuild(GENESIS, SEALED, CountingCheck()) == STATE
    hasher = ReferenceHasher(POSEIDON16_20)
    rebuilt = rebuild(BEFORE[1], SEALED[1:], CountingCheck())
    assert StateTree.of_state(rebuilt, hasher).root == StateTree.of_state(STATE, hasher).root


@given(
    st.integers(0, len(SEALED) - 1),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=3),
)
def test_changed_batch_data_is_refused_or_is_another_sound_batch(
    batch: int, flips: list[tuple[int, int]]
) -> None:
    changed = bytearray(SEALED[batch])
    for place, flip in flips:
        changed[place % len(changed)] ^= flip
    published = bytes(changed)
    after = read(published, BEFORE[batch])
    if after is not None:
        assert encode_batch(decode_batch(published)) == published
        assert broken_invariants(after) == broken_step(BEFORE[batch], after) == []


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 10_000), st.integers(0, 10_000), st.booleans())
def test_batch_data_with_pieces_cut_out_or_doubled_is_refused(
    batch: int, start: int, end: int, is_doubled: bool
) -> None:
    data = SEALED[batch]
    start, end = sorted((start % (len(data) + 1), end % (len(data) + 1)))
    changed = data[:end] + data[start:] if is_doubled else data[:start] + data[end:]
    if changed != data:
        assert read(changed, BEFORE[batch]) is None
        fixed = changed[:2] + len(changed).to_bytes(4, "big") + changed[6:]
        after = read(fixed, BEFORE[batch]) if len(changed) >= 26 else None
        assert after is None or broken_invariants(after) == []


@pytest.mark.parametrize("batch", range(len(SEALED)))
def test_a_claim_published_twice_left_out_or_enlarged_is_refused(batch: int) -> None:
    content = decode_batch(SEALED[batch])
    variants = [(*content.claims, *content.claims[:1])] if content.claims else []
    variants += [content.claims[1:]] if content.claims else []
    variants += [
        (make(replace, claim, amount=claim.amount + 1), *content.claims[1:]) for claim in content.claims[:1]
    ]
    variants += [
        (make(replace, claim, owner=owner_of(ALICE) + 9), *content.claims[1:]) for claim in content.claims[:1]
    ]
    variants += [content.claims[::-1]] if content.claims[::-1] != content.claims else []
    for claims in variants:
        with pytest.raises(RebuildError, match="the claims of batch"):
            rebuild_batch(BEFORE[batch], encode_batch(replace(content, claims=claims)), CountingCheck())
    assert read(encode_batch(content), BEFORE[batch]) is not None


def test_a_queue_item_among_the_records_is_malformed() -> None:
    """Else a sequencer could print a deposit where the contract does not look."""
    content = decode_batch(SEALED[-1])
    deposit = make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), DOLLAR)
    with pytest.raises(MalformedError, match=r"^no published transaction has this tag$"):
        decode_batch(encode_batch(replace(content, records=(deposit,))))


def test_a_record_among_the_queue_items_is_malformed() -> None:
    content = decode_batch(SEALED[-1])
    smuggled = make(QueuedItem, 5, make(TransferRecord, ALICE, BOB, 1))
    with pytest.raises(MalformedError, match=r"^no queue item has this tag$"):
        decode_batch(encode_batch(replace(content, items=(smuggled,))))


@pytest.mark.parametrize(
    "record",
    [
        make(TransferRecord, ALICE, BOB, 1),
        make(WithdrawalRecord, ALICE, 1),
        make(CancelOrdersRecord, ALICE, 1 << 31),
    ],
    ids=lambda record: type(record).__name__,
)
def test_a_record_after_the_last_nonce_is_refused_like_its_transaction(record: object) -> None:
    """A record repeats no nonce, so the rule that it may not overflow belongs to the record."""
    alice = make(replace, make(STATE.account, ALICE), nonce=(1 << 32) - 1)
    assert make(apply_record, STATE.with_leaves(alice), record) is Rejection.NONCE_EXHAUSTED


# Batches a sequencer proposes.


def proposed(**changes: object) -> Batch:
    system = STATE.system
    batch = make(Batch, system.batch_number + 1, system.time, system.queue_position, (), ())
    changed: Batch = make(replace, batch, **changes)
    return changed


TIMES = [-1, 0, GENESIS_TIME, (1 << 48) - 1, 1 << 48]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("queued", TIMES)
def test_no_time_makes_a_batch_raise(time: int, queued: int) -> None:
    item = make(Deposit, ALICE, owner_of(ALICE), owner_of(ALICE), 1)
    outcome = apply_batch(
        STATE, proposed(time=time, items=(make(QueuedItem, queued, item),)), CountingCheck()
    )
    is_good = STATE.system.time <= time < 1 << 48 and 0 <= queued <= time
    assert isinstance(outcome, BatchOutcome if is_good else RejectedBatch)


def test_an_item_with_a_time_that_no_queue_gives_is_refused() -> None:
    item = make(QueuedItem, -1, make(SetParameters, 0, 0, ALICE))
    assert serve_item(STATE, item, CountingCheck()) is Rejection.FIELD_OUT_OF_RANGE


def test_there_is_no_batch_after_the_last_number() -> None:
    last = STATE.with_leaves(replace(STATE.system, batch_number=BatchNumber((1 << 32) - 1)))
    assert open_batch(last, Time(last.system.time)) is Rejection.FIELD_OUT_OF_RANGE


@pytest.mark.parametrize("number", [-1, 0, 2, 1 << 32])
def test_a_batch_or_queue_out_of_its_turn_is_refused(number: int) -> None:
    by_number = apply_batch(STATE, proposed(number=STATE.system.batch_number + number), CountingCheck())
    assert isinstance(by_number, RejectedBatch)
    assert by_number.rejection is Rejection.BATCH_NUMBER_NOT_NEXT
    start = STATE.system.queue_position + (number or 1)
    by_queue = apply_batch(STATE, proposed(queue_start=start), CountingCheck())
    assert isinstance(by_queue, RejectedBatch)
    assert by_queue.rejection is Rejection.QUEUE_POSITION_NOT_NEXT


def test_no_words_of_a_key_stop_the_queue_or_become_a_key_that_the_scheme_refuses() -> None:
    key = SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 5).trading_key
    prime = (1 << 31) - (1 << 24) + 1
    variants = [
        (key.suite, key.x, key.y, True),
        (0, key.x, key.y, False),
        (65_535, key.x, key.y, False),
        (key.suite, key.y, key.x, False),
        (key.suite, (0,) * 7, (0,) * 7, False),
        (key.suite, (key.x[0] + prime, *key.x[1:]), key.y, False),
        (key.suite, ((1 << 32) - 1,) * 7, key.y, False),
    ]
    for suite, x, y, is_good in variants:
        item = make(RegisterKey, ALICE, owner_of(ALICE), 0, suite, x, y)
        after = apply_l1_item(STATE, item, SCHEME).state
        holder = after.account(ALICE)
        assert holder is not None
        assert (holder.key == key) == is_good
        assert is_good or holder == STATE.account(ALICE)
