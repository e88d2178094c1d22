"""Whether a side of a trade could bear it: the shortcut says what the rules say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollup.admission import met_margin
from rollup.instruments import SeriesId
from rollup.node.fitness import holding_rejection
from rollup.outcome import RuleBrokenError
from rollup.positions import with_lots
from rollup.rejections import Rejection
from rollup.state import Position
from rollup.units import Amount, Price, RatePerMillion, Side
from tests.rollup.node.desk import ALICE, DOLLAR, Desk, small_market

ENGINE = Desk().engine()
HELD = st.dictionaries(st.sampled_from(small_market().series), st.integers(-9, 9).filter(bool), max_size=12)


@given(
    HELD,
    st.integers(0, 3000),
    st.sampled_from(small_market().series),
    st.sampled_from(Side),
    st.integers(0, 30),
    st.integers(1, 12),
)
def test_an_order_is_affordable_exactly_when_its_fill_would_meet_the_margin(
    held: dict[SeriesId, int], dollars: int, series: SeriesId, side: Side, price: int, lots: int
) -> None:
    account = ENGINE.state.account(ALICE)
    assert account is not None
    positions = tuple(Position(one, held[one]) for one in sorted(held))
    account = account.with_holdings(Amount(dollars * DOLLAR), positions)
    state = ENGINE.state.with_leaves(account)
    order = small_market().order(ALICE, side, series, price * DOLLAR, lots)
    paid = price * DOLLAR * lots
    fee = -(-paid * 300 // 1_000_000)
    cash = account.cash - paid - fee if side is Side.BUY else account.cash + paid - fee
    after = with_lots(positions, series, lots if side is Side.BUY else -lots)
    expected: Rejection | None = None
    try:
        met_margin(state, account.with_holdings(cash, after))
    except RuleBrokenError as broken:
        expected = broken.rejection
    assert holding_rejection(state, order, Price(price * DOLLAR), lots, RatePerMillion(300)) == expected
