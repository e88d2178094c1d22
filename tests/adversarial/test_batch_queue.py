"""Cheats about the queue and what it does, each consistent across the tables of a whole batch but for one lie.

Most of them are told by rules that lie, and then laid out, hashed, counted and bound to their data like a true batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks.clearing_workload import plain
from circuits.witness import Followed
from prover.field.koalabear import PRIME
from rollup.batch import BatchOutcome, apply_batch
from rollup.events import Fee
from rollup.instruments import Group
from rollup.outcome import QueueItem, RuleBrokenError
from rollup.rejections import Rejection
from rollup.schnorr import SepticSchnorr
from rollup.transactions import (
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettlementPrice,
)
from rollup.transition import apply_l1_item
from rollup.units import limbs_of
from tests.adversarial.batch_lies import (
    ALIEN,
    EXPIRED,
    GIFT,
    LATER,
    NOBODY,
    OWN,
    Cheat,
    allows_all,
    any_type,
    called_the_owners,
    cheats_of,
    credited,
    empty,
    high_first,
    ignored,
    refused,
    row_of,
    told,
    with_system,
    with_words,
)
from tests.adversarial.forged_batches import Forged, laid_out
from tests.circuits.story import ALICE, BOB, ERIN, MARKET, chapters


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
    forged.put("accounts", row_of(forged, ERIN), time=0)
    return forged


@refused("an amount that is not credited is claimed")
def no_deposit_dropped_without_a_refund() -> Forged:
    with patch.object(Deposit, "refund", lambda _: None):
        forged = laid_out(told([ALIEN]))
    forged.put("deposits", 0, is_refunded=0)
    return forged


@refused("owner: what is called the same agrees")
def no_deposit_to_another_owners_account() -> Forged:
    forged = credited(laid_out(told([ALIEN], transactions_of_deposit__require=allows_all)))
    return called_the_owners(forged)


@refused("the vault has room exactly below its cap: weight 4 is carried on")
def no_deposit_above_the_cap() -> Forged:
    huge = plain(Deposit, ERIN, OWN(ERIN), OWN(BOB), 1 << 62)
    forged = credited(laid_out(told([huge], transactions_of_deposit__VAULT_CAP=1 << 63)))
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


@refused("refused for not meeting the curve's equation")
def no_good_key_refused_as_off_the_curve() -> Forged:
    return laid_out(ignored(RegisterKey, [_registration(BOB)]))


@refused("sixteen bits")
def no_good_key_refused_as_not_canonical() -> Forged:
    forged = laid_out(ignored(RegisterKey, [_registration(BOB)]))
    forged.put("registrations", 0, because_the_key_is_off_the_curve=0)
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
    forged.put("registrations", 0, because_the_key_is_off_the_curve=0)
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


@refused("identity: what is called nothing is zero")
def no_parameters_dropped_for_want_of_a_treasury() -> Forged:
    forged = laid_out(ignored(SetParameters, [plain(SetParameters, 1, 2, ALICE)]))
    forged.put("parameter changes", 0, identity_is_something=0, identity_inverse=0)
    return forged


@refused("final parameters")
def no_trade_at_rates_of_its_own() -> Forged:
    def free(*_: int) -> Fee:
        return Fee(any_type(0), any_type(0), 0)

    story = chapters()[1]
    with patch("rollup.transactions.trade.fee_up", free):
        outcome = apply_batch(story.before, story.batch, SepticSchnorr())
    assert isinstance(outcome, BatchOutcome)
    forged = laid_out(replace(story, outcome=outcome))
    for row in range(forged.live["trades"]):
        forged.put("trades", row, maker_rate=0)
    return forged


@refused("nothing is paid to another")
def no_forced_withdrawal_by_another() -> Forged:
    def any_account(state: Any, account: Any, _: Any) -> Any:
        return state.account(account)

    def lie(followed: Followed) -> Followed:
        ((_, amount),) = followed.journey.claims
        followed.journey.claims[:] = [(OWN(ALICE), amount)]
        first = len(followed.outcome.published) // 2 - 14
        return with_words(followed, first, *high_first(OWN(ALICE), 160))

    item = plain(ForcedWithdrawal, BOB, OWN(ALICE))
    return laid_out(told([item], transactions_of_forced_withdrawal__owned_account=any_account), lie)


@refused("identity: what is called something has an inverse")
def no_treasury_that_is_no_account() -> Forged:
    change = plain(SetParameters, 1, 2, NOBODY)
    forged = laid_out(told([change], transactions_of_set_parameters__require=allows_all))
    forged.put("parameter changes", 0, identity_is_something=1)
    return forged


@pytest.mark.parametrize("cheat", cheats_of(__name__), ids=lambda cheat: cheat.name)
def test_a_cheat_is_refused_for_its_own_reason(cheat: Cheat) -> None:
    assert cheat.forge().wrong() == cheat.reasons
