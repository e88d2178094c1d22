"""The prover's half of the low-degree test: words, their folds and their trees.

A word is five planes over an extended domain, coset by coset: (5, blowup, height).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prover.domain import interpolate_on_subgroup
from prover.field.kernels import add, multiply, scale
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, inverse, power, root_of_unity
from prover.field.threads import run_slices
from prover.fri import kernels
from prover.hash.suite import AnySuite
from prover.merkle import MixedTree
from prover.ntt import (
    aligned_empty,
    coset_shifts,
    coset_transform,
    inverse_transform,
    low_degree_extension,
)
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

    on_coset: list[Montgomery]
    """Columns on the first coset: combined there and extended once, a blowup less work than the other way round."""
    coset_weights: list[Extension]
    coefficients: list[Montgomery]
    """Columns given by their coefficients in bit-reversed order, whose extension is not held."""
    coefficient_weights: list[Extension]
    claim: Quintic

    @classmethod
    def none(cls) -> WeighedColumns:
        """Nothing yet."""
        return cls([], [], [], [], Quintic((0,) * EXTENSION_DEGREE))

    def add(self, column: Montgomery, weight: Quintic, value: Extension, is_in_coefficients: bool) -> None:
        """One more column, with its claimed value."""
        (self.coefficients if is_in_coefficients else self.on_coset).append(column)
        weights = self.coefficient_weights if is_in_coefficients else self.coset_weights
        weights.append(canonical(weight))
        self.claim = self.claim + weight * Quintic(value)

    def combined(self, height: int, threads: int) -> Montgomery | None:
        """The sum of weight * column on the first coset, as five planes; None where there is no column."""
        total: Montgomery | None = None
        if self.on_coset:
            total = kernels.combine_columns(self.on_coset, self.coset_weights, height, threads)
        if self.coefficients:
            more = kernels.combine_columns(self.coefficients, self.coefficient_weights, height, threads)
            more = coset_transform(more, GENERATOR, threads=threads)
            total = more if total is None else add(total, more, threads=threads)
        return total


def deep_values(
    log_height: int, point: Extension, columns: Sequence[WeighedColumns], threads: int
) -> Montgomery:
    """The sum of weight * (claim - column(x)) / (point - x), for this row's point and the next row's.

    As true claims make it a polynomial below the height, its values on one coset are all there is to know.
    That is the first coset of the extended domain, where folding begins: (5, height).
    """
    height, generator = 1 << log_height, root_of_unity(log_height)
    points = kernels.shared_sequence(GENERATOR, generator, height)
    values = np.zeros((EXTENSION_DEGREE, height), dtype=np.uint32)
    for place, weighed in zip((Quintic(point), Quintic(point) * generator), columns, strict=True):
        combined = weighed.combined(height, threads)
        if combined is not None:
            claim = canonical(weighed.claim)
            kernels.add_quotient_of_differences(values, combined, claim, points, canonical(place), threads)
    return values


def extend_values(values: Montgomery, log_blowup: int, threads: int) -> Montgomery:
    """The word whose first coset these values are."""
    # Folding counts its points from the first coset's first one, so that coset is the subgroup here.
    return low_degree_extension(values, log_blowup, threads=threads, shift=1)


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
        rows = _rows_that_fold(word, step)
        return cls(rows, step, MixedTree.commit(suite, [rows], threads))

    @classmethod
    def extend(
        cls, suite: AnySuite, values: Montgomery, log_blowup: int, step: FoldStep, threads: int
    ) -> FoldedWord:
        """Commit to the word whose first coset these values are; each coset is grouped while it is in the cache.

        The slow reference is `commit` of `extend_values`.
        """
        height = values.shape[1]
        coefficients = inverse_transform(values, threads=threads)
        # Folding counts its points from the first coset's first one, so that coset is the subgroup here.
        shifts = coset_shifts(step.log_height, log_blowup, 1)
        arity = 1 << step.log_arity
        rows = aligned_empty((arity, EXTENSION_DEGREE, len(shifts), height // arity))

        def work(start: int, stop: int) -> None:
            buffer = aligned_empty(values.shape)
            for coset in range(start, stop):
                coset_transform(coefficients, shifts[coset], out=buffer)
                grouped = buffer.reshape(EXTENSION_DEGREE, arity, height // arity)
                rows[:, :, coset] = grouped.transpose(1, 0, 2)

        run_slices(threads, len(shifts), work, multiple=1)
        rows = rows.reshape(arity * EXTENSION_DEGREE, len(shifts), height // arity)
        return cls(rows, step, MixedTree.commit(suite, [rows], threads))


def fold_word(word: FoldedWord, challenge: Extension, threads: int) -> Montgomery:
    """The word of the folded polynomial, on the domain that is smaller by the arity.

    The slow reference of `fold_values`: what it gives holds for any word, a low-degree polynomial's or not.
    """
    return _fold_rows(word.rows, word.step, challenge, threads)


def fold_values(values: Montgomery, step: FoldStep, challenge: Extension, threads: int) -> Montgomery:
    """The first coset of the folded word from the first coset of a word: (5, height) to (5, height / arity)."""
    rows = _rows_that_fold(values[:, None, :], step)
    return _fold_rows(rows, step, challenge, threads)[:, 0]


def _rows_that_fold(word: Montgomery, step: FoldStep) -> Montgomery:
    """The values at x times the roots of unity of the fold's order side by side."""
    _, blowup, height = word.shape
    arity = 1 << step.log_arity
    grouped = word.reshape(EXTENSION_DEGREE, blowup, arity, height // arity).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(grouped).reshape(EXTENSION_DEGREE * arity, blowup, height // arity)


def _fold_rows(rows: Montgomery, step: FoldStep, challenge: Extension, threads: int) -> Montgomery:
    _, blowup, height = rows.shape
    log_blowup = blowup.bit_length() - 1
    log_arity = step.log_arity
    size = blowup * height
    # Row r starts at x = w^r, where w generates the domain before the fold: rows of coset j step by g.
    root = inverse(root_of_unity(step.log_height + log_blowup))
    first = kernels.shared_sequence(1, power(root, blowup), height)
    inverses = np.concatenate([scale(first, power(root, j)) for j in range(blowup)])
    values = rows.reshape(1 << log_arity, EXTENSION_DEGREE, size)
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
    """The coefficients of the last word (5, blowup, height), from its values on the subgroup itself (coset 0)."""
    planes = [
        interpolate_on_subgroup(plane.tolist()) for plane in decode(np.ascontiguousarray(word[:, 0, :]))
    ]
    return tuple(canonical(Quintic(coefficient)) for coefficient in zip(*planes, strict=True))
