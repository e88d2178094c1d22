"""Orders: every field in its width, signed for this clearing house by the account's own key, in its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from circuits import orders
from circuits.buses import SPONGE
from rollup.admission import message_of
from rollup.orders import Order
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.state import State
from rollup.transactions import TAGS, Trade, Transfer
from rollup.units import MAX_ORDER_LIFETIME_SECONDS
from tests.circuits.market import NO_BIT, added, buy, market, pair, sell, spoiled, unbound_columns
from tests.circuits.refusals import Forgery, forgeries_of, refuses
from tests.circuits.trading import TradingFloor, identity_of
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CAROL,
    DEPLOYMENT,
    FORGED,
    GENESIS_TIME,
    House,
    make,
    signed,
)

BYTES = {"account high", "slot", "strike high", "lots high"}
NAMED = {
    "side": (2, "an order buys or sells"),
    "option": (2, "an option is a call or a put"),
    "kind": (3, "an order has one of three kinds"),
}
HEADER_LENGTH = 18


# What is good.


@pytest.mark.parametrize("borrows", [(0, 0), (0xFFFF, 0), (0xFFFF, 0xFFFF), (0xFF00, 0xFFFF), (1, 0xFFD9)])
def test_an_order_lives_from_the_next_second_to_thirty_days(borrows: tuple[int, int]) -> None:
    """The batch's time takes limbs that make the distance borrow and not borrow."""
    now = 3 << 32 | borrows[1] << 16 | borrows[0]
    house = House(make(State.genesis, DEPLOYMENT, now))
    for account in (ALICE, BOB):
        house.deposit(account, 1)
    floor = TradingFloor(house)
    for place, left in enumerate((1, 2, 255, 256, 65536, 65537, MAX_ORDER_LIFETIME_SECONDS)):
        floor.add_order(buy(number=place, expiry=now + left))
    assert {name for name in floor.wrong() if name != "bus orders"} == set()
    for left in (0, -1, -65536, -(1 << 32), MAX_ORDER_LIFETIME_SECONDS + 1, MAX_ORDER_LIFETIME_SECONDS << 20):
        dead = TradingFloor(house)
        dead.add_order(buy(expiry=now + left))
        assert dead.wrong() - {"bus orders"} != set(), left


# What the rules refuse.


@refuses(Rejection.ORDER_EXPIRED, "bus sixteen bits", "bus two bytes", "the time left has no third limb")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(expiry=GENESIS_TIME), sell()))


@refuses(Rejection.ORDER_EXPIRED, "bus sixteen bits", "bus two bytes", "the time left has no third limb")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(expiry=GENESIS_TIME - 70_000)))


@refuses(Rejection.ORDER_LIVES_TOO_LONG, "bus two bytes")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(expiry=GENESIS_TIME + MAX_ORDER_LIFETIME_SECONDS + 1), sell()))


@refuses(
    Rejection.ORDER_LIVES_TOO_LONG, "bus sixteen bits", "bus two bytes", "the time left has no third limb"
)
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(expiry=(1 << 48) - 1)))


@refuses(Rejection.FIELD_OUT_OF_RANGE, "bus two bytes")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(slot=256), sell()))


@refuses(Rejection.FIELD_OUT_OF_RANGE, "an order has one of three kinds", "a maker is not immediate")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(kind=4), buyer_is_maker=False))


@refuses(Rejection.ACCOUNT_UNKNOWN, "bus account steps", "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(77), sell()))


@refuses(Rejection.KEY_MISSING, "bus identity keys", "bus key ends")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(pair(buy(), sell(CAROL)))


@refuses(Rejection.SIGNATURE_INVALID, "bus sponge")
def _(floor: TradingFloor) -> Outcome | Rejection:
    return floor.trade(make(Trade, signed(buy()), signed(sell(), FORGED), True, 1))


@pytest.mark.parametrize("forgery", forgeries_of(__name__), ids=lambda forgery: forgery.name)
def test_an_order_that_the_rules_refuse_breaks_a_rule_here(forgery: Forgery) -> None:
    outcome, wrong = forgery.laid_out(market())
    assert outcome == forgery.rejection
    assert wrong == forgery.broken


# What a forger could try.


def _signed_as(floor: TradingFloor, order: Order, message: Sequence[int], key: int = ALICE) -> None:
    """Lay an order out with the signature of these elements by an account's key."""
    signer = floor.sign(key, TAGS[Trade], order, tuple(message))
    row = {part: int(getattr(order, part)) for part in orders.ORDER_FIELDS}
    floor.rows["orders"].append({**signer, **row})


@pytest.mark.parametrize("name", orders.FIELDS)
def test_a_limb_beyond_its_width_is_refused_even_if_it_was_signed(name: str) -> None:
    place = orders.FIELDS.index(name)
    limit, refused = NAMED.get(name, (256, "bus two bytes") if name in BYTES else (65536, "bus sixteen bits"))
    order = buy()
    message = list(make(message_of, DEPLOYMENT, 1, order.account, TAGS[Trade], order))
    message[HEADER_LENGTH + place] = limit
    if place < 2:
        message[HEADER_LENGTH - 3 + place] = limit
    floor = market()
    _signed_as(floor, order, message)
    wrong = floor.wrong(spoiled(floor.traces(), "orders", 0, {name: limit}))
    assert refused in wrong
    assert "bus sponge" not in wrong


def test_another_spelling_of_an_account_is_refused() -> None:
    """low + 2^16 and high - 1 are the same account, but not what its owner signs."""
    order = buy(0x20002)
    message = list(make(message_of, DEPLOYMENT, 1, order.account, TAGS[Trade], order))
    for first in (HEADER_LENGTH - 3, HEADER_LENGTH):
        message[first : first + 2] = [0x10002, 1]
    floor = market()
    floor.house.deposit(0x20002, 1)
    _signed_as(floor, order, message, key=0x20002)
    cells = {"account low": 0x10002, "account high": 1}
    assert floor.wrong(spoiled(floor.traces(), "orders", 0, cells)) == {"bus sixteen bits"}


@pytest.mark.parametrize(
    ("chain", "contract", "tag"),
    [
        (DEPLOYMENT.chain + 1, DEPLOYMENT.contract, TAGS[Trade]),
        (DEPLOYMENT.chain, DEPLOYMENT.contract + 1, TAGS[Trade]),
        (DEPLOYMENT.chain, DEPLOYMENT.contract, TAGS[Transfer]),
    ],
)
def test_a_signature_for_another_chain_contract_or_kind_is_none_here(
    chain: int, contract: int, tag: int
) -> None:
    order, floor = buy(), market()
    elsewhere = make(replace, DEPLOYMENT, chain=chain, contract=contract)
    message = make(message_of, elsewhere, 1, order.account, tag, order)
    _signed_as(floor, order, message)
    assert floor.wrong() == {"bus sponge"}


def test_another_account_s_key_signs_nothing_here() -> None:
    """The message is Alice's order, the call and the key Bob's."""
    order, floor = buy(), market()
    _signed_as(floor, order, make(message_of, DEPLOYMENT, 1, ALICE, TAGS[Trade], order), key=BOB)
    for account in (ALICE, BOB):
        floor.rows["orders"][0]["identities"] = identity_of(account)
        assert floor.wrong() == {"bus identity keys"}


def test_an_order_that_has_expired_cannot_hide_it_in_a_borrow() -> None:
    """The forger's best: no borrow into the third limb, and a spare part that makes up for the negative one."""
    floor = market()
    floor.add_order(buy(expiry=GENESIS_TIME))
    cells = {"borrow of the low limb": 1, "borrow of the middle limb": 0, "spare high": 39}
    assert floor.wrong(spoiled(floor.traces(), "orders", 0, cells)) == {"bus two bytes"}
    cells = {"borrow of the low limb": 0, "borrow of the middle limb": 0, "spare high": 39}
    assert floor.wrong(spoiled(floor.traces(), "orders", 0, cells)) == {"bus sixteen bits"}


def _at(now: int) -> TradingFloor:
    """A house at a time of choice, with Alice in it."""
    house = House(make(State.genesis, DEPLOYMENT, now))
    house.deposit(ALICE, 1)
    return TradingFloor(house)


@pytest.mark.parametrize(
    ("now", "left", "spelling"),
    [
        (3 << 32 | 7 << 16 | 65535, 6, {"expiry low": 65541, "expiry middle": 7, "expiry high": 3}),
        (3 << 32 | 65535 << 16 | 9, 5 << 16, {"expiry low": 9, "expiry middle": 65540, "expiry high": 3}),
        (65535 << 32 | 65535 << 16, 65536, {"expiry low": 0, "expiry middle": 0, "expiry high": 65536}),
    ],
)
def test_an_expiry_has_one_spelling(now: int, left: int, spelling: dict[str, int]) -> None:
    """The limbs are signed, and the time left is right; only their width is not."""
    floor, order = _at(now), buy(expiry=now + left)
    message = list(make(message_of, DEPLOYMENT, 1, ALICE, TAGS[Trade], order))
    message[-3:] = spelling.values()
    _signed_as(floor, order, message)
    left -= 1
    cells = {
        "borrow of the low limb": int(spelling["expiry low"] < (now & 0xFFFF) + 1),
        "borrow of the middle limb": int(spelling["expiry high"] > now >> 32),
        "spare high": (orders.LAST_REMAINING_SECOND - left) >> 16,
    }
    assert floor.wrong(spoiled(floor.traces(), "orders", 0, spelling | cells)) == {"bus sixteen bits"}


@pytest.mark.parametrize(
    ("expiry", "cells", "broken"),
    [
        (
            3 << 32 | 40_003 + NO_BIT << 16 | 20,
            {"borrow of the low limb": NO_BIT, "borrow of the middle limb": 0, "spare high": 36},
            "the low limb of the time left borrows or not",
        ),
        (
            3 - NO_BIT << 32 | 40_003 << 16 | 20,
            {"borrow of the low limb": 0, "borrow of the middle limb": -NO_BIT, "spare high": 37},
            "the middle limb of the time left borrows or not",
        ),
    ],
)
def test_a_borrow_is_a_bit(expiry: int, cells: dict[str, int], broken: str) -> None:
    """A borrow of the forger's choice lets an order live that has expired years ago, or will in years."""
    floor = _at(3 << 32 | 40_000 << 16 | 9)
    floor.add_order(buy(expiry=expiry))
    assert floor.wrong(spoiled(floor.traces(), "orders", 0, cells)) == {broken}


def test_a_dead_row_provides_no_order() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    traces = floor.traces(2)
    moved = {name: trace.copy() for name, trace in traces.items()}
    moved["orders"][0, 1] = 0
    floor.asked[SPONGE].clear()
    wrong = floor.wrong(moved)
    assert "a dead row provides no order" in wrong
    assert "bus orders" not in wrong


def test_no_column_of_an_order_is_free() -> None:
    floor = market()
    assert isinstance(floor.trade(pair(buy(), sell())), Outcome)
    assert unbound_columns(floor, orders.NAME) == []


def test_an_order_cannot_be_given_more_time_than_was_signed() -> None:
    """The expiry moved on, and the spare part with it: the signature still covers the limb."""
    floor = market()
    floor.add_order(buy())
    traces = added(floor.traces(), "orders", 0, {"expiry middle": 1, "spare high": -1})
    assert floor.wrong(traces) == {"bus sponge"}
