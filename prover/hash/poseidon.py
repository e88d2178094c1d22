"""Poseidon, width 16 over KoalaBear: the definition on integers, and the sponge over any ring.

The round: add sixteen constants, cube (every element in a full round, element 0 in a partial one), multiply by the
circulant matrix. Four full rounds, the partial rounds, four full rounds.
Only polynomials are used, so circuits call the same functions with expressions or wires.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon_parameters import (
    POSEIDON16_20,
    POSEIDON16_36,
    POSEIDON_SUITES,
    WIDTH,
    PoseidonParameters,
)
from prover.hash.poseidon_unrolled import permute_unrolled

__all__ = [
    "DIGEST_LENGTH",
    "POSEIDON16_20",
    "POSEIDON16_36",
    "POSEIDON_SUITES",
    "RATE",
    "WIDTH",
    "HashArithmetic",
    "IntegerArithmetic",
    "PoseidonParameters",
    "check_elements",
    "check_state",
    "compress",
    "compress_over",
    "linear_layer",
    "permute",
    "sponge",
    "sponge_over",
]

RATE = 8
"""Elements that a sponge call absorbs with each permutation."""

DIGEST_LENGTH = 8
"""Elements of a digest: 248 bits, so that collisions cost 2^124."""

LEVEL_ELEMENT = 15
"""The element of a two-to-one input to which level + 1 is added."""


class RingElement(Protocol):
    """Whatever can be added, and multiplied by a plain number: integers, expressions, wires."""

    def __add__(self, other: Self, /) -> Self: ...

    def __mul__(self, other: int, /) -> Self: ...


Ring = TypeVar("Ring", bound=RingElement)
Element = TypeVar("Element")


def linear_layer(state: Sequence[Ring], first_row: Sequence[int]) -> list[Ring]:
    """The circulant matrix times the state; integers grow by nine bits and are left unreduced."""
    width = len(state)
    outputs = []
    for row in range(width):
        total = state[0] * first_row[-row % width]
        for column in range(1, width):
            total = total + state[column] * first_row[(column - row) % width]
        outputs.append(total)
    return outputs


def check_state(state: Sequence[int]) -> None:
    """Refuse anything but sixteen canonical elements.

    Soundness: v and v + p would hash alike, so an opening could be told in two ways.
    """
    if len(state) != WIDTH:
        raise ValueError(f"a Poseidon state has {WIDTH} elements, not {len(state)}")
    check_elements(state)


def check_elements(elements: Sequence[int]) -> None:
    """Refuse anything but canonical elements, for the same reason."""
    if elements and (min(elements) < 0 or max(elements) >= PRIME):
        raise ValueError("a field element must lie in [0, p)")


def permute(state: Sequence[int], parameters: PoseidonParameters) -> tuple[int, ...]:
    """The permutation as the paper defines it; `permute_unrolled` is its quick equal."""
    check_state(state)
    elements = list(state)
    for round_index, constants in enumerate(parameters.round_constants):
        elements = [element + constant for element, constant in zip(elements, constants, strict=True)]
        cubed = WIDTH if parameters.is_full(round_index) else 1
        elements[:cubed] = [pow(element, 3, PRIME) for element in elements[:cubed]]
        elements = [element % PRIME for element in linear_layer(elements, parameters.mds_first_row)]
    return tuple(elements)


class HashArithmetic(Protocol[Element]):
    """What sponge and compression need of their elements: integers when verifying, wires when a circuit verifies."""

    @property
    def suite(self) -> SuiteId:
        """The Poseidon suite that `permute` belongs to."""
        ...

    def constant(self, value: int) -> Element:
        """The element of a number known to everybody."""
        ...

    def add(self, left: Element, right: Element) -> Element:
        """The sum in the field."""
        ...

    def permute(self, state: Sequence[Element]) -> tuple[Element, ...]:
        """The permutation of sixteen elements."""
        ...


def sponge_over(
    arithmetic: HashArithmetic[Element], kind: HashKind, elements: Sequence[Element], level_or_label: int = 0
) -> tuple[Element, ...]:
    """Every permutation output of the sponge's last step cut to a digest; see docs/hashing.md.

    Soundness: without the length in the capacity, [x] and [x, 0] would have the same digest.
    """
    zero = arithmetic.constant(0)
    tags = (kind, len(elements), arithmetic.suite, level_or_label)
    state = (zero,) * RATE + tuple(arithmetic.constant(tag) for tag in tags) + (zero,) * 4
    for start in range(0, max(len(elements), 1), RATE):
        block = tuple(elements[start : start + RATE])
        state = arithmetic.permute(block + (zero,) * (RATE - len(block)) + state[RATE:])
    return state[:DIGEST_LENGTH]


def compress_over(
    arithmetic: HashArithmetic[Element], left: Sequence[Element], right: Sequence[Element], level: int
) -> tuple[Element, ...]:
    """The tree node over two digests in a layer of 2^level nodes.

    Soundness: without adding the input back, anyone could run the permutation backwards and make collisions.
    """
    if len(left) != DIGEST_LENGTH or len(right) != DIGEST_LENGTH:
        raise ValueError(f"a digest has {DIGEST_LENGTH} elements")
    tag = arithmetic.constant(level + 1)
    state = (*left, *right[:-1], arithmetic.add(right[-1], tag))
    output = arithmetic.permute(state)
    return tuple(arithmetic.add(before, after) for before, after in zip(left, output, strict=False))


@dataclass(frozen=True, slots=True)
class IntegerArithmetic:
    """Canonical integers and a permutation of them; a prover hands in a compiled one."""

    parameters: PoseidonParameters
    permutation: Callable[[Sequence[int], PoseidonParameters], tuple[int, ...]] = permute_unrolled

    @property
    def suite(self) -> SuiteId:
        """The suite of the parameters."""
        return self.parameters.suite

    def constant(self, value: int) -> int:
        """The number itself, which must be an element already."""
        return value

    def add(self, left: int, right: int) -> int:
        """The sum modulo p."""
        return (left + right) % PRIME

    def permute(self, state: Sequence[int]) -> tuple[int, ...]:
        """The permutation of a canonical state."""
        check_state(state)
        return self.permutation(state, self.parameters)


def sponge(
    parameters: PoseidonParameters, kind: HashKind, elements: Sequence[int], level_or_label: int = 0
) -> tuple[int, ...]:
    """The digest of canonical integers."""
    return sponge_over(IntegerArithmetic(parameters), kind, elements, level_or_label)


def compress(
    left: Sequence[int], right: Sequence[int], level: int, parameters: PoseidonParameters
) -> tuple[int, ...]:
    """The tree node over two digests of canonical integers.

    The children are checked here because adding the level reduces: p in the last element would pass for 0.
    """
    check_state((*left, *right))
    return compress_over(IntegerArithmetic(parameters), left, right, level)
