"""An open panel: what its canvas, mouse and controls set, and what is said of the place under the pointer."""

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from explorer.figure import Probe, Spot
from explorer.panel import Link, Result, Task
from explorer.settings.session import OpenPanel
from explorer.widgets.theme import LIGHT
from explorer.window.dock import PanelDock, whole_field
from tests.explorer.panels_for_tests import Params, Trace, View, make_frame, make_panel


def probe(result: Result, view: View, spot: Spot) -> Probe:
    return Probe(f"mean {result.trace.mean:g}")


def make_result(value: int) -> Result:
    frame = make_frame(value)
    return Result(frame, Task(1, "probe", Params()), Trace(float(value), frame.image[:, :, 0]))


def test_a_resting_pointer_reads_the_newest_result_once(qtbot: QtBot) -> None:
    asked: list[tuple[float, float]] = []

    def counting(result: Result, view: View, spot: Spot) -> Probe:
        asked.append((result.trace.mean, spot.x))
        return probe(result, view, spot)

    dock = PanelDock(OpenPanel("probe", 1), LIGHT)
    qtbot.addWidget(dock)
    dock.set_panel(make_panel(probe=counting))
    dock.resize(900, 500)
    dock.show()
    dock.show_result(make_result(10))
    dock.canvas.panes()[0].pointed.emit(QPointF(3.0, 3.0))
    qtbot.waitUntil(lambda: asked == [(10.0, 3.0)])
    for value in (20, 20, 30):  # a spot whose pixel is another, and one that is the same
        dock.show_result(make_result(value))
    assert asked[1:] == [(20.0, 3.0), (20.0, 3.0), (30.0, 3.0)], "once for every result"
    assert dock.canvas.probe is not None
    assert dock.canvas.probe.text == "mean 30"


def test_links_lead_to_other_panels_as_long_as_the_panel_has_any(qtbot: QtBot) -> None:
    def links(result: Result, view: View) -> tuple[Link, ...]:
        if result.trace.mean > 100:
            raise ValueError("no way")
        return (Link("Deeper", "layers", {"layer": f"{result.trace.mean:g}"}),) if result.trace.mean > 15 else ()

    dock = PanelDock(OpenPanel("probe", 1), LIGHT)
    qtbot.addWidget(dock)
    dock.set_panel(make_panel(links=links))
    dock.resize(900, 500)
    dock.show()
    button = dock.findChild(QToolButton, "links_button")
    dock.show_result(make_result(10))
    assert not button.isVisible()
    dock.show_result(make_result(20))
    assert button.isVisible()
    (action,) = button.menu().actions()
    assert action.text() == "Deeper"
    with qtbot.waitSignal(dock.linked) as asked:
        action.trigger()
    assert asked.args == ["layers", {"layer": "20"}]
    dock.show_result(make_result(200))
    assert not button.isVisible(), "what a panel raises is logged and hides them"


def test_a_field_with_a_number_sets_one_item() -> None:
    class Fields:
        boxes = ((0, 0, 1, 1), (2, 2, 3, 3))

    class Others:
        places = (1, 2)

    assert whole_field(Fields(), Others(), "boxes.1", (5, 5, 6, 6)) == ("boxes", ((0, 0, 1, 1), (5, 5, 6, 6)))
    assert whole_field(Fields(), Others(), "places.0", 7) == ("places", (7, 2))
    assert whole_field(Fields(), Others(), "boxes", ()) == ("boxes", ())
    with pytest.raises(IndexError):
        whole_field(Fields(), Others(), "boxes.2", ())
