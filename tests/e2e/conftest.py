"""Starts the real program in a real window on a display of its own. Where Xvfb or xdotool is missing these tests are left out."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desktop import MISSING, Desktop
from program import Program

OUT = Path(__file__).with_name("out")
"""Screenshots of failed tests, and those that tests take on purpose."""

_left_out = pytest.StashKey[list[str]]()
_failed = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not MISSING:
        return
    reason = f"needs a display of its own; missing here: {', '.join(MISSING)}"
    windowed = [item for item in items if "desktop" in getattr(item, "fixturenames", ())]
    for item in windowed:
        item.add_marker(pytest.mark.skip(reason=reason))
    config.stash[_left_out] = [item.nodeid for item in windowed]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if names := config.stash.get(_left_out, []):
        packages = " ".join(name.lower() for name in MISSING)
        terminalreporter.section("left out", yellow=True)
        terminalreporter.line(
            f"{len(names)} tests in a real window did not run. On Debian and Ubuntu: apt-get install {packages}"
        )
        for name in names:
            terminalreporter.line(f"  {name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[_failed] = True
    return report


@pytest.fixture
def screen_size() -> tuple[int, int]:
    """Width and height; a test overrides it with ``@pytest.mark.parametrize("screen_size", [(1920, 1080)])``."""
    return 1366, 768


@pytest.fixture
def desktop(screen_size: tuple[int, int]) -> Iterator[Desktop]:
    with Desktop(*screen_size) as desktop:
        yield desktop


@pytest.fixture
def out() -> Path:
    """Where a test puts screenshots for a person to look at; not committed."""
    OUT.mkdir(exist_ok=True)
    return OUT


@pytest.fixture
def start(desktop: Desktop, own_home: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Program]]:
    """``start(*arguments, module="explorer", environment={...})`` runs the program; it is ended after the test.

    Started again within one test it finds the same settings, as after a restart.
    """
    programs: list[Program] = []

    def start(*arguments: str | Path, **options: object) -> Program:
        programs.append(Program(desktop, *arguments, **{"home": own_home, **options}))  # type: ignore[arg-type]
        return programs[-1]

    yield start
    failed = request.node.stash.get(_failed, False)
    if failed:
        desktop.screenshot(OUT / "failed" / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', request.node.name)}.png")
    for program in programs:
        if failed:
            print(f"--- output of the program ---\n{program.output}")
        program.close()
