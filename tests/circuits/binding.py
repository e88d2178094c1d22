"""Which cells of a specimen nothing binds: changed by one, they break no rule and change no message."""

from __future__ import annotations

from typing import Final

import numpy as np

from circuits.buses import FOURTEEN_BITS, SIXTEEN_BITS, TWO_BYTES
from prover.air.inspect import Findings
from prover.air.table import Table
from prover.field.koalabear import Montgomery, decode, encode
from tests.circuits.loose_ends import inspected

LIMITS: Final = {SIXTEEN_BITS.name: 1 << 16, FOURTEEN_BITS.name: 1 << 14, TWO_BYTES.name: 1 << 8}
"""Values of look-ups below these are provided by the range check."""

_PARTS: Final = 3
"""Tables in which the copies stand: fewer findings a table than `inspect` lists."""


def unbound_cells(table: Table, trace: Montgomery, height: int) -> set[tuple[int, str]]:
    """Rows and columns of cells of the first rows of a trace that can be changed alone.

    Many copies of these rows stand in one table, a dead row before each, and in each copy another cell is changed.
    """
    specimen = np.pad(decode(trace[:, :height]).astype(np.int64), ((0, 0), (1, 0)))
    block = height + 1
    cells = [(place, row) for place in range(len(table.main_names)) for row in range(height)]
    free = set()
    for part in (cells[start::_PARTS] for start in range(_PARTS)):
        copies = np.tile(specimen, len(part))
        for copy, (place, row) in enumerate(part):
            copies[place, copy * block + 1 + row] += 1
        count = copies.shape[1]
        padded = np.pad(copies, ((0, 0), (0, (1 << count.bit_length()) - count)))
        noticed = _noticed(inspected([table], {table.name: encode(padded)}), block, len(part))
        free |= {
            (row, table.main_names[place]) for copy, (place, row) in enumerate(part) if copy not in noticed
        }
    return free


def _noticed(found: Findings, block: int, copies: int) -> set[int]:
    """The copies in which a rule is broken, a look-up out of range, or a message unlike the other copies'."""
    noticed = {finding.row // block for finding in found.constraints}
    for message in found.messages:
        places = {part.row // block for part in message.contributions}
        if message.bus in LIMITS:
            if max(message.message) >= LIMITS[message.bus]:
                noticed |= places
        elif len(places) < copies // 2:
            noticed |= places
    return noticed
