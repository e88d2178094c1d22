"""Stages report to their callback in order and add up their seconds."""

from __future__ import annotations

from itertools import count

import pytest

from prover.progress import Stages


def test_a_stage_reports_its_start_its_steps_and_its_end() -> None:
    heard: list[tuple[str, float]] = []
    stages = Stages(lambda stage, fraction: heard.append((stage, fraction)))
    with stages.stage("fill the trace") as advance:
        advance(0.25)
    with stages.stage("commit"):
        pass
    assert heard == [
        ("fill the trace", 0.0),
        ("fill the trace", 0.25),
        ("fill the trace", 1.0),
        ("commit", 0.0),
        ("commit", 1.0),
    ]


def test_seconds_add_up_for_a_stage_that_is_entered_twice() -> None:
    ticks = count()
    stages = Stages(clock=lambda: float(next(ticks)))
    for name in ("fold", "commit", "fold"):
        with stages.stage(name) as advance:
            advance(0.5)
    assert stages.seconds == {"fold": 2.0, "commit": 1.0}
    assert list(stages.seconds) == ["fold", "commit"]


def test_a_stage_that_fails_is_timed_but_not_reported_as_done() -> None:
    heard: list[tuple[str, float]] = []
    stages = Stages(lambda stage, fraction: heard.append((stage, fraction)))
    with pytest.raises(ValueError, match=r"^broken$"), stages.stage("commit"):
        raise ValueError("broken")
    assert heard == [("commit", 0.0)]
    assert list(stages.seconds) == ["commit"]
