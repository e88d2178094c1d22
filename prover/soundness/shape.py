"""What the security of a proof depends on: its sizes, never its values."""

from __future__ import annotations

from dataclasses import dataclass

from prover.field.koalabear import TWO_ADICITY
from prover.parameters import StarkParameters

__all__ = ["TWO_ADICITY", "SecurityShape"]


@dataclass(frozen=True, slots=True)
class SecurityShape:
    """The sizes of one proof, taken from the key and heights of the very proof that is judged."""

    parameters: StarkParameters

    log_heights: tuple[int, ...]
    """log2 of every table's height, in any order."""

    fold_log_arities: tuple[int, ...]
    """log2 of what each fold divides the domain by, first fold first."""

    constraints: int
    """How many constraints are combined by one challenge, summed over all tables."""

    max_constraint_degree: int
    """The highest degree of a constraint in the columns, selectors counted."""

    batched_columns: int
    """How many pairs of a base-field column and a point are combined, summed over all phases and tables."""

    interactions: int = 0
    """How many fractions the bus sums hold: heights times interactions, summed over all tables."""

    max_message_length: int = 0
    """The most values of one message, the bus's tag not counted."""

    challenge_degrees: tuple[int, ...] = ()
    """For each other challenge round, the total degree in its challenges of the identity that it tests."""

    out_of_domain_points: int = 2
    """At how many points one column is opened: its row and the next."""

    def __post_init__(self) -> None:
        self._validate_heights()
        self._validate_folds()
        for what, value, least in (
            ("constraints", self.constraints, 1),
            ("max_constraint_degree", self.max_constraint_degree, 1),
            ("batched_columns", self.batched_columns, 1),
            ("interactions", self.interactions, 0),
            ("max_message_length", self.max_message_length, 0),
            ("out_of_domain_points", self.out_of_domain_points, 1),
            *(("challenge_degrees", degree, 1) for degree in self.challenge_degrees),
        ):
            if value < least:
                raise ValueError(f"{what} must be at least {least}, got {value}")
        # Soundness: a bus whose messages have no values would be counted as if only its tag were random.
        if (self.interactions == 0) != (self.max_message_length == 0):
            raise ValueError("interactions and max_message_length must both be zero or both be positive")

    def _validate_heights(self) -> None:
        most = TWO_ADICITY - self.parameters.log_blowup
        if not self.log_heights:
            raise ValueError("a proof has at least one table")
        for log_height in self.log_heights:
            if not 0 <= log_height <= most:
                raise ValueError(
                    f"log_heights must lie from 0 to {most} at log_blowup {self.parameters.log_blowup}, "
                    f"got {log_height}"
                )

    def _validate_folds(self) -> None:
        for log_arity in self.fold_log_arities:
            if not 1 <= log_arity <= self.parameters.log_fold_arity:
                raise ValueError(
                    f"fold_log_arities must lie from 1 to {self.parameters.log_fold_arity}, got {log_arity}"
                )
        reached = {self.log_max_height, *self.folded_log_heights}
        # Soundness: a table whose height no fold reaches would never enter the low-degree test.
        for log_height in sorted(set(self.log_heights) - reached):
            raise ValueError(f"no fold reaches the tables of height 2^{log_height}")
        last = min(reached)
        if not 0 <= last <= self.parameters.log_final_length:
            raise ValueError(
                f"the folds must end between 0 and log_final_length {self.parameters.log_final_length}, at {last}"
            )

    @property
    def log_max_height(self) -> int:
        """The height of the tallest table, where the low-degree test starts."""
        return max(self.log_heights)

    @property
    def folded_log_heights(self) -> tuple[int, ...]:
        """The log2 of the degree bound after each fold."""
        height = self.log_max_height
        return tuple(height := height - log_arity for log_arity in self.fold_log_arities)

    @property
    def fold_curve_degrees(self) -> tuple[int, ...]:
        """The degree of each fold's random curve: one less than the words it combines.

        A fold of arity k combines k words, and one word more where tables of the reached height enter.
        """
        return tuple(
            (1 << log_arity) - (log_height not in self.log_heights)
            for log_arity, log_height in zip(self.fold_log_arities, self.folded_log_heights, strict=True)
        )

    @property
    def composition_degree(self) -> int:
        """The degree, in heights, of both sides of the identity that is checked out of the domain.

        The quotient is split into a power of two of pieces, which may be more than its degree needs.
        """
        pieces = 1 << (self.max_constraint_degree - 2).bit_length()
        return max(self.max_constraint_degree, pieces + 1)
