"""The verifier's half of the suites."""

import pytest

from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import keccak256
from prover.hash.suite import KeccakSuite, PoseidonSuite, hash_suite
from prover.parameters import SUITE_NUMBERS, SuiteName


def test_suite_numbers_are_those_of_the_parameters() -> None:
    assert sorted(SUITE_NUMBERS.values()) == sorted(SuiteId)
    assert hash_suite(SuiteId(SuiteName.KECCAK.number)).suite is SuiteId.KECCAK256
    assert hash_suite(SuiteId(SuiteName.POSEIDON_36.number)).suite is SuiteId.POSEIDON16_36


def test_a_keccak_row_is_the_layout_of_the_documentation() -> None:
    preimage = bytes.fromhex("01000003000000020000000500000007")
    assert KeccakSuite().hash_elements(HashKind.ROW, [5, 7]) == keccak256(preimage)
    assert KeccakSuite(26).hash_elements(HashKind.ROW, [5, 7]) == keccak256(preimage)[:26]


def test_a_keccak_node_is_the_layout_of_the_documentation() -> None:
    left, right = bytes(range(32)), bytes(range(100, 132))
    assert KeccakSuite().compress(left, right, 9) == keccak256(
        bytes.fromhex("0d09000300000040") + left + right
    )
    short = keccak256(bytes.fromhex("0d09000300000034") + left[:26] + right[:26])[:26]
    assert KeccakSuite(26).compress(left[:26], right[:26], 9) == short


@pytest.mark.parametrize(("left", "right"), [(31, 33), (33, 31), (26, 26), (0, 64)])
def test_children_of_other_lengths_are_refused(left: int, right: int) -> None:
    with pytest.raises(ValueError, match="a digest has 32 bytes"):
        KeccakSuite().compress(bytes(left), bytes(right), 0)


@pytest.mark.parametrize("node_bytes", [0, 20, 31, 33])
def test_other_sizes_of_nodes_are_refused(node_bytes: int) -> None:
    with pytest.raises(ValueError, match="nodes have 26 or 32 bytes"):
        KeccakSuite(node_bytes)


def test_poseidon_digests_are_never_cut() -> None:
    with pytest.raises(ValueError, match="never cut"):
        hash_suite(SuiteId.POSEIDON16_20, 26)
    assert isinstance(hash_suite(SuiteId.POSEIDON16_20), PoseidonSuite)
