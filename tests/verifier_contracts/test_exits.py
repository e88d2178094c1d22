"""Leaving after a freeze: leaves against the last proved root, each thing once, by its owner only.

The file is long because every way to be paid is followed by every way to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pyrevm
import pytest

from prover.hash.keccak import keccak256
from rollup.exit import account_leaf, account_path, group_leaf, path_words, positions_hash, share_of
from rollup.state import SYSTEM_INDEX, Position
from rollup.transactions import SettleGroup, Withdrawal
from rollup.units import GroupId, Time
from tests.rollup.workbench import CALL, PUT, UNSIGNED, make
from tests.rollup.workbench import House as Bench
from tests.verifier_contracts.exit_bench import (
    SET_PARAMETERS,
    WINDOW,
    ContractRefusedError,
    Escape,
    calldata,
    error_name,
    list_market,
    settle_prices,
)
from tests.verifier_contracts.vault_bench import DOLLAR, KEY_X, KEY_Y, START, artifact
from verifier_contracts.artifact import SOURCES

NEAR, FAR = START + 100_000, START + 10_000_000
TREASURY, ALICE, BOB, CAROL = 1, 2, 3, 4
ZERO = "0x" + "00" * 20


def series(group: int, strike: int, kind: int) -> Any:
    return group << 25 | strike << 1 | kind


def trade(
    numbers: Bench, buyer: int, seller: int, name: int, lots: int, dollars: int, expiry: int = FAR
) -> Any:
    """A trade whose orders are good until shortly before the expiry."""
    made = numbers.a_trade(buyer, seller, name, lots, dollars)  # type: ignore[arg-type]
    buy, sell = (
        replace(signed, order=replace(signed.order, expiry=Time(expiry))) for signed in (made.buy, made.sell)
    )
    return replace(made, buy=buy, sell=sell)


def market(escape: Escape) -> Bench:
    """Four accounts with positions in a near and a far group, all proved; Alice registered a key."""
    for person in range(4):
        escape.deposit(person, 5_000 * DOLLAR)
    escape.batch()
    list_market(escape, [7, 8], [NEAR, FAR])
    for person in (1, 2, 3):
        escape.enqueue(
            "registerKey", 0, 1, [1, 0, 0, 0, 0, 0, 0], [0] * 7, caller=escape.people[person], value=10**17
        )
    escape.batch()
    numbers = Bench()
    order_life = escape.engine.now + 20_000
    trades = [
        trade(numbers, ALICE, BOB, series(7, 100, CALL), 3, 10, order_life),
        trade(numbers, BOB, CAROL, series(7, 90, PUT), 2, 5, order_life),
        trade(numbers, CAROL, ALICE, series(8, 110, CALL), 4, 7, order_life),
        trade(numbers, ALICE, CAROL, series(8, 100, PUT), 1, 3, order_life),
        trade(numbers, ALICE, CAROL, series(8, 100, CALL), 2, 3, order_life),
    ]
    escape.batch(trades)
    return numbers


@pytest.fixture(scope="module")
def frozen_market() -> Escape:
    escape = Escape()
    market(escape)
    escape.freeze()
    return escape


@pytest.fixture
def escape(frozen_market: Escape) -> Iterator[Escape]:
    """Frozen with open positions in two groups, neither of them fixed."""
    machine, now = frozen_market.engine.machine, frozen_market.engine.now
    snapshot = machine.snapshot()
    yield frozen_market
    machine.revert(snapshot)
    frozen_market.engine.now = now


def everybody_leaves(escape: Escape) -> int:
    """Take all there is; every share is what the rules say."""
    escape.show_groups()
    taken = 0
    for account, share in escape.expected_shares().items():
        paid = escape.take_cash(account)
        assert paid == share.cash_at_once
        taken += paid
        for group in share.groups:
            paid = escape.take_group(account, group.group.group)
            assert paid == group.amount
            taken += paid
    for position in escape.waiting_deposits():
        taken += escape.refund(position)
    for number, index in escape.claims():
        taken += escape.claim(number, index)
    return taken


# ------------------------------------------------------------------------------------------------ the ordinary way


def test_everybody_leaves_and_the_vault_is_empty(escape: Escape) -> None:
    settle_prices(escape, {7: 104}, NEAR)
    settle_prices(escape, {8: 250}, FAR)
    held = escape.call("vaultBalance")
    assert held == escape.balance(escape.house.address) == 20_000 * DOLLAR + 1
    assert everybody_leaves(escape) == held
    assert escape.call("vaultBalance") == escape.balance(escape.house.address) == 0


def test_cash_is_paid_at_once_and_a_group_when_its_price_is_known(escape: Escape) -> None:
    escape.show_groups()
    share = share_of(escape.proved_state, escape.account(ALICE), escape.price_of)
    assert share.requirement > 0
    assert share.cash_at_once > 0
    assert [group.amount for group in share.groups] == [None, None]
    assert escape.take_cash(ALICE) == share.cash_at_once
    owner = escape.owner(ALICE)
    kept = escape.ask("departure", ALICE, caller=owner)
    assert kept == (owner.lower(), positions_hash(tuple(escape.positions(ALICE))))
    arguments = (ALICE, 7, escape.positions(ALICE), owner)
    assert escape.refusal("takeGroup", *arguments, caller=owner) == "PriceUnknown(7)"
    settle_prices(escape, {7: 130}, NEAR)
    (near, far) = share_of(escape.proved_state, escape.account(ALICE), escape.price_of).groups
    assert near.amount == near.requirement + 3 * 30 * DOLLAR
    assert escape.take_group(ALICE, 7) == near.amount
    assert far.amount is None
    assert escape.refusal("takeGroup", ALICE, 8, arguments[2], owner, caller=owner) == "PriceUnknown(8)"


def test_the_owner_names_who_is_paid(escape: Escape) -> None:
    escape.show_groups()
    owner, before = escape.owner(ALICE), escape.balance(escape.stranger)
    escape.ask("takeCash", *escape.cash_arguments(ALICE), escape.stranger, caller=owner)
    assert escape.balance(escape.stranger) > before


def test_a_price_above_the_cap_counts_as_the_cap(escape: Escape) -> None:
    escape.show_groups()
    settle_prices(escape, {7: 1 << 60}, NEAR)
    assert escape.price_of(7) == 1 << 60
    (near, _) = share_of(escape.proved_state, escape.account(ALICE), escape.price_of).groups
    assert near.price == 200
    escape.take_cash(ALICE)
    assert escape.take_group(ALICE, 7) == near.amount == near.requirement + 3 * 100 * DOLLAR


def test_a_key_and_a_floor_are_part_of_the_leaf() -> None:
    escape = Escape()
    escape.deposit(0, 50)
    escape.enqueue("registerKey", 9, 1, KEY_X, KEY_Y, caller=escape.people[0], value=10**17)
    escape.batch()
    assert escape.account(1).key is not None
    escape.enqueue("registerKey", 12, 1, KEY_X[::-1], KEY_Y, caller=escape.people[0], value=10**17)
    escape.freeze()
    assert escape.account(1).order_floor == 9
    assert escape.take_cash(1) == 50


def test_proved_claims_stay_claimable_and_dropped_ones_are_void() -> None:
    escape = Escape()
    for person in (0, 1):
        escape.deposit(person, 500)
    escape.enqueue("registerKey", 0, 1, [1, 0, 0, 0, 0, 0, 0], [0] * 7, caller=escape.people[1], value=10**17)
    escape.batch()
    escape.batch([make(Withdrawal, 2, 120, 0, UNSIGNED)])
    escape.seal([make(Withdrawal, 2, 380, 1, UNSIGNED)])
    escape.freeze()
    assert escape.account(2).cash == 380
    with pytest.raises(ContractRefusedError, match=r"BatchNotProved\(3\)"):
        escape.engine.send(escape.house, "claim", 3, 0, 380, escape.people[1], [], caller=escape.people[1])
    assert everybody_leaves(escape) == 1001
    assert escape.balance(escape.house.address) == 0


def test_deposits_of_dropped_batches_go_back_to_who_paid() -> None:
    escape = Escape()
    escape.deposit(0, 500)
    escape.batch()
    escape.deposit(1, 70, payer=2)
    escape.seal()
    escape.deposit(3, 80)
    assert escape.call("queueLength") == 3
    escape.engine.now += WINDOW
    escape.freeze()
    assert escape.proved_state.account(2) is None
    assert escape.waiting_deposits() == [1, 2]
    payer = escape.people[2]
    before = escape.balance(payer)
    assert escape.refund(1) == 70
    assert escape.balance(payer) == before + 70
    assert escape.refund(2) == 80
    assert escape.take_cash(1) == 500
    assert escape.balance(escape.house.address) == 0


def test_a_house_that_never_proved_anything_gives_all_deposits_back() -> None:
    escape = Escape()
    for person in range(3):
        escape.deposit(person, 10 + person)
    escape.seal()
    escape.freeze()
    assert sum(escape.refund(position) for position in escape.waiting_deposits()) == 33
    assert escape.balance(escape.house.address) == 0


def test_a_freeze_in_the_middle_of_a_settlement() -> None:
    """Some have settled and others not: the pool is what the others take more, or less, than their cash."""
    escape = Escape()
    market(escape)
    settle_prices(escape, {7: 130}, NEAR)
    escape.batch([make(SettleGroup, ALICE, 7)])
    group = escape.proved_state.group(GroupId(7))
    assert group is not None
    assert group.pool == -3 * 30 * DOLLAR
    # What is settled in a batch that is never proved has not happened.
    escape.seal([make(SettleGroup, BOB, 7)])
    escape.freeze()
    settle_prices(escape, {8: 95}, FAR)
    held = escape.call("vaultBalance")
    assert everybody_leaves(escape) == held
    assert escape.balance(escape.house.address) == 0


def test_a_forced_withdrawal_is_served_by_the_next_batch_or_the_freeze_serves_it() -> None:
    escape = Escape()
    for person in (0, 1):
        escape.deposit(person, 100)
    escape.batch()
    escape.force_out(0)
    sealed = escape.batch()
    assert [claim.amount for claim in sealed.outcome.content.claims] == [100]
    assert escape.claim(2, 0) == 100
    escape.force_out(1)
    escape.engine.now += WINDOW + 1
    escape.engine.send(escape.house, "freeze", caller=escape.stranger)
    escape.drop_unproved()
    assert escape.take_cash(2) == 100
    assert escape.take_cash(1) == 0
    assert escape.balance(escape.house.address) == 0


def test_the_treasury_is_an_account_like_others() -> None:
    escape = Escape()
    for person in range(3):
        escape.deposit(person, 5_000 * DOLLAR)
    escape.batch()
    for person in (1, 2):
        escape.enqueue(
            "registerKey", 0, 1, [1, 0, 0, 0, 0, 0, 0], [0] * 7, caller=escape.people[person], value=10**17
        )
    escape.govern((SET_PARAMETERS, ["uint16", "uint16", "uint32"], (1000, 2000, 1)))
    list_market(escape, [7], [FAR])
    escape.batch()
    escape.batch([trade(Bench(), ALICE, BOB, series(7, 100, CALL), 3, 10, escape.engine.now + 9)])
    fees = escape.account(TREASURY).cash - 5_000 * DOLLAR
    assert fees == 3 * 10 * DOLLAR * 3000 // 1_000_000
    escape.freeze()
    escape.show_groups()
    assert escape.take_cash(TREASURY) == 5_000 * DOLLAR + fees


# ----------------------------------------------------------------------------------------------- what is refused


def test_nothing_is_paid_while_the_house_runs() -> None:
    escape = Escape()
    market(escape)
    owner = escape.owner(ALICE)
    cash = (*escape.cash_arguments(ALICE), owner)
    assert escape.refusal("takeCash", *cash, caller=owner) == "NotFrozen()"
    assert escape.refusal("showGroup", *escape.group_arguments(7), caller=owner) == "NotFrozen()"
    group = (ALICE, 7, escape.positions(ALICE), owner)
    assert escape.refusal("takeGroup", *group, caller=owner) == "NotFrozen()"
    assert escape.refusal("refund", 0, 1, owner, 1, owner, caller=owner) == "NotFrozen()"
    assert escape.refusal("announcePrice", 7, 1, caller=escape.governor) == "NotFrozen()"
    assert escape.refusal("adoptPrice", 7, caller=owner) == "NotFrozen()"


def test_only_the_exits_are_paid_and_only_after_a_freeze() -> None:
    escape = Escape()
    escape.deposit(0, 100)
    pay = (escape.people[0], 100)
    for caller in (escape.people[0], escape.governor, escape.sequencer):
        refusal = escape.engine.refusal(escape.house, "payExit", *pay, caller=caller)
        assert refusal == f"NotExits({caller.lower()})"
    # A chain refuses contracts as senders, so the exits lose their code.
    escape.engine.machine.insert_account_info(escape.exits.address, pyrevm.AccountInfo())
    refusal = escape.engine.refusal(escape.house, "payExit", *pay, caller=escape.exits.address)
    assert refusal == "NotFrozen()"
    escape.freeze()
    for recipient in (ZERO, escape.house.address):
        refusal = escape.engine.refusal(escape.house, "payExit", recipient, 1, caller=escape.exits.address)
        assert refusal == f"RecipientRefused({recipient.lower()})"


def test_an_account_leaves_once(escape: Escape) -> None:
    escape.show_groups()
    escape.take_cash(ALICE)
    owner = escape.owner(ALICE)
    for recipient in (owner, escape.stranger):
        arguments = (*escape.cash_arguments(ALICE), recipient)
        assert escape.refusal("takeCash", *arguments, caller=owner) == f"AlreadyLeft({ALICE})"


def test_nobody_leaves_for_another(escape: Escape) -> None:
    escape.show_groups()
    arguments = escape.cash_arguments(ALICE)
    for caller in (escape.owner(BOB), escape.governor, escape.stranger):
        assert escape.refusal("takeCash", *arguments, caller, caller=caller) == "LeafNotProved()"
    escape.take_cash(ALICE)
    settle_prices(escape, {7: 104}, NEAR)
    for caller in (escape.owner(BOB), escape.stranger):
        group = (ALICE, 7, escape.positions(ALICE), caller)
        refusal = escape.refusal("takeGroup", *group, caller=caller)
        assert refusal == f"NotTheOwner({ALICE}, {caller.lower()})"


def test_every_field_of_an_account_is_bound(escape: Escape) -> None:
    escape.show_groups()
    leaf, path = account_leaf(escape.account(ALICE)), account_path(escape.proved_tree, escape.account(ALICE))
    owner = escape.owner(ALICE)
    other = account_path(escape.proved_tree, escape.account(BOB))
    more = Position(leaf.positions[0] >> 25, 1)  # type: ignore[arg-type]
    first, *rest = leaf.positions
    tampered = [
        (replace(leaf, account=BOB), path),
        (replace(leaf, account=BOB), other),
        (replace(leaf, account=CAROL + 5), path),
        (replace(leaf, cash=leaf.cash + 1), path),
        (replace(leaf, nonce=leaf.nonce + 1), path),
        (replace(leaf, order_floor=leaf.order_floor + 1), path),
        (replace(leaf, key=(leaf.key[0] + (1 << 128), *leaf.key[1:])), path),
        (replace(leaf, key=(*leaf.key[:2], 1)), path),
        (replace(leaf, positions=()), path),
        (replace(leaf, positions=tuple(rest)), path),
        (replace(leaf, positions=(first + 1, *rest)), path),
        (replace(leaf, positions=(first - 1, *rest)), path),
        (replace(leaf, positions=(first ^ 1 << 25, *rest)), path),
        (replace(leaf, positions=(*leaf.positions, (9 << 25 | 1) << 25 | more.lots + (1 << 24))), path),
        (replace(leaf, positions=tuple(reversed(leaf.positions))), path),
        (leaf, other),
        (leaf, tuple(reversed(path))),
        (leaf, (path[0] ^ 1, *path[1:])),
        (leaf, (*path[:-1], path[-1] ^ 1)),
    ]
    for changed, way in tampered:
        assert escape.refusal("takeCash", astuple(changed), way, owner, caller=owner) == "LeafNotProved()"


def test_a_leaf_has_one_spelling(escape: Escape) -> None:
    """Bits that no field owns cannot be used to say one thing and hash another."""
    escape.show_groups()
    leaf, path = account_leaf(escape.account(ALICE)), account_path(escape.proved_tree, escape.account(ALICE))
    owner = escape.owner(ALICE)

    def refusal(changed: Any, way: Any = path) -> str:
        return escape.refusal("takeCash", astuple(changed), way, owner, caller=owner)

    first, second, *rest = leaf.positions
    # What runs out of one position's group would be the next one's option, were it let through.
    option = second >> 25 & 0x1FF_FFFF
    spilled = (first, second & ~(0x1FF_FFFF << 25), *rest)
    assert refusal(replace(leaf, positions=(first | option << 114, *spilled[1:]))).startswith(
        "PositionMalformed("
    )
    for bit in (66, 67, 100, 255):
        word = first | 1 << bit
        assert refusal(replace(leaf, positions=(word, second, *rest))) == f"PositionMalformed({word})"
    for lane in range(4):
        word = leaf.key[0] | 1 << 32 * lane
        assert refusal(replace(leaf, key=(word, *leaf.key[1:]))) == f"NotCanonical({word})"
    assert refusal(replace(leaf, key=(*leaf.key[:2], leaf.key[2] | 1 << 96))) == "BlocksMismatch(4, 27)"
    word = leaf.key[1] + 0x7F000001
    assert refusal(replace(leaf, key=(leaf.key[0], word, leaf.key[2]))) == f"NotCanonical({word})"
    for height in (0, 17, 33):
        word = path[height] | 1 << 255
        way = (*path[:height], word, *path[height + 1 :])
        assert refusal(leaf, way) == f"NotCanonical({word})"


def test_another_kind_of_leaf_is_no_account(escape: Escape) -> None:
    """The label and the region of the tree are part of what is hashed."""
    leaf = account_leaf(escape.account(ALICE))
    owner = escape.owner(ALICE)
    for index in (SYSTEM_INDEX, 2 << 32 | 7):
        way = path_words(escape.proved_tree, index)  # type: ignore[arg-type]
        assert escape.refusal("takeCash", astuple(leaf), way, owner, caller=owner) == "LeafNotProved()"


def test_a_root_before_or_after_the_last_proved_one_is_refused() -> None:
    escape = Escape()
    escape.deposit(0, 100)
    escape.batch()
    stale = escape.cash_arguments(1)
    escape.deposit(0, 20)
    escape.batch()
    escape.deposit(0, 30)
    escape.seal()
    proved = escape.proved
    escape.proved = 3
    unproved = escape.cash_arguments(1)
    escape.proved = proved
    good = escape.cash_arguments(1)
    escape.freeze()
    owner = escape.people[0]
    assert escape.refusal("takeCash", *stale, owner, caller=owner) == "LeafNotProved()"
    assert escape.refusal("takeCash", *unproved, owner, caller=owner) == "LeafNotProved()"
    assert escape.refusal("takeCash", *good, owner, caller=owner) == "accepted"
    assert escape.take_cash(1) == 120


def test_a_group_must_have_been_shown_and_is_shown_once(escape: Escape) -> None:
    owner = escape.owner(ALICE)
    arguments = (*escape.cash_arguments(ALICE), owner)
    assert escape.refusal("takeCash", *arguments, caller=owner) == "GroupNotProved(7)"
    assert escape.refusal("priceOf", 7, caller=owner) == "GroupNotProved(7)"
    escape.ask("showGroup", *escape.group_arguments(7), caller=escape.stranger)
    assert escape.refusal("takeCash", *arguments, caller=owner) == "GroupNotProved(8)"
    refusal = escape.refusal("showGroup", *escape.group_arguments(7), caller=escape.stranger)
    assert refusal == "GroupAlreadyProved(7)"


def test_every_field_of_a_group_is_bound(escape: Escape) -> None:
    found = escape.proved_state.group(GroupId(7))
    assert found is not None
    leaf, (_, path) = group_leaf(found, escape.proved_tree.hasher), escape.group_arguments(7)
    changes: list[dict[str, Any]] = [
        {"group": 8},
        {"group": 9},
        {"underlying": 2},
        {"expiry": leaf.expiry + 1},
        {"cap": leaf.cap + 1},
        {"cap": leaf.cap + (1 << 24)},
        {"tick_micro_dollars": 1},
        {"lot_micro_units": 1},
        {"tick_value": leaf.tick_value + 1},
        {"is_fixed": True},
        {"is_fixed": True, "price": 100},
        {"price": 1},
        {"pool": leaf.pool + 1},
        {"pool": leaf.pool ^ 1 << 63},
        {"series_count": leaf.series_count - 1},
        {"series_digest": leaf.series_digest ^ 1},
        {"series_digest": leaf.series_digest ^ 1 << 224},
    ]
    for change in changes:
        refusal = escape.refusal("showGroup", astuple(replace(leaf, **change)), path, caller=escape.stranger)
        assert refusal == "LeafNotProved()", change


def test_a_group_is_taken_once_with_all_that_was_held(escape: Escape) -> None:
    escape.show_groups()
    owner = escape.owner(CAROL)
    positions = escape.positions(CAROL)
    settle_prices(escape, {7: 80}, NEAR)
    early = (CAROL, 7, positions, owner)
    assert escape.refusal("takeGroup", *early, caller=owner) == f"NotTheOwner({CAROL}, {owner.lower()})"
    escape.take_cash(CAROL)
    tampered = [
        [],
        positions[:-1],
        positions[1:],
        [positions[0] + 1, *positions[1:]],
        [positions[0] ^ 1 << 26, *positions[1:]],
        [*positions, positions[-1]],
        [positions[0] | 1 << 66, *positions[1:]],
    ]
    for changed in tampered:
        refusal = escape.refusal("takeGroup", CAROL, 7, changed, owner, caller=owner)
        assert refusal == f"PositionsDiffer({CAROL})"
    assert escape.refusal("takeGroup", CAROL, 9, positions, owner, caller=owner) == "GroupNotProved(9)"
    escape.take_group(CAROL, 7)
    for recipient in (owner, escape.stranger):
        refusal = escape.refusal("takeGroup", CAROL, 7, positions, recipient, caller=owner)
        assert refusal == f"GroupAlreadyTaken({CAROL}, 7)"


def test_a_group_that_an_account_does_not_hold_pays_nothing(escape: Escape) -> None:
    escape.show_groups()
    settle_prices(escape, {7: 80, 8: 100}, FAR)
    escape.take_cash(BOB)
    owner = escape.owner(BOB)
    refusal = escape.refusal("takeGroup", BOB, 8, escape.positions(BOB), owner, caller=owner)
    assert refusal == f"GroupNotHeld({BOB}, 8)"
    # An account without positions has nothing to show.
    escape.take_cash(TREASURY)
    owner = escape.owner(TREASURY)
    refusal = escape.refusal("takeGroup", TREASURY, 7, [], owner, caller=owner)
    assert refusal == f"PositionsDiffer({TREASURY})"


def test_recipients_that_would_lose_the_money_are_refused(escape: Escape) -> None:
    escape.show_groups()
    owner = escape.owner(ALICE)
    for recipient in (ZERO, escape.exits.address, escape.house.address):
        refusal = escape.refusal("takeCash", *escape.cash_arguments(ALICE), recipient, caller=owner)
        assert refusal == f"RecipientRefused({recipient.lower()})"


def test_a_deposit_is_refunded_once_to_who_paid_it_and_exactly() -> None:
    escape = Escape()
    escape.deposit(0, 100)
    escape.batch()
    escape.deposit(1, 40, payer=2)
    escape.force_out(0)
    escape.freeze()
    payer = escape.people[2]
    position, account, owner, amount = escape.refund_arguments(1)
    good = (position, account, owner, amount, payer)
    for caller in (escape.people[1], escape.stranger):
        assert escape.refusal("refund", *good, caller=caller) == "NotThatDeposit(1)"
    for changed in (
        (1, account, owner, amount + 1),
        (1, account + 1, owner, amount),
        (1, account, payer, amount),
        (2, account, owner, amount),
    ):
        refusal = escape.refusal("refund", *changed, payer, caller=payer)
        assert refusal == f"NotThatDeposit({changed[0]})"
    end = len(escape.queue)
    for served_or_none in (0, end, 1 << 31):
        refusal = escape.refusal("refund", served_or_none, account, owner, amount, payer, caller=payer)
        assert refusal == f"ItemNotWaiting({served_or_none}, 1, {end})"
    assert escape.refund(1) == 40
    assert escape.refusal("refund", *good, caller=payer) == "AlreadyRefunded(1)"


def test_an_item_of_another_kind_is_no_deposit() -> None:
    """The kind is part of the running hash, so a body of the same bytes under another tag is another item."""
    escape = Escape()
    escape.deposit(0, 100)
    escape.batch()
    escape.force_out(0)
    escape.enqueue("registerKey", 0, 1, KEY_X, KEY_Y, caller=escape.people[0], value=10**17)
    escape.engine.now += WINDOW + 1
    escape.engine.send(escape.house, "freeze", caller=escape.stranger)
    owner = escape.people[0]
    for position in (1, 2):
        refusal = escape.refusal("refund", position, 1, owner, 100, owner, caller=owner)
        assert refusal == f"NotThatDeposit({position})"


def test_exits_of_another_house_are_refused_at_deployment() -> None:
    escape = Escape()
    with pytest.raises(RuntimeError) as refused:
        escape.deploy_house(escape.stranger)
    assert error_name(str(refused.value)) == f"ExitsOfAnotherHouse({escape.exits.address.lower()})"


def test_a_token_that_calls_back_gets_nothing_twice() -> None:
    """Here the token itself owns an account and a deposit: what it asks for while it is called is refused."""
    escape = Escape("HostileToken")
    owner = escape.token.address
    escape.deposit(0, 100)
    escape.enqueue("deposit", owner, 200, caller=escape.people[0])
    escape.batch()
    escape.freeze()
    call = calldata("Exits", "takeCash", *escape.cash_arguments(2), escape.stranger)
    escape.engine.send(escape.token, "setCallback", escape.exits.address, call, caller=escape.stranger)
    escape.take_cash(1)
    answer = escape.engine.send(escape.token, "answer", caller=escape.stranger)
    assert answer == keccak256(b"Reentered()")[:4]
    assert int(escape.ask("departure", 2, caller=escape.stranger)[0], 16) == 0
    assert escape.call("vaultBalance") == 201


def test_a_token_that_refuses_to_pay_undoes_the_exit() -> None:
    escape = Escape("HostileToken")
    escape.deposit(0, 100)
    escape.batch()
    escape.freeze()
    reverts = 5
    escape.engine.send(escape.token, "setMood", reverts, caller=escape.stranger)
    owner = escape.people[0]
    arguments = (*escape.cash_arguments(1), owner)
    assert escape.refusal("takeCash", *arguments, caller=owner) == "TokenCallFailed()"
    assert escape.refusal("refund", *escape.refund_arguments(1), owner, caller=owner) == "TokenCallFailed()"
    escape.engine.send(escape.token, "setMood", 0, caller=escape.stranger)
    assert (escape.take_cash(1), escape.refund(1)) == (100, 1)


def test_a_leaf_whose_cash_does_not_cover_its_requirement_is_never_paid() -> None:
    """No batch of the rules leads to such a state; were one proved all the same, nothing would be paid out of it."""
    escape = Escape()
    market(escape)
    escape.seal(forged=[escape.account(ALICE).with_cash(1)])
    escape.prove()
    escape.freeze()
    escape.show_groups()
    owner = escape.owner(ALICE)
    refusal = escape.refusal("takeCash", *escape.cash_arguments(ALICE), owner, caller=owner)
    assert refusal.startswith("CashBelowRequirement(1, ")


def test_every_refusal_of_the_exits_is_asserted_by_a_test_and_used() -> None:
    text = (SOURCES / "ExitErrors.sol").read_text(encoding="utf-8")
    declared = set(re.findall(r"error (\w+)\(", text)) | {"NotCanonical", "BlocksMismatch"}
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_exit*.py"))
    assert [error for error in sorted(declared) if f"{error}(" not in tests] == []
    used = {
        part["name"]
        for name in ("Exits", "PoseidonTree")
        for part in artifact(name).abi
        if part["type"] == "error"
    }
    assert declared <= used
