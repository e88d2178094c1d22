"""The groups that a batch touches, as the tables of groups, of series lists and of series lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollup.instruments import Group
from rollup.leaf_formats import series_elements


@dataclass(frozen=True, slots=True)
class TouchedGroups:
    """One entry a group, in any order; a group whose memory, terms or series anybody asks for is touched."""

    numbers: NDArray[np.int64]
    before: Sequence[Group | None]
    after: Sequence[Group | None]
    times: NDArray[np.int64]
    """The clock of the last access; 0: none."""

    @property
    def existed(self) -> NDArray[np.int64]:
        """Where a group was listed before the batch."""
        return np.array([group is not None for group in self.before], np.int64)

    @property
    def exists(self) -> NDArray[np.int64]:
        """Where a group is listed at the end."""
        return np.array([group is not None for group in self.after], np.int64)


def options_of(group: Group | None) -> tuple[int, ...]:
    """What a group lists, in the order of listing; nothing where there is no group."""
    return () if group is None else series_elements(group)


def numbers_of(groups: Sequence[Group | None], name: str) -> NDArray[np.int64]:
    """One number of every group, zero where there is none."""
    return np.array([0 if group is None else getattr(group, name) or 0 for group in groups], np.int64)
