"""Poseidon over numpy lanes: what a verifier without compiled kernels uses to check all its queries at once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, LEVEL_ELEMENT, RATE, WIDTH, PoseidonParameters

Lanes = NDArray[np.uint64]
"""A state or digest a column, canonical."""

_PRIME = np.uint64(PRIME)


@cache
def _tables(parameters: PoseidonParameters) -> tuple[Lanes, list[Lanes]]:
    """The matrix, and the round constants as columns."""
    first = parameters.mds_first_row
    matrix = [[first[(j - i) % WIDTH] for j in range(WIDTH)] for i in range(WIDTH)]
    constants = [np.array(row, dtype=np.uint64)[:, None] for row in parameters.round_constants]
    # The entries of a row sum to 371, so products of the matrix with canonical states stay below 2^40.
    return np.array(matrix, dtype=np.uint64), constants


def permute_lanes(parameters: PoseidonParameters, states: Lanes) -> Lanes:
    """The permutation of every column."""
    matrix, constants = _tables(parameters)
    half = parameters.full_rounds // 2
    last_partial = half + parameters.partial_rounds
    for number, constant in enumerate(constants):
        states = (states + constant) % _PRIME
        if half <= number < last_partial:
            head = states[0]
            states[0] = head * head % _PRIME * head % _PRIME
        else:
            states = states * states % _PRIME * states % _PRIME
        states = matrix @ states % _PRIME
    return states


def hash_lanes(parameters: PoseidonParameters, kind: HashKind, elements: Lanes, label: int = 0) -> Lanes:
    """The sponge over every column of the elements."""
    length, lanes = elements.shape
    states = np.zeros((WIDTH, lanes), dtype=np.uint64)
    states[RATE : RATE + 4] = np.array([kind, length, parameters.suite, label], dtype=np.uint64)[:, None]
    for start in range(0, max(length, 1), RATE):
        block = elements[start : start + RATE]
        states[: len(block)] = block
        states[len(block) : RATE] = 0
        states = permute_lanes(parameters, states)
    digest: Lanes = states[:DIGEST_LENGTH]
    return digest


def compress_lanes(parameters: PoseidonParameters, left: Lanes, right: Lanes, level: int) -> Lanes:
    """The two-to-one compression of every column."""
    states = np.concatenate([left, right])
    states[LEVEL_ELEMENT] = (states[LEVEL_ELEMENT] + np.uint64(level + 1)) % _PRIME
    digest: Lanes = ((permute_lanes(parameters, states) + states) % _PRIME)[:DIGEST_LENGTH]
    return digest
