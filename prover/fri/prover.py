"""The prover's half of the low-degree test: words, their folds and their trees.

A word is five planes over an extended domain, coset by coset: (5, blowup, height).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prover.domain import Domain, interpolate_on_subgroup
from prover.field.kernels import multiply
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, inverse, power, root_of_unity
from prover.fri import kernels
from prover.hash.suite import AnySuite
from prover.merkle import MixedTree
from prover.ntt import low_degree_extension
from prover.stark.numbers import Extension, Quintic, canonical
from prover.stark.shape import EXTENSION_DEGREE, FoldStep


def domain_points(log_height: int, log_blowup: int, shift: int, *, inverted: bool = False) -> Montgomery:
    """shift * w^j * g^i (or its inverse) for coset j and row i, one after the other."""
    root = root_of_unity(log_height + log_blowup)
    generator = power(root, 1 << log_blowup)
    if inverted:
        root, generator, shift = inverse(root), inverse(generator), inverse(shift)
    starts = [shift * power(root, j) % PRIME for j in range(1 << log_blowup)]
    return np.concatenate([kernels.shared_sequence(start, generator, 1 << log_height) for start in starts])


@dataclass(slots=True)
class WeighedColumns:
    """Columns to combine, each with its power of the batching challenge, and what their claims add up to."""

    on_trace: list[Montgomery]
    """Columns on the trace domain: combined there and extended once, a blowup less work than the other way round."""
    trace_weights: list[Extension]
    extended: list[Montgomery]
    """Columns known on every coset only (the pieces of the quotient)."""
    extended_weights: list[Extension]
    claim: Quintic

    @classmethod
    def none(cls) -> WeighedColumns:
        """Nothing yet."""
        return cls([], [], [], [], Quintic((0,) * EXTENSION_DEGREE))


def deep_word(
    log_height: int, log_blowup: int, point: Extension, columns: Sequence[WeighedColumns], threads: int
) -> Montgomery:
    """The sum of weight * (claim - column(x)) / (point - x), for this row's point and the next row's."""
    height, size = 1 << log_height, 1 << (log_height + log_blowup)
    points = domain_points(log_height, log_blowup, GENERATOR)
    next_point = Quintic(point) * Domain(log_height, log_blowup).generator
    word = np.zeros((EXTENSION_DEGREE, size), dtype=np.uint32)
    for place, weighed in zip((Quintic(point), next_point), columns, strict=True):
        combined = None
        if weighed.on_trace:
            on_trace = kernels.combine_columns(weighed.on_trace, weighed.trace_weights, height, threads)
            combined = low_degree_extension(on_trace, log_blowup, threads=threads).reshape(word.shape)
        if weighed.extended:
            more = kernels.combine_columns(weighed.extended, weighed.extended_weights, size, threads)
            if combined is not None:
                kernels.add_scaled(more, combined, (1, 0, 0, 0, 0), threads)
            combined = more
        if combined is not None:
            kernels.add_quotient_of_differences(
                word, combined, canonical(weighed.claim), points, canonical(place), threads
            )
    return word.reshape(EXTENSION_DEGREE, 1 << log_blowup, height)


@dataclass(frozen=True, slots=True)
class FoldedWord:
    """A word before a fold, committed with the values that fold together in one row."""

    rows: Montgomery
    """(values of a row * 5, blowup, height after the fold); the coordinates of one value stand together."""
    step: FoldStep
    tree: MixedTree

    @classmethod
    def commit(cls, suite: AnySuite, word: Montgomery, step: FoldStep, threads: int) -> FoldedWord:
        """Group the values at x times the roots of unity of the fold's order, and hash the rows."""
        _, blowup, height = word.shape
        arity = 1 << step.log_arity
        grouped = word.reshape(EXTENSION_DEGREE, blowup, arity, height // arity).transpose(2, 0, 1, 3)
        rows = np.ascontiguousarray(grouped).reshape(EXTENSION_DEGREE * arity, blowup, height // arity)
        return cls(rows, step, MixedTree.commit(suite, [rows], threads))


def fold_word(word: FoldedWord, challenge: Extension, threads: int) -> Montgomery:
    """The word of the folded polynomial, on the domain that is smaller by the arity."""
    _, blowup, height = word.rows.shape
    log_blowup = blowup.bit_length() - 1
    log_arity = word.step.log_arity
    size = blowup * height
    # Row r starts at x = w^r, where w generates the domain before the fold: rows of coset j step by g.
    root = inverse(root_of_unity(word.step.log_height + log_blowup))
    step = power(root, blowup)
    inverses = np.concatenate([kernels.shared_sequence(power(root, j), step, height) for j in range(blowup)])
    values = word.rows.reshape(1 << log_arity, EXTENSION_DEGREE, size)
    current = Quintic(challenge)
    for level in range(log_arity, 0, -1):
        half = 1 << (level - 1)
        unit = inverse(root_of_unity(level))
        folded = np.empty((half, EXTENSION_DEGREE, size), dtype=np.uint32)
        for m in range(half):
            scaled = current * power(unit, m)
            coordinates = canonical(scaled)
            kernels.fold_pairs(values[m], values[m + half], inverses, coordinates, folded[m], threads)
        values = folded
        current = current * current
        inverses = multiply(inverses, inverses, threads=threads)
    folded_word: Montgomery = values[0].reshape(EXTENSION_DEGREE, blowup, height)
    return folded_word


def mix_word(
    word: Montgomery, entering: Montgomery, challenge: Extension, log_arity: int, threads: int
) -> Montgomery:
    """Add the word of the height just reached, weighed by the challenge to the fold's arity."""
    factor = Quintic(challenge)
    for _ in range(log_arity):
        factor = factor * factor
    shape = word.shape
    flat = word.reshape(EXTENSION_DEGREE, -1)
    kernels.add_scaled(flat, entering.reshape(EXTENSION_DEGREE, -1), canonical(factor), threads)
    return flat.reshape(shape)


def interpolate_final(word: Montgomery) -> tuple[Extension, ...]:
    """The coefficients of the last word, from its values on the subgroup itself (coset 0)."""
    planes = [
        interpolate_on_subgroup(plane.tolist()) for plane in decode(np.ascontiguousarray(word[:, 0, :]))
    ]
    return tuple(canonical(Quintic(coefficient)) for coefficient in zip(*planes, strict=True))
