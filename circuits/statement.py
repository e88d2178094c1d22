"""What a batch's proof says: its public values, in the order of the contract's statement.

The contract's words of 256 bits become elements here: numbers in 16-bit limbs, lowest first; digests and extension
elements one element a coordinate.
The last word of the contract's statement, the digest of the key, is not among them: the transcript begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rollup.binding import DataBinding, ExtensionElement
from rollup.codec import DATA_VERSION
from rollup.state import Deployment
from rollup.state_tree import Digest
from rollup.units import BatchNumber, DataLength, QueuePosition, Time, Version, limbs_of

DATA_KIND_CALLDATA: Final = 0
"""The data stands in transactions' calldata; other kinds may come."""


def _names(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name} {i}" for i in range(count))


CHAIN: Final = _names("chain", 4)
CONTRACT: Final = _names("contract", 10)
NUMBER: Final = _names("batch number", 2)
OLD_ROOT: Final = _names("old root", 8)
NEW_ROOT: Final = _names("new root", 8)
DATA_DIGEST: Final = _names("data digest", 8)
POINT: Final = _names("data point", 5)
VALUE: Final = _names("data value", 5)
QUEUE_START: Final = _names("queue start", 2)
QUEUE_END: Final = _names("queue end", 2)
TIME: Final = _names("time", 3)
PARAMETERS_VERSION: Final = _names("parameters version", 2)

PUBLIC_NAMES: Final = (
    "data version",
    *CHAIN,
    *CONTRACT,
    *NUMBER,
    *OLD_ROOT,
    *NEW_ROOT,
    "data kind",
    "data length",
    *DATA_DIGEST,
    *POINT,
    *VALUE,
    *QUEUE_START,
    *QUEUE_END,
    *TIME,
    *PARAMETERS_VERSION,
)
"""Every public value, in order."""


@dataclass(frozen=True, slots=True)
class BatchStatement:
    """One batch: which it is, what it leads from and to, and the data that it published."""

    deployment: Deployment
    number: BatchNumber
    old_root: Digest
    new_root: Digest
    data_length: DataLength
    data_digest: Digest
    point: ExtensionElement
    value: ExtensionElement
    queue_start: QueuePosition
    queue_end: QueuePosition
    time: Time
    parameters_version: Version

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        number: BatchNumber,
        roots: tuple[Digest, Digest],
        published: bytes,
        binding: DataBinding,
        queue: tuple[QueuePosition, QueuePosition],
        time: Time,
        parameters_version: Version,
    ) -> BatchStatement:
        """The statement about published data and its binding."""
        return cls(
            deployment,
            number,
            *roots,
            DataLength(len(published)),
            binding.digest,
            binding.point,
            binding.value,
            *queue,
            time,
            parameters_version,
        )

    @property
    def elements(self) -> tuple[int, ...]:
        """The public values, in the order of `PUBLIC_NAMES`."""
        return (
            DATA_VERSION,
            *limbs_of(self.deployment.chain, 64),
            *limbs_of(self.deployment.contract, 160),
            *limbs_of(self.number, 32),
            *self.old_root,
            *self.new_root,
            DATA_KIND_CALLDATA,
            self.data_length,
            *self.data_digest,
            *self.point,
            *self.value,
            *limbs_of(self.queue_start, 32),
            *limbs_of(self.queue_end, 32),
            *limbs_of(self.time, 48),
            *limbs_of(self.parameters_version, 32),
        )
