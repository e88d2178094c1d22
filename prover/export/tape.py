"""Constraints as a tape for the contract: one kind of instruction, a weighted sum of registers and products.

A register holds one extension element.  An instruction, a *form*, writes one register:

    target = sum of weight * register - sum of weight * register
           + sum of register * base register + sum of +-register * register

Weights are small integers: sums of weighted lanes stay apart in one word.  Any other constant is a register itself.
A form is encoded as 8 bytes, then 4 bytes a term, all big-endian:

    target 2 bytes | plus, minus, base and product terms, 12 bits each
    weight 18 bits, register 14 bits        for plus and minus terms
    sign 4 bits, left 14 bits, right 14 bits   for base terms (right is a base element) and product terms
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from prover.air.expression import Cell, Expression, Operation
from prover.field.koalabear import PRIME

REGISTER_BITS = 14
WEIGHT_BITS = 18
COUNT_BITS = 12

LARGEST_WEIGHT = 1 << 16
"""A larger constant becomes a register: it would use up the room of the weighted lanes."""

WEIGHT_ROOM = 1 << WEIGHT_BITS
"""The weights of one sign of a form add up to less, so that a lane of 51 bits holds their sum."""


TERMS_OF_A_FORM = 6
"""How many more weighted terms cost the contract as much as one more form does."""


class TapeTooLong(ValueError):  # noqa: N818 - it says what is wrong with the circuit, not with a proof
    """A circuit that needs more registers or terms than the tape can name."""


@dataclass(frozen=True, slots=True)
class Value:
    """A register that is not numbered yet; equal values are one register."""

    section: str
    index: int


@dataclass(slots=True)
class Form:
    """One instruction of the tape."""

    target: Value
    plus: list[tuple[int, Value]] = field(default_factory=list)
    minus: list[tuple[int, Value]] = field(default_factory=list)
    base: list[tuple[Value, Value]] = field(default_factory=list)
    products: list[tuple[int, Value, Value]] = field(default_factory=list)
    """Sign (0 for plus, 1 for minus) and the two factors."""

    @property
    def sources(self) -> list[Value]:
        """Every register that is read."""
        read = [value for _, value in (*self.plus, *self.minus)]
        read += [value for pair in self.base for value in pair]
        return read + [value for _, *pair in self.products for value in pair]


Monomial = tuple[Value, ...]
"""One register or a product of two; none for a constant."""

Polynomial = dict[Monomial, int]
"""Monomials with their coefficients."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A shorter way to a node's value than its own sources: a sum of other nodes times registers."""

    terms: tuple[tuple[Expression, Value], ...]


class TapeWriter:
    """Writes forms for expressions; what several forms need is computed once."""

    def __init__(self, constant: Callable[[int], Value]) -> None:
        self.constant = constant
        self.forms: list[Form] = []
        self._temporaries = 0

    def temporary(self) -> Value:
        """A register that a form will write."""
        self._temporaries += 1
        return Value("temporary", self._temporaries - 1)

    def write(self, polynomial: Polynomial, target: Value | None = None) -> Value:
        """Emit the form of a polynomial and give the register that holds it."""
        form = Form(target or self.temporary())
        rooms = [WEIGHT_ROOM, WEIGHT_ROOM]
        for monomial, coefficient in sorted(polynomial.items(), key=lambda item: abs(_signed(item[1]))):
            signed = _signed(coefficient)
            if not signed:
                continue
            sign, weight = int(signed < 0), abs(signed)
            if len(monomial) == 2:
                left, right = monomial
                if weight != 1:
                    left, sign = self.write({(left,): coefficient}), 0
                form.products.append((sign, left, right))
                continue
            register = monomial[0] if monomial else self.constant(1)
            if not monomial and weight > LARGEST_WEIGHT:
                register, sign, weight = self.constant(coefficient), 0, 1
            if weight <= LARGEST_WEIGHT and weight < rooms[sign]:
                rooms[sign] -= weight
                (form.minus if sign else form.plus).append((weight, register))
            else:
                form.base.append((register, self.constant(coefficient)))
        self.forms.append(form)
        return form.target

    def register_of(self, polynomial: Polynomial) -> Value:
        """A register with the value of a polynomial; a bare register is itself."""
        if len(polynomial) == 1:
            ((monomial, coefficient),) = polynomial.items()
            if len(monomial) == 1 and coefficient == 1:
                return monomial[0]
        return self.write(polynomial)

    def polynomials(
        self,
        roots: Sequence[Expression],
        read: Callable[[Cell], Value],
        shortcuts: Mapping[Expression, Shortcut] | None = None,
    ) -> dict[Expression, Polynomial]:
        """The polynomials of the roots over registers; sums are flattened, shared parts become registers."""
        ways = shortcuts or {}
        nodes = _in_order(roots, ways)
        uses: dict[Expression, int] = {}
        factors: set[Expression] = set()
        for node in nodes:
            sources = _sources_of(node, ways)
            for source in sources:
                uses[source] = uses.get(source, 0) + 1
            is_product = node.operation is Operation.MULTIPLY and all(
                s.constant_value is None for s in node.sources
            )
            if is_product or node in ways:
                factors.update(sources)
        found: dict[Expression, Polynomial] = {}
        for node in nodes:
            if node in ways:
                polynomial: Polynomial = {}
                for source, register in ways[node].terms:
                    polynomial = add(polynomial, _scaled(found[source], register))
            else:
                polynomial = self._polynomial(node, found, read)
            if node.constant_value is None and (
                node in factors or _is_worth_a_register(polynomial, uses.get(node, 0))
            ):
                polynomial = {(self.register_of(polynomial),): 1}
            found[node] = polynomial
        return {root: found[root] for root in roots}

    def _polynomial(
        self, node: Expression, found: dict[Expression, Polynomial], read: Callable[[Cell], Value]
    ) -> Polynomial:
        if isinstance(node.payload, Cell):
            return {(read(node.payload),): 1}
        if node.constant_value is not None:
            return {(): node.constant_value}
        left, right = (found[source] for source in node.sources)
        if node.operation is not Operation.MULTIPLY:
            return add(left, right, PRIME - 1 if node.operation is Operation.SUBTRACT else 1)
        for scale, other in ((node.sources[0], right), (node.sources[1], left)):
            if scale.constant_value is not None:
                return add({}, other, scale.constant_value)
        # Both factors were made registers above, each with its own coefficient one.
        ((first, _),) = left.items()
        ((second, _),) = right.items()
        return {(*first, *second): 1}


def _is_worth_a_register(polynomial: Polynomial, uses: int) -> bool:
    """Whether a sum is computed once for all its uses; what is short and linear is rather written out again."""
    is_linear = all(len(monomial) < 2 for monomial in polynomial)
    return uses > 1 and not (is_linear and len(polynomial) * (uses - 1) <= TERMS_OF_A_FORM)


def _sources_of(node: Expression, ways: Mapping[Expression, Shortcut]) -> tuple[Expression, ...]:
    return tuple(source for source, _ in ways[node].terms) if node in ways else node.sources


def _in_order(roots: Sequence[Expression], ways: Mapping[Expression, Shortcut]) -> list[Expression]:
    """Every node that the roots need, sources before users; what only a shortcut's own sources need is left out."""
    ordered: dict[Expression, None] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, are_sources_done = stack.pop()
        if node in ordered:
            continue
        if are_sources_done:
            ordered[node] = None
            continue
        stack.append((node, True))
        stack.extend((source, False) for source in reversed(_sources_of(node, ways)) if source not in ordered)
    return list(ordered)


def _scaled(factor: Polynomial, register: Value) -> Polynomial:
    """A constant or a register, times a register."""
    ((monomial, coefficient),) = factor.items()
    return {(*monomial, register): coefficient}


def add(left: Polynomial, right: Polynomial, factor: int = 1) -> Polynomial:
    """left + factor * right."""
    total = dict(left)
    for monomial, coefficient in right.items():
        value = (total.get(monomial, 0) + factor * coefficient) % PRIME
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def times(left: Value, right: Value, sign: int = 1) -> Polynomial:
    """The product of two registers."""
    return {(left, right): sign % PRIME}


def _signed(coefficient: int) -> int:
    coefficient %= PRIME
    return coefficient if coefficient <= PRIME // 2 else coefficient - PRIME


def encode_forms(forms: Sequence[Form], number: Callable[[Value], int], first_free: int) -> tuple[bytes, int]:
    """The bytes of the tape and the number of registers that it uses; temporaries share registers."""
    last_reader = {value: position for position, form in enumerate(forms) for value in form.sources}
    free: list[int] = []
    places: dict[Value, int] = {}
    used = first_free
    content = bytearray()

    def place(value: Value) -> int:
        return places[value] if value.section == "temporary" else number(value)

    for position, form in enumerate(forms):
        sources = [(value, place(value)) for value in form.sources]
        terms = [(weight << REGISTER_BITS) | place(value) for weight, value in (*form.plus, *form.minus)]
        terms += [(place(a) << REGISTER_BITS) | place(b) for a, b in form.base]
        terms += [
            (sign << 2 * REGISTER_BITS) | (place(a) << REGISTER_BITS) | place(b)
            for sign, a, b in form.products
        ]
        # A form reads all its sources before it writes, so its target may be one of them.
        for value, register in dict(sources).items():
            if value.section == "temporary" and last_reader[value] == position:
                free.append(register)
        if form.target.section == "temporary":
            if not free:
                free.append(used)
                used += 1
            places[form.target] = free.pop()
        counts = [len(form.plus), len(form.minus), len(form.base), len(form.products)]
        if max(counts) >> COUNT_BITS or used >> REGISTER_BITS:
            raise TapeTooLong(f"a form has {max(counts)} terms, the tape {used} registers")
        header = place(form.target)
        for count in counts:
            header = header << COUNT_BITS | count
        content += header.to_bytes(8, "big")
        for term in terms:
            content += term.to_bytes(4, "big")
    return bytes(content), used
