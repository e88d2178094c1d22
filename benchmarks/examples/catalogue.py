"""The example circuits by name, each with a way to fill it at a given size."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.examples import memory, poseidon_batch, poseidon_chain, range_check, shuffle, two_heights
from prover.field.koalabear import Montgomery
from prover.stark.circuit import Circuit

Preprocessed = list[Montgomery | None]


@dataclass(frozen=True, slots=True)
class Filled:
    """A witness and the statement it proves."""

    traces: list[Montgomery]
    statement: list[int]


@dataclass(frozen=True, slots=True)
class Example:
    """One circuit that can be proved at any size."""

    name: str
    about: str
    circuit: Callable[[], Circuit]
    log_heights: Callable[[int], tuple[int, ...]]
    """Heights of the tables from the size that a person asks for."""
    fill: Callable[[int, int, int], Filled]
    """(log size, seed, threads) -> witness."""
    preprocessed: Callable[[], Preprocessed] = list
    smallest: int = 4
    """The least log size that makes sense."""


def _fill_batch(log_size: int, seed: int, threads: int) -> Filled:
    return Filled([poseidon_batch.fill(poseidon_batch.random_inputs(log_size, seed), threads=threads)], [])


def _fill_chain(log_size: int, seed: int, _threads: int) -> Filled:
    trace, statement = poseidon_chain.fill([seed + i for i in range(16)], log_size)
    return Filled([trace], statement)


def _fill_range(log_size: int, seed: int, _threads: int) -> Filled:
    generator = random.Random(seed)
    words = [generator.randrange(1 << 16) for _ in range((1 << log_size) - 3)]
    return Filled(range_check.fill(words, log_size), [])


def _fill_memory(log_size: int, seed: int, _threads: int) -> Filled:
    generator = random.Random(seed)
    cells: dict[int, int] = {}
    accesses = []
    for _ in range(1 << log_size):
        address, is_write = generator.randrange(1 << 10), generator.random() < 0.5
        if is_write:
            cells[address] = generator.randrange(1 << 20)
        accesses.append(memory.Access(address, cells.get(address, 0), is_write))
    return Filled(memory.fill(accesses), [])


def _fill_two_heights(log_size: int, seed: int, _threads: int) -> Filled:
    return Filled(*two_heights.fill(log_size, seed))


def _fill_shuffle(log_size: int, seed: int, _threads: int) -> Filled:
    return Filled(shuffle.fill(log_size, seed), [])


EXAMPLES = {
    example.name: example
    for example in (
        Example(
            poseidon_batch.NAME,
            "one Poseidon permutation a row",
            poseidon_batch.circuit,
            lambda n: (n,),
            _fill_batch,
            smallest=0,
        ),
        Example(
            poseidon_chain.NAME,
            "each row permutes the output of the row before",
            poseidon_chain.circuit,
            lambda n: (n,),
            _fill_chain,
        ),
        Example(
            range_check.NAME,
            "words cut into bytes, looked up on a bus",
            range_check.circuit,
            lambda n: (n, range_check.LOG_BYTES),
            _fill_range,
            range_check.preprocessed,
        ),
        Example(
            memory.NAME,
            "reads and writes, proved by a sorted copy",
            memory.circuit,
            lambda n: (n, n, range_check.LOG_BYTES),
            _fill_memory,
            memory.preprocessed,
        ),
        Example(
            two_heights.NAME,
            "many questions, few answers, one bus",
            two_heights.circuit,
            lambda n: (n, two_heights.LOG_ANSWERS),
            _fill_two_heights,
        ),
        Example(
            shuffle.NAME,
            "a permutation shown by columns that depend on challenges, in two rounds",
            shuffle.circuit,
            lambda n: (n,),
            _fill_shuffle,
        ),
    )
}
"""Every example, by the name of its circuit."""
