"""The Poseidon suites as data: changing rounds or constants changes numbers, not code."""

from dataclasses import dataclass

from prover.hash.domain import SuiteId
from prover.hash.poseidon_constants import MDS_FIRST_ROW, ROUND_CONSTANTS_20, ROUND_CONSTANTS_36

WIDTH = 16
"""Elements of the state: two digests of eight fit, so a tree node costs one permutation."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseidonParameters:
    """One Poseidon permutation, as data; compared by identity, so that caches need not hash a thousand numbers."""

    suite: SuiteId
    full_rounds: int
    partial_rounds: int
    round_constants: tuple[tuple[int, ...], ...]
    mds_first_row: tuple[int, ...]

    @property
    def first_partial_round(self) -> int:
        """The round after the first half of the full rounds."""
        return self.full_rounds // 2

    @property
    def rounds(self) -> int:
        """All rounds, full and partial."""
        return self.full_rounds + self.partial_rounds

    def is_full(self, round_index: int) -> bool:
        """Whether every element is cubed in this round."""
        return not self.first_partial_round <= round_index < self.first_partial_round + self.partial_rounds


POSEIDON16_20 = PoseidonParameters(SuiteId.POSEIDON16_20, 8, 20, ROUND_CONSTANTS_20, MDS_FIRST_ROW)
"""Suite 1: the official parameters for 128 bits."""

POSEIDON16_36 = PoseidonParameters(SuiteId.POSEIDON16_36, 8, 36, ROUND_CONSTANTS_36, MDS_FIRST_ROW)
"""Suite 2: sixteen partial rounds more, in reserve."""

POSEIDON_SUITES = {parameters.suite: parameters for parameters in (POSEIDON16_20, POSEIDON16_36)}
"""Every Poseidon suite by its id."""
