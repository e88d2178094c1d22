"""Group settlements: what is published asks the holder for exactly one settling step."""

from __future__ import annotations

import pytest

from circuits import group_settlements
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.transactions import SettleGroup
from tests.circuits.market import SERIES, added, market, unbound_columns
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB, GENESIS_TIME, HOUR, make


def _fixed() -> TradingFloor:
    """Alice and Bob hold a position in a group whose price is fixed."""
    floor = market()
    floor.house.trade(ALICE, BOB, SERIES, 3, 5)
    floor.house.at(GENESIS_TIME + 24 * HOUR)
    floor.house.fix(7, 103)
    return floor


def test_settlements_are_laid_out_clean() -> None:
    floor = _fixed()
    for account in (BOB, ALICE):
        assert isinstance(floor.settle(make(SettleGroup, account, 7)), Outcome)
    assert floor.wrong() == set()
    assert floor.wrong(floor.traces(log_height=3)) == set()


@refuses(Rejection.ACCOUNT_UNKNOWN, "bus account steps")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.settle(make(SettleGroup, 77, 7))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_settlement_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(_fixed())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


def test_a_published_word_has_one_reading() -> None:
    """The account's upper byte shares its word with the tag."""
    floor = _fixed()
    assert isinstance(floor.settle(make(SettleGroup, ALICE, 7)), Outcome)
    wrong = floor.wrong(added(floor.traces(), group_settlements.NAME, 0, {"account high": 256}))
    assert "bus two bytes" in wrong


def test_no_column_of_a_settlement_is_free() -> None:
    floor = _fixed()
    assert isinstance(floor.settle(make(SettleGroup, ALICE, 7)), Outcome)
    assert unbound_columns(floor, group_settlements.NAME) == []
