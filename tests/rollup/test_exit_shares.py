"""What people take after a freeze, by the rules alone: the sum is what the state is owed, at whatever prices."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.hash.keccak import keccak256
from rollup.exit import position_of_word, position_word, positions_hash, share_of
from rollup.state import Position
from rollup.units import GroupId
from tests.rollup.workbench import ALICE, BOB, CALL, CAROL, DOLLAR, GENESIS_TIME, HOUR, PUT, House, make


def market(seed: int) -> House:
    """Three traders with random positions in two groups, of which the first expires first."""
    noise, house = Random(seed), House(has_invariants_checked=False)
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 5_000)
    names = []
    for group in (7, 8):
        house.list_group(group, expiry=GENESIS_TIME + (group - 6) * 24 * HOUR)
        names += [house.list_series(group, strike, kind) for strike in (90, 100, 110) for kind in (CALL, PUT)]
    for _ in range(15):
        buyer, seller = noise.sample((ALICE, BOB, CAROL), 2)
        house.attempt(
            house.a_trade(buyer, seller, noise.choice(names), noise.randrange(1, 9), noise.randrange(1, 20))
        )
    return house


@given(
    seed=st.integers(0, 2**32 - 1),
    fixed=st.one_of(st.none(), st.integers(0, 300)),
    price=st.integers(0, 2**64 - 1),
    has_settled=st.sampled_from([(), (ALICE,), (ALICE, CAROL)]),
)
def test_all_shares_together_are_what_is_owed(
    seed: int, fixed: int | None, price: int, has_settled: tuple[int, ...]
) -> None:
    house = market(seed)
    if fixed is not None:
        house.at(GENESIS_TIME + 25 * HOUR)
        house.fix(7, fixed)
        for account in has_settled:
            if any(held.series >> 25 == 7 for held in house.account(account).positions):
                house.settle(account)
    shares = [share_of(house.state, account, lambda _group: price) for account in house.state.accounts()]
    amounts = [group.amount for share in shares for group in share.groups]
    total = sum(share.cash_at_once for share in shares)
    for amount in amounts:
        assert amount is not None
        assert amount >= 0
        total += amount
    assert all(share.cash_at_once >= 0 for share in shares)
    assert total == house.state.system.owed == 15_000 * DOLLAR


def test_a_group_without_a_price_is_worth_its_requirement_at_least() -> None:
    house = market(5)
    share = share_of(house.state, house.account(BOB), lambda _group: None)
    assert share.groups
    assert all((group.price, group.payoff, group.amount) == (None, None, None) for group in share.groups)
    assert share.requirement == sum(group.requirement for group in share.groups)
    assert share.cash_at_once == house.cash(BOB) - share.requirement


@given(
    st.integers(0, 2**41 - 1),
    st.integers(1, 2**24 - 1),
    st.sampled_from([1, -1]),
)
def test_a_position_and_its_word_are_the_same(series: int, lots: int, sign: int) -> None:
    position = make(Position, series, sign * lots)
    word = position_word(position)
    assert 0 <= word < 1 << 66
    assert position_of_word(word) == position


def test_positions_are_kept_as_the_keccak_of_their_words() -> None:
    assert positions_hash(()) == keccak256(b"")
    assert positions_hash((1, 2)) == keccak256((1).to_bytes(32) + (2).to_bytes(32))


def test_a_position_in_a_group_that_is_not_listed_is_an_error() -> None:
    house = market(1)
    broken = house.account(ALICE).with_holdings(5, (make(Position, 99 << 25 | 200, 1),))
    assert house.state.group(GroupId(99)) is None
    with pytest.raises(LookupError, match="group 99"):
        share_of(house.state, broken, lambda _group: None)
