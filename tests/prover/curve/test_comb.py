"""The verification comb: it computes response G - challenge key, and every exceptional addition ends it."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.curve import septic
from prover.curve.comb import (
    CHALLENGE_PARTS,
    DOUBLINGS,
    GENERATOR_ENTRIES,
    GENERATOR_OFFSET_LABEL,
    KEY_ENTRIES,
    KEY_OFFSET_LABEL,
    RESPONSE_PARTS,
    STEPS,
    Comb,
    CombPart,
    ExceptionalAddition,
    KeyTable,
    changed_part,
    fixed_points,
    gray,
    key_table,
    naive_result,
    run_comb,
    witness_of_apart,
)
from prover.curve.septic import GENERATOR, ORDER, GroupElement, Point
from prover.field.koalabear import PRIME

PART = (1 << STEPS) - 1
scalars = st.integers(1, ORDER - 1)
responses = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, PART, 1 << STEPS, ORDER - 1])
challenges = st.integers(0, (1 << 124) - 1) | st.sampled_from([0, 1, PART, 1 << STEPS, (1 << 124) - 1])
TOP_BIT = 1 << STEPS * CHALLENGE_PARTS - 1
FIRST_KEY_ENTRY = 8
"""The first step adds U[8] = C - 2^93 key when the challenge is `TOP_BIT`, and U[0] = C after it."""


def affine(element: GroupElement) -> Point:
    assert element is not None
    return element


def total(*elements: GroupElement) -> GroupElement:
    result: GroupElement = None
    for element in elements:
        result = septic.add(result, element)
    return result


def divided(element: GroupElement, divisor: int) -> GroupElement:
    return septic.multiply(element, pow(divisor, -1, ORDER))


def neighbour(point: Point) -> Point:
    """Another point with the same first two coefficients of x, which does not stand apart from it."""
    for shift in count(1):
        x0, x1, x2, x3, x4, x5, x6 = point.x
        found = septic.lift_x((x0, x1, (x2 + shift) % PRIME, x3, x4, x5, x6))
        if found is not None:
            return found
    raise AssertionError


def key_for_first_result(wanted: GroupElement) -> Point:
    """The key with which challenge `TOP_BIT` and response 0 have `wanted` as the first step's result."""
    fixed = fixed_points()
    rest = total(septic.double(fixed.start), fixed.table[0], fixed.key_offset, septic.negate(wanted))
    return affine(divided(rest, 1 << DOUBLINGS))


def key_exceptional_in(number: int, *, is_opposite: bool) -> Point:
    held = sum((gray(number) >> part & 1) << STEPS * part for part in range(CHALLENGE_PARTS))
    changed = 1 << STEPS * changed_part(number)[0]
    return affine(divided(fixed_points().key_offset, held - changed if is_opposite else held + changed))


def test_the_parts_cover_exactly_the_bits_of_the_order_and_of_the_challenge() -> None:
    assert ORDER.bit_length() == STEPS * RESPONSE_PARTS
    assert PRIME.bit_length() == STEPS


def test_the_fixed_points_come_from_the_labels_and_nothing_else() -> None:
    fixed = fixed_points()
    assert fixed.generator_offset == septic.point_from_label(GENERATOR_OFFSET_LABEL)
    assert fixed.key_offset == septic.point_from_label(KEY_OFFSET_LABEL)
    assert len(fixed.table) == GENERATOR_ENTRIES
    for index, entry in enumerate(fixed.table):
        multiple = sum((index >> part & 1) << STEPS * part for part in range(RESPONSE_PARTS))
        assert entry == septic.add(fixed.generator_offset, septic.multiply_generator(multiple))


def test_the_start_cancels_the_offsets_of_all_steps() -> None:
    fixed = fixed_points()
    both = septic.add(fixed.generator_offset, fixed.key_offset)
    assert total(septic.multiply(fixed.start, 1 << STEPS), septic.multiply(both, PART)) is None


def test_all_fixed_points_stand_apart() -> None:
    """Otherwise an honest comb could be exceptional in its first step, or every key's table."""
    fixed = fixed_points()
    points = (*fixed.table, fixed.start, fixed.key_offset, GENERATOR, affine(septic.double(fixed.start)))
    assert len({point.x[:2] for point in points}) == len(points)


def test_the_offsets_never_cancel_before_the_last_step() -> None:
    """After k steps the accumulator holds 2^(k - 31) - 1 times B and C; T holds one B, and U one C.

    Two summands that do not differ would be a relation between B, C, G and the key, which nobody can find who does
    not choose the key for it; after the last step neither is left.
    """
    for step in range(STEPS):
        held = (pow(2, step - STEPS, ORDER) - 1) % ORDER
        assert held != 0, "T holds no C"
        of_generator, of_key = (2 * held + 1) % ORDER, 2 * held % ORDER
        assert of_generator != 0 or of_key not in {0, 1}, "U holds no B and one C"
    last = pow(2, -1, ORDER) - 1
    assert (2 * last + 1) % ORDER == 0, "the last result holds neither"


@given(scalars)
@settings(max_examples=10)
def test_a_key_s_table_is_that_of_the_complete_group_law(secret: int) -> None:
    key = affine(septic.multiply_generator(secret))
    table = key_table(key)
    assert isinstance(table, KeyTable)
    assert (table.key, len(table.doublings)) == (key, DOUBLINGS)
    multiples = [doubling.point for doubling in table.doublings] + [table.last_multiple]
    for power, multiple in enumerate(multiples):
        assert multiple == septic.multiply_generator(secret << power)
    assert len(table.entries) == KEY_ENTRIES
    for index, entry in enumerate(table.entries):
        taken = sum((index >> part & 1) << STEPS * part for part in range(CHALLENGE_PARTS))
        assert entry == septic.add(fixed_points().key_offset, septic.multiply_generator(-taken * secret))
    places = [gray(place) for place in range(KEY_ENTRIES)]
    assert sorted(places) == list(range(KEY_ENTRIES))
    for number, addition in enumerate(table.additions):
        before, after = places[number : number + 2]
        part, is_taken = changed_part(number)
        assert after - before == (1 << part if is_taken else -(1 << part))
        multiple = multiples[STEPS * part]
        assert addition.entry == table.entries[before]
        assert addition.summand == (septic.negate(multiple) if is_taken else multiple)
        assert addition.result == table.entries[after]


@given(scalars, responses, challenges)
@settings(max_examples=50)
def test_the_result_is_that_of_the_complete_group_law(secret: int, response: int, challenge: int) -> None:
    key = affine(septic.multiply_generator(secret))
    expected = septic.multiply_generator(response - challenge * secret)
    assert naive_result(key, response, challenge) == expected
    comb = run_comb(key, response, challenge)
    if isinstance(comb, ExceptionalAddition):
        assert expected is None
    else:
        assert comb.result == expected


def test_every_step_and_every_table_entry_by_py_ecc_too(oracle: Any) -> None:
    comb = run_comb(affine(septic.multiply_generator(31337)), ORDER - 2, TOP_BIT | 0xFACE)
    assert isinstance(comb, Comb)
    table = comb.key_table
    following = [doubling.point for doubling in table.doublings[1:]] + [table.last_multiple]
    for doubling, result in zip(table.doublings, following, strict=True):
        assert oracle.add(doubling.point, doubling.point) == result
    for addition in table.additions:
        assert oracle.add(addition.entry, addition.summand) == addition.result
    results = [step.accumulator for step in comb.steps[1:]] + [comb.result]
    for step, result in zip(comb.steps, results, strict=True):
        doubled = oracle.add(step.accumulator, step.accumulator)
        assert oracle.add(oracle.add(doubled, step.generator_entry), step.key_entry) == result
        assert step.generator_entry == fixed_points().table[step.generator_index]
        assert step.key_entry == table.entries[step.key_index]


def test_the_indices_of_a_comb_spell_its_numbers() -> None:
    response, challenge = ORDER - 12345, (1 << 124) // 3
    comb = run_comb(GENERATOR, response, challenge)
    assert isinstance(comb, Comb)
    spelled = [0, 0]
    for step in comb.steps:
        bits = [
            sum((index >> part & 1) << STEPS * part for part in range(RESPONSE_PARTS))
            for index in (step.generator_index, step.key_index)
        ]
        spelled = [2 * number + bit for number, bit in zip(spelled, bits, strict=True)]
    assert spelled == [response, challenge]


def test_what_stands_apart_has_one_witness_and_nothing_else_has_any() -> None:
    left = GENERATOR.x
    for first, second in ((5, 0), (5, 7), (0, 7), (PRIME - 1, 1)):
        right = ((left[0] + first) % PRIME, (left[1] + second) % PRIME, *left[2:])
        w0, w1 = affine_witness(left, right)
        assert (w0 * first + w1 * second) % PRIME == 1
        assert w1 == 0 if first else w0 == 0
    assert witness_of_apart(left, left) is None
    assert witness_of_apart(left, neighbour(GENERATOR).x) is None


def affine_witness(left: Any, right: Any) -> tuple[int, int]:
    witness = witness_of_apart(left, right)
    assert witness is not None
    return witness


@pytest.mark.parametrize("number", range(KEY_ENTRIES - 1))
@pytest.mark.parametrize("is_opposite", [False, True])
def test_a_key_can_be_exceptional_in_every_addition_of_its_table(number: int, is_opposite: bool) -> None:
    """U[b] and 2^(31 k) key are equal or opposite for the key C / (the multiples of b + or - 2^(31 k))."""
    key = key_exceptional_in(number, is_opposite=is_opposite)
    assert key_table(key) == ExceptionalAddition(CombPart.KEY_TABLE, number)
    assert run_comb(key, 1, 0) == ExceptionalAddition(CombPart.KEY_TABLE, number)


def test_a_key_that_only_fails_to_stand_apart_is_exceptional() -> None:
    """The group law adds C and this key without any trouble; the definition does not."""
    key = neighbour(fixed_points().key_offset)
    assert key.x != fixed_points().key_offset.x
    assert run_comb(key, 5, 6) == ExceptionalAddition(CombPart.KEY_TABLE, 0)


@pytest.mark.parametrize("kind", ["equal", "opposite", "neighbour"])
def test_a_key_chosen_for_the_first_chord_is_exceptional_there(kind: str) -> None:
    """The second step adds T = A[0] = B to the first step's result, which the key can make anything."""
    offset = fixed_points().generator_offset
    wanted = {"equal": offset, "opposite": septic.negate_point(offset), "neighbour": neighbour(offset)}[kind]
    key = key_for_first_result(wanted)
    assert naive_result(key, 0, TOP_BIT) is not None
    assert run_comb(key, 0, TOP_BIT) == ExceptionalAddition(CombPart.FIRST_CHORD, 1)
    assert isinstance(run_comb(key, 0, TOP_BIT - 1), Comb)


def test_a_key_chosen_for_the_second_chord_is_exceptional_there() -> None:
    """With P = -B / 2 the sum P + B is -P."""
    key = key_for_first_result(septic.negate(divided(fixed_points().generator_offset, 2)))
    assert naive_result(key, 0, TOP_BIT) is not None
    assert run_comb(key, 0, TOP_BIT) == ExceptionalAddition(CombPart.SECOND_CHORD, 1)


@pytest.mark.parametrize("kind", ["equal", "opposite", "neighbour"])
def test_a_key_chosen_for_the_third_chord_is_exceptional_there(kind: str) -> None:
    """N of the first step is 2 START + B, and the key can make U[8] = C - 2^93 key anything."""
    fixed = fixed_points()
    doubled = affine(total(septic.double(fixed.start), fixed.table[0]))
    wanted = {"equal": doubled, "opposite": septic.negate_point(doubled), "neighbour": neighbour(doubled)}[
        kind
    ]
    key = affine(divided(septic.add(fixed.key_offset, septic.negate(wanted)), 1 << DOUBLINGS))
    table = key_table(key)
    assert isinstance(table, KeyTable)
    assert table.entries[FIRST_KEY_ENTRY] == wanted
    assert run_comb(key, 0, TOP_BIT) == ExceptionalAddition(CombPart.THIRD_CHORD, 0)


def test_a_result_at_the_identity_is_exceptional_in_the_last_step() -> None:
    """response = challenge * secret: a commitment at the identity cannot come out of the comb."""
    key = affine(septic.multiply_generator(7))
    assert naive_result(key, 7 * 99, 99) is None
    assert run_comb(key, 7 * 99, 99) == ExceptionalAddition(CombPart.THIRD_CHORD, STEPS - 1)


@pytest.mark.parametrize(("response", "challenge"), [(-1, 0), (1 << 217, 0), (0, -1), (0, 1 << 124)])
def test_numbers_wider_than_the_comb_are_a_caller_s_mistake(response: int, challenge: int) -> None:
    with pytest.raises(ValueError, match="a number is wider than the comb"):
        run_comb(GENERATOR, response, challenge)


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
    frozen = json.loads((checkout / "tests/vectors/schnorr.json").read_text(encoding="utf-8"))["comb"]
    fixed = fixed_points()
    assert septic.decode(frozen["generator_offset"]) == fixed.generator_offset
    assert septic.decode(frozen["key_offset"]) == fixed.key_offset
    assert septic.decode(frozen["start"]) == fixed.start
    powers = [fixed.table[1 << part] for part in range(RESPONSE_PARTS)]
    assert [septic.decode(point) for point in frozen["table_at_powers_of_two"]] == powers
