"""The search for nonces."""

import pytest

from prover.hash import grinding
from prover.hash.domain import SuiteId
from prover.hash.grinding import GrindingError, grind_keccak, grind_poseidon, smallest_nonce


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_smallest_nonce_wins_on_any_number_of_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grinding, "LEAST_CHUNK", 64)

    def find(first: int, last: int) -> int | None:
        return next((nonce for nonce in range(first, last) if nonce % 1000 in {7, 8}), None)

    assert smallest_nonce(find, start=0, stop=10_000, threads=threads) == 7
    assert smallest_nonce(find, start=8, stop=10_000, threads=threads) == 8
    assert smallest_nonce(find, start=9, stop=10_000, threads=threads) == 1007


def test_a_search_that_finds_nothing_ends() -> None:
    with pytest.raises(GrindingError, match="no nonce"):
        smallest_nonce(lambda _first, _last: None, start=5, stop=100, threads=2)


@pytest.mark.parametrize("bits", [-1, 41])
def test_keccak_refuses_bits_that_nobody_would_wait_for(bits: int) -> None:
    with pytest.raises(ValueError, match="grinding takes 0 to 40 bits"):
        grind_keccak(bytes(32), 37, bits, threads=1)


@pytest.mark.parametrize("bits", [-1, 25])
def test_poseidon_refuses_more_bits_than_are_uniform(bits: int) -> None:
    with pytest.raises(ValueError, match="grinding takes 0 to 24 bits"):
        grind_poseidon(SuiteId.POSEIDON16_20, [0] * 8, 37, bits, threads=1)
