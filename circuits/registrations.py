"""Registrations: the owner sets the account's trading key and may raise its floor of order numbers.

    body      account (2) | owner (10) | floor (2) | suite | x (7 x 2) | y (7 x 2)
    effect    the account has the key, and the higher of the two floors, if the account is the owner's and the suite
              accepts the key

A key that is refused is shown to deserve it: exactly one reason is named, and proved.
Twin: `rollup.transactions.register_key`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_access import (
    OWNER_LIMBS,
    AccountAccess,
    Content,
    Ownership,
    fill_access,
    fill_ownership,
)
from circuits.buses import ACCOUNT_STEP, IDENTITIES, KEYS, OWN_MULTIPLE, SIXTEEN_BITS
from circuits.gadgets.comparison import LessThan
from circuits.gadgets.limbs import Limbs
from circuits.gadgets.zero import IsZero, inverses
from circuits.named_columns import Columns, lay_out, less_columns, numbered, zero_columns
from circuits.queue_item import Places, constrain_item, high_first, words_of_limbs
from circuits.septic import septic_of
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, lift
from prover.curve import formulas
from prover.curve.formulas import DEGREE
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import PRIME, Montgomery
from rollup.schnorr import PROVEN_SUITES
from rollup.transactions import TAGS, RegisterKey

NAME: Final = "registrations"

REASONS: Final = (
    "it is not the owner's account",
    "an element is not canonical",
    "the suite is not the proven one",
    "the key is off the curve",
)
"""Why a registration has no effect."""

_TOP: Final = PRIME >> 16
"""The upper limb of the prime, whose lower limb is one: canonical is an upper limb below it, or the prime less one."""


def constrain(air: AirBuilder) -> None:
    """State what every registration did.

    Assumes: a key that the table of keys has is on the curve.
    Soundness: a key that is no point, registered, could sign by equations that mean nothing; one that is a point,
    refused, would leave its owner under an old key that may be stolen.
    """
    number = air.columns("account 0", "account 1")
    owner = [air.column(f"owner {i}") for i in range(OWNER_LIMBS)]
    floor, suite = air.columns("new floor 0", "new floor 1"), air.column("suite")
    lows = [air.column(f"low {i}") for i in range(POINT_ELEMENTS)]
    highs = [air.column(f"high {i}") for i in range(POINT_ELEMENTS)]
    coordinates = [limb for pair in zip(highs, lows, strict=True) for limb in pair]
    body = [*high_first(number), *high_first(owner), *high_first(floor), suite, *coordinates]
    item = constrain_item(air, TAGS[RegisterKey], body)
    access = AccountAccess.constrain(air, item.clock + ACCOUNT_STEP, number, item.is_live)
    is_owned = Ownership.constrain(air, access, owner).is_owned
    is_set = air.column("is set")
    reasons = [air.column(f"because {reason}") for reason in REASONS]
    for name, flag in zip(("a key is set", *REASONS), (is_set, *reasons), strict=True):
        air.assert_boolean(f"either or not: {name}", flag)
    air.assert_equal(
        "a key is set or there is one reason why not", is_set + sum(reasons, lift(0)), item.is_live
    )
    not_owned, not_canonical, no_suite, off_curve = reasons
    key = [low + high * (1 << 16) for low, high in zip(lows, highs, strict=True)]

    # What holds of a key that is set.
    air.assert_zero("a key is set by the owner", is_set * (1 - is_owned))
    (proven,) = PROVEN_SUITES
    is_proven = IsZero.constrain(air, "suite difference", suite - item.is_live * proven)
    air.assert_zero("a key is set under the proven suite", is_set * is_proven.is_something)
    for i, (low, high) in enumerate(zip(lows, highs, strict=True)):
        air.send(SIXTEEN_BITS, [_TOP - high], when=is_set)
        top = IsZero.constrain(air, f"top {i}", high - _TOP * item.is_live)
        air.assert_zero(f"a key that is set is canonical, element {i}", is_set * top.is_zero * low)
    key_number = air.column("key number")
    air.send(KEYS, [key_number, OWN_MULTIPLE, *key], when=is_set)

    # What holds of one that is not.
    air.assert_zero("refused as another's", not_owned * is_owned)
    air.assert_zero("refused for its suite", no_suite * is_proven.is_zero)
    _constrain_not_canonical(air, not_canonical, lows, highs)
    residual = formulas.curve_residual(septic_of(key[:DEGREE]), septic_of(key[DEGREE:]))
    total = lift(0)
    for i, coefficient in enumerate(residual):
        column, weight = air.column(f"residual {i}"), air.column(f"residual weight {i}")
        air.assert_equal(f"the curve's equation leaves this, coefficient {i}", column, coefficient)
        total = total + column * weight
    air.assert_zero("refused for not meeting the curve's equation", off_curve * (total - 1))

    # Effects.
    is_higher = LessThan.constrain(
        air, "the old floor", Limbs(access.floor), Limbs(floor), access.is_made
    ).is_less
    is_raised = air.column("is raised")
    air.assert_equal("a higher floor comes with the key", is_raised, is_higher * is_set)
    identity = air.column("identity after")
    air.assert_zero("without a new key the identity stays", (1 - is_set) * (identity - access.identity))
    air.send(IDENTITIES, [identity, access.account, *owner, suite, *key], when=is_set)
    after = [old + is_raised * (new - old) for old, new in zip(access.floor, floor, strict=True)]
    access.write(air, identity, after, access.cash)


def _constrain_not_canonical(
    air: AirBuilder, when: Expression, lows: Sequence[Expression], highs: Sequence[Expression]
) -> None:
    """State that one element is the prime or more: beyond its upper limb, or on it with one or more below."""
    chosen = [air.column(f"is element {i}") for i in range(POINT_ELEMENTS)]
    for i, flag in enumerate(chosen):
        air.assert_boolean(f"element {i} is named or not", flag)
    air.assert_equal("one element is named", sum(chosen, lift(0)), when)
    is_beyond = air.column("is beyond the top")
    air.assert_boolean("the upper limb is beyond the prime's or on it", is_beyond)
    is_on = air.column("is on the top")
    air.assert_equal("on the prime's upper limb or beyond it", is_on + is_beyond, when)
    air.assert_boolean("the upper limb is the prime's or not", is_on)
    low = sum((flag * limb for flag, limb in zip(chosen, lows, strict=True)), lift(0))
    high = sum((flag * limb for flag, limb in zip(chosen, highs, strict=True)), lift(0))
    air.send(SIXTEEN_BITS, [high - _TOP - 1], when=is_beyond)
    air.assert_zero("on the prime's upper limb", is_on * (high - _TOP))
    air.send(SIXTEEN_BITS, [low - 1], when=is_on)


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a registration."""

    places: Places
    items: Sequence[RegisterKey]
    contents: Sequence[Content]
    """The account before."""
    is_set: NDArray[np.int64]
    identities_after: NDArray[np.int64]
    key_numbers: NDArray[np.int64]
    """The key's number in the table of keys, where it is set."""


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    items = rows.items
    accounts = np.array([item.account for item in items], np.int64)
    read, is_made, exists = fill_access(accounts, rows.places.clocks + ACCOUNT_STEP, rows.contents)
    ownership, is_owned = fill_ownership(exists, [item.owner for item in items], rows.contents)
    old = [content.floor * int(made) for content, made in zip(rows.contents, is_made, strict=True)]
    comparison, is_higher = less_columns("the old floor", old, [item.order_floor for item in items], 2)
    elements = (
        np.array([[*item.x, *item.y] for item in items], np.int64).reshape(len(items), POINT_ELEMENTS).T
    )
    suites = np.array([item.suite for item in items], np.int64)
    (proven,) = PROVEN_SUITES
    suite_columns, is_other = zero_columns("suite difference", suites - proven)
    columns: Columns = {
        **rows.places.columns(),
        **numbered("account", words_of_limbs(2, accounts.tolist())),
        **numbered("owner", words_of_limbs(OWNER_LIMBS, [item.owner for item in items])),
        **numbered("new floor", words_of_limbs(2, [item.order_floor for item in items])),
        "suite": suites,
        **numbered("low", elements & 0xFFFF),
        **numbered("high", elements >> 16),
        **read,
        **ownership,
        **comparison,
        **suite_columns,
        "is set": rows.is_set,
        "is raised": is_higher * rows.is_set,
        "identity after": rows.identities_after,
        "key number": rows.key_numbers,
    }
    for i, high in enumerate(elements >> 16):
        columns |= zero_columns(f"top {i}", high - _TOP)[0]
    columns |= _reason_columns(items, elements, rows.is_set, is_owned, is_other)
    height = 1 << log_height
    residuals = np.array([_residual(row) for row in elements.T.tolist()], np.int64).reshape(
        len(items), DEGREE
    )
    spare = np.tile(np.array(_residual([0] * POINT_ELEMENTS), np.int64), (height - len(items), 1))
    return lay_out(
        constrain, {**columns, **numbered("residual", np.concatenate([residuals, spare]).T)}, log_height
    )


def _residual(elements: Sequence[int]) -> list[int]:
    """What the curve's equation leaves."""
    a, b, c, d, e, f, g, h, i, j, k, l, m, n = elements
    return [value % PRIME for value in formulas.curve_residual((a, b, c, d, e, f, g), (h, i, j, k, l, m, n))]


def _reason_columns(
    items: Sequence[RegisterKey],
    elements: NDArray[np.int64],
    is_set: NDArray[np.int64],
    is_owned: NDArray[np.int64],
    is_other: NDArray[np.int64],
) -> Columns:
    """Name the first reason that holds of each registration without effect, and what shows it."""
    count = len(items)
    columns: Columns = {f"because {reason}": np.zeros(count, np.int64) for reason in REASONS}
    columns |= {f"is element {i}": np.zeros(count, np.int64) for i in range(POINT_ELEMENTS)}
    columns |= {f"residual weight {i}": np.zeros(count, np.int64) for i in range(DEGREE)}
    columns |= {name: np.zeros(count, np.int64) for name in ("is beyond the top", "is on the top")}
    for row in range(count):
        if is_set[row]:
            continue
        key = elements[:, row].tolist()
        residual = _residual(key)
        if not is_owned[row]:
            reason = 0
        elif any(element >= PRIME for element in key):
            reason = 1
            place = next(i for i, element in enumerate(key) if element >= PRIME)
            columns[f"is element {place}"][row] = 1
            columns["is beyond the top" if key[place] >> 16 > _TOP else "is on the top"][row] = 1
        elif is_other[row]:
            reason = 2
        else:
            reason = 3
            place = next((i for i, value in enumerate(residual) if value), 0)
            columns[f"residual weight {place}"][row] = int(inverses(np.array([residual[place]]))[0])
        columns[f"because {REASONS[reason]}"][row] = 1
    return columns
