"""``python -m tools.checks``: parts run in stages, each told before and after; and the quick tests are those that are not slow."""

import re
from pathlib import Path

import pytest

from tools import checks
from tools.checks import Part, main, workers

pytest_plugins = ["pytester"]

FINE = Part("something fine", (("-c", "print('fine was here')"), ("-c", "print('twice')")))
WRONG = Part("something wrong", (("-c", "import sys; print('wrong was here'); sys.exit(3)"), ("-c", "print('never')")))


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PARTS", {"fine": FINE, "also": FINE, "wrong": WRONG})


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What was said, without the seconds."""
    return re.sub(r" in [\d.]+ s", "", capfd.readouterr().out).splitlines()


def test_parts_are_told_before_and_after_and_summed_up(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fine", "also"]) == 0
    once = ["fine was here", "twice"]
    assert told(capfd) == [
        "=== fine: something fine", *once, "--- fine passed",
        "=== also: something fine", *once, "--- also passed",
        "=== All passed", "--- fine passed", "--- also passed",
    ]  # fmt: skip


def test_nothing_begins_after_a_failure_but_what_runs_beside_it_ends(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fine+wrong", "also"]) == 1
    lines = told(capfd)
    assert lines[:2] == ["=== fine: something fine", "=== wrong: something wrong"]
    at = lines.index("--- wrong FAILED")
    assert lines[at - 1] == "wrong was here", "in one piece, and up to the command that failed"
    at = lines.index("--- fine passed")
    assert lines[at - 2 : at] == ["fine was here", "twice"]
    assert "=== FAILED" in lines
    assert not any("also" in line or "never" in line for line in lines)


def test_one_part_needs_no_sum(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["wrong"]) == 1
    assert told(capfd) == ["=== wrong: something wrong", "wrong was here", "--- wrong FAILED"]


def test_a_part_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["fine", "finer"]) == 2
    assert capfd.readouterr().err == "there are the parts fine, also, wrong, but not finer\n"


def test_arguments_go_to_pytest_and_its_processes_are_as_many_as_fit(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Part(
        "arguments", (("-c", "import sys; print(sys.argv[1:])", "pytest"), ("-c", "import sys; print(sys.argv[1:])"))
    )
    monkeypatch.setattr(checks, "PARTS", {"show": show})
    monkeypatch.setattr(checks, "workers_here", lambda: 3)
    assert main(["show", "--", "-k", "nms"]) == 0
    assert told(capfd)[1:3] == ["['pytest', '-n', '3', '--dist', 'worksteal', '-k', 'nms']", "[]"]
    gib = 2**30
    assert [workers(2, 8 * gib), workers(4, 4 * gib), workers(64, 512 * gib), workers(1, gib)] == [2, 2, 8, 1]


def test_a_minute_that_took_longer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checks.PARTS, "fine", Part("", (), aim=60))
    assert str(checks.Ended("fine", True, 59.94)) == "fine passed in 59.9 s"
    assert str(checks.Ended("fine", False, 61.2)) == "fine FAILED in 1 min 01 s; it is meant to take at most 60 s"


def test_quick_leaves_out_the_slow_and_nothing_of_which_nothing_would_be_left(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run records what is slow; the next leaves it out, but for the quickest of a file that has nothing else."""
    conftest = (Path(__file__).parents[1] / "conftest.py").read_text("utf-8")
    pytester.makeconftest(conftest.replace("SLOW_SECONDS = 0.4", "SLOW_SECONDS = 10.0"))
    pytester.makepyfile(
        test_mixed="""
            import pytest
            @pytest.mark.parametrize("i", [1, 2])
            def test_slow(i): pass
            def test_quick(): pass
        """,
        test_all_slow="""
            def test_slower(): pass
            class TestMore:
                def test_slow(self): pass
        """,
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # the run below is none, though this one may be
    took = {"test_mixed.py::test_slow": 6, "test_mixed.py::test_quick": 1, "test_all_slow.py::test_slower": 90,
            "test_all_slow.py::TestMore::test_slow": 20}  # fmt: skip
    pytester.makepyfile(
        clock=f"""
            import pytest
            took = {took}
            class Clock:
                @pytest.hookimpl(wrapper=True)
                def pytest_runtest_makereport(self, item, call):
                    report = yield
                    if call.when == "call":
                        report.duration = took[item.nodeid.partition("[")[0]]
                    return report
            def pytest_configure(config):
                config.pluginmanager.register(Clock())
        """
    )
    pytester.syspathinsert()
    pytester.runpytest_subprocess("-p", "clock", "--record-slow").assert_outcomes(passed=5)
    slow = pytester.path / "slow.tsv"
    assert slow.read_text("utf-8").splitlines() == [
        "test_all_slow.py::TestMore::test_slow\t20.0", "test_all_slow.py::test_slower\t90.0", "test_mixed.py::test_slow\t12.0",
    ]  # fmt: skip
    run = pytester.runpytest_subprocess("--quick", "-v")
    run.assert_outcomes(passed=2, deselected=3)
    run.stdout.fnmatch_lines(["*TestMore::test_slow PASSED*", "*test_mixed.py::test_quick PASSED*"])
