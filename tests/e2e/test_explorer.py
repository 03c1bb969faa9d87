"""The program in a real window, driven with mouse and keys as a person would."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from desktop import Desktop, wait_until
from PIL import Image
from program import Place, Program

from tests.mjpeg_server import MjpegServer

PICTURES = Path(__file__).resolve().parents[2] / "assets" / "pictures"
TITLE = "CV Explorer"


def opened(program: Program) -> Program:
    """The window is there and the Layers panel has its first result."""
    program.wait_window(TITLE, 60)
    program.find(kind="Waterfall", where=lambda place: "forward" in place.tip or "前向" in place.tip, timeout=60)
    return program


def tree_row(program: Program, text: str, depth: int) -> Place:
    """A row of the layer tree that can be clicked."""

    def look() -> Place | None:
        tree = program.find(kind="QTreeView")
        _x, y, _width, height = tree.rect
        for row in tree.rows:
            inside = y < row.centre[1] < y + height
            if (row.text, row.depth) == (text, depth) and inside:
                return row
        return None

    found = wait_until(look, f"the row {text!r} of the layer tree")
    assert found is not None
    return found


def pane(program: Program, title: str) -> tuple[Place, Place]:
    """A pane whose title begins so, and the title."""
    heading = program.find(kind="QLabel", where=lambda place: place.text.startswith(title))

    def holds(place: Place) -> bool:
        x, y, width, height = place.rect
        return x < heading.centre[0] < x + width and y < heading.centre[1] < y + height

    return program.find(kind="PaneWidget", where=holds), heading


def banner(program: Program, words: str, timeout: float = 20.0) -> None:
    program.find(name="banner", where=lambda place: words in place.text, timeout=timeout)


def source(program: Program, words: str, timeout: float = 20.0) -> None:
    program.find(name="source_label", where=lambda place: words in place.text, timeout=timeout)


def choose_file(program: Program, desktop: Desktop, path: Path) -> None:
    """Types a path into Qt's file dialog."""
    program.find(kind="QFileDialog")
    desktop.type(str(path))
    desktop.key("Return")
    program.wait_window(TITLE)  # no window manager gives the keyboard back


def test_a_first_visit(start: Callable[..., Program], desktop: Desktop, tmp_path: Path, out: Path) -> None:
    """Open a picture, choose a layer and a channel, freeze, step back, dock a second panel, save, change the language."""
    program = opened(start("--language", "en"))
    desktop.screenshot(out / "first.png")

    desktop.key("ctrl+o")
    choose_file(program, desktop, PICTURES / "dog.jpg")
    source(program, "dog")

    program.click(program.find(name="filter"))
    desktop.type("features.3")
    program.click(tree_row(program, "3", 1))
    program.find(kind="QTreeView", where=lambda tree: any(row.selected and row.text == "3" for row in tree.rows))

    tiles, _ = pane(program, "features.3:")
    _, before = pane(program, "Channel ")
    x, y, width, height = tiles.rect
    for across in (0.2, 0.8):  # one of them may be the channel that is shown already
        desktop.click(x + across * width, y + 0.5 * height)
    program.find(kind="QLabel", where=lambda place: place.text.startswith("Channel ") and place.text != before.text)
    picture, _ = pane(program, "Channel ")
    program.find("none: click on the picture")
    desktop.click(picture.rect[0] + 0.5 * picture.rect[2], picture.rect[1] + 0.45 * picture.rect[3])
    wait_until(
        lambda: all(place.text != "none: click on the picture" for place in program.widgets()),
        "a position to be chosen",
    )
    desktop.screenshot(out / "position.png")

    desktop.key("ctrl+m")
    source(program, "fps")
    desktop.key("space")
    freeze = program.find(name="transport_freeze", where=lambda place: place.checked is True)
    assert freeze.text
    where = program.find(kind="QLabel", where=lambda place: "frames back" in place.text)
    desktop.key("comma")
    program.find(kind="QLabel", where=lambda place: "frames back" in place.text and place.text != where.text)
    desktop.key("space")
    program.find(name="transport_freeze", where=lambda place: place.checked is False)

    desktop.key("ctrl+n")
    wait_until(lambda: sum(place.kind == "PanelDock" for place in program.widgets()) == 2, "a second panel")
    desktop.screenshot(out / "two-panels.png")

    target = tmp_path / "saved frame.png"
    desktop.key("ctrl+s")
    program.find(kind="QFileDialog")
    desktop.key("ctrl+a")
    choose_file(program, desktop, target)
    wait_until(target.exists, "the saved frame")
    with Image.open(target) as saved:
        assert saved.size == (1280, 720)

    desktop.key("ctrl+shift+l")
    program.find(kind="QMenuBar", where=lambda bar: any(row.text == "来源" for row in bar.rows))
    program.find("冻结", name="transport_freeze")
    desktop.screenshot(out / "chinese.png")

    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    assert "Traceback" not in program.output


def test_finding_with_the_keyboard_alone(start: Callable[..., Program], desktop: Desktop, out: Path) -> None:
    """Close what is open, open a panel from the start page, find a control of another one, go back by a number."""
    program = opened(start("--language", "en"))
    desktop.key("ctrl+w")
    program.find(name="start_page")
    desktop.screenshot(out / "start-page.png")
    desktop.key("ctrl+h", "Return")
    program.find(kind="PanelDock")
    desktop.key("ctrl+p")
    program.find(name="palette_line")
    desktop.type("sampling rat")
    program.find(name="palette_list", where=lambda found: any(row.text == "Sampling ratio" for row in found.rows))
    desktop.screenshot(out / "palette.png")
    desktop.key("Return")
    wait_until(lambda: sum(place.kind == "PanelDock" for place in program.widgets()) == 2, "a second panel")
    program.find(name="control_sampling_ratio")
    desktop.key("ctrl+1", "ctrl+w")
    wait_until(lambda: sum(place.kind == "PanelDock" for place in program.widgets()) == 1, "the first panel to go")
    program.find(name="control_sampling_ratio")
    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    assert "Traceback" not in program.output


def test_what_was_open_is_open_again(start: Callable[..., Program], desktop: Desktop) -> None:
    program = opened(start("--language", "en", PICTURES / "coffee.jpg"))
    source(program, "coffee")
    desktop.key("ctrl+n", "ctrl+t")
    wait_until(lambda: sum(place.kind == "PanelDock" for place in program.widgets()) == 2, "a second panel")
    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    again = opened(start())
    source(again, "coffee")
    wait_until(lambda: sum(place.kind == "PanelDock" for place in again.widgets()) == 2, "both panels")
    remembered = json.loads((again.home / "settings.json").read_text("utf-8"))
    assert remembered["theme"] == "projector"


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("empty.jpg", lambda path: path.write_bytes(b""), "empty"),
        ("text.jpg", lambda path: path.write_text("not a picture"), "text.jpg"),
        ("folder.jpg", lambda path: path.mkdir(), "folder.jpg"),
        ("cut.jpg", lambda path: path.write_bytes((PICTURES / "dog.jpg").read_bytes()[:2000]), "cut"),
        ("missing.png", lambda path: None, "missing.png"),
    ],
)
def test_bad_input_is_one_sentence_and_the_last_picture_stays(
    start: Callable[..., Program],
    tmp_path: Path,
    name: str,
    make: Callable[[Path], object],
    words: str,
    desktop: Desktop,
) -> None:
    make(tmp_path / name)
    program = opened(start("--language", "en", PICTURES / "coffee.jpg"))
    source(program, "coffee")
    desktop.key("ctrl+l")
    program.find(kind="QDialog")
    desktop.type(str(tmp_path / name))
    desktop.key("Return")
    banner(program, words)
    source(program, "coffee")
    program.wait_window(TITLE)
    desktop.key("ctrl+b")
    source(program, "ireland")


def test_a_stream_stops_restarts_and_resumes(start: Callable[..., Program], out: Path, desktop: Desktop) -> None:
    with MjpegServer() as server:
        program = opened(start("--language", "en", server.url))
        source(program, "320×240")
        source(program, "fps")
        server.stop()
        banner(program, "stream", timeout=10)
        desktop.screenshot(out / "stream-gone.png")
        server.start()
        wait_until(
            lambda: not any(place.name == "banner" and place.text for place in program.widgets()),
            "the stream to resume",
        )
        source(program, "fps")


def test_ctrl_c_in_the_terminal_ends_it_cleanly(start: Callable[..., Program]) -> None:
    program = opened(start("moving:" + str(PICTURES / "lemur.jpg")))
    program.interrupt()
    assert program.wait_end() == 0
    assert "Traceback" not in program.output
    assert (program.home / "settings.json").exists()


def test_closing_while_the_first_frame_is_computed(start: Callable[..., Program], desktop: Desktop) -> None:
    program = start("moving:" + str(PICTURES / "lemur.jpg"))
    program.wait_window(TITLE, 60)
    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    assert "Traceback" not in program.output


def test_a_video_plays_pauses_and_steps(start: Callable[..., Program], desktop: Desktop, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    for i in range(30):
        writer.write(np.full((120, 160, 3), 8 * i, np.uint8))
    writer.release()
    program = opened(start("--language", "en", path))
    program.find(kind="QLabel", where=lambda place: "/ 30" in place.text)
    desktop.key("p")
    before = program.find(kind="QLabel", where=lambda place: "/ 30" in place.text).text
    desktop.key("period")
    program.find(kind="QLabel", where=lambda place: "/ 30" in place.text and place.text != before)
    desktop.key("comma")
    program.find(before, kind="QLabel")


@pytest.mark.parametrize("screen_size", [(1366, 768), (1920, 1080)], ids=str)
@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("theme", ["light", "dark", "projector"])
def test_it_fits_its_screen(
    start: Callable[..., Program], desktop: Desktop, out: Path, screen_size: tuple[int, int], language: str, theme: str
) -> None:
    """The window is no larger than the screen, and nothing of its toolbar is hidden behind an arrow."""
    program = opened(start("--language", language, "--theme", theme))
    window = program.find(kind="MainWindow")
    assert window.rect[2] <= screen_size[0]
    assert window.rect[3] <= screen_size[1]
    toolbar = program.find(name="bar_main")
    assert not any(
        place.name == "qt_toolbar_ext_button"
        and toolbar.rect[1] <= place.centre[1] <= toolbar.rect[1] + toolbar.rect[3]
        for place in program.widgets()
    )
    desktop.screenshot(out / f"{theme}-{language}-{screen_size[0]}.png")
