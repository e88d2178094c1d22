"""Whole batches that break a rule of trading or of authority, laid out as if they did not.

Every forgery is consistent from the transaction down to the leaves' hashes, and is refused for its own reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.clearing_workload import DAY, plain
from circuits.journey import Journey
from rollup import admission
from rollup.admission import message_of
from rollup.events import SignatureChecked
from rollup.orders import SignedOrder
from rollup.outcome import Transaction
from rollup.rejections import Rejection
from rollup.schnorr import sign
from rollup.state import Account, Deployment, Position, State
from rollup.transactions import (
    TAGS,
    CancelOrders,
    ForcedWithdrawal,
    RegisterKey,
    SettleGroup,
    Trade,
    Transfer,
    Withdrawal,
    trade,
)
from rollup.units import MICRO, Lots, OptionKind, OrderKind, Side
from tests.adversarial.bent_rules import (
    EXPIRY,
    LATER,
    LOTS,
    PRICE,
    before,
    found,
    laid,
    laid_with_signatures,
    look_away,
    nonce,
    now,
    orders,
    pay,
    quantity,
    reasons,
    requirement,
    rows_where,
    signature_reasons,
    traded,
    write,
)
from tests.circuits.story import ALICE, BOB, CAROL, MARKET, UNSIGNED, option, signed

COVERED = "holders: cash is what is locked and what is free: weight 3 is carried on"
TWO_TRADERS = "trades: buyer and seller are two accounts and trade some lots"
TWO_ACCOUNTS = "transfers: sender and receiver are two accounts and some cash moves"


def test_the_honest_batches_are_accepted() -> None:
    other = {"number": 1 << 21}
    assert reasons(laid(traded(), pay(), traded(other, other, is_buyer_maker=True))) == set()
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
    held = Position(option(1, 95, OptionKind.CALL), Lots(3 - (1 << 24)))
    state = before().with_leaves(seller.with_holdings(1 << 61, (held, *seller.positions)))
    assert reasons(laid(traded(lots=2), state=state)) == set()
    assert reasons(laid(traded(lots=3), state=state)) == {"bus two bytes"}


# ------------------------------------------------------------------------------------------------- rounding, slots


def test_no_rounding_in_the_traders_favour(monkeypatch: pytest.MonkeyPatch) -> None:
    fee_up = trade.fee_up

    def shifted(by: int) -> Callable[..., Any]:
        def fee(paid: int, rate: Any) -> Any:
            honest = fee_up(paid, rate)
            return replace(honest, amount=quantity(honest.amount + by), excess=honest.excess + by * MICRO)

        return fee

    assert fee_up(PRICE * LOTS, quantity(100)).excess
    for by in (-1, 1):
        monkeypatch.setattr(trade, "fee_up", shifted(by))
        # The excess is negative, or what it stays below a million is.
        assert reasons(laid(traded())) == {"bus two bytes"}


def test_no_rate_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    fee_up = trade.fee_up
    monkeypatch.setattr(trade, "fee_up", lambda paid, rate: fee_up(paid, quantity(400 - rate)))
    assert reasons(laid(traded())) == {"trades: who was first pays the maker's rate"}
    monkeypatch.setattr(trade, "fee_up", lambda paid, _: fee_up(paid, quantity(0)))
    assert reasons(laid(traded())) == {"trades: who was first pays the maker's rate", "bus final parameters"}


def test_no_price_but_the_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within both limits, but the taker's improvement is gone."""
    record = trade.TradeRecord

    def dearer(*given: Any) -> Any:
        *front, price, lots = given
        return plain(record, *front, price + 10, lots)

    monkeypatch.setattr(trade, "TradeRecord", dearer)
    deal = traded({"price": PRICE + 10})
    monkeypatch.setitem(TAGS, record, TAGS[Trade])
    assert reasons(laid(deal)) == {"fills: a maker trades at the limit"}


def test_no_option_but_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Journey.step

    def elsewhere(self: Journey, *given: Any, **more: Any) -> Any:
        edit = more["edit"]
        return step(self, *given, **(more | {"edit": edit._replace(option=edit.option - (15 << 1))}))

    monkeypatch.setattr(Journey, "step", elsewhere)
    assert "bus account steps" in reasons(laid(traded()))


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
    elsewhere = Deployment(quantity(home.chain + 1), home.contract)
    other_contract = Deployment(home.chain, quantity(home.contract + 1))
    suite, account = quantity(secret.suite), order.account
    forged = {
        "another's key": sign(MARKET.secrets[BOB], message_of(home, suite, account, tag, order)),
        "another chain": sign(secret, message_of(elsewhere, suite, account, tag, order)),
        "another contract": sign(secret, message_of(other_contract, suite, account, tag, order)),
        "another tag": sign(secret, message_of(home, suite, account, TAGS[Transfer], order)),
        "another account": sign(secret, message_of(home, suite, quantity(BOB), tag, order)),
        "another price": orders(sell={"price": PRICE - 1})[1].signature,
        "none": UNSIGNED,
    }
    assert signature_reasons(laid_with_signatures(plain(Trade, buy, sell, False, LOTS))) == set()
    for signature in forged.values():
        deal = plain(Trade, buy, SignedOrder(order, signature), False, LOTS)
        assert signature_reasons(laid_with_signatures(deal)) == {"a digest"}


def test_no_signature_by_the_key_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alice signs an order in Carol's name, and the signature is proved under Alice's key."""
    checked = admission.checked_signature

    def with_any_key(state: State, account: Any, *rest: Any) -> SignatureChecked:
        event = checked(state, account, *rest)
        key = found(ALICE).key
        assert key is not None
        return replace(event, key=key)

    look_away(monkeypatch, R.SIGNATURE_INVALID)
    monkeypatch.setattr(trade, "checked_signature", with_any_key)
    buy, sell = orders()
    secret = MARKET.secrets[ALICE]
    message = message_of(
        MARKET.genesis.system.deployment, quantity(secret.suite), sell.order.account, 11, sell.order
    )
    deal = plain(Trade, buy, SignedOrder(sell.order, sign(secret, message)), False, LOTS)
    assert TAGS[Trade] == 11
    assert signature_reasons(laid_with_signatures(deal)) == {"bus identity keys"}


def test_no_order_under_a_replaced_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order, fill, trade and step all name the identity that the account had before the queue gave it another key."""
    look_away(monkeypatch, R.SIGNATURE_INVALID)
    checked, sign_in, step = admission.checked_signature, Journey.sign, Journey.step
    old, other = found(ALICE), found(BOB).key
    old_key = old.key
    assert old_key is not None and other is not None

    def by_old_key(state: State, account: Any, *rest: Any) -> SignatureChecked:
        event = checked(state, account, *rest)
        return replace(event, key=old_key) if account == ALICE else event

    def signed_before(self: Journey, event: SignatureChecked) -> Any:
        signer = sign_in(self, event)
        return signer._replace(identity=self.identity_of(old)) if event.account == ALICE else signer

    def stepped_before(self: Journey, clock: int, after: Account, *rest: Any, **more: Any) -> Any:
        made = step(self, clock, after, *rest, **more)
        if after.account == ALICE:
            self.steps[-1] = made._replace(identity=self.identity_of(old))
        return made

    items = [plain(RegisterKey, ALICE, MARKET.owner(ALICE), 0, other.suite, other.x, other.y)]
    monkeypatch.setattr(trade, "checked_signature", by_old_key)
    assert reasons(laid(traded(), items=items)) == {"bus identity keys"}
    monkeypatch.setattr(Journey, "sign", signed_before)
    assert reasons(laid(traded(), items=items)) == {"bus account steps"}
    monkeypatch.setattr(Journey, "step", stepped_before)
    assert reasons(laid(traded(), items=items)) == {"bus accounts"}
