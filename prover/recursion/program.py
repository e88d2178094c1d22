"""A program: what the verifier does to a proof of one shape, as a list of instructions over numbered wires.

A wire holds an extension element, or a vector of eight base field elements (a digest, or a block of a sponge).
Every wire is written by exactly one instruction, before the first one that reads it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from prover.stark.shape import EXTENSION_DEGREE

VECTOR = 8
"""Elements of a vector: a digest, and what one permutation absorbs."""

NOTHING = -1
"""No wire."""


def public_messages(count: int) -> int:
    """How many messages the tables give so many public values in: each is an element with five of them."""
    return -(-count // EXTENSION_DEGREE)


class ProgramError(ValueError):
    """A program that the tables cannot prove; the message says why."""


class Solve(IntEnum):
    """Which wire of left * right + addend + constant = result an instruction finds; the others are given."""

    RESULT = 0
    """An addition, a product, or both at once."""
    LEFT_BY_DIFFERENCE = 1
    """left = result - addend; right is one."""
    LEFT_BY_QUOTIENT = 2
    """left = (result - addend) / right; right must not be zero."""
    LEFT_AS_BIT = 3
    """left is a bit of an element that is given beside the row; right and result are left itself."""
    NONE = 4
    """All four are given: a requirement."""


@dataclass(frozen=True, slots=True)
class Multiplication:
    """left * right + addend + constant = result, over extension wires."""

    solve: Solve
    left: int
    right: int
    addend: int
    constant: int
    result: int
    source: int = NOTHING
    """The element whose bit is taken."""
    bit: int = 0
    """Which bit of it."""


@dataclass(frozen=True, slots=True)
class Permutation:
    """One Poseidon permutation, with what surrounds it.

    The input is (first, second), exchanged where the bit is one, and `tag` added to its last element.
    The digest is the first half of the output, the first half of the input added where it `feeds_forward`.
    """

    first: int
    second: int
    """NOTHING for the sibling of a path: it is the witness's, and nothing else reads it."""
    bit: int
    """An extension wire; the wire of zero where nothing is exchanged."""
    tag: int
    feeds_forward: bool
    digest: int
    rest: int
    """The second half of the output: a sponge's capacity. NOTHING where nobody reads it."""
    sibling: int = NOTHING
    """Which sibling of the proof stands in for `second`."""
    is_requirement: bool = False
    """Whether the digest is one that was given: the end of a path is the root."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Eight base field wires are the elements of a vector; each side may be the one that is written."""

    vector: int
    elements: tuple[int, ...]
    writes_vector: bool
    written_elements: tuple[bool, ...]


Instruction = Multiplication | Permutation | Packing


@dataclass(frozen=True, slots=True)
class Program:
    """A verifier's run, in the order in which it can be replayed."""

    instructions: tuple[Instruction, ...]
    scalar_count: int
    """How many extension wires there are."""
    vector_count: int
    inputs: tuple[int, ...]
    """The extension wires that hold base field elements of the proof, in the order of `flatten_proof`."""
    vector_inputs: tuple[int, ...]
    """The vector wires that hold roots of the proof."""
    sibling_count: int
    publics: tuple[int, ...]
    """The extension wires of the public values; wires 0, 1, .. hold five of them each, as the tables give them."""
    public_zeros: int
    """How many public values follow that are zero."""
    zero: int
    """The wire of zero."""

    @property
    def public_count(self) -> int:
        """How many public values the tables have."""
        return len(self.publics) + self.public_zeros

    def counts(self) -> dict[str, int]:
        """How many instructions of each kind there are."""
        found = Counter(type(instruction).__name__.lower() for instruction in self.instructions)
        return dict(sorted(found.items()))
