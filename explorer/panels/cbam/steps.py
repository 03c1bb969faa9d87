"""Step by step through one block: what each operation gets and gives, and its formula with the numbers of this picture."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from cvcore.nn.cbam import ChannelLearnt, ChannelTrace, SpatialLearnt, SpatialTrace
from explorer.figure import Axis, Column, Curve, Heatmap, Layout, Note, Pane, Points, Row
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.compute import Array, Params, Trace, View
from explorer.panels.cbam.views import Shown, numbers
from explorer.views.items import Items
from explorer.views.positions import CHOSEN
from explorer.views.said import num, par, shape, terms
from explorer.views.walk import Step, walk


def steps(result: Result[Trace, Params], view: View) -> tuple[Layout, Note]:
    return walk(list(steps_of(Shown(result, view))), view.step)


def steps_of(s: Shown) -> Iterator[Step]:
    """The block's operations in the order in which they run."""
    yield Step(
        "the map comes in",
        tr(
            "The block gets the map F of the stage before it and returns one of the same shape. It adds no new features: it says "
            "which of the ones there are count, and where."
        ),
        f"F: {s.size}",
        lambda: f"F[{s.channel}, {s.row}, {s.column}] = {num(s.value(s.block.x))}",
        lambda: Row(
            (replace(s.at, ground=None).picture("picture", tr("Picture")), s.features()[0]), weights=(1.0, 1.3)
        ),
        f"F {s.size}",
    )
    channel = [] if s.block.channel is None or s.trace.mlp is None else channel_steps(s, s.block.channel, s.trace.mlp)
    learnt = s.trace.convolution
    spatial = [] if s.block.spatial is None or learnt is None else spatial_steps(s, s.block.spatial, learnt)
    for part in (spatial, channel) if s.block.order == "spatial first" else (channel, spatial):
        yield from part


def channel_steps(s: Shown, made: ChannelTrace, mlp: ChannelLearnt) -> Iterator[Step]:
    """What is asked for: equation 2."""
    c, count = s.channel, made.gate.shape[1]
    values = numbers(s.block.channel_source)[c]
    if "avg" in made.pooled:
        mean, cells = num(made.pooled["avg"][0, c]), shape(*values.shape).replace("×", "·")
        yield Step(
            "average pooling",
            tr("The mean of each channel says how much of its pattern there is in the whole picture."),
            f"{s.size} → {count}",
            lambda: f"a[c] = 1/(h·w) Σᵢⱼ F[c, i, j]        a[{c}] = {num(values.sum())} / ({cells}) = {mean}",
            lambda: pooling(s, values, tr("The mean of each channel"), made.pooled["avg"]),
            "avg",
        )
    if "max" in made.pooled:
        row, column = (int(i) for i in np.unravel_index(int(values.argmax()), values.shape))
        ring = Points(np.array([s.at.cells.centre(row, column)]), (tr("largest"),), CHOSEN, 12.0, "ring", key="largest")
        most = num(made.pooled["max"][0, c])
        yield Step(
            "maximum pooling",
            tr(
                "The largest value of each channel says whether its pattern is anywhere at all. A small thing moves the mean little, but "
                "the maximum a lot: that is why the paper takes both."
            ),
            f"{s.size} → {count}",
            lambda: f"m[c] = maxᵢⱼ F[c, i, j]        m[{c}] = F[{c}, {row}, {column}] = {most}",
            lambda: pooling(s, values, tr("The maximum of each channel"), made.pooled["max"], ring),
            "max",
        )
    hidden = len(mlp.weights)
    letters = {"avg": "a", "max": "m"}
    yield Step(
        "the shared MLP",
        tr(
            "Two small layers look at all channels together. Both pooled vectors go through the same ones. In the middle there are only "
            "{hidden} numbers: the reduction, {count} / {hidden} = {ratio:.3g}, keeps the layers small.",
            hidden=hidden,
            count=count,
            ratio=count / hidden,
        ),
        f"{count} → {hidden} → {count}        b = W₁ · ReLU(W₀ · p + b₀) + b₁",
        lambda: [
            f"{letters[pool]}: b[{c}] = {terms(mlp.weights.tolist(), inner[0].tolist())} + {par(mlp.bias)} "
            f"= {num(made.branches[pool][0, c])}"
            for pool, inner in made.hidden.items()
        ],
        lambda: mlp_rows(s, made),
        f"MLP {count} → {hidden} → {count}",
    )
    total = s.bars("logits", tr("Their sum"), made.logits, tr("sum"))
    if len(made.branches) > 1:
        branches = tuple(s.branch(pool, branch) for pool, branch in made.branches.items())
        parts = " + ".join(par(float(branch[0, c])) for branch in made.branches.values())
        yield Step(
            "the sum",
            tr("What the averages say and what the maxima say is added, channel by channel."),
            f"{count} + {count} → {count}",
            lambda: f"s[{c}] = {parts} = {num(made.logits[0, c])}",
            lambda: Row((Column(branches), total)),
            "+",
        )
    logit, gate, weight = (float(vector[0, c]) for vector in (made.logits, made.gate, made.weight))
    yield Step(
        "sigmoid of the channels",
        tr(
            "The sigmoid turns each sum into a weight between 0 and 1. Nothing makes the weights compete: all can be high."
        ),
        f"{count} → {count}",
        lambda: f"Mc[c] = 1 / (1 + e^(−s[c]))        Mc[{c}] = 1 / (1 + e^({num(-logit)})) = {num(gate)}",
        lambda: Row((total, sigmoid_pane(s, numbers(made.logits)), s.channel_gate(made)), weights=(1.2, 1.0, 1.2)),
        f"Mc {count}",
    )
    last = s.block.order == "spatial first"
    yield Step(
        "the channels are weighed",
        tr("Each channel is multiplied with its weight, the same at every position: what is looked for."),
        f"{s.size} → {s.size}        F′[c, i, j] = Mc[c] · F[c, i, j]",
        lambda: multiplied(s, "F′", weight, gate, s.block.between if last else s.block.x),
        lambda: weighed(s, s.channel_gate(made), last=last),
        "F′",
    )


def spatial_steps(s: Shown, made: SpatialTrace, learnt: SpatialLearnt) -> Iterator[Step]:
    """Where it is looked for: equation 3."""
    r, k, size = s.row, s.column, shape(*made.gate.shape[2:])
    incoming = s.block.spatial_source[0, :, r, k].float().numpy()
    best, count = int(incoming.argmax()), len(incoming)
    pooled = [num(value) for value in made.pooled[0, :, r, k]]
    why = tr("A learnt 1 × 1 convolution makes one map of all channels.")
    formula, short = "", f"1 × 1 conv {size}"
    if len(pooled) == 2:
        why = tr(
            "Now the channels are pooled, at every position: the largest one, and the mean of all. Two maps say where anything is."
        )
        formula = (
            f"max[{r}, {k}] = F′[{best}, {r}, {k}] = {pooled[0]}        "
            f"mean[{r}, {k}] = {num(incoming.sum())} / {count} = {pooled[1]}"
        )
        short = f"max, mean 2 × {size}"
    yield Step(
        "maximum and mean over the channels",
        why,
        f"{s.size} → {len(pooled)} × {size}",
        lambda: formula,
        lambda: Row(tuple(s.pooled_maps(made))),
        short,
    )
    kernel, norm = learnt.kernel.float().numpy(), learnt.norm
    side, products = kernel.shape[-1], kernel.size
    parts = " + ".join(par(float(part)) for part in learnt.parts[0, :, r, k])
    convolved = s.convolved(made)
    yield Step(
        "the convolution",
        tr(
            "A convolution looks at {side} × {side} cells of both maps around each position, with weights that were learnt. Outside the "
            "map it reads zeros.",
            side=side,
        ),
        f"{len(kernel)} × {size} → 1 × {size}        {len(kernel)} · {side} · {side} = {products} "
        + tr("products for each position"),
        lambda: f"f[{r}, {k}] = {parts} = {num(made.convolved[0, 0, r, k])}",
        lambda: convolution(s, s.pooled_maps(made), kernel, convolved),
        "conv",
    )
    logit, gate, weight = (float(plane[0, 0, r, k]) for plane in (made.logits, made.gate, made.weight))
    normed = s.map("map_norm", tr("After the batch norm"), made.logits[:, 0], tr("before the sigmoid"))
    yield Step(
        "batch norm",
        tr(
            "Batch norm shifts and scales the map with four numbers that training left behind. The paper does not mention it; the "
            "code of its authors has it."
        ),
        f"1 × {size} → 1 × {size}        g = γ (f − μ) / √(σ² + ε) + β",
        lambda: (
            f"g[{r}, {k}] = {num(norm.gamma)} · ({num(made.convolved[0, 0, r, k])} − {par(norm.mean)}) / "
            f"√({num(norm.variance)} + {norm.epsilon:g}) + {par(norm.beta)} = {num(logit)}"
        ),
        lambda: Row((convolved, normed)),
        "norm",
    )
    yield Step(
        "sigmoid of the positions",
        tr("The sigmoid turns each position into a weight between 0 and 1."),
        f"1 × {size} → 1 × {size}",
        lambda: f"Ms[i, j] = 1 / (1 + e^(−g[i, j]))        Ms[{r}, {k}] = 1 / (1 + e^({num(-logit)})) = {num(gate)}",
        lambda: Row((normed, s.position_gate(made))),
        f"Ms {size}",
    )
    last = s.block.order != "spatial first"
    yield Step(
        "the positions are weighed",
        tr("Each position is multiplied with its weight, the same in every channel: where it is looked for."),
        f"{s.size} → {s.size}        F″[c, i, j] = Ms[i, j] · F′[c, i, j]",
        lambda: multiplied(s, "F″", weight, gate, s.block.between if last else s.block.x),
        lambda: weighed(s, s.position_gate(made), last=last),
        "F″",
    )


def multiplied(s: Shown, letter: str, weight: float, gate: float, before: Tensor) -> list[str]:
    """The product at the chosen channel and position."""
    value = s.value(before)
    lines = [f"{letter}[{s.channel}, {s.row}, {s.column}] = {par(weight)} · {par(value)} = {num(weight * value)}"]
    if abs(weight - gate) > 1e-6:
        lines.append(tr("Switched: the weight is {weight:.4g}, the sigmoid gave {gate:.4g}.", weight=weight, gate=gate))
    return lines


def weighed(s: Shown, weights: Pane, *, last: bool) -> Layout:
    """The features before, the weights, the features after; ``last``: of the attention that comes second."""
    before, *between, after = s.features()
    first, second = (before, *between, after)[-2:] if last else (before, *between, after)[:2]
    return Row((first, weights, second), weights=(1.2, 1.0, 1.2))


def pooling(s: Shown, values: Array, title: str, pooled: Tensor, *marks: Points) -> Layout:
    """One channel, and the numbers that all channels become."""
    name = tr("Channel {channel} of F", channel=s.channel)
    one = s.at.map("channel", name, values, tr("activation"), more=marks)
    return Row((one, s.bars("pooled", title, pooled, tr("pooled"))), weights=(1.0, 1.5))


def mlp_rows(s: Shown, made: ChannelTrace) -> Layout:
    """The way of both vectors through the same layers, side by side."""
    named = {"avg": tr("Averages a"), "max": tr("Maxima m")}
    high = max(float(numbers(hidden).max()) for hidden in made.hidden.values())
    rows = []
    for pool, hidden in made.hidden.items():
        units = Items.all("unit", hidden.shape[1], label=tr("unit"))
        title = tr("{count} hidden units", count=hidden.shape[1])
        ends = (0.0, 1.05 * high if high > 0 else 1.0)
        inner = units.bars(
            f"hidden_{pool}", title, numbers(hidden), tr("after ReLU"), ends=ends, colours=2, mark="hidden"
        )
        outer = s.bars(f"pooled_{pool}", named[pool], made.pooled[pool], tr("pooled"))
        rows.append(Row((outer, inner, s.branch(pool, made.branches[pool])), weights=(1.4, 0.8, 1.4)))
    return Column(tuple(rows))


def sigmoid_pane(s: Shown, logits: Array) -> Pane:
    """The curve, with every channel on it."""
    reach = max(4.0, float(np.abs(logits).max()) * 1.1)
    x = np.linspace(-reach, reach, 121)
    every = np.stack((logits.astype(np.float64), 1 / (1 + np.exp(-logits.astype(np.float64)))), 1)
    marks = (
        Curve(x, 1 / (1 + np.exp(-x)), "1 / (1 + e^(−s))", 7, 2.0, key="sigmoid"),
        Points(every, size=5.0, key="all"),
        Points(every[[s.channel]], (str(s.channel),), CHOSEN, 11.0, key="chosen"),
    )
    axes = (Axis(tr("sum"), low=-reach, high=reach), Axis(tr("weight"), low=0.0, high=1.05))
    channels = Items.all("channel", len(logits), s.channel)
    return channels.pane("sigmoid", tr("The sigmoid, with all channels"), marks, "all", axes)


def convolution(s: Shown, pooled: list[Pane], kernel: Array, convolved: Pane) -> Layout:
    """Each pooled map with the window around the chosen position, its kernel, and what comes out."""
    side, largest = kernel.shape[-1], float(np.abs(kernel).max())
    window = s.at.box(s.row, s.column, "window", reach=side // 2)
    names = (tr("max kernel"), tr("mean kernel")) if len(kernel) == 2 else (tr("kernel"),)
    lines: list[Layout] = []
    for i, (pane, name) in enumerate(zip(pooled, names, strict=True)):
        heat = Heatmap(kernel[i], tr("learnt weight"), "", -largest, largest, "diverging", key="kernel")
        size = (float(side), float(side))
        learnt = Pane(f"kernel_{i}", f"{side} × {side} {name}", (heat,), space="kernel", size=size)
        lines.append(Row((pane.with_marks(window), learnt), weights=(1.3, 1.0)))
    return Row((Column(tuple(lines)), convolved), weights=(1.5, 1.0))
