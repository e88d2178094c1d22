"""An account's position list: strictly sorted by series, no zero lots, at most thirty-two."""

from __future__ import annotations

from bisect import bisect_left

from rollup.instruments import SeriesId, group_of
from rollup.outcome import require
from rollup.rejections import Rejection
from rollup.state import Position
from rollup.units import MAX_POSITIONS, WIDTH_BITS, GroupId, fits


def with_lots(positions: tuple[Position, ...], series: SeriesId, lots: int) -> tuple[Position, ...]:
    """Add lots of a series, negative ones when selling.

    Soundness: one entry a series and no zero entries, so that equal holdings have one encoding and one digest.
    """
    place = bisect_left(positions, (series,))
    is_held = place < len(positions) and positions[place].series == series
    held = positions[place].lots if is_held else 0
    after = held + lots
    require(fits(abs(after), WIDTH_BITS["Lots"]), Rejection.POSITION_TOO_LARGE)
    middle = (Position(series, after),) if after else ()
    changed = positions[:place] + middle + positions[place + is_held :]
    require(len(changed) <= MAX_POSITIONS, Rejection.POSITIONS_TOO_MANY)
    return changed


def without_group(positions: tuple[Position, ...], group: GroupId) -> tuple[Position, ...]:
    """Take the positions of one group out of the list."""
    return tuple(position for position in positions if group_of(position.series) != group)
