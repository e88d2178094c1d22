"""Poseidon's constants laid out for the kernels: Montgomery words at fixed addresses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME, encode
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters
from prover.hash.poseidon_unrolled import unroll

Words = NDArray[np.uint64]

READ_AHEAD = 8
"""A kernel reads a constant as the first lane of a vector: the last one needs room behind it."""


class RoundNumbers(NamedTuple):
    """All constants of a suite as kernels read them: addresses of Montgomery words, and counts.

    `round_numbers` keeps the words alive.
    """

    first: int
    """Added before the first round."""
    opening: int
    """Added after each of the first full rounds but the last: the next round's constants."""
    openings: int
    nothing: int
    """Added where a trace wants the state without the next round's constants."""
    entry_weights: int
    entry_constants: int
    cube_weights: int
    cube_stride: int
    """Words of one row of cube weights, which are padded to the longest."""
    cube_constants: int
    partial_rounds: int
    output_weights: int
    output_pairs: int
    closing: int
    """Added after each of the last full rounds; nothing after the last."""
    closings: int


_KEPT: list[Words] = []
"""Words whose addresses kernels hold: a few kilobytes a suite, for as long as the process runs."""


def _address(values: Any) -> int:
    words = encode(np.array(values, dtype=np.uint64)).astype(np.uint64).ravel()
    _KEPT.append(np.concatenate([words, np.zeros(READ_AHEAD, dtype=np.uint64)]))
    return int(_KEPT[-1].ctypes.data)


def _padded(rows: Sequence[Sequence[int]], length: int) -> list[list[int]]:
    return [[*row, *(0,) * (length - len(row))] for row in rows]


@cache
def round_numbers(parameters: PoseidonParameters) -> RoundNumbers:
    """Fold every constant of the partial rounds, and those of the round after, into the numbers of the unrolled form.

    The u(i) carry what outputs need to have added; the cubes' inputs, which read them too, give it back.
    """
    unrolled = unroll(parameters)
    first, last = parameters.first_partial_round, parameters.first_partial_round + parameters.partial_rounds
    after = parameters.round_constants[last]
    carried = [
        (constant + following) % PRIME
        for constant, following in zip(unrolled.output_constants, after[1:], strict=True)
    ]
    cube_constants = [
        (constant - sum(weight * carry for weight, carry in zip(row, carried, strict=False))) % PRIME
        for constant, row in zip(unrolled.cube_input_constants[1:], unrolled.cube_inputs, strict=True)
    ]
    cube_constants[-1] = (cube_constants[-1] + after[0]) % PRIME
    even = parameters.partial_rounds + parameters.partial_rounds % 2
    return RoundNumbers(
        first=_address(parameters.round_constants[0]),
        opening=_address(parameters.round_constants[1:first]),
        openings=first - 1,
        nothing=_address([0] * WIDTH),
        entry_weights=_address(unrolled.entry),
        entry_constants=_address([unrolled.cube_input_constants[0], *carried]),
        cube_weights=_address(_padded(unrolled.cube_inputs, WIDTH + even)),
        cube_stride=WIDTH + even,
        cube_constants=_address(cube_constants),
        partial_rounds=parameters.partial_rounds,
        output_weights=_address(_padded(unrolled.output_weights, even)),
        output_pairs=even // 2,
        closing=_address([*parameters.round_constants[last + 1 :], [0] * WIDTH]),
        closings=parameters.rounds - last,
    )
