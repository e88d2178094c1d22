"""ForcedCancelOrders: an owner cancels orders through the queue, without trading key or sequencer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to, owned_account, raised_floor
from rollup.authority import Authority
from rollup.events import Event, OrdersCancelled
from rollup.outcome import QueueItem
from rollup.places import account_places
from rollup.state import LeafIndex, State
from rollup.units import Address, OrderNumber, RawDoubleWord


@dataclass(frozen=True, slots=True)
class ForcedCancelOrders(QueueItem):
    """Raise the account's floor: every order with a smaller number is dead."""

    account: RawDoubleWord
    owner: Address
    order_floor: OrderNumber

    authority: ClassVar[Authority] = Authority.OWNER
    rule: ClassVar[str] = "raises the floor of order numbers"

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The account."""
        del state
        return account_places(self.account)

    def clear(self, state: State) -> tuple[State, Event]:
        """Raise the floor."""
        after = raised_floor(owned_account(state, self.account, self.owner), self.order_floor)
        return state.with_leaves(after), OrdersCancelled(changes_to(state, after))
