"""Keccak-256: the definition against two libraries and the answers everybody knows."""

import pytest
from eth_hash.auto import keccak as eth_keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.keccak import ROTATION_OFFSETS, ROUND_CONSTANTS, keccak256, keccak256_reference
from prover.hash.keccak_layout import element_bytes, keccak_prefix

EMPTY = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
ABC = "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"


@pytest.mark.parametrize(("message", "digest"), [(b"", EMPTY), (b"abc", ABC)])
def test_known_answers_come_out(message: bytes, digest: str) -> None:
    assert keccak256_reference(message).hex() == keccak256(message).hex() == digest


@pytest.mark.parametrize("length", [1, 7, 8, 9, 134, 135, 136, 137, 271, 272, 273, 408])
def test_lengths_around_the_rate_agree_with_other_libraries(length: int) -> None:
    message = bytes(index * 7 % 256 for index in range(length))
    assert keccak256_reference(message) == keccak256(message) == eth_keccak(message)


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=300))
def test_any_message_agrees_with_other_libraries(message: bytes) -> None:
    assert keccak256_reference(message) == keccak256(message) == eth_keccak(message)


def test_derived_constants_are_those_of_the_standard() -> None:
    assert ROUND_CONSTANTS[0] == 1
    assert ROUND_CONSTANTS[1] == 0x8082
    assert ROUND_CONSTANTS[23] == 0x8000000080008008
    assert ROTATION_OFFSETS[:5] == (0, 1, 62, 28, 27)


def test_the_prefix_is_the_layout_of_the_documentation() -> None:
    assert keccak_prefix(HashKind.NODE, 5, 64).hex() == "0d05000300000040"


@pytest.mark.parametrize("level", [-1, 256])
def test_a_level_that_does_not_fit_its_byte_is_refused(level: int) -> None:
    with pytest.raises(OverflowError):
        keccak_prefix(HashKind.NODE, level, 64)


def test_elements_are_four_bytes_big_endian() -> None:
    assert element_bytes([1, PRIME - 1]).hex() == "000000017f000000"
    assert element_bytes([]) == b""


@pytest.mark.parametrize("bad", [-1, PRIME, 2**32])
def test_an_element_out_of_range_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        element_bytes([0, bad])
