"""The graph of expressions: interning, folding, degrees."""

import pytest

from prover.air.expression import (
    Cell,
    CellKind,
    Operation,
    Selector,
    cells_of,
    describe,
    lift,
    read,
    topological_order,
)
from prover.field.koalabear import PRIME

A, B = read(Cell(CellKind.MAIN, 0)), read(Cell(CellKind.MAIN, 1))
CHALLENGE = read(Cell(CellKind.CHALLENGE, 0, 0, 1))


def test_equal_nodes_are_the_same_object() -> None:
    assert (A + B) * A is (A + B) * A
    assert A + B is not B + A
    assert lift(-1) is lift(PRIME - 1)


def test_constants_fold() -> None:
    assert lift(3) + 4 is lift(7)
    assert lift(3) - 4 is lift(PRIME - 1)
    assert lift(PRIME - 1) * (PRIME - 1) is lift(1)
    assert 5 - lift(3) is lift(2)


def test_neutral_and_absorbing_constants_disappear() -> None:
    assert A + 0 is A
    assert 0 + A is A
    assert A - 0 is A
    assert A - A is lift(0)
    assert A * 1 is A
    assert 1 * A is A
    assert A * 0 is lift(0)
    assert 0 * A is lift(0)


def test_a_negated_node_is_zero_minus_it() -> None:
    assert (-A).operation is Operation.SUBTRACT
    assert (-A).sources == (lift(0), A)


def test_degrees_add_in_products_and_challenges_and_the_transition_selector_add_nothing() -> None:
    assert (A * B + A).degree == 2
    assert (CHALLENGE * A - lift(5)).degree == 1
    assert CHALLENGE.degree == 0
    assert read(Cell(CellKind.SELECTOR, Selector.FIRST_ROW)).degree == 1
    assert read(Cell(CellKind.SELECTOR, Selector.TRANSITION)).degree == 0
    assert read(Cell(CellKind.PERIODIC, 0)).degree == 1


def test_a_node_knows_whether_it_is_an_extension_value_or_the_same_on_every_row() -> None:
    assert (CHALLENGE * A).is_extension
    assert not (A * B).is_extension
    assert (CHALLENGE * 3).is_row_constant
    assert not (CHALLENGE * A).is_row_constant


def test_the_next_row_is_a_cell_of_its_own() -> None:
    assert A.next is read(Cell(CellKind.MAIN, 0, 1))
    assert A.next is not A


@pytest.mark.parametrize("node", [A + B, lift(3), CHALLENGE, A.next])
def test_only_columns_at_the_current_row_have_a_next_row(node: object) -> None:
    with pytest.raises(ValueError, match=r"^only a column at the current row has a next row$"):
        node.next  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("kind", [CellKind.SELECTOR, CellKind.PERIODIC])
def test_selectors_and_periodic_columns_have_no_next_row(kind: CellKind) -> None:
    with pytest.raises(
        ValueError, match=r"^selectors and periodic columns are read at the current row only$"
    ):
        read(Cell(kind, 0)).next  # noqa: B018


def test_sources_come_before_their_users_and_each_once() -> None:
    root = (A + B) * (A + B) - A
    order = topological_order([root, A])
    assert order == [A, B, A + B, (A + B) * (A + B), root]
    assert cells_of([root]) == [Cell(CellKind.MAIN, 0), Cell(CellKind.MAIN, 1)]


def test_a_deep_chain_does_not_exhaust_the_stack() -> None:
    node = A
    for _ in range(5000):
        node = node * B + A
    assert len(topological_order([node])) == 10002


def test_texts_name_columns_and_cut_deep_parts() -> None:
    names = {Cell(CellKind.MAIN, 0): "price"}
    assert describe(A.next * (B - 3), names) == "(price.next * (main[1] - 3))"
    assert repr(A + 1) == "(main[0] + 1)"
    assert describe(A + (A + (A + 1)), names, depth=1) == "(price + ...)"
