"""The signature table: 32 rows a signature, the comb of `prover.curve.comb` and what ties it to the hash.

    row 0..30   a step: P becomes 2 P + T + U    T: a point of the generator's table
                                                 U: the entry of the key's table that four challenge bits name
    row 31      P = R; the other cells hold the key and the digest: sends blocks 0, 1, 2 and asks for the digest

Two coordinates are no columns, since slopes say them:

    y of P below a row    third slope (x of U - x of P below) - y of U
    y of T                slope (x of T - x of P) + y of P

On row 31 the third slope and U are those of a line through -START, so that the same words begin the block below.
The response is nowhere in the table, and needs no range: any 31 points of the generator's table are those of some
number, R = number G - challenge key holds for it, and so for the number modulo the order, which is a response.
Every block is a whole comb; one that proves nothing has response 1, challenge 0 and key number 0, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import DIGEST_PLACE, GENERATOR_POINTS, KEY_ENTRIES, KEY_STARTS, SPONGE
from circuits.keys import START_ELEMENTS
from circuits.septic import SepticColumns, next_row, residuals, septic_columns
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand, lift
from prover.curve import formulas
from prover.curve.comb import CHALLENGE_PARTS, STEPS, CombBatch, fixed_points
from prover.curve.formulas import DEGREE
from prover.curve.septic import encode as encode_point
from prover.curve.septic import negate_point
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.domain import HashKind

NAME: Final = "signatures"

LOG_BLOCK: Final = 5
BLOCK: Final = 1 << LOG_BLOCK
"""Rows a signature: 31 steps, and one that sends."""

END: Final = STEPS
"""The row below the steps."""

POINTS: Final = ("P x", "T x", "U x", "U y", "slope", "second slope", "third slope")
APART: Final = ("P and T apart", "N and U apart")
"""Two columns each: the witness that two points differ in the first or second coefficient of x."""

STEP_COLUMNS: Final = len(POINTS) * DEGREE + 2 * len(APART)
"""What a comb's step fills."""

CONTROL: Final = (
    *(f"challenge bit {k}" for k in range(CHALLENGE_PARTS)),
    *(f"digest element {k}" for k in range(CHALLENGE_PARTS)),
    *(f"element {k} begins with ones" for k in range(CHALLENGE_PARTS)),
    "key number",
    "is sent",
)
COLUMNS: Final = STEP_COLUMNS + len(CONTROL)

TOP_BITS: Final = 7
"""p - 1, the largest canonical element, is seven ones and 24 zeros."""

NO_LABEL: Final = 0
"""The label of a challenge's hash: its kind says all."""

_SIGNATURES_AT_ONCE: Final = 512
"""Laid out side by side, so that caches hold them."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """A row, by what it means on a step."""

    x: SepticColumns
    right_x: SepticColumns
    key_x: SepticColumns
    key_y: SepticColumns
    slope: SepticColumns
    second: SepticColumns
    third: SepticColumns
    apart: tuple[Expression, Expression]
    third_apart: tuple[Expression, Expression]
    bits: Sequence[Expression]
    digest: Sequence[Expression]
    begins_with_ones: Sequence[Expression]
    key_number: Expression
    is_sent: Expression

    @property
    def doubled_x(self) -> SepticColumns:
        """The x of N = 2 P + T."""
        return formulas.double_and_add_x(self.slope, self.second, self.right_x)

    @property
    def following_y(self) -> SepticColumns:
        """The y of P one row below."""
        return formulas.sum_y(self.third, self.key_x, self.key_y, next_row(self.x))


@dataclass(frozen=True, slots=True)
class _Selectors:
    """Where in a block a row stands."""

    is_step: Expression
    is_end: Expression
    leads: Expression
    """The row below is a step."""


def _rows(air: AirBuilder, name: str, holds: Callable[[int], bool]) -> Expression:
    """A periodic column over the rows of a block."""
    return air.periodic(name, [int(holds(row)) for row in range(BLOCK)])


def constrain(air: AirBuilder) -> None:
    """State that every block is the comb of a key, a response and a challenge, and send what was signed.

    Assumes: the tables of keys, of their multiples and of Poseidon stand behind their buses.
    Guarantees: where `is sent` is one, the sponge call over R, key and the rest of the message (whose blocks from 3 on
    another table sends) has a digest whose first four elements e satisfy response * G - e * key = R for some response,
    and no addition of the comb was exceptional.
    """
    x, right_x, key_x, key_y, slope, second, third = (septic_columns(air, name) for name in POINTS)
    apart, third_apart = (
        (air.column(f"{name}, weight 0"), air.column(f"{name}, weight 1")) for name in APART
    )
    bits, digest, ones = (
        air.columns(*CONTROL[start : start + CHALLENGE_PARTS])
        for start in range(0, 3 * CHALLENGE_PARTS, CHALLENGE_PARTS)
    )
    key_number, is_sent = air.columns(*CONTROL[-2:])
    row = _Columns(
        x,
        right_x,
        key_x,
        key_y,
        slope,
        second,
        third,
        apart,
        third_apart,
        bits,
        digest,
        ones,
        key_number,
        is_sent,
    )
    is_step = _rows(air, "is a step", lambda row: row < STEPS)
    at = _Selectors(is_step, 1 - is_step, _rows(air, "leads to a step", lambda row: row + 1 != END))
    _constrain_points(air, at, row)
    _constrain_steps(air, at, row)
    _constrain_challenge(air, at, row)
    _constrain_message(air, at, row)


def _constrain_points(air: AirBuilder, at: _Selectors, row: _Columns) -> None:
    """T is one of the generator's points; U is the key's entry that the challenge's bits name."""
    following_x, right_x, slope = next_row(row.x), next_row(row.right_x), next_row(row.slope)
    climb = formulas.multiply(slope, formulas.subtract(right_x, following_x))
    right_y = formulas.add(climb, row.following_y)
    air.send(GENERATOR_POINTS, [*right_x, *right_y], when=at.leads)
    entry = sum((bit * (1 << k) for k, bit in enumerate(row.bits)), lift(0))
    air.send(KEY_ENTRIES, [row.key_number, entry, *row.key_x, *row.key_y], when=at.is_step)
    air.assert_zero("a block has one key", at.is_step * (row.key_number.next - row.key_number))


def _constrain_steps(air: AirBuilder, at: _Selectors, row: _Columns) -> None:
    """P becomes 2 P + T + U by three chords: M = P + T, N = M + P, R = N + U."""
    start = fixed_points().start
    following_x, following_y = next_row(row.x), row.following_y
    # Soundness: without it T = P leaves the slope free, and with it the y of T and the sum.
    air.assert_zero(
        "P and T stand apart", at.is_step * formulas.apart_residual(row.apart, row.x, row.right_x)
    )
    # Soundness: without it U = N leaves the third slope free, and the sum can be any point.
    # On the last row nothing is added, and a signature whose R makes N equal -START is laid out, too.
    air.assert_zero(
        "N and U stand apart",
        formulas.apart_residual(row.third_apart, row.doubled_x, row.key_x) + at.is_end,
    )
    # The row below, whose P has its y in this one. They hold on the last row, too: a factor would cost a degree.
    below = (next_row(row.right_x), next_row(row.slope), next_row(row.second), next_row(row.third))
    right_x, slope, second, third = below
    residuals(
        air,
        "the second slope is the chord's through P and P + T",
        formulas.second_chord_residual(slope, second, following_x, following_y, right_x),
    )
    doubled_x = formulas.double_and_add_x(slope, second, right_x)
    doubled_y = formulas.sum_y(second, following_x, following_y, doubled_x)
    residuals(
        air,
        "the third slope is the chord's through N and U",
        formulas.chord_residual(third, doubled_x, doubled_y, next_row(row.key_x), next_row(row.key_y)),
    )
    residuals(
        air,
        "the next x is that of N + U",
        formulas.subtract(following_x, formulas.sum_x(row.third, row.doubled_x, row.key_x)),
        at.is_step,
    )
    for i in range(DEGREE):
        air.assert_zero(
            f"the comb starts at its x, coefficient {i}", at.is_end * (following_x[i] - start.x[i])
        )
        # Soundness: U = -START here says the y that the block below starts with, whatever the third slope is.
        air.assert_zero(
            f"the last U has the start's x, coefficient {i}", at.is_end * (row.key_x[i] - start.x[i])
        )
        air.assert_zero(
            f"the last U has minus the start's y, coefficient {i}", at.is_end * (row.key_y[i] + start.y[i])
        )


def _constrain_challenge(air: AirBuilder, at: _Selectors, row: _Columns) -> None:
    """The challenge's bits are the canonical bits of the digest's first elements, top bits first.

    `element k begins with ones`: the element's bits above this row are ones, of the seven that p - 1 begins with.
    """
    is_top = _rows(air, "has a top bit", lambda row: row < TOP_BITS)
    is_kept = _rows(air, "keeps what the top bits are", lambda row: TOP_BITS <= row < STEPS - 1)
    is_low = at.is_step - is_top
    for k, (bit, element, ones) in enumerate(zip(row.bits, row.digest, row.begins_with_ones, strict=True)):
        air.assert_zero(f"challenge bit {k} is a bit", at.is_step * bit * (bit - 1))
        air.assert_zero(
            f"digest element {k} begins at zero and is made of its bits",
            element.next - at.is_step * (element * 2 + bit),
        )
        # Soundness: a digest element and the element plus p are one modulo p, but two challenges.
        air.assert_zero(
            f"element {k} begins with ones as long as its bits are ones",
            (is_top + is_kept + at.is_end) * ones.next - is_top * ones * bit - is_kept * ones - at.is_end,
        )
        air.assert_zero(f"a digest element is below p, element {k}", is_low * ones * bit)


def _constrain_message(air: AirBuilder, at: _Selectors, row: _Columns) -> None:
    """Row 31 sends R and the key to the sponge and asks for the digest.

    There x of T is whatever makes x of M two less than x of R, so that the slopes add up to the y of R.
    """
    call, length, empty = row.begins_with_ones[1:]
    key = [*row.slope, *row.apart, row.begins_with_ones[0]]
    result = [*row.x, *formulas.add(row.slope, row.second)]
    # Soundness: without it the slopes of the last row say nothing of R.
    expected = formulas.subtract(formulas.square(row.slope), formulas.add(row.x, row.x))
    for i in range(DEGREE):
        air.assert_zero(
            f"the last T makes the slopes the result's y, coefficient {i}",
            at.is_end * (row.right_x[i] - expected[i] - (2 if i == 0 else 0)),
        )
    air.assert_zero("the last row's spare cell is empty", at.is_end * empty)
    # Soundness: a step's cells are no message.
    air.assert_zero("nothing is sent from a step", at.is_step * row.is_sent)
    # Soundness: without it the key that is hashed could be another than the one whose multiples are added.
    air.send(KEY_STARTS, [row.key_number, *key], when=row.is_sent)
    elements = [*result, *key]
    tags: list[Operand] = [int(HashKind.SIGNATURE_CHALLENGE), length, NO_LABEL]
    for place in range(len(elements) // 8):
        block = elements[8 * place : 8 * place + 8]
        air.send(SPONGE, [call, row.key_number, place, *tags, *block], when=row.is_sent)
    digest = [*row.digest, *row.bits]
    air.send(SPONGE, [call, row.key_number, DIGEST_PLACE, *tags, *digest], when=row.is_sent)


@dataclass(frozen=True, slots=True)
class SignatureRows:
    """What the table lays out: arrays whose last axis is the signature."""

    key_numbers: NDArray[np.uint32]
    keys: Montgomery
    """(14, n)"""
    challenges: NDArray[np.uint32]
    """(4, n): canonical."""
    digests: Montgomery
    """(8, n)"""
    combs: CombBatch
    calls: NDArray[np.uint32]
    """The number of each signature's sponge call."""
    lengths: NDArray[np.int64]
    """Elements that each call absorbs."""


def fill(rows: SignatureRows, spare: CombBatch, log_height: int) -> Montgomery:
    """The trace; blocks that are left over are the spare comb: response 1 and challenge 0 under key number 0."""
    blocks, count = (1 << log_height) // BLOCK, rows.keys.shape[1]
    if not count <= blocks:
        raise ValueError(f"{count} signatures do not fit a table of {blocks}")
    trace = np.zeros((COLUMNS, blocks, BLOCK), np.uint32)
    if count:
        _fill_blocks(trace[:, :count], rows)
        trace[-1, :count, END] = encode([1])[0]
    if count < blocks:
        zeros = np.zeros((14, 1), np.uint32)
        nothing = SignatureRows(
            zeros[0], zeros, zeros[:CHALLENGE_PARTS], zeros[:8], spare, zeros[0], zeros[0].astype(np.int64)
        )
        _fill_blocks(trace[:, count : count + 1], nothing)
        trace[:, count + 1 :] = trace[:, count : count + 1]
    return trace.reshape(COLUMNS, blocks * BLOCK)


def _fill_blocks(out: Montgomery, rows: SignatureRows) -> None:
    """Fill blocks (columns, n, 32) but for `is sent`."""
    _turn(rows.combs.steps, out[:STEP_COLUMNS, :, :STEPS])
    parts = rows.challenges.astype(np.int64)
    first = STEP_COLUMNS
    one = int(encode([1])[0])
    for k, part in enumerate(parts):
        bits = (part[:, None] >> np.arange(STEPS - 1, -1, -1) & 1).astype(np.uint32)
        out[first + k, :, :STEPS] = bits * np.uint32(one)
        out[first + CHALLENGE_PARTS + k] = encode(part[:, None] >> np.arange(STEPS, -1, -1))
        ones = out[first + 2 * CHALLENGE_PARTS + k]
        ones[:, 0] = one
        np.multiply.accumulate(bits[:, :TOP_BITS], axis=1, out=ones[:, 1 : TOP_BITS + 1])
        ones[:, 1 : TOP_BITS + 1] *= np.uint32(one)
        ones[:, TOP_BITS + 1 : STEPS] = ones[:, TOP_BITS : TOP_BITS + 1]
    out[-2] = encode(rows.key_numbers)[:, None]
    _fill_last_row(out[:, :, END], rows)


def _fill_last_row(out: Montgomery, rows: SignatureRows) -> None:
    """What row 31 sends, and the slopes that its chords leave: (columns, n)."""
    from prover.curve.septic_kernels import inverses, products

    count = rows.keys.shape[1]
    start = encode(np.array(encode_point(negate_point(fixed_points().start))))[:, None]
    key_x, key_y = (np.repeat(part, count, axis=1) for part in (start[:DEGREE], start[DEGREE:]))
    x, y, slope = rows.combs.results[:DEGREE], rows.combs.results[DEGREE:], rows.keys[:DEGREE]
    two = np.zeros_like(x)
    two[0] = encode([2])[0]
    right_x = _difference(products(slope, slope), _difference(_sum(x, x), two))
    second = _difference(y, slope)
    # x of M is x of R less two, so x of N is the square of the second slope less their sum.
    doubled_x = _difference(products(second, second), _difference(_sum(x, x), two))
    doubled_y = _difference(products(second, _difference(x, doubled_x)), y)
    over = inverses(_difference(key_x, doubled_x))
    third = products(_difference(key_y, doubled_y), over)
    points = (x, right_x, key_x, key_y, slope, second, third)
    out[: len(points) * DEGREE] = np.concatenate(points)
    first = len(points) * DEGREE
    out[first : first + 2] = rows.keys[DEGREE : DEGREE + 2]
    out[STEP_COLUMNS : STEP_COLUMNS + CHALLENGE_PARTS] = rows.digests[CHALLENGE_PARTS:]
    first = STEP_COLUMNS + 2 * CHALLENGE_PARTS
    out[first] = rows.keys[START_ELEMENTS - 1]
    out[first + 1 : first + 3] = encode(np.stack([rows.calls.astype(np.int64), rows.lengths]))


def _sum(left: Montgomery, right: Montgomery) -> Montgomery:
    return ((left.astype(np.uint64) + right) % np.uint64(PRIME)).astype(np.uint32)


def _difference(left: Montgomery, right: Montgomery) -> Montgomery:
    return ((left.astype(np.uint64) + np.uint64(PRIME) - right) % np.uint64(PRIME)).astype(np.uint32)


def _turn(by_row: Montgomery, out: Montgomery) -> None:
    """Copy (columns, rows, n) to (columns, n, rows), some signatures at a time, so that caches hold them."""
    for start in range(0, by_row.shape[2], _SIGNATURES_AT_ONCE):
        part = slice(start, start + _SIGNATURES_AT_ONCE)
        for column, target in zip(by_row, out, strict=True):
            target[part] = column[:, part].T
