"""The verification chain: it computes response G - challenge key, and every exceptional addition ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.curve import septic
from prover.curve.chain import (
    HIGH_BITS,
    OFFSET_LABEL,
    STEPS,
    Chain,
    ChainPart,
    ExceptionalAddition,
    fixed_points,
    is_multiple_of_fixed_table,
    naive_result,
    run_chain,
)
from prover.curve.septic import GENERATOR, ORDER, GroupElement, Point

scalars = st.integers(1, ORDER - 1)
responses = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, (1 << STEPS) - 1, 1 << STEPS, ORDER - 1])
challenges = st.integers(0, (1 << STEPS) - 1) | st.sampled_from([0, 1, (1 << STEPS) - 1])
TOP_BIT = 1 << STEPS - 1


def affine(element: GroupElement) -> Point:
    assert element is not None
    return element


def test_the_split_covers_exactly_the_bits_of_the_order() -> None:
    assert ORDER.bit_length() == STEPS + HIGH_BITS


def test_the_fixed_points_come_from_the_label_and_nothing_else() -> None:
    fixed = fixed_points()
    assert fixed.offset == septic.point_from_label(OFFSET_LABEL)
    high = septic.multiply(GENERATOR, 1 << 124)
    assert fixed.table == (
        fixed.offset,
        septic.add(fixed.offset, GENERATOR),
        septic.add(fixed.offset, high),
        septic.add(septic.add(fixed.offset, GENERATOR), high),
    )


def test_the_start_cancels_the_offsets_of_all_steps() -> None:
    fixed = fixed_points()
    doubled = septic.multiply(fixed.start, 1 << STEPS)
    assert septic.add(doubled, septic.multiply(fixed.offset, (1 << STEPS) - 1)) is None


def test_no_fixed_points_share_an_x() -> None:
    """Otherwise an honest chain could be exceptional in its first step."""
    fixed = fixed_points()
    assert len({point.x for point in (*fixed.table, fixed.start, GENERATOR)}) == 6


def test_the_offset_never_cancels_before_the_last_step() -> None:
    """After k steps the accumulator holds 2^(k - 124) - 1 times B and the next addend holds one B.

    An equal x there would be a relation between B, G and the key, which nobody can find who does not
    choose the key for it; after the last step no B is left.
    """
    for step in range(STEPS):
        held = (pow(2, step - STEPS, ORDER) - 1) % ORDER
        assert held not in {0, 1, ORDER - 1}


@given(scalars, responses, challenges)
def test_the_result_is_that_of_the_complete_group_law(secret: int, response: int, challenge: int) -> None:
    key = affine(septic.multiply_generator(secret))
    expected = septic.multiply_generator(response - challenge * secret)
    assert naive_result(key, response, challenge) == expected
    chain = run_chain(key, response, challenge)
    if isinstance(chain, ExceptionalAddition):
        assert expected is None
    else:
        assert chain.result == expected


def test_every_step_doubles_and_adds_by_py_ecc_too(oracle: Any) -> None:
    chain = run_chain(affine(septic.multiply_generator(31337)), ORDER - 2, TOP_BIT | 0xFACE)
    assert isinstance(chain, Chain)
    results = [step.accumulator for step in chain.steps[1:]] + [chain.result]
    for step, result in zip(chain.steps, results, strict=True):
        accumulator = step.accumulator
        assert oracle.add(oracle.add(accumulator, accumulator), step.addend) == result
        assert step.addend == chain.table[step.table_index]


def test_the_bits_of_a_chain_spell_its_numbers() -> None:
    response, challenge = ORDER - 12345, (1 << 124) // 3
    chain = run_chain(GENERATOR, response, challenge)
    assert isinstance(chain, Chain)
    spelled = [0, 0, 0]
    for step in chain.steps:
        bits = (step.low_bit, step.high_bit, step.challenge_bit)
        spelled = [2 * number + bit for number, bit in zip(spelled, bits, strict=True)]
    assert spelled == [response % (1 << 124), response >> 124, challenge]


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("is_negated", [False, True])
def test_a_key_from_the_fixed_table_is_exceptional_in_the_table(index: int, is_negated: bool) -> None:
    """A key equal to table[j] makes table[j] - key the identity; its negative makes it a doubling."""
    entry = fixed_points().table[index]
    key = septic.negate_point(entry) if is_negated else entry
    assert is_multiple_of_fixed_table(key)
    assert run_chain(key, 1, 1) == ExceptionalAddition(ChainPart.TABLE, index)


@pytest.mark.parametrize("is_negated", [False, True])
def test_a_key_chosen_so_that_the_first_addend_is_the_start_is_exceptional(is_negated: bool) -> None:
    """key = B - START makes table[4] = START: the first step, whose challenge bit is set, adds START to itself.

    Negated, the same step adds START and -START.  The group law has an answer to both; the chain has none.
    """
    fixed = fixed_points()
    start = septic.negate_point(fixed.start) if is_negated else fixed.start
    key = affine(septic.add(fixed.offset, septic.negate(start)))
    assert not is_multiple_of_fixed_table(key)
    assert naive_result(key, 5, TOP_BIT) is not None
    assert run_chain(key, 5, TOP_BIT) == ExceptionalAddition(ChainPart.FIRST_CHORD, 0)
    assert isinstance(run_chain(key, 5, TOP_BIT - 1), Chain)


def test_a_key_chosen_for_a_later_step_is_exceptional_there() -> None:
    """After the challenge bits 0 the accumulator is known: a key that makes it the negative of step 3's addend."""
    probe = run_chain(GENERATOR, 1, 0)
    assert isinstance(probe, Chain)
    accumulator = probe.steps[3].accumulator
    key = affine(septic.add(fixed_points().offset, accumulator))
    assert run_chain(key, 1, TOP_BIT >> 3) == ExceptionalAddition(ChainPart.FIRST_CHORD, 3)


def test_a_key_chosen_so_that_a_step_reaches_the_identity_is_exceptional() -> None:
    """The addend of the first step is -2 START: the first chord is fine, the second joins START and -START."""
    fixed = fixed_points()
    key = affine(septic.add(fixed.offset, septic.double(fixed.start)))
    assert run_chain(key, 5, TOP_BIT) == ExceptionalAddition(ChainPart.SECOND_CHORD, 0)


def test_a_result_at_the_identity_is_exceptional_in_the_last_step() -> None:
    """response = challenge * secret: a commitment at the identity cannot come out of the chain."""
    key = affine(septic.multiply_generator(7))
    assert naive_result(key, 7 * 99, 99) is None
    assert run_chain(key, 7 * 99, 99) == ExceptionalAddition(ChainPart.SECOND_CHORD, STEPS - 1)


@pytest.mark.parametrize(("response", "challenge"), [(-1, 0), (1 << 217, 0), (0, -1), (0, 1 << 124)])
def test_numbers_wider_than_the_chain_are_a_caller_s_mistake(response: int, challenge: int) -> None:
    with pytest.raises(ValueError, match="a number is wider than the chain"):
        run_chain(GENERATOR, response, challenge)


def test_the_frozen_signatures_satisfy_the_equation_by_py_ecc(checkout: Path, oracle: Any) -> None:
    """response * G = R + challenge * key, by another field and another way of multiplying."""
    frozen = json.loads((checkout / "tests/vectors/schnorr.json").read_text(encoding="utf-8"))
    assert len(frozen["answers"]) == 6
    for answer in frozen["answers"][2::3]:
        key, commitment = septic.decode(answer["key"]), septic.decode(answer["signature"][:14])
        response = sum(limb << 16 * index for index, limb in enumerate(answer["signature"][14:]))
        challenge = sum(part << 31 * index for index, part in enumerate(answer["challenge_elements"]))
        assert key == oracle.multiply(GENERATOR, int(answer["secret"]))
        assert oracle.multiply(GENERATOR, response) == oracle.add(commitment, oracle.multiply(key, challenge))


def test_the_fixed_points_are_the_frozen_ones(checkout: Path) -> None:
    frozen = json.loads((checkout / "tests/vectors/schnorr.json").read_text(encoding="utf-8"))["chain"]
    fixed = fixed_points()
    assert septic.decode(frozen["offset"]) == fixed.offset
    assert septic.decode(frozen["start"]) == fixed.start
    assert tuple(septic.decode(point) for point in frozen["table"]) == fixed.table
