"""All blocks at a glance, one with all its numbers, its variants, and the networks trained without it."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from cvcore.nn.cbam import ChannelTrace, SpatialTrace
from cvcore.nn.cbam_network import (
    AVERAGE_ONLY,
    BOTH_POOLS,
    CONV_POOL,
    IN_PAPER,
    MAXIMUM_ONLY,
    NO_ATTENTION,
    TRAINED,
    measured,
)
from explorer.figure import Axis, Column, Curve, Layout, Pane, Row, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.compute import BY_WEIGHT, STEPS, Array, Params, Trace, View
from explorer.panels.cbam.words import ATTENTIONS, conclusion
from explorer.views.items import Items
from explorer.views.mosaic import Mosaic
from explorer.views.positions import OPEN, Ends, Positions
from explorer.views.predictions import cam_pane, class_names, classes_pane
from explorer.views.said import count, shape


class Shown:
    """The chosen block: maps over the picture, all its channels as bars, some of them as tiles; the position that was clicked."""

    def __init__(self, result: Result[Trace, Params], view: View) -> None:
        t = result.trace
        self.trace, self.view, self.network = t, view, result.params.network
        self.block, self.channel = t.block, t.channel
        channels, rows, columns = self.block.x.shape[1:]
        self.size = shape(channels, rows, columns)
        cells, (width, height) = t.cells[t.name], result.frame.size
        x, y = view.place or (0.5, 0.5)
        self.row, self.column = cells.at(x * width, y * height)
        stepping = result.params.show == STEPS
        chosen = (self.row, self.column) if stepping or view.place is not None else None
        smooth = view.smooth and not stepping
        self.at = Positions(result.frame, cells, chosen, t.grey, view.opacity, smooth, finest=256)
        order, label = np.arange(channels), tr("channel")
        if view.order == BY_WEIGHT and self.block.channel is not None:
            order, label = np.argsort(-numbers(self.block.channel.weight), kind="stable"), tr("place in the order")
        self.channels = Items("channel", order, self.channel, label)
        some = np.concatenate(([self.channel], t.strongest[t.strongest != self.channel]))
        self.few = Items("channel", some[: view.tiles], self.channel)

    def bars(self, key: str, title: str, values: Tensor, label: str, **more: Any) -> Pane:
        return self.channels.bars(key, title, numbers(values), label, mark="channels", **more)

    def map(self, key: str, title: str, values: Tensor, label: str, **more: Any) -> Pane:
        return self.at.map(key, title, numbers(values), label, colormap="viridis", **more)

    def value(self, maps: Tensor) -> float:
        """Of the chosen channel at the chosen position."""
        return float(maps[0, self.channel, self.row, self.column])

    def branch(self, pool: str, values: Tensor, ends: Ends = OPEN) -> Pane:
        title = {"avg": tr("MLP of the averages"), "max": tr("MLP of the maxima")}[pool]
        return self.bars(f"branch_{pool}", title, values, tr("branch"), ends=ends)

    def channel_gate(self, made: ChannelTrace) -> Pane:
        """The channel weights; where they are switched, the gate as a dashed line."""
        weight, gate = numbers(made.weight), numbers(made.gate)
        low, high = float(min(weight.min(), gate.min())), float(max(weight.max(), gate.max()))
        ends = (max(0.0, low - 0.2 * (high - low)), high + 0.1 * (high - low))
        if not self.view.own_range or high - low < 1e-3:
            ends = (0.0, max(1.0, 1.05 * high))
        beside = None if np.array_equal(weight, gate) else (gate, tr("as worked out"))
        title = tr("Channel attention Mc of {block}", block=self.trace.name)
        return self.bars("channel_gate", title, made.weight, tr("weight"), ends=ends, beside=beside)

    def position_gate(self, made: SpatialTrace) -> Pane:
        ends = OPEN if self.view.own_range else (0.0, max(1.0, float(numbers(made.weight).max())))
        title = tr("Spatial attention Ms of {block}", block=self.trace.name)
        return self.map("gate", title, made.weight[:, 0], tr("weight, for any class"), ends=ends)

    def pooled_maps(self, made: SpatialTrace) -> list[Pane]:
        """Maximum and mean over the channels, or a learnt convolution in place of both."""
        named = [("map_max", tr("Maximum over the channels")), ("map_mean", tr("Mean over the channels"))]
        if made.pooled.shape[1] == 1:
            named = [("map_pool", tr("1 × 1 convolution over the channels"))]
        return [self.map(key, title, made.pooled[:, i], tr("activation")) for i, (key, title) in enumerate(named)]

    def convolved(self, made: SpatialTrace) -> Pane:
        return self.map("map_conv", tr("Convolution of both"), made.convolved[:, 0], tr("convolution"))

    def features(self) -> list[Pane]:
        """What comes in, where there are two attentions what the first leaves, and what goes on, in the same colours."""
        block = self.block
        before = numbers(block.x)[self.few.order]
        low, high = float(before.min()), float(before.max())
        ends: Ends = (-max(-low, high), max(-low, high)) if low < 0 else (low, high)

        def tiles(key: str, title: str, values: Tensor) -> Pane:
            return self.few.tiles(
                key, title, numbers(values), tr("activation"), ends=ends,
                colormap="diverging" if low < 0 else "viridis", cells=self.at.cells, placing=False, mark="tiles",
            )  # fmt: skip

        found = [tiles("before", tr("F, {shape}: what comes in", shape=self.size), block.x)]
        if block.channel is not None and block.spatial is not None:
            first_spatial = block.order == "spatial first"
            title = tr("F′ = Ms · F: positions weighed") if first_spatial else tr("F′ = Mc · F: channels weighed")
            found.append(tiles("between", title, block.between))
        return [*found, tiles("after", tr("F″: what goes on, all weighed"), block.out)]

    def classes(self, now: Array | None, before: Array | None) -> list[Pane]:
        return [] if now is None else [classes_pane(self.network, now, before, cam=self.trace.cam)]

    def cam(self) -> list[Pane]:
        cam = self.trace.cam
        return [] if cam is None else [cam_pane(self.network, cam, self.at, tr("speaks for this class"))]


def numbers(tensor: Tensor) -> Array:
    """Of the first picture."""
    made: Array = tensor[0].float().numpy()
    return made


def overview(result: Result[Trace, Params], view: View) -> Layout:
    """All blocks with the chosen one's channels under them; beside them classes, the chosen map and Grad-CAM."""
    s, t = Shown(result, view), result.trace
    names = tuple(t.blocks)
    blocks = Items.all("block", len(names), names.index(t.name), words=lambda i: names[i], value=lambda i: names[i])
    height, width = t.grey.shape
    every = Mosaic(result.frame, blocks, tuple(t.cells.values()), (width, height))
    above = every.pane(
        "blocks",
        tr("Where {count} blocks look: spatial attention of each", count=len(names)),
        t.ground,
        [None if b.spatial is None else numbers(b.spatial.weight[:, 0]) for b in t.blocks.values()],
        tr("weight, from least to largest in each map") if view.own_range else tr("weight"),
        each=view.own_range,
        opacity=view.opacity,
        smooth=view.smooth,
    )
    channel, spatial = t.block.channel, t.block.spatial
    left = above if channel is None else Column((above, s.channel_gate(channel)), weights=(1.9, 1.0))
    if spatial is None:
        plain = Positions(result.frame, s.at.cells, s.at.chosen, t.picture)
        gate = plain.picture("gate", tr("This block has no spatial attention"))
    else:
        gate = s.position_gate(spatial)
    right = (*s.classes(t.probabilities, t.unchanged), gate, *s.cam())
    return Row((left, Column(right, weights=(1.3, 1.0, 1.0)[: len(right)])), weights=(2.0, 1.0))


def detail(result: Result[Trace, Params], view: View) -> Layout:
    """Channel attention, spatial attention, features and classes, a row each."""
    s, t = Shown(result, view), result.trace
    rows: list[Layout] = []
    if (channel := t.block.channel) is not None:
        sums = np.stack([numbers(values) for values in (*channel.branches.values(), channel.logits)])
        ends = (min(0.0, float(sums.min())), float(sums.max()))
        panes = [s.branch(pool, values, ends) for pool, values in channel.branches.items()]
        if len(panes) > 1:
            panes.append(s.bars("logits", tr("Their sum"), channel.logits, tr("sum"), ends=ends))
        rows.append(Row((*panes, s.channel_gate(channel))))
    maps = s.cam()
    if (spatial := t.block.spatial) is not None:
        maps = [*s.pooled_maps(spatial), s.convolved(spatial), s.position_gate(spatial), *maps]
    if maps:
        rows.append(Row(tuple(maps)))
    rows.append(Row((*s.features(), *s.classes(t.probabilities, t.unchanged))))
    return Column(tuple(rows))


def ways(result: Result[Trace, Params], view: View) -> Layout:
    """The paper's variants: the table of all above, the chosen one beside the trained block below."""
    s, made = Shown(result, view), result.trace.ways
    if not made:
        return Pane("variants", tr("Variants"), (Text(tr("This network gives no class scores to compare.")),))
    number = next((i for i, variant in enumerate(made) if variant.name == view.variant), min(1, len(made) - 1))
    trained, chosen = made[0], made[number]
    below: list[Pane] = []
    if trained.gate is not None and chosen.gate is not None:
        below.append(gates_pane(s, numbers(trained.gate), numbers(chosen.gate), chosen.name))
    if trained.map is not None and chosen.map is not None:
        both = np.stack((numbers(trained.map), numbers(chosen.map)))
        ends = (float(both.min()), float(both.max())) if view.own_range else (0.0, 1.0)
        below.append(s.map("trained_map", tr("Positions as trained"), trained.map[:, 0], tr("weight"), ends=ends))
        below.append(s.map("variant_map", tr("Positions in this variant"), chosen.map[:, 0], tr("weight"), ends=ends))
    below += [replace(pane, places=None) for pane in s.classes(chosen.out, trained.out)]  # Grad-CAM is not shown here
    return Column((variants_table(s, number), Row(tuple(below))), weights=(1.45, 1.0))


def variants_table(s: Shown, number: int) -> Pane:
    """A row for each variant that was worked out, and for two that the paper measured and that cannot be."""
    made, names = s.trace.ways, class_names(s.network)
    not_here = (
        (tr("1 × 1 convolution in place of maximum and mean"), tr("needs weights of its own"), CONV_POOL),
        (tr("no attention"), tr("switch it off on the left"), NO_ATTENTION),
    )

    def row(i: int) -> tuple[str | float, ...]:
        if i >= len(made):
            name, why, error = not_here[i - len(made)]
            return name, "", "", why, "", f"{error:.2f}"
        one, best = made[i], int(made[i].out.argmax())
        changes = one.gate_change, one.map_change
        return name_of(one.name), *changes, names[best], 100 * float(one.out[best]), in_paper(one.name)

    columns = (
        TableColumn(tr("Block {block}", block=s.trace.name)),
        TableColumn(tr("Channel weights differ by"), digits=3),
        TableColumn(tr("Position weights differ by"), digits=3),
        TableColumn(tr("Most likely")),
        TableColumn(tr("Probability"), "%", 1),
        TableColumn(tr("Paper: trained so, top-1 error"), "%"),
    )
    choices = [None, *(variant.name for variant in made[1:]), *(None for _ in not_here)]
    rows = Items.all("variant", len(choices), number, value=lambda i: choices[i])
    title = tr("One block computed in other ways, without training it so")
    return rows.table("variants", title, columns, row, mark="variants")


def name_of(variant: str) -> str:
    """In the user's language; the trained block is one of them, and no knob's choice that would have been translated as such."""
    return tr("as trained") if variant == TRAINED else tr(variant)


def in_paper(name: str) -> str:
    """The paper's error, with what it is to be compared with: two were measured without spatial attention."""
    if name not in IN_PAPER:
        return "–"
    if name in (AVERAGE_ONLY, MAXIMUM_ONLY):
        return tr("{error:.2f} (both pools: {both:.2f})", error=IN_PAPER[name], both=BOTH_POOLS)
    return f"{IN_PAPER[name]:.2f}"


def gates_pane(s: Shown, trained: Array, chosen: Array, name: str) -> Pane:
    """Both channel weights as curves."""
    x = np.arange(len(trained))
    curves = (
        Curve(x, trained, name_of(TRAINED), 7, 2.0, key="trained"),
        Curve(x, chosen, tr(name), 1, 2.0, key="variant"),
    )
    channels = Items.all("channel", len(x), s.channel)
    return channels.pane("gates", tr("Channel weights"), curves, "variant", (Axis(tr("channel")), Axis(tr("weight"))))


def ablation(result: Result[Trace, Params], view: View) -> Layout:
    """Four networks trained alike: table, bars and what they say."""
    found = measured()
    if found is None:
        return Pane("ablation", tr("Ablation"), (Text(tr("The ablation has not been measured for this version.")),))
    runs = found.runs
    names = [tr(ATTENTIONS.get(run.attention, run.attention)) for run in runs]
    columns = (
        TableColumn(tr("Network trained with")),
        TableColumn(tr("Top-1"), "%", 1),
        TableColumn(tr("Top-5"), "%", 1),
        TableColumn(tr("Loss"), digits=3),
        TableColumn(tr("Parameters")),
    )
    every = Items.all("run", len(runs), words=lambda i: names[i], value=lambda i: names[i])
    table = every.table(
        "ablation",
        tr("Four networks, trained alike"),
        columns,
        lambda i: (names[i], 100 * runs[i].top1, 100 * runs[i].top5, runs[i].loss, count(runs[i].parameters)),
        mark="runs",
    )
    ends = (max(0.0, 100 * min(run.top1 for run in runs) - 10), 100.0)
    top1, top5 = (100 * np.array([getattr(run, name) for run in runs]) for name in ("top1", "top5"))
    charts = (
        every.named_bars("top1", tr("Top-1"), top1, tr("right answers"), unit="%", ends=ends, mark="top1"),
        every.named_bars("top5", tr("Top-5"), top5, tr("right answers"), unit="%", ends=ends, colours=2, mark="top5"),
    )
    words = Pane("words", tr("What it says"), (Text(conclusion(found)),))
    return Column((Row((table, words), weights=(1.2, 1.0)), Row(charts)), weights=(1.0, 1.2))
