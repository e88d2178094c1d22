"""Cancellations: the floor of order numbers rises to what was signed, the nonce by one, and nothing else moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuits import cancellations
from circuits.buses import ACCOUNTS
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.state import Account
from tests.circuits.market import NO_BIT, added, gaps, market, spoiled, unbound_columns
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB, CAROL, TREASURY, make


def _with(floor: TradingFloor, **changes: int) -> None:
    """Put Alice's account into another state."""
    changed: Account = make(replace, floor.house.account(ALICE), **changes)
    floor.house.state = floor.house.state.with_leaves(changed)


@pytest.mark.parametrize(
    ("old", "new", "nonce"),
    [(0, 1, 0), (0, 65536, 65535), (65535, 65536, 65536), (0x1_FFFF, 0x2_0000, 2**32 - 2), (5, 2**32 - 1, 1)],
)
def test_cancellations_are_laid_out_clean(old: int, new: int, nonce: int) -> None:
    floor = market()
    _with(floor, order_floor=old, nonce=nonce)
    for account, number in ((ALICE, new), (BOB, 9), (TREASURY, 1)):
        outcome = floor.cancel(floor.house.cancel(account, number))
        assert isinstance(outcome, Outcome), outcome
    assert floor.wrong() == set()
    assert floor.wrong(floor.traces(log_height=3)) == set()


# What the rules refuse.


@refuses(Rejection.FLOOR_NOT_RAISED, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.cancel(floor.house.cancel(ALICE, 0))


@refuses(Rejection.FLOOR_NOT_RAISED, "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    _with(floor, order_floor=65536)
    return floor.cancel(floor.house.cancel(ALICE, 65535))


@refuses(Rejection.NONCE_NOT_NEXT, "bus accounts")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.cancel(make(replace, floor.house.cancel(ALICE, 5), nonce=1))


@refuses(Rejection.NONCE_EXHAUSTED, "bus accounts", "bus sixteen bits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    _with(floor, nonce=2**32 - 1)
    return floor.cancel(floor.house.cancel(ALICE, 5))


@refuses(Rejection.KEY_MISSING, "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.cancel(floor.house.cancel(CAROL, 5))


@refuses(Rejection.ACCOUNT_UNKNOWN, "bus accounts", "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.cancel(make(replace, floor.house.cancel(ALICE, 5), account=77))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_cancellation_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


# What a forger could try.


def _cancelled() -> TradingFloor:
    floor = market()
    _with(floor, order_floor=70_000, nonce=65_535)
    assert isinstance(floor.cancel(floor.house.cancel(ALICE, 140_000)), Outcome)
    return floor


def test_a_floor_that_falls_cannot_hide_it_in_a_borrow() -> None:
    """With a borrow the high limb is negative, without one the low limb; a borrow that is no bit is none."""
    for old, new, borrow, broken in (
        (70_000, 69_999, 0, "bus sixteen bits"),
        (70_000, 69_999, 1, "bus sixteen bits"),
        (70_000, 5_000, NO_BIT, "the rise of the floor borrows or not"),
    ):
        floor = market()
        _with(floor, order_floor=old)
        floor.cancel(floor.house.cancel(ALICE, new))
        traces = spoiled(floor.traces(), "cancellations", 0, {"floor borrow": borrow})
        assert floor.wrong(traces) == {broken}


def test_a_nonce_has_one_successor() -> None:
    floor = _cancelled()
    cells = {"nonce carry": -1, "next nonce low": 65536, "next nonce high": -1}
    assert floor.wrong(added(floor.traces(), "cancellations", 0, cells)) == {
        "bus sixteen bits",
        "bus accounts",
    }
    cells = {"nonce carry": NO_BIT - 1, "next nonce low": 65536 - 1, "next nonce high": NO_BIT - 1}
    assert "the nonce carries or not" in floor.wrong(added(floor.traces(), "cancellations", 0, cells))


@pytest.mark.parametrize(("place", "name"), [(3, "next nonce low"), (4, "next nonce high")])
def test_a_nonce_cannot_stay_or_jump(place: int, name: str) -> None:
    """The account written with another nonce, where others would take it so."""
    floor = _cancelled()
    (written,) = (message for message, times in floor.asked[ACCOUNTS].items() if times > 0)
    floor.ask(ACCOUNTS, *written, times=-1)
    floor.ask(ACCOUNTS, *written[:place], written[place] + 1, *written[place + 1 :])
    assert floor.wrong(added(floor.traces(), "cancellations", 0, {name: 1})) == {"the nonce rises by one"}


def test_an_account_has_one_spelling() -> None:
    floor = _cancelled()
    assert "bus two bytes" in floor.wrong(added(floor.traces(), "cancellations", 0, {"account high": 256}))


def test_cash_and_positions_stay() -> None:
    floor = _cancelled()
    for name in ("cash limb 0", "cash limb 3", "version", "position count"):
        assert floor.wrong(added(floor.traces(), "cancellations", 0, {name: 1})) == {"bus accounts"}


def test_an_account_cannot_be_read_as_it_will_be() -> None:
    floor = _cancelled()
    row = floor.rows["cancellations"][0]
    row["old_time"] = row["clock"] + 11
    for cells in gaps("account", -9):
        wrong = floor.wrong(spoiled(floor.traces(), "cancellations", 0, cells))
        assert wrong == {"bus sixteen bits", "bus accounts"}


def test_no_column_of_a_cancellation_is_free() -> None:
    assert unbound_columns(_cancelled(), cancellations.NAME) == []
