"""The RoI panel: its bins, gradients and errors against plain operators, its following, and its mouse."""

import string
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cvcore import zoo
from cvcore.assets import asset
from cvcore.models.nanodet import NanoDet
from cvcore.ops.roi import roi_align, roi_pool
from cvcore.ops.roi.error import ALIGN, POOL
from cvcore.ops.roi.exact import exact_bins
from explorer.engine.compute import Computer
from explorer.figure import Boxes, Curve, Figure, Handles, Heatmap, Pane, Points, Segments, Spot, Table
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Result, Task, knobs
from explorer.panels import roi
from explorer.panels.roi import Params, Trace, View
from explorer.panels.roi.bins import (
    align_bins,
    bin_gradients,
    crop,
    feature_map,
    off,
    outputs,
    point_values,
    pool_bins,
    real_bins,
    selection,
)
from explorer.panels.roi.compute import PATIENCE, Found, default_box, inside, region
from explorer.panels.roi.controls import ALL_BINS, BACKBONE, BINS, ERROR, GRADIENT, MAXIMUM, MEAN, OUTPUTS, POINT, SHOWS

BOX = (300.0, 150.0, 520.0, 410.0)
PANEL = Panel.from_module(roi)
COMPUTER = Computer({"roi": PANEL})
PHOTO = Frame(
    cv2.resize(cv2.imread(str(asset("pictures", "horse.jpg")), cv2.IMREAD_COLOR_RGB), (640, 416)), source="test"
)


def run(params: Params, frame: Frame = PHOTO, previous: Trace | None = None) -> Result[Trace, Params]:
    COMPUTER.remember(1, previous)
    result = COMPUTER.compute(frame, Task(1, "roi", params))
    assert result is not None
    assert not result.error, result.detail
    return result


draw, pick, probe = PANEL.draw, PANEL.pick, PANEL.probe


def to_input(trace: Trace, boxes: torch.Tensor) -> torch.Tensor:
    """From the picture to the detector's input, by where the cells lie."""
    corners = trace.cells.on_map(boxes.reshape(-1, 2, 2).numpy()) + 0.5
    return torch.from_numpy(corners.reshape(-1, 4)).float() * int(trace.params.stride)


def pane(figure: Figure, key: str) -> Pane:
    return next(p for p in figure.panes() if p.key == key)


def mark(where: Pane, kind: type, key: str = "") -> Any:
    return next(m for m in where.marks if isinstance(m, kind) and (not key or m.key == key))


def keys(where: Pane) -> set[str]:
    return {m.key for m in where.marks}


def rows_of(figure: Figure, key: str) -> list[Any]:
    return list(table(figure, key).rows)


def table(figure: Figure, key: str) -> Table:
    found = pane(figure, key).marks[0]
    assert isinstance(found, Table)
    return found


@pytest.fixture(scope="module")
def usual() -> Result[Trace, Params]:
    return run(Params(roi=BOX))


# -- the contract


def test_it_is_a_whole_panel() -> None:
    assert PANEL.name == "roi"
    assert PANEL.paper
    assert set(knobs(Params)) == set(Params.__dataclass_fields__)
    assert set(knobs(View)) == set(View.__dataclass_fields__)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("params", [Params(roi=BOX), Params(mode=MAXIMUM, channels=MEAN, aligned=False)])
def test_the_explanation_is_filled_with_the_bins_own_numbers(language: str, params: Params) -> None:
    set_language(language)
    try:
        result = run(params)
        figure = draw(result, View(row=2, column=5))
        wanted = {name for _, name, _, _ in string.Formatter().parse(explanation("roi.md")) if name}
        assert wanted <= set(figure.values)
        assert explanation("roi.md").format_map(figure.values)
    finally:
        set_language("en")
    x, said = result.trace.pool.x, dict[str, Any](figure.values)
    assert said["first"] == int(x.first[0, 5])
    assert said["pool"] == pytest.approx(float(outputs(result.trace, selection(result.trace, View()))[0][2, 5]))
    assert np.floor(said["low"]) == said["first"]
    assert np.ceil(said["high"]) == said["stop"]
    assert said["px"] - said["dx"] == pytest.approx(round(said["px"] - said["dx"]))


@pytest.mark.parametrize(
    "wrong",
    [{"show": "x"}, {"stride": "9"}, {"layer": ""}, {"mode": "median"}, {"output_size": 0}, {"roi": (1.0, 2.0)}],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Params(**wrong)


# -- what is computed


@pytest.mark.parametrize("stride", ["8", "16", "32"])
@pytest.mark.parametrize("layer", ["pyramid", BACKBONE])
def test_both_operators_run_on_the_chosen_map(stride: str, layer: str) -> None:
    params = Params(roi=BOX, stride=stride, layer=layer, output_size=5, sampling_ratio="3")
    trace: Trace = run(params).trace
    network = zoo.load("nanodet")
    assert isinstance(network, NanoDet)
    x, transform = network.preprocess(PHOTO.image, 416)
    with torch.no_grad():
        seen = network.trace(x)
    level = {"8": 0, "16": 1, "32": 2}[stride]
    features = (seen.features if layer == BACKBONE else seen.pyramid)[level]
    box = transform.to_input(torch.tensor([BOX]))
    scale = 1 / int(stride)
    torch.testing.assert_close(trace.features, features[0])
    torch.testing.assert_close(trace.pool.out, roi_pool(features, [box], 5, scale))
    torch.testing.assert_close(trace.align.out, roi_align(features, [box], 5, scale, 3, True))


def test_the_mean_over_channels_is_taken_after_pooling() -> None:
    trace: Trace = run(Params(roi=BOX, channels=MEAN)).trace
    chosen = selection(trace, View())
    pool, align = outputs(trace, chosen)
    np.testing.assert_allclose(pool, trace.pool.out[0].mean(0).numpy(), rtol=1e-6)
    np.testing.assert_allclose(align, trace.align.out[0].mean(0).numpy(), rtol=1e-6)


def test_bins_divide_the_region_where_it_really_is(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    real = real_bins(trace)
    np.testing.assert_allclose(real[0, 0, :2], BOX[:2], atol=1e-3)
    np.testing.assert_allclose(real[6, 6, 2:], BOX[2:], atol=1e-3)
    np.testing.assert_allclose(align_bins(trace), real, atol=1e-3)
    pool, align = off(trace, 1, 2)
    np.testing.assert_allclose(pool, pool_bins(trace)[1, 2] - real[1, 2])
    np.testing.assert_allclose(align, 0, atol=1e-3)
    assert trace.cells.cell is not None
    cell = trace.cells.cell[0]
    np.testing.assert_allclose(pool[0] / cell, float(trace.pool.x.misalignment[0, 2, 0]) / 16, atol=1e-4)


def test_without_aligned_everything_lies_half_a_cell_further() -> None:
    trace: Trace = run(Params(roi=BOX, aligned=False)).trace
    _, align = off(trace, 3, 3)
    np.testing.assert_allclose(align[:2], np.array(trace.cells.cell) / 2, rtol=1e-3)


@pytest.mark.parametrize("size", [(640, 416), (48, 700), (1, 1), (5, 3), (1000, 7)])
def test_there_is_a_sensible_box_in_any_frame(size: tuple[int, int]) -> None:
    x0, y0, x1, y1 = default_box(size)
    assert 0 <= x0 < x1 <= size[0]
    assert 0 <= y0 < y1 <= size[1]
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    result = run(Params(), Frame(noise))
    assert draw(result, View()).panes()


@pytest.mark.parametrize(
    ("dragged", "kept"),
    [
        ((10.0, 10.0, 50.0, 60.0), (10.0, 10.0, 50.0, 60.0)),
        ((50.0, 60.0, 10.0, 10.0), (10.0, 10.0, 50.0, 60.0)),
        ((-20.0, 5.0, 30.0, 900.0), (0.0, 5.0, 30.0, 80.0)),
        ((99.9, 79.9, 99.9, 79.9), (99.0, 79.0, 100.0, 80.0)),
        ((200.0, 5.0, 300.0, 50.0), default_box((100, 80))),
        ((float("nan"), 5.0, 30.0, 50.0), default_box((100, 80))),
    ],
)
def test_a_box_is_kept_inside_the_picture(dragged: Any, kept: Any) -> None:
    np.testing.assert_allclose(inside(dragged, (100, 80)), kept)


# -- following


def found(*boxes: tuple[float, float, float, float]) -> Found:
    rows = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Found(rows, torch.zeros(len(rows), dtype=torch.int64), torch.linspace(0.9, 0.5, len(rows)))


NOISE = Frame(np.zeros((100, 200, 3), np.uint8), source="video")
FIRST, SECOND = (10.0, 10.0, 50.0, 60.0), (100.0, 20.0, 160.0, 90.0)


def test_a_box_taken_from_the_detector_follows_its_object() -> None:
    params = Params(roi=SECOND, taken=SECOND)
    before = region(NOISE, params, found(FIRST, SECOND), None)
    assert before.box == SECOND
    assert before.detection == 1
    moved = (110.0, 22.0, 170.0, 92.0)
    after = region(NOISE, params, found(moved, FIRST), before)
    assert after.box == moved
    assert after.detection == 0
    lost = region(NOISE, params, found(FIRST), after)
    assert lost.box == moved
    assert lost.detection == -1
    assert lost.lost == 1


def test_a_dragged_box_stays() -> None:
    params = Params(roi=(101.0, 20.0, 160.0, 90.0), taken=SECOND)
    assert region(NOISE, params, found(FIRST, SECOND), None).box == params.roi
    first = region(NOISE, Params(follow=False), found(FIRST), None)
    assert region(NOISE, Params(follow=False), found((14.0, 10.0, 54.0, 60.0)), first).box == FIRST
    still = Params(roi=SECOND, taken=SECOND, follow=False)
    assert region(NOISE, still, found((110.0, 22.0, 170.0, 92.0)), None).box == SECOND


def test_the_surest_object_is_taken_first_and_again_when_it_is_long_gone() -> None:
    first = region(NOISE, Params(), found(SECOND, FIRST), None)
    assert first.box == SECOND
    gone = first
    for _ in range(PATIENCE):
        gone = region(NOISE, Params(), found(FIRST), gone)
        assert gone.box == SECOND
    assert region(NOISE, Params(), found(FIRST), gone).box == FIRST
    elsewhere = replace(NOISE, source="another")
    assert region(elsewhere, Params(), found(FIRST), first).box == FIRST
    nothing = region(NOISE, Params(), found(), None)
    assert nothing.box == default_box((200, 100))
    assert region(NOISE, Params(), found(FIRST), nothing).box == FIRST


def test_the_panel_follows_through_its_last_trace() -> None:
    first = run(Params())
    again = run(Params(stride="8"), previous=first.trace)
    assert first.trace.region.detection >= 0
    assert again.trace.roi == first.trace.roi


# -- gradients


@pytest.mark.parametrize("mode", ["average", MAXIMUM])
@pytest.mark.parametrize("channels", ["one channel", MEAN])
def test_the_gradient_shown_is_the_gradient(mode: str, channels: str) -> None:
    params = Params(roi=BOX, show=GRADIENT, mode=mode, channels=channels, sampling_ratio="adaptive")
    trace: Trace = run(params).trace
    chosen = selection(trace, View(row=2, column=4, channel=7))
    shown = bin_gradients(trace, chosen)
    box = to_input(trace, torch.tensor([BOX]))
    for number, operator in enumerate(
        (
            lambda f: roi_pool(f, [box], 7, 1 / 16),
            lambda f: roi_align(f, [box], 7, 1 / 16, -1, True, "avg" if mode == "average" else "max"),
        )
    ):
        leaf = trace.features[None].clone().requires_grad_()
        out = operator(leaf)[0, :, 2, 4]
        value = out[7] if chosen.channel is not None else out.mean()
        (gradient,) = torch.autograd.grad(value, leaf)
        np.testing.assert_allclose(shown[number], gradient[0].sum(0).numpy(), atol=1e-6)


def test_all_bins_together_receive_what_each_does() -> None:
    result = run(Params(roi=BOX, show=GRADIENT))
    trace: Trace = result.trace
    view = View(channel=3, gradient_from=ALL_BINS)
    total = sum(
        bin_gradients(trace, selection(trace, replace(view, row=row, column=column)))
        for row in range(7)
        for column in range(7)
    )
    x0, y0, x1, y1 = crop(trace)
    figure = draw(result, view)
    for number, key in enumerate(("pool_gradient", "align_gradient")):
        shown = np.nan_to_num(mark(pane(figure, key), Heatmap).values)
        np.testing.assert_allclose(shown, np.asarray(total)[number, y0:y1, x0:x1], atol=1e-5)
    assert mark(pane(draw(result, View(channel=3)), "pool_gradient"), Boxes, "cells with gradient").xyxy.shape == (1, 4)


# -- error against size


@pytest.mark.parametrize("mode", ["average", MAXIMUM])
def test_the_curve_is_the_error_it_says(mode: str) -> None:
    params = Params(roi=BOX, show=ERROR, mode=mode, sampling_ratio="4", output_size=3)
    trace: Trace = run(params).trace
    curve = trace.error
    assert curve is not None
    assert bool((np.diff(curve.size) > 0).all())
    assert curve.error.shape == (2, len(curve.size))
    y, x = trace.pool.y.real - 0.5, trace.pool.x.real - 0.5
    wanted = (
        exact_bins(trace.features, y, x, "max"),
        exact_bins(trace.features, y, x, "avg" if mode == "average" else "max"),
    )
    for number, (out, exact) in enumerate(zip((trace.pool.out, trace.align.out), wanted, strict=True)):
        error = float((out - exact).abs().sum() / exact.abs().sum())
        assert curve.error_here[number] == pytest.approx(error, rel=1e-3)
    # RoI Align samples, so that of a large region it misses maxima between its points; the mean it has nearly right.
    better = curve.error[ALIGN] < curve.error[POOL]
    assert bool(better.all() if mode == "average" else better[: len(better) // 2].all())
    np.testing.assert_allclose(curve.misalignment[ALIGN], 0, atol=1e-2)
    # Rounding does not get smaller with the region, so it is the small ones that suffer.
    assert float(curve.misalignment[POOL].min()) > 0.3 * float(curve.misalignment[POOL].max())
    assert curve.misalignment[POOL][0] > curve.bin[0]
    assert curve.error[POOL][-1] < curve.error[POOL].max()


# -- the figure


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize(("channels", "mode"), [("one channel", "average"), (MEAN, MAXIMUM)])
@pytest.mark.parametrize("box", [None, (0.0, 0.0, 3.0, 2.0), (0.0, 0.0, 640.0, 416.0), (630.0, 400.0, 640.0, 416.0)])
def test_everything_can_be_drawn(show: str, channels: str, mode: str, box: Any) -> None:
    result = run(Params(roi=box, show=show, channels=channels, mode=mode, aligned=box is None, stride="32"))
    for view in (View(), View(step=2, row=99, column=99, point=99, channel=9999), View(step=0, gradient_from=ALL_BINS)):
        figure = draw(result, view)
        assert mark(pane(figure, "picture"), Handles).value == result.trace.roi
        for where in figure.panes():
            for m in where.marks:
                for name in ("xyxy", "xy", "start", "end", "x", "y"):
                    assert np.isfinite(np.asarray(getattr(m, name, 0.0), np.float64)).all() or m.key == "text"


def test_each_step_adds_what_it_says(usual: Result[Trace, Params]) -> None:
    pools, aligns = ([keys(pane(draw(usual, View(step=step)), key)) for step in range(5)] for key in ("pool", "align"))
    assert "rounded" not in pools[0]
    assert "rounded" in pools[1]
    assert "bins" in pools[2]
    assert "chosen" not in pools[2]
    assert "chosen" in pools[3]
    assert "maximum" in pools[4] - pools[3]
    assert "used" in aligns[1] - aligns[0]
    assert "bins" in aligns[2] - aligns[1]
    assert "points" in aligns[3] - aligns[2]
    assert "four cells" in aligns[4] - aligns[3]


def test_the_rounded_region_has_whole_cells(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    rounded = mark(pane(draw(usual, View(step=1)), "pool"), Boxes, "rounded").xyxy[0]
    cells = trace.cells.on_map(rounded.reshape(2, 2)) + 0.5
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-6)
    edges = table(draw(usual, View()), "edges")
    assert edges.rows[0][1] == f"{rounded[0] - BOX[0]:+.1f}".replace("-", "−")


def test_the_weights_shown_add_to_the_value(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    view = View(channel=5, point=2)
    chosen = selection(trace, view)
    points = point_values(trace, chosen)
    assert float(points.mean()) == pytest.approx(float(outputs(trace, chosen)[1][3, 3]), abs=1e-5)
    result = run(Params(roi=BOX, show=POINT))
    figure = draw(result, view)
    rows = rows_of(figure, "interpolation")
    assert sum(row[3] for row in rows[:4]) == pytest.approx(rows[4][3], abs=1e-6)
    assert rows[4][3] == pytest.approx(float(points[2]), abs=1e-6)
    assert table(figure, "points").rows[2][3] == pytest.approx(float(points[2]), abs=1e-6)
    assert len(mark(pane(figure, "point"), Segments, "ties").start) <= 4


def test_outputs_their_difference_and_the_sum() -> None:
    result = run(Params(roi=BOX, show=OUTPUTS))
    view = View(channel=9, row=1, column=6)
    figure = draw(result, view)
    pool, align, difference = (mark(pane(figure, k), Heatmap).values for k in ("pool_out", "align_out", "difference"))
    np.testing.assert_allclose(pool, result.trace.pool.out[0, 9])
    np.testing.assert_allclose(difference, pool - align)
    rows = rows_of(figure, "sum")
    assert rows[0][2] == pytest.approx(float(pool[1, 6]))
    products = [row[4] for row in rows[1:] if row[4] != ""]
    assert sum(products) == pytest.approx(float(align[1, 6]), abs=1e-5)
    (largest,) = (row for row in rows[1:] if row[2] != "")
    assert largest[1] == pytest.approx(float(pool[1, 6]))


def test_the_curves_are_drawn_in_percent() -> None:
    result = run(Params(roi=BOX, show=ERROR))
    figure = draw(result, View())
    curve = mark(pane(figure, "error"), Curve, "pool")
    np.testing.assert_allclose(curve.y, 100 * result.trace.error.error[POOL])
    assert mark(pane(figure, "error"), Points, "own").xy.shape == (2, 2)


# -- the mouse


def test_a_click_on_a_detected_box_takes_it(usual: Result[Trace, Params]) -> None:
    boxes = usual.trace.found.boxes
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    smallest = boxes[int(areas.argmin())]
    x, y = ((smallest[:2] + smallest[2:]) / 2).tolist()
    taken = pick(usual, View(), Spot("picture", "detections", x, y, 0))
    assert taken is not None
    assert taken["roi"] == taken["taken"] == tuple(smallest.tolist())
    after = run(replace(usual.task.params, **taken))
    assert after.trace.region.detection == int(areas.argmin())
    assert pick(usual, View(), Spot("picture", "", 5.0, 5.0)) is None


def test_a_click_chooses_bin_and_point(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    out = run(Params(roi=BOX, show=OUTPUTS))
    assert pick(out, View(), Spot("align_out", "heatmap", 4.5, 1.2)) == {"row": 1, "column": 4}
    assert pick(out, View(), Spot("align_out", "heatmap", 7.5, 1.2)) is None
    x0, y0, x1, y1 = real_bins(trace)[2, 5]
    middle = Spot("pool", "heatmap", (x0 + x1) / 2, (y0 + y1) / 2)
    assert pick(usual, View(), middle) == {"row": 2, "column": 5}
    near_last = Spot("align", "heatmap", x1 - 0.5, y1 - 0.5)
    assert pick(usual, View(), near_last) == {"row": 2, "column": 5, "point": 3}
    one = run(Params(roi=BOX, show=POINT))
    assert pick(one, View(), Spot("points", "points", 0, 0, 1)) == {"point": 1}
    assert pick(one, View(), Spot("points", "points", 0, 0, 4)) is None
    assert pick(usual, View(), Spot("edges", "edges", 0, 0, 1)) is None


def test_the_pointer_lights_the_bin_everywhere(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    out = run(Params(roi=BOX, show=OUTPUTS))
    found = probe(out, View(channel=4), Spot("difference", "heatmap", 2.5, 3.5))
    assert found is not None
    assert f"{float(trace.pool.out[0, 4, 3, 2]):.4g}" in found.text
    assert set(found.marks) == {"picture", "pool_out", "align_out", "difference"}
    x0, y0, x1, y1 = real_bins(trace)[3, 2]
    found = probe(usual, View(channel=4), Spot("align", "heatmap", (x0 + x1) / 2, (y0 + y1) / 2))
    assert found is not None
    assert set(found.marks) == {"picture", "pool", "align"}
    lit = found.marks["pool"][0]
    assert isinstance(lit, Boxes)
    np.testing.assert_allclose(lit.xyxy[0], pool_bins(trace)[3, 2])


def test_the_pointer_reads_the_cell(usual: Result[Trace, Params]) -> None:
    trace: Trace = usual.trace
    x, y = trace.cells.on_picture(np.array([12.0, 10.0]))
    read = probe(usual, View(channel=4), Spot("picture", "image", float(x), float(y)))
    assert read is not None
    assert f"{float(feature_map(trace, selection(trace, View(channel=4)))[10, 12]):.4g}" in read.text
    assert probe(usual, View(), Spot("edges", "edges", 0, 0, 1)) is None


def test_only_the_controls_that_matter_are_shown() -> None:
    def shown(params: Params) -> set[str]:
        return {name for name, (_, knob) in knobs(View).items() if knob.when is None or knob.when(params)}

    assert "step" in shown(Params(show=BINS))
    assert "step" not in shown(Params(show=OUTPUTS))
    assert "gradient_from" in shown(Params(show=GRADIENT))
    assert "channel" not in shown(Params(channels=MEAN))
