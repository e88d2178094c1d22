"""No forged signature is laid out: every forgery breaks a constraint or a bus, and is named by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from circuits import key_multiples, keys, poseidon, signature, signed_messages
from circuits.signature import BLOCK, COLUMNS, END, STEP_COLUMNS
from prover.air.inspect import inspect
from prover.curve.comb import STEPS, KeyTable, fixed_points, key_table
from prover.curve.formulas import Element
from prover.curve.key_table_kernels import key_tables
from prover.curve.septic import GENERATOR, ORDER, Point, double, multiply_generator, negate_point
from prover.curve.septic import add as add_points
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.field.koalabear import add as add_elements
from prover.hash.domain import HashKind
from prover.hash.poseidon import sponge
from rollup.schnorr import (
    SecretKey,
    SignatureSuite,
    challenge_elements,
    challenge_number,
    sign,
    signature_from,
)
from rollup.schnorr_batch import SignedMessage
from rollup.units import Scalar
from tests.circuits import signed as specimen
from tests.circuits.combs import comb_over

ONE = int(encode([1])[0])
SUITE = SignatureSuite.SEPTIC_POSEIDON16_20

BITS = STEP_COLUMNS
ONES = BITS + 8
CALL = ONES + 1
NUMBER, SENT = COLUMNS - 2, COLUMNS - 1

START = fixed_points().start
TABLE = fixed_points().table
OFFSET = fixed_points().key_offset


def affine(point: Point | None) -> Point:
    assert point is not None
    return point


def plus(left: Point, right: Point) -> Point:
    return affine(add_points(left, right))


def _findings_of(change: Callable[[tuple[SignedMessage, ...]], SignedMessage]) -> set[str]:
    """What breaks when the prover lays out honestly a set of claims of which one is false."""
    honest = specimen.signed(3, 2)
    claims = (change(honest), *honest[1:])
    return specimen.broken(specimen.inspected(specimen.witness(claims, 2).by_table))


@cache
def _honest() -> dict[str, Montgomery]:
    return specimen.witness(specimen.signed(3, 2), 2).by_table


def _honest_traces() -> dict[str, Montgomery]:
    return {name: trace.copy() for name, trace in _honest().items()}


def _reasons(traces: dict[str, Montgomery]) -> set[str]:
    """What is wrong when all look-ups are counted as they are asked."""
    return specimen.broken(specimen.recounted(traces))


# ------------------------------------------------------------------------------------------------ false claims


def test_a_wrong_response_is_refused() -> None:
    def change(claims: tuple[SignedMessage, ...]) -> SignedMessage:
        response = Scalar((claims[0].signature.response + 1) % ORDER)
        return claims[0]._replace(signature=replace(claims[0].signature, response=response))

    assert _findings_of(change) == {"bus sponge"}


def test_a_wrong_digit_cannot_have_the_right_result_below_it() -> None:
    claims = specimen.signed(3, 2)
    wrong = replace(claims[0].signature, response=Scalar((claims[0].signature.response + 1) % ORDER))
    traces = specimen.witness((claims[0]._replace(signature=wrong), *claims[1:]), 2).by_table
    trace, right = traces[signature.NAME].copy(), _honest_traces()[signature.NAME]
    trace[:, END] = right[:, END]
    found = specimen.broken(specimen.inspected(traces | {signature.NAME: trace}))
    # The last row's slopes meet the y that the row above it says, which is not this result's.
    assert found == {
        "the next x is that of N + U",
        "the second slope is the chord's through P and P + T",
        "the third slope is the chord's through N and U",
    }


def test_a_wrong_commitment_is_refused() -> None:
    def change(claims: tuple[SignedMessage, ...]) -> SignedMessage:
        other = claims[1].signature
        mixed = replace(other, response=claims[0].signature.response)
        return claims[0]._replace(signature=mixed)

    assert _findings_of(change) == {"bus sponge"}


def test_another_message_is_refused() -> None:
    assert _findings_of(lambda claims: claims[0]._replace(message=claims[1].message)) == {"bus sponge"}


def test_another_key_is_refused() -> None:
    assert _findings_of(lambda claims: claims[0]._replace(key=claims[1].key)) == {"bus sponge"}


def test_a_message_cannot_be_changed_after_it_was_hashed() -> None:
    traces = _honest_traces()
    column = len(signed_messages.HEAD) + specimen.MESSAGE_LENGTH - 1
    traces[signed_messages.NAME][column, 0] = add_elements(int(traces[signed_messages.NAME][column, 0]), ONE)
    assert _reasons(traces) == {"bus sponge"}


def test_a_message_cannot_be_under_a_key_that_did_not_sign_it() -> None:
    traces = _honest_traces()
    messages = traces[signed_messages.NAME]
    messages[2:7, 0] = messages[2:7, 1]
    assert _reasons(traces) == {"bus sponge"}


def test_a_message_cannot_hide_its_keys_end() -> None:
    traces = _honest_traces()
    traces[signed_messages.NAME][3, 0] = add_elements(int(traces[signed_messages.NAME][3, 0]), ONE)
    assert _reasons(traces) == {"bus key ends", "bus sponge"}


# ------------------------------------------------------------------------------------- responses and challenges


def test_a_response_above_the_order_is_the_same_signature() -> None:
    """The digits are nowhere asked for: whatever they are, they stand for one number modulo the order."""
    small = specimen.comb_rows(GENERATOR, 5, (7, 8, 9, 10))
    large = specimen.comb_rows(GENERATOR, 5 + ORDER, (7, 8, 9, 10))
    assert (small.combs.results == large.combs.results).all()
    assert specimen.broken_in_table(specimen.block(small)) == set()
    assert specimen.broken_in_table(specimen.block(large)) == set()


@pytest.mark.parametrize("position", range(4))
def test_a_digest_element_is_not_read_as_itself_plus_p(position: int) -> None:
    canonical = tuple(5 if k == position else 100 + k for k in range(4))
    alias = tuple(5 + PRIME if k == position else 100 + k for k in range(4))
    honest = specimen.comb_rows(GENERATOR, 12, (canonical[0], canonical[1], canonical[2], canonical[3]))
    forged = specimen.comb_rows(GENERATOR, 12, (alias[0], alias[1], alias[2], alias[3]))
    assert (honest.digests == forged.digests).all()
    assert specimen.broken_in_table(specimen.block(honest)) == set()
    assert specimen.broken_in_table(specimen.block(forged)) == {"a digest element is below p"}


@pytest.mark.parametrize("top", [2**31 - 1, PRIME])
def test_the_prime_and_what_is_above_it_is_no_digest_element(top: int) -> None:
    rows = specimen.comb_rows(GENERATOR, 12, (top, 0, PRIME - 1, 0))
    assert specimen.broken_in_table(specimen.block(rows)) == {"a digest element is below p"}


def test_the_ones_of_an_element_cannot_be_forgotten() -> None:
    trace = specimen.block(specimen.comb_rows(GENERATOR, 12, (5 + PRIME, 1, 2, 3)))
    for row in range(5, STEPS):
        trace[ONES, row] = 0
    assert specimen.broken_in_table(trace) == {"element 0 begins with ones as long as its bits are ones"}


def test_a_challenge_bit_of_two_is_refused() -> None:
    traces = _honest_traces()
    traces[signature.NAME][BITS + 1, 20] = encode([2])[0]
    assert "challenge bit 1 is a bit" in _reasons(traces)


def test_a_challenge_cannot_be_another_than_the_digest() -> None:
    """The comb of another challenge, with the digest's elements below it."""
    wrong, right = (specimen.comb_rows(GENERATOR, 12, (first, 8, 9, 10)) for first in (6, 7))
    trace = specimen.block(wrong)
    trace[BITS + 4, END] = specimen.block(right)[BITS + 4, END]
    assert specimen.broken_in_table(trace) == {"digest element 0 begins at zero and is made of its bits"}


# ------------------------------------------------------------------------------------------- points of the comb


def _with_points(
    generator_points: list[Point],
    key_points: list[Point],
    free: dict[int, Element] | None = None,
    free_third: dict[int, Element] | None = None,
    challenge: int = 0,
) -> Montgomery:
    """A block over these points, with the bits of a challenge of one element."""
    comb = comb_over(generator_points, key_points, free, free_third)
    return specimen.block(replace(specimen.comb_rows(GENERATOR, 1, (challenge, 0, 0, 0)), combs=comb))


def _found_of_block(trace: Montgomery, key: Point = GENERATOR, *, is_sent: bool = False) -> set[str]:
    """What is wrong with one block of a key, and with what it looks up."""
    trace = trace.copy()
    trace[SENT] *= np.uint32(is_sent)
    column = encode(np.array(encode_point(key)))[:, None]
    tables = {
        signature.NAME: trace,
        key_multiples.NAME: key_multiples.fill(
            key_tables(column, has_witness=True), np.zeros(1, np.int64), key_multiples.LOG_BLOCK
        ),
        keys.NAME: keys.fill(column, keys.LEAST_LOG_HEIGHT),
    }
    full = specimen.witness(specimen.signed(1, 1), 1).by_table
    # Nothing is signed: no call is hashed and no message is there.
    nothing = {name: np.zeros_like(full[name]) for name in (signed_messages.NAME,)}
    spare, _ = poseidon.fill([], 1)
    return _reasons({**tables, **nothing, poseidon.NAME: spare[: poseidon.CALL_COLUMNS]})


def _honest_points() -> tuple[list[Point], list[Point]]:
    """Response 1 and challenge 0."""
    return [*[TABLE[0]] * (STEPS - 1), TABLE[1]], [OFFSET] * STEPS


def test_a_comb_over_points_of_the_tables_is_laid_out() -> None:
    assert _found_of_block(_with_points(*_honest_points())) == set()


@pytest.mark.parametrize("step", [0, 17, STEPS - 1])
def test_a_point_that_is_not_the_generators_is_refused(step: int) -> None:
    generator_points, key_points = _honest_points()
    generator_points[step] = affine(multiply_generator(987654321))
    assert _found_of_block(_with_points(generator_points, key_points)) == {"bus generator points"}


@pytest.mark.parametrize("step", [0, 17, STEPS - 1])
def test_a_point_that_is_not_the_keys_is_refused(step: int) -> None:
    generator_points, key_points = _honest_points()
    key_points[step] = plus(OFFSET, affine(multiply_generator(987654321)))
    assert _found_of_block(_with_points(generator_points, key_points)) == {"bus key entries"}


def test_an_entry_of_other_bits_is_refused() -> None:
    table = key_table(GENERATOR)
    assert isinstance(table, KeyTable)
    generator_points, key_points = _honest_points()
    key_points[9] = table.entries[5]
    assert _found_of_block(_with_points(generator_points, key_points)) == {"bus key entries"}


def test_a_comb_starts_at_its_start() -> None:
    trace = _with_points(*_honest_points())
    trace[:, :END] = np.roll(trace[:, :END], -1, axis=1)
    found = specimen.broken_in_table(trace)
    assert "the comb starts at its x" in found


def test_steps_in_another_order_are_refused() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[:, [10, 11]] = trace[:, [11, 10]]
    assert "the next x is that of N + U" in specimen.broken(specimen.inspected(traces))


def test_the_last_rows_u_says_the_start_of_the_block_below() -> None:
    """Another U, on the same line, would let the block below start with any y; its x is bound by itself."""
    trace = _with_points(*_honest_points())
    third = decode(trace[42:49, END]).astype(object)
    for i, slope in enumerate(third):
        # One step along the line: x grows by one, y by the slope.
        trace[21 + i, END] = add_elements(int(trace[21 + i, END]), int(encode([int(slope)])[0]))
    trace[14, END] = add_elements(int(trace[14, END]), ONE)
    assert specimen.broken_in_table(trace) == {
        "the last U has the start's x",
        "the last U has minus the start's y",
    }


def test_blocks_in_another_order_are_as_good() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[:, :BLOCK], trace[:, BLOCK : 2 * BLOCK] = (
        trace[:, BLOCK : 2 * BLOCK].copy(),
        trace[:, :BLOCK].copy(),
    )
    assert specimen.broken(specimen.inspected(traces)) == set()


# -------------------------------------------------------------------------------------- exceptional additions


def _meeting_key() -> Point:
    """C - N of the first step: its entry 1 is N, so that the third addition is N to itself."""
    doubled = plus(affine(double(START)), TABLE[0])
    return plus(OFFSET, negate_point(doubled))


def _points_of(key: Point) -> tuple[list[Point], list[Point]]:
    entry = plus(OFFSET, negate_point(key))
    return [TABLE[0]] * STEPS, [entry, *[OFFSET] * (STEPS - 1)]


def test_an_exceptional_third_addition_cannot_be_hidden() -> None:
    key = _meeting_key()
    trace = _with_points(*_points_of(key), free_third={0: (1, 2, 3, 4, 5, 6, 7)}, challenge=1 << 30)
    assert _found_of_block(trace, key) == {"N and U stand apart"}


def test_an_exceptional_first_addition_cannot_be_hidden() -> None:
    """T = P is no point of the generator's table unless somebody finds a response that leads there."""
    generator_points, key_points = _honest_points()
    generator_points[0] = START
    trace = _with_points(generator_points, key_points, free={0: (1, 2, 3, 4, 5, 6, 7)})
    assert specimen.broken_in_table(trace) == {"P and T stand apart"}


def test_a_free_slope_would_have_led_anywhere() -> None:
    """What standing apart is for: two slopes, two results."""
    points = _points_of(_meeting_key())
    first, second = (
        comb_over(*points, free_third_slopes={0: (seed, 2, 3, 4, 5, 6, 7)}).results for seed in (1, 8)
    )
    assert (first != second).any()


def test_points_that_agree_in_two_coefficients_have_no_witness() -> None:
    """Whatever the weights: the differences are both zero."""
    trace = _with_points(*_honest_points())
    for i in range(2):
        trace[7 + i, 3] = trace[i, 3]
    found = specimen.broken_in_table(trace)
    assert "P and T stand apart" in found


# ------------------------------------------------------------------------------------------ whose call, whose key


def test_a_dead_block_that_claims_a_signature_is_refused() -> None:
    traces = _honest_traces()
    traces[signature.NAME][SENT, 3 * BLOCK + END] = ONE
    assert _reasons(traces) == {"bus key starts", "bus sponge"}


def test_a_step_sends_nothing() -> None:
    traces = _honest_traces()
    traces[signature.NAME][SENT, 5] = ONE
    assert _reasons(traces) == {"nothing is sent from a step", "bus key starts", "bus sponge"}


def test_a_signature_that_is_not_sent_leaves_its_message_alone() -> None:
    traces = _honest_traces()
    traces[signature.NAME][SENT, END] = 0
    assert _reasons(traces) == {"bus sponge"}


def test_two_signatures_cannot_share_a_call() -> None:
    traces = _honest_traces()
    traces[signature.NAME][CALL, BLOCK + END] = 0
    assert _reasons(traces) == {"bus sponge"}


def test_a_signature_cannot_take_another_length() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[CALL + 1, END] = add_elements(int(trace[CALL + 1, END]), ONE)
    assert _reasons(traces) == {"bus sponge"}


def test_calls_cannot_exchange_their_capacity() -> None:
    traces = _honest_traces()
    first_of_second = 7
    row = traces[poseidon.NAME][poseidon.PERMUTATION_COLUMNS + poseidon.CONTROL.index("is first")]
    assert row[first_of_second] == ONE
    row[first_of_second] = 0
    # A row that begins no call goes on with the one above: with its capacity, and then nobody takes that one's digest.
    found = specimen.broken(specimen.inspected(traces))
    assert {f"a call keeps element {i} of its state" for i in range(8, 16)} <= found
    assert "bus sponge" in found


def test_a_block_under_another_keys_number_is_refused() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    assert decode(trace[NUMBER, [0, BLOCK]]).tolist() == [1, 2]
    trace[NUMBER, :BLOCK] = trace[NUMBER, BLOCK]
    assert _reasons(traces) == {"bus key entries", "bus key starts", "bus sponge"}


def test_a_block_cannot_change_its_key_on_the_way() -> None:
    """The thief's key makes the response and its multiples are added; the last row shows the key that is robbed."""
    robbed, thief = (SecretKey(SUITE, scalar) for scalar in (271828, 31337))
    message = (int(SUITE), *range(1, specimen.MESSAGE_LENGTH))
    nonce = 987654321
    commitment = affine(multiply_generator(nonce))
    elements = challenge_elements(robbed.trading_key, commitment, message)
    response = (nonce + challenge_number(elements) * thief.scalar) % ORDER
    claim = SignedMessage(robbed.trading_key, message, signature_from(commitment, response))
    honest = SignedMessage(thief.trading_key, message, sign(thief, message))
    traces = specimen.witness((claim, honest), 2).by_table
    assert _reasons(traces) == {"bus sponge"}
    stolen = specimen.comb_rows(Point(thief.trading_key.x, thief.trading_key.y), response, elements)
    assert decode(stolen.combs.results)[:, 0].tolist() == list(encode_point(commitment))
    shown = encode(np.array(encode_point(Point(robbed.trading_key.x, robbed.trading_key.y))))[:, None]
    digest = sponge(
        poseidon.PARAMETERS,
        HashKind.SIGNATURE_CHALLENGE,
        [*encode_point(commitment), *decode(shown)[:, 0].tolist(), *message],
        signature.NO_LABEL,
    )
    lengths = np.full(1, 28 + len(message))
    rows = replace(stolen, keys=shown, digests=encode(np.array(digest))[:, None], lengths=lengths)
    block = specimen.block(rows)
    block[NUMBER, :END] = encode([2])[0]
    block[NUMBER, END] = ONE
    traces[signature.NAME][:, :BLOCK] = block
    assert _reasons(traces) == {"a block has one key"}


def test_the_key_that_is_hashed_is_the_one_whose_multiples_are_added() -> None:
    """The last of the key's elements that the last row shows."""
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[ONES, END] = add_elements(int(trace[ONES, END]), ONE)
    assert _reasons(traces) == {"bus key starts", "bus sponge"}


# ------------------------------------------------------------------------------------------------------- coverage


@pytest.mark.long
@pytest.mark.parametrize("name", [keys.NAME, poseidon.NAME, signed_messages.NAME])
def test_every_column_of_the_other_tables_is_bound_alone(name: str) -> None:
    """Each column is changed in a row of its own, three rows apart, so that what breaks nearby is its doing."""
    honest = specimen.witness(specimen.signed(90, 40), 40).by_table
    trace = honest[name].copy()
    for column in range(len(trace)):
        trace[column, 3 * column] = add_elements(int(trace[column, 3 * column]), ONE)
    found = specimen.inspected(honest | {name: trace})
    rows = {finding.row for finding in found.constraints}
    rows |= {part.row for message in found.messages for part in message.contributions if part.table == name}
    missed = [
        column for column in range(len(trace)) if not rows & {3 * column - 1, 3 * column, 3 * column + 1}
    ]
    assert missed == []


def test_every_constraint_of_a_signature_refuses_some_change() -> None:
    """A constraint that no change breaks says nothing."""
    (claim,) = specimen.signed(1, 1)
    honest = specimen.witness((claim,) * 128, 1).by_table[signature.NAME]
    table = specimen.signature_table()
    silent = {constraint.name for constraint in table.constraints if "happens once" not in constraint.name}
    for row in (0, 3, 6, 7, 8, 29, 30, END):
        trace = honest.copy()
        for column in range(COLUMNS):
            place = column * BLOCK + row
            trace[column, place] = add_elements(int(trace[column, place]), ONE)
        found = inspect([table], {table.name: trace}, is_montgomery=True)
        silent -= {finding.constraint for finding in found.constraints}
    assert silent == set()
