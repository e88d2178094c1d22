"""Laying out rare tables by the names of their columns, so that no order has to be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from circuits.gadgets.carries import Carries
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.later import Later
from circuits.gadgets.zero import IsZero
from circuits.statement import PUBLIC_NAMES
from prover.air.builder import AirBuilder, define_table
from prover.field.koalabear import PRIME, Montgomery, encode

Columns = dict[str, NDArray[np.int64]]
"""Canonical or negative integers, one entry a live row."""


@cache
def names_of(constrain: Callable[[AirBuilder], None]) -> tuple[str, ...]:
    """The columns of a table in the order of declaration."""
    return define_table("names", constrain, PUBLIC_NAMES).main_names


def lay_out(
    constrain: Callable[[AirBuilder], None], columns: Mapping[str, NDArray[np.int64]], log_height: int
) -> Montgomery:
    """The trace: named columns in their places, zeros where a table has dead rows or counts."""
    names = names_of(constrain)
    unknown = set(columns) - set(names)
    if unknown:
        raise ValueError(f"no column is named {min(unknown)}")
    trace = np.zeros((len(names), 1 << log_height), np.int64)
    for place, name in enumerate(names):
        if name in columns:
            values = np.asarray(columns[name], np.int64)
            trace[place, : len(values)] = values % PRIME
    return encode(trace)


def limb_columns(name: str, numbers: NDArray[np.int64], count: int) -> Columns:
    """A number's limbs under the names that `Limbs` gives them, lowest first."""
    return {f"{name} limb {i}": numbers >> 16 * i & 0xFFFF for i in range(count)}


def numbered(name: str, rows: NDArray[np.int64]) -> Columns:
    """Rows of an array under one name with a number behind it."""
    return {f"{name} {i}": row for i, row in enumerate(rows)}


def carry_columns(name: str, terms: NDArray[np.int64]) -> Columns:
    """An equation's carries under the names that `Carries` gives them."""
    return {f"{name} carry {m + 1}": row for m, row in enumerate(Carries.fill(terms))}


def later_columns(name: str, old_times: NDArray[np.int64], clocks: NDArray[np.int64]) -> Columns:
    """An access's times under the names that `Later` gives them."""
    names = (f"{name} old time", f"{name} gap low", f"{name} gap high")
    return dict(zip(names, Later.fill(old_times, clocks), strict=True))


def zero_columns(name: str, values: NDArray[np.int64]) -> tuple[Columns, NDArray[np.int64]]:
    """The columns of `IsZero` under their names, and whether each value is something."""
    is_something, inverse = IsZero.fill(values)
    return {f"{name} is something": is_something, f"{name} inverse": inverse}, is_something


def less_columns(
    name: str, left: Sequence[int], right: Sequence[int], count: int
) -> tuple[Columns, NDArray[np.int64]]:
    """The columns of `LessThan` under their names, and its answer."""
    rows = LessThan.fill(left, right, count).astype(np.int64)
    columns = {f"{name} is less": rows[0]}
    columns |= {f"{name} difference limb {i}": rows[1 + i] for i in range(count)}
    columns |= {f"{name} borrow {i}": rows[1 + count + i] for i in range(count - 1)}
    return columns, rows[0]
