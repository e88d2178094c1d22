"""Work beside the loop: in pieces, with rests that follow from how long they took."""

from __future__ import annotations

import pytest

from rollup.node.pace import HURRIED_REST, LONGEST_REST_SECONDS, REST, Pace, in_pieces


def test_pieces_are_the_whole_with_a_rest_between_two() -> None:
    rests: list[None] = []
    pieces = [list(piece) for piece in in_pieces(range(10), lambda: rests.append(None), 4)]
    assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(rests) == 2
    assert list(in_pieces([], lambda: rests.append(None))) == []
    assert len(rests) == 2


def test_a_rest_is_as_long_as_the_work_allows_and_never_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now: list[float] = [0.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("rollup.node.pace.thread_time", lambda: now[0])
    monkeypatch.setattr("rollup.node.pace.sleep", sleep)
    is_hurried = [False]
    pace = Pace(lambda: is_hurried[0])
    now[0] += 0.001
    pace()
    pace()
    is_hurried[0] = True
    now[0] += 0.001
    pace()
    now[0] += 5.0
    pace()
    rests = [pytest.approx(REST * 0.001), 0.0, pytest.approx(HURRIED_REST * 0.001), LONGEST_REST_SECONDS]
    assert slept == rests
