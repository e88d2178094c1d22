"""Room on the disk for a write-ahead log before anybody writes to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LOG_BYTES: Final = 8 << 20
"""Twice what is written to the journal's log before it is folded."""


def lengthen(log: Path, length: int) -> None:
    """Write zeros behind what a log holds.

    A commit into blocks that the file has waits for the disk alone; one that lengthens it waits for the file system's
    own journal too, behind whatever else is written on this machine.
    Zeros are no frame: whoever reads the log stops there.
    Assumes: nobody else writes to it.
    """
    with log.open("ab") as file:
        missing = length - file.tell()
        if missing > 0:
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())
