"""Limbs that lend to each other: what a look-up alone keeps small, found as a short vector of a lattice.

Where nothing moves freely, some look-up may still be all that keeps a sum of limbs from passing for another one.
The moves of all looked-up values that the equations allow are a lattice: a subspace of the field, and the prime.
One vector of it, near the middle of all ranges, is a move within them; the value whose look-up is gone leaves its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from prover.field.koalabear import PRIME
from tests.adversarial.deletion_sites import Site
from tests.adversarial.deletions import Rule
from tests.adversarial.field_lines import Numbers, matrix_product, null_space, reduce_rows, row_basis

WIDEST: Final = 1 << 16
SIZES: Final = (4, 8, 14, 20)
"""How many looked-up values may move: those nearest to the one whose look-up is gone."""
VARIANTS: Final = 6
"""How many choices of factors that stay still are tried."""
STRETCH: Final = 6
STEPS: Final = 1024
REPAIRED: Final = 6
LOVASZ: Final = 0.99


@dataclass(frozen=True, slots=True)
class Ranges:
    """Looked-up values: their bounds, what they are, and how the one without a look-up may leave its own."""

    limits: Numbers
    honest: Numbers
    own_steps: Numbers


def lent(site: Site, rule: Rule) -> Numbers | None:
    """Another content of a site's cells that breaks a range look-up, or a constraint, alone; messages may move."""
    is_asked = site.is_range & (site.base[site.count_of] != 0)
    own = np.flatnonzero(rule.own & (is_asked | site.is_constraint))
    if not own.size:
        return None
    others = np.flatnonzero(is_asked & ~rule.own)
    # A flag is a value below two, and its own rule, which is no line, is left out.
    flags, is_of_flag = site.flag_rules
    constraints = site.is_constraint & ~is_of_flag & ~rule.own
    bounded = np.concatenate([site.slope[others], np.eye(len(site.cells), dtype=np.int64)[flags]])
    limits = np.concatenate([site.limit_of[others], np.full(len(flags), 2, np.int64)])
    now = np.concatenate([site.base[others], site.honest[flags]])
    near = _by_nearness(site.slope[constraints], site.slope[own], bounded)
    for still in _still_factors(site):
        fixed = np.eye(len(site.cells), dtype=np.int64)[still]
        rules = row_basis(np.concatenate([site.slope[constraints], fixed]))
        for size in SIZES:
            may_move, stay = near[:size], bounded[near[size:]]
            null = null_space(row_basis(np.concatenate([rules, stay])), len(site.cells))
            if not len(null) or not matrix_product(null, site.slope[own].T).any():
                continue
            steps = [
                step
                for value in own
                for step in _moves_within(
                    null,
                    bounded[may_move],
                    site.slope[value],
                    Ranges(limits[may_move], now[may_move], _steps_out(site, int(value))),
                )
            ]
            if not steps:
                continue
            lanes = (site.honest[:, None] + np.stack(steps, axis=1)) % PRIME
            wrong = site.broken(site.values(lanes)) & ~(site.is_message | site.is_count)[:, None]
            alone = wrong[rule.own].any(axis=0) & ~wrong[~rule.own].any(axis=0)
            if alone.any():
                answer: Numbers = lanes[:, int(np.flatnonzero(alone)[0])]
                return answer
            repaired = _repaired(site, rule, lanes, wrong)
            if repaired is not None:
                return repaired
            if size >= len(bounded):
                break
    return None


def _still_factors(site: Site) -> list[list[int]]:
    """Which factors of products stay still, so that all others move along lines: by several choices.

    Cells that nothing looks up are set anew afterwards, so products with them do not count.
    """
    seen = (site.slope[site.is_range] != 0).any(axis=0)
    seen[site.flag_rules[0]] = True
    factors, multiplied = site.products
    places = [place for place, cell in enumerate(factors) if seen[cell]]
    random = Random(3)
    choices: list[list[int]] = []
    for _ in range(VARIANTS):
        random.shuffle(places)
        moving: list[int] = []
        for place in places:
            if not multiplied[place, [place, *moving]].any():
                moving.append(place)
        still = sorted({int(factors[place]) for place in places} - {int(factors[place]) for place in moving})
        if still not in choices:
            choices.append(still)
    return choices


def _steps_out(site: Site, value: int) -> Numbers:
    """How a value may leave its range: by little, by powers of two and what they are modulo the prime, by chance."""
    # A constraint is a value that has to be zero.
    limit, now = max(1, int(site.limit_of[value])), int(site.base[value])
    random = Random(7)
    by = [*range(STEPS), *(times << bits for bits in (8, 14, 16) for times in range(1, 300))]
    by += [127 * times << 8 for times in range(1, 300)] + [random.randrange(PRIME) for _ in range(STEPS)]
    steps = np.array(by, np.int64)
    both = np.concatenate([steps, -steps, limit - now + steps, -now - 1 - steps])
    out = np.unique(both[(now + both) % PRIME >= limit])
    answer: Numbers = out[np.argsort(np.abs(out), kind="stable")]
    return answer


def _repaired(site: Site, rule: Rule, lanes: Numbers, wrong: NDArray[np.bool_]) -> Numbers | None:
    """One of the moves, with cells that nothing looks up set anew: inverses of what has moved."""
    is_hopeful = wrong[rule.own].any(axis=0) & ~wrong[site.is_range & ~rule.own].any(axis=0)
    hopeful = sorted(np.flatnonzero(is_hopeful), key=lambda lane: int(wrong[:, lane].sum()))
    unseen = np.flatnonzero(~(site.slope[site.is_range] != 0).any(axis=0))
    for lane in hopeful[:REPAIRED]:
        at = site.repaired(lanes[:, lane], unseen)
        if at is None:
            continue
        now = site.broken(site.values(at[:, None]))[:, 0] & ~(site.is_message | site.is_count)
        if now[rule.own].any() and not now[~rule.own].any():
            return at
    return None


def _by_nearness(constraints: Numbers, own: Numbers, others: Numbers) -> Numbers:
    """The order of looked-up values by how many equations lie between them and one of them."""
    reached = (own != 0).any(axis=0)
    distance = np.full(len(others), len(constraints) + 1)
    reads = constraints != 0
    for step in range(len(constraints) + 1):
        here = ((others != 0) & reached).any(axis=1)
        distance[here & (distance > step)] = step
        grown = reached | reads[(reads & reached).any(axis=1)].any(axis=0)
        grown |= (others[here] != 0).any(axis=0)
        if (grown == reached).all():
            break
        reached = grown
    return np.argsort(distance, kind="stable")


def _moves_within(null: Numbers, values: Numbers, own: Numbers, ranges: Ranges) -> Iterator[Numbers]:
    """Moves of all cells by which one value leaves its range and the looked-up ones stay within theirs."""
    count = len(values)
    together = np.concatenate([matrix_product(null, np.concatenate([values, own[None, :]]).T), null], axis=1)
    reduced, pivots = reduce_rows(together)
    pivots = [one for one in pivots if one <= count]
    rank = len(pivots)
    lines, cells = reduced[:rank, : count + 1], reduced[:rank, count + 1 :]
    if pivots and pivots[-1] == count:
        # It moves while all of them stand still.
        yield from (cells[-1] * int(step) % PRIME for step in ranges.own_steps[:STRETCH])
        return
    moved = np.flatnonzero(lines[:, count])
    if not moved.size:
        return
    # One line moves the value by one; all others are freed of it, and are those in which it stands still.
    mover = int(moved[-1])
    unit = lines[mover] * pow(int(lines[mover, count]), -1, PRIME) % PRIME
    others = np.delete(lines, mover, axis=0)
    still, places = reduce_rows((others - others[:, count:] * unit) % PRIME)
    basis = _basis_of(still, np.array(places, np.int64), count)
    weights = WIDEST // ranges.limits
    steps = ranges.own_steps
    starts = unit[:count] * (steps[:, None] % PRIME) % PRIME
    middle = (ranges.limits - 1) // 2 - ranges.honest
    near = nearest(shortened(basis * weights), (starts - middle) * weights) // weights + middle
    held = ranges.honest + near
    fits = np.flatnonzero(((held >= 0) & (held < ranges.limits)).all(axis=1))
    found = np.concatenate([near[fits] % PRIME, steps[fits, None] % PRIME], axis=1)[: WIDEST >> 10]
    yield from matrix_product(found[:, pivots], cells)
    # The value may also leave its range by what no list of steps has: vectors that are short as they are.
    short = shortened(_basis_of(lines, np.array(pivots), count) * weights)
    small = short[np.argsort(np.abs(short).max(axis=1), kind="stable")][: 2 * STRETCH] // weights
    sums = [small[i] + sign * small[j] for i in range(len(small)) for j in range(i) for sign in (1, -1)]
    moves = np.array([*small, *sums], np.int64)
    yield from matrix_product(np.concatenate([moves, -moves])[:, pivots] % PRIME, cells)


def _basis_of(lines: Numbers, pivots: Numbers, count: int) -> Numbers:
    """The lattice of what reduced lines span, and the prime."""
    free = np.setdiff1d(np.arange(count), pivots)
    basis = np.zeros((count, count), np.int64)
    spanned = lines[: len(pivots), :count]
    basis[len(free) :] = np.where(spanned > PRIME // 2, spanned - PRIME, spanned)
    basis[np.arange(len(free)), free] = PRIME
    return basis


def nearest(basis: Numbers, targets: Numbers) -> Numbers:
    """What is left of every target when the nearest vector of a lattice, plane by plane, is taken off: Babai, 1986."""
    upright = np.linalg.qr(basis.T.astype(np.float64))
    left = targets.copy()
    for _ in range(2):
        for one in reversed(range(len(basis))):
            height = left @ upright.Q[:, one] / upright.R[one, one]
            left -= np.rint(height).astype(np.int64)[:, None] * basis[one]
    return left


def shortened(basis: Numbers) -> NDArray[np.int64]:
    """A basis of the same lattice whose vectors are short: Lenstra, Lenstra and Lovász, 1982."""
    lines, at = basis.copy(), 1
    while at < len(lines):
        corner = np.linalg.qr(lines[: at + 1].T.astype(np.float64)).R
        for other in reversed(range(at)):
            times = round(float(corner[other, at] / corner[other, other]))
            if times:
                lines[at] -= times * lines[other]
                corner[: other + 1, at] -= times * corner[: other + 1, other]
        slant = corner[at - 1, at] / corner[at - 1, at - 1]
        if corner[at, at] ** 2 >= (LOVASZ - slant**2) * corner[at - 1, at - 1] ** 2:
            at += 1
        else:
            lines[[at - 1, at]] = lines[[at, at - 1]]
            at = max(at - 1, 1)
    return lines
