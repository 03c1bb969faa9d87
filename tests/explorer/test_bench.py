"""The measuring itself: the numbers in the README come through it."""

import pytest
from bench import Row, interleaved, percentile, table


def test_cases_take_turns_and_each_round_counts_once() -> None:
    calls: list[str] = []
    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, runs=4, warm_up=2)
    assert calls == ["a", "b", "b", "a"] * 3
    assert set(seconds) == {"a", "b"}


def test_prepare_runs_before_every_case() -> None:
    calls: list[str] = []
    interleaved({"a": lambda: calls.append("a")}, runs=2, warm_up=0, prepare=lambda: calls.append("ready"))
    assert calls == ["ready", "a", "ready", "a"]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile([float(i) for i in range(100, 0, -1)], share) == value


def test_the_table_marks_what_missed_its_target() -> None:
    lines = table([Row("a", 1.04, "x", most=1.1), Row("b", 60, "ms", most=50), Row("c", 3, "fps")]).splitlines()
    assert [line.split("|")[4].strip() for line in lines[2:]] == ["yes", "**missed**", ""]
