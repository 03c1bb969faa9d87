"""Recording and bundles in the real window: killed and played, saved and opened again."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from desktop import Desktop, wait_until
from PIL import Image
from program import Program
from test_explorer import TITLE, choose_file, opened, source

PICTURES = Path(__file__).resolve().parents[2] / "assets" / "pictures"


@pytest.mark.timeout(300)
def test_a_recording_is_killed_and_played(start: Callable[..., Program], desktop: Desktop, out: Path) -> None:
    program = opened(start("--language", "en", f"moving:{PICTURES / 'coffee.jpg'}?size=640x360"))
    desktop.key("ctrl+r")
    program.find(name="button_record", where=lambda place: "MB" in place.text)
    folder = program.home / "recordings"
    (path,) = wait_until(lambda: list(folder.glob("*.mkv")), "the recording")
    lines = path.with_suffix(".jsonl")
    wait_until(lambda: len(lines.read_text("utf-8").splitlines()) > 15, "some frames", 60)
    desktop.screenshot(out / "recording.png")
    program.process.send_signal(signal.SIGKILL)
    assert program.wait_end() == -signal.SIGKILL

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (grabbed := capture.read())[0]:
        frames.append(grabbed[1])
    capture.release()
    rows = [json.loads(line) for line in lines.read_text("utf-8").splitlines()[1:]]
    assert len(frames) - 1 <= len(rows) <= len(frames)
    assert len(frames) >= 15
    assert frames[-1].std() > 20
    assert any(not np.array_equal(frame, frames[0]) for frame in frames)
    cv2.imwrite(str(out / "recorded-frame.png"), frames[-1])

    again = opened(start("--language", "en", path))
    source(again, path.name)
    desktop.key("ctrl+q")
    assert again.wait_end() == 0


@pytest.mark.timeout(300)
def test_a_bundle_is_saved_and_opened_again(
    start: Callable[..., Program], desktop: Desktop, tmp_path: Path, out: Path
) -> None:
    program = opened(start("--language", "en", PICTURES / "dog.jpg"))
    target = tmp_path / "one result.cvbundle"
    desktop.key("ctrl+shift+b")
    program.find(kind="QLineEdit", where=lambda place: place.focus and place.name == "fileNameEdit", timeout=60)
    desktop.key("ctrl+a")
    choose_file(program, desktop, target)
    wait_until(target.exists, "the bundle", 60)
    desktop.key("ctrl+b")
    program.find(name="source_label", where=lambda place: ".jpg" in place.text and "dog" not in place.text, timeout=60)
    desktop.key("ctrl+o")
    program.find(kind="QLineEdit", where=lambda place: place.focus and place.name == "fileNameEdit", timeout=60)
    choose_file(program, desktop, target)
    program.find(
        name="banner", where=lambda place: place.text.startswith("Computed again and the same, bit for bit"), timeout=90
    )
    source(program, target.name)
    desktop.screenshot(out / "bundle.png")
    with Image.open(out / "bundle.png") as image:
        assert np.asarray(image).std() > 10
    desktop.key("ctrl+q")
    assert program.wait_end() == 0
    assert "Traceback" not in program.output

    again = start("--language", "en", "--panel", "picture", target)
    again.wait_window(TITLE, 60)
    again.find(name="banner", where=lambda place: "bit for bit" in place.text, timeout=90)
    desktop.key("ctrl+q")
    assert again.wait_end() == 0
