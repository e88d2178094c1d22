"""A batch's data on L1: what is begun, appended and sealed, and every way in which that is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollup.binding import packed
from rollup.claims import claims_root
from rollup.codec import BatchHeader, QueuedItem, encode_queued_item
from rollup.fields import to_words, word_bytes
from rollup.transactions import Deposit
from rollup.units import BatchNumber
from tests.rollup.workbench import make
from tests.verifier_contracts.vault_bench import (
    DIGEST,
    DOLLAR,
    ROOT,
    House,
    Prepared,
    data_point,
    data_value,
    queue_hash,
)

PRIME = 0x7F000001


@pytest.fixture
def waiting(house: House) -> House:
    """Three items wait in the queue."""
    house.deposit(house.alice)
    house.deposit(house.bob)
    house.send(house.function("forceWithdrawal"), house.alice, 10**15)
    return house


def altered(batch: Prepared, offset: int, replacement: bytes) -> Prepared:
    data = batch.published
    return replace(batch, published=data[:offset] + replacement + data[offset + len(replacement) :])


def sealing(house: House, batch: Prepared) -> str:
    """Publish all but the seal, and name what the seal would say."""
    house.send(house.begin(batch), house.sequencer)
    house.send(house.function("append", batch.published), house.sequencer)
    return house.refusal(house.function("seal"), house.sequencer)


def appending(house: House, batch: Prepared) -> str:
    """Begin a batch and name what its one chunk is refused for."""
    house.send(house.begin(batch), house.sequencer)
    return house.refusal(house.function("append", batch.published), house.sequencer)


def test_a_sealed_batch_holds_what_its_data_say(waiting: House) -> None:
    claims = [(waiting.alice, 5 * DOLLAR), (waiting.bob, 7), (waiting.carol, (1 << 62) - 1)]
    batch = waiting.prepare(claims, records=bytes(range(100)))
    time = waiting.now
    done = waiting.publish(batch)
    sealed_at = waiting.w3.eth.get_block(done["blockNumber"])["timestamp"]
    value = data_value(waiting, batch)
    root = claims_root(BatchNumber(1), batch.claims)
    assert waiting.call("batch", 1) == (
        batch.new_root, DIGEST, packed(data_point(waiting, batch)), value, root,
        len(batch.published), 3, 0, 1, 3, time, sealed_at,
    )  # fmt: skip
    assert waiting.events(done, "BatchSealed") == [
        {"number": 1, "newRoot": batch.new_root, "time": time, "queueEnd": 3, "claims": 3, "value": value}
    ]
    assert (waiting.call("sealedBatch"), waiting.call("provedBatch"), waiting.call("provedQueue")) == (
        1,
        0,
        0,
    )


def test_the_statement_binds_everything_that_a_proof_is_about(waiting: House) -> None:
    first, second = waiting.prepare(), None
    waiting.publish(first)
    waiting.deposit(waiting.carol)
    time = waiting.now
    second = waiting.prepare([(waiting.alice, 1)])
    waiting.publish(second)
    assert waiting.call("statement", 2) == [
        1,
        waiting.w3.eth.chain_id,
        int(waiting.address, 16),
        2,
        first.new_root,
        second.new_root,
        0,
        len(second.published),
        DIGEST,
        packed(data_point(waiting, second)),
        data_value(waiting, second),
        3,
        4,
        time,
        0,
    ]
    assert waiting.call("statement", 1)[4] == ROOT


@pytest.mark.parametrize("cuts", [[], [4096], [8192], [4096, 8192]])
def test_how_the_data_is_cut_changes_nothing(waiting: House, cuts: list[int]) -> None:
    batch = waiting.prepare([(waiting.alice, 5)] * 9, records=bytes(index % 251 for index in range(9000)))
    waiting.publish(batch, cuts)
    assert waiting.call("batch", 1)[3] == data_value(waiting, batch)


def test_begin_announces_the_point_and_progress_shows_how_far_it_is(waiting: House) -> None:
    batch = waiting.prepare(records=bytes(5000))
    begun = waiting.send(waiting.begin(batch), waiting.sequencer)
    assert waiting.events(begun, "BatchBegun") == [
        {
            "number": 1,
            "version": 1,
            "length": len(batch.published),
            "dataDigest": DIGEST,
            "dataHash": batch.hash,
            "newRoot": batch.new_root,
            "point": packed(data_point(waiting, batch)),
        }
    ]
    done = waiting.send(waiting.function("append", batch.published[:4096]), waiting.sequencer)
    assert waiting.events(done, "ChunkAppended") == [{"number": 1, "offset": 0, "length": 4096}]
    open_batch, unfinished = waiting.call("progress")
    assert open_batch[0] == batch.hash
    assert open_batch[2:] == (queue_hash(waiting.queue()), 4096, True)
    assert unfinished[5] == len(batch.published)
    waiting.send(waiting.function("append", batch.published[4096:]), waiting.sequencer)
    waiting.send(waiting.function("seal"), waiting.sequencer)
    assert waiting.call("progress")[0] == (bytes(32), bytes(32), bytes(32), 0, False)


def test_a_batch_begun_again_starts_over(waiting: House) -> None:
    batch = waiting.prepare([(waiting.alice, 3)], records=bytes(9000))
    waiting.send(waiting.begin(batch), waiting.sequencer)
    waiting.send(waiting.function("append", batch.published[:8192]), waiting.sequencer)
    other = waiting.prepare([(waiting.bob, 3)])
    waiting.publish(other)
    assert waiting.call("batch", 1)[3] == data_value(waiting, other)


def test_a_batch_may_serve_a_part_of_the_queue(waiting: House) -> None:
    waiting.publish(waiting.prepare(items=waiting.queue()[:2]))
    waiting.publish(waiting.prepare(items=()))
    waiting.publish(waiting.prepare())
    assert [waiting.call("batch", number)[6] for number in range(4)] == [0, 2, 2, 3]


def test_an_empty_batch_is_its_header(house: House) -> None:
    batch = house.prepare()
    assert len(batch.published) == word_bytes(BatchHeader) == 26
    house.publish(batch)
    assert house.call("batch", 1)[4] == bytes(32)


# -------------------------------------------------------------------------------------------------------- begin


def test_only_the_sequencer_publishes(waiting: House) -> None:
    batch = waiting.prepare()
    for function in (
        waiting.begin(batch), waiting.function("append", batch.published), waiting.function("seal"),
    ):  # fmt: skip
        assert waiting.refusal(function, waiting.alice) == f"NotSequencer({waiting.alice.lower()})"


def test_a_version_without_a_key_is_refused(house: House) -> None:
    assert house.refusal(house.begin(house.prepare(), version=2), house.sequencer) == "VersionUnknown(2)"


@pytest.mark.parametrize("length", [0, 24, 27, (1 << 24) + 2])
def test_a_length_that_no_data_has_is_refused(house: House, length: int) -> None:
    refusal = house.refusal(house.begin(house.prepare(), length=length), house.sequencer)
    assert refusal == f"DataLengthOutOfRange({length})"


@pytest.mark.parametrize("place", range(8))
def test_digests_that_are_not_canonical_are_refused(house: House, place: int) -> None:
    digest = PRIME << 32 * place
    for changed in ({"digest": digest}, {"root": digest}):
        refusal = house.refusal(house.begin(house.prepare(), **changed), house.sequencer)
        assert refusal == f"DigestNotCanonical({digest})"
    assert house.refused_deployment(genesisRoot=digest) == f"DigestNotCanonical({digest})"


def test_the_last_batch_number_is_not_passed(house: House) -> None:
    (slot, sealed), (same, sequencer) = house.place("sealedBatch"), house.place("sequencer")
    assert slot == same
    full = {slot: ((1 << 32) - 1) << 8 * sealed | int(house.sequencer, 16) << 8 * sequencer}
    refusal = house.refusal(house.begin(house.prepare()), house.sequencer, storage=full)
    assert refusal == "BatchNumbersExhausted()"


# ------------------------------------------------------------------------------------------------------- append


def test_nothing_is_appended_or_sealed_before_it_is_begun(house: House) -> None:
    for function in (house.function("append", bytes(26)), house.function("seal")):
        assert house.refusal(function, house.sequencer) == "NoBatchBegun()"


def test_chunks_that_are_empty_long_or_broken_are_refused(house: House) -> None:
    batch = house.prepare(records=bytes(120_000))
    house.send(house.begin(batch), house.sequencer)
    for chunk, expected in (
        (b"", "ChunkSizeOutOfRange(0)"),
        (batch.published[: 28 * 4096 + 2], f"ChunkSizeOutOfRange({28 * 4096 + 2})"),
        (batch.published[:4098], "ChunkNotWholePieces(4098)"),
        (batch.published[:26], "ChunkNotWholePieces(26)"),
    ):
        assert house.refusal(house.function("append", chunk), house.sequencer) == expected


def test_more_data_than_announced_is_refused(house: House) -> None:
    batch = house.prepare()
    house.send(house.begin(batch), house.sequencer)
    longer = house.function("append", batch.published + bytes(2))
    assert house.refusal(longer, house.sequencer) == "DataTooLong(28, 26)"


@pytest.mark.parametrize(
    ("offset", "word", "expected"),
    [
        (0, 2, "HeaderVersionMismatch(2, 1)"),
        (4, 28, "HeaderLengthMismatch(28, 26)"),
        (8, 2, "HeaderNumberMismatch(2, 1)"),
        (18, 1, "HeaderQueueStartMismatch(1, 0)"),
        (20, 1, "QueueItemsNotInFirstChunk()"),
        (24, 1, "SectionsOverlap()"),
    ],
)
def test_a_header_that_says_something_else_is_refused(
    house: House, offset: int, word: int, expected: str
) -> None:
    assert appending(house, altered(house.prepare(), offset, word.to_bytes(2, "big"))) == expected


def test_a_tag_that_no_queue_item_has_is_refused(waiting: House) -> None:
    assert appending(waiting, altered(waiting.prepare(), 26, bytes([0, 8]))) == "NotAQueueItem(8)"


def test_an_item_that_ends_behind_its_chunk_is_refused(waiting: House) -> None:
    whole = waiting.prepare(items=waiting.queue()[:1])
    short = whole.published[:-2]
    short = short[:2] + len(short).to_bytes(4, "big") + short[6:]
    assert appending(waiting, replace(whole, published=short)) == "QueueItemsNotInFirstChunk()"


def test_claims_must_not_reach_into_the_queue_items(waiting: House) -> None:
    """Two claims would begin in the middle of the last item, and the item's bytes be paid out as a claim."""
    batch = altered(waiting.prepare(), 24, bytes([0, 2]))
    assert appending(waiting, batch) == "SectionsOverlap()"


def test_claims_cut_by_the_last_chunk_are_refused(house: House) -> None:
    batch = house.prepare([(house.alice, 5)] * 10, records=bytes(8192 - 26 - 2 * 28))
    house.send(house.begin(batch), house.sequencer)
    house.send(house.function("append", batch.published[:8192]), house.sequencer)
    rest = house.function("append", batch.published[8192:])
    assert house.refusal(rest, house.sequencer) == "ClaimsNotInLastChunk()"
    house.publish(batch, [4096])
    assert house.call("sealedBatch") == 1


# --------------------------------------------------------------------------------------------------------- seal


def test_a_batch_is_not_sealed_before_all_its_data_is_there(house: House) -> None:
    batch = house.prepare(records=bytes(5000))
    house.send(house.begin(batch), house.sequencer)
    house.send(house.function("append", batch.published[:4096]), house.sequencer)
    assert house.refusal(house.function("seal"), house.sequencer) == "DataIncomplete(4096, 5026)"


def test_data_with_another_hash_are_refused(house: House) -> None:
    batch = house.prepare(records=bytes(10))
    house.send(house.begin(batch), house.sequencer)
    other = altered(batch, 30, b"\1")
    house.send(house.function("append", other.published), house.sequencer)
    refusal = house.refusal(house.function("seal"), house.sequencer)
    assert refusal == f"DataHashMismatch(0x{other.hash.hex()}, 0x{batch.hash.hex()})"


@pytest.mark.parametrize("offset", [26 + 7, 26 + 11, 26 + 31, 26 + 59, 26 + 60 + 59])
def test_a_queue_item_that_differs_in_one_byte_is_refused(waiting: House, offset: int) -> None:
    honest = waiting.prepare()
    batch = altered(honest, offset, bytes([honest.published[offset] ^ 1]))
    in_queue = queue_hash(waiting.queue())
    assert sealing(waiting, batch).endswith(f", 0x{in_queue.hex()})")
    assert sealing(waiting, batch).startswith("QueueItemsDiffer(")


def test_queue_items_in_another_order_are_refused(waiting: House) -> None:
    first, second, third = waiting.queue()
    batch = waiting.prepare(items=(second, first, third))
    assert sealing(waiting, batch).startswith("QueueItemsDiffer(")


def test_a_queue_item_left_out_is_refused(waiting: House) -> None:
    _, second, third = waiting.queue()
    assert sealing(waiting, waiting.prepare(items=(second, third))).startswith("QueueItemsDiffer(")


def test_an_item_that_nobody_queued_is_refused(waiting: House) -> None:
    invented = make(QueuedItem, waiting.now, make(Deposit, 1, int(waiting.alice, 16), 0, DOLLAR))
    assert len(encode_queued_item(invented)) == 60
    batch = waiting.prepare(items=(*waiting.queue(), invented))
    assert sealing(waiting, batch) == "QueueItemsMissing(4, 3)"


def test_time_never_runs_backwards_lies_ahead_or_lags_more_than_an_hour(house: House) -> None:
    now = house.now
    house.publish(house.prepare(time=now))
    assert sealing(house, house.prepare(time=now - 1)) == f"TimeRunsBackwards({now - 1}, {now})"
    ahead = house.now + 1000
    assert sealing(house, house.prepare(time=ahead)) == f"TimeInFuture({ahead})"
    house.wait(7200)
    # Begin and append take two blocks of a second each before the seal.
    late = house.now + 2 - 3601
    assert sealing(house, house.prepare(time=late)) == f"TimeTooOld({late})"
    just = house.now + 2 - 3600
    assert sealing(house, house.prepare(time=just)) == "accepted"
    present = house.now + 2
    assert sealing(house, house.prepare(time=present)) == "accepted"


def test_a_batch_left_open_for_an_hour_cannot_be_sealed(house: House) -> None:
    batch = house.prepare()
    house.send(house.begin(batch), house.sequencer)
    house.send(house.function("append", batch.published), house.sequencer)
    house.wait(3602)
    assert house.refusal(house.function("seal"), house.sequencer).startswith("TimeTooOld(")


def test_the_bodies_of_all_items_have_the_lengths_that_the_rules_declare(house: House) -> None:
    """A batch that repeats any registered body is walked to its end: the next tag is read where it stands."""
    from rollup.transactions import TRANSACTIONS

    for tag, entry in enumerate(TRANSACTIONS):
        if not entry.is_from_queue:
            assert tag == 8
            break
        body = bytes(word_bytes(entry.published))
        data = to_words(make(BatchHeader, 1, 26 + 8 + len(body) + 8, 1, house.now, 0, 2, 0, 0))
        data += tag.to_bytes(2, "big") + bytes(6) + body + (99).to_bytes(2, "big") + bytes(6)
        assert appending(house, Prepared(1, data, (), ROOT)) == "NotAQueueItem(99)"
