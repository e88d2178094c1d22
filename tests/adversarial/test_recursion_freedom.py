"""How far a prover of the recursion can move many cells at once, when no message that counts and no rule moves.

Lies about single cells are told elsewhere; here the slopes of everything that reads a row are one linear system, so
cells that move together are seen too.
Whatever it leaves free is counted in advance: cells that nobody reads, and nothing else.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from prover.field.koalabear import decode
from prover.recursion.narrow_poseidon import CUBES, OUTPUT_ROW, ROWS, THREE_ROUND_ROWS, TWO_ROUND_ROW
from prover.recursion.program import VECTOR
from prover.recursion.prove import Form
from prover.recursion.tables import PERMUTATION_PLAN, multiplication_plan
from prover.stark.shape import EXTENSION_DEGREE
from tests.adversarial.deletion_sites import Site
from tests.adversarial.deletions import Ground
from tests.adversarial.freedom import freedom
from tests.adversarial.recursion_lies import Laid, parent_of
from tests.adversarial.test_recursion_hashes import path_claim, path_state

FULL_ROWS = [row for row in range(OUTPUT_ROW) if row not in THREE_ROUND_ROWS and row != TWO_ROUND_ROW]

UNREAD_CUBES = CUBES * len(FULL_ROWS) - 1 + CUBES - 1
"""Of a block: on rows of full rounds, where the first one is the bit, and on the last row, where the bit is zero."""

PACKING, PATH = 0, 2
"""Blocks of the program: one that only packs, and the step of a path, whose sibling is what gives the parent."""


@cache
def laid(form: Form) -> Laid:
    """A node and a sibling, exchanged by a bit, to their parent: every kind of row that verifiers are made of."""
    return Laid.of(path_claim(1, parent_of(path_state(1))), form)


@cache
def site(form: Form, table: int, row: int, rows: int = 1) -> Site:
    """Some rows, with everything that reads them."""
    told = laid(form)
    plan = decode(told.layout.preprocessed()[table]).astype(np.int64)
    circuit = told.circuit.tables[table]
    return Site(Ground(circuit, told.traces[table], told.claim.publics, {}, frozenset(), plan), row, rows)


def test_the_specimen_is_honest() -> None:
    assert not laid(Form.WIDE).wrong()
    assert not laid(Form.TERMINAL).wrong()


def test_no_cell_of_a_wide_permutation_moves() -> None:
    """A row that only packs leaves the right half of what it permutes, which nobody reads, and nothing else."""
    plan = laid(Form.WIDE).layout.plans[1]  # type: ignore[union-attr]  # the wide form has two
    counts = [PERMUTATION_PLAN.index(f"{name} count") for name in ("digest", "rest")]
    blocks = laid(Form.WIDE).layout.hashes
    for row in range(blocks.count):
        packs = row not in blocks.permuted
        assert plan[counts, row].any() != packs
        assert freedom(site(Form.WIDE, 1, row)) == (VECTOR if packs else 0)


def test_no_cell_of_a_wide_multiplication_moves() -> None:
    """Of a lane that the program does not use only the left factor moves, whose right one is zero."""
    plan = laid(Form.WIDE).layout.plans[0]  # type: ignore[union-attr]  # as above
    names = multiplication_plan(len(plan) // len(multiplication_plan(1)))
    lefts = [place for place, name in enumerate(names) if name.startswith("left count")]
    used = int(np.flatnonzero(plan[lefts].any(axis=0)).max())
    for row in (0, used // 2, used, used + 1):
        spare = int((plan[lefts, row] == 0).sum())
        assert freedom(site(Form.WIDE, 0, row)) == EXTENSION_DEGREE * spare
    assert freedom(site(Form.WIDE, 0, used + 1)) == EXTENSION_DEGREE * len(lefts)


@pytest.mark.parametrize(("block", "unread"), [(PACKING, VECTOR), (PATH, 0)])
def test_no_cell_of_a_terminal_block_moves_but_what_nobody_reads(block: int, unread: int) -> None:
    """Sixteen rows of permutation and eight multiplications, all at once."""
    assert (block in laid(Form.TERMINAL).layout.hashes.permuted) == (block == PATH)
    assert freedom(site(Form.TERMINAL, 0, ROWS * block, ROWS)) == UNREAD_CUBES + unread


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        # Element 0 of the left half may then be another one in the digest than in the permutation.
        ("held element 0 is the input's", 1),
        # Where the block ends, the bit's column would mix the digest with the rest.
        ("nothing is exchanged on the last row", 1),
        # The second cube of each of the seven rows with partial rounds.
        ("the second cube is a cube", len(THREE_ROUND_ROWS) + 1),
        ("coordinate 0 of the result", 0),
    ],
)
def test_a_rule_less_is_a_direction_more(rule: str, more: int) -> None:
    """Nothing is bound by chance: where both ends of a product are messages that stand still, its rule is implied."""
    path = site(Form.TERMINAL, 0, ROWS * PATH, ROWS)
    assert freedom(path, rule) == UNREAD_CUBES + more
