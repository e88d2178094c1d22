"""Flattening of linear parts: what becomes an atom and what becomes a weight."""

from collections import Counter

import numpy as np
import pytest

from prover.air.bus import Bus, Direction, Interaction
from prover.air.expression import Cell, CellKind, Expression, lift, read
from prover.air.logup import group_fractions
from prover.air.lowering import Form, Lowering, plus
from prover.air.tape import Sources, Tape
from prover.field.koalabear import PRIME, decode, encode

X, Y, Z, W = (read(Cell(CellKind.MAIN, index)) for index in range(4))
ALPHA, BETA = (read(Cell(CellKind.CHALLENGE, index, 0, 1)) for index in range(2))
SCALARS = Bus("scalars", 1, 2)
PUBLICS = [read(Cell(CellKind.PUBLIC, index)) for index in range(12)]


def lowered(*outputs: Expression) -> tuple[Lowering, list[Form]]:
    lowering = Lowering(outputs)
    return lowering, lowering.outputs


def test_linear_parts_become_one_form_with_merged_weights() -> None:
    _, (form,) = lowered(3 * (X + Y) - 2 * (X - 5))
    assert form == Form({0: 1, 1: 3}, 10)


def test_terms_that_cancel_disappear() -> None:
    _, (form,) = lowered((X + Y) - (X - 4) - Y)
    assert form == Form({}, 4)


def test_a_cancelled_factor_turns_its_product_into_a_multiple() -> None:
    cancelled = (X + Y) - (X - 4) - Y
    lowering, forms = lowered(cancelled * (X + Z), (X + Z) * cancelled, cancelled * cancelled)
    assert forms[0] == forms[1] == Form({0: 4, 2: 4})
    assert forms[2] == Form({}, 16)
    assert all(atom.factors is None for atom in lowering.atoms)


def test_row_constant_factors_move_out_of_products() -> None:
    lowering, (form,) = lowered((ALPHA * X) * (-Y) + (Y * X) * 3)
    products = [number for number, atom in enumerate(lowering.atoms) if atom.factors is not None]
    assert [lowering.atoms[number].factors for number in products] == [(0, 1)]
    assert not lowering.atoms[products[0]].is_extension
    scalar = 1 + list(lowering.scalars.leaves).index(Cell(CellKind.CHALLENGE, 0, 0, 1))
    assert form == Form({products[0]: {0: 3, scalar: PRIME - 1}})


def test_a_factor_with_several_monomials_moves_out_of_its_product_as_one_scalar() -> None:
    lowering, (form,) = lowered((X * (ALPHA + BETA)) * Y)
    assert [atom.factors for atom in lowering.atoms if atom.cell is None] == [(0, 1)]
    ((_, coefficient),) = form.terms.items()
    assert not isinstance(coefficient, int)
    assert len(coefficient) == 1


def test_messages_of_public_values_cost_a_row_nothing() -> None:
    def operations(count: int) -> Counter[str]:
        messages = [
            Interaction(SCALARS, Direction.SEND, (lift(number), read(Cell(CellKind.PUBLIC, number))), X, 1)
            for number in range(count)
        ]
        received = Interaction(SCALARS, Direction.RECEIVE, (Y, Z), lift(1), 1)
        groups = group_fractions((received, *messages), 1, 3)
        return Tape.compile([part for g in groups for part in (g.numerator, g.denominator)]).operations

    assert operations(40) == operations(4)


def test_a_long_sum_of_many_users_is_kept_and_a_short_one_repeated() -> None:
    columns = [read(Cell(CellKind.MAIN, 10 + index)) for index in range(20)]
    long = sum(columns, start=X)
    short = X + Y
    users = [(long + read(Cell(CellKind.MAIN, 40 + index))) * W for index in range(9)]
    users += [(short + read(Cell(CellKind.MAIN, 60 + index))) * W for index in range(2)]
    lowering, _ = lowered(*users)
    lengths = sorted(len(atom.form.terms) for atom in lowering.atoms if atom.form is not None)
    assert lengths == [2] * 9 + [3] * 2 + [21]


def test_sums_over_the_same_atoms_are_kept_together_once_repeating_them_costs_more() -> None:
    columns = [read(Cell(CellKind.MAIN, 10 + index)) for index in range(20)]
    left, right = sum(columns, start=lift(0)), sum((column * 3 for column in columns), start=lift(0))
    users = [(left * (index + 2) + right * (index + 5)) * W for index in range(30)]
    lowering, _ = lowered(*users)
    lengths = sorted(len(atom.form.terms) for atom in lowering.atoms if atom.form is not None)
    assert lengths == [2] * 30 + [20] * 2


def test_an_extension_factor_is_flattened_where_five_planes_cost_more() -> None:
    # alpha x + y as an atom costs five terms, flattened two.
    factor = ALPHA * X + Y
    _, (form,) = lowered(factor * factor + BETA * factor)
    assert set(form.terms) >= {0, 1}
    # Over twelve columns the atom is cheaper.
    columns = [read(Cell(CellKind.MAIN, 10 + index)) for index in range(12)]
    wide = sum((column * ALPHA for column in columns), start=lift(0))
    _, (form,) = lowered(wide * wide + BETA * wide)
    assert len(form.terms) == 2


def test_coefficients_add_to_integers_where_they_can() -> None:
    assert plus(3, PRIME - 3) == 0
    assert plus({4: 1}, {4: PRIME - 1}) == 0
    assert plus({0: 1, 4: 1}, {4: PRIME - 1}) == 1
    assert plus(2, {4: 1}) == {4: 1, 0: 2}


@pytest.mark.parametrize("terms", [2, 12])
def test_products_of_long_row_constant_sums_have_the_right_value(terms: int) -> None:
    left = sum((public * (3 * index + 1) for index, public in enumerate(PUBLICS[:terms])), start=lift(2))
    right = sum((public * public for public in PUBLICS[:terms]), start=lift(0))
    output = (left * right + left) * X - (right - left) * (left * Y)
    tape = Tape.compile([output, left + right])
    values = dict(zip([Cell(CellKind.PUBLIC, index) for index in range(12)], range(100, 112), strict=True))
    out = np.empty((tape.planes, 2), dtype=np.uint32)
    tape.run(Sources(main=encode([[5, 6], [7, 8]])), values, out, threads=1)
    a = 2 + sum((100 + index) * (3 * index + 1) for index in range(terms))
    b = sum((100 + index) ** 2 for index in range(terms))
    expected = [
        [((a * b + a) * x - (b - a) * a * y) % PRIME for x, y in ((5, 7), (6, 8))],
        [(a + b) % PRIME] * 2,
    ]
    assert decode(out).tolist() == expected
