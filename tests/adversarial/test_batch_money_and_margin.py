"""Whole batches that make money, hide a risk or settle what is not to be settled, laid out as if they did not.

Every forgery is consistent from the transaction down to the leaves' hashes, and is refused for its own reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.clearing_workload import plain
from circuits import holders, journey_steps, settlements, step_rows
from circuits.buses import FORCED_MODE
from circuits.journey import GroupReading, Journey
from circuits.walk_rows import Walked
from rollup import admission, settlement
from rollup.events import Claim
from rollup.formulas import settled_pool
from rollup.instruments import Group
from rollup.margin import Margin, margin_of
from rollup.rejections import Rejection
from rollup.state import Account
from rollup.transactions import (
    ForcedWithdrawal,
    SettleGroup,
    Withdrawal,
    forced_withdrawal,
    settle_group,
    withdrawal,
)
from rollup.units import MICRO, Ticks
from tests.adversarial.bent_rules import (
    EXPIRY,
    LATER,
    found,
    laid,
    look_away,
    nonce,
    pay,
    place_of,
    quantity,
    reasons,
    traded,
    write,
)
from tests.circuits.story import ALICE, BOB, CAROL, DAVE, ERIN, MARKET, signed

CHANGED = "holders: cash changes by the change and by what is paid out: weight 3 is carried on"

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

    def generous(
        self: Journey, clock: int, after: Account, change: tuple[int, ...], *rest: Any, **more: Any
    ) -> Any:
        if clock % 16 == 4:
            after, change = after.with_cash(quantity(after.cash + 1)), (change[0] + 1, *change[1:])
        return step(self, clock, after, change, *rest, **more)

    monkeypatch.setattr(Journey, "step", generous)
    assert reasons(laid(traded())) == {"bus account steps"}


def test_no_money_created_by_sums_that_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not the cash has 2^64 less what is missing."""
    look_away(monkeypatch, Rejection.MARGIN_NOT_MET, Rejection.CASH_INSUFFICIENT)
    with_cash = Account.with_cash
    monkeypatch.setattr(Account, "with_cash", lambda self, cash: with_cash(self, quantity(cash % (1 << 63))))
    short = found(ERIN).cash + 1
    assert reasons(laid(pay(short, ERIN, ALICE))) >= {CHANGED}


def test_no_fee_is_kept_from_the_treasury(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journey, "credit", lambda *_: None)
    witness = laid(traded())
    write(witness, "trades", 0, has_treasury=0)
    assert reasons(witness) == {"trades: a treasury that is named is paid"}
    write(witness, "trades", 0, treasury=0)
    assert reasons(witness) == {"bus final parameters"}


def test_no_fee_goes_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = Journey.credit
    monkeypatch.setattr(
        Journey, "credit", lambda self, clock, _, amount: credit(self, clock, quantity(DAVE), amount)
    )
    witness = laid(traded())
    write(witness, "trades", 0, treasury=DAVE)
    assert reasons(witness) == {"bus final parameters"}


def test_no_claim_beyond_what_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "Claim", lambda owner, amount: Claim(owner, quantity(amount + 1)))
    assert reasons(laid(signed(Withdrawal, ALICE, 5, nonce(ALICE)))) == {"bus claims"}


def test_no_claim_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    thief = MARKET.owner(BOB)
    monkeypatch.setattr(withdrawal, "Claim", lambda _, amount: Claim(quantity(thief), amount))
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
    every = {f"settlements: the pool pays the payoff: weight {i} is carried on" for i in range(4)}
    assert settling(ALICE) == every


def test_no_settlement_of_a_group_without_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_any_price(account: Account, group: Group) -> Any:
        return settlement.settled(account, replace(group, settlement_price=Ticks(90)))

    monkeypatch.setattr(settle_group, "settled", at_any_price)
    assert reasons(laid(plain(SettleGroup, ALICE, 1))) == {"bus groups"}


def test_no_settlement_at_another_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Account and pool agree on it, and the walk's end; only the group does not."""

    def dearer(account: Account, group: Group) -> Any:
        after, settled = settlement.settled(account, replace(group, settlement_price=Ticks(102)))
        return after, replace(
            settled, group_before=group, group_after=replace(group, pool=settled.group_after.pool)
        )

    end_value = Walked.end_value.func  # type: ignore[attr-defined]
    monkeypatch.setattr(settle_group, "settled", dearer)
    monkeypatch.setattr(Walked, "end_value", property(lambda self: end_value(self) + self.is_settled * MICRO))
    assert settling(ALICE) == {"bus group terms"}


def test_no_settlement_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    look_away(monkeypatch, Rejection.NOTHING_TO_SETTLE)
    assert settling(CAROL) == {"bus settlements", "bus walks"}


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


def test_no_account_is_left_unwalked(monkeypatch: pytest.MonkeyPatch) -> None:
    """All cash goes; the list stays as it was opened, and nobody asks what it requires."""
    look_away(monkeypatch, Rejection.MARGIN_NOT_MET)
    step = Journey.step

    def unwalked(self: Journey, clock: int, after: Account, *rest: Any, **more: Any) -> Any:
        version = self.book_of(after.account).version
        made = step(self, clock, after, *rest, **more)
        self.book_of(after.account).version = version
        return made

    monkeypatch.setattr(Journey, "step", unwalked)
    holder = found(ALICE)
    witness = laid(pay(holder.cash))
    witness.traces["walks"][:] = 0
    for table in ("groups", "series"):
        witness.traces[table][place_of(table, "count of terms")] = 0
    write(witness, "holders", 0, is_walked=0, new_version=0, middle_count=len(holder.positions))
    for i in range(4):
        write(witness, "holders", 0, **{f"total {i}": 0, f"free limb {i}": 0})
    for i in range(1, 4):
        write(witness, "holders", 0, **{f"cash is what is locked and what is free carry {i}": 0})
    assert reasons(witness) == {"holders: an account with positions is walked"}


def test_no_requirement_beyond_the_worst_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner would leave with less than is free."""
    honest = Walked.requirement.func  # type: ignore[attr-defined]

    def worse(margin: Margin) -> Margin:
        return replace(margin, requirement=margin.requirement + 1)

    met = admission.met_margin
    monkeypatch.setattr(forced_withdrawal, "met_margin", lambda *given: worse(met(*given)))
    leaves = [plain(ForcedWithdrawal, CAROL, MARKET.owner(CAROL))]
    assert reasons(laid(items=leaves)) == {"holders: a forced step leaves nothing free"}
    monkeypatch.setattr(Walked, "requirement", property(lambda self: honest(self) + self.is_margined))
    assert reasons(laid(items=leaves)) == {"walks: a margin is tight"}


def test_no_group_margined_at_a_price_that_is_not_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walked, "is_open", property(lambda self: 0 * self.group))
    for name in ("is_priced", "is_fixed"):
        monkeypatch.setattr(Walked, name, property(lambda self: 0 * self.group + 1))
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
    """The first walk passes what it should settle, the second one margins it at its price."""
    leaves = [*EXPIRY, plain(ForcedWithdrawal, ALICE, MARKET.owner(ALICE))]
    assert reasons(laid(items=leaves, later=LATER)) == set()
    monkeypatch.setattr(forced_withdrawal, "positions_by_group", lambda _: [])
    monkeypatch.setattr(Walked, "is_settled", property(lambda self: 0 * self.group))
    monkeypatch.setattr(
        holders.Rows,
        "middle",
        property(lambda self: np.flatnonzero(self.mode[self.held_step] == FORCED_MODE)),
    )
    assert reasons(laid(items=leaves, later=LATER)) == {"walks: after a forced settlement no group is fixed"}


def test_no_forced_withdrawal_finds_a_group_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The price came before the withdrawal in the queue; the reading says that it did not."""

    def unfixed(group: Group | None) -> Group | None:
        return None if group is None else replace(group, settlement_price=None)

    monkeypatch.setattr(forced_withdrawal, "positions_by_group", lambda _: [])
    monkeypatch.setattr(
        forced_withdrawal,
        "met_margin",
        lambda state, account: margin_of(account.positions, lambda number: unfixed(state.group(number))),
    )
    monkeypatch.setattr(
        journey_steps,
        "GroupReading",
        lambda clock, stamp, time, group: GroupReading(
            clock, stamp, time, replace(group, settlement_price=None)
        ),
    )
    leaves = [*EXPIRY, plain(ForcedWithdrawal, ALICE, MARKET.owner(ALICE))]
    assert reasons(laid(items=leaves, later=LATER)) == {"bus groups"}


# ---------------------------------------------------------------------------------------- dead rows


def test_no_dead_row_walks() -> None:
    witness = laid(pay(), room=1)
    last = witness.traces["holders"].shape[1] - 1
    write(witness, "holders", last, is_forced=1, is_walked_again=1, new_version=1)
    assert reasons(witness) == {"holders: a dead row forces nothing", "bus walks"}
