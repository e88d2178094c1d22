"""The example circuits by name, each with a way to fill it at a given size."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.examples import memory, poseidon_batch, poseidon_chain, range_check, shuffle, two_heights
from prover.field.koalabear import Montgomery
from prover.stark.circuit import Circuit
from prover.stark.proving_key import ProvingKey, Trace

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
    draw: Callable[[int, int], Any]
    """(log size, seed) -> random inputs, which somebody else would bring; not part of proving."""
    fill_from: Callable[[Any, int, int], Filled]
    """(inputs, log size, threads) -> witness."""
    preprocessed: Callable[[], Preprocessed] = list
    smallest: int = 4
    """The least log size that makes sense."""
    fill_into: Callable[[Any, Montgomery, int], None] | None = None
    """(inputs, trace, threads): writes the only table's trace where it is told to; without a statement."""

    def fill(self, log_size: int, seed: int, threads: int) -> Filled:
        """A witness over random inputs."""
        return self.fill_from(self.draw(log_size, seed), log_size, threads)

    def fill_for(
        self, key: ProvingKey, inputs: Any, log_size: int, threads: int
    ) -> tuple[Sequence[Trace], list[int]]:
        """The traces for one proof, in memory that the proof uses up where the example can write there."""
        if self.fill_into is None:
            filled = self.fill_from(inputs, log_size, threads)
            return filled.traces, filled.statement
        room = key.trace_room(0)
        self.fill_into(inputs, room.trace, threads)
        return [room], []


def _fill_batch(inputs: Montgomery, _log_size: int, threads: int) -> Filled:
    trace = np.empty((poseidon_batch.COLUMNS, inputs.shape[1]), dtype=np.uint32)
    poseidon_batch.fill_into(inputs, trace, threads=threads)
    return Filled([trace], [])


def _fill_chain(start: list[int], log_size: int, _threads: int) -> Filled:
    trace, statement = poseidon_chain.fill(start, log_size)
    return Filled([trace], statement)


def _draw_words(log_size: int, seed: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(1 << 16) for _ in range((1 << log_size) - 3)]


def _draw_accesses(log_size: int, seed: int) -> list[memory.Access]:
    generator = random.Random(seed)
    cells: dict[int, int] = {}
    accesses = []
    for _ in range(1 << log_size):
        address, is_write = generator.randrange(1 << 10), generator.random() < 0.5
        if is_write:
            cells[address] = generator.randrange(1 << 20)
        accesses.append(memory.Access(address, cells.get(address, 0), is_write))
    return accesses


def _same_seed(_log_size: int, seed: int) -> int:
    return seed


EXAMPLES = {
    example.name: example
    for example in (
        Example(
            poseidon_batch.NAME,
            "one Poseidon permutation a row",
            poseidon_batch.circuit,
            lambda n: (n,),
            poseidon_batch.random_inputs,
            _fill_batch,
            smallest=0,
            fill_into=lambda inputs, trace, threads: poseidon_batch.fill_into(inputs, trace, threads=threads),
        ),
        Example(
            poseidon_chain.NAME,
            "each row permutes the output of the row before",
            poseidon_chain.circuit,
            lambda n: (n,),
            lambda _, seed: [seed + i for i in range(16)],
            _fill_chain,
        ),
        Example(
            range_check.NAME,
            "words cut into bytes, looked up on a bus",
            range_check.circuit,
            lambda n: (n, range_check.LOG_BYTES),
            _draw_words,
            lambda words, n, _: Filled(range_check.fill(words, n), []),
            range_check.preprocessed,
        ),
        Example(
            memory.NAME,
            "reads and writes, proved by a sorted copy",
            memory.circuit,
            lambda n: (n, n, range_check.LOG_BYTES),
            _draw_accesses,
            lambda accesses, _n, _threads: Filled(memory.fill(accesses), []),
            memory.preprocessed,
        ),
        Example(
            two_heights.NAME,
            "many questions, few answers, one bus",
            two_heights.circuit,
            lambda n: (n, two_heights.LOG_ANSWERS),
            _same_seed,
            lambda seed, n, _: Filled(*two_heights.fill(n, seed)),
        ),
        Example(
            shuffle.NAME,
            "a permutation shown by columns that depend on challenges, in two rounds",
            shuffle.circuit,
            lambda n: (n,),
            _same_seed,
            lambda seed, n, _: Filled(shuffle.fill(n, seed), []),
        ),
    )
}
"""Every example, by the name of its circuit."""
