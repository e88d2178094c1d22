"""What the sequencer counts is at least what a proof needs, and its limits are the largest shape."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings

from circuits.shapes import MIXED, SHAPES, BatchTooLargeError, rows_by_table, shape_for
from circuits.witness import follow_batch
from prover.hash.poseidon import POSEIDON16_20
from rollup.batch import BatchOutcome, apply_batch
from rollup.node.effects import Effects
from rollup.node.engine import Engine
from rollup.node.inputs import CloseBatch, OpenBatch, PlaceOrder, SubmitTransaction
from rollup.node.order_book import Departure
from rollup.node.room import LONGEST_ITEM, NAMES, BatchLimits, BatchLoad
from rollup.node.verified import VerifiedSignatures
from rollup.schnorr import SepticSchnorr
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import Transfer
from rollup.units import Side, Time
from tests.circuits.histories import RecordedHistories, told
from tests.circuits.story import Chapter, chapters
from tests.rollup.node.desk import ALICE, BOB, CAROL, DOLLAR, Desk

BLOCK = 32
"""Rows of a signature."""
KEY_BLOCK = 64
"""Rows of the multiples of a key that signs; the generator has a block and a key number, too."""
RANGE_CHECK = "range check"
PEOPLE = (ALICE, BOB, CAROL)


def rows_of(counted: BatchLimits) -> dict[str, int]:
    """The rows of each table that a count allows for."""
    return {
        "signatures": BLOCK * counted.signatures,
        "walks": counted.walk_rows,
        "poseidon": counted.permutations,
        "tree": counted.tree_nodes,
        "fills": 2 * counted.trades,
        "holders": counted.steps,
        "orders": counted.signatures,
        "data": counted.data_rows,
        "slots": counted.slots,
        "trades": counted.trades,
        "keys": counted.keys + 1,
        "key multiples": KEY_BLOCK * (counted.signers + 1),
        "credits": counted.credits,
        "position lists": counted.list_rows,
        "identities": counted.identities,
        "series": counted.series,
        "series lists": counted.series_rows,
        MIXED: counted.mixed,
    }


def counted(told: Chapter) -> BatchLimits:
    """What the sequencer counts of a batch, as its engine does."""
    load = BatchLoad()
    for queued in told.batch.items:
        load.note_item(queued.item, told.before)
    for transaction in told.batch.transactions:
        load.note_record(type(transaction))
    state = told.outcome.state
    for event in told.outcome.events:
        load.note(event, state)
    return load.needs(len(told.outcome.published))


def assert_counted(told: Chapter) -> None:
    """Every table of the proof needs no more than was counted."""
    needed = rows_by_table(follow_batch(told.before, told.batch, told.tree, told.outcome).needed)
    allowed = rows_of(counted(told))
    assert {name: rows for name, rows in needed.items() if rows > allowed.get(name, 0)} == {}


def test_the_limits_are_the_largest_shape() -> None:
    heights = {name: 1 << log for name, log in SHAPES[-1].log_heights.items()}
    assert heights.keys() == {*rows_of(BatchLimits()), RANGE_CHECK}
    assert {name: rows for name, rows in rows_of(BatchLimits()).items() if rows > heights[name]} == {}
    assert rows_of(BatchLimits()) == {name: rows for name, rows in heights.items() if name != RANGE_CHECK}


def test_what_is_counted_of_the_story_is_at_least_what_is_needed() -> None:
    for told_of in chapters():
        assert_counted(told_of)


class CountedHistories(RecordedHistories):
    """Random histories, whose every batch was counted."""

    def teardown(self) -> None:
        super().teardown()
        for one in told(self.house.batches):
            assert_counted(one)


CountedHistories.TestCase.settings = settings(
    max_examples=10, stateful_step_count=40, deadline=None, derandomize=True, database=None
)


TestCountedHistories = CountedHistories.TestCase


def sealed(desk: Desk, engine: Engine) -> Chapter:
    """The engine's open batch, closed, and applied once more by the rules."""
    closed = engine.apply(CloseBatch(Time(desk.market.time)))
    assert isinstance(closed, Effects)
    assert closed.sealed is not None
    batch, before = closed.sealed.batch, desk.market.genesis
    outcome = apply_batch(before, batch, engine.check)
    assert isinstance(outcome, BatchOutcome)
    return Chapter(before, StateTree.of_state(before, KernelHasher(POSEIDON16_20)), batch, outcome)


def filled(seed: int) -> tuple[Chapter, BatchLimits]:
    """A batch that an engine filled to the brim of limits of its own, with large orders or small ones."""
    dice, desk = random.Random(seed), Desk()
    items, now = desk.market.queue_items(), Time(desk.market.time)
    load = BatchLoad()
    for queued in items:
        load.note_item(queued.item, desk.market.genesis)
    taken, part = load.needs(LONGEST_ITEM * len(items)), dice.choice([64, 128, 256])
    limits = BatchLimits(*(getattr(taken, name) + getattr(BatchLimits(), name) // part for name in NAMES))
    engine = Engine(desk.market.genesis, VerifiedSignatures(SepticSchnorr()), batch_limits=limits)
    engine.apply(OpenBatch(now, tuple(items)))
    lots, nonces, refused = dice.choice([1, 3, 40]), dict.fromkeys(PEOPLE, 0), 0
    for turn in range(250):
        account, other = dice.sample(PEOPLE, 2)
        if dice.random() < 0.1:
            transfer = desk.transaction(Transfer, account, account, other, 5, nonces[account])
            done = isinstance(engine.apply(SubmitTransaction(now, transfer)), Effects)
            nonces[account] += done
            refused += not done
            continue
        say, series = dice.choice((desk.buy, desk.sell)), dice.choice(desk.calls)
        placed = say(account, 5, dice.randint(1, lots), slot=turn % 256, series=series)
        effects = engine.apply(PlaceOrder(now, placed))
        if isinstance(effects, Effects):
            refused += any(one.reason is Departure.UNFIT for one in effects.departed)
        if refused > 3:
            break
    assert refused
    return sealed(desk, engine), limits


@pytest.mark.parametrize("seed", range(6))
def test_no_batch_that_an_engine_closes_passes_its_limits(seed: int) -> None:
    told_of, limits = filled(seed)
    assert limits.hold(counted(told_of))
    assert_counted(told_of)


def test_one_order_of_five_hundred_fills_is_proved_in_some_shape() -> None:
    desk = Desk()
    engine, now = desk.engine(), Time(desk.market.time)
    orders = [
        desk.market.order(account, Side.SELL, desk.market.series[0], 5 * DOLLAR, 1, slot=slot)
        for slot in range(250)
        for account in (BOB, CAROL)
    ]
    for signed in desk.market.signed(orders):
        message = engine.signed_message(PlaceOrder(now, signed))
        assert message is not None
        # As after verifying many together.
        engine.check.remember(*message)
        engine.apply(PlaceOrder(now, signed))
    effects = engine.apply(PlaceOrder(now, desk.buy(ALICE, 5, 500)))
    assert isinstance(effects, Effects)
    assert len(effects.fills) == 500
    told_of = sealed(desk, engine)
    assert_counted(told_of)
    followed = follow_batch(told_of.before, told_of.batch, told_of.tree, told_of.outcome)
    assert shape_for(followed.needed) in SHAPES


def test_a_batch_that_is_too_large_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(
        BatchTooLargeError, match="needs 5000 rows in table trades; the largest shape has 4096"
    ):
        shape_for({"trades": 5000, "orders": 1000})
