"""Nobody makes or destroys money: rounding, fees, the largest numbers, and pools that are paid out twice over."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.hash.poseidon import POSEIDON16_20
from rollup.events import ForciblyWithdrawn, ItemIgnored, Traded
from rollup.instruments import series_id
from rollup.invariants import broken_invariants
from rollup.leaf_formats import POOL_OFFSET
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.state import State
from rollup.state_hash import ReferenceHasher
from rollup.state_tree import StateTree
from rollup.transactions import Deposit, ForcedWithdrawal, ListGroup, SetParameters, SettleGroup
from rollup.transactions.trade import fee_up
from rollup.units import MICRO, VAULT_CAP, AccountId
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    TREASURY,
    House,
    make,
    owner_of,
)

DAY = 24 * HOUR
MOST_LOTS = (1 << 24) - 1
DAVE = AccountId(5)


def total(state: State) -> int:
    return sum(account.cash for account in state.accounts()) + sum(group.pool for group in state.groups())


@pytest.fixture
def house() -> House:
    return House()


def leave(house: House) -> int:
    """Everyone leaves through the queue; the sum of their claims."""
    paid = 0
    for account in list(house.state.accounts()):
        event = house.force_out(account.account)
        paid += sum(claim.amount for claim in event.claims)
    return paid


# Rounding and fees.


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 16) - 1))
def test_a_fee_is_the_least_amount_that_is_not_too_little(premium: int, rate: int) -> None:
    fee = make(fee_up, premium, rate)
    assert (fee.amount - 1) * MICRO < premium * rate <= fee.amount * MICRO
    assert fee.excess == fee.amount * MICRO - premium * rate
    assert 0 <= fee.excess < MICRO
    assert fee.amount <= premium


@pytest.mark.parametrize("rates", [(1, 0), (0, 1), (1, 1), (65_535, 65_535)])
@pytest.mark.parametrize("price", [0, 1, 15, 16, 999_999])
def test_many_one_lot_fills_pay_each_fee_to_the_treasury_and_nothing_else(
    house: House, rates: tuple[int, int], price: int
) -> None:
    house.set_fees(*rates)
    house.deposit(ALICE, 500)
    house.deposit(BOB, 500)
    house.list_group()
    call = house.list_series(7, 199, CALL)
    before = total(house.state)
    for _ in range(5):
        house.trade(ALICE, BOB, call, 1, price / DOLLAR)
        house.trade(BOB, ALICE, call, 1, price / DOLLAR)
    assert total(house.state) == before
    assert house.account(ALICE).positions == house.account(BOB).positions == ()
    one_round = sum(-(-price * rate // MICRO) for rate in rates)
    assert house.cash(TREASURY) == DOLLAR + 10 * one_round


@pytest.mark.parametrize("treasury_buys", [True, False])
@pytest.mark.parametrize("treasury_makes", [True, False])
def test_the_treasury_trading_with_itself_in_mind_earns_only_the_other_side_s_fee(
    house: House, treasury_buys: bool, treasury_makes: bool
) -> None:
    house.set_fees(30_000, 60_000)
    house.deposit(TREASURY, 1_000)
    house.deposit(ALICE, 1_000)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    before = house.cash(TREASURY), house.cash(ALICE)
    buyer, seller = (TREASURY, ALICE) if treasury_buys else (ALICE, TREASURY)
    trade = house.a_trade(buyer, seller, call, 1, 50)
    event = house.apply(replace(trade, buyer_is_maker=treasury_buys == treasury_makes))
    assert isinstance(event, Traded)
    alice_fee = 50 * DOLLAR * (60_000 if treasury_makes else 30_000) // MICRO
    premium = -50 * DOLLAR if treasury_buys else 50 * DOLLAR
    assert house.cash(TREASURY) - before[0] == premium + alice_fee
    assert house.cash(ALICE) - before[1] == -premium - alice_fee


def test_a_fee_that_would_come_back_to_its_payer_is_no_margin(house: House) -> None:
    """The treasury may not spend, as its own fee's receiver, what it does not have."""
    house.set_fees(0, 60_000)
    house.deposit(TREASURY, 49, has_key=True)
    house.deposit(ALICE, 1_000)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    trade = replace(house.a_trade(TREASURY, ALICE, call, 1, 50), buyer_is_maker=False)
    assert house.cash(TREASURY) == 50 * DOLLAR
    assert house.attempt(trade) is Rejection.CASH_INSUFFICIENT


def test_moving_the_treasury_between_trades_moves_no_money(house: House) -> None:
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 1_000)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    for treasury in (ALICE, BOB, CAROL, ALICE):
        house.serve(make(SetParameters, 65_535, 65_535, treasury))
        house.trade(ALICE, BOB, call, 1, 3)
        assert total(house.state) == 3_000 * DOLLAR


# Self-dealing.


def test_a_transfer_to_oneself_is_refused_at_every_amount(house: House) -> None:
    house.deposit(ALICE, 1)
    for amount in (0, 1, DOLLAR, 2**64 - 1):
        assert house.attempt(house.transfer(ALICE, ALICE, amount)) is Rejection.SAME_ACCOUNT


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3 * DOLLAR)), max_size=12))
def test_a_ring_of_transfers_ends_with_the_cash_it_began_with(moves: list[tuple[int, int, int]]) -> None:
    house = House(has_invariants_checked=False)
    people = (ALICE, BOB, CAROL)
    for account in people:
        house.deposit(account, 1)
    for sender, receiver, amount in moves:
        held = house.cash(people[sender])
        outcome = house.attempt(house.transfer(people[sender], people[receiver], amount))
        assert isinstance(outcome, Outcome) == (sender != receiver and 0 < amount <= held)
    assert sum(house.cash(account) for account in people) == 3 * DOLLAR
    assert broken_invariants(house.state) == []


# Queue items and their payers.


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 3, (1 << 24) - 1, 1 << 24, (1 << 32) - 1]),
            st.integers(0, 2),
            st.sampled_from([0, 1, DOLLAR, VAULT_CAP - 1, VAULT_CAP, VAULT_CAP + 1, (1 << 64) - 1]),
        ),
        max_size=8,
    )
)
def test_a_deposit_is_either_credited_or_claimed_back_in_full(items: list[tuple[int, int, int]]) -> None:
    house = House()
    paid, claimed = 0, 0
    for account, owner, amount in items:
        event = house.serve(make(Deposit, account, owner_of(owner), owner_of(9), amount))
        paid += amount
        claims = event.claims
        claimed += sum(claim.amount for claim in claims)
        assert [(claim.owner, claim.amount) for claim in claims] in ([], [(owner_of(9), amount)])
        assert isinstance(event, ItemIgnored) == (bool(claims) or amount == 0)
    assert house.state.system.owed == total(house.state) == paid - claimed <= VAULT_CAP


def test_a_deposit_under_another_s_name_neither_takes_the_account_nor_pays_into_it(house: House) -> None:
    house.deposit(ALICE, 5)
    event = house.serve(make(Deposit, ALICE, owner_of(BOB), owner_of(CAROL), DOLLAR))
    assert isinstance(event, ItemIgnored)
    assert event.reason is Rejection.NOT_OWNER
    assert [(claim.owner, claim.amount) for claim in event.claims] == [(owner_of(CAROL), DOLLAR)]
    assert (house.account(ALICE).owner, house.cash(ALICE)) == (owner_of(ALICE), 5 * DOLLAR)


def test_a_forced_withdrawal_is_paid_once_however_often_it_stands_in_the_queue(house: House) -> None:
    house.deposit(ALICE, 5)
    first, second = house.force_out(ALICE), house.force_out(ALICE)
    assert isinstance(first, ForciblyWithdrawn)
    assert isinstance(second, ItemIgnored)
    assert second.reason is Rejection.NOTHING_TO_WITHDRAW
    assert (*first.claims, *second.claims) == (first.claim,)
    assert first.claim.amount == 5 * DOLLAR


@pytest.mark.parametrize("account", [0, ALICE, 77, (1 << 24) - 1, 1 << 24, (1 << 32) - 1])
def test_nobody_forces_out_what_is_not_theirs(house: House, account: int) -> None:
    house.deposit(ALICE, 5)
    event = house.serve(make(ForcedWithdrawal, account, owner_of(BOB)))
    assert isinstance(event, ItemIgnored)
    assert event.claims == ()
    assert house.cash(ALICE) == 5 * DOLLAR


def test_the_treasury_leaves_with_its_fees_and_they_go_on_coming(house: House) -> None:
    house.set_fees(10_000, 10_000)
    house.deposit(ALICE, 500)
    house.deposit(BOB, 500)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    house.trade(ALICE, BOB, call, 1, 10)
    (claim,) = house.force_out(TREASURY).claims
    assert claim.amount == DOLLAR + 2 * DOLLAR // 10
    house.trade(BOB, ALICE, call, 1, 10)
    (claim,) = house.force_out(TREASURY).claims
    assert claim.amount == 2 * DOLLAR // 10


def test_locked_margin_stays_and_what_is_free_goes(house: House) -> None:
    house.deposit(ALICE, 50)
    house.deposit(BOB, 150)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    house.trade(ALICE, BOB, call, 1, 10)
    (claim,) = house.force_out(BOB).claims
    assert (claim.amount, house.cash(BOB)) == (60 * DOLLAR, 100 * DOLLAR)
    assert isinstance(house.force_out(BOB), ItemIgnored)
    house.at(GENESIS_TIME + DAY)
    assert isinstance(house.force_out(BOB), ItemIgnored), "expired, but not fixed"
    house.fix(7, 200)
    event = house.force_out(BOB)
    assert isinstance(event, ForciblyWithdrawn)
    assert (event.claims, event.claim.amount, house.account(BOB).positions) == ((), 0, ())


# Settlement.


@pytest.mark.parametrize("price", [0, 1, 99, 100, 101, 199, 200, 201, (1 << 64) - 1])
def test_whoever_settles_first_all_are_paid_the_same_and_the_pool_ends_at_zero(price: int) -> None:
    endings = set()
    for settlers in permutations((ALICE, BOB, CAROL)):
        house = House()
        for account in (ALICE, BOB, CAROL):
            house.deposit(account, 1_000)
        house.list_group()
        call, put = house.list_series(7, 100, CALL), house.list_series(7, 150, PUT)
        house.trade(ALICE, BOB, call, 3, 5)
        house.trade(CAROL, ALICE, put, 2, 7)
        house.trade(BOB, CAROL, call, 1, 1)
        house.at(GENESIS_TIME + DAY)
        house.fix(7, price)
        for account in settlers:
            house.settle(account)
            again = make(SettleGroup, account, 7)
            assert house.attempt(again) is Rejection.NOTHING_TO_SETTLE
        assert house.group().pool == 0
        endings.add(tuple(house.cash(account) for account in (ALICE, BOB, CAROL)))
        assert leave(house) == 3_000 * DOLLAR
    assert len(endings) == 1


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_a_price_counts_from_the_second_of_the_expiry_and_settling_from_the_price(seconds: int) -> None:
    house = House()
    house.deposit(ALICE, 500)
    house.deposit(BOB, 500)
    house.list_group()
    call = house.list_series(7, 100, CALL)
    house.trade(ALICE, BOB, call, 1, 10)
    house.at(GENESIS_TIME + DAY + seconds)
    assert house.attempt(make(SettleGroup, ALICE, 7)) is Rejection.GROUP_NOT_FIXED
    event = house.fix(7, 150)
    if seconds < 0:
        assert isinstance(event, ItemIgnored)
        assert event.reason is Rejection.GROUP_NOT_EXPIRED
        house.trade(ALICE, BOB, call, 1, 10)
    else:
        assert house.attempt(house.a_trade(ALICE, BOB, call, 1, 10)) is Rejection.GROUP_EXPIRED
        house.settle(ALICE)
        assert house.cash(ALICE) == 540 * DOLLAR


# The largest numbers.


def giant(*people: int) -> House:
    """The vault is full, and these accounts, Alice and Bob unless told otherwise, hold it in equal parts."""
    house = House(has_invariants_checked=False)
    for account in people or (ALICE, BOB):
        part = VAULT_CAP // len(people or (ALICE, BOB))
        house.serve(make(Deposit, account, owner_of(account), owner_of(account), part))
        house.deposit(account, 0)
    assert house.state.system.owed == VAULT_CAP
    return house


def list_giant(house: House, group: int, days: int) -> None:
    # The factors of 2^32 - 1: a lot pays as much as 32 bits can say.
    house.serve(make(ListGroup, group, 1, GENESIS_TIME + days * DAY, 65_535, 65_537, MICRO))
    assert house.group(group).cap * house.group(group).tick_value == (1 << 32) - 1


def fill(house: House, buyer: int, seller: int, series: int, lots: int, price: int) -> None:
    """Trade more lots than one trade can say."""
    while lots:
        part = min(lots, (1 << 16) - 1)
        house.apply(make(house.a_trade, buyer, seller, series, part, price / DOLLAR))
        lots -= part


def test_the_largest_position_at_the_largest_payoff_is_held_settled_and_paid() -> None:
    house = giant()
    list_giant(house, 7, 1)
    call = house.list_series(7, 1, CALL)
    fill(house, ALICE, BOB, call, MOST_LOTS, 0)
    assert house.attempt(house.a_trade(ALICE, BOB, call, 1, 0)) is Rejection.POSITION_TOO_LARGE
    house.at(GENESIS_TIME + DAY)
    house.fix(7, (1 << 64) - 1)
    payoff = MOST_LOTS * 65_534 * 65_537
    house.settle(ALICE)
    assert house.group().pool == -payoff
    assert house.cash(ALICE) == VAULT_CAP // 2 + payoff
    assert broken_invariants(house.state) == []
    StateTree.of_state(house.state, ReferenceHasher(POSEIDON16_20))
    assert leave(house) == VAULT_CAP
    assert house.state.system.owed == 0


def test_a_premium_at_its_largest_with_both_fees_overflows_nothing() -> None:
    house = giant()
    house.serve(make(SetParameters, 65_535, 65_535, BOB))
    list_giant(house, 7, 1)
    call = house.list_series(7, 1, CALL)
    event = house.apply(make(house.a_trade, ALICE, BOB, call, 65_535, ((1 << 32) - 1) / DOLLAR))
    assert isinstance(event, Traded)
    assert event.premium == 65_535 * ((1 << 32) - 1)
    assert house.cash(ALICE) + house.cash(BOB) == VAULT_CAP
    assert broken_invariants(house.state) == []


def test_cash_pumped_through_pools_that_losers_leave_open_stays_within_its_limbs() -> None:
    """Winners are paid before losers pay, so cash can exceed what is owed: by what is locked, and no more.

    Alice loses to Bob in group after group, Bob settles and sends his winnings back, Alice never settles.
    """
    house = giant()
    groups = range(7, 39)
    for group in groups:
        list_giant(house, group, group - 6)
    for group in groups:
        call = house.list_series(group, 1, CALL)
        # Seven trades instead of 256: what counts is that the sums have no end below the position limit.
        fill(house, BOB, ALICE, call, 7 * 65_535, 0)
        house.at(GENESIS_TIME + (group - 6) * DAY)
        house.fix(group, 65_535)
        house.settle(BOB, group)
        house.apply(house.transfer(BOB, ALICE, house.cash(BOB)))
    assert len(house.account(ALICE).positions) == 32
    pools = sum(group.pool for group in house.state.groups())
    assert house.cash(ALICE) == VAULT_CAP - pools > VAULT_CAP
    assert broken_invariants(house.state) == []
    # All 32 positions at their largest add less than 2^61, so cash stays below 2^62 + 2^61.
    assert 32 * MOST_LOTS * ((1 << 32) - 1) < 1 << 61
    StateTree.of_state(house.state, ReferenceHasher(POSEIDON16_20))
    free = house.cash(ALICE) + pools
    assert house.attempt(house.withdrawal(ALICE, free + 1)) is Rejection.MARGIN_NOT_MET
    assert isinstance(house.attempt(house.withdrawal(ALICE, free)), Outcome)
    assert leave(house) == 0
    assert house.state.system.owed == 0
    assert all(group.pool == 0 for group in house.state.groups())


def test_the_vault_s_bound_keeps_every_pool_within_its_limbs() -> None:
    assert VAULT_CAP < POOL_OFFSET
    house = giant()
    event = house.serve(make(Deposit, CAROL, owner_of(CAROL), owner_of(CAROL), 1))
    assert isinstance(event, ItemIgnored)
    assert event.reason is Rejection.AMOUNT_TOO_LARGE
    assert [claim.amount for claim in event.claims] == [1]


# A long quarrel at the edges.


@pytest.mark.parametrize("seed", range(3))
def test_a_history_of_edge_values_ends_with_everybody_paid(seed: int) -> None:
    """Numbers are drawn from the ends of their widths, which uniform histories hardly ever touch."""
    random = Random(seed)
    people = (ALICE, BOB, CAROL, DAVE)
    house = giant(*people)
    groups = range(7, 12)
    for group in groups:
        list_giant(house, group, group - 6)
    series = [
        make(series_id, group, strike, kind)
        for group in groups
        for strike in (1, 2, 65_533, 65_534)
        for kind in (CALL, PUT)
    ]
    for one in series:
        house.list_series(one >> 25, (one >> 1) & 0xFFFFFF, one & 1)
    house.serve(make(SetParameters, 65_535, 1, CAROL))
    accepted = 0
    for day in range(6):
        for _ in range(60):
            buyer, seller = random.sample(people, 2)
            lots = random.choice([1, 2, 65_534, 65_535])
            price = random.choice([0, 1, 15, 16, (1 << 32) - 2, (1 << 32) - 1])
            outcome = house.attempt(
                make(house.a_trade, buyer, seller, random.choice(series), lots, price / DOLLAR)
            )
            accepted += isinstance(outcome, Outcome)
            amount = random.choice([1, house.cash(buyer), house.cash(buyer) - 1])
            house.attempt(house.transfer(buyer, seller, max(amount, 0)))
        assert broken_invariants(house.state) == []
        house.at(GENESIS_TIME + (day + 1) * DAY)
        house.fix(day + 7, random.choice([0, 1, 2, 3, 65_533, 65_534, 65_535, (1 << 64) - 1]))
        for account in random.sample(people, 2):
            house.attempt(make(SettleGroup, account, day + 7))
        assert total(house.state) == house.state.system.owed == VAULT_CAP
    assert accepted > 50
    assert leave(house) == VAULT_CAP
    assert all(account.cash == 0 and account.positions == () for account in house.state.accounts())
