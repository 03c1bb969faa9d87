"""Every knob has a control: it shows values without emitting, and emits what the user does."""

from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSlider, QSpinBox, QToolButton, QTreeView
from pytestqt.qtbot import QtBot

from explorer.panel import Node, NoKnobs, Result, Task, knob
from explorer.widgets.form import Form
from tests.explorer.panels_for_tests import make_frame

NODES = (
    Node("", "net", 0, ("Net",)),
    Node("features", "features", 1, ("Sequential",)),
    Node("features.0", "0", 2, ("Conv2d",)),
    Node("features.1", "1", 2, ("ReLU",)),
    Node("head", "head", 1, ("Linear",)),
)


@dataclass(frozen=True)
class Params:
    threshold: float = knob(0.5, 0.0, 1.0)
    size: int = knob(224, 32, 1024, step=32)
    ratio: float = knob(1.0, 0.1, 10.0, log=True)
    free: int = knob(3)
    method: str = knob("max", choices=("max", "mean"))
    layer: str = knob("features.0", kind="tree", choices=lambda result: NODES, columns=("type",))
    gradient: bool = knob(False)
    weights: str = knob("", kind="file")
    position: tuple[int, int] | None = knob(None, kind="point")
    title: str = knob("word")
    secret: int = knob(1, kind="hidden")


@dataclass(frozen=True)
class View:
    step: int = knob(0, 0, lambda result: result.trace["steps"] - 1)
    label: str = knob("a", choices=lambda result: result.trace["labels"])


def make_result(steps: int = 8, labels: tuple[str, ...] = ("a", "b", "c")) -> Result:
    return Result(make_frame(), Task(1, "probe", Params()), {"steps": steps, "labels": labels})


@pytest.fixture
def form(qtbot: QtBot) -> Form:
    made = Form(Params(), View())
    qtbot.addWidget(made)
    made.resize(300, 900)
    made.show()
    made.changed_values = []
    made.changed.connect(lambda name, value: made.changed_values.append((name, value)))
    return made


def find(form: Form, name: str, kind: type) -> Any:
    return form.control(name).findChild(kind)


def test_every_field_but_the_hidden_one_has_a_control(form: Form) -> None:
    names = {
        "threshold",
        "size",
        "ratio",
        "free",
        "method",
        "layer",
        "gradient",
        "weights",
        "position",
        "title",
        "step",
        "label",
    }
    assert {child.objectName().removeprefix("control_") for child in form.children() if child.objectName()} == names


def test_showing_values_emits_nothing(form: Form) -> None:
    form.set_result(make_result())
    form.set_values(Params(0.25, 64, 2.0, 9, "mean", "head", True, "/x", (3, 4), "other"), View(step=5, label="c"))
    assert form.changed_values == []
    assert find(form, "threshold", QDoubleSpinBox).value() == 0.25
    assert find(form, "size", QSpinBox).value() == 64
    assert find(form, "method", QComboBox).currentText() == "mean"
    assert find(form, "gradient", QCheckBox).isChecked()
    assert find(form, "step", QSpinBox).value() == 5
    assert find(form, "label", QComboBox).currentData() == "c"


@pytest.mark.parametrize(
    ("name", "kind", "value", "expected"),
    [("threshold", QDoubleSpinBox, 0.75, 0.75), ("size", QSpinBox, 96, 96), ("free", QSpinBox, -5, -5)],
)
def test_typing_a_number_emits_it(form: Form, name: str, kind: type, value: Any, expected: Any) -> None:
    find(form, name, kind).setValue(value)
    assert form.changed_values == [(name, expected)]
    assert type(form.changed_values[0][1]) is type(expected)


def test_sliders_cover_their_range_in_steps(form: Form) -> None:
    slider = find(form, "size", QSlider)
    slider.setValue(slider.maximum())
    slider.setValue(slider.minimum())
    slider.setValue(1)
    assert form.changed_values == [("size", 1024), ("size", 32), ("size", 64)]
    assert find(form, "free", QSlider).isHidden()


def test_a_logarithmic_slider_has_one_in_the_middle_of_a_tenth_and_ten(form: Form) -> None:
    slider = find(form, "ratio", QSlider)
    slider.setValue(slider.maximum())
    slider.setValue(slider.maximum() // 2)
    assert [value for _, value in form.changed_values] == pytest.approx([10.0, 1.0])


def test_choosing_ticking_and_typing_emit(form: Form, qtbot: QtBot) -> None:
    find(form, "method", QComboBox).setCurrentIndex(1)
    find(form, "gradient", QCheckBox).click()
    line = find(form, "title", QLineEdit)
    line.selectAll()
    qtbot.keyClicks(line, "new")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert form.changed_values[:3] == [("method", "mean"), ("gradient", True), ("title", "new")]


def test_a_place_can_be_taken_back(form: Form) -> None:
    form.set_values(Params(position=(3, 4)), View())
    find(form, "position", QToolButton).click()
    assert form.changed_values == [("position", None)]


def test_ranges_and_choices_follow_the_result(form: Form) -> None:
    form.set_result(make_result(steps=8, labels=("a", "b")))
    assert find(form, "step", QSpinBox).maximum() == 7
    form.set_result(make_result(steps=3, labels=("a", "z")))
    assert find(form, "step", QSpinBox).maximum() == 2
    combo = find(form, "label", QComboBox)
    assert [combo.itemData(i) for i in range(combo.count())] == ["a", "z"]
    assert combo.currentData() == "a"
    assert form.changed_values == []


def test_a_click_in_the_tree_chooses_a_layer(form: Form, qtbot: QtBot) -> None:
    form.set_result(make_result())
    tree = form.control("layer").tree
    view = form.control("layer").findChild(QTreeView)
    assert view.currentIndex().data() == "0"
    assert form.changed_values == []
    index = view.currentIndex().siblingAtRow(1)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())
    assert form.changed_values == [("layer", "features.1")]
    tree.choose("head")
    assert view.currentIndex().data() == "head"
    assert len(form.changed_values) == 1


def test_filtering_shows_matches_and_their_parents_and_keeps_the_choice(form: Form) -> None:
    form.set_result(make_result())
    tree = form.control("layer").tree
    view = tree.view
    tree.findChild(QLineEdit).setText("head")
    tree.findChild(QLineEdit).setText("features.1")
    assert view.model().rowCount(view.model().index(0, 0, view.model().index(0, 0))) == 1
    tree.findChild(QLineEdit).setText("relu")
    model = view.model()
    root = model.index(0, 0)
    assert model.rowCount(root) == 1
    features = model.index(0, 0, root)
    assert [model.index(i, 0, features).data() for i in range(model.rowCount(features))] == ["1"]
    assert not view.currentIndex().isValid()
    index = model.index(0, 0, features)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())
    assert form.changed_values == [("layer", "features.1")]
    tree.findChild(QLineEdit).clear()
    assert view.currentIndex().data() == "1"
    assert len(form.changed_values) == 1


def test_new_cells_keep_the_rows_that_are_open(form: Form) -> None:
    tree = form.control("layer").tree
    tree.set_nodes(NODES)
    tree.view.collapseAll()
    timed = tuple(Node(n.value, n.text, n.depth, ("1.5 ms",)) for n in NODES)
    tree.set_nodes(timed)
    model = tree.view.model()
    assert model.index(0, 1).data() == "1.5 ms"
    assert not tree.view.isExpanded(model.index(0, 0))


def test_a_panel_without_knobs_has_an_empty_form(qtbot: QtBot) -> None:
    qtbot.addWidget(Form(NoKnobs(), NoKnobs()))


def test_rows_that_went_are_forgotten(qtbot: QtBot) -> None:
    import gc

    from PySide6.QtGui import QStandardItem

    from explorer.widgets.tree import Tree

    tree = Tree(("a", "b"))
    qtbot.addWidget(tree)
    counts = []
    for round_number in range(4):
        tree.set_nodes(tuple(Node(f"{round_number}.{i}", f"n{i}", i % 3, ("x",)) for i in range(30)))
        gc.collect()
        counts.append(sum(type(one) is QStandardItem for one in gc.get_objects()))
    assert len(set(counts)) == 1, counts
