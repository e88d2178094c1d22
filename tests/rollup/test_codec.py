"""Bytes and what they mean: one spelling for each thing, and one thing for each spelling."""

from __future__ import annotations

from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.codec import (
    BatchHeader,
    decode_batch,
    decode_transaction,
    encode_batch,
    encode_record,
    encode_transaction,
)
from rollup.fields import (
    MalformedError,
    build,
    fields_of,
    is_in_range,
    layout_of,
    pack,
    packed_bytes,
    signed_limbs,
    tag_of_packed,
    unpack,
    values_of,
    word_bytes,
)
from rollup.invariants import broken_invariants
from rollup.orders import Order, SignedOrder
from rollup.outcome import QueueItem, Transaction
from rollup.schnorr import SepticSchnorr
from rollup.transactions import TAGS, TRANSACTIONS, Deposit, Entry, Trade, TradeRecord, Transfer
from rollup.transition import apply_l1_item
from tests.rollup.test_rebuild import a_day_of_trading
from tests.rollup.workbench import UNSIGNED, make

SEEDS = st.integers(0, 2**32 - 1)


def some(kind: type, seed: int) -> object:
    """An instance of any registered class with numbers anywhere in their range, often at an end of it."""
    random = Random(seed)
    values = [
        random.choice([0, 1, field.limit - 1, random.randrange(field.limit), random.randrange(field.limit)])
        for field in fields_of(kind)
    ]
    return build(
        kind, [min(value, field.limit - 1) for value, field in zip(values, fields_of(kind), strict=True)]
    )


entries = pytest.mark.parametrize("entry", TRANSACTIONS, ids=[entry.name for entry in TRANSACTIONS])


@entries
@given(seed=SEEDS)
def test_a_submitted_transaction_survives_its_bytes(entry: Entry, seed: int) -> None:
    transaction = cast("Transaction | QueueItem", some(entry.submitted, seed))
    encoded = encode_transaction(transaction)
    assert len(encoded) == 2 + word_bytes(entry.submitted)
    assert decode_transaction(encoded) == transaction
    assert type(decode_transaction(encoded)) is entry.submitted


@entries
@given(seed=SEEDS)
def test_a_published_record_survives_its_bytes(entry: Entry, seed: int) -> None:
    record = some(entry.published, seed)
    encoded = pack(TAGS[entry.published], record)
    assert len(encoded) == packed_bytes(entry.published)
    assert len(encoded) % 2 == 0
    assert tag_of_packed(encoded[0]) == TAGS[entry.submitted]
    assert unpack(entry.published, encoded) == record


@entries
def test_every_byte_flip_of_a_transaction_is_another_transaction_or_refused(entry: Entry) -> None:
    transaction = cast("Transaction | QueueItem", some(entry.submitted, 1))
    encoded = encode_transaction(transaction)
    for place in range(len(encoded)):
        for flip in (1, 0x80, 0xFF):
            changed = bytearray(encoded)
            changed[place] ^= flip
            try:
                decoded = decode_transaction(bytes(changed))
            except MalformedError:
                continue
            assert decoded != transaction
            assert encode_transaction(decoded) == changed


@entries
def test_every_byte_flip_of_a_record_is_another_record_or_refused(entry: Entry) -> None:
    record = some(entry.published, 1)
    tag = TAGS[entry.published]
    encoded = pack(tag, record)
    for place in range(len(encoded)):
        for bit in range(8):
            changed = bytearray(encoded)
            changed[place] ^= 1 << bit
            try:
                decoded = unpack(entry.published, bytes(changed))
            except MalformedError:
                continue
            assert pack(tag_of_packed(changed[0]), decoded) == changed
            assert decoded != record or tag_of_packed(changed[0]) != tag


@pytest.mark.parametrize("length", [0, 1, 2, 3, 30])
def test_a_cut_or_extended_transaction_is_refused(length: int) -> None:
    encoded = encode_transaction(make(Transfer, 1, 2, 3, 4, UNSIGNED))
    for wrong in (encoded[:length], encoded + b"\0" * (length + 1)):
        with pytest.raises(MalformedError):
            decode_transaction(wrong)


def test_a_record_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedError, match=r"^TradeRecord is 26 bytes, not 25$"):
        unpack(TradeRecord, bytes(25))


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(MalformedError, match=r"^no transaction has this tag$"):
        decode_transaction(len(TRANSACTIONS).to_bytes(2, "big"))


def test_tags_are_positions_and_never_move() -> None:
    assert [entry.name for entry in TRANSACTIONS] == [
        "Deposit",
        "RegisterKey",
        "ForcedCancelOrders",
        "ForcedWithdrawal",
        "ListGroup",
        "ListSeries",
        "SetParameters",
        "SettlementPrice",
        "Transfer",
        "Withdrawal",
        "CancelOrders",
        "Trade",
        "SettleGroup",
    ]
    assert [TAGS[entry.submitted] for entry in TRANSACTIONS] == list(range(len(TRANSACTIONS)))


def test_a_published_trade_is_twenty_six_bytes() -> None:
    assert packed_bytes(TradeRecord) == 26
    numbers = (0x11, 0x2222, 0x333333, 0x44, 0x55555555, 0x666666, 0x77, 0x88888888, 0x99999999, 0xAAAA)
    record = make(TradeRecord, True, *numbers)
    assert encode_record(record).hex() == "17" + "".join(f"{number:x}" for number in numbers)


def test_the_header_lies_at_constant_offsets() -> None:
    """The contract reads these bytes; changing one is a new data version."""
    offset, places = 0, {}
    for field in fields_of(BatchHeader):
        places[field.path] = (offset, 2 * field.words)
        offset += 2 * field.words
    assert places == {
        "version": (0, 2),
        "length": (2, 4),
        "number": (6, 4),
        "time": (10, 6),
        "queue_start": (16, 4),
        "items": (20, 2),
        "records": (22, 2),
        "claims": (24, 2),
    }


def test_every_field_but_the_signature_is_signed() -> None:
    signed = [field for field in fields_of(Transfer) if not field.path.startswith("signature.")]
    assert [field.path for field in signed] == ["sender", "receiver", "amount", "nonce"]
    transfer = make(Transfer, 0x12345, 2, 0x1111_2222_3333_4444, 7, UNSIGNED)
    assert signed_limbs(transfer) == (0x2345, 1, 2, 0, 0x4444, 0x3333, 0x2222, 0x1111, 7, 0)
    assert len(signed_limbs(some(Order, 1))) == sum(field.words for field in fields_of(Order))


@given(SEEDS, st.data())
def test_changing_any_field_of_an_order_changes_what_is_signed(seed: int, data: st.DataObject) -> None:
    order = some(Order, seed)
    layout = fields_of(Order)
    place = data.draw(st.integers(0, len(layout) - 1))
    values = list(values_of(order))
    values[place] = (values[place] + data.draw(st.integers(1, layout[place].limit - 1))) % layout[place].limit
    assert signed_limbs(build(Order, values)) != signed_limbs(order)


def test_numbers_outside_their_width_are_seen() -> None:
    assert is_in_range(make(Deposit, 0, 0, 0, 0))
    assert not is_in_range(make(Deposit, 0, 1 << 160, 0, 0))
    assert not is_in_range(make(Deposit, 0, 0, 0, -1))


queue_entries = [entry for entry in TRANSACTIONS if entry.is_from_queue]


@pytest.mark.parametrize("entry", queue_entries, ids=[entry.name for entry in queue_entries])
def test_every_body_of_its_length_is_a_queue_item(entry: Entry) -> None:
    """The contract builds bodies out of whole words, so none may be undecodable: it could not be consumed."""
    assert all(field.limit == 1 << 16 * field.words for field in fields_of(entry.submitted))


@given(seed=SEEDS, kind=st.sampled_from(queue_entries))
def test_every_queue_item_is_consumed_whatever_it_says(seed: int, kind: Entry) -> None:
    house = a_day_of_trading()
    item = some(kind.submitted, seed)
    assert isinstance(item, QueueItem)
    outcome = apply_l1_item(house.state, item, SepticSchnorr())
    assert outcome.state.system.queue_position == house.state.system.queue_position + 1
    assert broken_invariants(outcome.state) == []


def test_a_trade_declares_its_two_orders_in_full() -> None:
    per_order = len(fields_of(SignedOrder))
    assert len(layout_of(Trade).fields) == 2 * per_order + 2
    assert per_order == len(fields_of(Order)) + 15


def test_batch_data_survives_its_bytes() -> None:
    for published in a_day_of_trading().published:
        assert encode_batch(decode_batch(published)) == published


def test_every_bit_flip_of_batch_data_is_other_data_or_refused() -> None:
    published = a_day_of_trading().published[0]
    content = decode_batch(published)
    for place in range(len(published)):
        changed = bytearray(published)
        changed[place] ^= 1 << place % 8
        try:
            decoded = decode_batch(bytes(changed))
        except MalformedError:
            continue
        assert decoded != content
        assert encode_batch(decoded) == changed


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (slice(0, 20), "BatchHeader is 26 bytes, not 20|the data ends early"),
        (slice(0, -2), "the data is [0-9]+ bytes, not the [0-9]+ it says"),
    ],
)
def test_cut_batch_data_is_refused(cut: slice, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        decode_batch(a_day_of_trading().published[0][cut])


def test_batch_data_of_another_version_is_refused() -> None:
    published = a_day_of_trading().published[0]
    with pytest.raises(MalformedError, match=r"^data version 2 is not 1$"):
        decode_batch(b"\0\2" + published[2:])


def test_batch_data_with_a_wrong_section_is_refused() -> None:
    published = bytearray(a_day_of_trading().published[0])
    longer = published + b"\0\0"
    longer[2:6] = len(longer).to_bytes(4, "big")
    with pytest.raises(MalformedError, match=r"^bytes follow the last claim$"):
        decode_batch(bytes(longer))
    transfer_in_queue = bytearray(published)
    transfer_in_queue[26:28] = (8).to_bytes(2, "big")
    with pytest.raises(MalformedError, match=r"^no queue item has this tag$"):
        decode_batch(bytes(transfer_in_queue))
