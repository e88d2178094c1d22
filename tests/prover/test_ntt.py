"""The transforms against a naive evaluation on integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover import ntt
from prover.field.koalabear import GENERATOR, PRIME, Montgomery, decode, encode, inverse, power, root_of_unity

NAIVE_HEIGHTS = pytest.mark.parametrize("log_height", range(10))
HEIGHTS = pytest.mark.parametrize("log_height", range(16))
"""Up to 2^7 scalar kernels, from 2^8 vectors, above 2^13 tiles and chunks, as matrices of few columns have them."""


def random_matrix(columns: int, log_height: int, seed: int = 1) -> Montgomery:
    values = np.random.default_rng(seed).integers(0, PRIME, (columns, 1 << log_height))
    values[0, 0], values[-1, -1] = PRIME - 1, 0
    return encode(values)


def evaluate(coefficients: list[int], point: int) -> int:
    """Horner's rule on exact integers."""
    total = 0
    for coefficient in reversed(coefficients):
        total = (total * point + coefficient) % PRIME
    return total


def natural(coefficients: Montgomery) -> list[list[int]]:
    order = ntt.bit_reversal(coefficients.shape[1].bit_length() - 1)
    return [column.tolist() for column in decode(coefficients)[:, order]]


def some_rows(height: int) -> set[int]:
    return {0, 1 % height, height // 3, height // 2, height - 1}


@NAIVE_HEIGHTS
def test_transforms_agree_with_the_definition(log_height: int) -> None:
    matrix = random_matrix(2, log_height)
    coefficients = ntt.inverse_transform(matrix)
    exact = [ntt.naive_coefficients(column.tolist()) for column in decode(matrix)]
    assert natural(coefficients) == exact
    assert decode(ntt.coefficients_natural_order(matrix)).tolist() == exact
    shifted = decode(ntt.coset_transform(coefficients, 5))
    assert shifted.tolist() == [ntt.naive_evaluations(column, 5, log_height) for column in exact]


def test_the_definition_interpolates_and_evaluates() -> None:
    coefficients = [3, 1, 4, 1, 5, 9, 2, 6]
    assert ntt.naive_coefficients(ntt.naive_evaluations(coefficients, 1, 3)) == coefficients
    root = root_of_unity(3)
    values = ntt.naive_evaluations(coefficients, 7, 3)
    assert values == [evaluate(coefficients, 7 * power(root, row)) for row in range(8)]


@HEIGHTS
@pytest.mark.parametrize("threads", [1, 2])
def test_values_at_single_points_are_those_of_the_polynomial(log_height: int, threads: int) -> None:
    height = 1 << log_height
    matrix = random_matrix(3, log_height)
    coefficients = ntt.inverse_transform(matrix, threads=threads)
    extended = ntt.low_degree_extension(matrix, 2, threads=threads)
    exact = natural(coefficients)
    generator, root = root_of_unity(log_height), root_of_unity(log_height + 2)
    for row in some_rows(height):
        for column in (0, 2):
            value = evaluate(exact[column], power(generator, row))
            assert int(decode(matrix)[column, row]) == value
            for coset in (0, 3):
                point = GENERATOR * power(root, coset) * power(generator, row) % PRIME
                assert int(decode(extended)[column, coset, row]) == evaluate(exact[column], point)


@HEIGHTS
def test_the_forward_transform_undoes_the_inverse_one(log_height: int) -> None:
    matrix = random_matrix(2, log_height)
    coefficients = ntt.inverse_transform(matrix)
    assert np.array_equal(ntt.forward_transform(coefficients), matrix)
    assert np.array_equal(ntt.inverse_transform(ntt.forward_transform(matrix)), matrix)


@HEIGHTS
def test_each_coset_of_an_extension_is_a_coset_transform(log_height: int) -> None:
    matrix = random_matrix(2, log_height)
    coefficients = ntt.inverse_transform(matrix)
    root = root_of_unity(log_height + 1)
    extended = ntt.low_degree_extension(matrix, 1, shift=11)
    for coset in (0, 1):
        expected = ntt.coset_transform(coefficients, 11 * power(root, coset))
        assert np.array_equal(extended[:, coset], expected)


@HEIGHTS
def test_an_extension_without_blowup_on_the_subgroup_is_the_matrix(log_height: int) -> None:
    matrix = random_matrix(2, log_height)
    assert np.array_equal(ntt.low_degree_extension(matrix, 0, shift=1)[:, 0], matrix)


@HEIGHTS
def test_columns_known_on_a_coset_extend_to_all_cosets(log_height: int) -> None:
    extended = ntt.low_degree_extension(random_matrix(2, log_height), 2)
    root = root_of_unity(log_height + 2)
    for coset in (0, 2, 3):
        shift = GENERATOR * power(root, coset) % PRIME
        again = ntt.extend_from_coset(extended[:, coset], shift, 2, threads=2)
        assert np.array_equal(again, extended)


@given(
    log_height=st.integers(0, 9),
    columns=st.integers(1, 5),
    scalars=st.tuples(st.integers(0, PRIME - 1), st.integers(0, PRIME - 1)),
    seed=st.integers(0, 1000),
)
def test_transforms_are_linear(log_height: int, columns: int, scalars: tuple[int, int], seed: int) -> None:
    a, b = (random_matrix(columns, log_height, seed + k) for k in (0, 1))

    def combine(left: Montgomery, right: Montgomery) -> Montgomery:
        x, y = decode(left).astype(np.uint64), decode(right).astype(np.uint64)
        return encode(
            (x * np.uint64(scalars[0]) % np.uint64(PRIME)) + (y * np.uint64(scalars[1]) % np.uint64(PRIME))
        )

    together = ntt.low_degree_extension(combine(a, b), 1)
    apart = combine(ntt.low_degree_extension(a, 1), ntt.low_degree_extension(b, 1))
    assert np.array_equal(together, apart)


@pytest.mark.parametrize("log_chunk", [8, 9, 10])
@pytest.mark.parametrize("log_height", range(11, 17))
def test_columns_cut_into_many_chunks_give_the_same(
    log_chunk: int, log_height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = random_matrix(3, log_height)
    monkeypatch.setattr(ntt, "WIDE", 1)
    monkeypatch.setattr(ntt, "LOG_WHOLE", log_height)
    coefficients, extended = ntt.inverse_transform(matrix), ntt.low_degree_extension(matrix, 1)
    shifted = ntt.coset_transform(coefficients, 5)
    monkeypatch.setattr(ntt, "LOG_WHOLE", log_chunk)
    monkeypatch.setattr(ntt, "LOG_CHUNK", log_chunk)
    assert np.array_equal(ntt.inverse_transform(matrix, threads=2), coefficients)
    assert np.array_equal(ntt.low_degree_extension(matrix, 1, threads=2), extended)
    assert np.array_equal(ntt.coset_transform(coefficients, 5, threads=2), shifted)


@pytest.mark.parametrize("columns", [1, 8])
@pytest.mark.parametrize("log_height", [14, 15])
def test_few_columns_are_cut_into_chunks_and_many_are_not(
    log_height: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = random_matrix(columns, log_height)
    found = []
    for wide in (1, 9):
        monkeypatch.setattr(ntt, "WIDE", wide)
        coefficients = ntt.inverse_transform(matrix)
        found.append(
            (coefficients, ntt.coset_transform(coefficients, 5), ntt.low_degree_extension(matrix, 1))
        )
    for whole, cut in zip(*found, strict=True):
        assert np.array_equal(whole, cut)


@pytest.mark.parametrize("log_height", [8, 9, 12, 13, 16, 17])
def test_words_at_the_bounds_stay_elements_all_the_way(log_height: int) -> None:
    source = np.random.default_rng(log_height)
    # What is not reduced between two levels is largest where all words are p - 1, or these and zeros.
    matrix = np.empty((4, 1 << log_height), dtype=np.uint32)
    matrix[0], matrix[1] = PRIME - 1, np.arange(1 << log_height) % 2 * (PRIME - 1)
    matrix[2:] = source.choice(np.array([0, 1, PRIME - 1], dtype=np.uint32), (2, 1 << log_height))
    coefficients = ntt.inverse_transform(matrix)
    extended = ntt.low_degree_extension(matrix, 1)
    assert max(coefficients.max(), extended.max()) < PRIME
    assert not coefficients[0, 1:].any()
    assert coefficients[0, 0] == PRIME - 1
    assert np.all(extended[0] == PRIME - 1)
    assert np.array_equal(ntt.forward_transform(coefficients), matrix)
    for row in (0, (1 << log_height) - 1):
        point = GENERATOR * power(root_of_unity(log_height), row) % PRIME
        assert int(decode(extended)[2, 0, row]) == evaluate(natural(coefficients)[2], point)
    assert ntt.forward_transform(matrix).max() < PRIME


@pytest.mark.parametrize("log_height", [9, 14, 15, 16, 17])
@pytest.mark.parametrize("offset", [0, 1])
def test_results_that_go_past_the_caches_are_the_same(
    log_height: int, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = random_matrix(2, log_height)
    coefficients, extended = ntt.inverse_transform(matrix), ntt.low_degree_extension(matrix, 1)
    monkeypatch.setattr(ntt, "STREAMED_BYTES", 0)
    # Streamed vectors must start at cache lines, so results that do not are stored as usual.
    room = ntt.aligned_empty((extended.size + 1,))[offset : offset + extended.size].reshape(extended.shape)
    assert np.array_equal(ntt.low_degree_extension(matrix, 1, threads=2, out=room), extended)
    room = room.reshape(4, -1)[:2]
    assert np.array_equal(ntt.inverse_transform(matrix, threads=2, out=room), coefficients)
    assert np.array_equal(ntt.forward_transform(coefficients, threads=2, out=room), matrix)


@given(log_height=st.integers(0, 14), degree=st.integers(0, 40), shift=st.integers(1, PRIME - 1))
def test_a_monomial_takes_its_powers_on_every_coset(log_height: int, degree: int, shift: int) -> None:
    height = 1 << log_height
    exponent = degree % height
    coefficients = np.zeros((1, height), dtype=np.uint32)
    coefficients[0, ntt.bit_reversal(log_height)[exponent]] = encode([1])[0]
    values = decode(ntt.coset_transform(coefficients, shift))[0]
    step = power(root_of_unity(log_height), exponent)
    expected = power(shift, exponent)
    for row in range(min(height, 50)):
        assert int(values[row]) == expected
        expected = expected * step % PRIME


@pytest.mark.parametrize("log_height", [14, 16])
def test_many_columns_go_through_in_groups(log_height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_matrix(7, log_height)
    whole, inverse_whole = ntt.low_degree_extension(matrix, 1), ntt.inverse_transform(matrix)
    monkeypatch.setattr(ntt, "GROUP_BYTES", 3 * 8 << log_height)
    assert np.array_equal(ntt.low_degree_extension(matrix, 1, threads=2), whole)
    assert np.array_equal(ntt.inverse_transform(matrix, threads=2), inverse_whole)
    assert np.array_equal(ntt.forward_transform(inverse_whole, threads=2), matrix)


@pytest.mark.parametrize(("log_height", "columns"), [(2, 3), (9, 5), (13, 4), (14, 1), (14, 40), (16, 18)])
@pytest.mark.parametrize("log_blowup", [0, 1, 2])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_extension_takes_the_place_of_its_columns(
    log_height: int, columns: int, log_blowup: int, threads: int
) -> None:
    matrix = random_matrix(columns, log_height)
    expected = ntt.low_degree_extension(matrix, log_blowup)
    words = ntt.aligned_empty((columns << log_height + log_blowup,))
    words[words.size - matrix.size :] = matrix.reshape(-1)
    extended = ntt.extend_in_place(words, columns, log_blowup, threads=threads)
    assert np.shares_memory(extended, words)
    assert np.array_equal(extended, expected)


def test_an_extension_needs_just_as_many_words() -> None:
    for words in (np.zeros(24, dtype=np.uint32), np.zeros((2, 16), dtype=np.uint32)):
        with pytest.raises(ValueError, match="are not the extension of"):
            ntt.extend_in_place(words, 5, 1)


@pytest.mark.parametrize("log_height", [3, 9])
def test_results_go_where_they_are_asked_to(log_height: int) -> None:
    matrix = random_matrix(2, log_height)
    height = 1 << log_height
    room = np.full((4, 2, height), 7, dtype=np.uint32)
    given_back = ntt.low_degree_extension(matrix, 1, out=room[1:3])
    assert np.shares_memory(given_back, room)
    assert np.array_equal(room[1:3], ntt.low_degree_extension(matrix, 1))
    assert (room[[0, 3]] == 7).all()
    target = np.empty_like(matrix)
    assert ntt.inverse_transform(matrix, out=target) is target
    assert np.array_equal(target, ntt.inverse_transform(matrix))
    assert ntt.forward_transform(target.copy(), out=target) is target
    assert np.array_equal(target, matrix)


def test_the_matrix_itself_is_left_as_it_is() -> None:
    for log_height in (4, 9, 14):
        matrix = random_matrix(2, log_height)
        before = matrix.copy()
        ntt.low_degree_extension(matrix, 1)
        ntt.inverse_transform(matrix)
        ntt.coset_transform(matrix, 3)
        assert np.array_equal(matrix, before)


@pytest.mark.parametrize("log_height", [3, 9, 14])
def test_no_columns_give_no_columns(log_height: int) -> None:
    empty = np.empty((0, 1 << log_height), dtype=np.uint32)
    assert ntt.low_degree_extension(empty, 1).shape == (0, 2, 1 << log_height)
    assert ntt.inverse_transform(empty).shape == empty.shape
    assert ntt.coset_transform(empty, 3).shape == empty.shape


def test_a_matrix_that_is_not_contiguous_is_taken_too() -> None:
    matrix = random_matrix(4, 9)
    assert np.array_equal(ntt.low_degree_extension(matrix[::2], 1), ntt.low_degree_extension(matrix, 1)[::2])


@pytest.mark.parametrize("height", [0, 3, 12, 100])
def test_a_height_that_is_no_power_of_two_is_refused(height: int) -> None:
    with pytest.raises(ValueError, match=rf"^a height is a power of two up to 2\^24, not {height}$"):
        ntt.inverse_transform(np.zeros((1, height), dtype=np.uint32))


def test_types_and_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^a matrix is uint32 \(columns, height\), not int64 \(1, 8\)$"):
        ntt.inverse_transform(np.zeros((1, 8), dtype=np.int64))
    with pytest.raises(TypeError, match=r"^a matrix is uint32 \(columns, height\), not uint32 \(8,\)$"):
        ntt.inverse_transform(np.zeros(8, dtype=np.uint32))
    matrix = random_matrix(1, 3)
    for out in (
        np.empty((1, 2, 4), dtype=np.uint32),
        np.empty((1, 4, 8), dtype=np.uint32)[:, ::2],
    ):
        with pytest.raises(ValueError, match=r"^the result is C-contiguous uint32 \(1, 2, 8\), not uint32"):
            ntt.low_degree_extension(matrix, 1, out=out)


def test_an_extension_beyond_the_two_adicity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the field has no root of unity of order 2\^25$"):
        ntt.low_degree_extension(random_matrix(1, 4), 21)


def test_bit_reversal_is_an_involution() -> None:
    for log_length in range(8):
        order = ntt.bit_reversal(log_length)
        assert order[order].tolist() == list(range(1 << log_length))
    assert ntt.bit_reversal(3).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_powers_double_in_order() -> None:
    assert ntt.powers_in_order(7, 4).tolist() == [7**k % PRIME for k in range(16)]
    assert ntt.powers_in_order(inverse(7), 2).tolist() == [power(7, -k) for k in range(4)]


def test_new_arrays_start_at_a_cache_line() -> None:
    for shape in ((3,), (2, 5), (1, 2, 1024)):
        array = ntt.aligned_empty(shape)
        assert array.shape == shape
        assert array.ctypes.data % 64 == 0
