"""Transfer: cash moves from one account to another."""

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
from rollup.events import Event, Transferred
from rollup.outcome import Record, Transaction, require
from rollup.rejections import Rejection
from rollup.state import State
from rollup.units import AccountId, Amount, Nonce


@dataclass(frozen=True, slots=True)
class TransferRecord(Record):
    """What is published of a transfer."""

    sender: AccountId
    receiver: AccountId
    amount: Amount

    def clear(self, state: State) -> tuple[State, Event]:
        """Move the cash."""
        # Admission.
        require(self.sender != self.receiver, Rejection.SAME_ACCOUNT)
        require(self.amount > 0, Rejection.AMOUNT_IS_ZERO)
        sender = known_account(state, self.sender)
        receiver = known_account(state, self.receiver)
        # Computation.
        sender = with_nonce_used(sender).with_cash(sender.cash - self.amount)
        margin = met_margin(state, sender)
        # Effects.
        after = (sender, receiver.with_cash(receiver.cash + self.amount))
        return state.with_leaves(*after), Transferred(changes_to(state, *after), self.amount, margin)


@dataclass(frozen=True, slots=True)
class Transfer(Transaction):
    """Send cash to another account."""

    sender: AccountId
    receiver: AccountId
    amount: Amount
    nonce: Nonce
    signature: Signature

    authority: ClassVar[Authority] = Authority.TRADING_KEY
    rule: ClassVar[str] = "sender is not receiver; the sender's margin is met afterwards"

    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Check nonce and signature."""
        check_nonce(known_account(state, self.sender), self.nonce)
        event = checked_signature(state, self.sender, tag, self, self.signature, check)
        return TransferRecord(self.sender, self.receiver, self.amount), (event,)
