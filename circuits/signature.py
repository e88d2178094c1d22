"""The signature table: 128 rows a signature, the chain of `prover.curve.chain` and what ties it to the hash.

    row 0..123   a step: P becomes 2 P + T              T: fixed by two bits of the response, or looked up with the key
    row 124      P = R                                  sends block 0: R x0..x6, y0
    row 125      x = R y1..y6, key x0; T = -key         sends block 1, with key x1
    row 126      x = key x2..x6, y0, y1; T = -key       sends block 2, with key y2
    row 127      x = digest 0..6                        asks for the digest

The columns x of P hold what is sent, and one more column the eighth value.
Every block is a whole chain; one that proves nothing runs the chain of response 1 and challenge 0 and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.buses import CHAIN_POINTS, DIGEST_PLACE, SPONGE
from circuits.keys import NEGATIVE_KEY_ENTRY
from circuits.septic import SepticColumns, next_row, residuals, septic_columns
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.curve import formulas, packed
from prover.curve.chain import HIGH_BITS, STEPS, ChainBatch, fixed_points
from prover.curve.formulas import DEGREE
from prover.curve.septic import ORDER
from prover.curve.septic import encode as encode_point
from prover.field.koalabear import PRIME, Montgomery, decode, encode
from prover.hash.domain import HashKind
from rollup.schnorr import CHALLENGE_ELEMENTS, ELEMENT_BITS, RESPONSE_LIMBS

NAME: Final = "signatures"

LOG_BLOCK: Final = 7
BLOCK: Final = 1 << LOG_BLOCK
"""Rows a signature: 124 steps, and four that send."""

RESULT, KEY_START, KEY_END, END = range(STEPS, BLOCK)
"""The rows below the steps."""

BIT_COLUMNS: Final = ("low bit", "high bit", "challenge bit")
CONTROL: Final = (
    *(f"digest element {k}" for k in range(CHALLENGE_ELEMENTS)),
    "challenge meets its bound",
    "low part reaches the order's",
    "high part meets the order's",
    "key number",
    "is sent",
)
POINT_COLUMNS: Final = 7 * DEGREE
COLUMNS: Final = POINT_COLUMNS + len(BIT_COLUMNS) + len(CONTROL)

CALL, LENGTH, EIGHTH = range(3)
"""Which coefficients of the inverse hold, below the steps, the sponge call, its length and the eighth value sent."""

NO_LABEL: Final = 0
"""The label of a challenge's hash: its kind says all."""

_SIGNATURES_AT_ONCE: Final = 128
"""Laid out side by side: their steps of one column are 64 KiB."""

ELEMENT_STARTS: Final = tuple(ELEMENT_BITS * k for k in range(CHALLENGE_ELEMENTS))
"""Rows that hold the top bit of a digest element, the last element's first."""


def _rows(air: AirBuilder, name: str, holds: Callable[[int], int]) -> Expression:
    """A periodic column over the rows of a block."""
    return air.periodic(name, [int(holds(row)) for row in range(BLOCK)])


def _order_bit(part: int, row: int) -> int:
    """The order's bit at a step, of its low part (0) or high part (1)."""
    return ORDER >> (STEPS * part + STEPS - 1 - row) & 1 if row < STEPS else 0


def _bound_bit(row: int) -> int:
    """The bit of p - 1, the largest canonical element, at a step."""
    return (PRIME - 1) >> (ELEMENT_BITS - 1 - row % ELEMENT_BITS) & 1


def constrain(air: AirBuilder) -> None:
    """State that every block is the chain of a key, a response and a challenge, and send what was signed.

    Assumes: the key table and the Poseidon table stand behind their buses.
    Guarantees: where `is sent` is one, the sponge call over R, key and the rest of the message (whose blocks from 3 on
    another table sends) has a digest whose first four elements e satisfy response * G - e * key = R, with the response
    below the order, and no addition of the chain was exceptional.
    """
    x, y = septic_columns(air, "P x"), septic_columns(air, "P y")
    right_x, right_y = septic_columns(air, "T x"), septic_columns(air, "T y")
    inverse, slope = septic_columns(air, "inverse"), septic_columns(air, "slope")
    second = septic_columns(air, "second slope")
    low, high, challenge = air.columns(*BIT_COLUMNS)
    *digest, meets_bound, low_reaches, high_meets, key_number, is_sent = air.columns(*CONTROL)
    is_step = _rows(air, "is a step", lambda row: row < STEPS)

    _constrain_chain(air, is_step, x, y, right_x, right_y, inverse, slope, second)
    _constrain_addend(air, low, high, challenge, right_x, right_y, key_number)
    _constrain_challenge(air, challenge, digest, meets_bound)
    _constrain_response(air, is_step, low, high, low_reaches, high_meets)
    _constrain_message(air, is_step, x, y, right_x, right_y, inverse, digest, key_number, is_sent)


def _constrain_chain(
    air: AirBuilder,
    is_step: Expression,
    x: SepticColumns,
    y: SepticColumns,
    right_x: SepticColumns,
    right_y: SepticColumns,
    inverse: SepticColumns,
    slope: SepticColumns,
    second: SepticColumns,
) -> None:
    """The steps: P becomes 2 P + T by two chords."""
    is_start = _rows(air, "is the first step", lambda row: row == 0)
    start = fixed_points().start
    for i in range(DEGREE):
        air.assert_zero(f"the chain starts at its x, coefficient {i}", is_start * (x[i] - start.x[i]))
        air.assert_zero(f"the chain starts at its y, coefficient {i}", is_start * (y[i] - start.y[i]))
    # Soundness: without the inverse T = P leaves the slope free, and the sum can be any point.
    residuals(air, "P and T differ in x", formulas.inverse_residual(inverse, x, right_x), is_step)
    residuals(
        air,
        "the slope is the chord's through P and T",
        formulas.chord_residual(slope, x, y, right_x, right_y),
        is_step,
    )
    # It holds below the steps too, where slope and second slope mean nothing: a factor would cost a degree.
    residuals(
        air,
        "the second slope is the chord's through P and P + T",
        formulas.second_chord_residual(slope, second, x, y, right_x),
    )
    following_x, following_y = next_row(x), next_row(y)
    residuals(
        air,
        "the next x is that of 2 P + T",
        formulas.subtract(following_x, formulas.double_and_add_x(slope, second, right_x)),
        is_step,
    )
    residuals(
        air,
        "the next y is that of 2 P + T",
        formulas.subtract(following_y, formulas.sum_y(second, x, y, following_x)),
        is_step,
    )


def _constrain_addend(
    air: AirBuilder,
    low: Expression,
    high: Expression,
    challenge: Expression,
    right_x: SepticColumns,
    right_y: SepticColumns,
    key_number: Expression,
) -> None:
    """T is the table's entry of the three bits: a constant, or looked up with the key."""
    asks_key = _rows(air, "asks for the negative key", lambda row: row in {KEY_START, KEY_END})
    asks_nothing = _rows(air, "asks for no point", lambda row: row in {RESULT, END})
    is_below = _rows(air, "is below the steps", lambda row: row >= STEPS)
    is_above_high = _rows(air, "is above the high part", lambda row: row < STEPS - HIGH_BITS)
    is_inside = _rows(air, "is not the last row", lambda row: row != END)
    for name, bit in (("low", low), ("high", high), ("challenge", challenge)):
        air.assert_boolean(f"the {name} bit is a bit", bit)
    air.assert_zero("the response has no low bit below the steps", is_below * low)
    air.assert_zero("the response has no high bit below the steps", is_below * high)
    # Soundness: without it the response could have 248 bits, and many responses would be one modulo the order.
    air.assert_zero("the response has 217 bits", is_above_high * high)
    air.assert_zero("the two rows of the key look it up", asks_key * (challenge - 1))
    air.assert_zero("the rows of result and digest look nothing up", asks_nothing * challenge)
    tables = [entry.x + entry.y for entry in fixed_points().table]
    both = low * high
    for i, column in enumerate((*right_x, *right_y)):
        base, with_low, with_high, with_both = (table[i] for table in tables)
        entry = (
            both * (with_both - with_low - with_high + base)
            + low * (with_low - base)
            + high * (with_high - base)
            + base
        )
        air.assert_zero(
            f"T is the fixed point of the response's bits, element {i}", (1 - challenge) * (column - entry)
        )
    entry_number = low + high * 2 + asks_key * NEGATIVE_KEY_ENTRY
    air.send(CHAIN_POINTS, [key_number, entry_number, *right_x, *right_y], when=challenge)
    air.assert_zero("a block has one key", is_inside * (key_number.next - key_number))


def _constrain_challenge(
    air: AirBuilder, challenge: Expression, digest: Sequence[Expression], meets_bound: Expression
) -> None:
    """The challenge's bits are the canonical bits of the digest's first elements.

    `meets_bound`: the element's bits above this row are those of p - 1.
    """
    is_start = _rows(air, "begins the challenge", lambda row: row == 0)
    is_inside = _rows(air, "keeps the digest", lambda row: row != END)
    for k, element in enumerate(digest):
        first = STEPS - ELEMENT_BITS * (k + 1)
        reads = range(first, first + ELEMENT_BITS)
        is_read = _rows(air, f"reads digest element {k}", reads.__contains__)
        air.assert_zero(f"digest element {k} starts at zero", is_start * element)
        air.assert_zero(
            f"digest element {k} is made of its bits",
            is_inside * (element.next - element) - is_read * (element + challenge),
        )
    # Soundness: a digest element and the element plus p are one modulo p, but two challenges.
    is_first = _rows(air, "begins an element", lambda row: row in ELEMENT_STARTS)
    goes_on = [row + 1 not in (*ELEMENT_STARTS, STEPS) and row < STEPS for row in range(BLOCK)]
    is_continued = _rows(air, "has the element's next bit below", lambda row: goes_on[row])
    where_zero = _rows(air, "goes on from a bound bit 0", lambda row: goes_on[row] and not _bound_bit(row))
    where_one = _rows(air, "goes on from a bound bit 1", lambda row: goes_on[row] and _bound_bit(row))
    is_zero = _rows(air, "has a bound bit 0", lambda row: row < STEPS and not _bound_bit(row))
    is_below = _rows(air, "has no challenge bit", lambda row: row >= STEPS)
    air.assert_zero("an element's first bit has nothing above it", is_first * (meets_bound - 1))
    air.assert_zero(
        "an element meets the bound as long as its bits are the bound's",
        is_continued * meets_bound.next
        - where_one * meets_bound * challenge
        - where_zero * meets_bound * (1 - challenge),
    )
    air.assert_zero("a digest element is below p", is_zero * meets_bound * challenge)
    air.assert_zero("no element is read below the steps", is_below * meets_bound)


def _constrain_response(
    air: AirBuilder,
    is_step: Expression,
    low: Expression,
    high: Expression,
    low_reaches: Expression,
    high_meets: Expression,
) -> None:
    """The response is below the order.

    `low_reaches`, from the bottom: the low part from this row down is not below the order's.
    `high_meets`, from the top: zero when the high part's bits above this row differ from the order's,
    else one more than `low_reaches` of the whole low part.
    """
    is_start = _rows(air, "begins the response", lambda row: row == 0)
    is_result = _rows(air, "ends the response", lambda row: row == RESULT)
    is_after = _rows(air, "has no response", lambda row: row > RESULT)
    low_one = _rows(air, "has an order's low bit 1", lambda row: _order_bit(0, row))
    low_zero = _rows(air, "has an order's low bit 0", lambda row: row < STEPS and not _order_bit(0, row))
    high_one = _rows(air, "has an order's high bit 1", lambda row: _order_bit(1, row))
    high_zero = _rows(air, "has an order's high bit 0", lambda row: row < STEPS and not _order_bit(1, row))
    below = low_reaches.next
    air.assert_zero("nothing reaches nothing", is_result * (low_reaches - 1))
    air.assert_zero(
        "the low part reaches the order's by this bit or by those below",
        is_step * low_reaches - low_one * low * below - low_zero * (low + below - low * below),
    )
    air.assert_zero(
        "the high part starts with the low part's answer", is_start * (high_meets - low_reaches - 1)
    )
    air.assert_zero(
        "the high part meets the order's as long as its bits are the order's",
        is_step * high_meets.next - high_one * high_meets * high - high_zero * high_meets * (1 - high),
    )
    # Soundness: response and response + order would both verify.
    air.assert_zero("the high part is not above the order's", high_zero * high_meets * high)
    air.assert_zero("the response is below the order", is_result * high_meets * (high_meets - 1))
    air.assert_zero("the low part's answer is zero where nobody asks", is_after * low_reaches)
    air.assert_zero("the high part's answer is zero where nobody asks", is_after * high_meets)


def _constrain_message(
    air: AirBuilder,
    is_step: Expression,
    x: SepticColumns,
    y: SepticColumns,
    right_x: SepticColumns,
    right_y: SepticColumns,
    inverse: SepticColumns,
    digest: Sequence[Expression],
    key_number: Expression,
    is_sent: Expression,
) -> None:
    """Rows 124 to 127 send R and the key to the sponge and ask for the digest."""
    is_result = _rows(air, "is the result", lambda row: row == RESULT)
    is_key_start = _rows(air, "sends the key's start", lambda row: row == KEY_START)
    is_key_end = _rows(air, "sends the key's end", lambda row: row == KEY_END)
    is_end = _rows(air, "asks for the digest", lambda row: row == END)
    is_sending = _rows(air, "has a sending row below", lambda row: RESULT <= row < END)
    is_below = _rows(air, "sends", lambda row: row >= RESULT)
    place = _rows(air, "place", lambda row: row - RESULT if RESULT <= row < END else DIGEST_PLACE)
    sent = (*x, inverse[EIGHTH])

    air.assert_zero("block 0 ends with the result's y0", is_result * (sent[7] - y[0]))
    for i in range(DEGREE - 1):
        air.assert_zero(f"block 1 begins with the result's y{i + 1}", is_result * (x[i].next - y[i + 1]))
    air.assert_zero("block 1 goes on with the key's x0", is_key_start * (x[6] - right_x[0]))
    air.assert_zero("block 1 ends with the key's x1", is_key_start * (sent[7] - right_x[1]))
    # T is the negative key: its y changes sign.
    for i, expected in enumerate((*right_x[2:], -right_y[0], -right_y[1], -right_y[2])):
        air.assert_zero(f"block 2 holds the key's element {i + 2}", is_key_end * (sent[i] - expected))
    for i, element in enumerate(digest):
        air.assert_zero(f"the challenge is the digest's, element {i}", is_end * (sent[i] - element))
    for name, column in (("the call", inverse[CALL]), ("the length", inverse[LENGTH]), ("whether", is_sent)):
        air.assert_zero(f"the four rows agree on {name}", is_sending * (column.next - column))
    air.assert_zero("nothing is sent from a step", is_step * is_sent)
    for i in range(EIGHTH + 1, DEGREE):
        air.assert_zero(f"inverse {i} is empty below the steps", is_below * inverse[i])
    for i in range(DEGREE):
        # Row 124 has the result's y; below it y says nothing, and the second slope is whatever fits.
        is_empty = is_key_start + is_key_end + is_end
        air.assert_zero(f"y{i} is empty below the result", is_empty * y[i])
    tags: list[Operand] = [
        inverse[CALL],
        key_number,
        place,
        int(HashKind.SIGNATURE_CHALLENGE),
        inverse[LENGTH],
        NO_LABEL,
    ]
    air.send(SPONGE, [*tags, *sent], when=is_sent)


@dataclass(frozen=True, slots=True)
class SignatureRows:
    """What the table lays out: arrays whose last axis is the signature."""

    key_numbers: NDArray[np.uint32]
    keys: Montgomery
    """(14, n)"""
    responses: NDArray[np.uint32]
    """(14, n): limbs of 16 bits, lowest first."""
    challenges: NDArray[np.uint32]
    """(4, n): canonical."""
    digests: Montgomery
    """(8, n)"""
    chains: ChainBatch
    calls: NDArray[np.uint32]
    """The number of each signature's sponge call."""
    lengths: NDArray[np.int64]
    """Elements that each call absorbs."""


def entries_asked(rows: SignatureRows) -> NDArray[np.int64]:
    """How often the chain of each signature asks for each of its key's sums: (4, n)."""
    from prover.curve.kernels import table_indices

    indices = table_indices(rows.responses, rows.challenges)
    return np.stack([(indices == 4 + entry).sum(axis=0) for entry in range(4)]).astype(np.int64)


def fill(rows: SignatureRows, first_key: Montgomery, log_height: int) -> Montgomery:
    """The trace; blocks that are left over run the chain of response 1 and challenge 0 with key number 0, (14, 1)."""
    blocks, count = (1 << log_height) // BLOCK, rows.keys.shape[1]
    if not count <= blocks:
        raise ValueError(f"{count} signatures do not fit a table of {blocks}")
    trace = np.zeros((COLUMNS, blocks, BLOCK), np.uint32)
    if count:
        _fill_blocks(trace[:, :count], rows)
        trace[-1, :count, RESULT:] = encode([1])[0]
    if count < blocks:
        _fill_blocks(trace[:, count : count + 1], _dead_rows(first_key))
        trace[:, count + 1 :] = trace[:, count : count + 1]
    return trace.reshape(COLUMNS, blocks * BLOCK)


def _dead_rows(key: Montgomery) -> SignatureRows:
    """The chain of response 1 and challenge 0: it ends at the generator, whatever the key."""
    from prover.curve.kernels import run_chains

    response = np.zeros((RESPONSE_LIMBS, 1), np.uint32)
    response[0] = 1
    zeros = np.zeros((2 * CHALLENGE_ELEMENTS, 1), np.uint32)
    challenge = zeros[:CHALLENGE_ELEMENTS]
    chains = run_chains(key, response, challenge, has_witness=True)
    return SignatureRows(
        zeros[0], key, response, challenge, zeros, chains, zeros[0], zeros[0].astype(np.int64)
    )


def _fill_blocks(out: Montgomery, rows: SignatureRows) -> None:
    """Fill blocks (columns, n, 128) but for `is sent`."""
    from prover.curve.kernels import table_indices

    _turn(rows.chains.steps, out[:POINT_COLUMNS, :, :STEPS])
    indices: NDArray[np.uint32] = table_indices(rows.responses, rows.challenges).astype(np.uint32)
    low, high, challenge = (indices >> np.uint32(place) & np.uint32(1) for place in range(3))
    bits = np.zeros((3, BLOCK, out.shape[1]), np.uint32)
    bits[:, :STEPS] = low, high, challenge
    bits[2, KEY_START : KEY_END + 1] = 1
    small = np.concatenate([bits, _bound_column(challenge)[None], *_order_columns(low, high)])
    # None of these is above two.
    spelled = encode(np.arange(3))[small]
    first = POINT_COLUMNS + len(BIT_COLUMNS)
    _turn(spelled[:3], out[POINT_COLUMNS:first])
    _turn(_digest_columns(challenge), out[first : first + CHALLENGE_ELEMENTS])
    first += CHALLENGE_ELEMENTS
    _turn(spelled[3:], out[first : first + 3])
    out[first + 3] = encode(rows.key_numbers)[:, None]

    points = encode_point(fixed_points().table[0])
    result, key = decode(rows.chains.results).astype(np.int64), decode(rows.keys).astype(np.int64)
    minus_key = np.concatenate([key[:DEGREE], (PRIME - key[DEGREE:]) % PRIME])
    sending = np.zeros((POINT_COLUMNS, out.shape[1], BLOCK - STEPS), np.int64)
    sending[2 * DEGREE : 4 * DEGREE] = np.array(points)[:, None, None]
    sending[2 * DEGREE : 4 * DEGREE, :, 1:3] = minus_key[:, :, None]
    inverse = sending[4 * DEGREE : 5 * DEGREE]
    inverse[CALL], inverse[LENGTH] = rows.calls[:, None], rows.lengths[:, None]
    sent = np.concatenate([result, key[:10], decode(rows.digests)]).reshape(4, 8, -1)
    sending[:DEGREE] = sent[:, :DEGREE].transpose(1, 2, 0)
    inverse[EIGHTH] = sent[:, DEGREE].T
    sending[DEGREE : 2 * DEGREE, :, 0] = result[DEGREE:]
    sending[6 * DEGREE :, :, 0] = _second_slopes(result, points)
    out[:POINT_COLUMNS, :, STEPS:] = encode(sending)


def _turn(by_row: Montgomery, out: Montgomery) -> None:
    """Copy (columns, rows, n) to (columns, n, rows), some signatures at a time, so that caches hold them."""
    for start in range(0, by_row.shape[2], _SIGNATURES_AT_ONCE):
        part = slice(start, start + _SIGNATURES_AT_ONCE)
        for column, target in zip(by_row, out, strict=True):
            target[part] = column[:, part].T


def _digest_columns(challenge: NDArray[np.uint32]) -> Montgomery:
    """The four elements so far, from the bits (124, n) of the challenge: (4, 128, n)."""
    columns = np.zeros((CHALLENGE_ELEMENTS, BLOCK, challenge.shape[1]), np.uint32)
    bits = challenge.astype(np.uint64) * np.uint64(encode([1])[0])
    for k in range(CHALLENGE_ELEMENTS):
        first, value = STEPS - ELEMENT_BITS * (k + 1), np.zeros(challenge.shape[1], np.uint64)
        for row in range(first, first + ELEMENT_BITS):
            value = (2 * value + bits[row]) % np.uint64(PRIME)
            columns[k, row + 1] = value
        columns[k, first + ELEMENT_BITS :] = value
    return columns


def _bound_column(challenge: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Whether the element's bits above each row are those of p - 1: (128, n)."""
    meets = np.zeros((BLOCK, challenge.shape[1]), np.uint32)
    for row in range(STEPS):
        meets[row] = (
            1 if row in ELEMENT_STARTS else meets[row - 1] * (challenge[row - 1] == _bound_bit(row - 1))
        )
    return meets


def _order_columns(low: NDArray[np.uint32], high: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
    """`low_reaches` and `high_meets`: (1, 128, n) each."""
    reaches, meets = (np.zeros((BLOCK, low.shape[1]), np.uint32) for _ in range(2))
    reaches[RESULT] = 1
    for row in reversed(range(STEPS)):
        below = reaches[row + 1]
        reaches[row] = low[row] & below if _order_bit(0, row) else low[row] | below
    meets[0] = 1 + reaches[0]
    for row in range(STEPS):
        meets[row + 1] = meets[row] * (high[row] == _order_bit(1, row))
    return [reaches[None], meets[None]]


def _second_slopes(result: NDArray[np.int64], right: Sequence[int]) -> NDArray[np.int64]:
    """2 y / (2 x + T x): what fits row 124 when its slope is zero; (7, n) from results (14, n)."""
    sums = ((2 * result[:DEGREE] + np.array(right[:DEGREE])[:, None]) % PRIME).T.tolist()
    inverses = _inverses([packed.pack(element) for element in sums])
    doubles = [packed.pack(element) for element in (2 * result[DEGREE:] % PRIME).T.tolist()]
    slopes = [packed.unpack(packed.multiply(y, one)) for y, one in zip(doubles, inverses, strict=True)]
    return np.array(slopes, dtype=np.int64).T


def _inverses(elements: Sequence[int]) -> list[int]:
    """The inverses of packed elements, none of them zero, for one inversion in all."""
    products = list(accumulate(elements, packed.multiply))
    running = packed.inverse(products[-1])
    inverses = []
    for element, above in zip(reversed(elements[1:]), reversed(products[:-1]), strict=True):
        inverses.append(packed.multiply(running, above))
        running = packed.multiply(running, element)
    return [running, *reversed(inverses)]
