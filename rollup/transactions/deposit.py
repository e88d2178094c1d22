"""Deposit: money came into the vault for an account, which it may create."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to
from rollup.authority import Authority
from rollup.events import Claim, Deposited, Event
from rollup.outcome import QueueItem, require
from rollup.places import account_places
from rollup.rejections import Rejection
from rollup.state import NO_ACCOUNT, Account, LeafIndex, State
from rollup.system import with_owed
from rollup.units import (
    VAULT_CAP,
    WIDTH_BITS,
    AccountId,
    Address,
    Amount,
    Nonce,
    OrderNumber,
    RawDoubleWord,
    fits,
)


@dataclass(frozen=True, slots=True)
class Deposit(QueueItem):
    """Credit `amount` to the account of `owner`; whoever paid gets it back as a claim if that cannot be."""

    account: RawDoubleWord
    owner: Address
    payer: Address
    amount: Amount

    authority: ClassVar[Authority] = Authority.OWNER
    rule: ClassVar[str] = (
        "credits cash and creates the account at its first deposit; what cannot be credited is a claim of the payer"
    )

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The account."""
        del state
        return account_places(self.account)

    def refund(self) -> Claim | None:
        """The whole amount, to the payer."""
        return Claim(self.payer, self.amount) if self.amount else None

    def clear(self, state: State) -> tuple[State, Event]:
        """Credit the account."""
        # Admission.
        require(
            self.account != int(NO_ACCOUNT) and fits(self.account, WIDTH_BITS["AccountId"]),
            Rejection.FIELD_OUT_OF_RANGE,
        )
        require(self.amount > 0, Rejection.AMOUNT_IS_ZERO)
        account = state.account(self.account)
        require(account is None or account.owner == self.owner, Rejection.NOT_OWNER)
        owed = state.system.owed + self.amount
        # Soundness: no amount in the system exceeds what is owed by more than the pools owe, so this one bound keeps
        # every sum inside its limbs.
        require(owed <= VAULT_CAP, Rejection.AMOUNT_TOO_LARGE)
        # Effects.
        if account is None:
            account = Account(
                AccountId(self.account), self.owner, None, Nonce(0), OrderNumber(0), Amount(0), ()
            )
        after = (account.with_cash(account.cash + self.amount), with_owed(state.system, owed))
        return state.with_leaves(*after), Deposited(changes_to(state, *after), self.amount)
