"""Cheats about statement, leaves and data, each consistent across the tables of a whole batch but for one lie.

Most of them are told by rules that lie, and then laid out, hashed, counted and bound to their data like a true batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
from rollup.leaf_formats import system_elements
from rollup.state import Account, OrderSlot, System
from rollup.transactions import (
    Deposit,
)
from rollup.units import MICRO, limbs_of
from tests.adversarial.batch_lies import (
    ALIEN,
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
    refused,
    row_of,
    say_digest,
    told,
    with_system,
    with_words,
)
from tests.adversarial.forged_batches import Forged, laid_out
from tests.circuits.story import ALICE, BOB, ERIN, MARKET, chapter, chapters

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
    forged.put("accounts", row_of(forged, ERIN), high=1, low=ERIN - (1 << 16))
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
    forged.put("accounts", row_of(forged, ERIN), time=forged.get("deposits", 0, "clock") + 3)
    return forged


@refused("a dead row provides no owner", "every identity has the next number")
def no_owner_of_a_dead_row() -> Forged:
    forged = credited(laid_out(told([ALIEN], transactions_of_deposit__require=allows_all)))
    called_the_owners(forged)
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


@pytest.mark.parametrize("cheat", cheats_of(__name__), ids=lambda cheat: cheat.name)
def test_a_cheat_is_refused_for_its_own_reason(cheat: Cheat) -> None:
    assert cheat.forge().wrong() == cheat.reasons
