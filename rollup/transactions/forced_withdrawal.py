"""ForcedWithdrawal: an owner leaves through the queue; nobody can leave the item out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to, known_group, met_margin, owned_account
from rollup.authority import Authority
from rollup.events import Claim, Event, ForciblyWithdrawn, GroupSettlement
from rollup.margin import positions_by_group
from rollup.outcome import QueueItem, require
from rollup.places import account_places
from rollup.rejections import Rejection
from rollup.settlement import settled
from rollup.state import Leaf, LeafIndex, State, group_index
from rollup.system import with_owed
from rollup.units import Address, Amount, RawDoubleWord


@dataclass(frozen=True, slots=True)
class ForcedWithdrawal(QueueItem):
    """Settle every fixed group of the account, then pay all cash that no margin needs.

    Settling first: otherwise a sequencer that never settles could hold winnings back for ever.
    """

    account: RawDoubleWord
    owner: Address

    authority: ClassVar[Authority] = Authority.OWNER
    rule: ClassVar[str] = (
        "settles every group of the account whose price is fixed, then pays all cash above the requirement"
    )

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The account, and the groups that decide what it could be paid.

        Soundness: without them "nothing to withdraw" could be said of an account whose group is fixed.
        """
        account = state.account(self.account)
        groups = () if account is None else positions_by_group(account.positions)
        return (*account_places(self.account), *(group_index(group) for group, _ in groups))

    def clear(self, state: State) -> tuple[State, Event]:
        """Settle and pay."""
        # Admission.
        account = owned_account(state, self.account, self.owner)
        # Computation.
        settlements: list[GroupSettlement] = []
        for group_id, _ in positions_by_group(account.positions):
            group = known_group(state, group_id)
            if group.settlement_price is not None:
                account, settlement = settled(account, group)
                settlements.append(settlement)
        margin = met_margin(state, account)
        free = Amount(account.cash - margin.requirement)
        require(bool(settlements) or free > 0, Rejection.NOTHING_TO_WITHDRAW)
        # Effects.
        after: tuple[Leaf, ...] = (
            account.with_cash(account.cash - free),
            with_owed(state.system, state.system.owed - free),
            *(settlement.group_after for settlement in settlements),
        )
        event = ForciblyWithdrawn(
            changes_to(state, *after), tuple(settlements), Claim(account.owner, free), margin
        )
        return state.with_leaves(*after), event
