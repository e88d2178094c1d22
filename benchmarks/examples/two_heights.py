"""Two tables of very different heights on one bus: many questions, few answers."""

from __future__ import annotations

import numpy as np

from prover.air.builder import AirBuilder
from prover.air.bus import Bus
from prover.field.koalabear import Montgomery, encode
from prover.stark.circuit import Circuit, define_circuit

NAME = "two-heights"
SQUARES = Bus("squares", identifier=3, arity=2)
LOG_ANSWERS = 3
WEIGHTS = (1, 2, 4, 8)


def constrain_questions(air: AirBuilder) -> None:
    """A row asks for the square of its number and keeps a weighted running total of the answers."""
    number, square, total = air.columns("number", "square", "total")
    weight = air.periodic("weight", WEIGHTS)
    air.send(SQUARES, [number, square])
    air.on_first_row.assert_zero("the total starts at nothing", total)
    air.on_transition.assert_equal("the total adds the weighted square", total.next, total + weight * square)
    air.on_last_row.assert_equal("the total is the public one", total + weight * square, air.public("total"))


def constrain_answers(air: AirBuilder) -> None:
    """A row holds a number and its square."""
    number, square, count = air.columns("number", "square", "count")
    air.assert_equal("the square is the number times itself", square, number * number)
    air.on_first_row.assert_zero("numbers start at zero", number)
    air.on_transition.assert_equal("numbers go up by one", number.next, number + 1)
    air.provide(SQUARES, [number, square], count)


def circuit() -> Circuit:
    """Questions and answers."""
    return define_circuit(
        NAME, [("questions", constrain_questions), ("answers", constrain_answers)], ["total"]
    )


def fill(log_questions: int, seed: int) -> tuple[list[Montgomery], list[int]]:
    """Random questions; gives the traces and the statement."""
    numbers = np.random.default_rng(seed).integers(0, 1 << LOG_ANSWERS, size=1 << log_questions)
    squares = numbers * numbers
    terms = squares * np.array(WEIGHTS)[np.arange(len(numbers)) % len(WEIGHTS)]
    totals = np.concatenate([[0], np.cumsum(terms)])
    answers = np.arange(1 << LOG_ANSWERS)
    counts = np.bincount(numbers, minlength=1 << LOG_ANSWERS)
    traces = [
        encode(np.stack([numbers, squares, totals[:-1]])),
        encode(np.stack([answers, answers * answers, counts])),
    ]
    return traces, [int(totals[-1])]
