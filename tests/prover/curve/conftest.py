"""The septic field and curve a second time, from py_ecc's generic classes: an oracle that shares no line with ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from py_ecc.fields.field_elements import FQ, FQP

from prover.curve.formulas import Element
from prover.curve.septic import GroupElement, Point
from prover.field.koalabear import PRIME


class OracleBase(FQ):  # type: ignore[misc]
    field_modulus = PRIME


class OracleSeptic(FQP):  # type: ignore[misc]
    """GF(p)[z] / (z^7 - 3 z - 5); division is by the extended Euclidean algorithm."""

    degree = 7
    field_modulus = PRIME

    def __init__(self, coefficients: Any) -> None:
        self.FQP_corresponding_FQ_class = OracleBase
        super().__init__(coefficients, (-5, -3, 0, 0, 0, 0, 0))


@dataclass(frozen=True)
class Oracle:
    """Field elements in and out as tuples of integers, points as ours."""

    def field(self, element: Element) -> Any:
        return OracleSeptic(element)

    def element(self, value: Any) -> tuple[int, ...]:
        return tuple(int(coefficient) % PRIME for coefficient in value.coeffs)

    def add(self, left: GroupElement, right: GroupElement) -> GroupElement:
        """Add by the textbook's affine law."""
        if left is None or right is None:
            return left or right
        x1, y1, x2, y2 = map(OracleSeptic, (left.x, left.y, right.x, right.y))
        if x1 == x2:
            if y1 != y2:
                return None
            slope = (x1 * x1 * 3 + OracleSeptic((45, 0, 0, 0, 0, 0, 0))) / (y1 * 2)
        else:
            slope = (y2 - y1) / (x2 - x1)
        x3 = slope * slope - x1 - x2
        y3 = slope * (x1 - x3) - y1
        return Point(self.element(x3), self.element(y3))  # type: ignore[arg-type]

    def multiply(self, element: GroupElement, scalar: int) -> GroupElement:
        """Multiply by the binary method."""
        result: GroupElement = None
        for bit in f"{scalar:b}":
            result = self.add(result, result)
            if bit == "1":
                result = self.add(result, element)
        return result


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture(scope="session")
def curve_vectors(checkout: Path) -> dict[str, Any]:
    text = (checkout / "tests/vectors/septic_curve.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
