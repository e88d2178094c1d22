"""Forged traces of registrations and of listings, for rules that no small change of an honest row breaks alone.

Registered beside the others (`deletion_lies`), and checked as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from circuits.gadgets.byte_limbs import Bytes, byte_product_of
from circuits.gadgets.carries import Carries
from circuits.group_listings import NAME as GROUP_LISTINGS
from circuits.registrations import NAME as REGISTRATIONS
from circuits.registrations import REASONS
from prover.curve import formulas
from prover.curve.formulas import DEGREE, Element
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import PRIME
from rollup.schnorr import PROVEN_SUITES
from rollup.units import MICRO
from tests.adversarial.deletion_lies import Forge, accepted_without, set_and_repaired
from tests.adversarial.deletions import Ground

(PROVEN,) = PROVEN_SUITES
ANOTHER_SUITE: Final = PROVEN + 5
LIMB: Final = 1 << 16
TOP: Final = PRIME >> 16
"""The upper limb of the prime."""
STEPS: Final = 12
"""Newton's: what is left of a key, and what follows from conditions one after the other."""
NOT_OWNED, NOT_CANONICAL, UNPROVEN, OFF_CURVE = (f"because {reason}" for reason in REASONS)
FOLLOWING: Final = ("residual", "suite difference", "top ")
"""Cells of a registration that its key determines."""


def _cells(ground: Ground, row: int) -> dict[str, int]:
    return {name: int(ground.trace[column, row]) for column, name in enumerate(ground.table.main_names)}


def _rows(ground: Ground, values: Mapping[str, int]) -> list[int]:
    """The rows with these values."""
    lines = [ground.trace[ground.table.main_names.index(name)] == value for name, value in values.items()]
    return [int(row) for row in np.flatnonzero(np.logical_and.reduce(lines))]


# ------------------------------------------------------------------------------------------------------- registrations


def _without_effect(ground: Ground) -> list[int]:
    """Registrations of somebody else's account."""
    return _rows(ground, {"is live": 1, NOT_OWNED: 1})


def _coordinate(cells: Mapping[str, int], start: int) -> Element:
    """A coordinate of the key, as an element of the curve's field."""
    a, b, c, d, e, f, g = (
        cells[f"low {i}"] + LIMB * cells[f"high {i}"] for i in range(start, start + DEGREE)
    )
    return a, b, c, d, e, f, g


def _minus_one(reason: str) -> Forge:
    """A reason that holds minus one time beside two others that hold: of a key that deserves all of them."""

    def forge(ground: Ground) -> Ground | None:
        for row in _without_effect(ground):
            named = dict.fromkeys((NOT_OWNED, NOT_CANONICAL, UNPROVEN, OFF_CURVE), 1)
            # Three of the four, of which one is taken off.
            del named[UNPROVEN if reason == OFF_CURVE else OFF_CURVE]
            values = named | {reason: -1, "is element 0": 1, "is beyond the top": 1, "high 0": TOP + 9}
            values |= {"suite": ANOTHER_SUITE}
            cells = _cells(ground, row) | values
            x, y = (_coordinate(cells, start) for start in (0, DEGREE))
            left = [one % PRIME for one in formulas.curve_residual(x, y)]
            (place,) = [i for i, one in enumerate(left) if one][:1]
            values |= {f"residual {i}": one for i, one in enumerate(left)}
            values |= {f"residual weight {i}": 0 for i in range(DEGREE)}
            values |= {f"residual weight {place}": pow(left[place], -1, PRIME)}
            return set_and_repaired(ground, f"either or not: {reason[8:]}", row, values, FOLLOWING, STEPS)
        return None

    return forge


for _reason in (NOT_OWNED, UNPROVEN, OFF_CURVE):
    accepted_without(
        REGISTRATIONS, f"either or not: {_reason[8:]}", "a registration refused for two reasons less one"
    )(_minus_one(_reason))


@accepted_without(
    REGISTRATIONS,
    "the receive number 0 on bus item cursor happens once or not at all",
    "a registration that stands in the queue twice, refused for two reasons",
)
def _twice_in_the_queue(ground: Ground) -> Ground | None:
    rule = "the receive number 0 on bus item cursor happens once or not at all"
    for row in _rows(ground, {"is live": 1, "account is read": 0, NOT_OWNED: 1}):
        cells = _cells(ground, row)
        # What is subtracted from the time is subtracted from twice the time.
        age = sum(cells[f"age limb {i}"] << 16 * i for i in range(3))
        then = sum(cells[f"queued at {i}"] << 16 * i for i in range(3))
        now, twice = age + then, 2 * (age + then) - then
        limbs = {f"age limb {i}": twice >> 16 * i & LIMB - 1 for i in range(3)}
        terms = np.array(
            [
                [2 * (now >> 16 * i & LIMB - 1) - (then >> 16 * i & LIMB - 1) - limbs[f"age limb {i}"]]
                for i in range(3)
            ]
        )
        carries = Carries.fill(terms)[:, 0].tolist()
        names = (f"an item is not younger than the batch carry {i + 1}" for i in range(2))
        values = {"is live": 2, UNPROVEN: 1, "suite": ANOTHER_SUITE} | limbs
        values |= dict(zip(names, carries, strict=True))
        found = set_and_repaired(ground, rule, row, values, FOLLOWING, STEPS)
        if found is not None:
            return found
    return None


@accepted_without(REGISTRATIONS, "on the prime's upper limb", "a key refused as not canonical that is")
def _canonical_and_refused(ground: Ground) -> Ground | None:
    for row in _without_effect(ground):
        cells = _cells(ground, row)
        if cells["low 0"] and cells["high 0"] < TOP:
            values = {NOT_OWNED: 0, NOT_CANONICAL: 1, "is element 0": 1, "is on the top": 1}
            return set_and_repaired(ground, "on the prime's upper limb", row, values, FOLLOWING)
    return None


HIGH_SEND: Final = 59
"""The place of the first element's upper limb among the messages of a registration."""

LOW_OF_THE_NAMED: Final = "send 75 on sixteen bits: " + ", ".join(
    f"is element {i}, low {i}" for i in range(POINT_ELEMENTS)
)


def _spelled_with_the_prime(element: int) -> Forge:
    """The same element of the field in other words: the key is on the curve, and its row among the keys is found."""

    def forge(ground: Ground) -> Ground | None:
        for row in _rows(ground, {"is set": 1}):
            cells = _cells(ground, row)
            spelled = PRIME + cells[f"low {element}"] + LIMB * cells[f"high {element}"]
            values = {f"low {element}": spelled % LIMB, f"high {element}": spelled // LIMB}
            return set_and_repaired(ground, None, row, values, ("top ",))
        return None

    return forge


for _element in range(POINT_ELEMENTS):
    accepted_without(
        REGISTRATIONS,
        f"send {HIGH_SEND + _element} on sixteen bits: high {_element}",
        "a key that is set with the prime added to an element",
    )(_spelled_with_the_prime(_element))


@accepted_without(REGISTRATIONS, LOW_OF_THE_NAMED, "a key refused for an element that is the prime less one")
def _less_than_the_prime(ground: Ground) -> Ground | None:
    for row in _rows(ground, {"is live": 1, NOT_CANONICAL: 1, "is on the top": 1}):
        cells = _cells(ground, row)
        (element,) = (i for i in range(POINT_ELEMENTS) if cells[f"is element {i}"])
        return set_and_repaired(ground, None, row, {f"low {element}": 0}, FOLLOWING, STEPS)
    return None


# ------------------------------------------------------------------------------------------------------------ listings

FACTORS: Final = 4
QUOTIENT_BYTES: Final = 6
PRODUCT, PAYOFF = "the tick value is the quotient", "the cap pays its value"
CONCLUSIONS: Final = (
    "payoff beyond 32 bits",
    "rest is",
    "rest inverse",
    "tick value is",
    "tick value inverse",
)
CONCLUSIONS_OF_ALL: Final = (*CONCLUSIONS, "a group is listed")
SCALE: Final = 1 << 12
"""The upper limb of a rest is looked up this many times, too."""


def _divided(ground: Ground, row: int, quotient: int, rest: tuple[int, int], below: int) -> Ground | None:
    """A listing's row with another quotient and rest, and what is left to a million; carries as they come."""
    cells = _cells(ground, row)

    def bytes_of(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.array([[cells[f"{name} byte {i}"]] for i in range(FACTORS)], np.int64)

    digits = Bytes.fill(np.array([quotient], np.int64), QUOTIENT_BYTES).astype(np.int64)
    million = Bytes.fill(np.array([MICRO], np.int64), FACTORS).astype(np.int64)
    terms = -byte_product_of(digits, million)
    terms[:FACTORS] += byte_product_of(bytes_of("tick"), bytes_of("lot"))
    terms[:2, 0] -= rest
    payoff = byte_product_of(bytes_of("cap"), digits)
    cap = sum(int(one) << 8 * i for i, one in enumerate(bytes_of("cap")[:, 0]))
    at_cap = [cap * quotient >> 16 * i & LIMB - 1 for i in range(len(payoff))]
    values = {f"tick value byte {i}": int(digit) for i, digit in enumerate(digits[:, 0])}
    values |= {"rest limb 0": rest[0], "rest limb 1": rest[1]}
    values |= {"rest's spare limb 0": below % LIMB, "rest's spare limb 1": below // LIMB}
    values |= {f"payoff at the cap limb {i}": limb for i, limb in enumerate(at_cap)}
    values |= _carried(PRODUCT, terms[:, 0].tolist())
    values |= _carried(PAYOFF, [int(term) - limb for term, limb in zip(payoff[:, 0], at_cap, strict=True)])
    return set_and_repaired(ground, None, row, values, CONCLUSIONS_OF_ALL, STEPS)


def _carried(name: str, terms: list[int]) -> dict[str, int]:
    """Carries from below, each the smallest one that the field lets be."""
    carry, found = 0, {}
    for place, term in enumerate(terms[:-1], start=1):
        total = (term + carry) % PRIME
        total -= PRIME * (total > PRIME // 2)
        # Where 2^16 does not divide it as it is, it divides it with the prime added, some times.
        while total % LIMB:
            total += PRIME
        carry = total // LIMB
        found[f"{name} carry {place}"] = carry
    return found


def _wrong_by(ground: Ground, excess: int) -> Ground | None:
    """Some listing whose product is the quotient's, and the rest, and a number that should not be there."""
    for row in _rows(ground, {"is live": 1}):
        cells = _cells(ground, row)
        tick, lot = (
            sum(cells[f"{name} byte {i}"] << 8 * i for i in range(FACTORS)) for name in ("tick", "lot")
        )
        quotient, rest = divmod(tick * lot - excess, MICRO)
        if 0 <= quotient < 1 << 8 * QUOTIENT_BYTES and tick * lot:
            return _divided(ground, row, quotient, (rest % LIMB, rest // LIMB), MICRO - 1 - rest)
    return None


for _place, _send in ((2, 45), (3, 46)):
    accepted_without(
        GROUP_LISTINGS,
        f"send {_send} on fourteen bits: {PRODUCT} carry {_place}",
        f"a tick value that is wrong by the prime times 2^{16 * (_place - 1)}",
    )(partial(_wrong_by, excess=-PRIME << 16 * (_place - 1)))


@accepted_without(
    GROUP_LISTINGS,
    "send 42 on sixteen bits: rest limb 1",
    "a rest that is the prime and what looks like a rest",
)
def _rest_with_the_prime(ground: Ground) -> Ground | None:
    for row in _rows(ground, {"is live": 1}):
        cells = _cells(ground, row)
        tick, lot = (
            sum(cells[f"{name} byte {i}"] << 8 * i for i in range(FACTORS)) for name in ("tick", "lot")
        )
        if tick * lot >= PRIME:
            quotient, rest = divmod(tick * lot - PRIME, MICRO)
            spelled = PRIME + rest
            return _divided(ground, row, quotient, (spelled % LIMB, spelled // LIMB), MICRO - 1 - rest)
    return None


@accepted_without(
    GROUP_LISTINGS, "send 39 on sixteen bits: rest limb 1", "a rest whose upper limb is a fraction of 2^12"
)
def _rest_in_fractions(ground: Ground) -> Ground | None:
    # 2^12 times this is sixteen, as an element; as an integer it is far below zero, and the quotient far too large.
    fraction = 16 * pow(SCALE, -1, PRIME) % PRIME - PRIME
    for row in _rows(ground, {"is live": 1}):
        cells = _cells(ground, row)
        tick, lot = (
            sum(cells[f"{name} byte {i}"] << 8 * i for i in range(FACTORS)) for name in ("tick", "lot")
        )
        quotient, rest = divmod(tick * lot - LIMB * fraction, MICRO)
        below = MICRO - 1 - rest - LIMB * fraction % PRIME
        if tick * lot and below >= 0:
            return _divided(ground, row, quotient, (rest % LIMB, rest // LIMB + fraction), below)
    return None
