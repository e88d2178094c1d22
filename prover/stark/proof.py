"""The messages of a proof, in the order in which the prover sends them.

Every field says when the transcript absorbs it.
What it does not absorb is bound by a root that it does absorb.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Base = TypeVar("Base")
Ext = TypeVar("Ext")
Digest = TypeVar("Digest")


@dataclass(frozen=True, slots=True)
class OpenedMatrix(Generic[Ext]):
    """The values of one matrix at the out-of-domain point and, for some columns, at the next row's point."""

    current: tuple[Ext, ...]
    next: tuple[Ext, ...]


@dataclass(frozen=True, slots=True)
class TreeOpening(Generic[Base, Digest]):
    """The rows of all matrices of a tree at one position, and the siblings up to the root."""

    rows: tuple[tuple[Base, ...], ...]
    path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Query(Generic[Base, Ext, Digest]):
    """What is opened at one random position."""

    phases: tuple[TreeOpening[Base, Digest], ...]
    """Not absorbed: the positions are drawn after the last message, and the roots bind the rows."""
    folds: tuple[TreeOpening[Base, Digest], ...]
    """Not absorbed, for the same reason."""


@dataclass(frozen=True, slots=True)
class Proof(Generic[Base, Ext, Digest]):
    """A whole proof over any kind of values."""

    roots: tuple[Digest, ...]
    """One for each phase but the preprocessed one, whose root the key holds. Each absorbed before the next
    challenge."""
    bus_sums: tuple[Ext, ...]
    """One for each table with messages; absorbed with the root of the bus round."""
    openings: tuple[tuple[OpenedMatrix[Ext], ...], ...]
    """For each phase, for each matrix; absorbed before the batching challenge."""
    fold_roots: tuple[Digest, ...]
    """Each absorbed before the challenge of its fold."""
    final_polynomial: tuple[Ext, ...]
    """The coefficients, constant first; absorbed before the query positions are drawn."""
    nonces: tuple[Base, ...]
    """One for each grinding, each absorbed where it is checked."""
    queries: tuple[Query[Base, Ext, Digest], ...]
