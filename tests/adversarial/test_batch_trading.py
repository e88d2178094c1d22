"""Whole batches that break a rule of trading, margin, settlement or authority, laid out as if they did not.

Every forgery is consistent from the transaction down to the leaves' hashes, and is refused for its own reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clearing_workload import DAY, plain
from circuits import batch as batch_table
from circuits import holders, settlements, step_rows
from circuits.journey import Journey
from circuits.walk_rows import Walked
from rollup import settlement
from rollup.admission import message_of
from rollup.events import Claim, SignatureChecked
from rollup.formulas import settled_pool
from rollup.instruments import Group
from rollup.leaf_formats import system_elements
from rollup.margin import Margin, margin_of
from rollup.orders import SignedOrder
from rollup.outcome import Transaction
from rollup.rejections import Rejection
from rollup.schnorr import sign
from rollup.state import Account, Deployment, Position, State
from rollup.transactions import (
    TAGS,
    CancelOrders,
    ForcedWithdrawal,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
    forced_withdrawal,
    settle_group,
    trade,
    withdrawal,
)
from rollup.units import MICRO, Lots, OptionKind, OrderKind, Side, Ticks
from tests.adversarial.bent_rules import (
    EXPIRED,
    OPEN,
    before,
    laid,
    laid_with_signatures,
    look_away,
    now,
    reasons,
    rows_where,
    signature_reasons,
    told,
    write,
)
from tests.circuits.story import ALICE, BOB, CAROL, DAVE, ERIN, MARKET, UNSIGNED, option, signed

CALL = option(1, 95, OptionKind.CALL)
PRICE, LOTS = 5 * MICRO + 77, 6
"""Fees of this premium do not come out even."""

COVERED = "holders: cash is what is locked and what is free: weight 3 is carried on"
CHANGED = "holders: cash changes by the change and by what is paid out: weight 3 is carried on"
TWO_TRADERS = "trades: buyer and seller are two accounts and trade some lots"
TWO_ACCOUNTS = "transfers: sender and receiver are two accounts and some cash moves"

Integers = NDArray[np.int64]


def traded(
    buy: dict[str, Any] | None = None,
    sell: dict[str, Any] | None = None,
    *,
    lots: int | None = None,
    is_buyer_maker: bool = False,
) -> Transaction:
    """Alice buys calls of Carol; what is given changes either order, or what is filled of both."""
    return plain(Trade, *orders(buy, sell), is_buyer_maker, LOTS if lots is None else lots)


def orders(buy: dict[str, Any] | None = None, sell: dict[str, Any] | None = None) -> list[SignedOrder]:
    """Two orders that meet."""
    made = []
    for side, account, given in ((Side.BUY, ALICE, buy), (Side.SELL, CAROL, sell)):
        fields = {"account": account, "number": 1 << 20, "expiry": now() + 600, "series": CALL, "price": PRICE}
        fields |= {"lots": LOTS} | (given or {})
        names = ("account", "series", "price", "lots")
        account, series, price, lots = (fields.pop(name) for name in names)
        fields.setdefault("side", side)
        side = fields.pop("side")
        made.append(MARKET.order(account, side, series, price, lots, **fields))
    return MARKET.signed(made)


def nonce(account: int, which: int = OPEN) -> int:
    """The next one."""
    return found(account, which).nonce


def found(account: int, which: int = OPEN) -> Account:
    """An account before the batch."""
    leaf = before(which).account(plain(int, account))
    assert leaf is not None
    return leaf


def requirement(account: int) -> int:
    """What an account must hold."""
    return margin_of(found(account).positions, before().group).requirement


def pay(amount: int = 5, sender: int = ALICE, receiver: int = ERIN) -> Transaction:
    """A transfer."""
    return signed(Transfer, sender, receiver, amount, nonce(sender))


EXPIRY = [plain(SettlementPrice, 1, 101)]
LATER = 2 * DAY
"""When the first group has expired."""


def test_the_honest_batches_are_accepted() -> None:
    assert reasons(laid(traded(), pay(), traded({"number": 1 << 21}, is_buyer_maker=True))) == set()
    assert reasons(laid(plain(SettleGroup, ALICE, 1), items=EXPIRY, later=LATER)) == set()
    assert reasons(laid(items=[plain(ForcedWithdrawal, BOB, MARKET.owner(BOB))])) == set()


# --------------------------------------------------------------------------------------------- what the rules refuse

R = Rejection

REFUSED: dict[str, tuple[Rejection, Callable[[], list[Transaction]], set[str]]] = {
    "no_unmargined_account: transfer": (
        R.MARGIN_NOT_MET,
        lambda: [pay(found(BOB).cash - requirement(BOB) + 1, BOB)],
        {COVERED},
    ),
    "no_unmargined_account: withdrawal": (
        R.MARGIN_NOT_MET,
        lambda: [signed(Withdrawal, BOB, found(BOB).cash - requirement(BOB) + 1, nonce(BOB))],
        {COVERED},
    ),
    "no_unmargined_account: trade": (
        R.MARGIN_NOT_MET,
        lambda: [traded({"lots": 65535}, {"lots": 65535}, lots=65535)],
        {COVERED},
    ),
    "no_fill_beyond_order: in three trades": (
        R.ORDER_OVERFILLED,
        lambda: [traded(lots=3)] * 3,
        {"bus two bytes"},
    ),
    "no_fill_beyond_order: by one lot": (R.ORDER_OVERFILLED, lambda: [traded(lots=7)], {"bus two bytes"}),
    "no_cancelled_order": (
        R.ORDER_CANCELLED,
        lambda: [traded(sell={"account": BOB, "number": (1 << 30) - 1})],
        {"bus sixteen bits"},
    ),
    "no_cancelled_order: in the same batch": (
        R.ORDER_CANCELLED,
        lambda: [signed(CancelOrders, CAROL, (1 << 20) + 1, nonce(CAROL)), traded()],
        {"bus sixteen bits"},
    ),
    "no_replaced_order": (
        R.ORDER_REPLACED,
        lambda: [traded(sell={"number": 1 << 21}), traded({"number": 1 << 21})],
        {"bus sixteen bits"},
    ),
    "no_trade_after_expiry": (
        R.ORDER_EXPIRED,
        lambda: [traded(sell={"expiry": now()})],
        {"orders: the time left has no third limb", "bus two bytes", "bus sixteen bits"},
    ),
    "no_order_for_ever": (
        R.ORDER_LIVES_TOO_LONG,
        lambda: [traded(sell={"expiry": now() + 30 * DAY + 1})],
        {"bus two bytes"},
    ),
    "no_price_beyond_limit": (
        R.PRICES_DO_NOT_CROSS,
        lambda: [traded(sell={"price": PRICE + 1})],
        {"bus sixteen bits"},
    ),
    "no_fee_beyond_order: maker": (
        R.FEE_ABOVE_MAXIMUM,
        lambda: [traded(sell={"max_fee_rate": 99})],
        {"bus sixteen bits"},
    ),
    "no_fee_beyond_order: taker": (
        R.FEE_ABOVE_MAXIMUM,
        lambda: [traded({"max_fee_rate": 299})],
        {"bus sixteen bits"},
    ),
    "no_immediate_maker": (
        R.MAKER_ORDER_IS_IMMEDIATE,
        lambda: [traded(sell={"kind": OrderKind.IMMEDIATE})],
        {"fills: a maker is not immediate"},
    ),
    "no_post_only_taker": (
        R.TAKER_ORDER_IS_POST_ONLY,
        lambda: [traded({"kind": OrderKind.POST_ONLY})],
        {"fills: a taker is not post-only"},
    ),
    "no_self_trade": (
        R.SAME_ACCOUNT,
        lambda: [traded(sell={"account": ALICE, "slot": 3})],
        {TWO_TRADERS, "bus accounts", "bus positions"},
    ),
    "no_trade_of_nothing": (R.LOTS_ARE_ZERO, lambda: [traded(lots=0)], {TWO_TRADERS}),
    "no_trade_of_two_series": (
        R.SERIES_DIFFER,
        lambda: [traded(sell={"series": option(1, 95, OptionKind.PUT)})],
        {"bus fills"},
    ),
    "no_trade_of_two_buyers": (
        R.ORDERS_NOT_OPPOSITE,
        lambda: [traded(sell={"side": Side.BUY})],
        {"bus fills"},
    ),
    "no_nonce_twice: transfer": (R.NONCE_NOT_NEXT, lambda: [pay(), pay()], {"bus account steps"}),
    "no_nonce_twice: withdrawal": (
        R.NONCE_NOT_NEXT,
        lambda: [signed(Withdrawal, ALICE, 5, nonce(ALICE))] * 2,
        {"bus account steps"},
    ),
    "no_nonce_twice: cancellation": (
        R.NONCE_NOT_NEXT,
        lambda: [pay(), signed(CancelOrders, ALICE, 9, nonce(ALICE))],
        {"bus accounts"},
    ),
    "no_transfer_to_oneself": (R.SAME_ACCOUNT, lambda: [pay(receiver=ALICE)], {TWO_ACCOUNTS}),
    "no_transfer_of_nothing": (R.AMOUNT_IS_ZERO, lambda: [pay(0)], {TWO_ACCOUNTS}),
    "no_claim_of_nothing": (
        R.AMOUNT_IS_ZERO,
        lambda: [signed(Withdrawal, ALICE, 0, nonce(ALICE))],
        {"withdrawals: some cash is withdrawn"},
    ),
    "no_floor_that_falls": (
        R.FLOOR_NOT_RAISED,
        lambda: [signed(CancelOrders, BOB, 1 << 29, nonce(BOB))],
        {"bus sixteen bits"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_rules_refuse_has_no_proof(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rejection, transactions, expected = REFUSED[name]
    look_away(monkeypatch, rejection)
    assert reasons(laid(*transactions())) == expected


def test_no_trade_in_an_expired_group(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, R.GROUP_EXPIRED)
    deal = traded({"expiry": now(LATER) + 1}, {"expiry": now(LATER) + 1})
    assert reasons(laid(deal, later=LATER)) == {"bus group terms"}


def test_no_position_beyond_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, R.POSITION_TOO_LARGE)
    seller = found(CAROL)
    held = Position(CALL, Lots(3 - (1 << 24)))
    state = before().with_leaves(seller.with_holdings(1 << 61, (held, *seller.positions)))
    assert reasons(laid(traded(lots=2), state=state)) == set()
    assert reasons(laid(traded(lots=3), state=state)) == {"bus two bytes"}


# ------------------------------------------------------------------------------------------------- no_money_created


def test_no_money_created_by_a_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = Journey.credit

    def generous(self: Journey, clock: int, account: Any, amount: tuple[int, ...]) -> None:
        credit(self, clock, account, (amount[0] + 1, *amount[1:]))

    monkeypatch.setattr(Journey, "credit", generous)
    assert reasons(laid(pay())) == {"bus credits"}
    assert reasons(laid(traded())) == {"bus credits"}


def test_no_money_created_by_a_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Journey.step

    def generous(self: Journey, clock: int, after: Account, change: tuple[int, ...], *rest: Any, **more: Any) -> Any:
        if clock % 16 == 4:
            after, change = after.with_cash(plain(int, after.cash + 1)), (change[0] + 1, *change[1:])
        return step(self, clock, after, change, *rest, **more)

    monkeypatch.setattr(Journey, "step", generous)
    assert reasons(laid(traded())) == {"bus account steps"}


def test_no_money_created_by_sums_that_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender gains what the receiver loses: an amount of 2^64 less some."""
    look_away(monkeypatch, R.MARGIN_NOT_MET, R.CASH_INSUFFICIENT)
    with_cash = Account.with_cash
    wrap = 1 << 64
    monkeypatch.setattr(Account, "with_cash", lambda self, cash: with_cash(self, plain(int, cash % wrap)))
    assert reasons(laid(pay(wrap - 1000, ERIN, ALICE))) == {
        CHANGED,
        "credits: cash grows by the amount: weight 3 is carried on",
    }


def test_no_fee_is_kept_from_the_treasury(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journey, "credit", lambda *_: None)
    witness = laid(traded())
    write(witness, "trades", 0, has_treasury=0)
    assert reasons(witness) == {"trades: a treasury that is named is paid"}
    write(witness, "trades", 0, treasury=0)
    assert reasons(witness) == {"bus final parameters"}


def test_no_fee_goes_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = Journey.credit
    monkeypatch.setattr(Journey, "credit", lambda self, clock, _, amount: credit(self, clock, DAVE, amount))
    witness = laid(traded())
    write(witness, "trades", 0, treasury=DAVE)
    assert reasons(witness) == {"bus final parameters"}


def test_no_claim_beyond_what_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "Claim", lambda owner, amount: Claim(owner, plain(int, amount + 1)))
    assert reasons(laid(signed(Withdrawal, ALICE, 5, nonce(ALICE)))) == {"bus claims"}


def test_no_claim_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    thief = MARKET.owner(BOB)
    monkeypatch.setattr(withdrawal, "Claim", lambda _, amount: Claim(plain(int, thief), amount))
    witness = laid(signed(Withdrawal, ALICE, 5, nonce(ALICE)))
    write(witness, "withdrawals", 0, owner_limb_0=thief & 0xFFFF)
    assert reasons(witness) == {"bus identity owners"}


# ----------------------------------------------------------------------------------------- settlement and its pools


def settling(*accounts: int, later: int = LATER) -> set[str]:
    """What is wrong with settlements of the first group."""
    return reasons(laid(*(plain(SettleGroup, account, 1) for account in accounts), items=EXPIRY, later=later))


def test_no_money_created_by_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(pool: Any, payoff: Any) -> Any:
        return settled_pool(pool, payoff) + 1

    for module in (settlement, settlements):
        monkeypatch.setattr(module, "settled_pool", kind)
    assert settling(ALICE) == {"settlements: the pool pays the payoff: weight 0 is carried on"}


def test_no_settlement_of_a_group_without_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_any_price(account: Account, group: Group) -> Any:
        return settlement.settled(account, replace(group, settlement_price=Ticks(90)))

    monkeypatch.setattr(settle_group, "settled", at_any_price)
    assert reasons(laid(plain(SettleGroup, ALICE, 1))) == {"bus groups"}


def test_no_settlement_at_another_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Account and pool agree on it, and the walk's end; only the group does not."""

    def dearer(account: Account, group: Group) -> Any:
        after, settled = settlement.settled(account, replace(group, settlement_price=Ticks(102)))
        return after, replace(settled, group_before=group, group_after=replace(group, pool=settled.group_after.pool))

    end_value = Walked.end_value.func  # type: ignore[attr-defined]
    monkeypatch.setattr(settle_group, "settled", dearer)
    monkeypatch.setattr(
        Walked, "end_value", property(lambda self: end_value(self) + self.is_settled * MICRO)
    )
    assert settling(ALICE) == {"bus group terms"}


def test_no_settlement_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, R.NOTHING_TO_SETTLE)
    assert settling(ERIN) == {"bus settlements", "bus walks"}


def test_no_settlement_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one walks over the list that the first has taken."""
    held, step, seen = found(ALICE).positions, Journey.step, []

    def again(account: Account, group: Group) -> Any:
        return settlement.settled(account.with_holdings(account.cash, held), group)

    def forgetful(self: Journey, clock: int, after: Account, *rest: Any, **more: Any) -> Any:
        book = self.book_of(after.account)
        assert book.account is not None
        seen.append(clock)
        if len(seen) > 1:
            book.version, book.account = 0, book.account.with_holdings(book.account.cash, held)
        return step(self, clock, after, *rest, **more)

    monkeypatch.setattr(settle_group, "settled", again)
    monkeypatch.setattr(Journey, "step", forgetful)
    assert settling(ALICE, ALICE) == {"bus accounts", "bus positions"}


# ------------------------------------------------------------------------------------------------------------ margin


def test_no_scenario_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack that is negative somewhere cannot be written down."""
    monkeypatch.setattr(Walked, "requirement", property(lambda self: 0 * self.payoff_at_end))
    assert reasons(laid(pay())) == {"bus fourteen bits"}


def test_no_requirement_beyond_the_worst_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner would leave with less than is free."""
    honest = Walked.requirement.func  # type: ignore[attr-defined]

    def worse(margin: Margin) -> Margin:
        return replace(margin, requirement=margin.requirement + 1)

    met = forced_withdrawal.met_margin
    monkeypatch.setattr(forced_withdrawal, "met_margin", lambda *given: worse(met(*given)))
    leaves = [plain(ForcedWithdrawal, CAROL, MARKET.owner(CAROL))]
    assert reasons(laid(items=leaves)) == {"holders: a forced step leaves nothing free"}
    monkeypatch.setattr(Walked, "requirement", property(lambda self: honest(self) + self.is_margined))
    assert reasons(laid(items=leaves)) == {"walks: a margin is tight"}


def test_no_group_margined_at_a_price_that_is_not_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_open", 0), ("is_priced", 1), ("is_fixed", 1)):
        monkeypatch.setattr(Walked, name, property(lambda self, value=value: 0 * self.group + value))
    assert reasons(laid(pay())) == {"bus group terms"}


def test_no_position_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = step_rows.holder_rows

    def forgetful(*given: Any) -> holders.Rows:
        honest = rows(*given)
        return replace(
            honest,
            held_step=honest.held_step[:-1],
            held_series=honest.held_series[:-1],
            held_lots=honest.held_lots[:-1],
        )

    monkeypatch.setattr(step_rows, "holder_rows", forgetful)
    assert reasons(laid(pay())) == {"bus accounts", "bus positions"}


def test_no_forced_withdrawal_leaves_a_fixed_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first walk passes what it should settle; the second takes margin of it."""
    look_away(monkeypatch, R.NOTHING_TO_WITHDRAW)
    witness_items = [*EXPIRY, plain(ForcedWithdrawal, CAROL, MARKET.owner(CAROL))]
    assert reasons(laid(items=witness_items, later=LATER)) == set()
    monkeypatch.setattr(forced_withdrawal, "positions_by_group", lambda _: [])
    assert reasons(laid(items=[*EXPIRY, plain(ForcedWithdrawal, ALICE, MARKET.owner(ALICE))], later=LATER)) != set()


# ------------------------------------------------------------------------------------------------- rounding, slots


def test_no_rounding_in_the_traders_favour(monkeypatch: pytest.MonkeyPatch) -> None:
    fee_up = trade.fee_up

    def shifted(by: int) -> Callable[..., Any]:
        def fee(paid: int, rate: Any) -> Any:
            honest = fee_up(paid, rate)
            return replace(honest, amount=honest.amount + by, excess=honest.excess + by * MICRO)

        return fee

    assert fee_up(PRICE * LOTS, plain(int, 100)).excess
    for by, expected in ((-1, {"bus sixteen bits", "bus two bytes"}), (1, {"bus sixteen bits", "bus two bytes"})):
        monkeypatch.setattr(trade, "fee_up", shifted(by))
        assert reasons(laid(traded())) == expected


def test_no_fill_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order's second fill says that the slot held an older order."""
    look_away(monkeypatch, R.ORDER_OVERFILLED)
    monkeypatch.setattr(trade, "filled_before", lambda *_: 0)
    witness = laid(traded(lots=4), traded(lots=4))
    for row in rows_where(witness, "fills", "is same order", 1):
        write(witness, "fills", row, is_same_order=0, filled_low=4, left_high=0)
    assert reasons(witness) == {"bus sixteen bits"}


def test_no_slot_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order's second fill finds the slot as it was before the batch."""
    look_away(monkeypatch, R.ORDER_OVERFILLED)
    monkeypatch.setattr(trade, "filled_before", lambda *_: 0)
    slot_book = Journey.slot_book

    def forgetful(self: Journey, *place: Any) -> Any:
        book = slot_book(self, *place)
        book.time, book.slot = 0, book.first
        return book

    monkeypatch.setattr(Journey, "slot_book", forgetful)
    assert reasons(laid(traded(lots=4), traded(lots=4))) == {"bus slots"}


# --------------------------------------------------------------------------------------------- no_forged_signature


def test_no_forged_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, R.SIGNATURE_INVALID)
    buy, sell = orders()
    secret, order = MARKET.secrets[CAROL], sell.order
    tag, home = TAGS[Trade], MARKET.genesis.system.deployment
    elsewhere = Deployment(plain(int, home.chain + 1), home.contract)
    other_contract = Deployment(home.chain, plain(int, home.contract + 1))
    suite, account = plain(int, secret.suite), order.account
    forged = {
        "another's key": sign(MARKET.secrets[BOB], message_of(home, suite, account, tag, order)),
        "another chain": sign(secret, message_of(elsewhere, suite, account, tag, order)),
        "another contract": sign(secret, message_of(other_contract, suite, account, tag, order)),
        "another tag": sign(secret, message_of(home, suite, account, TAGS[Transfer], order)),
        "another account": sign(secret, message_of(home, suite, plain(int, BOB), tag, order)),
        "another price": orders(sell={"price": PRICE - 1})[1].signature,
        "none": UNSIGNED,
    }
    assert signature_reasons(laid_with_signatures(plain(Trade, buy, sell, False, LOTS))) == set()
    for signature in forged.values():
        deal = plain(Trade, buy, SignedOrder(order, signature), False, LOTS)
        assert signature_reasons(laid_with_signatures(deal)) == {"a digest"}


def test_no_signature_by_the_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice signs an order in Carol's name, and the signature is proved under Alice's key."""
    checked = trade.checked_signature

    def with_any_key(state: State, account: Any, *rest: Any) -> SignatureChecked:
        event = checked(state, account, *rest)
        key = found(ALICE).key
        assert key is not None
        return replace(event, key=key)

    look_away(monkeypatch, R.SIGNATURE_INVALID)
    monkeypatch.setattr(trade, "checked_signature", with_any_key)
    buy, sell = orders()
    secret = MARKET.secrets[ALICE]
    message = message_of(MARKET.genesis.system.deployment, plain(int, secret.suite), sell.order.account, 11, sell.order)
    deal = plain(Trade, buy, SignedOrder(sell.order, sign(secret, message)), False, LOTS)
    assert TAGS[Trade] == 11
    assert signature_reasons(laid_with_signatures(deal)) == {"bus identity keys"}


# ---------------------------------------------------------------------------------------- dead rows, second spellings


def test_no_dead_row_walks() -> None:
    witness = laid(pay(), room=1)
    last = witness.traces["holders"].shape[1] - 1
    write(witness, "holders", last, is_forced=1, is_walked_again=1, new_version=1)
    assert reasons(witness) == {"holders: a dead row forces nothing", "bus walks"}


def test_the_treasury_has_one_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leaf whose limbs lend to each other has a root that nobody can rebuild from the data."""
    after = told([pay()]).outcome.state.system
    treasury = len(system_elements(after)) - 16

    def lending(system: Any) -> tuple[int, ...]:
        elements = list(system_elements(system))
        if system.batch_number == after.batch_number:
            elements[treasury] += 1 << 16
            elements[treasury + 1] -= 1
        return tuple(elements)

    monkeypatch.setattr(batch_table, "system_elements", lending)
    witness = laid(pay())
    assert after.parameters.treasury == 1
    write(witness, "batch", 0, new_treasury_0=1 + (1 << 16), new_treasury_1=-1)
    assert reasons(witness) == {"bus sixteen bits"}
