"""The formulas are polynomials: over integers modulo p they give the integers' answers modulo p."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import getmembers, isfunction, signature

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.field.koalabear import PRIME
from rollup import formulas
from rollup.transactions.trade import fee_up
from rollup.units import MICRO, RatePerMillion


@dataclass(frozen=True)
class Modular:
    """A ring with nothing but its three operations."""

    value: int

    def __add__(self, other: Modular) -> Modular:
        return Modular((self.value + other.value) % PRIME)

    def __sub__(self, other: Modular) -> Modular:
        return Modular((self.value - other.value) % PRIME)

    def __mul__(self, other: Modular) -> Modular:
        return Modular(self.value * other.value % PRIME)


FORMULAS = dict(
    getmembers(formulas, lambda member: isfunction(member) and member.__module__ == formulas.__name__)
)


@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
def test_a_formula_uses_ring_operations_only(name: str, data: st.DataObject) -> None:
    formula = FORMULAS[name]
    arguments = data.draw(st.tuples(*[st.integers(-(2**64), 2**64)] * len(signature(formula).parameters)))
    expected = formula(*arguments) % PRIME
    assert formula(*[Modular(argument % PRIME) for argument in arguments]) == Modular(expected)


@given(st.integers(0, 2**48), st.integers(0, 2**16 - 1))
def test_the_fee_is_the_smallest_that_covers_the_rate(premium: int, rate: int) -> None:
    fee = fee_up(premium, RatePerMillion(rate))
    assert (
        fee.amount * MICRO >= premium * rate > (fee.amount - 1) * MICRO or fee.amount == premium * rate == 0
    )
    assert 0 <= fee.excess < MICRO
    assert formulas.fee_identity(premium, rate, fee.amount, fee.excess, MICRO) == 0
