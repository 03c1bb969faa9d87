"""The dialog for the user's own network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from cvcore.foreign import KINDS, Given, fingerprint
from explorer.i18n import set_language
from explorer.own_networks.dialog import ModelDialog
from explorer.own_networks.known import OwnModel, remember
from explorer.own_networks.opener import is_model
from explorer.own_networks.trust import is_trusted, trust
from explorer.panel import Frame
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import THEMES
from tests.cvcore.foreign_for_tests import PYTHON, save_exported, save_onnx, small

FRAME = Frame(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
WAIT_MS = 60_000


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Callable[..., ModelDialog]]:
    parent = QWidget()
    qtbot.addWidget(parent)
    jobs = Jobs(parent)

    def make(answer: bool = True, frame: Frame | None = FRAME) -> ModelDialog:
        return ModelDialog(parent, THEMES["light"], lambda: frame, jobs, lambda *_: answer)

    yield make
    jobs.close()


def ready(qtbot: QtBot, dialog: ModelDialog, words: str = "") -> str:
    """Waits for the work in the thread, and returns what is said then."""
    qtbot.waitUntil(lambda: dialog.open_button.isEnabled(), timeout=WAIT_MS)
    assert words in dialog.message.text()
    return dialog.message.text()


def python_file(folder: Path, text: str = PYTHON) -> Path:
    path = folder / "net.py"
    path.write_text(text, "utf-8")
    return path


def test_a_python_file_is_asked_for_tried_and_opened(
    qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path
) -> None:
    path = python_file(tmp_path)
    dialog = make()
    assert not dialog.open_button.isEnabled()
    dialog.open_place(str(path))
    ready(qtbot, dialog, "Check what the network expects")
    assert not is_trusted(path)
    assert [dialog.fields.function.itemText(i) for i in range(3)] == ["text", "small", "Net"]
    dialog.fields.function.setCurrentText("small")
    dialog.fields.side.setValue(64)
    assert "3 × 64 × 64 numbers" in dialog.preview._numbers.text()
    dialog.try_button.click()
    ready(qtbot, dialog, "It runs: 3 layers, 314 parameters")
    assert "one score for each of 10 classes" in dialog.message.text()
    assert is_trusted(path)
    with qtbot.waitSignal(dialog.chosen) as signal:
        dialog.open_button.click()
    own = signal.args[0]
    assert (own.place, own.function, own.size, own.classes, own.layer) == (str(path), "small", 64, 10, "stem")


def test_opening_tries_first(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx")
    dialog = make()
    dialog.open_place(str(tmp_path / "net.onnx"))
    ready(qtbot, dialog)
    assert not dialog.fields.weights.isEnabled()
    with qtbot.waitSignal(dialog.chosen, timeout=WAIT_MS) as signal:
        dialog.open_button.click()
    assert signal.args[0].classes == 10


def test_a_no_runs_nothing(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = python_file(tmp_path, f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n" + PYTHON)
    dialog = make(answer=False)
    dialog.open_place(str(path))
    ready(qtbot, dialog)
    dialog.try_button.click()
    assert dialog.message.text() == "The file was not run."
    assert not ran.exists()
    assert not is_trusted(path)


def test_a_fixed_size_cannot_be_changed(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    save_exported(tmp_path / "net.pt2")
    dialog = make()
    dialog.open_place(str(tmp_path / "net.pt2"))
    ready(qtbot, dialog)
    assert not dialog.fields.side.isEnabled()
    assert "only 64 × 64 px" in dialog.fields.only.text()


def test_one_click_applies_the_hint(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    save_exported(tmp_path / "net.pt2")
    torch.save({"state_dict": {f"module.{k}": v for k, v in small().state_dict().items()}}, tmp_path / "w.pth")
    dialog = make()
    dialog.open_place(str(tmp_path / "net.pt2"))
    ready(qtbot, dialog)
    dialog.fields.weights.line.setText(str(tmp_path / "w.pth"))
    dialog.fields.weights.changed.emit()
    dialog.try_button.click()
    ready(qtbot, dialog, "Take “module.” off the file’s keys.")
    assert dialog.fix.isVisibleTo(dialog)
    dialog.fix.click()
    ready(qtbot, dialog, "It runs")
    assert not dialog.fix.isVisibleTo(dialog)
    with qtbot.waitSignal(dialog.chosen, timeout=WAIT_MS) as signal:
        dialog.open_button.click()
    assert signal.args[0].fix_keys


def test_presets_and_other_numbers(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx")
    dialog = make()
    dialog.open_place(str(tmp_path / "net.onnx"))
    ready(qtbot, dialog)
    fields = dialog.fields
    assert fields.preset.currentText() == "ImageNet"
    fields.preset.setCurrentIndex(3)
    fields.preset.activated.emit(3)
    own = fields.model()
    assert (own.colour, own.scale, own.std) == ("BGR", 1.0, (1.0, 1.0, 1.0))
    assert "red and blue look exchanged" in dialog.preview._numbers.text()
    fields.mean.setText("1")
    fields.mean.editingFinished.emit()
    assert fields.preset.currentText() == "other numbers"
    assert fields.model().mean == (1.0, 1.0, 1.0)
    fields.std.setText("0, 1")
    fields.std.editingFinished.emit()
    assert "three numbers each" in dialog.message.text()


def test_errors_are_one_sentence_and_the_dialog_stays(
    qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path
) -> None:
    dialog = make()
    dialog.open_place(str(tmp_path / "cat.jpg"))
    ready(qtbot, dialog, "is no network")
    path = python_file(tmp_path, "def net():\n    return 1 / 0\n")
    trust(path, fingerprint(path))
    dialog.open_place(str(path))
    ready(qtbot, dialog)
    dialog.try_button.click()
    ready(qtbot, dialog, "net.py, line 2: ZeroDivisionError: division by zero")
    set_language("zh_CN")
    dialog.try_button.click()
    ready(qtbot, dialog, "net.py 第 2 行：ZeroDivisionError")


def test_what_was_set_is_shown_again(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    path = python_file(tmp_path)
    remember(OwnModel(str(path), "small", size=96, colour="BGR", mean=(0.1, 0.2, 0.3)))
    dialog = make()
    dialog.open_place(str(path))
    ready(qtbot, dialog)
    assert dialog.fields.side.value() == 96
    assert dialog.fields.mean.text() == "0.1, 0.2, 0.3"
    assert dialog.fields.function.currentText() == "small"


def test_without_a_picture_nothing_is_tried(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx")
    dialog = make(frame=None)
    dialog.open_place(str(tmp_path / "net.onnx"))
    ready(qtbot, dialog)
    dialog.try_button.click()
    assert dialog.message.text() == "There is no picture to show yet."


def test_an_answer_that_comes_too_late_is_not_wanted(
    qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path
) -> None:
    save_onnx(tmp_path / "net.onnx")
    dialog = make()
    dialog.open_place(str(tmp_path / "net.onnx"))
    dialog.open_place(str(tmp_path / "cat.jpg"))
    ready(qtbot, dialog, "is no network")
    assert dialog.fields.model().place != str(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("spec", "model"),
    [
        ("/a/net.PY", True),
        ("net.onnx", True),
        ("w.safetensors", True),
        ("cat.jpg", False),
        ("http://a/net.py", False),
        (5, False),
    ],
)
def test_what_is_dropped_on_the_window_as_a_network(spec: object, model: bool) -> None:
    assert is_model(spec) is model


SEVERAL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x, mask, scale=1.0):
        return self.fc((self.conv(x * mask) * scale).mean((2, 3)))


class Batch(Net):
    def forward(self, batch):
        return super().forward(batch["image"], batch["mask"])
"""


def test_several_inputs_are_asked_for(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    path = python_file(tmp_path, SEVERAL)
    dialog = make()
    dialog.open_place(str(path))
    ready(qtbot, dialog)
    rows = dialog.fields.inputs
    assert rows.given() == ()
    assert rows.more.isVisibleTo(dialog)
    dialog.fields.function.setCurrentText("Net")
    dialog.fields.side.setValue(64)
    dialog.try_button.click()
    ready(qtbot, dialog, "The network takes several inputs (x, mask): say what each of them gets.")
    assert rows.given() == (Given("x", "picture"), Given("mask", "zeros"), Given("scale", "nothing"))
    mask = rows._rows[1]
    mask.kind.setCurrentIndex(KINDS.index("ones"))
    mask.kind.activated.emit(mask.kind.currentIndex())
    mask.line.setText("1, 1, 64, y")
    dialog.try_button.click()
    ready(qtbot, dialog, "The shape of the input mask is numbers with commas")
    mask.line.setText("1, 1, 64, 64")
    dialog.try_button.click()
    ready(qtbot, dialog, "It runs: 2 layers")
    with qtbot.waitSignal(dialog.chosen) as signal:
        dialog.open_button.click()
    assert signal.args[0].inputs == (("x", "picture", ""), ("mask", "ones", "1, 1, 64, 64"), ("scale", "nothing", ""))
    remember(signal.args[0])

    again = make()
    again.open_place(str(path))
    ready(qtbot, again)
    assert again.fields.inputs.given()[1] == Given("mask", "ones", "1, 1, 64, 64")


@pytest.mark.filterwarnings("ignore:Using a non-tuple")  # what a tensor says to a key
def test_what_lies_in_a_dict_is_found_out(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    dialog = make()
    dialog.open_place(str(python_file(tmp_path, SEVERAL)))
    ready(qtbot, dialog)
    dialog.fields.function.setCurrentText("Batch")
    dialog.try_button.click()
    ready(qtbot, dialog, "The network takes several inputs (batch.image, batch.mask)")
    rows = dialog.fields.inputs
    assert rows.given() == (Given("batch.image", "picture"), Given("batch.mask", "zeros"))
    rows._rows[1].kind.setCurrentIndex(KINDS.index("value"))
    rows._rows[1].line.setText("2")
    dialog.try_button.click()
    ready(qtbot, dialog, "It runs: 2 layers")


def test_inputs_of_an_onnx_file_are_named_by_it(qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Mul", ["pixels", "mask"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    shapes = {"mask": [1, 1, "h", "w"], "pixels": [1, 3, "h", "w"]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "net.onnx"
    )
    dialog = make()
    dialog.open_place(str(tmp_path / "net.onnx"))
    ready(qtbot, dialog)
    rows = dialog.fields.inputs
    assert rows.given() == (Given("mask", "zeros", "1, 1, 1, 1"), Given("pixels", "picture"))
    assert rows._rows[0].name.isReadOnly()
    assert not rows.add.isVisibleTo(dialog)
    dialog.try_button.click()
    ready(qtbot, dialog, "It runs: 2 layers")


def test_rows_can_be_added_and_the_form_of_the_picture_chosen(
    qtbot: QtBot, make: Callable[..., ModelDialog], tmp_path: Path
) -> None:
    text = "from torch import nn\n\n\ndef net():\n    return nn.Conv2d(1, 4, 3)\n\n\ndef whole():\n    return nn.Sequential(net())\n"
    dialog = make()
    dialog.open_place(str(python_file(tmp_path, text)))
    ready(qtbot, dialog)
    dialog.try_button.click()
    ready(qtbot, dialog, "takes 1 channels; a picture has 3")
    rows = dialog.fields.inputs
    rows.more.click()
    assert rows.given() == (Given("x", "picture"),)
    rows._rows[0].name.setText("input")
    rows._rows[0].layouts.setCurrentIndex(4)
    rows.add.click()
    assert rows.given() == (Given("input", "picture", "NCHW grey"),)  # one without a name is none
    dialog.try_button.click()
    ready(qtbot, dialog, "It runs: 1 layers")
