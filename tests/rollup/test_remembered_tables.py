"""Tables of keys that are kept: the same as made anew, bounded, and whoever is used is not forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from prover.curve import key_table_kernels
from prover.curve.comb import KeyTables, fixed_points
from prover.curve.septic import encode
from prover.field.koalabear import encode as to_montgomery
from rollup.authority import TradingKey
from rollup.remembered_tables import RememberedTables
from rollup.schnorr import SecretKey, SignatureSuite, key_elements, signature_from
from rollup.units import SuiteId

SUITE = SignatureSuite.SEPTIC_POSEIDON16_20
KEYS = [SecretKey(SUITE, 77 + index).trading_key for index in range(9)]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tables each call of the kernel made."""
    counts: list[int] = []
    original = key_table_kernels.key_tables

    def counted(keys: np.ndarray, *, has_witness: bool, threads: int = 1) -> KeyTables:
        counts.append(keys.shape[1])
        return original(keys, has_witness=has_witness, threads=threads)

    monkeypatch.setattr(key_table_kernels, "key_tables", counted)
    return counts


def anew(keys: list[TradingKey]) -> KeyTables:
    columns = to_montgomery(np.array([key_elements(key) for key in keys], np.uint32).T)
    return key_table_kernels.key_tables(columns, has_witness=False)


def test_what_is_remembered_is_what_is_made() -> None:
    memory = RememberedTables()
    for keys in (KEYS[:5], KEYS[3:], KEYS[::-1], KEYS[:1] * 3):
        found, expected = memory.tables_of(keys), anew(keys)
        assert np.array_equal(found.rows, expected.rows)
        assert np.array_equal(found.is_exceptional, expected.is_exceptional)


def test_a_table_is_made_once(made: list[int]) -> None:
    memory = RememberedTables()
    memory.tables_of(KEYS[:5])
    memory.tables_of([*KEYS[2:7], KEYS[2]])
    memory.tables_of(KEYS[:7])
    assert made == [5, 2]


def test_the_suites_share_a_key_s_table(made: list[int]) -> None:
    memory = RememberedTables()
    other = replace(KEYS[0], suite=SuiteId(SignatureSuite.SEPTIC_POSEIDON16_36))
    memory.tables_of([KEYS[0], other])
    assert made == [1]


def test_no_more_than_so_many_are_kept_and_the_idle_ones_go_first(made: list[int]) -> None:
    memory = RememberedTables(remembered=3)
    memory.tables_of(KEYS[:3])
    memory.tables_of(KEYS[:1])
    memory.tables_of(KEYS[3:4])
    assert len(memory) == 3
    memory.tables_of([KEYS[0], KEYS[2], KEYS[3]])
    assert made == [3, 1]
    memory.tables_of(KEYS[1:2])
    assert made == [3, 1, 1]


def test_more_keys_than_are_kept_are_served_all_the_same() -> None:
    memory = RememberedTables(remembered=2)
    assert np.array_equal(memory.tables_of(KEYS).rows, anew(KEYS).rows)
    assert len(memory) == 2


def test_an_exceptional_key_stays_exceptional() -> None:
    offset = signature_from(fixed_points().key_offset, 0)
    useless = TradingKey(SuiteId(SUITE), offset.commitment_x, offset.commitment_y)
    assert key_elements(useless) == encode(fixed_points().key_offset)
    memory = RememberedTables()
    for _ in range(2):
        assert memory.tables_of([KEYS[0], useless]).is_exceptional.tolist() == [False, True]


def test_several_threads_get_the_same_tables() -> None:
    memory, expected = RememberedTables(remembered=4), anew(KEYS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: memory.tables_of(KEYS), range(12)):
            assert np.array_equal(found.rows, expected.rows)


def test_no_keys_have_no_tables() -> None:
    assert len(RememberedTables().tables_of([]).is_exceptional) == 0
