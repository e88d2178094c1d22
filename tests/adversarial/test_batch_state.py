"""Cheats about state, queue, time and data, each consistent across the tables of a whole batch but for one lie.

Most of them are told by rules that lie, and then laid out, hashed, counted and bound to their data like a true batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import circuits.batch
import circuits.tree
from benchmarks.clearing_workload import plain
from circuits.batch import Row
from circuits.hash_ledger import HashLedger
from circuits.journey import AccountBook, SlotBook
from circuits.published import RUNNING, WORDS
from circuits.statement import DATA_DIGEST, POINT, VALUE
from circuits.witness import Followed
from prover.field.koalabear import PRIME, Montgomery
from prover.hash.domain import HashKind
from prover.hash.poseidon import POSEIDON16_20, RATE, sponge
from rollup.binding import data_hash, evaluate, point_of, running_values, words_of
from rollup.instruments import Group
from rollup.leaf_formats import system_elements
from rollup.outcome import QueueItem, RuleBrokenError
from rollup.rejections import Rejection
from rollup.state import Account, OrderSlot, System
from rollup.transactions import (
    Deposit,
    ForcedCancelOrders,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettlementPrice,
)
from rollup.transition import apply_l1_item
from rollup.units import MICRO, limbs_of
from tests.adversarial.forged_batches import Forged, laid_out
from tests.circuits.story import ALICE, BOB, ERIN, MARKET, Chapter, chapter, chapters

OWN = MARKET.owner
LATER = MARKET.time + 60
EXPIRED = MARKET.time + 2 * 86_400
NOBODY = 900
"""An account that does not exist."""


@dataclass(frozen=True, slots=True)
class Cheat:
    """A forged batch and everything that refuses it."""

    name: str
    reasons: frozenset[str]
    forge: Callable[[], Forged]


CHEATS: list[Cheat] = []


def refused(*reasons: str) -> Callable[[Callable[[], Forged]], Callable[[], Forged]]:
    """Register a forged batch that these constraints and buses refuse, and no others."""

    def register(forge: Callable[[], Forged]) -> Callable[[], Forged]:
        CHEATS.append(Cheat(forge.__name__, frozenset(reasons), forge))
        return forge

    return register


def told(items: Sequence[QueueItem], *, time: int = LATER, **lies: Any) -> Chapter:
    """The second batch of the story, of queue items alone, by rules of which some names are replaced."""
    with ExitStack() as stack:
        for name, value in lies.items():
            module, attribute = name.split("__")
            stack.enter_context(
                patch(f"rollup.{module.replace('_of_', '.')}.{attribute}", value, create=True)
            )
        return chapter(chapters()[0].outcome.state, 2, time, items, [])


@cache
def empty() -> Chapter:
    """A batch of nothing but its header."""
    return told([])


def ignored(kind: type, items: Sequence[QueueItem], *, time: int = LATER) -> Chapter:
    """A batch in which items of a kind have no effect, whatever the rules say."""

    def clear(*_: Any) -> Any:
        raise RuleBrokenError(Rejection.NOT_OWNER)

    with patch.object(kind, "clear", clear):
        return told(items, time=time)


def allows_all(*_: Any) -> None:
    """A `require` that requires nothing."""


def with_system(followed: Followed, **changes: Any) -> Followed:
    """A batch that leaves another system leaf."""
    state = followed.outcome.state
    system = replace(state.system, **changes)
    return replace(followed, outcome=replace(followed.outcome, state=state.with_leaves(system)))


def with_words(followed: Followed, first: int, *words: int) -> Followed:
    """A batch with other words in its data."""
    data = bytearray(followed.outcome.published)
    data[2 * first : 2 * (first + len(words))] = b"".join(word.to_bytes(2, "big") for word in words)
    return replace(followed, outcome=replace(followed.outcome, published=bytes(data)))


def high_first(number: int, bits: int) -> tuple[int, ...]:
    """A number as the data spells it."""
    return tuple(reversed(limbs_of(number, bits)))


def say_digest(forged: Forged, name: str, digest: Sequence[int]) -> None:
    """Write a public digest."""
    for i, element in enumerate(digest):
        forged.say(f"{name} {i}", element)


# ------------------------------------------------------------------------------------------------------- the statement


@refused("sixteen bits")
def no_header_that_states_the_length_plus_the_prime() -> Forged:
    def lie(followed: Followed) -> Followed:
        return with_words(followed, 1, *high_first(len(followed.outcome.published) + PRIME, 32))

    return laid_out(chapters()[1], lie, lambda row: replace(row, length=row.length + PRIME))


def _with_treasury(low: int, high: int) -> Forged:
    """The new system leaf with other limbs of the treasury."""
    spell = system_elements
    new = empty().outcome.state.system

    def elements(system: System) -> tuple[int, ...]:
        spelled = list(spell(system))
        if system.batch_number == new.batch_number:
            spelled[15:17] = low % PRIME, high % PRIME
        return tuple(spelled)

    with patch.object(circuits.batch, "system_elements", elements):
        forged = laid_out(empty())
    forged.put("batch", 0, new_treasury_0=low, new_treasury_1=high)
    return forged


@refused("sixteen bits", "two bytes")
def no_treasury_in_limbs_that_lend_to_each_other() -> Forged:
    return _with_treasury(empty().outcome.state.system.parameters.treasury + (1 << 16), -1)


@refused("two bytes")
def no_treasury_plus_the_prime() -> Forged:
    return _with_treasury(*limbs_of(empty().outcome.state.system.parameters.treasury + PRIME, 32))


@refused("the batch number grows")
def no_batch_number_but_the_next() -> Forged:
    def lie(followed: Followed) -> Followed:
        return with_system(with_words(followed, 3, 0, 3), batch_number=3)

    return laid_out(empty(), lie)


@refused("time does not run backwards: weight 2 is carried on")
def no_time_that_runs_backwards() -> Forged:
    def lie(followed: Followed) -> Followed:
        return with_system(with_words(followed, 5, *high_first(MARKET.time - 1, 48)), time=MARKET.time - 1)

    return laid_out(empty(), lie)


@refused("nodes")
def no_old_root_but_the_true_one() -> Forged:
    before = chapters()[0].outcome.state
    account = before.account(ALICE)
    assert account is not None
    richer = chapter(before.with_leaves(account.with_cash(account.cash + MICRO)), 2, LATER, [], [])
    forged = laid_out(richer)
    say_digest(forged, "old root", empty().tree.root)
    return forged


@refused("nodes")
def no_new_root_of_another_state() -> Forged:
    forged = laid_out(empty())
    say_digest(forged, "new root", empty().tree.root)
    return forged


def _with_old_system(change: Callable[[System], System], lie: Callable[[Followed], Followed]) -> Forged:
    """A batch that misreads the old system leaf, beside the true old root."""

    def row(found: Row) -> Row:
        return replace(found, before=change(found.before))

    forged = laid_out(empty(), lie, row)
    say_digest(forged, "old root", empty().tree.root)
    return forged


@refused("nodes")
def no_queue_that_starts_elsewhere() -> Forged:
    start = empty().before.system.queue_position + 1
    forged = _with_old_system(
        lambda system: replace(system, queue_position=any_type(start)),
        lambda followed: with_system(
            with_words(followed, 8, *high_first(start, 32)), queue_position=any_type(start)
        ),
    )
    for name in ("queue start", "queue end"):
        forged.say(f"{name} 0", start)
    return forged


def any_type(number: int) -> Any:
    """A number where the rules declare a type of their own."""
    return number


@refused("nodes")
def no_other_contract() -> Forged:
    deployment = empty().before.system.deployment
    other = replace(deployment, contract=any_type(deployment.contract ^ 1))
    forged = _with_old_system(
        lambda system: replace(system, deployment=other),
        lambda followed: with_system(followed, deployment=other),
    )
    forged.say("contract 0", other.contract & 0xFFFF)
    return forged


@refused("parameters")
def no_parameters_version_that_nobody_set() -> Forged:
    system = empty().before.system
    parameters = replace(system.parameters, version=any_type(system.parameters.version + 1))
    return laid_out(empty(), lambda followed: with_system(followed, parameters=parameters))


@refused("owed")
def no_money_that_is_owed_out_of_nothing() -> Forged:
    owed = empty().before.system.owed + 1
    return laid_out(empty(), lambda followed: with_system(followed, owed=any_type(owed)))


@refused("the data is calldata")
def no_data_of_another_kind() -> Forged:
    forged = laid_out(empty())
    forged.say("data kind", 1)
    return forged


# ----------------------------------------------------------------------------------------------------------- the queue


@refused("item cursor")
def no_skipped_queue_item() -> Forged:
    end = empty().before.system.queue_position + 1

    def lie(followed: Followed) -> Followed:
        return with_system(with_words(followed, 10, 1), queue_position=any_type(end))

    forged = laid_out(empty(), lie, lambda row: replace(row, items=1))
    forged.say("queue end 0", end)
    return forged


@refused("the queue position grows")
def no_queue_end_beyond_what_was_served() -> Forged:
    end = empty().before.system.queue_position + 1
    return laid_out(empty(), lambda followed: with_system(followed, queue_position=any_type(end)))


@refused("item cursor", "data words")
def no_queue_item_twice() -> Forged:
    once, twice = (told([plain(Deposit, ERIN, OWN(ERIN), OWN(ERIN), 3)] * count) for count in (1, 2))
    position = once.outcome.state.system.queue_position

    def lie(followed: Followed) -> Followed:
        shorter = replace(followed, outcome=replace(followed.outcome, published=once.outcome.published))
        return with_system(shorter, queue_position=any_type(position))

    end = len(once.outcome.published) // 2
    return laid_out(
        twice,
        lie,
        lambda row: replace(
            row, items=1, records_offset=end, claims_offset=end, length=len(once.outcome.published)
        ),
    )


GIFT = plain(Deposit, ERIN, OWN(ERIN), OWN(BOB), 3)
ALIEN = plain(Deposit, ERIN, OWN(BOB), OWN(BOB), 77)


def _refunded(forged: Forged) -> Forged:
    """The first deposit's last columns as if it had not been credited."""
    for name in ("cash", "owed"):
        for i in range(4):
            column = f"{name}_after_limb_{i}"
            before = f"{name}_{i}".replace("_", " ")
            forged.put("deposits", 0, **{column: forged.get("deposits", 0, before)})
        for m in range(1, 4):
            forged.put("deposits", 0, **{f"what_is_credited_raises_{name}_carry_{m}": 0})
    forged.put("deposits", 0, is_refunded=1)
    return forged


@refused("the vault has room exactly below its cap: weight 4 is carried on")
def no_deposit_refused_for_want_of_room() -> Forged:
    forged = _refunded(laid_out(ignored(Deposit, [GIFT])))
    forged.put("deposits", 0, has_room=0, a_deposit_is_credited_up_to_3=0)
    return _resettle_room(forged)


def _resettle_room(forged: Forged) -> Forged:
    """The room's difference and carries, as far as they can be made to fit."""
    cap = limbs_of(any_type(1 << 62), 64)
    has_room = forged.get("deposits", 0, "has room")
    amount, owed = (
        [forged.get("deposits", 0, f"{name} {i}") for i in range(4)] for name in ("amount", "owed")
    )
    carry = 0
    for m, limit in enumerate((*cap, 0)):
        total = amount[m] + owed[m] if m < 4 else 0
        term = (limit - total if has_room else total - limit - int(m == 0)) + carry
        forged.put("deposits", 0, **{f"room_limb_{m}": term & 0xFFFF})
        carry = term >> 16
        if m < 4:
            forged.put("deposits", 0, **{f"the_vault_has_room_exactly_below_its_cap_carry_{m + 1}": carry})
    return forged


@refused("owner: what is called different differs")
def no_deposit_refused_as_another_owners() -> Forged:
    forged = _refunded(laid_out(ignored(Deposit, [GIFT])))
    forged.put("deposits", 0, owner_is_same=0, is_owned=0)
    forged.put("deposits", 0, a_deposit_is_credited_up_to_2=0, a_deposit_is_credited_up_to_3=0)
    return forged


@refused("sixteen bits")
def no_deposit_refused_for_a_number_that_fits() -> Forged:
    forged = _refunded(laid_out(ignored(Deposit, [GIFT])))
    forged.put("deposits", 0, account_fits=0, account_is_read=0)
    forged.put("deposits", 0, identity=0, identity_is_something=0, identity_inverse=0, is_owned=0)
    forged.put("deposits", 0, identity_after=0)
    for i in (1, 2, 3):
        forged.put("deposits", 0, **{f"a_deposit_is_credited_up_to_{i}": 0})
    forged.put("accounts", _row_of(forged, ERIN), time=0)
    return forged


def _row_of(forged: Forged, account: int) -> int:
    """Where an account's leaf is laid out."""
    return next(i for i in range(forged.live["accounts"]) if forged.get("accounts", i, "low") == account)


@refused("an amount that is not credited is claimed")
def no_deposit_dropped_without_a_refund() -> Forged:
    with patch.object(Deposit, "refund", lambda _: None):
        forged = laid_out(told([ALIEN]))
    forged.put("deposits", 0, is_refunded=0)
    return forged


def _credited(forged: Forged) -> Forged:
    """The first deposit's last columns as if it had been credited."""
    for name in ("cash", "owed"):
        carry = 0
        for i in range(4):
            term = forged.get("deposits", 0, f"{name} {i}") + forged.get("deposits", 0, f"amount {i}") + carry
            carry = term >> 16
            forged.put("deposits", 0, **{f"{name}_after_limb_{i}": term & 0xFFFF})
            if i < 3:
                forged.put("deposits", 0, **{f"what_is_credited_raises_{name}_carry_{i + 1}": carry})
    forged.put("deposits", 0, is_refunded=0, a_deposit_is_credited_up_to_2=1, a_deposit_is_credited_up_to_3=1)
    return forged


@refused("owner: what is called the same agrees")
def no_deposit_to_another_owners_account() -> Forged:
    forged = _credited(laid_out(told([ALIEN], transactions_of_deposit__require=allows_all)))
    return _called_the_owners(forged)


def _called_the_owners(forged: Forged) -> Forged:
    """The first deposit's account as if it were the owner's who is named."""
    forged.put("deposits", 0, owner_is_same=1, is_owned=1)
    for i in range(10):
        forged.put("deposits", 0, **{f"owner_weight_{i}": 0})
    return forged


@refused("the vault has room exactly below its cap: weight 4 is carried on")
def no_deposit_above_the_cap() -> Forged:
    huge = plain(Deposit, ERIN, OWN(ERIN), OWN(BOB), 1 << 62)
    forged = _credited(laid_out(told([huge], transactions_of_deposit__VAULT_CAP=1 << 63)))
    forged.put("deposits", 0, has_room=1)
    return _resettle_room(forged)


@refused("an amount that is not credited is claimed", "claims")
def no_claim_of_a_dead_row() -> Forged:
    forged = laid_out(told([GIFT]))
    inverse = pow(5, -1, PRIME)
    forged.put("deposits", 1, amount_0=5, amount_is_something=1, amount_inverse=inverse, is_refunded=1)
    return forged


@refused("an item is not younger than the batch: weight 2 is carried on")
def no_queue_item_from_the_future() -> Forged:
    def serve(state: Any, queued: Any, check: Any) -> Any:
        return apply_l1_item(state, queued.item, check)

    with patch("tests.circuits.story.plain", _queued_later):
        return laid_out(told([GIFT], batch__serve_item=serve))


def _queued_later(kind: Any, *values: Any) -> Any:
    """Items of the story, queued a second after their batch."""
    if kind.__name__ == "QueuedItem":
        return plain(kind, values[0] + 1, *values[1:])
    return plain(kind, *values)


def _registration(owner: int) -> QueueItem:
    key = MARKET.secrets[ALICE].trading_key
    return plain(RegisterKey, BOB, OWN(owner), 3, key.suite, key.x, key.y)


@refused("refused as a fixed point")
def no_good_key_refused_as_a_fixed_point() -> Forged:
    forged = laid_out(ignored(RegisterKey, [_registration(BOB)]))
    forged.put("registrations", 0, is_fixed_point_0=1)
    return forged


@refused("refused for not meeting the curve's equation")
def no_good_key_refused_as_off_the_curve() -> Forged:
    forged = laid_out(ignored(RegisterKey, [_registration(BOB)]))
    forged.put("registrations", 0, because_the_key_is_a_fixed_point_or_its_negative=0)
    forged.put("registrations", 0, because_the_key_is_off_the_curve=1)
    return forged


@refused("sixteen bits")
def no_good_key_refused_as_not_canonical() -> Forged:
    forged = laid_out(ignored(RegisterKey, [_registration(BOB)]))
    forged.put("registrations", 0, because_the_key_is_a_fixed_point_or_its_negative=0)
    forged.put("registrations", 0, because_an_element_is_not_canonical=1)
    forged.put("registrations", 0, is_element_0=1, is_beyond_the_top=1)
    return forged


@refused("sixteen bits")
def no_key_that_is_not_canonical() -> Forged:
    key = MARKET.secrets[ALICE].trading_key
    beyond = (key.x[0] + PRIME, *key.x[1:])
    item = plain(RegisterKey, BOB, OWN(BOB), 3, key.suite, beyond, key.y)
    with patch.object(RegisterKey, "new_key", lambda _: key):
        return laid_out(told([item]))


@refused("a key is set by the owner", "identities")
def no_key_but_the_owners() -> Forged:
    def any_account(state: Any, account: Any, _: Any) -> Any:
        return state.account(account)

    return laid_out(told([_registration(ALICE)], transactions_of_register_key__owned_account=any_account))


@refused("refused for its suite")
def no_good_key_refused_for_its_suite() -> Forged:
    forged = laid_out(ignored(RegisterKey, [_registration(BOB)]))
    forged.put("registrations", 0, because_the_key_is_a_fixed_point_or_its_negative=0)
    forged.put("registrations", 0, because_the_suite_is_not_the_proven_one=1)
    return forged


@refused("accounts")
def no_floor_that_the_owner_raised_in_vain() -> Forged:
    return laid_out(ignored(ForcedCancelOrders, [plain(ForcedCancelOrders, BOB, OWN(BOB), 1 << 20)]))


@refused("the old floor: limb 1 of the difference is the larger number's less the smaller's")
def no_higher_floor_called_lower() -> Forged:
    forged = laid_out(ignored(ForcedCancelOrders, [plain(ForcedCancelOrders, BOB, OWN(BOB), 1 << 20)]))
    forged.put("forced cancellations", 0, the_old_floor_is_less=0, is_raised=0)
    old, new = (
        [forged.get("forced cancellations", 0, f"{name} {i}") for i in range(2)]
        for name in ("floor", "new floor")
    )
    borrow = int(old[0] < new[0])
    low, high = old[0] - new[0] + (borrow << 16), (old[1] - new[1] - borrow) & 0xFFFF
    forged.put("forced cancellations", 0, the_old_floor_borrow_0=borrow)
    forged.put("forced cancellations", 0, the_old_floor_difference_limb_0=low)
    forged.put("forced cancellations", 0, the_old_floor_difference_limb_1=high)
    return forged


@refused("a price above the cap is the cap")
def no_price_above_the_cap() -> Forged:
    def lower(first: int, _: int) -> int:
        return first

    forged = laid_out(
        told([plain(SettlementPrice, 1, 1 << 10)], time=EXPIRED, transactions_of_settlement_price__min=lower)
    )
    forged.put("settlement prices", 0, clamped_0=1 << 10, clamped_1=0)
    return forged


@refused("now: limb 2 of the difference is the larger number's less the smaller's")
def no_price_before_the_expiry() -> Forged:
    forged = laid_out(
        told([plain(SettlementPrice, 1, 100)], transactions_of_settlement_price__require=allows_all)
    )
    forged.put("settlement prices", 0, now_is_less=0, a_price_is_taken_up_to_2=1)
    return _resettle_now(forged, "settlement prices")


def _resettle_now(forged: Forged, table: str) -> Forged:
    """The limbs of now less the expiry, as far as they can be made to fit."""
    borrow = 0
    for i, now in enumerate(limbs_of(any_type(LATER), 48)):
        term = now - forged.get(table, 0, f"expiry {i}") - borrow
        forged.put(table, 0, **{f"now_difference_limb_{i}": term & 0xFFFF})
        borrow = int(term < 0)
        if i < 2:
            forged.put(table, 0, **{f"now_borrow_{i}": borrow})
    return forged


@refused("groups")
def no_second_price() -> Forged:
    prices = [plain(SettlementPrice, 1, price) for price in (100, 90)]
    forged = laid_out(told(prices, time=EXPIRED, transactions_of_settlement_price__require=allows_all))
    forged.put("settlement prices", 1, a_price_is_taken_up_to_1=1, a_price_is_taken_up_to_2=1)
    forged.put("settlement prices", 1, is_fixed=0)
    return forged


@refused("series places")
def no_listing_refused_as_a_second_one() -> Forged:
    forged = laid_out(ignored(ListSeries, [plain(ListSeries, 1, 77, 0)]))
    forged.put("series listings", 0, is_listed_already=1, a_series_is_taken_up_to_6=0)
    return forged


@refused("sixteen bits")
def no_series_twice() -> Forged:
    with patch.object(Group, "lists", lambda *_: False):
        forged = laid_out(told([plain(ListSeries, 1, 95, 0)]))
    forged.put("series listings", 0, is_listed_already=0, a_series_is_taken_up_to_6=1)
    return forged


@refused("sixteen bits")
def no_listing_refused_for_a_later_one() -> Forged:
    take, calls = ListSeries.clear, []

    def clear(item: ListSeries, state: Any) -> Any:
        calls.append(item)
        if len(calls) == 1:
            raise RuleBrokenError(Rejection.SERIES_ALREADY_LISTED)
        return take(item, state)

    with patch.object(ListSeries, "clear", clear):
        forged = laid_out(told([plain(ListSeries, 1, 77, 0)] * 2))
    place = forged.get("series listings", 1, "series count")
    forged.put(
        "series listings", 0, is_listed_already=1, place_of_the_same=place, a_series_is_taken_up_to_6=0
    )
    return forged


@refused("a digest", "group statics")
def no_group_with_other_terms_afterwards() -> Forged:
    fix = SettlementPrice.clear

    def clear(item: SettlementPrice, state: Any) -> Any:
        after, event = fix(item, state)
        group = after.group(item.group)
        assert group is not None
        wider = replace(group, cap=any_type(group.cap + 1))
        return after.with_leaves(wider), replace(event, changes=(replace(event.changes[0], after=wider),))

    with patch.object(SettlementPrice, "clear", clear):
        return laid_out(told([plain(SettlementPrice, 1, 100)], time=EXPIRED))


@refused("identity: what is called something has an inverse")
def no_treasury_that_is_no_account() -> Forged:
    change = plain(SetParameters, 1, 2, NOBODY)
    forged = laid_out(told([change], transactions_of_set_parameters__require=allows_all))
    forged.put("parameter changes", 0, identity_is_something=1)
    return forged


# ---------------------------------------------------------------------------------------------------------- the leaves


@refused("nodes")
def no_leaf_twice() -> Forged:
    forged = laid_out(chapters()[2])
    row = forged.live["slots"]
    source = next(i for i in range(row) if forged.get("slots", i, "old exists"))
    forged.copy_row("slots", source, row)
    forged.put("slots", row, time=0, time_inverse=0, old_call=5000, new_call=5001)
    for name in ("number 0", "number 1", "filled 0", "filled 1", *(f"digest {i}" for i in range(8))):
        old = forged.get("slots", row, f"old {name}")
        forged.put("slots", row, **{f"new_{name}".replace(" ", "_"): old})
    return forged


@refused("slots")
def no_leaf_closed_with_other_content() -> Forged:
    def lie(followed: Followed) -> Followed:
        book = next(iter(followed.journey.slots.values()))
        assert book.slot is not None
        book.slot = replace(book.slot, filled=any_type(0))
        return followed

    return laid_out(chapters()[1], lie)


@refused("accounts")
def no_cash_that_nobody_wrote() -> Forged:
    def lie(followed: Followed) -> Followed:
        book = followed.journey.accounts[ALICE]
        assert book.account is not None
        book.account = book.account.with_cash(book.account.cash + MICRO)
        return followed

    return laid_out(chapters()[1], lie)


@refused("a leaf that begins to be was written by somebody")
def no_new_leaf_of_zeros() -> Forged:
    def lie(followed: Followed) -> Followed:
        slot = plain(OrderSlot, ALICE, 200, 0, 0)
        followed.journey.slots[ALICE, 200] = SlotBook(None, slot)
        return followed

    return laid_out(chapters()[1], lie)


@refused("accounts")
def no_new_account_that_nobody_opened() -> Forged:
    def lie(followed: Followed) -> Followed:
        account = plain(Account, NOBODY, OWN(BOB), None, 0, 0, 5, ())
        identity = followed.journey.identity_of(account)
        followed.journey.accounts[NOBODY] = AccountBook(None, account, 0, identity)
        return followed

    return laid_out(told([GIFT]), lie)


@refused("no slot is removed", "slots")
def no_leaf_removed() -> Forged:
    def lie(followed: Followed) -> Followed:
        book = next(book for book in followed.journey.slots.values() if book.first is not None)
        book.slot = None
        return followed

    return laid_out(chapters()[2], lie)


@refused("a left child that nothing touches stays as it is")
def no_new_path_with_other_siblings() -> Forged:
    others = chapters()[0].tree
    lay_out, own = circuits.tree.lay_out, circuits.tree.siblings_in(empty().tree)

    def two_paths(
        indices: Any, old: Montgomery, new: Montgomery, siblings: Any, ledger: HashLedger
    ) -> circuits.tree.Rows:
        del siblings
        first = lay_out(indices, old, old, own, ledger)
        second = lay_out(indices, new, new, circuits.tree.siblings_in(others), ledger)
        both = [(first, second)[side % 2].digests[side] for side in range(6)]
        return replace(first, digests=np.stack(both))

    with patch.object(circuits.tree, "lay_out", two_paths):
        return laid_out(empty())


@refused("nodes")
def no_account_at_another_place() -> Forged:
    forged = laid_out(told([GIFT]))
    # The same account, but limbs that lend to each other name another place.
    forged.put("accounts", _row_of(forged, ERIN), high=1, low=ERIN - (1 << 16))
    return forged


@refused("a digest", "positions")
def no_list_but_the_one_that_was_hashed() -> Forged:
    forged = laid_out(chapters()[2])
    row = next(i for i in range(9) if forged.get("position lists", i, "has position 0"))
    lots = forged.get("position lists", row, "position 0 shifted lots")
    forged.put("position lists", row, position_0_shifted_lots=lots + 1)
    return forged


@refused("sixteen bits")
def no_access_that_reads_what_a_later_one_writes() -> Forged:
    items = [plain(Deposit, ERIN, OWN(ERIN), OWN(ERIN), amount) for amount in (3, 5)]
    forged = laid_out(told(items))
    start = forged.get("deposits", 0, "cash 0")
    for row, cash, time in ((1, start, 0), (0, start + 5, forged.get("deposits", 1, "clock") + 3)):
        amount = forged.get("deposits", row, "amount 0")
        forged.put("deposits", row, cash_0=cash, cash_after_limb_0=cash + amount, account_old_time=time)
        gap = forged.get("deposits", row, "clock") + 3 - time - 1
        low, high = (gap, 0) if gap < 0 else (gap & 0x1FFF, gap >> 13)
        forged.put("deposits", row, account_gap_low=low, account_gap_high=high)
    forged.put("accounts", _row_of(forged, ERIN), time=forged.get("deposits", 0, "clock") + 3)
    return forged


@refused("a dead row provides no owner", "every identity has the next number")
def no_owner_of_a_dead_row() -> Forged:
    forged = _credited(laid_out(told([ALIEN], transactions_of_deposit__require=allows_all)))
    _called_the_owners(forged)
    dead = forged.live["identities"]
    for i, limb in enumerate(limbs_of(OWN(BOB), 160)):
        forged.put("deposits", 0, **{f"stored_owner_{i}": limb})
        forged.put("identities", dead, **{f"owner_{i}": limb})
    identity = forged.get("deposits", 0, "identity")
    forged.put("identities", dead, number=identity, account_0=ERIN)
    return forged


# ------------------------------------------------------------------------------------------------------------ the data


@refused("the last value is the statement's")
def no_words_that_are_not_sixteen_bits() -> Forged:
    batch = told([ALIEN])
    forged = laid_out(batch)
    amount = forged.get("deposits", 0, "amount 0")
    forged.put("deposits", 0, amount_0=amount + (1 << 16), amount_1=-1)
    forged.put("deposits", 0, amount_inverse=pow(amount + 0xFFFF, -1, PRIME))
    carry = forged.get("deposits", 0, "the vault has room exactly below its cap carry 1")
    forged.put("deposits", 0, the_vault_has_room_exactly_below_its_cap_carry_1=carry - 1)
    forged.put("claims", 0, amount_limb_0=amount + (1 << 16), amount_limb_1=-1)
    published = batch.outcome.published
    words = words_of(published)
    item_end, claim_end = len(words) - 14, len(words)
    for end in (item_end, claim_end):
        words[end - 2 : end] = PRIME - 1, amount + (1 << 16)
    digest = sponge(POSEIDON16_20, HashKind.BATCH_DATA, words)
    deployment, number = batch.before.system.deployment, batch.outcome.state.system.batch_number
    point = point_of(deployment, number, len(published), digest, data_hash(published))
    for names, values in ((DATA_DIGEST, digest), (POINT, point), (VALUE, evaluate(published, point))):
        for name, value in zip(names, values, strict=True):
            forged.say(name, value)
    padded = np.zeros((-(-len(words) // RATE) + 1, RATE), np.uint64)
    padded[0, -1] = 1
    padded.reshape(-1)[RATE : RATE + len(words)] = words
    running = running_values(padded, point)[:, 1:]
    for row in range(len(padded) - 1):
        for name, value in zip(WORDS, padded[row + 1].tolist(), strict=True):
            forged.put("data", row, **{name.replace(" ", "_"): value})
        for name, value in zip(RUNNING, running[:, row].tolist(), strict=True):
            forged.put("data", row, **{name.replace(" ", "_"): value})
    return forged


@refused("data words")
def no_data_but_what_was_done() -> Forged:
    last_of_item = 13 + 4 + 26 - 1
    return laid_out(told([GIFT]), lambda followed: with_words(followed, last_of_item, 4))


@refused("claims")
def no_claim_of_another_owner() -> Forged:
    def lie(followed: Followed) -> Followed:
        (_, amount), *rest = followed.journey.claims
        followed.journey.claims[:] = [(OWN(ALICE), amount), *rest]
        first = len(followed.outcome.published) // 2 - 14 * (len(rest) + 1)
        return with_words(followed, first, *high_first(OWN(ALICE), 160))

    return laid_out(chapters()[1], lie)


@refused("claims", "record cursor")
def no_claim_left_out() -> Forged:
    def lie(followed: Followed) -> Followed:
        followed.journey.claims.pop()
        published = followed.outcome.published[:-28]
        shorter = replace(followed, outcome=replace(followed.outcome, published=published))
        return with_words(
            with_words(shorter, 1, *high_first(len(published), 32)), 12, len(followed.journey.claims)
        )

    return laid_out(chapters()[1], lie)


@refused("data words", "the data ends with its claims")
def no_unpublished_data() -> Forged:
    def lie(followed: Followed) -> Followed:
        published = followed.outcome.published[:-2]
        shorter = replace(followed, outcome=replace(followed.outcome, published=published))
        return with_words(shorter, 1, *high_first(len(published), 32))

    return laid_out(chapters()[1], lie)


@pytest.mark.parametrize("which", range(3))
def test_an_honest_batch_is_accepted(which: int) -> None:
    assert not laid_out(chapters()[which]).wrong()


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_cheat_is_refused_for_its_own_reason(cheat: Cheat) -> None:
    assert cheat.forge().wrong() == cheat.reasons
