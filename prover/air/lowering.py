"""Expressions as weighted sums of atoms: what the prover's tape is made of.

    column, product of two atoms, materialised sum       the atoms: one base or extension value a row
    3 x + alpha y + (tau - 5)                            a form: atoms with row-constant coefficients

Every linear part of the graph is flattened into forms.
So constants, publics, challenges and combiner powers never cost an operation a row: they end up in the weights,
which are computed once a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

from prover.air.expression import EXTENSION_KINDS, Cell, Expression, Operation, topological_order
from prover.air.tape_kernel_format import EXTENSION_DEGREE, ScalarOperation
from prover.field.koalabear import PRIME

Coefficient = int | dict[int, int]
"""A row-constant factor: a base constant, or a sum of base constants times row-constant scalars (by their numbers)."""

ONE = 0
"""The number of the scalar one."""

_MANY_MONOMIALS = 16
"""Products of coefficients with more monomials than this are evaluated as one scalar instead."""


class Scalars:
    """The row-constant values that coefficients are made of, each computed once a proof."""

    def __init__(self) -> None:
        self.program: list[tuple[ScalarOperation, int, int]] = []
        self.is_extension: list[bool] = []
        self.leaves: dict[Cell, int] = {}
        self._interned: dict[tuple[ScalarOperation, int, int], int] = {}
        self._of_node: dict[Expression, Coefficient] = {}
        self._append(ScalarOperation.CONSTANT, 1, 0, is_extension=False)

    def coefficient(self, root: Expression) -> Coefficient:
        """The coefficient that a row-constant expression stands for."""
        found = self._of_node.get(root)
        if found is not None:
            return found
        for node in topological_order([root]):
            if node not in self._of_node:
                self._of_node[node] = self._read(node)
        return self._of_node[root]

    def times(self, left: Coefficient, right: Coefficient) -> Coefficient:
        """The product of two coefficients."""
        if isinstance(left, int):
            if isinstance(right, int):
                return left * right % PRIME
            left, right = right, left
        if isinstance(right, int):
            if right in {0, 1}:
                return left if right else 0
            return {scalar: value * right % PRIME for scalar, value in left.items()}
        if len(left) * len(right) > _MANY_MONOMIALS:
            left, right = {self.collapse(left): 1}, {self.collapse(right): 1}
        total: Coefficient = 0
        for first, first_value in left.items():
            for second, second_value in right.items():
                monomial = self._operate(ScalarOperation.MULTIPLY, min(first, second), max(first, second))
                total = plus(total, _single(monomial, first_value * second_value % PRIME))
        return total

    def collapse(self, monomials: dict[int, int]) -> int:
        """The number of one scalar with the value of a coefficient."""
        terms = [
            self._operate(ScalarOperation.MULTIPLY, *sorted((self._constant(value), scalar)))
            for scalar, value in sorted(monomials.items())
        ]
        return reduce(partial(self._operate, ScalarOperation.ADD), terms)

    def is_extension_coefficient(self, coefficient: Coefficient) -> bool:
        """Whether a coefficient may have more than its constant coordinate."""
        return not isinstance(coefficient, int) and any(self.is_extension[scalar] for scalar in coefficient)

    def _read(self, node: Expression) -> Coefficient:
        if isinstance(node.payload, Cell):
            return _single(self._leaf(node.payload), 1)
        if node.payload is not None:
            return node.payload
        left, right = (self._of_node[source] for source in node.sources)
        if node.operation is Operation.MULTIPLY:
            return self.times(left, right)
        if isinstance(left, int) or isinstance(right, int) or len(left) + len(right) <= _MANY_MONOMIALS:
            return plus(left, self.times(right, PRIME - 1) if node.operation is Operation.SUBTRACT else right)
        kind = ScalarOperation.ADD if node.operation is Operation.ADD else ScalarOperation.SUBTRACT
        return _single(self._operate(kind, self.collapse(left), self.collapse(right)), 1)

    def _leaf(self, cell: Cell) -> int:
        position = self.leaves.setdefault(cell, len(self.leaves))
        return self._append(ScalarOperation.LEAF, position, 0, is_extension=cell.kind in EXTENSION_KINDS)

    def _constant(self, value: int) -> int:
        return self._append(ScalarOperation.CONSTANT, value, 0, is_extension=False)

    def _operate(self, operation: ScalarOperation, left: int, right: int) -> int:
        if operation is ScalarOperation.MULTIPLY and left == ONE:
            return right
        is_extension = self.is_extension[left] or self.is_extension[right]
        return self._append(operation, left, right, is_extension=is_extension)

    def _append(self, operation: ScalarOperation, left: int, right: int, *, is_extension: bool) -> int:
        key = (operation, left, right)
        number = self._interned.setdefault(key, len(self.program))
        if number == len(self.program):
            self.program.append(key)
            self.is_extension.append(is_extension)
        return number


def _single(scalar: int, value: int) -> Coefficient:
    return value if scalar == ONE else {scalar: value}


def plus(left: Coefficient, right: Coefficient) -> Coefficient:
    """The sum of two coefficients."""
    if isinstance(left, int) and isinstance(right, int):
        return (left + right) % PRIME
    if isinstance(left, int):
        left, right = right, left
    assert not isinstance(left, int)
    merged = dict(left)
    for scalar, value in ({ONE: right} if isinstance(right, int) else right).items():
        total = (merged.get(scalar, 0) + value) % PRIME
        if total:
            merged[scalar] = total
        else:
            merged.pop(scalar, None)
    if not merged:
        return 0
    return merged[ONE] if len(merged) == 1 and ONE in merged else merged


@dataclass(slots=True)
class Form:
    """A weighted sum of atoms (by their numbers) plus a row-constant."""

    terms: dict[int, Coefficient] = field(default_factory=dict)
    constant: Coefficient = 0

    def add(self, atom: int, coefficient: Coefficient) -> None:
        """Add a weighted atom; terms that cancel disappear."""
        total = plus(self.terms.get(atom, 0), coefficient)
        if total == 0:
            self.terms.pop(atom, None)
        else:
            self.terms[atom] = total


@dataclass(frozen=True, slots=True)
class Atom:
    """A value that has its own place in every row: a cell, a product of two atoms or a sum kept for several users."""

    is_extension: bool
    cell: Cell | None = None
    factors: tuple[int, int] | None = None
    form: Form | None = None

    @property
    def terms_worth(self) -> int:
        """How many terms of a weighted sum it costs to use the atom."""
        return EXTENSION_DEGREE if self.is_extension else 1


class Lowering:
    """Turns output expressions into forms over atoms; atoms are numbered so that each follows what it is made of."""

    def __init__(self, outputs: Sequence[Expression]) -> None:
        self.scalars = Scalars()
        self.atoms: list[Atom] = []
        self._atom_numbers: dict[Cell | tuple[int, int], int] = {}
        self._kept: dict[Expression, int] = {}
        self._forms: dict[Expression, Form] = {}
        self._uses: dict[Expression, int] = {}
        self._factors: set[Expression] = set()
        self._bare: dict[Expression, tuple[Coefficient, Expression]] = {}
        nodes = [node for node in topological_order(outputs) if not node.is_row_constant]
        self._count_uses(nodes)
        asked = set(outputs)
        for node in nodes:
            if not _is_linear(node):
                self._forms[node] = self._nonlinear(node)
            elif self._uses.get(node, 0) > 1 or node in self._factors or node in asked:
                self._forms[node] = self._flatten(node)
        self.outputs = [
            Form({}, self.scalars.coefficient(output)) if output.is_row_constant else self._forms[output]
            for output in outputs
        ]

    def is_extension_form(self, form: Form) -> bool:
        """Whether a form may have more than its constant coordinate."""
        return self.scalars.is_extension_coefficient(form.constant) or any(
            self.atoms[atom].is_extension or self.scalars.is_extension_coefficient(coefficient)
            for atom, coefficient in form.terms.items()
        )

    def _count_uses(self, nodes: list[Expression]) -> None:
        for node in nodes:
            for source in node.sources:
                self._uses[source] = self._uses.get(source, 0) + 1
            if node.operation is Operation.MULTIPLY and not _is_linear(node):
                self._factors.update(self._stripped(source)[1] for source in node.sources)

    def _stripped(self, node: Expression) -> tuple[Coefficient, Expression]:
        """A factor without what multiplies it on every row alike: chains of such multiples are one factor's."""
        chain: list[Expression] = []
        while node not in self._bare and node.operation is Operation.MULTIPLY and _is_linear(node):
            chain.append(node)
            node = next(source for source in node.sources if not source.is_row_constant)
        scale, base = self._bare.setdefault(node, (1, node))
        for multiple in reversed(chain):
            constant = next(source for source in multiple.sources if source.is_row_constant)
            scale = self.scalars.times(scale, self._single(self.scalars.coefficient(constant)))
            self._bare[multiple] = scale, base
        return scale, base

    def _single(self, coefficient: Coefficient) -> Coefficient:
        """The coefficient as one scalar, so that products of sums are not multiplied out."""
        if isinstance(coefficient, int) or len(coefficient) == 1:
            return coefficient
        return {self.scalars.collapse(coefficient): 1}

    def _nonlinear(self, node: Expression) -> Form:
        if isinstance(node.payload, Cell):
            return Form({self._atom(Atom(node.is_extension, cell=node.payload), node.payload): 1})
        stripped = [self._stripped(source) for source in node.sources]
        for (scale, base), (other_scale, other) in (stripped, stripped[::-1]):
            form = self._forms[base]
            # A sum whose atoms cancel is the same on every row although its expression reads cells.
            if not form.terms:
                whole = self.scalars.times(self.scalars.times(scale, other_scale), form.constant)
                return self._scaled(self._forms[other], whole)
        (left_scale, left), (right_scale, right) = (self._factor(*factor) for factor in stripped)
        is_extension = self.atoms[left].is_extension or self.atoms[right].is_extension
        factors = (min(left, right), max(left, right))
        atom = self._atom(Atom(is_extension, factors=factors), factors)
        return Form({atom: self.scalars.times(left_scale, right_scale)})

    def _scaled(self, form: Form, factor: Coefficient) -> Form:
        scaled = Form({}, self.scalars.times(form.constant, factor))
        for atom, coefficient in form.terms.items():
            scaled.add(atom, self.scalars.times(coefficient, factor))
        return scaled

    def _factor(self, scale: Coefficient, node: Expression) -> tuple[Coefficient, int]:
        """A factor of a product as a coefficient, which moves out of the product, times an atom."""
        form = self._forms[node]
        if len(form.terms) == 1 and form.constant == 0:
            ((atom, coefficient),) = form.terms.items()
            return self.scalars.times(scale, self._single(coefficient)), atom
        return scale, self._keep(node)

    def _flatten(self, root: Expression) -> Form:
        form = Form()
        operands: dict[Expression, Coefficient] = {}
        stack: list[tuple[Expression, Coefficient]] = [(root, 1)]
        while stack:
            node, coefficient = stack.pop()
            if node.is_row_constant:
                value = self.scalars.times(coefficient, self.scalars.coefficient(node))
                form.constant = plus(form.constant, value)
            elif node in self._forms:
                operands[node] = plus(operands.get(node, 0), coefficient)
            else:
                left, right = node.sources
                if node.operation is Operation.MULTIPLY:
                    constant, varying = (left, right) if left.is_row_constant else (right, left)
                    value = self.scalars.times(coefficient, self.scalars.coefficient(constant))
                    stack.append((varying, value))
                else:
                    is_negated = node.operation is Operation.SUBTRACT
                    stack.append(
                        (right, self.scalars.times(coefficient, PRIME - 1) if is_negated else coefficient)
                    )
                    stack.append((left, coefficient))
        kept = self._choose_kept(operands)
        for node, coefficient in operands.items():
            if node in kept:
                form.add(self._keep(node), coefficient)
                continue
            operand = self._forms[node]
            form.constant = plus(form.constant, self.scalars.times(operand.constant, coefficient))
            for atom, inner in operand.terms.items():
                form.add(atom, self.scalars.times(inner, coefficient))
        return form

    def _choose_kept(self, operands: dict[Expression, Coefficient]) -> set[Expression]:
        """The operands that are better computed once and used as atoms than repeated term by term."""
        kept: set[Expression] = set()
        owners: dict[int, int] = {}
        repeated: list[Expression] = []
        for node in operands:
            form = self._forms[node]
            if len(form.terms) > 1:
                is_kept = node in self._kept or node in self._factors
                if is_kept and _worth(node) < self._length(form):
                    kept.add(node)
                    continue
                repeated.append(node)
            for atom in form.terms:
                owners[atom] = owners.get(atom, 0) + 1
        if len(operands) == 1:
            # A multiple of one sum, or a sum plus a constant, is as long as the sum: its users decide.
            return kept
        # A sum whose atoms are in the result anyway is free; Poseidon's partial rounds consist of such sums.
        rest: list[Expression] = []
        for node in repeated:
            form = self._forms[node]
            own = sum(self.atoms[atom].terms_worth for atom in form.terms if owners[atom] == 1)
            if (own - _worth(node)) * self._uses[node] > self._length(form):
                kept.add(node)
            else:
                rest.append(node)
        union = {atom for node in rest for atom in self._forms[node].terms}
        together = sum(self.atoms[atom].terms_worth for atom in union) - sum(map(_worth, rest))
        uses = min((self._uses[node] for node in rest), default=0)
        if together * uses > sum(self._length(self._forms[node]) for node in rest):
            kept.update(rest)
        return kept

    def _length(self, form: Form) -> int:
        return sum(self.atoms[atom].terms_worth for atom in form.terms)

    def _keep(self, node: Expression) -> int:
        """The atom of a node's value."""
        if node not in self._kept:
            form = self._forms[node]
            self._kept[node] = len(self.atoms)
            self.atoms.append(Atom(self.is_extension_form(form), form=form))
        return self._kept[node]

    def _atom(self, atom: Atom, key: Cell | tuple[int, int]) -> int:
        number = self._atom_numbers.setdefault(key, len(self.atoms))
        if number == len(self.atoms):
            self.atoms.append(atom)
        return number


def _worth(node: Expression) -> int:
    """How many terms of a weighted sum it costs to use a node's value as an atom."""
    return EXTENSION_DEGREE if node.is_extension else 1


def _is_linear(node: Expression) -> bool:
    if node.operation is Operation.MULTIPLY:
        return any(source.is_row_constant for source in node.sources)
    return node.operation is not Operation.CELL
