"""The OpenPose panel by calling its functions: no Qt, no engine. The network is one whose maps are the targets of known people."""

import json
import string
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from PIL import Image as Image_
from pytestqt.qtbot import QtBot
from torch import Tensor, nn

from cvcore.evaluate.coco_people import read_coco_people, read_people_results
from cvcore.evaluate.keypoints import evaluate_keypoints
from cvcore.losses.pose import pose_loss_trace
from cvcore.models.openpose import Pixels, PoseMaps, PoseNetwork
from cvcore.ops.paf import OPENPOSE_18, heatmap_targets, label_mask, paf_targets
from cvcore.ops.paf.steps import CANDIDATES, COMPLETING, GROWING, MATCHING, PEAKS, SCORES
from cvcore.ops.paf.trace import FEW_AGREE
from explorer.bundle.archive import read_trace, write_trace
from explorer.bundle.leaves import compare, take_apart
from explorer.bundle.restore import restore
from explorer.engine.compute import Computer
from explorer.figure import (
    Arrows,
    Boxes,
    Curve,
    Figure,
    Handles,
    Heatmap,
    Image,
    Pane,
    Points,
    Segments,
    Spot,
    Table,
    Text,
)
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Result, Task
from explorer.panels import pose
from explorer.panels.pose import Params, Trace, View, files
from explorer.panels.pose.controls import (
    ALONE,
    BY_PERSON,
    CROSSING,
    FIGURES,
    FOUND,
    JOINTS,
    LIMB_NAMES,
    MIRRORED,
    ONCE,
    PEOPLE,
    STAGES,
    STEPS,
    TARGETS,
    THREE,
)
from explorer.panels.pose.marks import OTHER, direction_colours, keypoints_of, limbs_of
from explorer.saving.export import main as export
from explorer.settings.session import OpenPanel, fields_from_json, fields_to_json
from explorer.views import networks
from explorer.widgets.theme import LIGHT
from explorer.window.dock import PanelDock
from tests.cvcore.people_for_tests import standing
from tests.explorer.canvas_for_tests import drag

T = TypeVar("T")
PANEL = Panel.from_module(pose)
draw, pick, probe = PANEL.draw, PANEL.pick, PANEL.probe
CARD = "light_openpose"
ROWS, COLUMNS = 32, 64
SCALE = 2
"""Pixels of the frame to one of the network's input."""
CELL = 8 * SCALE
APART = torch.stack((standing(15, 14, 2.5), standing(47, 15, 2.2)))
CROSSED = torch.stack((standing(28, 14, 2.5), standing(31, 15, 2.3)))
NOBODY = torch.zeros(0, 18, 3)
USUAL = Params(network=CARD)


class Known(PoseNetwork):
    """Two stages: half of the targets of some people, and the targets."""

    pixels = Pixels(scale=255, mean=0, std=1, bgr=False)

    def __init__(self, people: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.people_known = people
        self.passes = 0

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        self.passes += 1
        rows, columns = x.shape[2] // 8, x.shape[3] // 8
        heat = heatmap_targets(self.people_known, rows, columns)[None]
        pafs = paf_targets(self.people_known, rows, columns)[None]
        return PoseMaps(0.5 * heat, 0.5 * pafs), PoseMaps(heat, pafs)


class Given(Computer):
    """The real computer with a network of the test's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__({"pose": PANEL})
        self.network = network
        self._models[CARD, "cpu", "float32"] = networks.version(CARD), network


def frame(index: int = 0, source: str = "test.png") -> Frame:
    picture = np.full((ROWS * CELL, COLUMNS * CELL, 3), 90, np.uint8)
    return Frame(picture, index=index, source=source)


def run(
    people: Tensor = APART,
    *,
    at: Frame | None = None,
    previous: Any = None,
    computer: Given | None = None,
    **fields: Any,
) -> Result[Trace, Params]:
    computer = computer or Given(Known(people))
    if previous is not None:
        computer.remember(1, previous)
    result = computer.compute(at or frame(), Task(1, "pose", replace(USUAL, **fields)))
    assert result is not None
    assert not result.error, result.detail
    return result


def pane(figure: Figure, key: str) -> Pane:
    return next(pane for pane in figure.panes() if pane.key == key)


def marks(of: Pane, kind: type[T]) -> list[T]:
    return [mark for mark in of.marks if isinstance(mark, kind)]


def mark(of: Pane, kind: type[T], key: str) -> T:
    return next(m for m in marks(of, kind) if m.key == key)  # type: ignore[attr-defined]


def in_pixels(people: Tensor) -> np.ndarray:
    return ((people[..., :2] + 0.5) * CELL).numpy()


def step_numbers(result: Result, kind: str) -> list[int]:
    return [i for i, step in enumerate(result.trace.walked.steps) if step.kind == kind]


# -- people


def test_it_is_a_panel() -> None:
    assert PANEL.name == "pose"
    assert PANEL.files is not None


def test_the_known_people_are_found_where_they_are() -> None:
    trace: Trace = run().trace
    assert len(trace.people) == 2
    assert trace.people.numbers.tolist() == [1, 2]
    by_x = trace.people.keypoints[np.argsort(trace.people.keypoints[:, 1, 0])]
    assert by_x[..., :2] == pytest.approx(in_pixels(APART), abs=0.35 * CELL)
    assert (by_x[..., 2] > 0.5).all()
    assert not trace.limited


def test_thresholds_do_not_run_the_network_again() -> None:
    network = Known(APART)
    computer, at = Given(network), frame()
    for fields in ({}, {"peak_threshold": 0.4}, {"min_dot": 0.3}, {"show": STEPS}, {"show": STAGES}, {"show": TARGETS}):
        result = run(computer=computer, at=at, **fields)
        assert ("forward" in [stage.name for stage in result.stages]) == (not fields)
    assert network.passes == 1
    run(computer=computer, at=at, height=128)
    assert network.passes == 2


@pytest.mark.parametrize(("looks", "passes"), [(ONCE, 1), (THREE, 3), (MIRRORED, 6)])
def test_several_looks_are_one_result(looks: str, passes: int) -> None:
    network = Known(NOBODY)
    result = run(computer=Given(network), looks=looks, show=STAGES)
    assert network.passes == passes
    assert result.trace.maps.size == (ROWS, COLUMNS)
    assert result.trace.stage_count == 2
    assert draw(result, View()).layout


def test_the_live_view_shows_what_is_switched_on() -> None:
    result = run()
    shown = pane(draw(result, View()), "people")
    assert {type(m) for m in shown.marks} == {Image, Segments, Points}
    everything = pane(draw(result, View(heatmaps=True, pafs=True)), "people")
    assert {type(m) for m in everything.marks} == {Image, Heatmap, Arrows, Segments, Points}
    nothing = pane(draw(result, View(picture=False, skeletons=False)), "people")
    assert not nothing.marks
    assert len(mark(shown, Segments, "limbs").start) == 2 * len(OPENPOSE_18.limbs)
    assert mark(shown, Points, "numbers").labels == ("1", "2")


def test_a_limb_shows_its_own_field_and_the_heat_of_its_ends() -> None:
    result = run()
    limb = OPENPOSE_18.limbs.index((2, 3))
    shown = pane(draw(result, View(heatmaps=True, pafs=True, part=LIMB_NAMES[limb])), "people")
    heat = mark(shown, Heatmap, "heat").values
    assert heat == pytest.approx(result.trace.maps.heatmaps[[2, 3]].max(0))
    arrows = mark(shown, Arrows, "field")
    along = in_pixels(APART)[:, 3] - in_pixels(APART)[:, 2]
    wanted = along / np.linalg.norm(along, axis=1, keepdims=True)
    unit = arrows.vector / np.linalg.norm(arrows.vector, axis=1, keepdims=True)
    assert len(unit) > 4
    assert (np.abs(unit[:, None] - wanted[None]).sum(-1).min(1) < 1e-5).all()


def test_arrows_are_as_long_as_the_field_is_strong() -> None:
    trace: Trace = run(show=STAGES).trace
    shown = draw(run(show=STAGES), View(part=LIMB_NAMES[0], least_strength=0.1))
    half, whole = (mark(pane(shown, f"maps_{n}"), Arrows, "field") for n in (1, 2))
    assert len(trace.stages) == 2
    assert np.linalg.norm(half.vector, axis=1) == pytest.approx(0.5 * np.linalg.norm(whole.vector, axis=1))


def test_directions_have_their_colours() -> None:
    right, down, left, up = direction_colours(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))
    assert len({right, down, left, up}) == 4
    assert direction_colours(np.array([[2.0, 1e-9]])) == (right,)


def test_parts() -> None:
    assert keypoints_of("neck") == (1,)
    assert all(1 in OPENPOSE_18.limbs[limb] for limb in limbs_of("neck"))
    assert len(limbs_of("neck")) == 5
    assert keypoints_of(LIMB_NAMES[2]) == OPENPOSE_18.limbs[2]
    assert len(keypoints_of("all keypoints and limbs")) == 18


def test_limbs_that_are_not_chosen_are_grey() -> None:
    figure = draw(run(), View(part=LIMB_NAMES[3]))
    colours = mark(pane(figure, "people"), Segments, "limbs").colours
    assert sum(colour != OTHER for colour in colours) == 2
    assert "right elbow – right wrist" in pane(figure, "people").title


def test_colours_by_person() -> None:
    shown = pane(draw(run(), View(colouring=BY_PERSON)), "people")
    assert set(mark(shown, Segments, "limbs").colours) == {0, 1}


def test_nobody_is_said_kindly() -> None:
    result = run(NOBODY)
    figure = draw(result, View(heatmaps=True, pafs=True))
    assert "No person found" in figure.notes[0].text
    assert figure.notes[0].level == "info"
    assert marks(pane(figure, "table"), Table)[0].rows == ()


def test_a_limit_that_is_reached_is_said() -> None:
    assert run(max_peaks=1).trace.limited
    assert draw(run(max_peaks=1), View()).notes[0].level == "warning"
    assert draw(run(max_peaks=1, show=STEPS), View()).notes[1].level == "warning"
    assert not draw(run(max_peaks=2), View()).notes


def test_another_network_is_refused() -> None:
    result = Given(nn.Conv2d(3, 3, 1)).compute(frame(), Task(1, "pose", USUAL))
    assert result is not None
    assert "gives no heat maps" in result.error


# -- numbers from frame to frame


def moved(by: float) -> Tensor:
    return APART + torch.tensor([by, 0.0, 0.0])


def numbers_by_place(result: Result) -> list[int]:
    people = result.trace.people
    return people.numbers[np.argsort(people.keypoints[:, 1, 0])].tolist()


def test_numbers_stay_with_people() -> None:
    first = run(at=frame(0))
    before = numbers_by_place(first)
    second = run(moved(0.8).flip(0), at=frame(1), previous=first.trace)
    assert numbers_by_place(second) == before
    gone = run(APART[:1], at=frame(2), previous=second.trace)
    back = run(moved(1.0), at=frame(5), previous=gone.trace)
    assert numbers_by_place(back) == before


def test_the_same_frame_again_begins_where_it_began() -> None:
    first = run(APART[:1], at=frame(3))
    second = run(at=frame(4), previous=first.trace)
    again = run(at=frame(4), previous=second.trace, peak_threshold=0.2)
    assert numbers_by_place(again) == numbers_by_place(second)
    assert again.trace.memory.after.following == second.trace.memory.after.following == 3
    assert again.trace.memory.before is first.trace.memory.after


@pytest.mark.parametrize("at", [frame(1, "other.mp4"), frame(0), frame(900)], ids=["other source", "back", "far on"])
def test_numbers_begin_anew(at: Frame) -> None:
    first = run(APART[1:], at=frame(2))
    second = run(moved(0.5), at=frame(3), previous=first.trace)
    assert sorted(numbers_by_place(second)) == [1, 2]
    assert numbers_by_place(second)[1] == 1
    third = run(APART[:1], at=at, previous=second.trace)
    assert third.trace.people.numbers.tolist() == [1]


def test_smoothing_follows_late() -> None:
    first = run(at=frame(0))
    plain = run(moved(2.0), at=frame(1), previous=first.trace)
    smooth = run(moved(2.0), at=frame(1), previous=first.trace, smooth_motion=True)
    start, end, between = (np.sort(r.trace.people.keypoints[:, 1, 0]) for r in (first, plain, smooth))
    assert (start < between).all()
    assert (between < end).all()


def test_without_following_there_is_no_memory() -> None:
    first = run(at=frame(0))
    result = run(at=frame(1), previous=first.trace, follow=False)
    assert result.trace.memory is None
    assert result.trace.people.numbers.tolist() == [1, 2]


# -- step by step


def test_steps_are_in_order() -> None:
    kinds = [step.kind for step in run(show=STEPS).trace.walked.steps]
    assert kinds[:18] == [PEAKS] * 18
    assert kinds[18:21] == [CANDIDATES, SCORES, MATCHING]
    assert kinds[-1] == "people"
    assert kinds.count(GROWING) == 2 * 19  # every limb of both
    assert kinds.count(CANDIDATES) == 19


@pytest.mark.parametrize("people", [APART, CROSSED, NOBODY], ids=["apart", "crossed", "nobody"])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_step_can_be_drawn(people: Tensor, language: str) -> None:
    result = run(people, show=STEPS)
    set_language(language)
    try:
        for step in range(len(result.trace.walked.steps)):
            figure = draw(result, View(step=step))
            assert figure.notes[0].text
            assert marks(pane(figure, "table"), Table)
    finally:
        set_language("en")


def test_peaks_are_listed() -> None:
    result = run(show=STEPS)
    table = marks(pane(draw(result, View(step=1)), "table"), Table)[0]
    assert [row[0] for row in table.rows] == [1, 2]
    x = sorted(row[1] for row in table.rows)
    assert x == pytest.approx(sorted(in_pixels(APART)[:, 1, 0]), abs=0.35 * CELL)


def test_the_curve_and_the_formula_have_the_pairs_numbers() -> None:
    result = run(show=STEPS)
    decoded = result.trace.walked.decoded
    view = View(step=step_numbers(result, SCORES)[2])
    limb = result.trace.walked.steps[view.step].number
    worst = int(np.flatnonzero(decoded.pairs.limbs.numpy() == limb)[1])
    view = replace(view, pair=worst)
    shown = pane(draw(result, view), "integral")
    assert mark(shown, Curve, "dots").y == pytest.approx(decoded.pairs.dots[worst].numpy())
    assert mark(shown, Curve, "mean").y[0] == pytest.approx(float(decoded.pairs.dots[worst].mean()), abs=1e-5)
    assert shown.axes is not None
    assert all(axis.label for axis in shown.axes)
    lines = marks(pane(draw(result, view), "formula"), Text)[0].text.split("\n")
    terms = lines[1].split("(")[1].split(")")[0].replace("− ", "+ −").replace("−", "-").split(" + ")
    mean = sum(float(t.replace("- ", "-")) for t in terms) / 10
    assert float(lines[1].rsplit("= ", 1)[1].replace("−", "-")) == pytest.approx(mean, abs=0.01)


def test_a_pair_is_picked_in_the_picture_and_in_the_table() -> None:
    result = run(show=STEPS)
    step = step_numbers(result, SCORES)[3]
    view = View(step=step)
    limb = result.trace.walked.steps[step].number
    pairs = np.flatnonzero(result.trace.walked.decoded.pairs.limbs.numpy() == limb)
    assert len(pairs) == 4
    assert pick(result, view, Spot("step", "pairs", 0, 0, 1)) == {"pair": int(pairs[1])}
    best = int(pairs[result.trace.walked.decoded.pairs.scores.numpy()[pairs].argmax()])
    assert pick(result, view, Spot("table", "pairs", 0, 0, 0)) == {"pair": best}
    assert pick(result, view, Spot("step", "picture", 0, 0, None)) is None
    grid, decoded = result.trace.cells, result.trace.walked.decoded
    for pair in pairs.tolist():  # where arrows lie over it
        start, end = (grid.on_picture(at[pair].numpy()) for at in (decoded.pairs.starts, decoded.pairs.ends))
        x, y = (start + 0.5 * (end - start)).tolist()
        assert pick(result, view, Spot("step", "field", x, y, 3)) == {"pair": pair}
    table = marks(pane(draw(result, replace(view, pair=int(pairs[2]))), "table"), Table)[0]
    assert table.selected is not None
    found = probe(result, view, Spot("table", "pairs", 0, 0, 0))
    assert found is not None
    assert "E = " in found.text
    assert "step" in found.marks


def test_sampled_points_lie_on_the_pair_with_the_field_there() -> None:
    result = run(show=STEPS, samples=7)
    view = View(step=step_numbers(result, CANDIDATES)[0])
    shown = pane(draw(result, view), "step")
    sampled, points = mark(shown, Arrows, "sampled"), mark(shown, Points, "points")
    assert len(points.xy) == len(sampled.start) == 7
    steps = np.diff(points.xy, axis=0)
    assert steps == pytest.approx(np.repeat(steps[:1], 6, 0), abs=1e-3)
    unit = steps[0] / np.linalg.norm(steps[0])
    middle = sampled.vector[3] / np.linalg.norm(sampled.vector[3])
    assert middle == pytest.approx(unit, abs=0.1)  # the best pair of the limb: the field is along it


def test_thresholds_make_pairs_fail() -> None:
    strict = run(show=STEPS, min_dot=0.9, min_fraction=1.0)
    easy = run(show=STEPS)
    failed = [(r.trace.walked.decoded.pairs.failed.numpy() & FEW_AGREE).astype(bool).sum() for r in (strict, easy)]
    assert failed[0] > failed[1]
    view = View(step=step_numbers(strict, SCORES)[0])
    rows = marks(pane(draw(strict, view), "table"), Table)[0].rows
    assert any("too few" in str(row[-1]) for row in rows)


def test_bodies_grow_to_the_people() -> None:
    result = run(show=STEPS)
    growing = step_numbers(result, GROWING)
    first, last = (draw(result, View(step=step)) for step in (growing[0], growing[-1]))
    assert len(marks(pane(first, "table"), Table)[0].rows) == 1
    assert [row[1] for row in marks(pane(last, "table"), Table)[0].rows] == [18, 18]
    assert "starts body 1" in first.notes[0].text
    end = marks(pane(draw(result, View()), "table"), Table)[0]
    assert {row[-1] for row in end.rows} == {"person 1", "person 2"}


def test_dropped_bodies_say_why() -> None:
    few = draw(run(show=STEPS, min_score=2.0), View())
    assert all("score below 2" in str(row[-1]) for row in marks(pane(few, "table"), Table)[0].rows)
    assert "Bodies dropped: 2" in few.notes[0].text


class Faint(Known):
    """Hardly sees right wrists."""

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        first, last = super().stages(x)
        last.heatmaps[:, 4] *= 0.06
        return first, last


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_people_are_completed_step_by_step(language: str) -> None:
    result = run(computer=Given(Faint(APART)), show=STEPS)
    steps = step_numbers(result, COMPLETING)
    assert len(steps) == 2
    assert steps[-1] == len(result.trace.walked.steps) - 2
    assert (result.trace.people.found() == 18).all()
    set_language(language)
    try:
        one, two = (draw(result, View(step=step)) for step in steps)
        assert [len(marks(pane(f, "table"), Table)[0].rows) for f in (one, two)] == [1, 2]
        assert "E = 0.90" in two.notes[0].text
        assert draw(result, View()).notes[0].text
    finally:
        set_language("en")
    table = marks(pane(draw(result, View(step=steps[1])), "table"), Table)[0]
    assert [row[:3] for row in table.rows] == [(1, "right wrist", "right elbow"), (2, "right wrist", "right elbow")]
    assert table.selected == 1
    found = mark(pane(draw(result, View(step=steps[0])), "step"), Points, "found").xy[0]
    assert np.abs(in_pixels(APART)[:, 4] - found).max(1).min() < CELL / 2
    assert len(mark(pane(draw(result, View()), "step"), Segments, "added limbs").start) == 2


def test_without_completing_what_is_missing_stays_missing() -> None:
    result = run(computer=Given(Faint(APART)), show=STEPS, complete=False)
    assert (result.trace.people.found() == 17).all()
    assert not step_numbers(result, COMPLETING)


def test_two_who_cross_are_told_apart() -> None:
    trace: Trace = run(CROSSED).trace
    assert len(trace.people) == 2
    found = trace.people.keypoints[np.argsort(trace.people.keypoints[:, 1, 0])]
    there = found[..., 2] > 0
    assert there.sum() >= 28
    assert np.abs(found[..., :2] - in_pixels(CROSSED))[there].max() < CELL


# -- stages


def test_stages_stand_side_by_side() -> None:
    figure = draw(run(show=STAGES), View())
    assert [p.key for p in figure.panes()] == ["maps_1", "people_1", "maps_2", "people_2"]
    half, whole = (mark(pane(figure, f"maps_{n}"), Heatmap, "heat").values for n in (1, 2))
    assert half == pytest.approx(0.5 * whole)
    result = run(show=STAGES)
    found = probe(result, View(part="neck"), Spot("maps_1", "heat", *in_pixels(APART)[0, 1].tolist(), None))
    assert found is not None
    assert "heat 0.5" in found.text or "heat 0.4" in found.text


# -- targets


def test_targets_are_those_of_training() -> None:
    result = run(show=TARGETS, figures=ALONE, sigma=2.0, limb_width=1.5)
    made = result.trace.labelled
    cells = torch.from_numpy(made.figures)
    cells[..., :2] = cells[..., :2] / CELL - 0.5
    cells[1] = 0
    assert made.targets.heatmaps == pytest.approx(heatmap_targets(cells, ROWS, COLUMNS, sigma=2.0).numpy(), abs=1e-5)
    assert made.targets.pafs == pytest.approx(paf_targets(cells, ROWS, COLUMNS, limb_width=1.5).numpy(), abs=1e-5)
    assert (made.figures[1] == 0).all()


def test_the_loss_is_that_of_training_and_the_mask_lowers_it() -> None:
    box = (APART[1, :, 0].min() * CELL - 20, 0.0, COLUMNS * CELL, ROWS * CELL)
    result = run(show=TARGETS, figures=CROSSING, mask=tuple(float(v) for v in box))
    made = result.trace.labelled
    stages = Known(APART).stages(torch.zeros(1, 3, 8 * ROWS, 8 * COLUMNS))
    targets = [torch.from_numpy(t)[None] for t in (made.targets.heatmaps, made.targets.pafs)]
    mask = label_mask(torch.tensor([made.box]) / CELL, ROWS, COLUMNS)[None, None]
    by_hand = pose_loss_trace([(s.heatmaps, s.pafs) for s in stages], *targets, mask, reduction="sum")
    for number, loss in enumerate(made.targets.losses):
        assert loss.masked_heatmaps == pytest.approx(float(by_hand.heatmaps[number]), rel=1e-4)
        assert loss.masked_pafs == pytest.approx(float(by_hand.pafs[number]), rel=1e-4)
        assert loss.masked_heatmaps < loss.heatmaps
        assert loss.masked_pafs < loss.pafs
    assert made.targets.errors[:, -1].max() == 0
    off = run(show=TARGETS, figures=CROSSING, masked=False).trace.labelled
    assert all((loss.heatmaps, loss.pafs) == (loss.masked_heatmaps, loss.masked_pafs) for loss in off.targets.losses)
    assert not marks(pane(draw(run(show=TARGETS, masked=False), View()), "heat_target"), Boxes)


def test_the_people_found_as_labels_leave_little_loss() -> None:
    made = run(show=TARGETS, figures=FOUND).trace.labelled
    assert made.targets.losses[-1].heatmaps < 0.5
    assert made.targets.losses[0].heatmaps > 20 * made.targets.losses[-1].heatmaps
    nobody = run(NOBODY, show=TARGETS, figures=FOUND)
    assert not marks(pane(draw(nobody, View()), "figures"), Handles)[1:]  # only the mask


def test_a_keypoint_is_dragged() -> None:
    result = run(show=TARGETS, figures=CROSSING)
    handles = marks(pane(draw(result, View()), "figures"), Handles)
    assert len(handles) == JOINTS + 1
    first = handles[0]
    name, number = first.field.split(".")
    assert name == "joints"
    joints = list(result.task.params.joints)
    joints[int(number)] = (200.0, 120.0)
    dragged = run(show=TARGETS, figures=CROSSING, joints=tuple(joints))
    assert dragged.trace.labelled.figures[0, 0].tolist() == [200.0, 120.0, 1.0]
    assert np.array_equal(
        dragged.trace.labelled.figures.reshape(-1, 3)[1:], result.trace.labelled.figures.reshape(-1, 3)[1:]
    )
    peak = np.unravel_index(dragged.trace.labelled.targets.heatmaps[0].argmax(), (ROWS, COLUMNS))
    assert peak == (round(120 / CELL - 0.5), round(200 / CELL - 0.5))
    back = run(show=TARGETS, figures=CROSSING, joints=tuple(joints), dragged=False)
    assert np.array_equal(back.trace.labelled.figures, result.trace.labelled.figures)
    other = run(show=TARGETS, figures=ALONE, joints=tuple(joints))
    assert other.trace.labelled.figures[0, 0].tolist()[:2] != [200.0, 120.0]


def test_where_limbs_cross_the_pointer_tells_the_mean() -> None:
    """One forearm of each figure is laid across the other's."""
    start = FIGURES.index(CROSSING) * JOINTS
    joints: list[tuple[float, float] | None] = [None] * (JOINTS * len(FIGURES))
    middle = np.array([20.5, 10.5]) * CELL
    limb = OPENPOSE_18.limbs.index((2, 3))
    for person, along in enumerate(((4, 0), (0, 4))):
        for keypoint, sign in ((2, -1), (3, 1)):
            place = middle + sign * np.array(along) * CELL
            joints[start + person * 18 + keypoint] = (float(place[0]), float(place[1]))
    result = run(show=TARGETS, figures=CROSSING, joints=tuple(joints), masked=False)
    view = View(part=LIMB_NAMES[limb])
    found = probe(result, view, Spot("field_target", "picture", *(middle + 1).tolist(), None))
    assert found is not None
    assert "(0.50, 0.50)" in found.text
    assert "the mean of two people" in found.text
    assert "W = 1" in found.text


# -- pointer, files, words


def test_the_pointer_reads_the_maps_and_the_person() -> None:
    result = run()
    x, y = in_pixels(APART)[0, 1].tolist()
    found = probe(result, View(part="neck"), Spot("people", "picture", x, y, None))
    assert found is not None
    cell = int(y // CELL), int(x // CELL)
    assert f"heat {result.trace.maps.heatmaps[1][cell]:.2f}" in found.text
    keypoint = probe(result, View(), Spot("people", "keypoints", x, y, 1))
    assert keypoint is not None
    assert "person 1 · neck" in keypoint.text
    assert pick(result, View(), Spot("people", "keypoints", x, y, 1)) == {"person": 1}
    assert pick(result, View(person=1), Spot("people", "keypoints", x, y, 1)) == {"person": 0}
    assert pick(result, View(person=1), Spot("table", "people", 0, 0, 0)) == {"person": 0}
    assert pick(result, View(person=1), Spot("people", "picture", 0, 0, None)) == {"person": 0}
    assert mark(pane(draw(result, View(person=1)), "people"), Segments, "chosen")
    assert probe(result, View(), Spot("people", "picture", -5, -5, None)) is None


def test_saved_people_are_read_back(tmp_path: Path) -> None:
    at = Frame(frame().image, source="000000000009.jpg")
    result = run(at=at)
    saved = {name: json.loads(content) for name, content in files(result, View()).items()}
    people = saved["people.json"]["people"]
    assert [one["number"] for one in people] == [1, 2]
    assert np.array(people[0]["keypoints"]) == pytest.approx(result.trace.people.keypoints[0], abs=1e-3)
    (tmp_path / "a.json").write_text(json.dumps(saved["annotations.json"]))
    labelled = read_coco_people(tmp_path / "a.json")
    assert labelled.image_ids == (9,)
    assert labelled.files == ("000000000009.jpg",)
    found = read_people_results(saved["results.json"], (9,))
    score = evaluate_keypoints(found, labelled.people)
    assert score.ap == pytest.approx(1.0)
    nose, left_eye = labelled.people[0].keypoints[0, :2]
    assert nose[:2] == pytest.approx(result.trace.people.keypoints[0, 0, :2], abs=0.01)
    assert left_eye[:2] == pytest.approx(result.trace.people.keypoints[0, 15, :2], abs=0.01)
    assert all(entry["category_id"] == 1 for entry in saved["results.json"])
    category = saved["annotations.json"]["categories"][0]
    assert len(category["keypoints"]) == 17
    assert [6, 8] in category["skeleton"] or [8, 6] in category[
        "skeleton"
    ]  # left shoulder and elbow, as COCO counts them


def test_keypoints_not_found_are_zero_in_files() -> None:
    partial = APART.clone()
    partial[0, 8:14] = 0
    saved = json.loads(files(run(partial), View())["annotations.json"])
    one = next(a for a in saved["annotations"] if a["num_keypoints"] < 17)
    rows = np.array(one["keypoints"]).reshape(17, 3)
    assert one["num_keypoints"] == 11
    assert (rows[11:] == 0).all()
    assert set(rows[:11, 2].tolist()) == {2}
    empty = json.loads(files(run(NOBODY), View())["results.json"])
    assert empty == []


@pytest.mark.parametrize("show", [PEOPLE, STEPS, STAGES, TARGETS])
def test_the_explanation_is_filled(show: str) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(explanation("pose.md")) if name}
    result = run(show=show)
    view = View(step=20)
    given = draw(result, view).values
    missing = names - set(given)
    assert missing <= (set() if show == STEPS else {"pair", "integral"})
    assert "{" not in explanation("pose.md").format_map(dict.fromkeys(names, 0) | dict(given))


def test_remembered_settings_are_read_back() -> None:
    joints = ((3.0, 4.0), None)
    params, view = Params(joints=joints, mask=(1.0, 2.0, 3.0, 4.0), show=TARGETS), View(step=3, pafs=True)
    text = json.loads(json.dumps(fields_to_json(params, view)))
    assert fields_from_json(Params, text) == params
    assert fields_from_json(View, text) == view


@pytest.mark.parametrize(
    "fields", [{"show": "x"}, {"figures": "x"}, {"height": 5}, {"sigma": 0.0}, {"samples": 1}, {"min_fraction": 2.0}]
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Params(**fields)


def test_words_of_the_formula_pane() -> None:
    result = run(show=STEPS)
    shown = pane(draw(result, View(step=step_numbers(result, SCORES)[0])), "formula")
    assert "may be a limb" in marks(shown, Text)[0].text


def test_the_export_writes_people(tmp_path: Path, qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "load", lambda name, device="cpu": Known(APART))
    picture = tmp_path / "000000000042.png"
    Image_.fromarray(frame().image).save(picture)
    words = ["--panel", "pose", "--set", f"network={CARD}", "--format", "png,json", "--out", str(tmp_path / "out")]
    assert export([str(picture), *words, "--quiet", "--threads", "1"]) == 0
    names = ("annotations.json", "people.json", "results.json")
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == sorted(["pose-000000.png", *(f"pose-000000-{name}" for name in names)])
    labelled = read_coco_people(tmp_path / "out" / "pose-000000-annotations.json")
    results = json.loads((tmp_path / "out" / "pose-000000-results.json").read_text())
    assert labelled.image_ids == (42,)
    assert evaluate_keypoints(read_people_results(results, (42,)), labelled.people).ap == pytest.approx(1.0)


@pytest.mark.parametrize("show", [PEOPLE, STEPS, STAGES, TARGETS])
@pytest.mark.parametrize("size", [(1, 1), (5, 300), (2000, 3), (640, 8)])
def test_pictures_of_any_shape_are_drawn(size: tuple[int, int], show: str) -> None:
    width, height = size
    result = run(at=Frame(np.zeros((height, width, 3), np.uint8), source="thin"), show=show)
    assert np.prod(result.trace.input) <= 6 * 256 * 256
    assert draw(result, View(heatmaps=True, pafs=True)).panes()


@pytest.mark.parametrize("show", [PEOPLE, STEPS, STAGES, TARGETS])
def test_a_saved_trace_is_the_memory_it_was(show: str) -> None:
    """A bundle keeps the trace of the frame before: computed with what was read, the numbers are the same."""
    first = run(APART[1:], at=frame(0), show=show)
    second = run(at=frame(1), previous=first.trace, show=show)
    third = run(moved(0.5), at=frame(2), previous=second.trace, show=show)
    read = restore(read_trace(*write_trace(take_apart(second.trace))), third.trace)
    again = run(moved(0.5), at=frame(2), previous=read, show=show)
    assert not compare(take_apart(third.trace), take_apart(again.trace))
    assert numbers_by_place(again) == ([2, 1] if show == PEOPLE else numbers_by_place(third))


def test_the_network_can_be_looked_into() -> None:
    (link,) = pose.links(run(), View())
    assert (link.panel, dict(link.fields)) == ("layers", {"network": CARD})


def test_a_handle_tells_its_keypoint() -> None:
    result = run(show=TARGETS, figures=CROSSING)
    x, y = result.trace.labelled.figures[1, 4, :2].tolist()
    found = probe(result, View(), Spot("figures", "joint 22", x, y, None))
    assert found is not None
    assert found.text.startswith("figure 2 · right wrist · ")


def test_the_mouse_drags_a_keypoint_and_the_mask(qtbot: QtBot) -> None:
    computer = Given(Known(APART))
    dock = PanelDock(OpenPanel("pose", 1, {"show": TARGETS, "network": CARD}), LIGHT)
    qtbot.addWidget(dock)

    def show() -> None:
        shown = frame()
        result = computer.compute(shown, Task(1, "pose", dock.params))
        assert result is not None
        dock.show_result(result)

    dock.task_changed.connect(show)
    dock.resize(1500, 900)
    with qtbot.waitExposed(dock):
        dock.show()
    dock.set_panel(PANEL)
    qtbot.waitUntil(lambda: dock.canvas.pane("figures").view.box.width() > 100)
    before = dock.result.trace.labelled
    x, y = before.figures[0, 10, :2].tolist()  # an ankle, away from all others
    drag(dock.canvas, [(x, y), (x - 20, y - 10), (x - 60, y - 30)], "figures")
    joint = dock.params.joints[dock.params.first_joint + 10]
    assert joint is not None
    assert joint == pytest.approx((x - 60, y - 30), abs=8)
    assert dock.result.trace.labelled.figures[0, 10, :2].tolist() == pytest.approx(joint, abs=0.01)
    x0, y0, x1, y1 = before.box
    middle = (x0, (y0 + y1) / 2)  # the left edge
    drag(dock.canvas, [middle, (x0 - 30, middle[1]), (x0 - 90, middle[1])], "figures")
    assert dock.params.mask == pytest.approx((x0 - 90, y0, x1, y1), abs=8)
    assert (dock.result.trace.labelled.targets.mask == 0).sum() > (before.targets.mask == 0).sum()
