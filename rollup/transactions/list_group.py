"""ListGroup: the governor opens one underlying and expiry for trading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rollup.admission import changes_to
from rollup.authority import Authority
from rollup.events import Event, GroupListed
from rollup.instruments import Group, has_whole_terms
from rollup.outcome import QueueItem, require
from rollup.rejections import Rejection
from rollup.state import LeafIndex, State, group_index
from rollup.units import (
    MICRO,
    WIDTH_BITS,
    GroupId,
    RawDoubleWord,
    Ticks,
    Time,
    UnderlyingId,
    fits,
)


@dataclass(frozen=True, slots=True)
class ListGroup(QueueItem):
    """List a group without series; its terms never change afterwards."""

    group: GroupId
    underlying: UnderlyingId
    expiry: Time
    cap: RawDoubleWord
    tick_micro_dollars: RawDoubleWord
    lot_micro_units: RawDoubleWord

    authority: ClassVar[Authority] = Authority.GOVERNOR
    rule: ClassVar[str] = (
        "lists a group: tick times lot size is whole micro-dollars, the payoff at the cap fits a price"
    )

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The group."""
        del state
        return (group_index(self.group),)

    def clear(self, state: State) -> tuple[State, Event]:
        """List the group."""
        # Admission.
        require(state.group(self.group) is None, Rejection.GROUP_ALREADY_LISTED)
        require(self.expiry > state.system.time, Rejection.GROUP_EXPIRED)
        require(fits(self.cap, WIDTH_BITS["Ticks"]), Rejection.FIELD_OUT_OF_RANGE)
        tick_value = self.tick_micro_dollars * self.lot_micro_units // MICRO
        require(
            has_whole_terms(self.cap, self.tick_micro_dollars, self.lot_micro_units, tick_value),
            Rejection.GROUP_TERMS_INVALID,
        )
        # Effects.
        after = Group(
            self.group,
            self.underlying,
            self.expiry,
            Ticks(self.cap),
            self.tick_micro_dollars,
            self.lot_micro_units,
            tick_value,
        )
        return state.with_leaves(after), GroupListed(changes_to(state, after))
