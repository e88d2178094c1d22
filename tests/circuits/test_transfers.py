"""Transfers: what the sender signed is published, taken from its cash with its nonce, and credited to the receiver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from circuits import transfers
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from tests.circuits.market import added, market, spoiled, unbound_columns
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor
from tests.rollup.workbench import ALICE, BOB, CAROL, TREASURY, make

TWO_ACCOUNTS_AND_CASH = "sender and receiver are two accounts and some cash moves"


def test_transfers_in_a_row_are_laid_out_clean() -> None:
    floor = market()
    house = floor.house
    house.deposit(0xFE_FFFF, 1_000)
    for sender, receiver, amount in (
        (ALICE, BOB, 1),
        (ALICE, CAROL, 65_535),
        (0xFE_FFFF, ALICE, 65_536),
        (ALICE, 0xFE_FFFF, 0x1_0203_0405),
        (BOB, TREASURY, house.cash(BOB) + 1),
    ):
        outcome = floor.transfer(house.transfer(sender, receiver, amount))
        assert isinstance(outcome, Outcome), outcome
    assert floor.wrong() == set()
    assert floor.wrong(floor.traces(log_height=4)) == set()


# What the rules refuse.


@refuses(Rejection.SAME_ACCOUNT, TWO_ACCOUNTS_AND_CASH)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(floor.house.transfer(ALICE, ALICE, 5))


@refuses(Rejection.AMOUNT_IS_ZERO, TWO_ACCOUNTS_AND_CASH)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(floor.house.transfer(ALICE, BOB, 0))


@refuses(Rejection.NONCE_NOT_NEXT, "bus account steps")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(make(replace, floor.house.transfer(ALICE, BOB, 5), nonce=1))


@refuses(Rejection.NONCE_NOT_NEXT, "bus account steps")
def _(floor: TradingFloor) -> Outcome | Rejection:
    """The same transfer once more."""
    transfer = floor.house.transfer(ALICE, BOB, 5)
    assert isinstance(floor.transfer(transfer), Outcome)
    return floor.transfer(transfer)


@refuses(Rejection.ACCOUNT_UNKNOWN, "bus credits")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(floor.house.transfer(ALICE, 77, 5))


@refuses(Rejection.ACCOUNT_UNKNOWN, "bus account steps", "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(make(replace, floor.house.transfer(ALICE, BOB, 5), sender=77))


@refuses(Rejection.KEY_MISSING, "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.transfer(floor.house.transfer(CAROL, BOB, 5))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_a_transfer_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


# What a forger could try.


def _transferred() -> TradingFloor:
    floor = market()
    assert isinstance(floor.transfer(floor.house.transfer(ALICE, BOB, 0x1_0203_0405)), Outcome)
    return floor


def test_an_amount_has_one_spelling() -> None:
    """A byte more by 2^8 and its neighbour less by one: limbs, words and element stay, the bytes are none."""
    for low, high in ((0, 1), (2, 3), (4, 5), (6, 7)):
        cells = {f"amount byte {low}": 256, f"amount byte {high}": -1}
        wrong = _transferred().wrong(added(_transferred().traces(), "transfers", 0, cells))
        assert "bus two bytes" in wrong
    for cells in ({"receiver byte 0": 256, "receiver byte 1": -1}, {"receiver byte 2": 256}):
        wrong = _transferred().wrong(added(_transferred().traces(), "transfers", 0, cells))
        assert "bus two bytes" in wrong


def test_a_sender_has_one_spelling() -> None:
    cells = {"sender low": 65536, "sender high": -1}
    floor = _transferred()
    assert {"bus data words", "bus two bytes"} <= floor.wrong(added(floor.traces(), "transfers", 0, cells))


def test_neither_amount_nor_receiver_can_be_other_than_signed() -> None:
    floor = _transferred()
    for cells in ({"amount byte 1": 1}, {"receiver byte 0": 1}, {"nonce low": 1}):
        assert "bus sponge" in floor.wrong(added(floor.traces(), "transfers", 0, cells))


def test_a_dead_row_moves_nothing() -> None:
    floor = _transferred()
    wrong = floor.wrong(spoiled(floor.traces(2), "transfers", 3, {"is live": 1}))
    assert {TWO_ACCOUNTS_AND_CASH, "bus record cursor", "bus sponge"} <= wrong


def test_no_column_of_a_transfer_is_free() -> None:
    assert unbound_columns(_transferred(), transfers.NAME) == []
