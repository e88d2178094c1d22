"""The folding formula against its meaning: even part plus challenge times odd part."""

from __future__ import annotations

import numpy as np
import pytest

from prover.domain import interpolate_on_subgroup
from prover.field.koalabear import (
    GENERATOR,
    PRIME,
    Montgomery,
    decode,
    encode,
    inverse,
    power,
    root_of_unity,
)
from prover.fri import reference
from prover.fri.folding import HALF, evaluate_polynomial, fold_row, inverse_roots
from prover.fri.prover import (
    FoldedWord,
    WeighedColumns,
    deep_values,
    domain_points,
    extend_values,
    fold_values,
    fold_word,
    interpolate_final,
    mix_word,
)
from prover.hash.suite import KeccakSuite
from prover.ntt import inverse_transform, low_degree_extension
from prover.stark.evaluation import evaluate_at, evaluation_weights
from prover.stark.numbers import Extension, Number, Quintic, canonical
from prover.stark.shape import FoldStep


def fold_coefficients(coefficients: list[Extension], challenge: Extension) -> list[Extension]:
    """One binary fold, by the definition."""
    pairs = zip(coefficients[::2], coefficients[1::2], strict=True)
    return [canonical(Quintic(even) + Quintic(challenge) * Quintic(odd)) for even, odd in pairs]


def random_elements(seed: int, count: int) -> list[Extension]:
    rows = np.random.default_rng(seed).integers(0, PRIME, size=(count, 5))
    return [canonical(Quintic(list(row))) for row in rows]


def word_of(coefficients: list[Extension], log_blowup: int) -> Montgomery:
    """The values of a polynomial on the extended subgroup, coset by coset."""
    height = len(coefficients)
    points = decode(domain_points(height.bit_length() - 1, log_blowup, 1))
    lifted = [Quintic(c) for c in coefficients]
    values = [canonical(evaluate_polynomial(lifted, Quintic((int(x), 0, 0, 0, 0)))) for x in points]
    planes = encode(np.array(values, dtype=np.int64).T)
    return planes.reshape(5, 1 << log_blowup, height)


@pytest.mark.parametrize("log_arity", [1, 2, 3])
def test_a_row_folds_to_the_value_of_the_folded_polynomial(log_arity: int) -> None:
    coefficients, challenge = random_elements(log_arity, 16), random_elements(9, 1)[0]
    x = power(3, 12345)
    unit = root_of_unity(log_arity)
    points = [Quintic((x * power(unit, m) % PRIME, 0, 0, 0, 0)) for m in range(1 << log_arity)]
    row = [evaluate_polynomial([Quintic(c) for c in coefficients], point) for point in points]
    scale = [[Number(root) for root in inverse_roots(level)] for level in range(log_arity, 0, -1)]
    ratio = Quintic(challenge) * Number(inverse(x))
    folded = coefficients
    current = Quintic(challenge)
    for _ in range(log_arity):
        folded = fold_coefficients(folded, canonical(current))
        current = current * current
    raised = Quintic((power(x, 1 << log_arity), 0, 0, 0, 0))
    expected = evaluate_polynomial([Quintic(c) for c in folded], raised)
    assert canonical(fold_row(row, ratio, scale, Number(HALF))) == canonical(expected)


@pytest.mark.parametrize(
    ("log_height", "log_arity", "log_blowup"), [(3, 3, 1), (5, 2, 2), (6, 3, 2), (7, 1, 1)]
)
def test_the_prover_folds_words_to_words_of_the_folded_polynomial(
    log_height: int, log_arity: int, log_blowup: int
) -> None:
    coefficients, challenge = random_elements(log_height, 1 << log_height), random_elements(8, 1)[0]
    word = word_of(coefficients, log_blowup)
    step = FoldStep(log_height, log_arity, is_mixed=False)
    committed = FoldedWord.commit(KeccakSuite(), word, step, 1)
    folded, current = coefficients, Quintic(challenge)
    for _ in range(log_arity):
        folded = fold_coefficients(folded, canonical(current))
        current = current * current
    result = fold_word(committed, challenge, 1)
    assert np.array_equal(result, word_of(folded, log_blowup))
    assert list(interpolate_final(result)) == folded
    # The prover folds the first coset alone and extends what it gets.
    values = fold_values(np.ascontiguousarray(word[:, 0]), step, challenge, 2)
    assert np.array_equal(values, result[:, 0])
    assert np.array_equal(extend_values(values, log_blowup, 2), result)
    for threads in (1, 3):
        first = np.ascontiguousarray(word[:, 0])
        extended = FoldedWord.extend(KeccakSuite(), first, log_blowup, step, threads)
        assert np.array_equal(extended.rows, committed.rows)
        assert extended.tree.root == committed.tree.root


@pytest.mark.parametrize(("log_height", "log_blowup"), [(3, 2), (9, 1)])
def test_batched_columns_are_the_quotients_of_the_reference_point_by_point(
    log_height: int, log_blowup: int
) -> None:
    height, size = 1 << log_height, 1 << log_height + log_blowup
    generator = np.random.default_rng(log_height)
    columns = encode(generator.integers(0, PRIME, (4, height)))
    weights, (point,) = random_elements(5, 6), random_elements(6, 1)
    next_point = Quintic(point) * root_of_unity(log_height)
    extended = low_degree_extension(columns, log_blowup).reshape(4, size)
    points = domain_points(log_height, log_blowup, GENERATOR)
    expected = np.zeros((5, size), dtype=np.uint32)
    batches = []
    for place, chosen, own in (
        (Quintic(point), (0, 1, 2, 3), weights[:4]),
        (next_point, (2, 0), weights[4:]),
    ):
        at = evaluation_weights(log_height, 1, canonical(place), 1)
        values = evaluate_at(np.ascontiguousarray(columns[list(chosen)]), at, 1)
        claim = Quintic((0,) * 5)
        for weight, value in zip(own, values, strict=True):
            claim = claim + Quintic(weight) * Quintic(value)
        # The last column is given by its coefficients, as one is whose extension is not held.
        on_coset = [column for column in chosen if column != 3]
        coefficients = list(inverse_transform(columns[3:])) if 3 in chosen else []
        first_coset = low_degree_extension(columns, log_blowup)[:, 0]
        batches.append(
            WeighedColumns(
                [first_coset[column] for column in on_coset],
                own[: len(on_coset)],
                coefficients,
                own[len(on_coset) :],
                claim,
            )
        )
        combined = reference.combine_columns([extended[column] for column in chosen], own, size)
        quotients = reference.quotient_of_differences(combined, canonical(claim), points, canonical(place))
        expected = reference.add_scaled(expected, quotients, (1, 0, 0, 0, 0))
    found = deep_values(log_height, point, batches, 2)
    assert np.array_equal(extend_values(found, log_blowup, 1).reshape(5, size), expected)


def test_an_entering_word_is_weighed_by_the_challenge_to_the_arity() -> None:
    word, entering = (word_of(random_elements(seed, 4), 1) for seed in (1, 2))
    challenge = random_elements(3, 1)[0]
    fourth = Quintic(challenge) * Quintic(challenge)
    fourth = fourth * fourth
    mixed = mix_word(word.copy(), entering, challenge, 2, 1)
    plain, added = interpolate_final(word), interpolate_final(entering)
    expected = [canonical(Quintic(a) + fourth * Quintic(b)) for a, b in zip(plain, added, strict=True)]
    assert list(interpolate_final(mixed)) == expected


def test_interpolation_on_a_subgroup_inverts_evaluation() -> None:
    coefficients = [3, 1, 4, 1, 5, 9, 2, 6]
    root = root_of_unity(3)
    values = [sum(c * power(root, i * k) for k, c in enumerate(coefficients)) % PRIME for i in range(8)]
    assert interpolate_on_subgroup(values) == coefficients
