"""How far many cells of the Poseidon table can move at once: not at all where somebody asked for the permutation."""

from __future__ import annotations

from functools import cache

import numpy as np

from circuits import poseidon
from circuits.compressions import COUNT, NodeCalls
from prover.air.builder import define_table
from prover.field.koalabear import PRIME, decode, encode
from prover.hash.domain import HashKind
from prover.hash.poseidon import DIGEST_LENGTH, RATE, WIDTH
from tests.adversarial.deletion_sites import Site
from tests.adversarial.deletions import Ground
from tests.adversarial.freedom import freedom

BLOCKS, NODE = 3, 3
"""A call of three blocks, and below it a node."""

LOG_HEIGHT = 3

UNSAID = len(("kind", "length", "label"))
"""What a row that is no call's could say of one."""


@cache
def ground() -> Ground:
    """A table of one call, one node and dead rows."""
    generator = np.random.default_rng(20)
    elements = encode(generator.integers(0, PRIME, (BLOCKS * RATE - 3, 1)))
    calls = [poseidon.SpongeCalls(HashKind.STATE_LEAF, 7, np.array([5], np.uint32), elements)]
    nodes = [NodeCalls(np.array([12]), encode(generator.integers(0, PRIME, (WIDTH, 1))))]
    trace, _ = poseidon.fill(calls, LOG_HEIGHT, nodes)
    table = define_table(poseidon.NAME, poseidon.constrain)
    trace[table.main_names.index(COUNT), NODE] = encode(np.array([1]))[0]
    return Ground(table, decode(trace).astype(np.int64), (), {}, frozenset())


def test_no_cell_of_a_call_or_a_node_moves() -> None:
    """All rows of the call at once, and the node that somebody asks for."""
    assert freedom(Site(ground(), 0, BLOCKS)) == 0
    assert freedom(Site(ground(), NODE)) == UNSAID


def test_of_a_row_that_nobody_asks_the_input_moves_and_what_would_be_its_level() -> None:
    assert freedom(Site(ground(), NODE + 1)) == UNSAID + WIDTH + 1


def test_without_its_state_a_call_is_any_call_with_that_digest() -> None:
    """Two capacities of eight elements are free then, and the digest binds eight."""
    assert freedom(Site(ground(), 0, BLOCKS), "a call keeps element") == DIGEST_LENGTH
