"""The walk finds the worst case exactly: compared with trying every price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.instruments import Group, has_whole_terms, payoff_per_lot, series_id
from rollup.margin import group_margin, group_payoff, margin_of, walk_group
from rollup.positions import with_lots
from rollup.state import Position
from rollup.units import GroupId, OptionKind, Ticks
from tests.rollup.workbench import CALL, PUT, make

CAP = 60
GROUP: Group = make(Group, 7, 1, 0, CAP, 1_000_000, 3_000_000, 3_000_000)
HOLDINGS = st.dictionaries(
    st.tuples(st.integers(1, CAP - 1), st.sampled_from(list(OptionKind))),
    st.integers(-20, 20).filter(bool),
    max_size=8,
)
Holding = dict[tuple[int, OptionKind], int]


def positions_of(holding: Holding, group: int = 7) -> tuple[Position, ...]:
    held = [
        Position(series_id(GroupId(group), Ticks(strike), kind), lots)
        for (strike, kind), lots in holding.items()
    ]
    return tuple(sorted(held))


def worst_by_trial(positions: tuple[Position, ...]) -> int:
    """Try every price, with the payoff written out once more."""
    return min(
        sum(
            lots * 3_000_000 * max(0, price - strike if kind is CALL else strike - price)
            for series, lots in positions
            for strike, kind in [((series >> 1) & 0xFFFFFF, OptionKind(series & 1))]
        )
        for price in range(CAP + 1)
    )


@given(HOLDINGS)
def test_the_walk_finds_the_worst_price(holding: Holding) -> None:
    positions = positions_of(holding)
    worst = worst_by_trial(positions)
    margin = group_margin(positions, GROUP)
    assert margin.worst_payoff == worst
    assert margin.requirement == max(0, -worst)
    for step in margin.walk:
        assert step.payoff == group_payoff(positions, step.price, GROUP.tick_value)
    assert [step.price for step in margin.walk] == sorted(step.price for step in margin.walk)
    assert (margin.walk[0].price, margin.walk[-1].price) == (0, CAP)


@given(HOLDINGS, st.integers(0, CAP))
def test_fixing_a_price_never_raises_the_requirement(holding: Holding, price: int) -> None:
    positions = positions_of(holding)
    before = group_margin(positions, GROUP).requirement
    fixed: Group = make(Group, 7, 1, 0, CAP, 1_000_000, 3_000_000, 3_000_000, (), price)
    after = group_margin(positions, fixed)
    assert after.requirement <= before
    assert after.worst_payoff == group_payoff(positions, Ticks(price), GROUP.tick_value)
    assert after.walk == ()


@given(HOLDINGS, HOLDINGS)
def test_groups_need_the_sum_of_what_each_needs(first: Holding, second: Holding) -> None:
    positions = positions_of(first, 7) + positions_of(second, 8)
    groups = {7: GROUP, 8: make(Group, 8, 1, 0, CAP, 1_000_000, 3_000_000, 3_000_000)}
    margin = margin_of(positions, lambda group: groups[group])
    parts = [group_margin(positions_of(part), GROUP).requirement for part in (first, second)]
    assert margin.requirement == sum(parts)


@given(HOLDINGS, HOLDINGS)
def test_netting_never_needs_more_than_apart(first: Holding, second: Holding) -> None:
    together = positions_of(first)
    for series, lots in positions_of(second):
        together = with_lots(together, series, lots)
    apart = [group_margin(positions_of(part), GROUP).requirement for part in (first, second)]
    assert group_margin(together, GROUP).requirement <= sum(apart)


@given(HOLDINGS)
def test_buyer_and_seller_together_cannot_gain(holding: Holding) -> None:
    positions = positions_of(holding)
    mirrored = tuple(Position(series, -lots) for series, lots in positions)
    for price in (0, 17, CAP):
        assert group_payoff(positions, Ticks(price), 3) == -group_payoff(mirrored, Ticks(price), 3)


def test_an_empty_group_walks_a_flat_line() -> None:
    assert [step.payoff for step in walk_group((), GROUP)] == [0, 0]


def test_a_position_in_an_unlisted_group_is_a_bug() -> None:
    with pytest.raises(LookupError, match=r"^a position is held in group 7, which is not listed$"):
        margin_of(positions_of({(5, CALL): 1}), lambda _: None)


@pytest.mark.parametrize(
    ("kind", "price", "payoff"),
    [
        (CALL, 29, 0),
        (CALL, 30, 0),
        (CALL, 31, 5),
        (PUT, 29, 5),
        (PUT, 30, 0),
        (PUT, 31, 0),
        (PUT, 0, 150),
        (CALL, 60, 150),
    ],
)
def test_options_pay_from_their_strike_on(kind: OptionKind, price: int, payoff: int) -> None:
    assert payoff_per_lot(series_id(GroupId(1), Ticks(30), kind), Ticks(price), 5) == payoff


@pytest.mark.parametrize(
    ("terms", "is_whole"),
    [
        ((200, 1_000_000, 1_000_000, 1_000_000), True),
        ((4_294, 1_000_000, 1_000_000, 1_000_000), True),
        ((4_295, 1_000_000, 1_000_000, 1_000_000), False),
        ((200, 1_000_000, 1_000_000, 999_999), False),
        ((200, 1, 1_000_000, 1), True),
        ((200, 1, 999_999, 0), False),
        ((200, 0, 1_000_000, 0), False),
        ((0, 1, 1_000_000, 1), False),
    ],
)
def test_terms_come_out_whole_or_are_refused(terms: tuple[int, int, int, int], is_whole: bool) -> None:
    assert has_whole_terms(*terms) is is_whole
