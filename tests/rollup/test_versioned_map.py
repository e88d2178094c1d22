"""Every version of a map stays what it was, whichever is read or written next."""

from __future__ import annotations

import pickle
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollup.versioned_map import VersionedMap

KEYS = st.integers(0, 7)
STEPS = st.lists(
    st.tuples(st.integers(0, 30), st.dictionaries(KEYS, st.integers(0, 9), max_size=4)), max_size=30
)


@given(STEPS, st.lists(st.tuples(st.integers(0, 30), KEYS), max_size=30))
def test_versions_behave_like_copies(
    steps: list[tuple[int, dict[int, int]]], reads: list[tuple[int, int]]
) -> None:
    copies: list[dict[int, int]] = [{0: 5}]
    versions = [VersionedMap(copies[0])]
    for parent, changes in steps:
        place = parent % len(versions)
        versions.append(versions[place].set_many(changes))
        copies.append(copies[place] | changes)
    for version, key in reads:
        place = version % len(versions)
        assert versions[place].get(key) == copies[place].get(key)
        assert versions[place].get_many([key, key]) == [copies[place].get(key)] * 2
        assert (key in versions[place]) == (key in copies[place])
    assert [version.to_dict() for version in versions] == copies
    assert [len(version) for version in versions] == [len(copy) for copy in copies]


def test_equal_contents_are_equal_versions() -> None:
    base = VersionedMap({1: 2})
    assert base.set_many({1: 3}).set_many({1: 2}) == base
    assert base != base.set_many({1: 3})
    assert base != {1: 2}
    assert sorted(base.set_many({4: 4})) == [1, 4]
    with pytest.raises(TypeError, match=r"^a map is not hashable$"):
        hash(base)


def test_the_first_map_is_not_shared_with_its_maker() -> None:
    entries = {1: 2}
    version = VersionedMap(entries)
    entries[1] = 3
    assert version.get(1) == 2


def test_a_version_is_pickled_as_it_reads() -> None:
    old = VersionedMap({1: 2})
    new = old.set_many({1: 3, 2: 4})
    assert pickle.loads(pickle.dumps(old)).to_dict() == {1: 2}  # noqa: S301
    assert pickle.loads(pickle.dumps(new)).to_dict() == {1: 3, 2: 4}  # noqa: S301
    assert pickle.loads(pickle.dumps(VersionedMap[int, int]())).to_dict() == {}  # noqa: S301


def test_a_long_chain_of_versions_is_walked_and_dropped_without_recursion() -> None:
    first: VersionedMap[int, int] | None = VersionedMap({0: 0})
    assert first is not None
    newest = first
    for step in range(100_000):
        newest = newest.set_many({0: step, step % 7: step})
    assert first.get(0) == 0
    assert newest.get(0) == 99_999
    first = None
    assert newest.get(0) == 99_999


def test_threads_may_read_different_versions_at_once() -> None:
    versions = [VersionedMap(dict.fromkeys(range(50), 0))]
    for step in range(1, 50):
        versions.append(versions[-1].set_many(dict.fromkeys(range(0, 50, step), step)))
    copies = [version.to_dict() for version in versions]
    wrong: list[int] = []

    def read(start: int) -> None:
        for step in range(2_000):
            place = (start + 17 * step) % len(versions)
            if versions[place].get(step % 50) != copies[place].get(step % 50):
                wrong.append(place)

    threads = [Thread(target=read, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
