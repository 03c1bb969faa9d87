"""The harness itself, on a small window: what the other end-to-end tests rely on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from desktop import Desktop, wait_until
from program import Program

HERE = Path(__file__).parent
TINY = str(HERE / "tiny_window.py")


@pytest.fixture
def tiny(start: Callable[..., Program]) -> Program:
    program = start(module=TINY)
    program.wait_window("^Tiny$")
    return program


def wait_said(program: Program, words: str) -> None:
    program.find(words, name="said")


def test_mouse_and_keys_reach_the_window(tiny: Program, desktop: Desktop) -> None:
    tiny.click("Press me")
    wait_said(tiny, "pressed")
    tiny.click(tiny.find(kind="QLineEdit"))
    desktop.type("~/Some Files: 1_2")
    wait_said(tiny, "typed ~/Some Files: 1_2")
    tiny.click(tiny.find(kind="QListWidget").row("second"))
    wait_said(tiny, "chose second")
    assert [row.selected for row in tiny.find(kind="QListWidget").rows] == [False, True, False]
    desktop.key("Down")
    wait_said(tiny, "chose third")
    desktop.key("ctrl+h")
    wait_said(tiny, "hello")


def test_menus_are_walked_by_their_words(tiny: Program) -> None:
    tiny.choose("Things", "Say hello")
    wait_said(tiny, "hello")


def test_dragging_moves_a_slider(tiny: Program, desktop: Desktop) -> None:
    x, y, width, height = tiny.find(kind="QSlider").rect
    desktop.drag((x + width / 2, y + height - 8), (x + width / 2, y + 2))
    wait_said(tiny, "slid 100")


def test_a_file_is_dropped_from_another_program(
    tiny: Program, start: Callable[..., Program], desktop: Desktop, tmp_path: Path
) -> None:
    source = start("900", "300", tmp_path / "a picture.png", module=str(HERE / "drag_source.py"))
    source.wait_window("^Drag source$")
    desktop.drag(source.find("drag me").centre, tiny.find(kind="QGraphicsView").centre)
    wait_said(tiny, f"dropped {tmp_path / 'a picture.png'}")


@pytest.mark.parametrize("screen_size", [(1366, 768), (1920, 1080)], ids=str)
def test_screenshot_shows_the_window(
    tiny: Program, desktop: Desktop, screen_size: tuple[int, int], tmp_path: Path
) -> None:
    image = desktop.screenshot(tmp_path / "shot.png")
    assert image.size == screen_size
    x, y, width, height = tiny.find(kind="QMainWindow").rect
    colours = image.crop((x, y, x + width, y + height)).getcolors(width * height)
    assert colours is not None
    assert len(colours) > 5
    assert (tmp_path / "shot.png").stat().st_size > 0


def test_interrupt_ends_the_program(tiny: Program) -> None:
    tiny.interrupt()
    assert tiny.wait_end() == 0


def test_a_program_that_ends_is_told_with_its_output(start: Callable[..., Program]) -> None:
    program = start(module="no_such_module")
    with pytest.raises(RuntimeError, match="No module named"):
        program.wait_window("anything")


def test_waiting_names_what_did_not_come() -> None:
    with pytest.raises(TimeoutError, match=r"a thing; at last it was \[\]"):
        wait_until(list, "a thing", timeout=0.1)
