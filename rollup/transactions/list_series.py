"""ListSeries: the governor adds an option to a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rollup.admission import changes_to, known_group
from rollup.authority import Authority
from rollup.events import Event, SeriesListed
from rollup.instruments import series_id
from rollup.outcome import QueueItem, require
from rollup.rejections import Rejection
from rollup.state import LeafIndex, State, group_index
from rollup.units import MAX_SERIES, GroupId, OptionKind, RawDoubleWord, RawWord, Ticks


@dataclass(frozen=True, slots=True)
class ListSeries(QueueItem):
    """List a strike and kind; its place in the group's list is its name in the published data."""

    group: GroupId
    strike: RawDoubleWord
    option: RawWord

    authority: ClassVar[Authority] = Authority.GOVERNOR
    rule: ClassVar[str] = "lists a strike and kind; every strike lies above zero and below the group's cap"

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The group."""
        del state
        return (group_index(self.group),)

    def clear(self, state: State) -> tuple[State, Event]:
        """List the series."""
        # Admission.
        group = known_group(state, self.group)
        require(state.system.time < group.expiry, Rejection.GROUP_EXPIRED)
        require(self.option < len(OptionKind), Rejection.FIELD_OUT_OF_RANGE)
        # Soundness: the margin walk ends at the cap; a strike beyond it would be a kink that the walk never sees.
        require(0 < self.strike < group.cap, Rejection.STRIKE_OUTSIDE_CAP)
        series = series_id(group.group, Ticks(self.strike), OptionKind(self.option))
        require(not group.lists(series), Rejection.SERIES_ALREADY_LISTED)
        require(len(group.series) < MAX_SERIES, Rejection.GROUP_FULL)
        # Effects.
        after = replace(group, series=(*group.series, series))
        return state.with_leaves(after), SeriesListed(changes_to(state, after))
