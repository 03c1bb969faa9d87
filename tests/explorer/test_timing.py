"""Rates, stage means and the verdict."""

import pytest

from explorer.engine.timing import Timing, verdict
from explorer.panel import Result, Stage, Task
from tests.explorer.panels_for_tests import Params, make_frame


def shown(timing: Timing, count: int, gap: float, forward: float) -> float:
    now = 100.0
    for i in range(count):
        now = 100 + i * gap
        frame = make_frame(index=i)
        object.__setattr__(frame, "time", now - forward - 0.002)
        stages = (Stage("capture", now - 1, now - 0.999), Stage("forward", now - forward - 0.002, now - 0.002))
        timing.add(Result(frame, Task(1, "probe", Params()), stages=stages), Stage("draw", now - 0.002, now))
    return now


def test_the_summary_gives_rate_means_and_age() -> None:
    timing = Timing()
    assert timing.summary(0.0, 30.0, "the camera") is None
    now = shown(timing, 10, 0.1, 0.05)
    summary = timing.summary(now, 30.0, "the camera")
    assert summary is not None
    assert summary.fps == pytest.approx(10)
    assert dict(summary.stages) == pytest.approx({"capture": 0.001, "forward": 0.05, "draw": 0.002})
    assert summary.frame_age == pytest.approx(0.052)
    assert summary.verdict == "the network takes 96 % of the time"


def test_the_rate_is_zero_when_nothing_was_shown_for_a_while() -> None:
    timing = Timing()
    now = shown(timing, 10, 0.1, 0.05)
    summary = timing.summary(now + 5, 0.0, "the picture")
    assert summary is not None
    assert summary.fps == 0


def test_the_verdict_names_the_source_when_it_is_the_limit() -> None:
    stages = [("forward", 0.01), ("draw", 0.002)]
    assert verdict(stages, 14.9, 15.0, "the camera") == "the camera gives 15 fps, and every frame is shown"
    assert verdict(stages, 5.0, 15.0, "the camera") == "the network takes 83 % of the time"
    assert verdict([("draw", 0.02), ("forward", 0.01)], 5.0, 15.0, "") == "drawing takes 67 % of the time"
    assert verdict([], 0.0, 0.0, "") == ""
