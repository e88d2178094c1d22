"""In how many directions the cells of some rows can move together while no rule and no message that counts moves."""

from __future__ import annotations

import numpy as np

from prover.field.koalabear import PRIME
from tests.adversarial.deletion_sites import Site
from tests.adversarial.field_lines import Numbers


def freedom(of: Site, without: str = "") -> int:
    """The directions that are left, when rules of one name are taken away."""
    names = [one.name for one in of.ground.table.constraints]
    kept = [kind != "constraint" or not without or without not in names[index] for kind, index in of.owners]
    lines = of.slope[np.array(kept)]
    lines = lines[lines.any(axis=1)]
    # A rule reads two neighbouring rows at most: in the order of the cells nearly all entries stay zero.
    return len(of.cells) - _rank(lines[np.argsort((lines != 0).argmax(axis=1), kind="stable")])


def _rank(lines: Numbers) -> int:
    """How many lines are independent, by forward elimination, which leaves what stands above a pivot as it is."""
    used = 0
    for column in range(lines.shape[1]):
        found = used + np.flatnonzero(lines[used:, column])
        if not len(found):
            continue
        lines[[used, found[0]]] = lines[[found[0], used]]
        lines[used] = lines[used] * pow(int(lines[used, column]), -1, PRIME) % PRIME
        below = used + 1 + np.flatnonzero(lines[used + 1 :, column])
        lines[below] = (lines[below] - lines[below, column, None] * lines[used]) % PRIME
        used += 1
    return used
