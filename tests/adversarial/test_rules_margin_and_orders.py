"""No margin is left out and no order lives twice: expired and fixed groups, credit, floors, slots and replays."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.admission import message_of
from rollup.batch import open_batch
from rollup.fields import values_of
from rollup.instruments import SeriesId, series_id
from rollup.margin import margin_of
from rollup.orders import Order
from rollup.outcome import Outcome
from rollup.rejections import Rejection
from rollup.schnorr import SecretKey, SepticSchnorr, SignatureSuite, sign
from rollup.state import Deployment, Position, State
from rollup.transactions import (
    TAGS,
    CancelOrders,
    Deposit,
    RegisterKey,
    SettleGroup,
    Trade,
    Transfer,
    Withdrawal,
)
from rollup.transition import apply_l1_item, apply_transaction
from rollup.units import MAX_POSITIONS, OptionKind, OrderKind, Side, SuiteId
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DEPLOYMENT,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    KEY,
    PUT,
    UNSIGNED,
    House,
    make,
    order,
    owner_of,
    signed,
)

DAY = 24 * HOUR


@pytest.fixture
def house() -> House:
    """Three traders, a group that expires in a day and one that expires in two."""
    house = House()
    for account in (ALICE, BOB, CAROL):
        house.deposit(account, 1_000)
    for group in (7, 8):
        house.list_group(group, expiry=GENESIS_TIME + (group - 6) * DAY)
        for strike in (80, 100, 120):
            house.list_series(group, strike, CALL)
            house.list_series(group, strike, PUT)
    return house


def call(strike: int, group: int = 7) -> SeriesId:
    return make(series_id, group, strike, CALL)


# Margin.


def worst_case(positions: tuple[Position, ...], cap: int) -> int:
    """The requirement of one group by trying every price there is, from the definition of a call and a put."""
    losses = []
    for price in range(cap + 1):
        payoff = 0
        for series, lots in positions:
            strike, is_a_put = (series >> 1) % (1 << 24), series % 2
            payoff += lots * (max(strike - price, 0) if is_a_put else max(price - strike, 0))
        losses.append(-payoff)
    return max(0, *losses)


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 29), st.sampled_from([0, 1])),
        st.integers(-9, 9).filter(bool),
        max_size=MAX_POSITIONS,
    )
)
def test_no_settlement_price_takes_more_than_the_requirement(book: dict[tuple[int, int], int]) -> None:
    house = House(has_invariants_checked=False)
    house.list_group(7, cap=30)
    positions = tuple(
        sorted(
            Position(make(series_id, 7, strike, OptionKind(kind)), lots)
            for (strike, kind), lots in book.items()
        )
    )
    margin = margin_of(positions, house.state.group)
    assert margin.requirement == worst_case(positions, 30) * DOLLAR


def test_a_group_that_has_expired_without_a_price_is_still_held_at_its_worst(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 5, 10)
    house.at(GENESIS_TIME + DAY + HOUR)
    assert house.attempt(house.withdrawal(BOB, 550 * DOLLAR + 1)) is Rejection.MARGIN_NOT_MET
    house.apply(house.withdrawal(BOB, 550 * DOLLAR))
    assert house.cash(BOB) == 500 * DOLLAR
    assert house.attempt(house.a_trade(CAROL, BOB, call(120, 8), 1, 0)) is Rejection.MARGIN_NOT_MET


def test_winnings_of_a_fixed_group_are_no_margin_before_they_are_paid(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 5, 0)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 200)
    short = house.a_trade(BOB, ALICE, call(100, 8), 11, 0)
    assert house.attempt(short) is Rejection.MARGIN_NOT_MET
    house.settle(ALICE)
    assert isinstance(house.attempt(short), Outcome)


def test_losses_of_a_fixed_group_are_held_until_they_are_paid(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 5, 0)
    house.at(GENESIS_TIME + DAY)
    house.fix(7, 160)
    assert house.attempt(house.withdrawal(BOB, 700 * DOLLAR + 1)) is Rejection.MARGIN_NOT_MET
    house.apply(house.withdrawal(BOB, 700 * DOLLAR))
    house.settle(BOB)
    assert (house.cash(BOB), house.group().pool) == (0, 300 * DOLLAR)
    house.settle(ALICE)
    assert house.group().pool == 0


def test_a_sure_win_in_one_group_is_no_margin_in_another(house: House) -> None:
    """A long box is worth twenty in every case; the other group asks for its whole worst case all the same."""
    for series, side in (
        (call(100), 1),
        (call(120), -1),
        (make(series_id, 7, 120, PUT), 1),
        (make(series_id, 7, 100, PUT), -1),
    ):
        house.trade(*((ALICE, BOB) if side > 0 else (BOB, ALICE)), series, 1, 0)
    assert margin_of(house.account(ALICE).positions, house.state.group).requirement == 0
    house.apply(house.withdrawal(ALICE, 900 * DOLLAR))
    assert house.attempt(house.a_trade(CAROL, ALICE, call(80, 8), 1, 0)) is Rejection.MARGIN_NOT_MET
    assert isinstance(house.attempt(house.a_trade(CAROL, ALICE, call(100, 8), 1, 0)), Outcome)


@pytest.mark.parametrize("price", [0, 79, 80, 100, 119, 120, 121, 200])
def test_whatever_is_settled_first_every_account_can_pay(house: House, price: int) -> None:
    """Accounts drawn down to their margins, then fixed groups in every state of settlement."""
    random = Random(price)
    people = (ALICE, BOB, CAROL)
    for _ in range(60):
        buyer, seller = random.sample(people, 2)
        series = make(
            series_id, random.choice([7, 8]), random.choice([80, 100, 120]), random.choice([CALL, PUT])
        )
        house.attempt(house.a_trade(buyer, seller, series, random.randrange(1, 6), random.randrange(20)))
    house.next_batch()
    for account in people:
        house.force_out(account)
        margin = margin_of(house.account(account).positions, house.state.group)
        assert house.cash(account) == margin.requirement
    house.at(GENESIS_TIME + 2 * DAY)
    house.fix(7, price)
    house.fix(8, 200 - price)
    for account, group in random.sample([(account, group) for account in people for group in (7, 8)], 6):
        outcome = house.attempt(make(SettleGroup, account, group))
        assert isinstance(outcome, Outcome) or outcome is Rejection.NOTHING_TO_SETTLE
        assert house.cash(account) >= 0
    assert house.group(7).pool == house.group(8).pool == 0


def test_the_thirty_third_position_is_refused_to_both_sides(house: House) -> None:
    for account in (ALICE, BOB):
        house.deposit(account, 10_000)
    for strike in range(1, 34):
        house.list_series(8, strike, CALL)
    for strike in range(1, 33):
        house.trade(ALICE, BOB, call(strike, 8), 1, 0)
    for buyer, seller in ((ALICE, CAROL), (CAROL, ALICE), (CAROL, BOB)):
        refused = house.attempt(house.a_trade(buyer, seller, call(33, 8), 1, 0))
        assert refused is Rejection.POSITIONS_TOO_MANY
    # One that is closed makes room for another.
    house.trade(BOB, ALICE, call(1, 8), 1, 0)
    house.trade(ALICE, BOB, call(33, 8), 1, 0)
    assert len(house.account(ALICE).positions) == MAX_POSITIONS


def test_positions_of_a_group_that_waits_for_its_price_cannot_be_traded_away(house: House) -> None:
    house.trade(ALICE, BOB, call(100), 1, 10)
    house.at(GENESIS_TIME + DAY)
    late = house.a_trade(BOB, ALICE, call(100), 1, 10)
    assert house.attempt(late) is Rejection.GROUP_EXPIRED
    house.fix(7, 50)
    assert house.attempt(late) is Rejection.GROUP_EXPIRED


# Orders.


def pair(number: int, **changes: object) -> Trade:
    """Alice buys of Bob; changes are to Alice's order."""
    lots = changes.pop("fill", 1)
    buy = order(ALICE, Side.BUY, call(100), DOLLAR, 4, number=number, **changes)
    sell = order(BOB, Side.SELL, call(100), DOLLAR, 1_000, number=1)
    return make(Trade, signed(buy), signed(sell), True, lots)


def test_a_filled_order_never_fills_again_whatever_happens_to_its_slot(house: House) -> None:
    house.apply(pair(5, fill=4))
    assert house.attempt(pair(5)) is Rejection.ORDER_OVERFILLED
    house.apply(pair(6))
    assert house.attempt(pair(5)) is Rejection.ORDER_REPLACED
    house.apply(house.cancel(ALICE, 6))
    assert house.attempt(pair(5)) is Rejection.ORDER_CANCELLED
    assert isinstance(house.attempt(pair(6, fill=3)), Outcome)
    assert house.attempt(pair(6)) is Rejection.ORDER_OVERFILLED


def test_the_same_number_in_a_slot_shares_one_count_whatever_the_order_says(house: House) -> None:
    house.apply(pair(5, fill=4))
    for change in (
        {"limit_price": 2 * DOLLAR},
        {"max_fee_rate": 1},
        {"kind": OrderKind.POST_ONLY},
        {"lots": 4},
    ):
        assert house.attempt(pair(5, **change)) is Rejection.ORDER_OVERFILLED
    assert isinstance(house.attempt(pair(5, slot=1)), Outcome), "another slot is another order"


def test_a_floor_kills_orders_in_every_slot_used_or_not(house: House) -> None:
    house.apply(pair(5, slot=3))
    house.force_cancel(ALICE, 6)
    for slot in (0, 3, 255):
        assert house.attempt(pair(5, slot=slot)) is Rejection.ORDER_CANCELLED
    assert isinstance(house.attempt(pair(6, slot=3)), Outcome)


def test_no_floor_ever_falls_whoever_sets_it(house: House) -> None:
    house.force_cancel(ALICE, 50)
    for floor in (0, 49, 50):
        house.force_cancel(ALICE, floor)
        house.attempt(house.cancel(ALICE, floor))
        house.serve(make(RegisterKey, ALICE, owner_of(ALICE), floor, KEY.suite, KEY.x, KEY.y))
        assert house.account(ALICE).order_floor == 50


def test_the_last_order_number_is_an_order_and_there_is_none_after_it(house: House) -> None:
    last = (1 << 32) - 1
    house.apply(pair(last, fill=4))
    assert house.attempt(pair(last)) is Rejection.ORDER_OVERFILLED
    assert house.attempt(pair(last + 1)) is Rejection.FIELD_OUT_OF_RANGE
    house.force_cancel(ALICE, last)
    assert house.attempt(pair(last - 1, slot=9)) is Rejection.ORDER_CANCELLED


def test_the_kind_of_an_order_counts_also_when_it_is_a_plain_number(house: House) -> None:
    """An order built without its enum must not rest where an immediate order may not."""
    immediate, post_only = (int(kind) for kind in (OrderKind.IMMEDIATE, OrderKind.POST_ONLY))
    assert house.attempt(pair(5, kind=immediate)) is Rejection.MAKER_ORDER_IS_IMMEDIATE
    taking = replace(pair(5, kind=post_only), buyer_is_maker=False)
    assert house.attempt(taking) is Rejection.TAKER_ORDER_IS_POST_ONLY


def test_no_trade_gives_a_worse_price_or_a_higher_fee_than_either_order_allows(house: House) -> None:
    house.set_fees(10, 20)
    for limit, maker in ((DOLLAR - 1, True), (DOLLAR - 1, False)):
        crossed = replace(pair(5, limit_price=limit), buyer_is_maker=maker)
        assert house.attempt(crossed) is Rejection.PRICES_DO_NOT_CROSS
    for rate, maker in ((9, True), (19, False)):
        dear = replace(pair(5, max_fee_rate=rate), buyer_is_maker=maker)
        assert house.attempt(dear) is Rejection.FEE_ABOVE_MAXIMUM


# Replays, under real signatures.

SCHEME = SepticSchnorr()
SECRETS = {
    ALICE: SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 77),
    BOB: SecretKey(SignatureSuite.SEPTIC_POSEIDON16_20, 78),
}


def real_state(deployment: Deployment, *, swapped: bool = False) -> State:
    """Alice and Bob with real keys; both with Alice's when that is what an owner of two accounts did."""
    state = make(State.genesis, deployment, GENESIS_TIME)
    for account in (ALICE, BOB):
        key = SECRETS[ALICE if swapped else account].trading_key
        for item in (
            make(Deposit, account, owner_of(account), owner_of(account), 100 * DOLLAR),
            make(RegisterKey, account, owner_of(account), 0, key.suite, key.x, key.y),
        ):
            state = apply_l1_item(state, item, SCHEME).state
    opened = open_batch(state, state.system.time)
    assert not isinstance(opened, Rejection)
    return opened[0]


def signed_by_alice(kind: type, deployment: Deployment, *values: object) -> object:
    unsigned = make(kind, *values, 0, UNSIGNED)
    message = message_of(deployment, SuiteId(1), ALICE, TAGS[kind], unsigned)
    return replace(unsigned, signature=sign(SECRETS[ALICE], message))


ELSEWHERE = [
    make(Deployment, DEPLOYMENT.chain + 1, DEPLOYMENT.contract),
    make(Deployment, DEPLOYMENT.chain, DEPLOYMENT.contract + 1),
    make(Deployment, DEPLOYMENT.chain + (1 << 32), DEPLOYMENT.contract),
    make(Deployment, DEPLOYMENT.chain, DEPLOYMENT.contract ^ 1 << 159),
]


@pytest.mark.parametrize("deployment", ELSEWHERE, ids=[str(place) for place in range(len(ELSEWHERE))])
def test_a_signature_is_void_on_every_other_chain_and_contract(deployment: Deployment) -> None:
    transfer = signed_by_alice(Transfer, DEPLOYMENT, ALICE, BOB, DOLLAR)
    assert isinstance(transfer, Transfer)
    assert isinstance(apply_transaction(real_state(DEPLOYMENT), transfer, SCHEME), Outcome)
    refused = apply_transaction(real_state(deployment), transfer, SCHEME)
    assert refused is Rejection.SIGNATURE_INVALID


def test_a_signature_is_void_for_another_account_with_the_same_key() -> None:
    state = real_state(DEPLOYMENT, swapped=True)
    withdrawal = signed_by_alice(Withdrawal, DEPLOYMENT, ALICE, DOLLAR)
    assert isinstance(withdrawal, Withdrawal)
    assert isinstance(apply_transaction(state, withdrawal, SCHEME), Outcome)
    stolen = replace(withdrawal, account=BOB)
    assert apply_transaction(state, stolen, SCHEME) is Rejection.SIGNATURE_INVALID


def test_a_cancellation_is_never_read_as_a_withdrawal_of_the_same_numbers() -> None:
    """Both sign account, a number and a nonce: only the tag, and the width of the number, keep them apart."""
    state = real_state(DEPLOYMENT)
    cancel = signed_by_alice(CancelOrders, DEPLOYMENT, ALICE, 5)
    assert isinstance(cancel, CancelOrders)
    withdrawal = make(Withdrawal, ALICE, 5, 0, cancel.signature)
    assert apply_transaction(state, withdrawal, SCHEME) is Rejection.SIGNATURE_INVALID
    tagged = replace(
        cancel, signature=sign(SECRETS[ALICE], message_of(DEPLOYMENT, SuiteId(1), ALICE, 9, cancel))
    )
    assert apply_transaction(state, tagged, SCHEME) is Rejection.SIGNATURE_INVALID


def test_a_transfer_is_good_once_and_its_order_in_the_batch_is_fixed() -> None:
    state = real_state(DEPLOYMENT)
    transfer = signed_by_alice(Transfer, DEPLOYMENT, ALICE, BOB, DOLLAR)
    assert isinstance(transfer, Transfer)
    outcome = apply_transaction(state, transfer, SCHEME)
    assert isinstance(outcome, Outcome)
    assert apply_transaction(outcome.state, transfer, SCHEME) is Rejection.NONCE_NOT_NEXT
    for nonce in (1, 2):
        later = make(replace, transfer, nonce=nonce)
        refused = apply_transaction(outcome.state, later, SCHEME)
        assert refused in (Rejection.SIGNATURE_INVALID, Rejection.NONCE_NOT_NEXT)


def test_an_order_of_the_key_before_is_void_under_the_key_after() -> None:
    state = real_state(DEPLOYMENT)
    key = SECRETS[BOB].trading_key
    item = make(RegisterKey, ALICE, owner_of(ALICE), 0, key.suite, key.x, key.y)
    state = apply_l1_item(state, item, SCHEME).state
    transfer = signed_by_alice(Transfer, DEPLOYMENT, ALICE, BOB, DOLLAR)
    assert isinstance(transfer, Transfer)
    assert apply_transaction(state, transfer, SCHEME) is Rejection.SIGNATURE_INVALID


def test_no_two_orders_spell_one_message() -> None:
    """Every field of an order in turn takes the values that could run over into its neighbour's limbs."""
    base = order(ALICE, Side.BUY, call(100), DOLLAR, 4)
    spelled = {message_of(DEPLOYMENT, SuiteId(1), ALICE, TAGS[Trade], base): base}
    limits = {"side": 2, "kind": 3, "option": 2, "slot": 1 << 8, "account": 1 << 24, "lots": 1 << 24}
    for name in Order.__dataclass_fields__:
        limit = limits.get(name, 1 << 16)
        for value in {0, 1, limit - 1, (1 << 8) % limit}:
            changed: Order = make(replace, base, **{name: value})
            message = message_of(DEPLOYMENT, SuiteId(1), ALICE, TAGS[Trade], changed)
            known = spelled.setdefault(message, changed)
            assert tuple(values_of(known)) == tuple(values_of(changed))
    assert len(spelled) > 20
