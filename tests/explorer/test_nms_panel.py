"""The panel of the seven suppression methods: what it computes, shows at every step, says under the pointer and lets one edit."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from cvcore.suppression.methods import METHODS
from cvcore.suppression.timeline import NEVER
from explorer.engine.compute import Computer
from explorer.figure import Boxes, Curve, Figure, Handles, Lit, Pane, Points, Spot, Table, Text
from explorer.files.coco_images import image_number
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Result, Task
from explorer.panels import nms
from explorer.panels.nms import controls
from explorer.panels.nms.compute import THRESHOLDS, State, Trace, label_of, state
from explorer.panels.nms.controls import (
    ADD,
    ALL_CAPTIONS,
    BELOW,
    BY_HAND,
    DELETE,
    KEPT_SWEEP,
    LESS_SURE,
    NO_CAPTIONS,
    NONE,
    RUN_TIME,
    SCORE_DOWN,
    SCORE_UP,
    SURER,
    Params,
    View,
)
from explorer.panels.nms.views import DISPUTED, KEPT
from explorer.settings.session import OpenPanel, fields_from_json, fields_to_json
from explorer.sources import open_source
from explorer.widgets.theme import LIGHT
from explorer.window.dock import PanelDock, _Filled
from tests.explorer.canvas_for_tests import click, drag, hover
from tests.explorer.panels_for_tests import make_frame

PANEL = Panel.from_module(nms)
HAND = Params(scene=BY_HAND)
FOUR = {"method_2": "Soft-NMS", "method_3": "IoU-guided NMS", "method_4": "DIoU-NMS"}


@pytest.fixture(scope="module")
def computer() -> Computer:
    return Computer({"nms": PANEL})


@pytest.fixture(scope="module")
def street() -> Frame:
    """A shipped photograph with several people."""
    return open_source(str(asset("pictures", "mexico.jpg"))).read()


def computed(computer: Computer, params: Params, frame: Frame | None = None) -> Result:
    result = computer.compute(frame or make_frame(size=(320, 240)), Task(1, "nms", params))
    assert result is not None
    assert not result.error, result.detail
    return result


def kept(result: Result) -> dict[str, list[int]]:
    trace: Trace = result.trace
    return {run.method: sorted(run.trace.keep.tolist()) for run in trace.runs}


def pane(figure: Figure, key: str) -> Pane:
    return next(one for one in figure.panes() if one.key == key)


def mark(figure: Figure, where: str, kind: type, key: str = "") -> Any:
    return next(one for one in pane(figure, where).marks if isinstance(one, kind) and key in ("", one.key))


def words(figure: Figure) -> str:
    return "\n".join(one.text for one in pane(figure, "words").marks if isinstance(one, Text))


# -- what is computed


def test_the_seven_methods_on_the_scene_by_hand(computer: Computer) -> None:
    found: dict[str, list[int]] = {}
    for method in METHODS:
        found |= kept(computed(computer, replace(HAND, method_1=method, method_2=NONE)))
    assert found["NMS"] == found["Weighted NMS"] == found["Softer-NMS"] == [0, 3, 6]
    assert found["IoU-guided NMS"] == [2, 5, 6]  # the best placed ones
    assert found["Soft-NMS"] == found["Adaptive NMS"] == found["DIoU-NMS"] == [0, 1, 3]  # the second person stays


def test_the_centre_distance_can_help_every_method(computer: Computer) -> None:
    for method in set(METHODS) - {"Soft-NMS", "IoU-guided NMS"}:
        assert kept(computed(computer, replace(HAND, method_1=method, center_penalty=True)))[method] == [0, 1, 3], (
            method
        )


def test_a_method_chosen_twice_is_shown_once() -> None:
    assert Params(method_1="NMS", method_2="NMS", method_3=NONE, method_4="DIoU-NMS").methods == ("NMS", "DIoU-NMS")


def test_classes_compete_only_if_asked(computer: Computer, street: Frame) -> None:
    apart = computed(computer, Params(score_threshold=0.1), street)
    together = computed(computer, Params(score_threshold=0.1, class_aware=False), street)
    labels = apart.trace.scene.labels.numpy()
    for run in apart.trace.runs:
        assert (labels[run.trace.decisions.by] == labels[run.trace.decisions.on]).all()
    assert len(kept(together)["NMS"]) < len(kept(apart)["NMS"])


def test_candidates_are_the_best_of_those_above_the_score(computer: Computer, street: Frame) -> None:
    trace: Trace = computed(computer, Params(score_threshold=0.1, max_candidates=20), street).trace
    scores = trace.scene.scores
    assert len(scores) <= 20 < trace.scene.found
    assert (scores > 0.1).all()
    assert (scores.diff() <= 0).all()
    width, height = street.size
    low, high = trace.scene.boxes[:, :2], trace.scene.boxes[:, 2:]
    assert (low >= 0).all()
    assert (high <= torch.tensor([width, height])).all()
    everything: Trace = computed(computer, Params(score_threshold=0.1, max_candidates=1000), street).trace
    assert torch.equal(everything.scene.scores[: len(scores)], scores)


def test_a_class_can_be_chosen_in_any_language(computer: Computer, street: Frame) -> None:
    trace: Trace = computed(computer, Params(category="person"), street).trace
    assert set(trace.scene.labels.tolist()) == {0}
    assert label_of("人") == label_of("person") == 0
    assert label_of("no such class") is None
    result = computed(computer, Params(), street)
    assert "person" in controls.category_choices(result)


def test_the_detector_runs_once_for_a_frame(computer: Computer, street: Frame) -> None:
    frame = Frame(street.image.copy())
    first = computed(computer, Params(), frame)
    second = computed(computer, Params(iou_threshold=0.3), frame)
    assert "forward" in [stage.name for stage in first.stages]
    assert "forward" not in [stage.name for stage in second.stages]


def test_nothing_found_is_said_and_can_be_drawn(computer: Computer) -> None:
    result = computed(computer, Params(score_threshold=0.95))
    assert len(result.trace.scene) == 0
    for below in BELOW:
        empty = computed(computer, Params(score_threshold=0.95, below=below, method_3="Softer-NMS"))
        assert PANEL.draw(empty, View()).notes[0].level == "warning"
    assert PANEL.draw(computed(computer, replace(HAND, boxes=())), View()).notes[0].level == "warning"
    assert json.loads(nms.files(result, View())["nms.json"]) == []


def test_the_density_is_that_of_the_object(computer: Computer) -> None:
    trace: Trace = computed(computer, HAND).trace
    assert trace.scene.density[[0, 1]].tolist() == pytest.approx([0.5104, 0.5104], abs=1e-4)
    assert trace.scene.density[[3, 5]].tolist() == [0, 0]  # the ball stands alone
    lonely: Trace = computed(computer, replace(HAND, density_score=0.85)).trace
    assert (lonely.scene.density == 0).all()


def test_the_sweep_passes_through_what_is_shown(computer: Computer, street: Frame) -> None:
    trace: Trace = computed(computer, Params(below=KEPT_SWEEP, iou_threshold=0.5, **FOUR), street).trace
    assert trace.sweep is not None
    here = THRESHOLDS.index(0.5)
    assert trace.sweep[0, :, here].tolist() == [len(run.trace.keep) for run in trace.runs]
    means = [float(run.trace.kept_scores.mean()) for run in trace.runs]
    assert trace.sweep[1, :, here].tolist() == pytest.approx(means)


def test_all_methods_are_timed_if_asked(computer: Computer) -> None:
    trace: Trace = computed(computer, replace(HAND, below=RUN_TIME)).trace
    assert set(trace.times) == set(METHODS)
    assert all(seconds > 0 for seconds in trace.times.values())
    assert computed(computer, HAND).trace.times == {}


# -- one decision at a time


def states(trace: Trace, number: int) -> list[State]:
    return [state(trace, number, step) for step in range(trace.timeline.steps + 1)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("decay", ["linear", "gaussian"])
def test_every_step_is_one_event(computer: Computer, street: Frame, method: str, decay: str) -> None:
    params = Params(method_1=method, method_2="NMS", decay=decay, voting_decay=decay, score_threshold=0.25)
    trace: Trace = computed(computer, params, street).trace
    run, seen = trace.runs[0], states(trace, 0)
    assert not seen[0].kept.any()
    assert np.array_equal(seen[0].scores, trace.scene.scores.numpy())
    kept_in_order, decided = [], 0
    scores = trace.scene.scores.numpy().copy()
    for before, now in pairwise(seen):
        newly = np.flatnonzero(now.kept & ~before.kept)
        assert len(newly) + (now.made - before.made) <= 1
        assert not (before.kept & ~now.kept).any()
        kept_in_order += newly.tolist()
        if now.made > before.made:
            box = int(run.trace.decisions.on[decided])
            scores[box] = run.trace.decisions.after[decided]
            if now.event == "decide":
                assert now.subject == box
            decided += 1
        undecided = ~now.kept
        assert np.array_equal(now.scores[undecided], scores[undecided])
    assert kept_in_order == run.trace.keep.tolist()
    assert decided == len(run.trace.decisions)
    last = seen[-1]
    assert (last.kept ^ last.gone).all()
    assert np.array_equal(last.boxes[run.trace.keep], run.trace.kept_boxes.numpy())
    assert np.array_equal(last.scores[run.trace.keep], run.trace.kept_scores.numpy())


def test_methods_begin_each_kept_box_together(computer: Computer, street: Frame) -> None:
    trace: Trace = computed(computer, Params(score_threshold=0.2, **FOUR), street).trace
    orders = [np.sort(course.kept_at[course.kept_at != NEVER]) for course in trace.timeline.courses]
    common = min(map(len, orders))
    assert common > 3
    for order in orders[1:]:
        assert np.array_equal(order[:common], orders[0][:common])
    longest = max(int(course.settled_at[-1]) for course in trace.timeline.courses)
    assert trace.timeline.steps == longest + 1


def test_a_method_with_fewer_decisions_waits(computer: Computer) -> None:
    trace: Trace = computed(computer, replace(HAND, method_2="DIoU-NMS")).trace
    events = [{state(trace, number, step).event for number in (0, 1)} for step in range(trace.timeline.steps)]
    assert {"decide", "wait"} in events
    assert events[0] == {"start"}


# -- what is drawn


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_picture_for_each_method(computer: Computer, count: int) -> None:
    chosen = dict(zip(("method_2", "method_3", "method_4"), (*METHODS[1:count], *[NONE] * 3), strict=False))
    figure = PANEL.draw(computed(computer, replace(HAND, **chosen)), View())
    keys = [one.key for one in figure.panes()]
    assert sorted(keys) == sorted([*(f"method{i + 1}" for i in range(count)), "table", "words"])
    assert len({one.space for one in figure.panes() if one.key.startswith("method")}) == 1


def test_every_step_can_be_drawn_in_every_language(computer: Computer, street: Frame) -> None:
    result = computed(computer, Params(method_2="Weighted NMS", method_3="Softer-NMS", method_4="Soft-NMS"), street)
    for language in ("en", "zh_CN"):
        set_language(language)
        for step in range(0, result.trace.timeline.steps + 1, 3):
            figure = PANEL.draw(result, View(step=step, removed=True, captions=ALL_CAPTIONS))
            assert len(mark(figure, "method1", Boxes, "boxes").xyxy) == len(result.trace.scene)
            explanation("nms.md").format_map(_Filled(figure.values))


@pytest.mark.parametrize("below", BELOW)
def test_every_chart_can_be_drawn(computer: Computer, street: Frame, below: str) -> None:
    result = computed(computer, Params(below=below, **FOUR), street)
    figure = PANEL.draw(result, View())
    if below == controls.THIS_BOX:
        assert "Click a box" in words(figure)
        return
    assert pane(figure, "below").axes is not None
    curves = [one for one in pane(figure, "below").marks if isinstance(one, Curve) and one.label]
    assert len(curves) == (0 if below == RUN_TIME else 4)


def test_boxes_in_dispute_are_marked(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="DIoU-NMS"))
    trace: Trace = result.trace
    assert np.flatnonzero(trace.disputed()).tolist() == [1, 6]
    for key in ("method1", "method2"):
        boxes = mark(PANEL.draw(result, View()), key, Boxes, "boxes")
        assert [i for i, colour in enumerate(boxes.colours) if colour == DISPUTED] == [1, 6]
    nms_pane = mark(PANEL.draw(result, View()), "method1", Boxes, "boxes")
    assert nms_pane.styles[1] == "dashed"
    assert nms_pane.styles[6] == "solid"
    assert [i for i, colour in enumerate(nms_pane.colours) if colour == KEPT] == [0, 3]
    assert any("2 boxes" in note.text for note in PANEL.draw(result, View()).notes)


def test_removed_boxes_are_hidden_unless_asked_for(computer: Computer, street: Frame) -> None:
    result = computed(computer, Params(method_2=NONE), street)
    trace: Trace = result.trace
    drawn = mark(PANEL.draw(result, View()), "method1", Boxes, "boxes").xyxy
    assert np.flatnonzero(np.isfinite(drawn[:, 0])).tolist() == kept(result)["NMS"]
    asked = mark(PANEL.draw(result, View(removed=True)), "method1", Boxes, "boxes").xyxy
    assert np.isfinite(asked).all()
    gone = int(np.flatnonzero(state(trace, 0, trace.timeline.steps).gone)[0])
    chosen = mark(PANEL.draw(result, View(box=gone)), "method1", Boxes, "boxes").xyxy
    assert np.isfinite(chosen[gone]).all()


def test_captions_as_asked(computer: Computer) -> None:
    result = computed(computer, HAND)
    assert not any(mark(PANEL.draw(result, View(captions=NO_CAPTIONS)), "method1", Boxes, "boxes").labels)
    labels = mark(PANEL.draw(result, View(captions=ALL_CAPTIONS)), "method1", Boxes, "boxes").labels
    assert labels[0] == "0: 0.92"
    assert labels[1] == ""


def test_the_words_have_the_numbers_of_the_boxes(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="DIoU-NMS", method_3="Soft-NMS", method_4="Adaptive NMS"))
    said = words(PANEL.draw(result, View(box=1)))
    assert "NMS: removed by box 0" in said
    assert "14,700 / (22,000 + 21,500 − 14,700) = 0.510 > 0.50" in said
    assert "IoU − (ρ² / c²)^β = 0.510 − (956 / 67,525)^1 = 0.496 ≤ 0.50" in said
    assert "0.800 × (1 − 0.510) = 0.392" in said
    assert "≤ max(threshold 0.50, density 0.510)" in said


def test_the_words_of_the_averages(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_1="Weighted NMS", method_2="IoU-guided NMS"))
    trace: Trace = result.trace
    said = words(PANEL.draw(result, View(box=0)))
    left = trace.runs[0].trace.kept_boxes[0, 0].item()
    assert f"= {left:.1f}" in said
    assert "mean of 4 boxes" in said
    assert "removed by box 2" in said
    assert "merged into box 0" in words(PANEL.draw(result, View(box=2)))
    assert "takes the best score of those it removes, 0.92" in words(PANEL.draw(result, View(box=2)))
    assert "not decided yet" in words(PANEL.draw(result, View(box=2, step=0)))


def test_the_words_of_a_dropped_box(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_1="Soft-NMS", method_2=NONE, min_score=0.5))
    assert "its score fell below 0.5" in words(PANEL.draw(result, View(box=1)))
    weak = replace(result.task.params, scores=(0.92, 0.80, 0.75, 0.45, 0.66, 0.40, 0.38))
    assert "below the lowest score" in words(PANEL.draw(computed(computer, weak), View(box=3)))
    gaussian = computed(computer, replace(HAND, method_1="Soft-NMS", method_2=NONE, decay="gaussian", min_score=0.0))
    overlap = float(gaussian.trace.iou[0, 1])
    assert f"= {0.8 * math.exp(-(overlap**2) / 0.5):.3f}" in words(PANEL.draw(gaussian, View(box=1)))


def test_notes_say_what_was_derived(computer: Computer) -> None:
    notes = " ".join(note.text for note in PANEL.draw(computed(computer, Params(score_threshold=0.02)), View()).notes)
    assert "derived" not in notes
    shown = Params(method_1="IoU-guided NMS", method_2="Adaptive NMS", method_3="Softer-NMS", score_threshold=0.02)
    notes = " ".join(note.text for note in PANEL.draw(computed(computer, shown), View()).notes)
    for words_ in ("localisation confidence; here it is derived", "density; here it is guessed", "the detector's own"):
        assert words_ in notes


def test_the_table_has_a_row_for_each_candidate(computer: Computer) -> None:
    result = computed(
        computer, replace(HAND, method_2="IoU-guided NMS", scores=(0.92, 0.8, 0.75, 0.7, 0.66, 0.38, 0.99))
    )
    table = mark(PANEL.draw(result, View(box=2)), "table", Table)
    assert [row[0] for row in table.rows] == [6, 0, 1, 2, 3, 4, 5]
    assert table.selected == 3
    row = table.rows[3]
    assert row[2] == 3.0
    assert row[3] in ("by 0", "by 6")
    assert row[4].startswith("kept")
    assert row[-1] == pytest.approx(1)
    begun = mark(PANEL.draw(result, View(step=0)), "table", Table)
    assert {row[3] for row in begun.rows} == {"·"}


def test_the_explanation_is_filled(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="Weighted NMS"))
    for language in ("en", "zh_CN"):
        set_language(language)
        text = explanation("nms.md")
        for view in (View(), View(box=0), View(box=1), View(box=3)):
            filled = text.format_map(_Filled(PANEL.draw(result, view).values))
            assert filled.count("–") <= 1  # how many boxes a box that is not kept is the mean of
        assert "**0.510**" in text.format_map(_Filled(PANEL.draw(result, View(box=1)).values))


# -- pointer and clicks


def test_pointing_at_a_box_lights_its_row_and_the_other_way_round(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="DIoU-NMS"))
    for spot in (Spot("method1", "boxes", 175, 248, 6), Spot("table", "table", 0, 6, 6)):
        found = PANEL.probe(result, View(), spot)
        assert found is not None
        (lit,) = found.marks["table"]
        assert isinstance(lit, Lit)
        assert lit.index == 6
        for key in ("method1", "method2"):
            pointed = next(one for one in found.marks[key] if one.key == "pointed")
            assert isinstance(pointed, Boxes)
            assert pointed.xyxy.tolist() == [[78, 46, 178, 250]]
        assert found.text.startswith("NMS: kept")


def test_the_overlap_that_decided_is_drawn(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="DIoU-NMS"))
    found = PANEL.probe(result, View(), Spot("table", "table", 0, 1, 1))
    assert found is not None
    shared = next(one for one in found.marks["method1"] if one.key == "overlap")
    assert isinstance(shared, Boxes)
    assert shared.xyxy.tolist() == [[70, 40, 140, 250]]
    assert shared.labels == ("IoU 0.51",)
    assert not any(one.key == "overlap" for one in found.marks["method2"])  # DIoU keeps it
    assert "14,700" in found.text


def test_the_method_pointed_at_speaks_first(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2="DIoU-NMS"))
    found = PANEL.probe(result, View(), Spot("method2", "boxes", 155, 150, 1))
    assert found is not None
    assert found.text.startswith("DIoU-NMS")


def test_pointing_beside_everything_says_nothing(computer: Computer) -> None:
    result = computed(computer, HAND)
    assert PANEL.probe(result, View(), Spot("method1", "", 5, 270)) is None
    assert PANEL.probe(result, View(), Spot("words", "", 5, 5)) is None
    assert PANEL.probe(result, View(), Spot("table", "table", 0, 40, 40)) is None


def test_points_of_the_chart_are_boxes(computer: Computer) -> None:
    params = replace(HAND, below=controls.BEFORE_AFTER)
    result = computed(computer, params)
    points = [one for one in pane(PANEL.draw(result, View()), "below").marks if isinstance(one, Points)]
    assert points[0].xy[1].tolist() == pytest.approx([0.8, 0])
    assert PANEL.pick(result, View(), Spot("below", points[1].key, 0.8, 0.4, 1)) == {"box": 1}


def test_a_click_chooses_and_chooses_none(computer: Computer) -> None:
    result = computed(computer, HAND)
    spot = Spot("method1", "boxes", 250, 190, 3)
    assert PANEL.pick(result, View(), spot) == {"box": 3}
    assert PANEL.pick(result, View(box=3), spot) == {"box": -1}
    assert PANEL.pick(result, View(box=3), Spot("method1", "", 5, 270)) == {"box": -1}
    assert PANEL.pick(result, View(), Spot("table", "table", 0, 2, 2)) == {"box": 2}
    assert PANEL.pick(result, View(), Spot("words", "", 0, 0)) is None


def test_the_chosen_box_can_be_dragged(computer: Computer) -> None:
    handles = mark(PANEL.draw(computed(computer, HAND), View(box=1)), "method1", Handles)
    assert handles.field == "boxes.1"
    assert handles.value == HAND.boxes[1]
    moved = replace(HAND, boxes=(*HAND.boxes[:1], (200, 40, 300, 255), *HAND.boxes[2:]))
    assert 1 in kept(computed(computer, moved))["NMS"]


@pytest.mark.parametrize(
    ("click", "field", "expected"),
    [(SCORE_UP, "scores", 0.75), (SCORE_DOWN, "scores", 0.65), (SURER, "sigmas", 2.0), (LESS_SURE, "sigmas", 8.0)],
)
def test_a_click_changes_a_box(computer: Computer, click: str, field: str, expected: float) -> None:
    result = computed(computer, replace(HAND, click=click))
    changed = PANEL.pick(result, View(), Spot("method1", "boxes", 250, 190, 3))
    assert changed is not None
    assert changed[field][3] == pytest.approx(expected)
    assert changed["box"] == 3
    assert PANEL.pick(result, View(), Spot("method1", "", 5, 270)) is None


def test_boxes_are_added_and_deleted(computer: Computer) -> None:
    adding = replace(HAND, click=ADD)
    added = PANEL.pick(computed(computer, adding), View(), Spot("method2", "", 10, 270))
    assert added is not None
    assert added["boxes"][7] == (0, 200, 80, 280)  # kept on the scene
    assert added["box"] == 7
    more = replace(adding, **{name: added[name] for name in ("boxes", "scores", "sigmas")})
    assert len(computed(computer, more).trace.scene) == 8
    assert PANEL.pick(computed(computer, adding), View(), Spot("method1", "", -5, 20)) is None
    deleting = replace(HAND, click=DELETE)
    deleted = PANEL.pick(computed(computer, deleting), View(box=3), Spot("method1", "boxes", 250, 190, 3))
    assert deleted is not None
    assert deleted["boxes"] == HAND.boxes[:3] + HAND.boxes[4:]
    assert len(deleted["scores"]) == len(deleted["sigmas"]) == 6
    assert deleted["box"] == -1


def test_the_users_boxes_survive_a_restart() -> None:
    params = replace(HAND, boxes=((1, 2, 30, 40),), scores=(0.25,), sigmas=(3.0,))
    remembered = json.loads(json.dumps(fields_to_json(params, View(step=3))))
    assert fields_from_json(Params, remembered) == params
    assert fields_from_json(View, remembered) == View(step=3)


def test_boxes_as_a_command_line_gives_them() -> None:
    params = Params(boxes=(0, 0, 10, 10, 5, 5, 20, 20))  # type: ignore[arg-type]
    assert params.boxes == ((0, 0, 10, 10), (5, 5, 20, 20))
    assert len(params.scores) == len(params.sigmas) == 2
    assert replace(params, boxes=(*params.boxes, (1, 1, 2, 2)), scores=(0.1,)).scores == (0.1, 0.5, 0.5)
    with pytest.raises(ValueError, match="four numbers"):
        Params(boxes=(1, 2, 3))  # type: ignore[arg-type]


def test_an_edge_is_taken_before_a_smaller_box(computer: Computer) -> None:
    result = computed(computer, replace(HAND, method_2=NONE))
    for x, y, box in ((40.5, 150, 0), (170, 150, 1), (178.5, 150, 6), (32, 150, 4), (120, 150, 2)):
        assert PANEL.pick(result, View(), Spot("method1", "boxes", x, y)) == {"box": box}


# -- in the window


@pytest.fixture
def dock(qtbot: QtBot, computer: Computer) -> PanelDock:
    """The panel on the scene by hand, computed anew whenever its task changes."""
    made = PanelDock(OpenPanel("nms", 1, {"scene": BY_HAND, "method_2": "DIoU-NMS"}), LIGHT)
    qtbot.addWidget(made)
    made.task_changed.connect(lambda: made.show_result(computed(computer, made.params)))
    made.resize(1300, 700)
    with qtbot.waitExposed(made):
        made.show()
    made.set_panel(PANEL)
    qtbot.waitUntil(lambda: made.canvas.pane("method1").view.box.width() > 100)
    return made


def test_a_box_dragged_away_is_kept(dock: PanelDock) -> None:
    assert dock.result is not None
    assert 1 not in kept(dock.result)["NMS"]
    click(dock.canvas, 160, 254.5, "method1")
    assert dock.view.box == 1
    drag(dock.canvas, [(155, 100), (200, 100), (260, 100)], "method1")
    assert dock.params.boxes[1] == pytest.approx((175, 40, 275, 255), abs=3)
    assert dock.params.boxes[0] == HAND.boxes[0]
    assert 1 in kept(dock.result)["NMS"]


def test_the_mouse_on_a_box_lights_the_table(dock: PanelDock, qtbot: QtBot) -> None:
    table = dock.canvas.pane("table").table
    assert table is not None
    hover(dock.canvas, 250, 210, "method2")
    qtbot.waitUntil(lambda: table.chosen_row == 3)
    assert "DIoU-NMS: kept" in dock.canvas.readout


def test_the_controls_shown_are_those_of_the_methods(dock: PanelDock) -> None:
    form = dock._form
    assert form is not None
    assert form.control("sigma_t").isHidden()
    assert form.control("score_threshold").isHidden()
    assert not form.control("beta").isHidden()
    dock.set_fields({"method_2": "Softer-NMS", "scene": "detector"})
    assert not form.control("sigma_t").isHidden()
    assert not form.control("score_threshold").isHidden()
    assert form.control("beta").isHidden()


# -- files


def test_detections_are_saved_as_coco_json(computer: Computer, street: Frame) -> None:
    frame = Frame(street.image, source="000000000139.jpg")
    result = computed(computer, Params(method_2="Weighted NMS", category="person"), frame)
    saved = {name: json.loads(content) for name, content in nms.files(result, View()).items()}
    assert set(saved) == {"nms.json", "weighted.json", "images.json"}
    run = result.trace.runs[1]
    assert len(saved["weighted.json"]) == len(run.trace.keep)
    first = saved["weighted.json"][0]
    assert first["image_id"] == 139
    assert first["category_id"] == 1
    x1, y1, x2, y2 = run.trace.kept_boxes[0].tolist()
    assert first["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.01)
    assert first["score"] == pytest.approx(float(run.trace.kept_scores[0]), abs=1e-5)
    (image,) = saved["images.json"]["images"]
    assert image == {"id": 139, "file_name": "000000000139.jpg", "width": frame.size[0], "height": frame.size[1]}
    assert len(saved["images.json"]["categories"]) == 80
    assert {"id": 90, "name": "toothbrush"} in saved["images.json"]["categories"]


@pytest.mark.parametrize(
    ("source", "index", "number"),
    [("COCO_val2014_000000000257.jpg", 4, 257), ("17.png", 0, 17), ("street 2.mp4", 12, 12), ("camera 0", 3, 3)],
)
def test_the_number_of_a_picture(source: str, index: int, number: int) -> None:
    assert image_number(Frame(np.zeros((2, 2, 3), np.uint8), index=index, source=source)) == number
