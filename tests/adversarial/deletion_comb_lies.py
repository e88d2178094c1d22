"""Forged traces of signatures, keys' multiples and permutations, for rules that no chain of small changes breaks alone.

Registered beside the others (`deletion_lies`), and checked as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from circuits.key_multiples import END as LAST_ENTRY
from circuits.key_multiples import NAME as KEY_MULTIPLES
from circuits.keys import NAME as KEYS
from circuits.poseidon import NAME as POSEIDON
from circuits.signature import APART, BLOCK, END
from circuits.signature import NAME as SIGNATURES
from prover.curve import formulas, packed
from prover.curve.comb import CHALLENGE_PARTS, STEPS, fixed_points
from prover.curve.formulas import DEGREE, Element
from prover.curve.septic import GENERATOR, Point, double, negate_point
from prover.curve.septic import add as add_points
from prover.field.koalabear import PRIME, decode
from tests.adversarial.deletion_lies import Draft, Forge, accepted_without, set_and_repaired
from tests.adversarial.deletions import Ground
from tests.circuits import signed
from tests.circuits.combs import comb_over

FREE: Final[Element] = (1, 2, 3, 4, 5, 6, 7)
"""A slope of nothing."""
SENT_ONCE: Final = "the send number 2 on bus key starts happens once or not at all"
FORGETTING: Final = 5
LATE: Final = 9
"""Steps from here on are below the top bits of a digest's element."""


def _no_bit(part: int) -> Forge:
    """A bit more of one part for a bit less of another: the entry that is looked up stays."""

    def forge(ground: Ground) -> Ground | None:
        draft = Draft(ground)
        other = (part + 1) % CHALLENGE_PARTS
        bit = int(draft.column(f"challenge bit {other}")[LATE])
        draft.column(f"challenge bit {other}")[LATE] = 1 - bit
        draft.column(f"challenge bit {part}")[LATE] += (
            (2 * bit - 1) * (1 << other) * pow(1 << part, -1, PRIME)
        )
        for one in (part, other):
            element, bits = draft.column(f"digest element {one}"), draft.column(f"challenge bit {one}")
            for row in range(LATE, END):
                element[row + 1] = (2 * element[row] + bits[row]) % PRIME
        return draft.ground

    return forge


def _read_with_the_prime(part: int) -> Forge:
    """The comb of a challenge that has p more than the digest says."""

    def forge(ground: Ground) -> Ground:
        rows = signed.comb_rows(GENERATOR, 12, [5 + PRIME * (k == part) for k in range(CHALLENGE_PARTS)])
        return replace(ground, trace=decode(signed.block(rows)).astype(np.int64))

    return forge


for _part in range(CHALLENGE_PARTS):
    accepted_without(SIGNATURES, f"challenge bit {_part} is a bit", "another challenge for the same entries")(
        _no_bit(_part)
    )
    accepted_without(
        SIGNATURES, f"a digest element is below p, element {_part}", "a challenge that is no digest"
    )(_read_with_the_prime(_part))


def _forgotten_ones(part: int) -> Forge:
    """The same, and from some step on nobody remembers that the element began with ones."""

    def forge(ground: Ground) -> Ground:
        draft = Draft(_read_with_the_prime(part)(ground) or ground)
        draft.column(f"element {part} begins with ones")[FORGETTING:STEPS] = 0
        return draft.ground

    return forge


for _part in range(CHALLENGE_PARTS):
    accepted_without(
        SIGNATURES,
        f"element {_part} begins with ones as long as its bits are ones",
        "a challenge that is no digest, as nobody remembers how it began",
    )(_forgotten_ones(_part))


@accepted_without(SIGNATURES, SENT_ONCE, "a signature that sends its key and its commitment twice")
def _sent_twice(ground: Ground) -> Ground:
    draft = Draft(ground)
    draft.column("is sent")[END] = 2
    return draft.ground


def _affine(point: Point | None) -> Point:
    assert point is not None
    return point


def _comb(
    ground: Ground,
    generator_points: list[Point],
    key_points: list[Point],
    slopes: dict[int, Element],
    third: dict[int, Element],
    challenge: int,
) -> Ground:
    comb = comb_over(generator_points, key_points, slopes, third)
    rows = replace(signed.comb_rows(GENERATOR, 1, (challenge, 0, 0, 0)), combs=comb)
    return replace(ground, trace=decode(signed.block(rows)).astype(np.int64))


@accepted_without(SIGNATURES, "P and T stand apart", "any sum at all, from a point added to itself")
def _same_points(ground: Ground) -> Ground:
    fixed = fixed_points()
    points = [fixed.start, *[fixed.table[0]] * (STEPS - 1)]
    return _comb(ground, points, [fixed.key_offset] * STEPS, {0: FREE}, {}, 0)


@accepted_without(
    SIGNATURES, "N and U stand apart", "any sum at all, from entries of a key that is on the curve"
)
def _same_sums(ground: Ground) -> Ground:
    fixed = fixed_points()
    doubled = _affine(add_points(_affine(double(fixed.start)), fixed.table[0]))
    key = _affine(add_points(fixed.key_offset, negate_point(doubled)))
    entry = _affine(add_points(fixed.key_offset, negate_point(key)))
    key_points = [entry, *[fixed.key_offset] * (STEPS - 1)]
    return _comb(ground, [fixed.table[0]] * STEPS, key_points, {}, {0: FREE}, 1 << STEPS - 1)


@accepted_without(SIGNATURES, "a block has one key", "a signature by one key, hashed with another")
def _hashed_with_another(ground: Ground) -> Ground | None:
    names = ground.table.main_names
    of_key = [*(f"slope {i}" for i in range(DEGREE)), *(f"{APART[0]}, weight {i}" for i in range(2))]
    of_key += ["element 0 begins with ones", "key number"]
    kept = {name: int(ground.trace[names.index(name), BLOCK + END]) for name in of_key}
    kept |= {name: int(ground.trace[names.index(name), END]) for name in names if name.startswith("P x")}
    return set_and_repaired(ground, "a block has one key", END, kept, steps=DEGREE)


@accepted_without(SIGNATURES, "nothing is sent from a step", "a message made of what stands on a step")
def _sent_from_a_step(ground: Ground) -> Ground:
    draft = Draft(ground)
    draft.column("is sent")[LATE] = 1
    return draft.ground


@accepted_without(
    KEY_MULTIPLES, "entry and multiple stand apart", "any entry at all, from one that is the multiple"
)
def _same_entry(ground: Ground) -> Ground:
    draft = Draft(ground)
    row = LAST_ENTRY - 1

    def element(name: str, at: int) -> list[int]:
        return [int(draft.column(f"{name} {i}")[at]) for i in range(DEGREE)]

    def write(name: str, at: int, value: Element) -> None:
        for i, coefficient in enumerate(value):
            draft.column(f"{name} {i}")[at] = coefficient % PRIME

    x, y = _element(element("x", row)), _element(element("y", row))
    (sign,) = {
        column.values[row] for column in ground.table.periodic if column.name == "sign of the multiple"
    }
    write("second x", row, x)
    write("second y", row, _element([sign * coefficient for coefficient in y]))
    write("slope", row, FREE)
    write("x", row + 1, formulas.sum_x(FREE, x, x))
    write("y", row + 1, formulas.sum_y(FREE, x, y, _element(element("x", row + 1))))
    return draft.ground


def _off_the_curve(coefficient: int) -> Forge:
    """A key whose y is a root of what the curve says and some number in one coefficient."""

    def forge(ground: Ground) -> Ground | None:
        draft = Draft(ground)
        y = _element([int(draft.column(f"key y {i}")[0]) for i in range(DEGREE)])
        for step in range(1, LATE):
            moved = list(packed.unpack(packed.canonical(packed.multiply(packed.pack(y), packed.pack(y)))))
            moved[coefficient] = (moved[coefficient] + step) % PRIME
            root = packed.square_root(packed.pack(_element(moved)))
            if root is not None:
                for i, value in enumerate(packed.unpack(packed.canonical(root))):
                    draft.column(f"key y {i}")[0] = value
                return draft.ground
        return None

    return forge


for _coefficient in range(DEGREE):
    accepted_without(
        KEYS, f"the key is on the curve, coefficient {_coefficient}", "a key that is no point of the curve"
    )(_off_the_curve(_coefficient))


def _rows_of(ground: Ground, blocks: int) -> list[int] | None:
    """The rows of the first call of so many blocks."""
    first, live = (ground.trace[ground.table.main_names.index(name)] for name in ("is first", "is live"))
    starts = np.flatnonzero(first * live).tolist()
    for start in starts:
        rows = [start + k for k in range(blocks)]
        if live[rows].all() and not first[rows[1:]].any() and first[(rows[-1] + 1) % len(first)]:
            return rows
    return None


@accepted_without(POSEIDON, "every call has the next number", "two calls under one number")
def _same_number(ground: Ground) -> Ground | None:
    draft, rows = Draft(ground), _rows_of(ground, 1)
    if rows is not None:
        draft.column("call")[rows[0] :] -= 1
    return draft.ground if rows else None


@accepted_without(POSEIDON, "the first block is block zero", "a call that nobody has to begin")
def _begun_at_one(ground: Ground) -> Ground | None:
    draft, rows = Draft(ground), _rows_of(ground, 3)
    if rows is not None:
        draft.column("block")[rows] += 1
    return draft.ground if rows else None


@accepted_without(
    POSEIDON, "the table begins with a call", "a call that ends nowhere, and one with any capacity"
)
def _begun_by_the_last(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    draft.column("is first")[0] = 0
    return draft.ground if ground.trace[ground.table.main_names.index("is live"), -1] else None


def _changed_at_the_end(name: str) -> Forge:
    def forge(ground: Ground) -> Ground | None:
        draft, rows = Draft(ground), _rows_of(ground, 3)
        if rows is not None:
            draft.column(name)[rows[-1]] += 1
        return draft.ground if rows else None

    return forge


for _name in ("owner", "kind", "length", "label"):
    accepted_without(POSEIDON, f"a call keeps its {_name}", f"a digest under another {_name}")(
        _changed_at_the_end(_name)
    )
accepted_without(POSEIDON, "blocks are numbered", "a call with one of its blocks left out")(
    _changed_at_the_end("block")
)


def _element(coefficients: list[int]) -> Element:
    a, b, c, d, e, f, g = coefficients
    return a, b, c, d, e, f, g
