"""What provers do next: everything is proved and joined once, in order, however slow they are and whatever fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rollup.node.proofs import covered_until
from rollup.node.schedule import SIZES, JoinBatches, ProveBatch, Situation, next_work

NOTHING = Situation(0, 0, frozenset())


def test_nothing_is_done_where_nothing_is_closed() -> None:
    assert next_work(NOTHING) is None
    assert next_work(Situation(5, 5, frozenset())) is None


def test_the_oldest_batch_comes_first_and_none_that_the_contract_has_accepted() -> None:
    assert next_work(Situation(3, 6, frozenset())) == ProveBatch(4)
    assert next_work(Situation(3, 6, frozenset({4}))) == ProveBatch(5)


@pytest.mark.parametrize(
    ("ready", "joined"), [(1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (7, 4), (8, 8), (13, 8)]
)
def test_what_is_ready_is_joined_in_the_longest_proof_there_is(ready: int, joined: int) -> None:
    steps = frozenset(range(11, 11 + ready))
    assert next_work(Situation(10, 10 + ready, steps)) == JoinBatches(11, 10 + joined)


def test_batches_come_first_as_long_as_they_make_the_proof_longer() -> None:
    lagging = Situation(0, 20, frozenset(range(1, 8)))
    assert next_work(lagging) == ProveBatch(8)
    assert next_work(replace(lagging, steps=frozenset(range(1, 9)))) == JoinBatches(1, 8)


def test_what_is_ready_does_not_wait_behind_a_batch_that_cannot_be_proved() -> None:
    failed = frozenset({ProveBatch(3)})
    assert next_work(Situation(0, 9, frozenset({1, 2}), failed=failed)) == JoinBatches(1, 2)
    joined = Situation(0, 9, frozenset({1, 2}), {(1, 2)}, failed=failed)
    assert next_work(joined) == ProveBatch(4)
    # Nothing behind it can be joined: the contract takes consecutive batches.
    assert next_work(replace(joined, steps=frozenset({1, 2, *range(4, 10)}))) is None


def test_a_proof_that_cannot_be_made_is_tried_shorter() -> None:
    steps = frozenset(range(1, 9))
    failed = frozenset({JoinBatches(1, 8), JoinBatches(1, 4)})
    assert next_work(Situation(0, 8, steps, failed=failed)) == JoinBatches(1, 2)


def test_one_terminal_proof_at_a_time() -> None:
    steps = frozenset(range(1, 5))
    busy = Situation(0, 5, steps, at_work=frozenset({JoinBatches(1, 4)}))
    assert next_work(busy) == ProveBatch(5)
    assert next_work(replace(busy, closed=4)) is None


def test_terminal_proofs_wait_until_they_may_be_made() -> None:
    waiting = Situation(0, 3, frozenset({1, 2, 3}), may_join=False)
    assert next_work(waiting) is None
    assert next_work(replace(waiting, closed=4)) == ProveBatch(4)


def test_a_contract_that_is_ahead_leaves_the_rest_of_a_terminal_proof_to_be_made_again() -> None:
    ahead = Situation(6, 8, frozenset({5, 6, 7, 8}), {(5, 8)})
    assert next_work(ahead) == JoinBatches(7, 8)


def test_what_terminal_proofs_cover_ends_at_the_first_gap() -> None:
    assert covered_until(4, {(5, 6), (5, 8), (9, 9), (11, 12)}) == 9
    assert covered_until(4, {(4, 8)}) == 4
    assert covered_until(0, set()) == 0


@given(some.lists(some.integers(0, 4), max_size=40), some.integers(1, 3))
def test_every_batch_is_proved_and_joined_once_and_in_order(closing: list[int], provers: int) -> None:
    """Play: at each tick some batches close, and each of the provers finishes what it was given the tick before."""
    now, joins = NOTHING, []
    ticks = [*closing, *[0] * (2 * sum(closing) + 2)]
    for closes in ticks:
        now = replace(now, closed=now.closed + closes)
        given_out: set[ProveBatch | JoinBatches] = set()
        for _ in range(provers):
            work = next_work(replace(now, at_work=frozenset(given_out)))
            if work is not None:
                assert work not in given_out
                given_out.add(work)
        for work in given_out:
            if isinstance(work, ProveBatch):
                assert work.number not in now.steps
                now = replace(now, steps=now.steps | {work.number})
            else:
                assert len(work.batches) in SIZES
                joins.append(work)
                now = replace(now, terminals={*now.terminals, (work.first, work.last)})
    assert next_work(now) is None
    assert [number for work in joins for number in work.batches] == list(range(1, sum(closing) + 1))
