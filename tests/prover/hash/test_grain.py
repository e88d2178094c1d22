"""The constants are what the register draws, and nothing else."""

import pytest

from prover.field.koalabear import PRIME
from prover.hash import poseidon_constants
from prover.hash.grain import round_constants, seed_bits


@pytest.mark.parametrize(
    ("partial_rounds", "constants"),
    [(20, poseidon_constants.ROUND_CONSTANTS_20), (36, poseidon_constants.ROUND_CONSTANTS_36)],
)
def test_the_register_draws_the_constants_that_are_kept(
    partial_rounds: int, constants: tuple[tuple[int, ...], ...]
) -> None:
    assert round_constants(PRIME, 16, 8, partial_rounds) == constants


def test_the_suites_share_no_constant_position_by_position() -> None:
    pairs = zip(poseidon_constants.ROUND_CONSTANTS_20, poseidon_constants.ROUND_CONSTANTS_36, strict=False)
    assert all(short != long for short, long in pairs)


def test_the_seed_holds_every_parameter_and_ends_in_thirty_ones() -> None:
    seed = seed_bits(31, 16, 8, 20)
    assert len(seed) == 80
    assert seed[:6] == [0, 1, 0, 0, 0, 0]
    assert seed[50:] == [1] * 30
    assert int("".join(map(str, seed[6:18])), 2) == 31
    assert int("".join(map(str, seed[40:50])), 2) == 20
