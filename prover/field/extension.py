"""Extensions of the base field, on tuples of canonical integers: the reference that every kernel is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from prover.field.koalabear import PRIME
from prover.field.koalabear import inverse as base_inverse
from prover.field.koalabear import power as base_power

Element = tuple[int, ...]
"""Coordinates, constant term first, each below p."""


@dataclass(frozen=True)
class ExtensionField:
    """GF(p)[X] / (X^degree - reduction(X)); the modulus must be irreducible, which a test checks."""

    degree: int
    reduction: tuple[int, ...]
    """What X^degree equals: coefficients of a polynomial of lower degree, constant term first, canonical."""

    def __post_init__(self) -> None:
        if len(self.reduction) != self.degree or any(not 0 <= value < PRIME for value in self.reduction):
            raise ValueError(f"the reduction is {self.degree} canonical coefficients, not {self.reduction}")

    @cached_property
    def zero(self) -> Element:
        """The neutral element of addition."""
        return (0,) * self.degree

    @cached_property
    def one(self) -> Element:
        """The neutral element of multiplication."""
        return self.from_base(1)

    @cached_property
    def generator(self) -> Element:
        """The element X, a root of the modulus."""
        return (0, 1) + (0,) * (self.degree - 2)

    def from_base(self, value: int) -> Element:
        """Lift an element of the base field."""
        return (value % PRIME,) + (0,) * (self.degree - 1)

    def element(self, coordinates: Sequence[int]) -> Element:
        """Reduce coordinates of any size and sign."""
        if len(coordinates) != self.degree:
            raise ValueError(f"an element has {self.degree} coordinates, not {len(coordinates)}")
        return tuple(int(coordinate) % PRIME for coordinate in coordinates)

    def add(self, left: Element, right: Element) -> Element:
        """Add two elements."""
        return tuple((a + b) % PRIME for a, b in zip(left, right, strict=True))

    def subtract(self, left: Element, right: Element) -> Element:
        """Subtract one element from another."""
        return tuple((a - b) % PRIME for a, b in zip(left, right, strict=True))

    def negate(self, value: Element) -> Element:
        """Give the element that adds up with `value` to zero."""
        return tuple(-a % PRIME for a in value)

    def scale(self, value: Element, factor: int) -> Element:
        """Multiply by an element of the base field."""
        return tuple(a * factor % PRIME for a in value)

    def multiply(self, left: Element, right: Element) -> Element:
        """Multiply two elements."""
        product = [0] * (2 * self.degree - 1)
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                product[i + j] += a * b
        # From the top, so that what a reduction adds above the degree is itself reduced later.
        for power in range(2 * self.degree - 2, self.degree - 1, -1):
            for k, coefficient in enumerate(self.reduction):
                product[power - self.degree + k] += product[power] % PRIME * coefficient
        return tuple(value % PRIME for value in product[: self.degree])

    def power(self, base: Element, exponent: int) -> Element:
        """Raise an element to an integer power; a negative one needs a base other than zero."""
        if exponent < 0:
            base, exponent = self.inverse(base), -exponent
        result = self.one
        while exponent:
            if exponent & 1:
                result = self.multiply(result, base)
            base = self.multiply(base, base)
            exponent >>= 1
        return result

    @cached_property
    def _frobenius_images(self) -> tuple[Element, ...]:
        """X^(p k) for each k: the map is linear, so that these determine it."""
        image = self.power(self.generator, PRIME)
        return tuple(self.power(image, k) for k in range(self.degree))

    def frobenius(self, value: Element, times: int = 1) -> Element:
        """Raise to the power p, `times` times over: it fixes exactly the base field."""
        for _ in range(times % self.degree):
            total = self.zero
            for coordinate, image in zip(value, self._frobenius_images, strict=True):
                total = self.add(total, self.scale(image, coordinate))
            value = total
        return value

    def norm(self, value: Element) -> int:
        """The product of all conjugates, an element of the base field."""
        return self.multiply(value, self._other_conjugates(value))[0]

    def inverse(self, value: Element) -> Element:
        """Invert an element other than zero; zero raises ZeroDivisionError."""
        others = self._other_conjugates(value)
        return self.scale(others, base_inverse(self.multiply(value, others)[0]))

    def _other_conjugates(self, value: Element) -> Element:
        """The product of value^(p^k) for k = 1, .., degree - 1: times the value itself it is the norm."""
        product, conjugate = self.one, value
        for _ in range(self.degree - 1):
            conjugate = self.frobenius(conjugate)
            product = self.multiply(product, conjugate)
        return product

    def is_irreducible(self) -> bool:
        """Whether the modulus has no factor, for a prime degree: by Rabin's test.

        X^(p^degree) = X says that every factor's degree divides the prime `degree`, so it is that or one;
        X^p - X being invertible says that none is one.
        """
        image = self.generator
        first = self.power(image, PRIME)
        conjugate = first
        for _ in range(self.degree - 1):
            conjugate = self.power(conjugate, PRIME)
        return conjugate == image and self._has_no_root()

    def _has_no_root(self) -> bool:
        """Whether X^p - X shares no factor with the modulus: Euclid's algorithm on polynomials."""
        modulus = [*(-value % PRIME for value in self.reduction), 1]
        other = list(self.subtract(self.power(self.generator, PRIME), self.generator))
        while any(other):
            modulus, other = other, _remainder(modulus, other)
        return not any(modulus[1:])


def _remainder(dividend: list[int], divisor: list[int]) -> list[int]:
    """The remainder of a division of polynomials, constant term first."""
    degree = max(k for k, value in enumerate(divisor) if value)
    scale = base_power(divisor[degree], -1)
    rest = list(dividend)
    for shift in range(len(rest) - 1 - degree, -1, -1):
        factor = rest[shift + degree] * scale % PRIME
        for k in range(degree + 1):
            rest[shift + k] = (rest[shift + k] - factor * divisor[k]) % PRIME
    return rest


QUINTIC = ExtensionField(5, (1, 0, PRIME - 1, 0, 0))
"""GF(p)[X] / (X^5 + X^2 - 1), for challenges: degree 4 would leave at most 74 provable bits, 5 leaves about 100."""

SEPTIC = ExtensionField(7, (5, 3, 0, 0, 0, 0, 0))
"""GF(p)[z] / (z^7 - 3z - 5), for trading keys: a curve over it has some 2^217 points."""
