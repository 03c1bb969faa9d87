"""One block: every number of its channel attention as bars, of its spatial attention as maps, and the features around both."""

from explorer.figure import Column, Layout, Pane, Row
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.maps import (
    bars_pane,
    cam_pane,
    channel_gate_pane,
    classes_pane,
    feature_panes,
    gate_pane,
    map_pane,
)
from explorer.panels.cbam.trace import Trace


def detail(result: Result, view: View) -> Layout:
    """Spatial attention, channel attention, features and classes, a row each."""
    trace: Trace = result.trace
    cam, classes = cam_pane(result, view), classes_pane(result)
    rows: list[Layout] = []
    maps = [*spatial_panes(result, view), *([] if cam is None else [cam])]
    if trace.block.channels is not None:
        rows.append(Row(tuple(channel_panes(trace, view))))
    if maps:
        rows.append(Row(tuple(maps)))
    rows.append(Row((*feature_panes(trace, view), *([] if classes is None else [classes]))))
    weights = {3: (1.0, 1.0, 1.0), 2: (1.0, 1.0)}.get(len(rows), ())
    return Column(tuple(rows), weights=weights)


def channel_panes(trace: Trace, view: View) -> list[Pane]:
    """Both branches, their sum, the sigmoid."""
    channels = trace.block.channels
    assert channels is not None
    found = []
    highest = max(float(branch.max()) for branch in (*channels.branches.values(), channels.logits))
    lowest = min(0.0, *(float(branch.min()) for branch in (*channels.branches.values(), channels.logits)))
    for pool, title in (("avg", tr("MLP of the averages")), ("max", tr("MLP of the maxima"))):
        if pool in channels.branches:
            found.append(
                bars_pane(
                    trace, view, f"branch_{pool}", title, channels.branches[pool], tr("branch"), ends=(lowest, highest)
                )
            )
    if len(channels.branches) > 1:
        found.append(
            bars_pane(trace, view, "logits", tr("Their sum"), channels.logits, tr("sum"), ends=(lowest, highest))
        )
    gate = channel_gate_pane(trace, view)
    assert gate is not None
    return [*found, gate]


def spatial_panes(result: Result, view: View) -> list[Pane]:
    """What is pooled, the convolution with its norm, the sigmoid."""
    trace: Trace = result.trace
    positions = trace.block.positions
    if positions is None:
        return []
    both: tuple[tuple[str, str], ...]
    if len(positions.pooled) == 2:
        both = (("map_max", tr("Maximum over the channels")), ("map_mean", tr("Mean over the channels")))
    else:
        both = (("map_pool", tr("1 × 1 convolution over the channels")),)
    found = [
        map_pane(result, view, key, title, values, tr("activation"))
        for (key, title), values in zip(both, positions.pooled, strict=True)
    ]
    convolved = map_pane(
        result,
        view,
        "map_conv",
        tr("Convolution of both"),
        positions.convolved,
        tr("convolution"),
    )
    return [*found, convolved, gate_pane(result, view)]
