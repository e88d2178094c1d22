"""CancelOrders: a trader raises the floor of order numbers, for everybody to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import (
    changes_to,
    check_nonce,
    checked_signature,
    known_account,
    raised_floor,
    with_nonce_used,
)
from rollup.authority import Authority, Signature, SignatureCheck
from rollup.events import Event, OrdersCancelled
from rollup.outcome import Record, Transaction
from rollup.state import State
from rollup.units import AccountId, Nonce, OrderNumber


@dataclass(frozen=True, slots=True)
class CancelOrdersRecord(Record):
    """What is published of a cancellation."""

    account: AccountId
    order_floor: OrderNumber

    def clear(self, state: State) -> tuple[State, Event]:
        """Raise the floor."""
        account = with_nonce_used(known_account(state, self.account))
        after = raised_floor(account, self.order_floor)
        return state.with_leaves(after), OrdersCancelled(changes_to(state, after))


@dataclass(frozen=True, slots=True)
class CancelOrders(Transaction):
    """Kill every order with a number below the floor."""

    account: AccountId
    order_floor: OrderNumber
    nonce: Nonce
    signature: Signature

    authority: ClassVar[Authority] = Authority.TRADING_KEY
    rule: ClassVar[str] = "raises the floor of order numbers"

    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Check nonce and signature."""
        check_nonce(known_account(state, self.account), self.nonce)
        event = checked_signature(state, self.account, tag, self, self.signature, check)
        return CancelOrdersRecord(self.account, self.order_floor), (event,)
