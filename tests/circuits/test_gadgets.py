"""Gadgets say what they claim, for random numbers and for every edge, and refuse every forgery."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from circuits import range_check
from circuits.gadgets.bits import Bits
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from prover.air.builder import AirBuilder, define_table
from prover.air.inspect import Findings, inspect
from prover.field.koalabear import PRIME, decode

COUNT = 4
LIMIT = 1 << 16 * COUNT
EDGES = [0, 1, 65535, 65536, 65537, 1 << 32, LIMIT - 65536, LIMIT - 2, LIMIT - 1]

NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(0, LIMIT - 1))


def _constrain_comparison(air: AirBuilder) -> None:
    left, right = Limbs.constrain(air, "left", COUNT), Limbs.constrain(air, "right", COUNT)
    LessThan.constrain(air, "order", left, right)


COMPARISON = define_table("comparison", _constrain_comparison)
RANGE_CHECK = define_table(range_check.NAME, range_check.constrain)
ANSWER = 2 * COUNT
DIFFERENCE = slice(ANSWER + 1, ANSWER + 1 + COUNT)


def _compared(pairs: list[tuple[int, int]]) -> NDArray[np.uint32]:
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    parts = [Limbs.fill(left, COUNT), Limbs.fill(right, COUNT), LessThan.fill(left, right, COUNT)]
    return np.concatenate(parts)


def _inspected(trace: NDArray[np.uint32]) -> Findings:
    asked = np.concatenate([trace[: 2 * COUNT], trace[DIFFERENCE]])
    counts = np.zeros((3, 1 << range_check.LOG_HEIGHT), np.uint32)
    counts[0] = np.bincount(asked[asked < 1 << 16], minlength=1 << range_check.LOG_HEIGHT)
    values = decode(range_check.preprocessed())
    tables = [COMPARISON, RANGE_CHECK]
    traces = {COMPARISON.name: trace, range_check.NAME: counts}
    return inspect(tables, traces, preprocessed={range_check.NAME: values})


def test_the_answer_is_right_at_every_pair_of_edges() -> None:
    pairs = [(a, b) for a in EDGES for b in EDGES]
    trace = _compared(pairs)
    assert _inspected(trace).lines == []
    assert trace[ANSWER].tolist() == [int(a < b) for a, b in pairs]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_the_answer_is_right_for_any_numbers(pairs: list[tuple[int, int]]) -> None:
    trace = _compared(pairs)
    found = inspect([COMPARISON], {COMPARISON.name: trace})
    assert found.constraints == ()
    assert (trace < 1 << 16).all()


@pytest.mark.parametrize(("left", "right"), [(5, 9), (9, 5), (5, 5), (0, LIMIT - 1)])
def test_the_other_answer_needs_a_limb_outside_sixteen_bits(left: int, right: int) -> None:
    """With the answer turned round the difference is negative: its only spelling has a limb near the prime."""
    trace = _compared([(left, right)]).astype(np.int64)
    trace[ANSWER] = 1 - trace[ANSWER]
    is_less = int(trace[ANSWER, 0])
    difference = right - left - 1 if is_less else left - right
    # All limbs but the highest are those of the difference modulo 2^64; the highest takes what is left.
    spelled = difference % LIMIT
    limbs = [spelled >> 16 * i & 0xFFFF for i in range(COUNT)]
    trace[DIFFERENCE, 0] = limbs
    sign = 1 - 2 * is_less
    taken = is_less
    for i in range(COUNT):
        part = sign * (int(trace[i, 0]) - int(trace[COUNT + i, 0])) - taken
        if i < COUNT - 1:
            taken = int(part < 0)
            trace[ANSWER + 1 + COUNT + i, 0] = taken
        else:
            trace[ANSWER + COUNT, 0] = part % PRIME
    found = _inspected(trace.astype(np.uint32))
    assert found.constraints == ()
    assert {message.bus for message in found.messages} == {"sixteen bits"}


def test_every_cell_of_a_comparison_is_bound_alone() -> None:
    for pair in [(5, 9), (LIMIT - 1, 3)]:
        honest = _compared([pair])
        for column in range(len(honest)):
            trace = honest.copy()
            trace[column, 0] = (int(trace[column, 0]) + 1) % PRIME
            assert not _inspected(trace).is_clean


def test_a_limb_of_seventeen_bits_is_refused() -> None:
    trace = _compared([(5, 5)])
    trace[0, 0] = 1 << 16
    assert {message.bus for message in _inspected(trace).messages} == {"sixteen bits"}


def test_bits_are_bits_and_spell_the_number() -> None:
    def constrain(air: AirBuilder) -> None:
        number = air.column("number")
        air.assert_equal("the number is made of its bits", number, Bits.constrain(air, "number", 5).element)

    table = define_table("bits", constrain)
    numbers = list(range(32))
    trace = np.concatenate([np.array([numbers], dtype=np.uint32), Bits.fill(numbers, 5)])
    assert inspect([table], {"bits": trace}).lines == []
    trace[1, 2], trace[2, 2] = 2, 0
    (finding,) = inspect([table], {"bits": trace}).constraints
    assert finding.constraint == "number: bit 0 is zero or one"


def test_bits_that_would_spell_an_element_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="31 bits do not spell an element in one way only"):
        define_table("bits", lambda air: Bits.constrain(air, "wide", 31).element)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused_by_the_fills() -> None:
    with pytest.raises(ValueError, match="a number does not fit 4 limbs of 16 bits"):
        Limbs.fill([LIMIT], COUNT)
    with pytest.raises(ValueError, match="a number does not fit 5 bits"):
        Bits.fill([32], 5)
