"""What the verifier computes with: an abstract arithmetic, and the one on numbers.

The verifier is written once over this interface.
On numbers it verifies; on recorded wires it becomes a circuit.
So it never looks at a value: it adds, multiplies and requires equalities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from prover.errors import Reason
from prover.parameters import StarkParameters
from prover.stark.proof import Query


class Element(Protocol):
    """A value of the base field or of the challenge extension; integers are lifted into it."""

    def __add__(self, other: Self | int, /) -> Self: ...
    def __sub__(self, other: Self | int, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...


Base = TypeVar("Base")
Ext = TypeVar("Ext")
Digest = TypeVar("Digest")


class Challenger(ABC, Generic[Base, Ext, Digest]):
    """The transcript as the verifier sees it: every message goes in under a label, challenges come out."""

    @abstractmethod
    def absorb_elements(self, label: int, elements: Sequence[Base]) -> None:
        """Bind base field elements."""

    @abstractmethod
    def absorb_extension(self, label: int, elements: Sequence[Ext]) -> None:
        """Bind extension elements."""

    @abstractmethod
    def absorb_digest(self, label: int, digest: Digest) -> None:
        """Bind a root."""

    @abstractmethod
    def check_grinding(self, label: int, nonce: Base, bits: int, reason: Reason) -> None:
        """Bind a nonce and require that it cost about 2^bits hashes to find."""

    @abstractmethod
    def draw_extension(self, label: int) -> Ext:
        """A uniform element of the extension, not of the base field alone."""

    @abstractmethod
    def draw_positions(self, label: int, count: int, bits: int) -> list[list[Base]]:
        """Uniform positions, each as its bits, least significant first."""


class Arithmetic(ABC, Generic[Base, Ext, Digest]):
    """Field, hash and requirements over one kind of value."""

    @abstractmethod
    def base(self, value: int) -> Base:
        """A constant of the base field."""

    @abstractmethod
    def extension(self, coordinates: Sequence[Base]) -> Ext:
        """The extension element with these five coordinates."""

    @abstractmethod
    def inverse(self, value: Ext, reason: Reason) -> Ext:
        """The inverse; zero is refused with the reason."""

    @abstractmethod
    def require_equal(self, left: Ext, right: Ext, reason: Reason, detail: str) -> None:
        """Refuse with the reason unless both sides agree."""

    @abstractmethod
    def require_same_digest(self, left: Digest, right: Digest, reason: Reason, detail: str) -> None:
        """Refuse with the reason unless both digests agree."""

    @abstractmethod
    def hash_row(self, elements: Sequence[Base]) -> Digest:
        """The leaf of a tree over the rows of one height."""

    def weighted_sum(self, weights: Sequence[Ext], values: Sequence[Base]) -> Ext:
        """The values of the base field, each times its weight, summed; there is at least one."""
        # Any: an extension element takes a factor of the base, which the type variables cannot say.
        terms: list[Any] = list(weights)
        total = terms[0] * values[0]
        for weight, value in zip(terms[1:], values[1:], strict=True):
            total = total + weight * value
        result: Ext = total
        return result

    @abstractmethod
    def compress_at(self, bit: Base, node: Digest, sibling: Digest, level: int) -> Digest:
        """The parent of a node: the node is the right child when the bit is one."""

    @abstractmethod
    def compress(self, left: Digest, right: Digest, level: int) -> Digest:
        """The parent of two nodes."""

    @abstractmethod
    def challenger(self, parameters: StarkParameters) -> Challenger[Base, Ext, Digest]:
        """A fresh transcript."""

    @abstractmethod
    def gather(
        self, queries: Sequence[Query[Base, Ext, Digest]], positions: Sequence[Sequence[Base]]
    ) -> list[tuple[Query[Base, Ext, Digest], list[Base]]]:
        """The queries to check, each with the bits of its position; numbers check all of them side by side."""
