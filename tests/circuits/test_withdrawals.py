"""Withdrawals: what the account signed becomes its owner's claim, no more than its cash gave and the house owed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuits import withdrawals
from circuits.buses import OWED
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.units import limbs_of
from tests.circuits.market import NO_BIT, added, gaps, market, spoiled, unbound_columns
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB, CAROL, make


def test_withdrawals_in_a_row_are_laid_out_clean() -> None:
    floor = market()
    house = floor.house
    for account, amount in ((ALICE, 1), (BOB, 65_536), (ALICE, 0xFFFF_FFFF), (BOB, house.cash(BOB) - 65_536)):
        outcome = floor.withdraw(house.withdrawal(account, amount))
        assert isinstance(outcome, Outcome), outcome
    assert floor.wrong() == set()
    assert floor.wrong(floor.traces(log_height=3)) == set()


# What the rules refuse.


@refuses(Rejection.AMOUNT_IS_ZERO, "some cash is withdrawn")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.withdraw(floor.house.withdrawal(ALICE, 0))


@refuses(Rejection.NONCE_NOT_NEXT, "bus account steps")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.withdraw(make(replace, floor.house.withdrawal(ALICE, 5), nonce=1))


@refuses(Rejection.KEY_MISSING, "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.withdraw(floor.house.withdrawal(CAROL, 5))


@refuses(
    Rejection.ACCOUNT_UNKNOWN,
    *("bus account steps", "bus identity keys", "bus identity owners", "bus key ends"),
)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.withdraw(make(replace, floor.house.withdrawal(ALICE, 5), account=77))


@refuses(Rejection.CASH_INSUFFICIENT, "what is owed falls by the amount")
def _(floor: TradingFloor) -> Outcome | Rejection:
    """More than all accounts together have: the holder refuses it too."""
    return floor.withdraw(floor.house.withdrawal(ALICE, 1 << 60))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_withdrawal_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


# What a forger could try.


def _withdrawn() -> TradingFloor:
    floor = market()
    assert isinstance(floor.withdraw(floor.house.withdrawal(ALICE, 0x1_0203_0405)), Outcome)
    return floor


def test_the_claim_is_the_owner_s_and_the_amount_that_was_signed() -> None:
    floor = _withdrawn()
    assert floor.wrong(added(floor.traces(), "withdrawals", 0, {"owner limb 3": 1})) == {
        "bus claims",
        "bus identity owners",
    }
    cells = {"amount limb 0": 1, "owed after, limb 0": -1}
    assert {"bus sponge", "bus account steps"} <= floor.wrong(added(floor.traces(), "withdrawals", 0, cells))


@pytest.mark.parametrize("limb", range(4))
def test_what_is_owed_falls_by_the_amount_in_every_limb(limb: int) -> None:
    floor = _withdrawn()
    assert floor.owed is not None
    floor.owed = floor.owed[0], floor.owed[1] + (1 << 16 * limb)
    traces = added(floor.traces(), "withdrawals", 0, {f"owed after, limb {limb}": 1})
    assert floor.wrong(traces) == {"what is owed falls by the amount"}


@pytest.mark.parametrize("limb", range(3))
def test_a_borrow_is_a_bit(limb: int) -> None:
    """A borrow of the forger's choice leaves a limb more than there is, and as it likes in the next."""
    floor = _withdrawn()
    cells = {
        f"owed borrow {limb}": NO_BIT,
        f"owed after, limb {limb}": 1,
        f"owed after, limb {limb + 1}": -NO_BIT,
    }
    wrong = floor.wrong(added(floor.traces(), "withdrawals", 0, cells))
    assert f"limb {limb} of what is owed borrows or not" in wrong


@pytest.mark.parametrize("limb", range(3))
def test_a_limb_that_should_borrow_is_negative_if_it_does_not(limb: int) -> None:
    floor = market()
    floor.owed = 0, 1 << 16 * (limb + 1)
    floor.ask(OWED, 0, *limbs_of(floor.owed[1], 64), times=-1)
    floor.withdraw(floor.house.withdrawal(ALICE, 1 << 16 * limb))
    assert floor.wrong() == set()
    cells = {f"owed borrow {limb}": -1, f"owed after, limb {limb}": -65536, f"owed after, limb {limb + 1}": 1}
    assert floor.wrong(added(floor.traces(), "withdrawals", 0, cells)) == {"bus sixteen bits", "bus owed"}


def test_no_more_is_claimed_than_is_owed() -> None:
    floor = market()
    floor.withdraw(floor.house.withdrawal(ALICE, 1 << 60))
    traces = added(floor.traces(), "withdrawals", 0, {"owed after, limb 3": -65536})
    assert floor.wrong(traces) == {"bus sixteen bits", "bus owed"}


def test_what_is_owed_is_read_as_it_was_last_written() -> None:
    floor = _withdrawn()
    cells = {"owed old time": 1, "owed gap low": -1}
    assert floor.wrong(added(floor.traces(), "withdrawals", 0, cells)) == {"bus owed"}
    row = floor.rows["withdrawals"][0]
    row["old_time"] = row["clock"] + 9
    for cells in gaps("owed", -9):
        assert "bus sixteen bits" in floor.wrong(spoiled(floor.traces(), "withdrawals", 0, cells))


def test_an_account_has_one_spelling() -> None:
    floor = _withdrawn()
    assert "bus two bytes" in floor.wrong(added(floor.traces(), "withdrawals", 0, {"account high": 256}))


def test_two_withdrawals_cannot_start_from_the_same_debt() -> None:
    floor = _withdrawn()
    assert isinstance(floor.withdraw(floor.house.withdrawal(ALICE, 7)), Outcome)
    first, second = floor.rows["withdrawals"]
    second |= {"old_time": first["old_time"], "owed_before": first["owed_before"]}
    assert floor.wrong() == {"bus owed"}


def test_a_withdrawal_makes_one_claim_at_its_place() -> None:
    floor = _withdrawn()
    wrong = floor.wrong(spoiled(floor.traces(), "withdrawals", 0, {"claims": 1}))
    assert wrong == {"bus claims", "bus record cursor"}


def test_no_column_of_a_withdrawal_is_free() -> None:
    assert unbound_columns(_withdrawn(), withdrawals.NAME) == []
