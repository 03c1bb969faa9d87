"""What a frame costs on its way to the screen besides computing and drawing: nothing that was not asked for."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.engine.compute import Computer
from explorer.panel import Frame, Result, Task
from explorer.registry import find_panels
from explorer.widgets.form import Form

HARMLESS = {"fspath", "getpid", "cpu_count", "sched_getaffinity", "times"}
"""What the module of the operating system's calls has besides them."""


@contextmanager
def system_calls() -> Iterator[list[str]]:
    """The calls of the operating system that this thread makes meanwhile, by name."""
    made: list[str] = []

    def look(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and (
            function is io.open
            or (getattr(function, "__module__", "") in ("posix", "nt") and function.__name__ not in HARMLESS)
        ):
            made.append(function.__name__)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield made
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """One result of every panel, by its name."""
    panels = find_panels().panels
    computer = Computer(panels)
    with Image.open(asset("pictures", "coffee.jpg")) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((160, 120)))
    made = {}
    for i, (name, panel) in enumerate(panels.items()):
        result = computer.compute(Frame(pixels), Task(i, name, panel.params()))
        assert result is not None
        assert not result.error
        made[name] = result
    return made


def test_the_calls_are_counted(tmp_path: Any) -> None:
    with system_calls() as made:
        (tmp_path / "one").write_text("1")
        list(tmp_path.glob("*"))
    assert {"open", "scandir"} <= set(made)


@pytest.mark.parametrize("name", sorted(find_panels().panels))
def test_controls_look_at_no_file_while_nothing_changes(qtbot: QtBot, results: dict[str, Result], name: str) -> None:
    panel, result = find_panels().panels[name], results[name]
    form = Form(result.task.params, panel.view())
    qtbot.addWidget(form)
    form.set_result(result)  # what is known of the networks is looked up once
    with system_calls() as made:
        form.set_result(result)
    assert made == []
