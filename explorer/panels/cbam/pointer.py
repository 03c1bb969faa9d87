"""What is under the pointer, and what a click sets."""

from typing import Any

import numpy as np

from explorer.figure import Boxes, Lit, Mark, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.block import Block
from explorer.panels.cbam.controls import BLOCK, OVERVIEW, STEPS, Params, View
from explorer.panels.cbam.maps import CELL
from explorer.panels.cbam.overview import columns_for, place, tile_at
from explorer.panels.cbam.selection import channel_order, class_names, shown_tiles, signed, top_classes
from explorer.panels.cbam.trace import Trace
from explorer.panels.cbam.ways import chosen_variant

MAPS = (
    "picture", "gate", "cam", "channel", "map_max", "map_mean", "map_pool", "map_conv", "map_norm", "trained_map", "variant_map",
)  # fmt: skip
BARS = ("channel_gate", "branch_avg", "branch_max", "logits", "pooled", "pooled_avg", "pooled_max")
TILES = ("before", "between", "after")


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    """The cell with what is pooled there and its weight, lit in every map; or the channel with its numbers."""
    trace: Trace = result.trace
    if spot.pane == "blocks":
        return _probe_tile(result, spot)
    if spot.pane in MAPS:
        width, height = result.frame.size
        if not (0 <= spot.x <= width and 0 <= spot.y <= height):
            return None
        row, column = trace.block.cells.at(spot.x, spot.y)
        return Probe(cell_words(trace.block, row, column), _lit_cell(result, view, row, column))
    channel = channel_at(result, view, spot)
    if channel is None:
        return None
    text = channel_words(trace.block, channel)
    marks = _lit_channel(trace, view, channel)
    if spot.pane in TILES:
        _, rows, columns = trace.block.shape
        row, column = min(int(spot.y), rows - 1), min(int(spot.x), columns - 1)
        text = f"{text} · {cell_words(trace.block, row, column)}"
        marks |= _lit_cell(result, view, row, column, channel)
    return Probe(text, marks)


def pick(result: Result, view: View, spot: Spot) -> dict[str, Any] | None:
    """A tile of the overview chooses its block, a bar or a channel's tile the channel, a map the position, a class Grad-CAM's class."""
    trace: Trace = result.trace
    params: Params = result.task.params
    width, height = result.frame.size
    if spot.pane == "blocks":
        found = tile_at(trace, spot.x, spot.y)
        return None if found is None or found[0] < 0 else {"block": trace.blocks[found[0]].name}
    if spot.pane in MAPS:
        inside = 0 <= spot.x < width and 0 <= spot.y < height
        return {"place": (round(spot.x / width, 4), round(spot.y / height, 4))} if inside else None
    if spot.pane == "variants" and spot.index is not None:
        named = 0 < spot.index < len(trace.variants)
        return {"variant": trace.variants[spot.index].name} if named else None
    if spot.pane == "classes" and spot.index is not None:
        return _pick_class(result, view, spot.index) if params.show in (OVERVIEW, BLOCK) else None
    channel = channel_at(result, view, spot)
    return None if channel is None else {"channel": channel}


def _pick_class(result: Result, view: View, index: int) -> dict[str, Any] | None:
    trace: Trace = result.trace
    if trace.probabilities is None:
        return None
    best = top_classes(trace.probabilities, trace.unchanged)
    place_of = index if trace.unchanged is None else index // 2
    if not 0 <= place_of < len(best):
        return None
    return {"grad_cam": True, "cam_class": class_names(result)[best[place_of]]}


def channel_at(result: Result, view: View, spot: Spot) -> int | None:
    """The channel of a bar or of a tile."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if spot.index is None:
        return None
    if spot.pane in BARS and spot.mark == "chosen":
        return trace.channel
    if spot.pane in BARS:
        order = channel_order(trace.block, view)
    elif spot.pane in TILES and params.show in (BLOCK, STEPS):
        order = shown_tiles(trace, view)
    else:
        return None
    return int(order[spot.index]) if 0 <= spot.index < len(order) else None


def channel_words(block: Block, channel: int) -> str:
    """A channel's number and all that its attention worked out."""
    said = [tr("channel {channel}", channel=channel)]
    channels = block.channels
    if channels is None:
        return said[0]
    names = {"avg": tr("mean"), "max": tr("maximum")}
    for pool, values in channels.pooled.items():
        branch = channels.branches[pool]
        said.append(f"{names[pool]} {signed(float(values[channel]))} → MLP {signed(float(branch[channel]))}")
    said.append(tr("sum {value}", value=signed(float(channels.logits[channel]))))
    said.append(tr("gate {value}", value=signed(float(channels.gate[channel]))))
    if abs(float(channels.weight[channel] - channels.gate[channel])) > 1e-6:
        said.append(tr("weight {value}", value=signed(float(channels.weight[channel]))))
    return " · ".join(said)


def cell_words(block: Block, row: int, column: int) -> str:
    """A position's cell and all that its attention worked out."""
    said = [tr("cell ({column}, {row})", column=column, row=row)]
    positions = block.positions
    if positions is None:
        return said[0]
    names = (tr("maximum"), tr("mean")) if len(positions.pooled) == 2 else (tr("pooled"),)
    said += [
        f"{name} {signed(float(values[row, column]))}" for name, values in zip(names, positions.pooled, strict=True)
    ]
    said.append(tr("convolution {value}", value=signed(float(positions.convolved[row, column]))))
    said.append(tr("gate {value}", value=signed(float(positions.gate[row, column]))))
    if abs(float(positions.weight[row, column] - positions.gate[row, column])) > 1e-6:
        said.append(tr("weight {value}", value=signed(float(positions.weight[row, column]))))
    return " · ".join(said)


def _probe_tile(result: Result, spot: Spot) -> Probe | None:
    """The same place of the picture, in every block."""
    trace: Trace = result.trace
    found = tile_at(trace, spot.x, spot.y)
    if found is None:
        return None
    number, x, y = found
    height, width = trace.grey.shape
    columns = columns_for(len(trace.blocks) + 1, width / height)
    wide, high = result.frame.size
    boxes = []
    for tile, block in enumerate(trace.blocks, 1):
        left, top = place(tile, columns, width, height)
        x0, y0, x1, y1 = block.cells.box(*block.cells.at(x * wide, y * high))
        boxes.append(
            (left + x0 * width / wide, top + y0 * height / high, left + x1 * width / wide, top + y1 * height / high)
        )
    marks: dict[str, tuple[Mark, ...]] = {
        "blocks": (Boxes(np.array(boxes), colours=CELL, width=1.5, key="same place"),)
    }
    if number < 0:
        return Probe(tr("the picture"), marks)
    block = trace.blocks[number]
    return Probe(f"{block.name} · {cell_words(block, *block.cells.at(x * wide, y * high))}", marks)


def _lit_cell(
    result: Result, view: View, row: int, column: int, channel: int | None = None
) -> dict[str, tuple[Mark, ...]]:
    """The cell in all maps, and in all tiles or in one channel's."""
    trace: Trace = result.trace
    box = Boxes(np.array([trace.block.cells.box(row, column)]), colours=CELL, width=2.0, key="probe")
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(MAPS, (box,))
    if trace.features is not None:
        order = shown_tiles(trace, view)
        tiles = np.flatnonzero(order == (trace.channel if channel is None else channel))
        lit = tuple(Lit("tiles", int(tile), x=column + 0.5, y=row + 0.5) for tile in tiles)
        marks |= dict.fromkeys(TILES, lit)
    return marks


def _lit_channel(trace: Trace, view: View, channel: int) -> dict[str, tuple[Mark, ...]]:
    """The channel's bar in every chart, and its tile."""
    bar = np.flatnonzero(channel_order(trace.block, view) == channel)
    marks: dict[str, tuple[Mark, ...]] = dict.fromkeys(BARS, tuple(Lit("channels", int(i)) for i in bar))
    if trace.features is not None:
        tiles = np.flatnonzero(shown_tiles(trace, view) == channel)
        marks |= dict.fromkeys(TILES, tuple(Lit("tiles", int(tile)) for tile in tiles))
    if trace.variants:
        variant = trace.variants[chosen_variant(trace, view)]
        if variant.gate is not None and channel < len(variant.gate):
            marks["gates"] = (Lit("variant", channel),)
    return marks
