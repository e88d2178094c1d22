"""Poseidon's matrix leaves no subspace of states in which partial rounds would be linear for ever.

A partial round cubes element 0 alone.
A subspace whose states all have element 0 zero, and which the matrix keeps, would pass any number of partial rounds
untouched; one that contains the first unit vector, and is kept, would let differences run through them.
The eigenvectors of a circulant matrix are those of the Fourier transform, and none has a zero at element 0.
So where all eigenvalues differ, a kept subspace is spanned by some of them: it has a state with element 0 not zero, and
it contains the first unit vector only if it is everything.
The same holds of t rounds at once, for the powers of the eigenvalues.
"""

from __future__ import annotations

from itertools import combinations

from prover.field.koalabear import PRIME, root_of_unity
from prover.hash.poseidon_constants import MDS_FIRST_ROW
from prover.hash.poseidon_parameters import WIDTH

ROOT = root_of_unity(4)

EIGENVALUES = [
    sum(entry * pow(ROOT, j * k, PRIME) for j, entry in enumerate(MDS_FIRST_ROW)) % PRIME
    for k in range(WIDTH)
]


def order(value: int) -> int:
    """The least power that is one; p - 1 is 127 * 2^24."""
    found = PRIME - 1
    for factor in (2, 127):
        while found % factor == 0 and pow(value, found // factor, PRIME) == 1:
            found //= factor
    return found


def test_the_fourier_transform_diagonalises_the_matrix() -> None:
    """Row r of the matrix is the first row, moved on by r places."""
    for k, eigenvalue in enumerate(EIGENVALUES):
        vector = [pow(ROOT, j * k, PRIME) for j in range(WIDTH)]
        for r in range(WIDTH):
            image = sum(MDS_FIRST_ROW[(c - r) % WIDTH] * vector[c] for c in range(WIDTH))
            assert image % PRIME == eigenvalue * vector[r] % PRIME


def test_no_subspace_is_kept_by_any_number_of_partial_rounds() -> None:
    """Eigenvalues whose quotient had a small order would become one after so many rounds."""
    assert all(EIGENVALUES)
    quotients = [a * pow(b, -1, PRIME) % PRIME for a, b in combinations(EIGENVALUES, 2)]
    assert min(order(quotient) for quotient in quotients) >= 1 << 24
