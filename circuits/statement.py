"""What a batch's proof says: its public values, in the order of the contract's statement.

The contract's words of 256 bits become elements here: numbers in 16-bit limbs, lowest first; digests and extension
elements one element a coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prover.hash.poseidon import DIGEST_LENGTH
from rollup.binding import EXTENSION_DEGREE, DataBinding, ExtensionElement, packed
from rollup.codec import DATA_VERSION
from rollup.state import Deployment
from rollup.state_tree import Digest
from rollup.units import (
    Address,
    BatchNumber,
    ChainId,
    DataLength,
    QueuePosition,
    Time,
    Version,
    limbs_of,
)

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


def _unpacked(word: int, count: int) -> tuple[int, ...]:
    """The field elements of one word, 32 bits each, the first one lowest."""
    if word >> 32 * count:
        raise ValueError(f"{count} elements fill the lowest {32 * count} bits of a word, and no more")
    return tuple(word >> 32 * place & 0xFFFF_FFFF for place in range(count))


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

    @classmethod
    def from_words(cls, words: Sequence[int]) -> BatchStatement:
        """Read the contract's statement of a batch: fifteen words.

        Whoever verifies for Ethereum takes these words, and none from the prover.
        """
        version, chain, contract, number, old_root, new_root, kind, length, digest, point, value, *rest = (
            words
        )
        queue_start, queue_end, time, parameters_version, *_ = rest
        if version != DATA_VERSION or kind != DATA_KIND_CALLDATA:
            raise ValueError(f"data of version {version} and kind {kind} is not what these circuits prove")
        return cls(
            Deployment(ChainId(chain), Address(contract)),
            BatchNumber(number),
            _unpacked(old_root, DIGEST_LENGTH),
            _unpacked(new_root, DIGEST_LENGTH),
            DataLength(length),
            _unpacked(digest, DIGEST_LENGTH),
            _unpacked(point, EXTENSION_DEGREE),
            _unpacked(value, EXTENSION_DEGREE),
            QueuePosition(queue_start),
            QueuePosition(queue_end),
            Time(time),
            Version(parameters_version),
        )

    @classmethod
    def from_elements(cls, elements: Sequence[int]) -> BatchStatement:
        """Read a proof's public values."""
        values = dict(zip(PUBLIC_NAMES, elements, strict=True))

        def several(names: Sequence[str]) -> tuple[int, ...]:
            return tuple(values[name] for name in names)

        def number(names: Sequence[str]) -> int:
            return sum(limb << 16 * place for place, limb in enumerate(several(names)))

        read = cls(
            Deployment(ChainId(number(CHAIN)), Address(number(CONTRACT))),
            BatchNumber(number(NUMBER)),
            several(OLD_ROOT),
            several(NEW_ROOT),
            DataLength(values["data length"]),
            several(DATA_DIGEST),
            several(POINT),
            several(VALUE),
            QueuePosition(number(QUEUE_START)),
            QueuePosition(number(QUEUE_END)),
            Time(number(TIME)),
            Version(number(PARAMETERS_VERSION)),
        )
        if read.elements != tuple(elements):
            raise ValueError("these public values are not those of a batch's statement")
        return read

    @property
    def words(self) -> tuple[int, ...]:
        """The contract's statement of this batch."""
        return (
            DATA_VERSION,
            self.deployment.chain,
            self.deployment.contract,
            self.number,
            packed(self.old_root),
            packed(self.new_root),
            DATA_KIND_CALLDATA,
            self.data_length,
            packed(self.data_digest),
            packed(self.point),
            packed(self.value),
            self.queue_start,
            self.queue_end,
            self.time,
            self.parameters_version,
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
