"""Products over bytes with carries: without any one of their look-ups another product is accepted.

Around an honest row nothing comes free, because all cells of a product move together; so here numbers are searched for
which a wrong product has everything in range but one byte or one carry.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from circuits.buses import FOURTEEN_BITS, TWO_BYTES
from circuits.gadgets.byte_limbs import Bytes
from circuits.tick_values import TICK_BYTES, VALUE_BYTES, TickValue
from prover.air.builder import AirBuilder, define_table
from prover.air.table import Table
from prover.field.koalabear import PRIME
from tests.adversarial.deletions import Ground

LIMITS = {TWO_BYTES.name: 1 << 8, FOURTEEN_BITS.name: 1 << 14}
TRIES = 1 << 18
SMALL = 1 << 16
Numbers = NDArray[np.int64]


@cache
def table() -> Table:
    """One product a row."""

    def constrain(air: AirBuilder) -> None:
        live = air.column("is live")
        strike = Bytes.constrain(air, "strike", TICK_BYTES, live)
        TickValue.constrain(air, "value", strike, Bytes.constrain(air, "tick", VALUE_BYTES, live), live)

    return define_table("products", constrain)


def refused_by(cells: dict[str, int]) -> set[str]:
    """Constraints that do not hold, and messages that are out of their range."""
    made = table()
    trace = np.array([[cells[name] % PRIME] for name in made.main_names], np.int64)
    planes = Ground(made, trace, (), LIMITS, frozenset()).planes()
    wrong = {one.name for one, line in zip(made.constraints, planes, strict=False) if line.any()}
    place = len(made.constraints)
    for number, one in enumerate(made.interactions):
        values = planes[place : place + one.bus.arity, 0]
        if values.max() >= LIMITS[one.bus.name]:
            wrong.add(f"message {number} on {one.bus.name}")
        place += one.bus.arity + 1
    return wrong


def row(strike: list[int], tick: list[int], value: list[int], carries: list[int]) -> dict[str, int]:
    """A row's cells by name."""
    cells = {"is live": 1}
    for name, numbers in (("strike byte", strike), ("tick byte", tick), ("value byte", value)):
        cells |= {f"{name} {i}": int(number) for i, number in enumerate(numbers)}
    return cells | {
        f"value is ticks times tick value carry {i}": int(number) for i, number in enumerate(carries, start=1)
    }


def bytes_of(number: int, count: int) -> list[int]:
    return [number >> 8 * i & 0xFF for i in range(count)]


def terms(s: Numbers, t: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """What the product has at weights 2^0, 2^16 and 2^32, reduced by the prime where a byte is none."""

    def total(*parts: tuple[int, int, int]) -> Numbers:
        answer: Numbers = np.zeros(s.shape[1], np.int64)
        for scale, i, j in parts:
            answer = (answer + scale * (s[i] * t[j] % PRIME)) % PRIME
        return answer

    low = total((1, 0, 0), (256, 0, 1), (256, 1, 0))
    high = total((1, 0, 2), (256, 0, 3), (1, 1, 1), (256, 1, 2), (1, 2, 0), (256, 2, 1))
    return low, high, total((1, 1, 3), (1, 2, 2), (256, 2, 3))


def test_an_honest_product_is_accepted() -> None:
    strike, tick = 95, 1_000_000
    fill = TickValue.fill("value", np.array([strike]), np.array([tick]))
    cells = row(bytes_of(strike, 3), bytes_of(tick, 4), [0] * 4, [0] * 2)
    assert refused_by(cells | {name: int(values[0]) for name, values in fill.items()}) == set()


def test_a_product_over_its_width_is_refused_by_the_last_carry_alone() -> None:
    """The last carry is minus what stands above 2^32: any number, and 2^16 of it a small one by the prime."""
    random = np.random.default_rng(1)
    s, t = random.integers(0, 256, (TICK_BYTES, TRIES)), random.integers(0, 256, (VALUE_BYTES, TRIES))
    low, high, above = terms(s, t)
    first, last = low >> 16, -above
    upper = (high + first - 65536 * last) % PRIME
    place = int(np.flatnonzero((upper < SMALL) & (above > 1 << 14))[0])
    value = [*bytes_of(int(low[place]) & 0xFFFF, 2), *bytes_of(int(upper[place]), 2)]
    cells = row(s[:, place].tolist(), t[:, place].tolist(), value, [int(first[place]), int(last[place])])
    strike, tick = (sum(int(b) << 8 * i for i, b in enumerate(part[:, place])) for part in (s, t))
    assert strike * tick != sum(b << 8 * i for i, b in enumerate(value))
    (message,) = refused_by(cells)
    assert message.endswith(FOURTEEN_BITS.name)


@pytest.mark.parametrize("alias", range(TICK_BYTES))
def test_a_factor_in_bytes_that_are_none_is_refused_by_that_byte_alone(alias: int) -> None:
    """The same element as a small number, with one byte that is any element: its products are others."""
    random = np.random.default_rng(2 + alias)
    weight = 1 << 8 * alias
    others = random.integers(0, 256, (TICK_BYTES, TRIES))
    honest = random.integers(0, 1 << 24, TRIES)
    rest = sum((others[i] << 8 * i for i in range(TICK_BYTES) if i != alias), np.zeros(TRIES, np.int64))
    others[alias] = (honest - rest) % PRIME * pow(weight, -1, PRIME) % PRIME
    t = np.zeros((VALUE_BYTES, TRIES), np.int64)
    t[0] = random.integers(1, 256, TRIES)
    low, high, above = terms(others, t)
    # Either term may be any element: what is left of it must be two bytes and a carry.
    first = np.where(low < 1 << 29, low >> 16, (low * pow(SMALL, -1, PRIME)) % PRIME)
    under = (low - SMALL * first) % PRIME
    upper = (high + first) % PRIME
    is_carry = (first < 1 << 13) | (first > PRIME - (1 << 13))
    is_wrong = honest * t[0] != under + SMALL * upper
    fits = (under < SMALL) & (upper < SMALL) & is_carry & (above == 0) & is_wrong
    place = int(np.flatnonzero(fits)[0])
    value = [*bytes_of(int(under[place]), 2), *bytes_of(int(upper[place]), 2)]
    cells = row(others[:, place].tolist(), t[:, place].tolist(), value, [int(first[place]), 0])
    (message,) = refused_by(cells)
    assert message.endswith(TWO_BYTES.name)
