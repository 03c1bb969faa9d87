"""Step by step through one block: what each operation gets and gives, and its formula."""

import numpy as np
from numpy.typing import NDArray

from explorer.figure import (
    Axis,
    Bars,
    Boxes,
    Colormap,
    Column,
    Curve,
    FloatArray,
    Heatmap,
    Image,
    Layout,
    Mark,
    Pane,
    Points,
    Row,
    Text,
)
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam import stages
from explorer.panels.cbam.block import Array
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.detail import spatial_panes
from explorer.panels.cbam.formulas import formula
from explorer.panels.cbam.maps import (
    CELL,
    bars_pane,
    channel_gate_pane,
    chosen_cell,
    feature_panes,
    gate_pane,
    map_pane,
    picture_size,
)
from explorer.panels.cbam.selection import cell_of
from explorer.panels.cbam.trace import Trace


def step_of(trace: Trace, view: View) -> int:
    return min(view.step, len(trace.steps) - 1)


def walk(result: Result, view: View) -> Layout:
    """What the step works on above, its formula below."""
    trace: Trace = result.trace
    number = step_of(trace, view)
    step = trace.steps[number]
    title = tr("Step {step} of {steps}: {name}", step=number + 1, steps=len(trace.steps), name=tr(step))
    words = Pane("formula", title, (Text(formula(result, view, step)),))
    return Column((looks(result, view, step), words), weights=(2.4, 1.0))


def chain(trace: Trace, view: View) -> str:
    """The shapes on the way through the block, those of the step in brackets."""
    count, rows, columns = trace.block.shape
    whole_map, vector, plane = f"{count} × {rows} × {columns}", str(count), f"{rows} × {columns}"
    hidden = len(next(iter(trace.block.channels.hidden.values()))) if trace.block.channels is not None else 0
    shapes = {
        stages.INPUT: f"F {whole_map}",
        stages.AVERAGE: "avg",
        stages.MAXIMUM: "max",
        stages.MLP: f"MLP {vector} → {hidden} → {vector}",
        stages.SUM: "+",
        stages.CHANNEL_GATE: f"Mc {vector}",
        stages.CHANNEL_MULTIPLY: "F′",
        stages.MAPS: f"max, mean {0 if trace.block.positions is None else len(trace.block.positions.pooled)} × {plane}",
        stages.CONVOLUTION: "conv",
        stages.NORM: "norm",
        stages.SPATIAL_GATE: f"Ms {plane}",
        stages.SPATIAL_MULTIPLY: "F″",
    }
    here = trace.steps[step_of(trace, view)]
    return " → ".join(f"【{shapes[step]}】" if step == here else shapes[step] for step in trace.steps)


def looks(result: Result, view: View, step: str) -> Layout:
    """The panes of one step."""
    trace: Trace = result.trace
    if step == stages.INPUT:
        marks = (Image(result.frame.image), *chosen_cell(result, view, always=True))
        picture = Pane("picture", tr("Picture"), marks, space="picture", size=picture_size(result))
        return Row((picture, feature_panes(trace, view)[0]), weights=(1.0, 1.3))
    if step in (stages.AVERAGE, stages.MAXIMUM):
        return pooling(result, view, step)
    if step == stages.MLP:
        return mlp(trace, view)
    if step in (stages.SUM, stages.CHANNEL_GATE):
        return sums(trace, view, step)
    if step == stages.CHANNEL_MULTIPLY:
        return multiplied(result, view, channels=True)
    if step == stages.SPATIAL_MULTIPLY:
        return multiplied(result, view, channels=False)
    *pooled, convolved, gate = spatial_panes(result, view)
    if step == stages.MAPS:
        return Row(tuple(pooled))
    if step == stages.CONVOLUTION:
        return convolution(result, view, pooled, convolved)
    assert trace.block.positions is not None
    normed = map_pane(
        result,
        view,
        "map_norm",
        tr("After the batch norm"),
        trace.block.positions.logits,
        tr("before the sigmoid"),
    )
    return Row((convolved, normed) if step == stages.NORM else (normed, gate))


def pooling(result: Result, view: View, step: str) -> Layout:
    """One channel, and the numbers that all channels become."""
    trace: Trace = result.trace
    assert trace.features is not None
    assert trace.block.channels is not None
    source = trace.features.between if trace.block.order == "spatial first" else trace.features.before
    values = source[trace.channel].float().contiguous().numpy()
    pool, title = (
        ("avg", tr("The mean of each channel"))
        if step == stages.AVERAGE
        else ("max", tr("The maximum of each channel"))
    )
    more: tuple[Mark, ...] = ()
    if step == stages.MAXIMUM:
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        centre = trace.block.cells.centre(int(row), int(column))
        more = (
            Points(np.array([centre]), labels=(tr("largest"),), colours=CELL, size=12.0, symbol="ring", key="largest"),
        )
    name = tr("Channel {channel} of F", channel=trace.channel)
    sign: Colormap = "diverging" if float(source.min()) < 0 else "viridis"
    one = map_pane(result, view, "channel", name, values, tr("activation"), more=more, colormap=sign)
    numbers = bars_pane(trace, view, "pooled", title, trace.block.channels.pooled[pool], tr("pooled"))
    return Row((one, numbers), weights=(1.0, 1.5))


def mlp(trace: Trace, view: View) -> Layout:
    """The way of both vectors through the same layers, side by side."""
    channels = trace.block.channels
    assert channels is not None
    names = {"avg": (tr("Averages a"), tr("MLP of the averages")), "max": (tr("Maxima m"), tr("MLP of the maxima"))}
    high = max(float(hidden.max()) for hidden in channels.hidden.values())
    rows = []
    for pool, hidden in channels.hidden.items():
        first, last = names[pool]
        inner = Pane(
            f"hidden_{pool}",
            tr("{count} hidden units", count=len(hidden)),
            (Bars(hidden, label=tr("after ReLU"), colours=2, key="hidden"),),
            axes=(Axis(tr("unit")), Axis(tr("after ReLU"), low=0.0, high=1.05 * high if high > 0 else 1.0)),
        )
        rows.append(
            Row(
                (
                    bars_pane(trace, view, f"pooled_{pool}", first, channels.pooled[pool], tr("pooled")),
                    inner,
                    bars_pane(trace, view, f"branch_{pool}", last, channels.branches[pool], tr("branch")),
                ),
                weights=(1.4, 0.8, 1.4),
            )
        )
    return Column(tuple(rows))


def sums(trace: Trace, view: View, step: str) -> Layout:
    """Both branches and their sum, or the sum, the sigmoid's curve and the weights."""
    channels = trace.block.channels
    assert channels is not None
    total = bars_pane(trace, view, "logits", tr("Their sum"), channels.logits, tr("sum"))
    if step == stages.SUM:
        names = {"avg": tr("MLP of the averages"), "max": tr("MLP of the maxima")}
        return Row(
            (
                Column(
                    tuple(
                        bars_pane(trace, view, f"branch_{pool}", names[pool], branch, tr("branch"))
                        for pool, branch in channels.branches.items()
                    )
                ),
                total,
            )
        )
    gate = channel_gate_pane(trace, view)
    assert gate is not None
    return Row((total, sigmoid_pane(channels.logits, trace.channel), gate), weights=(1.2, 1.0, 1.2))


def sigmoid_pane(logits: Array, chosen: int) -> Pane:
    """The curve, with every channel on it."""
    reach = max(4.0, float(np.abs(logits).max()) * 1.1)
    x = np.linspace(-reach, reach, 121)
    every = np.stack((logits.astype(np.float64), _sigmoid(logits)), 1)
    here = np.array([[float(logits[chosen]), float(_sigmoid(logits[chosen]))]])
    marks = (
        Curve(x, _sigmoid(x), "1 / (1 + e^(−s))", 7, 2.0, key="sigmoid"),
        Points(every, colours=0, size=5.0, key="all"),
        Points(here, labels=(str(chosen),), colours=1, size=11.0, key="chosen"),
    )
    axes = (Axis(tr("sum"), low=-reach, high=reach), Axis(tr("weight"), low=0.0, high=1.05))
    return Pane("sigmoid", tr("The sigmoid, with all channels"), marks, axes=axes)


def _sigmoid(x: FloatArray) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, np.float64))))


def multiplied(result: Result, view: View, *, channels: bool) -> Layout:
    """The features before, the weights, the features after."""
    trace: Trace = result.trace
    panes = feature_panes(trace, view)
    second = channels == (trace.block.order == "spatial first") and len(panes) == 3
    before, after = (panes[1], panes[2]) if second else (panes[0], panes[1])
    weights = channel_gate_pane(trace, view) if channels else gate_pane(result, view)
    assert weights is not None
    return Row((before, weights, after), weights=(1.2, 1.0, 1.2))


def convolution(result: Result, view: View, pooled: list[Pane], convolved: Pane) -> Layout:
    """Each pooled map with the window around the chosen position, its kernel, and what comes out."""
    trace: Trace = result.trace
    assert trace.learnt is not None
    kernel = trace.learnt.kernel
    side, largest = kernel.shape[-1], float(np.abs(kernel).max())
    row, column = cell_of(result, view)
    cells, reach = trace.block.cells, side // 2
    rows, columns = trace.block.shape[1:]
    first = cells.box(max(row - reach, 0), max(column - reach, 0))
    last = cells.box(min(row + reach, rows - 1), min(column + reach, columns - 1))
    window = Boxes(np.array([[first[0], first[1], last[2], last[3]]]), (), CELL, 2.0, key="window")
    names = (tr("max kernel"), tr("mean kernel")) if len(kernel) == 2 else (tr("kernel"),)
    lines: list[Layout] = []
    for number, (pane, name) in enumerate(zip(pooled, names, strict=True)):
        with_window = Pane(pane.key, pane.title, (*pane.marks, window), space=pane.space, size=pane.size)
        heat = Heatmap(
            kernel[number], tr("learnt weight"), low=-largest, high=largest, colormap="diverging", key="kernel"
        )
        learnt = Pane(
            f"kernel_{number}", f"{side} × {side} {name}", (heat,), space="kernel", size=(float(side), float(side))
        )
        lines.append(Row((with_window, learnt), weights=(1.3, 1.0)))
    here = Boxes(np.array([cells.box(row, column)]), (), CELL, 2.0, key="out")
    out = Pane(convolved.key, convolved.title, (*convolved.marks, here), space=convolved.space, size=convolved.size)
    return Row((Column(tuple(lines)), out), weights=(1.5, 1.0))
