"""No forged signature is laid out: every forgery breaks a constraint or a bus, and is named by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from circuits import keys, poseidon, signature, signed_messages
from circuits.signature import BLOCK, CALL, KEY_END, RESULT
from prover.air.inspect import inspect
from prover.curve import chain, packed
from prover.curve.chain import STEPS, fixed_points
from prover.curve.formulas import DEGREE, Element
from prover.curve.septic import GENERATOR, ORDER, Point, negate_point
from prover.curve.septic import add as add_points
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.field.koalabear import add as add_elements
from rollup.schnorr_batch import SignedMessage
from rollup.units import Scalar
from tests.circuits import signed as specimen

ONE = int(encode([1])[0])

INVERSE = 4 * DEGREE
SLOPE = 5 * DEGREE
LOW_BIT = 7 * DEGREE
MEETS_BOUND = LOW_BIT + 3 + 4


def _findings_of(change: Callable[[tuple[SignedMessage, ...]], SignedMessage]) -> set[str]:
    """What breaks when the prover lays out honestly a set of claims of which one is false."""
    honest = specimen.signed(3, 2)
    claims = (change(honest), *honest[1:])
    return specimen.broken(specimen.inspected(specimen.witness(claims, 2).by_table))


def _honest_traces() -> dict[str, Montgomery]:
    laid_out = specimen.witness(specimen.signed(3, 2), 2)
    return {name: trace.copy() for name, trace in laid_out.by_table.items()}


def test_a_wrong_response_is_refused() -> None:
    def change(claims: tuple[SignedMessage, ...]) -> SignedMessage:
        response = Scalar((claims[0].signature.response + 1) % ORDER)
        return claims[0]._replace(signature=replace(claims[0].signature, response=response))

    assert _findings_of(change) == {"bus sponge"}


def test_a_wrong_response_cannot_put_the_right_result_below_its_chain() -> None:
    claims = specimen.signed(3, 2)
    wrong = replace(claims[0].signature, response=Scalar((claims[0].signature.response + 1) % ORDER))
    traces = specimen.witness((claims[0]._replace(signature=wrong), *claims[1:]), 2).by_table
    trace, right = traces[signature.NAME].copy(), _honest_traces()[signature.NAME]
    trace[:, RESULT:BLOCK] = right[:, RESULT:BLOCK]
    found = specimen.broken(specimen.inspected(traces | {signature.NAME: trace}))
    assert found == {"the next x is that of 2 P + T", "the next y is that of 2 P + T"}


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
    assert specimen.broken(specimen.inspected(traces)) == {"bus sponge"}


def test_a_message_cannot_be_under_a_key_that_did_not_sign_it() -> None:
    traces = _honest_traces()
    messages = traces[signed_messages.NAME]
    messages[2:7, 0] = messages[2:7, 1]
    # The key table is asked for the first key once less and for the second once more.
    assert specimen.broken(specimen.inspected(traces)) == {"bus sponge", "bus key ends"}


def test_a_response_above_the_order_is_refused() -> None:
    small = specimen.chain_rows(GENERATOR, 5, (7, 8, 9, 10))
    large = specimen.chain_rows(GENERATOR, 5 + ORDER, (7, 8, 9, 10))
    assert (small.chains.results == large.chains.results).all()
    assert specimen.broken_in_table(signature.fill(small, small.keys[:, :1], signature.LOG_BLOCK)) == set()
    assert specimen.broken_in_table(signature.fill(large, large.keys[:, :1], signature.LOG_BLOCK)) == {
        "the response is below the order"
    }


def test_the_order_itself_is_no_response() -> None:
    rows = specimen.chain_rows(GENERATOR, ORDER, (7, 8, 9, 10))
    assert specimen.broken_in_table(signature.fill(rows, rows.keys[:, :1], signature.LOG_BLOCK)) == {
        "the response is below the order"
    }


def test_a_response_far_above_the_order_is_refused() -> None:
    rows = specimen.chain_rows(GENERATOR, (1 << 217) - 1, (7, 8, 9, 10))
    assert "the high part is not above the order's" in specimen.broken_in_table(
        signature.fill(rows, rows.keys[:, :1], signature.LOG_BLOCK)
    )


@pytest.mark.parametrize("position", range(4))
def test_a_digest_element_is_not_read_as_itself_plus_p(position: int) -> None:
    canonical = tuple(5 if k == position else 100 + k for k in range(4))
    alias = tuple(5 + PRIME if k == position else 100 + k for k in range(4))
    honest = specimen.chain_rows(GENERATOR, 12, (canonical[0], canonical[1], canonical[2], canonical[3]))
    forged = specimen.chain_rows(GENERATOR, 12, (alias[0], alias[1], alias[2], alias[3]))
    assert (honest.digests == forged.digests).all()
    assert specimen.broken_in_table(signature.fill(honest, honest.keys[:, :1], signature.LOG_BLOCK)) == set()
    assert specimen.broken_in_table(signature.fill(forged, forged.keys[:, :1], signature.LOG_BLOCK)) == {
        "a digest element is below p"
    }


@pytest.mark.parametrize(
    ("offset", "name"),
    [(0, "the low bit is a bit"), (1, "the high bit is a bit"), (2, "the challenge bit is a bit")],
)
def test_a_bit_of_two_is_refused(offset: int, name: str) -> None:
    traces = _honest_traces()
    traces[signature.NAME][LOW_BIT + offset, 60] = encode([2])[0]
    assert name in specimen.broken(specimen.inspected(traces))


def test_a_dead_block_that_claims_a_signature_is_refused() -> None:
    traces = _honest_traces()
    traces[signature.NAME][-1, 3 * BLOCK + RESULT :] = ONE
    assert specimen.broken(specimen.inspected(traces)) == {"bus sponge"}


def test_a_block_cannot_send_only_some_of_its_rows() -> None:
    traces = _honest_traces()
    traces[signature.NAME][-1, KEY_END] = 0
    assert specimen.broken(specimen.inspected(traces)) == {"the four rows agree on whether", "bus sponge"}


def test_two_signatures_cannot_share_a_call() -> None:
    traces = _honest_traces()
    rows = slice(BLOCK + RESULT, 2 * BLOCK)
    traces[signature.NAME][INVERSE + CALL, rows] = 0
    assert specimen.broken(specimen.inspected(traces)) == {"bus sponge"}


def test_steps_in_another_order_are_refused() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[:, [40, 41]] = trace[:, [41, 40]]
    assert {"the next x is that of 2 P + T", "the next y is that of 2 P + T"} <= specimen.broken(
        specimen.inspected(traces)
    )


def test_blocks_in_another_order_are_as_good() -> None:
    traces = _honest_traces()
    trace = traces[signature.NAME]
    trace[:, :BLOCK], trace[:, BLOCK : 2 * BLOCK] = (
        trace[:, BLOCK : 2 * BLOCK].copy(),
        trace[:, :BLOCK].copy(),
    )
    assert specimen.broken(specimen.inspected(traces)) == set()


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


def _exceptional_key() -> Point:
    """B - START: its negative plus B is START, so the first step adds a point to itself. Nobody knows its logarithm."""
    fixed = fixed_points()
    difference = add_points(fixed.offset, negate_point(fixed.start))
    assert difference is not None
    return difference


def _chain_with_a_free_slope(free_slope: Element) -> signature.SignatureRows:
    """The chain of a key whose first step is exceptional, with a chosen slope and every other relation kept."""
    key = _exceptional_key()
    rows = specimen.chain_rows(key, 0, (0, 0, 0, 1 << 30))
    assert rows.chains.is_exceptional[0]
    steps, accumulator, addend = rows.chains.steps.copy(), fixed_points().start, None
    minus_key = negate_point(key)
    table = [fixed_points().offset, add_points(fixed_points().offset, minus_key)]
    for step in range(STEPS):
        addend = table[1] if step == 0 else table[0]
        assert addend is not None
        if step == 0:
            assert addend == accumulator
            inverse, slope = (0,) * DEGREE, free_slope
            x, y = packed.pack(accumulator.x), packed.pack(accumulator.y)
            middle = packed.canonical(
                packed.subtract(packed.multiply(packed.pack(slope), packed.pack(slope)), 2 * x)
            )
            ratio = packed.multiply(2 * y, packed.inverse(packed.subtract(middle, x)))
            second = packed.canonical(packed.subtract(0, packed.pack(slope) + ratio))
            next_x = packed.canonical(packed.subtract(packed.multiply(second, second), x + middle))
            next_y = packed.subtract(packed.multiply(second, packed.subtract(x, next_x)), y)
            second_slope, following = (
                packed.unpack(second),
                Point(packed.unpack(next_x), packed.unpack(next_y)),
            )
        else:
            outcome = chain._double_and_add(accumulator, addend)
            assert not isinstance(outcome, chain.ChainPart)
            inverse, slope, second_slope, following = outcome
        numbers = [*encode_point(accumulator), *encode_point(addend), *inverse, *slope, *second_slope]
        steps[:, step, 0] = encode(np.array(numbers))
        accumulator = following
    results = encode(np.array(encode_point(accumulator)))[:, None]
    return replace(rows, chains=replace(rows.chains, steps=steps, results=results))


def test_an_exceptional_addition_cannot_be_hidden_by_a_zero_inverse() -> None:
    rows = _chain_with_a_free_slope((1, 2, 3, 4, 5, 6, 7))
    assert specimen.broken_in_table(signature.fill(rows, rows.keys[:, :1], signature.LOG_BLOCK)) == {
        "P and T differ in x"
    }


def test_a_free_slope_would_have_led_anywhere() -> None:
    """What the inverse is for: two slopes, two results."""
    first, second = (_chain_with_a_free_slope((seed, 2, 3, 4, 5, 6, 7)) for seed in (1, 8))
    assert (first.chains.results != second.chains.results).any()


def test_a_looked_up_point_must_be_the_keys() -> None:
    claims = specimen.signed(3, 2)
    numbers = {signature.NAME: specimen.witness(claims, 2).by_table[signature.NAME].copy()}
    traces = _honest_traces() | numbers
    number_column = signature.COLUMNS - 2
    traces[signature.NAME][number_column, :BLOCK] = ONE
    assert specimen.broken(specimen.inspected(traces)) == {"bus chain points", "bus sponge"}


def _key_trace(point: Point) -> Montgomery:
    column = encode(np.array(encode_point(point)))[:, None]
    return keys.fill(column, keys.LOG_BLOCK)[: keys.POINT_COLUMNS]


def _broken_key(trace: Montgomery) -> set[str]:
    table = next(table for table in specimen.circuit().tables if table.name == keys.NAME)
    return specimen.broken(inspect([table], {keys.NAME: trace}, is_montgomery=True))


def test_a_key_off_the_curve_is_refused() -> None:
    assert _broken_key(_key_trace(GENERATOR)) == set()
    off = Point(GENERATOR.x, (*GENERATOR.y[:6], (GENERATOR.y[6] + 1) % PRIME))
    assert _broken_key(_key_trace(off)) == {"the key is on the curve"}


@pytest.mark.parametrize("entry", range(4))
def test_a_fixed_point_is_no_key(entry: int) -> None:
    fixed = fixed_points().table[entry]
    for point in (fixed, negate_point(fixed)):
        assert "the key is no fixed point and no negative of one" in _broken_key(_key_trace(point))


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
    """A constraint that no change breaks says nothing; the one about the order has a test of its own."""
    (claim,) = specimen.signed(1, 1)
    honest = specimen.witness((claim,) * 64, 1).by_table[signature.NAME]
    table = specimen.signature_table()
    silent = {constraint.name for constraint in table.constraints} - {"the response is below the order"}
    for row in (0, 30, 31, 61, 62, 100, *range(STEPS - 1, BLOCK)):
        trace = honest.copy()
        for column in range(signature.COLUMNS):
            place = column * BLOCK + row
            trace[column, place] = add_elements(int(trace[column, place]), ONE)
        found = inspect([table], {table.name: trace}, is_montgomery=True)
        silent -= {finding.constraint for finding in found.constraints}
    assert silent == set()
