"""Small circuits to attack: one that uses every part of the protocol, and some with a single rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.examples import shuffle
from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit, define_circuit

SMALL = Bus("small numbers", identifier=5, arity=1)
LOG_STEPS = 4
LOG_NUMBERS = 3
LOG_PAIRS = 2
LOG_HEIGHTS = (LOG_STEPS, LOG_NUMBERS, LOG_PAIRS)
PUBLIC_NAMES = ("start", "end", "chain")
"""The chain is read by no constraint: the transcript alone binds it."""


def constrain_steps(air: AirBuilder) -> None:
    """A counter from start to end; every row names a small number and its cube."""
    counter, number, cube, is_used = air.columns("counter", "number", "cube", "is used")
    parity = air.periodic("parity", (0, 1))
    air.on_first_row.assert_equal("the counter starts at the public start", counter, air.public("start"))
    air.on_transition.assert_equal("the counter goes up by one", counter.next, counter + 1)
    air.on_last_row.assert_equal("the counter ends at the public end", counter, air.public("end"))
    air.assert_equal("the cube is the third power", cube, number * number * number)
    air.assert_zero("odd rows are unused", parity * is_used)
    air.send(SMALL, [number], when=is_used)


def constrain_numbers(air: AirBuilder) -> None:
    """The small numbers, fixed by the key."""
    number = air.preprocessed("number")
    air.provide(SMALL, [number], air.column("count"))


def circuit(name: str = "specimen") -> Circuit:
    """Three tables: phases of every kind, three heights, two challenge rounds before the bus round."""
    tables = [("steps", constrain_steps), ("numbers", constrain_numbers), ("pairs", shuffle.constrain)]
    return define_circuit(name, tables, PUBLIC_NAMES)


def preprocessed() -> list[Montgomery | None]:
    """Zero to seven."""
    return [None, encode(np.arange(1 << LOG_NUMBERS))[None, :], None]


STATEMENT = [100, 100 + (1 << LOG_STEPS) - 1, 7]


def fill() -> list[Montgomery]:
    """Honest traces for the statement."""
    rows = np.arange(1 << LOG_STEPS)
    numbers = rows * 3 % (1 << LOG_NUMBERS)
    is_used = (rows + 1) % 2
    counts = np.bincount(numbers[is_used == 1], minlength=1 << LOG_NUMBERS)
    steps = np.stack([rows + STATEMENT[0], numbers, numbers**3, is_used])
    return [encode(steps), encode(counts)[None, :], *shuffle.fill(LOG_PAIRS, 1)]


def counter_circuit() -> Circuit:
    """One column that counts from zero: the least that a prover can lie about."""

    def constrain(air: AirBuilder) -> None:
        counter = air.column("counter")
        air.on_first_row.assert_zero("the counter starts at zero", counter)
        air.on_transition.assert_equal("the counter goes up by one", counter.next, counter + 1)

    return define_circuit("counter", [("counter", constrain)])


def counter_trace(log_height: int, *, step: int = 1) -> list[Montgomery]:
    """The trace; with another step it is false."""
    return [encode(np.arange(1 << log_height) * step)[None, :]]


def lookup_circuit() -> Circuit:
    """Numbers that must be small, and the table of small ones."""

    def constrain(air: AirBuilder) -> None:
        air.send(SMALL, [air.column("number")])

    return define_circuit("lookup", [("numbers", constrain), ("small", constrain_numbers)])


def lookup_preprocessed() -> list[Montgomery | None]:
    """Zero to seven."""
    return [None, encode(np.arange(1 << LOG_NUMBERS))[None, :]]


def lookup_traces(numbers: Sequence[int]) -> list[Montgomery]:
    """The numbers and how often each small one occurs; numbers that are not small are not counted."""
    small = [number for number in numbers if 0 <= number < 1 << LOG_NUMBERS]
    counts = np.bincount(small, minlength=1 << LOG_NUMBERS)
    return [encode(np.array(numbers))[None, :], encode(counts)[None, :]]
