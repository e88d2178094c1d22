"""SettlementPrice: the contract's median of the oracles fixes a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rollup.admission import changes_to, known_group
from rollup.authority import Authority
from rollup.events import Event, PriceFixed
from rollup.outcome import QueueItem, require
from rollup.rejections import Rejection
from rollup.state import LeafIndex, State, group_index
from rollup.units import GroupId, RawTicks, Ticks


@dataclass(frozen=True, slots=True)
class SettlementPrice(QueueItem):
    """Fix the settlement price of an expired group, in whole ticks."""

    group: GroupId
    price: RawTicks

    authority: ClassVar[Authority] = Authority.ORACLES
    rule: ClassVar[str] = "fixes the price of an expired group once, clamped to zero and the cap"

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The group."""
        del state
        return (group_index(self.group),)

    def clear(self, state: State) -> tuple[State, Event]:
        """Fix the price."""
        # Admission.
        group = known_group(state, self.group)
        require(group.settlement_price is None, Rejection.GROUP_ALREADY_FIXED)
        require(state.system.time >= group.expiry, Rejection.GROUP_NOT_EXPIRED)
        # Effects.
        # Soundness: without the clamp a price above the cap would make losses larger than any margin held for them.
        after = replace(group, settlement_price=Ticks(min(self.price, group.cap)))
        return state.with_leaves(after), PriceFixed(changes_to(state, after), self.price)
