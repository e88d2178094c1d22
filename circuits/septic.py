"""Elements of GF(p^7) as seven columns."""

from __future__ import annotations

from collections.abc import Sequence

from prover.air.builder import AirBuilder
from prover.air.expression import Expression
from prover.curve.formulas import DEGREE, Element, Septic

SepticColumns = Septic[Expression]


def septic_of(parts: Sequence[Expression]) -> SepticColumns:
    """Seven expressions as one element."""
    c0, c1, c2, c3, c4, c5, c6 = parts
    return c0, c1, c2, c3, c4, c5, c6


def next_row(element: SepticColumns) -> SepticColumns:
    """The same columns one row below."""
    return septic_of([column.next for column in element])


def septic_columns(air: AirBuilder, name: str) -> SepticColumns:
    """Declare an element of the witness."""
    return septic_of([air.column(f"{name} {i}") for i in range(DEGREE)])


def septic_periodic(air: AirBuilder, name: str, values: Sequence[Element]) -> SepticColumns:
    """Declare an element that repeats."""
    return septic_of([air.periodic(f"{name} {i}", [value[i] for value in values]) for i in range(DEGREE)])


def residuals(air: AirBuilder, name: str, residual: SepticColumns, when: Expression | int = 1) -> None:
    """State that all seven coefficients vanish, on the rows where `when` is not zero."""
    for i, coefficient in enumerate(residual):
        air.assert_zero(f"{name}, coefficient {i}", coefficient * when)
