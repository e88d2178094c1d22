"""What the sequencer counts is at least what the proof needs, and its limits are those of the largest shape."""

from __future__ import annotations

from circuits.shapes import SHAPES
from circuits.witness import follow_batch
from rollup.batch import claims_of
from rollup.node.room import BatchLimits, BatchLoad
from rollup.transactions import Trade
from tests.circuits.story import chapters

OTHER_RECORDS = ("transfers", "withdrawals", "cancellations", "group settlements")
ITEMS = (
    "deposits",
    "registrations",
    "forced cancellations",
    "forced withdrawals",
    "group listings",
    "series listings",
    "parameter changes",
    "settlement prices",
)


def test_the_limits_are_the_largest_shape() -> None:
    heights = {name: 1 << log for name, log in SHAPES[-1].log_heights.items()}
    limits = BatchLimits()
    assert limits.trades <= heights["trades"]
    assert limits.signatures <= min(heights["signatures"] >> 7, heights["orders"], heights["fills"])
    assert limits.records_of_a_kind <= min(heights[name] for name in OTHER_RECORDS)
    assert limits.items <= min(heights[name] for name in ITEMS)
    assert limits.accounts <= min(heights["accounts"], heights["identities"])
    assert limits.slots <= heights["slots"]
    assert limits.groups <= heights["groups"]
    assert limits.series <= min(heights["series"], 8 * heights["series lists"])
    assert limits.steps <= heights["holders"]
    assert limits.walk_rows <= heights["walks"]
    assert limits.list_rows <= heights["position lists"]
    assert limits.tree_nodes <= min(heights["tree"], heights["compressions"] // 2)
    assert limits.permutations <= heights["poseidon"]
    assert limits.settlements <= min(heights[name] for name in ("settlements", "group readings", "claims"))


def test_what_is_counted_is_at_least_what_is_needed() -> None:
    for told in chapters():
        needed = follow_batch(told.before, told.batch, told.tree, told.outcome).needed
        load, touched = BatchLoad(items=len(told.batch.items)), set()
        for transaction in told.batch.transactions:
            load.note_record(type(transaction), is_trade=isinstance(transaction, Trade))
        for event in told.outcome.events:
            load.note(event)
            for change in event.changes:
                load.note_leaf(change, is_first=change.index not in touched)
                touched.add(change.index)
        counted = load.needs(len(told.outcome.published))
        assert counted.trades == needed["trades"]
        assert counted.signatures >= needed["signatures"] >> 7
        assert counted.accounts >= needed["accounts"]
        assert counted.slots >= needed["slots"]
        assert counted.walk_rows >= needed["walks"]
        assert counted.list_rows >= needed["position lists"]
        assert counted.tree_nodes >= needed["tree"]
        assert counted.permutations >= needed["poseidon"]
        assert counted.groups >= needed["groups"]
        assert counted.series >= needed["series"]
        assert counted.settlements >= max(needed["settlements"], len(claims_of(told.outcome.items)))
