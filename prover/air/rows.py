"""Values of all rows at once, in plain numpy: the ring that the Python reader uses for a whole trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prover.air.expression import EXTENSION_KINDS, Cell, CellKind
from prover.air.table import Extension, Table
from prover.field.koalabear import PRIME

_P = np.uint64(PRIME)
_DEGREE = 5

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Canonical values: one plane for the base field, five for the extension; one entry a row, or one for all."""

    planes: Words

    def __add__(self, other: Rows) -> Rows:
        left, right = _same_planes(self.planes, other.planes)
        return Rows((left + right) % _P)

    def __sub__(self, other: Rows) -> Rows:
        left, right = _same_planes(self.planes, other.planes)
        return Rows((left + (_P - right)) % _P)

    def __mul__(self, other: Rows) -> Rows:
        left, right = self.planes, other.planes
        if len(left) == 1 or len(right) == 1:
            return Rows(left * right % _P)
        high = [np.uint64(0)] * (2 * _DEGREE - 1)
        for i in range(_DEGREE):
            for j in range(_DEGREE):
                high[i + j] = high[i + j] + left[i] * right[j] % _P
        # X^5 = 1 - X^2, from the top down.
        for power in range(2 * _DEGREE - 2, _DEGREE - 1, -1):
            high[power - 5] = high[power - 5] + high[power]
            high[power - 3] = high[power - 3] + (_P - high[power] % _P)
        return Rows(np.stack(high[:_DEGREE]) % _P)

    def wide(self, height: int) -> Words:
        """All five planes, for every row."""
        planes = _same_planes(self.planes, np.zeros((_DEGREE, 1), dtype=np.uint64))[0]
        return np.ascontiguousarray(np.broadcast_to(planes, (_DEGREE, height)))

    def inverse(self) -> Rows:
        """The inverses; zero stays zero."""
        first = self._frobenius()
        pair = first * first._frobenius()
        conjugates = pair * pair._frobenius()._frobenius()
        norm = (self * conjugates).planes[:1]
        return Rows(_power(norm, PRIME - 2)) * conjugates

    def _frobenius(self) -> Rows:
        left, _ = _same_planes(self.planes, np.zeros((_DEGREE, 1), dtype=np.uint64))
        total = Rows(left[:1])
        for power in range(1, _DEGREE):
            total = total + Rows(left[power : power + 1]) * _FROBENIUS[power]
        return total


def _same_planes(left: Words, right: Words) -> tuple[Words, Words]:
    def padded(planes: Words, count: int) -> Words:
        missing = count - len(planes)
        return np.pad(planes, ((0, missing), (0, 0))) if missing else planes

    count = max(len(left), len(right))
    return padded(left, count), padded(right, count)


def _power(base: Words, exponent: int) -> Words:
    result = np.ones_like(base)
    for bit in f"{exponent:b}":
        result = result * result % _P
        if bit == "1":
            result = result * base % _P
    return result


def constant_rows(value: int | Extension) -> Rows:
    """The same value on every row."""
    values = (value,) if isinstance(value, int) else value
    return Rows(np.array([[coordinate % PRIME] for coordinate in values], dtype=np.uint64))


def _frobenius_images() -> list[Rows]:
    x = constant_rows((0, 1, 0, 0, 0))
    image = constant_rows((1, 0, 0, 0, 0))
    for bit in f"{PRIME:b}":
        image = image * image
        if bit == "1":
            image = image * x
    images = [constant_rows((1, 0, 0, 0, 0))]
    for _ in range(_DEGREE - 1):
        images.append(images[-1] * image)
    return images


_FROBENIUS = _frobenius_images()
"""The p-th powers of 1, X, .., X^4."""


@dataclass(frozen=True, slots=True)
class TraceReader:
    """Reads cells of a table from whole columns in canonical form."""

    table: Table
    height: int
    main: Words
    preprocessed: Words
    constants: dict[Cell, int | Extension]
    challenge: dict[int, Words]
    """For each round (5 * columns, height)."""

    def read(self, cell: Cell) -> Rows:
        """A cell on every row."""
        match cell.kind:
            case CellKind.MAIN:
                planes = self.main[cell.index : cell.index + 1]
            case CellKind.PREPROCESSED:
                planes = self.preprocessed[cell.index : cell.index + 1]
            case CellKind.CHALLENGE_COLUMN:
                planes = self.challenge[cell.round][_DEGREE * cell.index : _DEGREE * (cell.index + 1)]
            case CellKind.PERIODIC:
                values = np.array(self.table.periodic[cell.index].values, dtype=object) % PRIME
                planes = np.resize(values.astype(np.uint64), (1, self.height))
            case _:
                return constant_rows(self.constants[cell])
        return Rows(np.roll(planes, -cell.row_offset, axis=1))

    def value(self, cell: Cell, row: int) -> int | Extension:
        """A cell on one row."""
        planes = self.read(cell).planes
        values = tuple(int(value) for value in planes[:, row % planes.shape[1]])
        return values[0] if cell.kind not in EXTENSION_KINDS else _as_extension(values)


def _as_extension(values: tuple[int, ...]) -> Extension:
    a, b, c, d, e = values
    return a, b, c, d, e
