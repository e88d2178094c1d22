"""Queue items that the rules refuse, laid out in whole batches as if they had an effect; and every rejection by name.

The last test says for each reason of the rules which forged trace or batch has it, so none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import pytest

from benchmarks.clearing_workload import DAY, plain
from circuits.shapes import SHAPES, BatchTooLargeError, shape_for
from rollup.instruments import Group, series_id
from rollup.outcome import QueueItem
from rollup.rejections import Rejection
from rollup.state import State
from rollup.transactions import ForcedCancelOrders, ForcedWithdrawal, ListGroup, ListSeries, SettlementPrice
from rollup.units import MAX_SERIES, OptionKind
from tests.adversarial.batch_lies import CHEATS
from tests.adversarial.bent_rules import LATER, before, found, laid, look_away, now, quantity, reasons, told
from tests.adversarial.deletions_report import FORGING_MODULES
from tests.adversarial.test_batch_trading import REFUSED
from tests.circuits.refusals import FORGERIES
from tests.circuits.story import BOB, ERIN, MARKET

R = Rejection
OWN = MARKET.owner
GROUP, STRANGE_GROUP = 1, 5


def group() -> Group:
    """A group that is open."""
    listed = before().group(quantity(GROUP))
    assert listed is not None
    return listed


def listing(**changes: int) -> QueueItem:
    """A new group like the open one, with other terms."""
    terms = {
        "group": STRANGE_GROUP,
        "underlying": 1,
        "expiry": now() + DAY,
        "cap": 200,
        "tick": group().tick_micro_dollars,
        "lot": group().lot_micro_units,
    }
    return plain(ListGroup, *(terms | changes).values())


def full() -> State:
    """The open group with as many series as an index can name."""
    listed = list(group().series)
    for strike in range(1, group().cap):
        for option in OptionKind:
            series = series_id(quantity(GROUP), quantity(strike), option)
            if series not in listed and len(listed) < MAX_SERIES:
                listed.append(series)
    return before().with_leaves(replace(group(), series=tuple(listed)))


Item = tuple[Rejection, Callable[[], QueueItem], set[str]]

ITEMS: dict[str, Item] = {
    "no_group_that_has_expired_already": (R.GROUP_EXPIRED, lambda: listing(expiry=now()), {"bus groups"}),
    "no_group_whose_ticks_are_not_whole": (
        R.GROUP_TERMS_INVALID,
        lambda: listing(tick=3, lot=7),
        {"bus groups"},
    ),
    "no_group_without_a_cap": (R.GROUP_TERMS_INVALID, lambda: listing(cap=0), {"bus groups"}),
    "no_strike_of_zero": (R.STRIKE_OUTSIDE_CAP, lambda: plain(ListSeries, GROUP, 0, 0), {"bus groups"}),
    "no_strike_at_the_cap": (
        R.STRIKE_OUTSIDE_CAP,
        lambda: plain(ListSeries, GROUP, group().cap, 0),
        {"bus groups"},
    ),
    "no_strike_above_the_cap": (
        R.STRIKE_OUTSIDE_CAP,
        lambda: plain(ListSeries, GROUP, group().cap + 1, 1),
        {"bus groups"},
    ),
    "no_series_listed_twice": (
        R.SERIES_ALREADY_LISTED,
        lambda: plain(ListSeries, GROUP, 95, 0),
        {"bus groups", "bus sixteen bits"},
    ),
    "no_price_before_its_time": (
        R.GROUP_NOT_EXPIRED,
        lambda: plain(SettlementPrice, GROUP, 100),
        {"bus groups"},
    ),
    "no_floor_lowered_by_force": (
        R.FLOOR_NOT_RAISED,
        lambda: plain(ForcedCancelOrders, BOB, OWN(BOB), 0),
        {"bus accounts"},
    ),
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_that_the_rules_refuse_has_no_effect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rejection, item, expected = ITEMS[name]
    asked = item()
    assert told((), [asked]).outcome.events[-1].reason is rejection  # type: ignore[attr-defined]
    assert not reasons(laid(items=[asked]))
    look_away(monkeypatch, rejection)
    assert reasons(laid(items=[asked])) == expected


def test_no_series_in_a_group_that_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, R.GROUP_EXPIRED)
    assert reasons(laid(items=[plain(ListSeries, GROUP, 77, 0)], later=LATER)) == {"bus groups"}


def test_no_series_beyond_what_an_index_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plain(ListSeries, GROUP, 300, 0)
    assert not reasons(laid(items=[asked], state=full()))
    look_away(monkeypatch, R.GROUP_FULL)
    assert reasons(laid(items=[asked], state=full())) == {"bus groups"}


def test_no_group_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its series would be gone, with positions in them."""
    look_away(monkeypatch, R.GROUP_ALREADY_LISTED)
    wrong = reasons(laid(items=[listing(group=GROUP)]))
    assert "series lists: an old option is still listed, option 0" in wrong


def test_no_forced_withdrawal_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to refuse: an item that is ignored and one that pays nothing are the same batch."""
    asked = plain(ForcedWithdrawal, ERIN, OWN(ERIN))
    poor = before().with_leaves(found(ERIN).with_cash(quantity(0)))
    ignored = laid(items=[asked], state=poor)
    assert not reasons(ignored)
    look_away(monkeypatch, R.NOTHING_TO_WITHDRAW)
    paid = laid(items=[asked], state=poor)
    assert not reasons(paid)
    assert paid.statement == ignored.statement


def test_no_batch_that_counts_more_than_a_word() -> None:
    """The rules' limit is above every shape: no table has room for so many items, records or claims."""
    largest = SHAPES[-1]
    for kind in ("deposits", "trades", "claims"):
        with pytest.raises(BatchTooLargeError):
            shape_for({kind: 1 << 16})
    assert max(rows for name, rows in largest.log_heights.items() if name in {"trades", "mixed"}) < 16


ELSEWHERE: dict[Rejection, str] = {
    R.AMOUNT_TOO_LARGE: "tests.adversarial.test_batch_queue.no_deposit_above_the_cap",
    R.BATCH_NUMBER_NOT_NEXT: "tests.adversarial.test_batch_state.no_batch_number_but_the_next",
    R.BATCH_TOO_LARGE: "tests.adversarial.test_batch_listings.test_no_batch_that_counts_more_than_a_word",
    R.GROUP_ALREADY_FIXED: "tests.adversarial.test_batch_queue.no_second_price",
    R.GROUP_ALREADY_LISTED: "tests.adversarial.test_batch_listings.test_no_group_is_listed_again",
    R.GROUP_FULL: "tests.adversarial.test_batch_listings.test_no_series_beyond_what_an_index_can_name",
    R.GROUP_NOT_FIXED: (
        "tests.adversarial.test_batch_money_and_margin.test_no_settlement_of_a_group_without_a_price"
    ),
    R.KEY_REFUSED: "tests.adversarial.test_batch_queue.no_key_that_is_not_canonical",
    R.NOT_OWNER: "tests.adversarial.test_batch_queue.no_forced_withdrawal_by_another",
    R.NOTHING_TO_SETTLE: "tests.adversarial.test_batch_money_and_margin.test_no_settlement_of_nothing",
    R.NOTHING_TO_WITHDRAW: "tests.adversarial.test_batch_listings.test_no_forced_withdrawal_of_nothing",
    R.POSITION_TOO_LARGE: "tests.adversarial.test_batch_trading.test_no_position_beyond_its_width",
    R.POSITIONS_TOO_MANY: "tests.circuits.test_walks.test_more_positions_than_thirty_two_are_refused",
    R.QUEUE_ITEM_FROM_FUTURE: "tests.adversarial.test_batch_queue.no_queue_item_from_the_future",
    R.QUEUE_POSITION_NOT_NEXT: "tests.adversarial.test_batch_state.no_queue_that_starts_elsewhere",
    R.TIME_RUNS_BACKWARDS: "tests.adversarial.test_batch_state.no_time_that_runs_backwards",
    R.TREASURY_MISSING: "tests.adversarial.test_batch_queue.no_treasury_that_is_no_account",
}
"""Rejections whose forgeries are not registered under their names: which test, or which cheat, is theirs."""


def test_every_rejection_of_the_rules_has_a_forgery() -> None:
    for module in FORGING_MODULES:
        import_module(module)
    registered = {one.rejection for one in FORGERIES}
    registered |= {rejection for rejection, *_ in (*REFUSED.values(), *ITEMS.values())}
    assert set(Rejection) - registered == set(ELSEWHERE)
    cheats = {f"{cheat.forge.__module__}.{cheat.name}" for cheat in CHEATS}
    for path in ELSEWHERE.values():
        module, name = path.rsplit(".", 1)
        assert callable(getattr(import_module(module), name))
        assert name.startswith("test_") or path in cheats
