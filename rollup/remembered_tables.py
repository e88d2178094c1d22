"""The tables of keys that sign again and again, so that a key's 93 doublings are paid once.

Sixteen points a key are kept, one KiB: a table says nothing that the key does not, and forgetting costs time alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np

from prover.curve.comb import KeyTables
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import Montgomery, encode
from rollup.authority import Coordinate, TradingKey

REMEMBERED: Final = 1 << 14
"""Keys: some 30 MB with the names they are kept under."""

_Name = tuple[Coordinate, Coordinate]
"""A key without its suite, which the table does not depend on."""


class RememberedTables:
    """Tables of the keys that were used last; several threads may ask."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._rows: OrderedDict[_Name, tuple[bool, Montgomery]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def tables_of(self, keys: Sequence[TradingKey], *, threads: int = 1) -> KeyTables:
        """The tables of keys that are points of the curve, without their witness."""
        names = [(key.x, key.y) for key in keys]
        with self._lock:
            known = {name: self._rows[name] for name in names if name in self._rows}
            for name in known:
                self._rows.move_to_end(name)
        missing = [name for name in dict.fromkeys(names) if name not in known]
        if missing:
            known |= self._make(missing, threads)
        return KeyTables(
            np.array([known[name][0] for name in names], np.bool_),
            np.stack([known[name][1] for name in names]) if names else _NOTHING,
            doublings=_NOTHING,
            additions=_NOTHING,
        )

    def _make(self, names: Sequence[_Name], threads: int) -> dict[_Name, tuple[bool, Montgomery]]:
        """Make tables and keep them, in the place of those that were not used for longest."""
        from prover.curve.key_table_kernels import key_tables

        columns = np.array([(*x, *y) for x, y in names], np.uint32).reshape(-1, POINT_ELEMENTS).T
        tables = key_tables(encode(columns), has_witness=False, threads=threads)
        # A copy of each: a slice would keep the whole batch's array alive.
        made = {
            name: (bool(is_exceptional), rows.copy())
            for name, is_exceptional, rows in zip(names, tables.is_exceptional, tables.rows, strict=True)
        }
        with self._lock:
            self._rows |= made
            while len(self._rows) > self._remembered:
                self._rows.popitem(last=False)
        return made


_NOTHING: Final[Montgomery] = np.zeros((0, 0, 0), np.uint32)
