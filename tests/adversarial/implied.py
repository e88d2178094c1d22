"""Rules that others imply: shown by splitting into cases until the others leave no choice.

A rule is a product of factors, of which one has to be zero.
Suppose that none is, and split the other rules into the cases that their factors are: linear equations each.
Where every case ends in a contradiction the rule is implied, and taking it away takes nothing away.
What this does not find may be implied all the same; what it finds is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final

from prover.air.expression import Cell, CellKind, Expression, Operation
from prover.air.table import Scope, Table
from prover.field.koalabear import PRIME

MOST_CASES: Final = 400
MOST_TERMS: Final = 60
MOST_HELPERS: Final = 80
FEW_CELLS: Final = 12
MOST_CELLS: Final = 32
FEWEST_COUNTED: Final = 3
FEW_RULES: Final = 8
"""Bounds of a search; a rule whose search ends at one of them counts as not implied."""

Monomial = tuple[tuple[int, int], ...]
"""Cells, sorted, one as often as it is multiplied: column and row offset."""
Polynomial = Mapping[Monomial, int]
Factors = tuple[Polynomial, ...]
Shown = tuple[list[int], Factors]
"""A product that is zero, and the rules that say so."""
ONE: Final[Monomial] = ()


class TooLongError(Exception):
    """A polynomial, or a search, that is not followed to its end."""


def _added(left: Polynomial, right: Polynomial, sign: int = 1) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        value = (total.get(monomial, 0) + sign * coefficient) % PRIME
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def _multiplied(left: Polynomial, right: Polynomial) -> Polynomial:
    total: dict[Monomial, int] = {}
    for a, x in left.items():
        for b, y in right.items():
            monomial = tuple(sorted((*a, *b)))
            total[monomial] = (total.get(monomial, 0) + x * y) % PRIME
    if len(total) > MOST_TERMS:
        raise TooLongError
    return {monomial: value for monomial, value in total.items() if value}


def _polynomial(node: Expression, shift: int) -> Polynomial:
    known = _multiplied_out(node, shift)
    if known is None:
        raise TooLongError
    return known


@cache
def _multiplied_out(node: Expression, shift: int) -> Polynomial | None:
    """Of every part once: what is mixed round after round has more paths than can be walked."""
    match node.operation:
        case Operation.CONSTANT:
            constant = node.constant_value or 0
            return {ONE: constant % PRIME} if constant % PRIME else {}
        case Operation.CELL:
            assert isinstance(node.payload, Cell)
            if node.payload.kind is not CellKind.MAIN:
                return None
            return {((node.payload.index, node.payload.row_offset + shift),): 1}
    left, right = (_multiplied_out(source, shift) for source in node.sources)
    if left is None or right is None:
        return None
    if node.operation is not Operation.MULTIPLY:
        return _added(left, right, -1 if node.operation is Operation.SUBTRACT else 1)
    try:
        return _multiplied(left, right)
    except TooLongError:
        return None


def factors_of(node: Expression, shift: int = 0) -> Factors:
    """The factors of a product as it is written, each multiplied out."""
    if node.operation is Operation.MULTIPLY:
        return tuple(factor for source in node.sources for factor in factors_of(source, shift))
    return (_polynomial(node, shift),)


def _cells(factors: Factors) -> set[tuple[int, int]]:
    return {cell for factor in factors for monomial in factor for cell in monomial}


def _is_linear(polynomial: Polynomial) -> bool:
    return all(len(monomial) <= 1 for monomial in polynomial)


def _put(polynomial: Polynomial, cell: tuple[int, int], value: Polynomial) -> Polynomial:
    """The polynomial with a linear form for a cell."""
    total: Polynomial = {}
    for monomial, coefficient in polynomial.items():
        term: Polynomial = {ONE: coefficient}
        for one in monomial:
            term = _multiplied(term, value if one == cell else {(one,): 1})
        total = _added(total, term)
    return total


def _counted(rules: list[Factors]) -> list[Factors]:
    """A sum of flags that is zero says that each of them is: there are fewer of them than the prime."""
    flags = {cell for factors in rules for cell in _flag(factors)}
    found: list[Factors] = []
    for factors in rules:
        (first, *others) = factors
        is_sum = not others and len(first) >= FEWEST_COUNTED and len(set(first.values())) == 1
        if is_sum and all(len(monomial) == 1 and monomial[0] in flags for monomial in first):
            found += [({monomial: 1},) for monomial in first]
        else:
            found.append(factors)
    return found


def _flag(factors: Factors) -> set[tuple[int, int]]:
    """The cell that a rule lets be zero or one."""
    if len(factors) != 2:
        return set()
    for zero, one in (factors, factors[::-1]):
        if len(zero) == 1 and _is_linear(zero) and ONE not in zero:
            ((cell,), scale), *_ = zero.items()
            if one == {(cell,): scale, ONE: PRIME - scale} or one == {(cell,): 1, ONE: PRIME - 1}:
                return {cell}
    return set()


@dataclass
class _Search:
    cases: int = 0

    def is_contradiction(self, rules: Sequence[Factors], nonzero: Factors) -> bool:
        """Whether no assignment keeps all rules and leaves every one of these polynomials other than zero."""
        self.cases += 1
        if self.cases > MOST_CASES:
            raise TooLongError
        if any(not polynomial for polynomial in nonzero):
            return True
        left: list[Factors] = []
        for factors in rules:
            if any(not factor for factor in factors):
                continue
            # A factor that is a number other than zero, or one that is supposed not to be zero, helps nothing.
            open_ = tuple(factor for factor in factors if set(factor) != {ONE} and factor not in nonzero)
            if not open_:
                return True
            left.append(open_)
        left = _counted(left)
        choices = [factors for factors in left if all(map(_is_linear, factors))]
        if not choices:
            return False
        # A long sum says most when what it adds up to is known.
        chosen = min(choices, key=lambda factors: (len(_cells(factors)) > FEW_CELLS, len(factors)))
        return all(self._holds_where(factor, left, nonzero) for factor in chosen)

    def _holds_where(self, factor: Polynomial, rules: Sequence[Factors], nonzero: Factors) -> bool:
        """Whether a contradiction follows where a linear factor is zero."""
        (cell,) = next(monomial for monomial in factor if monomial)
        scale = -pow(factor[cell,], -1, PRIME)
        value = {
            monomial: coefficient * scale % PRIME
            for monomial, coefficient in factor.items()
            if monomial != (cell,)
        }
        changed = [
            tuple(_put(one, cell, value) for one in factors) if cell in _cells(factors) else factors
            for factors in rules
        ]
        return self.is_contradiction(changed, tuple(_put(one, cell, value) for one in nonzero))


@dataclass(frozen=True)
class Rules:
    """The constraints of a table as products."""

    table: Table
    known: dict[int, list[tuple[int, Factors]]] = field(default_factory=dict)

    @cached_property
    def factors(self) -> list[tuple[int, Factors]]:
        """Every rule that holds on a row, the rows beside it included: its number and its factors."""
        found: list[tuple[int, Factors]] = []
        for number, one in enumerate(self.table.constraints):
            if one.scope is not Scope.EVERY_ROW:
                continue
            for shift in (0, 1, -1):
                try:
                    found.append((number, factors_of(one.polynomial, shift)))
                except TooLongError:
                    break
        return found

    def _near(self, cells: set[tuple[int, int]], gone: set[int]) -> Iterator[tuple[int, Factors]]:
        """Rules that read these cells, then rules that read theirs."""
        known, used = set(cells), set[int]()
        for _ in range(3):
            reached = set(known)
            for place, (number, factors) in enumerate(self.factors):
                read = _cells(factors)
                if number not in gone and place not in used and read & known and len(read) <= MOST_CELLS:
                    used.add(place)
                    # What a long sum adds up reads half of the table in its turn.
                    reached |= read if len(read) <= FEW_CELLS else set()
                    yield number, factors
            known = reached

    def implying(self, number: int, same: Sequence[int], flags: Sequence[int] = ()) -> list[str] | None:
        """Names of rules that together leave no other choice than keeping a rule; None where none are found.

        Of columns that look like flags it is asked first whether the other rules make them flags.
        """
        rule = self.table.constraints[number]
        try:
            nonzero = factors_of(rule.polynomial)
        except TooLongError:
            return None
        gone = {number, *same}
        near = [([number], factors) for number, factors in self._near(_cells(nonzero), gone)]
        found = self._shown(near, nonzero)
        if found is None and flags:
            known = self._flags(gone, flags)
            found = self._shown(self._with_flags(near, known), nonzero)
            if found is None:
                found = self._shown(self._with_flags(self._among(known, nonzero, gone), known), nonzero)
        if found is None:
            return None
        return list(dict.fromkeys(self.table.constraints[one].name for one in found))

    def settling(self, value: Expression, limit: int) -> str | None:
        """The rule that by itself leaves a looked-up value no choice, within its range."""
        try:
            looked_up = dict(_polynomial(value, 0))
        except TooLongError:
            return None
        (monomial, scale), *others = [one for one in looked_up.items() if one[0] != ONE] or [(ONE, 0)]
        if others or len(monomial) != 1:
            return None
        for number, factors in self.factors:
            (first, *more) = factors
            if not more and set(first) <= {monomial, ONE} and monomial in first:
                cell = -first.get(ONE, 0) * pow(first[monomial], -1, PRIME)
                if (scale * cell + looked_up.get(ONE, 0)) % PRIME < limit:
                    return self.table.constraints[number].name
        return None

    def _among(self, known: Mapping[int, list[int]], nonzero: Factors, gone: set[int]) -> list[Shown]:
        """Rules that read nothing but flags and what the deleted rule reads, those near it first."""
        reached = _cells(nonzero)
        allowed = {column for column, _ in reached} | set(known)
        left = [
            (number, factors)
            for number, factors in self.factors
            if number not in gone and all(column in allowed for column, _ in _cells(factors))
        ]
        found: list[Shown] = []
        while True:
            near = [one for one in left if _cells(one[1]) & reached]
            if not near:
                return found
            found += [([number], factors) for number, factors in near]
            left = [one for one in left if one not in near]
            reached = reached.union(*(_cells(factors) for _, factors in near))

    def _flags(self, gone: set[int], flags: Sequence[int]) -> dict[int, list[int]]:
        """Columns that are zero or one on every row without these rules, and the rules that make them so."""
        known: dict[int, list[int]] = {}
        for number, factors in self.factors:
            if number not in gone and len(factors) == 2:
                for column in flags:
                    zero: Polynomial = {((column, 0),): 1}
                    one: Polynomial = {((column, 0),): 1, ONE: PRIME - 1}
                    if factors in ((zero, one), (one, zero)):
                        known.setdefault(column, [number])
        has_grown = True
        while has_grown:
            has_grown = False
            for column in flags:
                if column in known:
                    continue
                cell = (column, 0)
                near = [
                    ([number], factors)
                    for number, factors in self.factors
                    if number not in gone and cell in _cells(factors)
                ]
                near.sort(key=lambda one: len(_cells(one[1])))
                is_flag: Factors = ({(cell,): 1}, {(cell,): 1, ONE: PRIME - 1})
                shown = self._shown(self._with_flags(near[:FEW_RULES], known), is_flag)
                if shown is not None:
                    known[column] = shown
                    has_grown = True
        return known

    @staticmethod
    def _with_flags(near: Sequence[Shown], known: Mapping[int, list[int]]) -> list[Shown]:
        """Each rule behind what is known of the flags that it reads, the next row's included."""
        answer: list[Shown] = []
        said: set[tuple[int, int]] = set()
        for numbers, factors in near:
            for cell in sorted(_cells(factors) - said):
                said.add(cell)
                if cell[0] in known:
                    answer.append((known[cell[0]], ({(cell,): 1}, {(cell,): 1, ONE: PRIME - 1})))
            answer.append((numbers, factors))
        return answer

    def _shown(self, near: Sequence[Shown], nonzero: Factors) -> list[int] | None:
        """The rules that are needed for a contradiction, fewest first: their cases end sooner, and they say more."""
        for count in (3, 6, 12, 24, 48, MOST_HELPERS):
            some = list(near[:count])
            try:
                if _Search().is_contradiction([factors for _, factors in some], nonzero):
                    return self._needed(some, nonzero)
            except TooLongError:
                pass
            if count >= len(near):
                break
        return None

    def _needed(self, some: list[Shown], nonzero: Factors) -> list[int]:
        """The rules without which there is no contradiction any more."""
        kept = list(some)
        for one in some:
            rest = [other for other in kept if other is not one]
            try:
                if _Search().is_contradiction([factors for _, factors in rest], nonzero):
                    kept = rest
            except TooLongError:
                pass
        return [number for numbers, _ in kept for number in numbers]
