"""Networks of the user's own in the real window: a ResNet from a Python file, an ONNX file and one of torch.export."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from desktop import Desktop, wait_until
from program import Program
from test_explorer import TITLE, opened

from cvcore.foreign.python_file import load_python
from tests.cvcore.foreign_for_tests import save_onnx

RESNET = Path(__file__).with_name("models") / "resnet.py"
DIALOG = "Open a network of your own"


def said(program: Program, words: str, timeout: float = 60.0) -> None:
    program.find(name="model_message", where=lambda place: words in place.text, timeout=timeout)


def ask_for(program: Program, desktop: Desktop, path: Path) -> None:
    """Opens the dialog and types a path into it."""
    program.wait_window(DIALOG)
    program.click(program.find(name="model_place"))
    desktop.type(str(path))
    desktop.key("Tab")
    said(program, "Check what the network expects")


def open_it(program: Program, button: str = "model_open") -> None:
    program.click(program.find(name=button, where=lambda place: place.enabled))


def shown(program: Program, name: str) -> None:
    """The dialog is gone and the Layers panel shows this network."""
    wait_until(lambda: all(place.name != "model_dialog" for place in program.widgets()), "the dialog to close", 60)
    program.wait_window(TITLE)
    program.find(kind="QComboBox", where=lambda place: place.text == name, timeout=60)


def has_row(program: Program, text: str) -> None:
    """The tree of layers begins with it, or has it further down."""
    program.find(kind="QTreeView", where=lambda tree: any((row.text, row.depth) == (text, 0) for row in tree.rows))


def no_error(program: Program) -> None:
    assert "Traceback" not in program.output


@pytest.mark.timeout(600)
def test_three_networks_of_ones_own(start: Callable[..., Program], desktop: Desktop, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "resnet.py"
    shutil.copy(RESNET, path)
    (tmp_path / "labels.txt").write_text("\n".join(f"thing {i}" for i in range(10)), "utf-8")
    resnet = load_python(path, "resnet18").eval()
    torch.export.save(torch.export.export(resnet, (torch.zeros(1, 3, 96, 96),)), tmp_path / "resnet.pt2")
    save_onnx(tmp_path / "small.onnx")
    program = opened(start("--language", "en"))

    program.click(program.find(tip=DIALOG, kind="QToolButton"))
    ask_for(program, desktop, path)
    program.find(name="model_labels", where=lambda place: place.text.endswith("labels.txt"))
    open_it(program, "model_try")
    program.wait_window("Run this file")
    program.find(kind="QLabel", where=lambda place: "SHA-256" in place.text)
    desktop.screenshot(out / "own-trust.png")
    program.click(program.find("Run it"))
    program.wait_window(DIALOG)
    said(program, "It runs: ")
    desktop.screenshot(out / "own-dialog.png")
    open_it(program)
    shown(program, "resnet.py:resnet18")
    has_row(program, "layer1")
    program.find(kind="QLabel", where=lambda place: place.text.startswith("layer1.") and "16 channels" in place.text)
    desktop.screenshot(out / "own-python.png")

    desktop.key("ctrl+shift+m")
    ask_for(program, desktop, tmp_path / "small.onnx")
    open_it(program)
    shown(program, "small.onnx")
    program.find(kind="QLabel", where=lambda place: place.text.startswith("stem.Relu: 8 channels of"), timeout=60)
    has_row(program, "stem")
    desktop.screenshot(out / "own-onnx.png")

    desktop.key("ctrl+shift+m")
    ask_for(program, desktop, tmp_path / "resnet.pt2")
    program.find(kind="QLabel", where=lambda place: "only 96 × 96 px" in place.text)
    open_it(program)
    shown(program, "resnet.pt2")
    program.find(
        kind="QLabel",
        where=lambda place: place.text.startswith("layer1.1.") and "of 24 × 24 cells" in place.text,
        timeout=60,
    )
    has_row(program, "layer1")
    desktop.screenshot(out / "own-exported.png")
    no_error(program)

    # After a restart it is there again, and the file, still trusted, runs without a question.
    desktop.key("ctrl+q")
    assert program.wait_end(90) == 0
    program = opened(start("--language", "en"))
    program.find(kind="QComboBox", where=lambda place: place.text == "resnet.pt2", timeout=60)
    desktop.key("ctrl+shift+m")
    ask_for(program, desktop, path)
    open_it(program)
    shown(program, "resnet.py:resnet18")
    no_error(program)
