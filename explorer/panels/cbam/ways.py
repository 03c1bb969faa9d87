"""The paper's variants on the chosen block: what it would compute if it were built otherwise."""

import numpy as np

from explorer.figure import Axis, Column, Curve, Layout, Pane, Row, Table, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.block import Array
from explorer.panels.cbam.controls import AVERAGE_ONLY, CHANGES, MAXIMUM_ONLY, View
from explorer.panels.cbam.maps import classes_pane, map_pane
from explorer.panels.cbam.selection import class_names
from explorer.panels.cbam.trace import Trace
from explorer.panels.cbam.variants import BASELINE, BOTH_POOLS, CONV_POOL_7, IN_PAPER, Variant, difference

ALONE = (AVERAGE_ONLY, MAXIMUM_ONLY)
"""The paper measured these without spatial attention."""


def chosen_variant(trace: Trace, view: View) -> int:
    """Its place among the variants; the second where the block has not the one that was asked for."""
    names = [variant.name for variant in trace.variants]
    return names.index(view.variant) if view.variant in names else min(1, len(names) - 1)


def ways(result: Result, view: View) -> Layout:
    """The table of all variants above, the chosen one beside the trained block below."""
    trace: Trace = result.trace
    if not trace.variants:
        return Pane("variants", tr("Variants"), (Text(tr("This network gives no class scores to compare.")),))
    number = chosen_variant(trace, view)
    trained, variant = trace.variants[0], trace.variants[number]
    below: list[Pane] = []
    if trained.gate is not None and variant.gate is not None:
        below.append(gates_pane(trained.gate, variant))
    if trained.map is not None and variant.map is not None:
        low = min(float(trained.map.min()), float(variant.map.min()))
        high = max(float(trained.map.max()), float(variant.map.max()))
        ends = (low, high) if view.own_range else (0.0, 1.0)
        below.append(map_pane(result, view, "trained_map", tr("Positions as trained"), trained.map, tr("weight"), ends))
        below.append(
            map_pane(result, view, "variant_map", tr("Positions in this variant"), variant.map, tr("weight"), ends)
        )
    classes = classes_pane(result, variant.probabilities, trained.probabilities)
    if classes is not None:
        below.append(classes)
    return Column((variants_table(result, number), Row(tuple(below))), weights=(1.45, 1.0))


def variants_table(result: Result, number: int) -> Pane:
    trace: Trace = result.trace
    names, block = class_names(result), trace.block
    rows: list[tuple[str | float | int, ...]] = []
    trained = trace.variants[0]
    for variant in trace.variants:
        best = int(variant.probabilities.argmax())
        rows.append(
            (
                tr(variant.name),
                difference(variant.gate, trained.gate),
                difference(variant.map, trained.map),
                names[best],
                100 * float(variant.probabilities[best]),
                in_paper(variant.name),
            )
        )
    rows.append(
        (
            tr("1 × 1 convolution in place of maximum and mean"),
            "",
            "",
            tr("needs weights of its own"),
            "",
            f"{CONV_POOL_7:.2f}",
        )
    )
    rows.append((tr("no attention"), "", "", tr("switch it off on the left"), "", f"{BASELINE:.2f}"))
    columns = (
        TableColumn(tr("Block {block}", block=block.name)),
        TableColumn(tr("Channel weights differ by"), digits=3),
        TableColumn(tr("Position weights differ by"), digits=3),
        TableColumn(tr("Most likely")),
        TableColumn(tr("Probability"), "%", 1),
        TableColumn(tr("Paper: trained so, top-1 error"), "%"),
    )
    title = tr("One block computed in other ways, without training it so")
    return Pane("variants", title, (Table(columns, tuple(rows), selected=number, key="variants"),))


def in_paper(name: str) -> str:
    """The paper's error, with what it is to be compared with."""
    if name not in IN_PAPER:
        return "–"
    if name in ALONE:
        return tr("{error:.2f} (both pools: {both:.2f})", error=IN_PAPER[name], both=BOTH_POOLS)
    return f"{IN_PAPER[name]:.2f}"


def gates_pane(trained: Array, variant: Variant) -> Pane:
    assert variant.gate is not None
    x = np.arange(len(trained))
    marks = (
        Curve(x, trained, tr(CHANGES[0]), 7, 2.0, key="trained"),
        Curve(x, variant.gate, tr(variant.name), 1, 2.0, key="variant"),
    )
    axes = (Axis(tr("channel")), Axis(tr("weight")))
    return Pane("gates", tr("Channel weights"), marks, axes=axes)
