"""Withdrawal: an account turns cash into a claim on the vault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import (
    changes_to,
    check_nonce,
    checked_signature,
    known_account,
    met_margin,
    with_nonce_used,
)
from rollup.authority import Authority, Signature, SignatureCheck
from rollup.events import Claim, Event, Withdrawn
from rollup.outcome import Record, Transaction, require
from rollup.rejections import Rejection
from rollup.state import State
from rollup.system import with_owed
from rollup.units import AccountId, Amount, Nonce


@dataclass(frozen=True, slots=True)
class WithdrawalRecord(Record):
    """What is published of a withdrawal; the claim follows at the end of the batch's data."""

    account: AccountId
    amount: Amount

    def clear(self, state: State) -> tuple[State, Event]:
        """Take the cash and make the claim."""
        # Admission.
        require(self.amount > 0, Rejection.AMOUNT_IS_ZERO)
        account = known_account(state, self.account)
        # Computation.
        account = with_nonce_used(account).with_cash(account.cash - self.amount)
        margin = met_margin(state, account)
        # Effects.
        after = (account, with_owed(state.system, state.system.owed - self.amount))
        event = Withdrawn(changes_to(state, *after), Claim(account.owner, self.amount), margin)
        return state.with_leaves(*after), event


@dataclass(frozen=True, slots=True)
class Withdrawal(Transaction):
    """Ask for cash; the claim is the owner's, who names the recipient on L1."""

    account: AccountId
    amount: Amount
    nonce: Nonce
    signature: Signature

    authority: ClassVar[Authority] = Authority.TRADING_KEY
    rule: ClassVar[str] = "makes a claim of the owner; margin is met afterwards"

    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Check nonce and signature."""
        check_nonce(known_account(state, self.account), self.nonce)
        event = checked_signature(state, self.account, tag, self, self.signature, check)
        return WithdrawalRecord(self.account, self.amount), (event,)
