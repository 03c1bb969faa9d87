"""The OpenPose panel in a real window: people in a photograph, its keys, and the assembly step by step."""

import re
from collections.abc import Callable
from pathlib import Path

from desktop import Desktop
from program import Place, Program

from explorer.settings.session import OpenPanel, Settings, save_settings

IRELAND = Path(__file__).resolve().parents[2] / "assets" / "pictures" / "ireland.jpg"
"""Four musicians, sitting side by side."""
FIRST_TIME = 120.0
"""Seconds; the operators may have to be compiled."""


def heading(program: Program, pattern: str, timeout: float = 20.0) -> Place:
    """The title of a pane."""
    return program.find(
        kind="QLabel", where=lambda place: re.fullmatch(pattern, place.text) is not None, timeout=timeout
    )


def note(program: Program, words: str) -> Place:
    return program.find(kind="QLabel", where=lambda place: words in place.text)


def before_this(program: Program, desktop: Desktop, said: str) -> str:
    """One step back from the one that says this; what that one says."""
    desktop.key("comma")
    return program.find(kind="QLabel", where=lambda place: place.text.startswith("Step ") and place.text != said).text


def test_people_keys_and_steps(start: Callable[..., Program], desktop: Desktop, own_home: Path, out: Path) -> None:
    save_settings(Settings(language="en", panels=(OpenPanel("pose", 1, {}),)))
    program = start(IRELAND)
    program.wait_window("CV Explorer", 60)
    found = heading(program, r"(\d+) people", FIRST_TIME)
    assert 2 <= int(found.text.split()[0]) <= 6
    heading(program, "Skeletons")
    desktop.screenshot(out / "pose.png")

    desktop.key("2", "3")
    heading(program, "Heat maps . PAFs . Skeletons · all keypoints and limbs")
    desktop.key("period")
    heading(program, "Heat maps . PAFs . Skeletons · nose")
    desktop.key("comma", "comma")
    heading(program, "Heat maps . PAFs . Skeletons · left shoulder – left ear")
    desktop.screenshot(out / "pose-maps.png")

    program.click(program.find(kind="QComboBox", where=lambda place: place.text == "people"))
    desktop.type("step")
    desktop.key("Return")
    note(program, "Bodies dropped")
    said = before_this(program, desktop, note(program, "Bodies dropped").text)
    while "lacks" in said:  # keypoints that were added
        said = before_this(program, desktop, said)
    heading(program, r"Line integral along .*")
    before_this(program, desktop, said)
    desktop.screenshot(out / "pose-steps.png")

    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    assert "Traceback" not in program.output
