"""A batch of every kind is proved and verified, to the root that the rules reach."""

from __future__ import annotations

import pytest

from circuits.machine import prove_batch, verify_batch
from rollup.state_tree import StateTree
from tests.circuits.story import chapters


@pytest.mark.parametrize("which", range(3))
def test_what_the_rules_accept_is_proved(which: int) -> None:
    told = chapters()[which]
    proved = prove_batch(told.before, told.batch, told.tree, told.outcome)
    after = StateTree.of_state(told.outcome.state, told.tree.hasher)
    assert proved.statement.old_root == told.tree.root
    assert proved.statement.new_root == after.root
    assert verify_batch(proved.statement, proved.content).minimum >= 100
