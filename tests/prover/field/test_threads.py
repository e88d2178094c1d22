"""Work spread over threads."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.field.threads import default_threads, run_each, run_slices, slice_bounds


@given(st.integers(1, 9), st.integers(0, 1000), st.integers(1, 64))
def test_slices_cover_everything_once_and_begin_at_multiples(
    threads: int, length: int, multiple: int
) -> None:
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()

    def work(start: int, stop: int) -> None:
        with lock:
            seen.append((start, stop))

    run_slices(threads, length, work, multiple=multiple)
    assert sorted(i for start, stop in seen for i in range(start, stop)) == list(range(length))
    assert all(start % multiple == 0 and start < stop for start, stop in seen)
    assert len(seen) <= threads


def test_no_slice_is_more_than_one_unit_longer_than_another() -> None:
    bounds = slice_bounds(3, 160, 16)
    assert bounds == [0, 48, 96, 160]


def test_nothing_to_do_calls_nothing() -> None:
    run_slices(4, 0, lambda start, stop: pytest.fail(f"called with {start} and {stop}"))


@pytest.mark.parametrize("failing", [0, 16, 32])
def test_the_exception_of_any_slice_is_raised_after_all_have_ended(failing: int) -> None:
    ended = []

    def work(start: int, _stop: int) -> None:
        if start == failing:
            raise ArithmeticError(f"slice {start}")
        ended.append(start)

    with pytest.raises(ArithmeticError, match=rf"^slice {failing}$"):
        run_slices(3, 48, work)
    assert sorted(ended) == [start for start in (0, 16, 32) if start != failing]


def test_the_default_is_the_number_of_cores_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {3, 5, 7}, raising=False)
    assert default_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads() == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_item_is_worked_on_once(threads: int) -> None:
    done: list[int] = []
    run_each(threads, range(40), done.append)
    assert sorted(done) == list(range(40))


def test_what_an_item_raises_is_raised_here() -> None:
    def work(item: int) -> None:
        if item == 7:
            raise KeyError(item)

    with pytest.raises(KeyError, match="7"):
        run_each(2, range(40), work)
