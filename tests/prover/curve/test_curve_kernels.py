"""The chain's kernels: number for number the reference chain, exceptional cases included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.curve import septic
from prover.curve.chain import (
    STEPS,
    ChainBatch,
    ExceptionalAddition,
    fixed_points,
    run_chain,
)
from prover.curve.kernels import run_chains
from prover.curve.septic import GENERATOR, ORDER, GroupElement, Point
from prover.field.koalabear import PRIME, decode, encode

TOP_BIT = 1 << STEPS - 1
Claim = tuple[Point, int, tuple[int, ...]]
"""A key, a response, and the four elements of a challenge."""


def affine(element: GroupElement) -> Point:
    assert element is not None
    return element


def number(challenge: Sequence[int]) -> int:
    return sum(element << 31 * index for index, element in enumerate(challenge))


def run(claims: Sequence[Claim], *, has_witness: bool = True, threads: int = 1) -> ChainBatch:
    keys = np.array([septic.encode(key) for key, _, _ in claims], np.uint32).T
    limbs = [[response >> 16 * index & 0xFFFF for index in range(14)] for _, response, _ in claims]
    challenges = np.array([challenge for _, _, challenge in claims], np.uint32).T
    responses = np.array(limbs, np.uint32).T
    return run_chains(encode(keys), responses, challenges, has_witness=has_witness, threads=threads)


def assert_agrees(claims: Sequence[Claim], batch: ChainBatch) -> None:
    results, additions, steps = decode(batch.results), decode(batch.additions), decode(batch.steps)
    for place, (key, response, challenge) in enumerate(claims):
        chain = run_chain(key, response, number(challenge))
        assert batch.is_exceptional[place] == isinstance(chain, ExceptionalAddition)
        if isinstance(chain, ExceptionalAddition):
            continue
        assert tuple(results[:, place].tolist()) == septic.encode(chain.result)
        assert [tuple(row) for row in additions[:, :, place].tolist()] == [
            addition.inverse + addition.slope + septic.encode(addition.result) for addition in chain.additions
        ]
        assert [tuple(column) for column in steps[:, :, place].T.tolist()] == [
            septic.encode(step.accumulator)
            + septic.encode(step.addend)
            + step.inverse
            + step.slope
            + step.second_slope
            for step in chain.steps
        ]


keys = st.integers(1, ORDER - 1).map(lambda scalar: affine(septic.multiply_generator(scalar)))
responses = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, (1 << 124) - 1, 1 << 124, ORDER - 1])
elements = st.integers(0, PRIME - 1) | st.sampled_from([0, 1, PRIME - 1])
claims_drawn = st.tuples(keys, responses, st.tuples(*[elements] * 4))


@settings(max_examples=5)
@given(st.lists(claims_drawn, min_size=1, max_size=18))
def test_the_kernel_computes_the_reference_s_numbers(claims: list[Claim]) -> None:
    assert_agrees(claims, run(claims))


def exceptional_claims() -> list[Claim]:
    """One claim for each way in which an addition can be exceptional."""
    fixed, key = fixed_points(), affine(septic.multiply_generator(7))
    top = (0, 0, 0, 1 << 30)
    chosen = [
        septic.add(fixed.offset, septic.negate(fixed.start)),
        septic.add(fixed.offset, fixed.start),
        septic.add(fixed.offset, septic.double(fixed.start)),
    ]
    entries = [*fixed.table, *(septic.negate_point(entry) for entry in fixed.table)]
    return [
        *((entry, 5, (1, 2, 3, 4)) for entry in entries),
        *((affine(point), 5, top) for point in chosen),
        (key, 7 * 99, (99, 0, 0, 0)),
        (GENERATOR, 0, (0, 0, 0, 0)),
    ]


def test_every_kind_of_exceptional_addition_is_flagged() -> None:
    claims = exceptional_claims()
    assert run(claims).is_exceptional.tolist() == [True] * 13


def test_an_exceptional_lane_does_not_disturb_its_neighbours() -> None:
    good: Claim = (affine(septic.multiply_generator(99)), ORDER // 7, (5, 6, 7, 8))
    claims = [claim for exceptional in exceptional_claims() for claim in (good, exceptional)]
    batch = run(claims)
    assert batch.is_exceptional.tolist() == [False, True] * 13
    assert_agrees(claims, batch)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_any_number_of_chains_runs_on_any_number_of_threads(count: int) -> None:
    claims: list[Claim] = [
        (affine(septic.multiply_generator(index + 1)), index * 12345 + 1, (index, 1, 2, 3))
        for index in range(count)
    ]
    alone, together = run(claims), run(claims, threads=2)
    assert_agrees(claims, alone)
    for name in ("is_exceptional", "results", "additions", "steps"):
        assert np.array_equal(getattr(alone, name), getattr(together, name))


def test_without_a_witness_the_result_is_the_same_and_the_steps_are_empty() -> None:
    claims: list[Claim] = [(GENERATOR, 12345, (1, 2, 3, 4))] * 3
    short, full = run(claims, has_witness=False), run(claims)
    assert np.array_equal(short.results, full.results)
    assert (short.additions.size, short.steps.size) == (0, 0)


def test_no_chains_at_all_are_no_mistake() -> None:
    nothing = np.zeros((14, 0), np.uint32)
    batch = run_chains(nothing, nothing, nothing[:4], has_witness=True)
    assert batch.results.shape == (14, 0)
