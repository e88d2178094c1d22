"""SettleGroup: anyone closes one account's positions in one fixed group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to, known_account, known_group
from rollup.authority import Authority, SignatureCheck
from rollup.events import Event, GroupSettled
from rollup.outcome import Record, Transaction
from rollup.settlement import settled
from rollup.state import State
from rollup.units import AccountId, GroupId


@dataclass(frozen=True, slots=True)
class SettleGroupRecord(Record):
    """What is published of a settlement; the payoff follows from the state."""

    account: AccountId
    group: GroupId

    def clear(self, state: State) -> tuple[State, Event]:
        """Pay the positions out of the pool, or into it."""
        account = known_account(state, self.account)
        account, settlement = settled(account, known_group(state, self.group))
        after = (account, settlement.group_after)
        return state.with_leaves(*after), GroupSettled(changes_to(state, *after), settlement)


@dataclass(frozen=True, slots=True)
class SettleGroup(Transaction):
    """Settle an account; needs nobody's word, because the price decides everything."""

    account: AccountId
    group: GroupId

    authority: ClassVar[Authority] = Authority.ANYONE
    rule: ClassVar[str] = (
        "closes all positions of one account in one fixed group in one step: cash += payoff, pool -= payoff"
    )

    def admit(self, state: State, check: SignatureCheck, tag: int) -> tuple[Record, tuple[Event, ...]]:
        """Ask for no authority."""
        del state, check, tag
        return SettleGroupRecord(self.account, self.group), ()
