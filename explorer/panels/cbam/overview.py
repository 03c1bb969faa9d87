"""All blocks at a glance: their spatial attention over the picture, in one pane."""

from collections.abc import Iterator

import numpy as np

from explorer.figure import Boxes, Column, Heatmap, Image, Layout, Mark, Pane, Row, Segments, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam.block import Array
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.maps import ATTENTION, CELL, cam_pane, channel_gate_pane, classes_pane, gate_pane
from explorer.panels.cbam.trace import Trace

ASPECT = 2.5
"""Width to height of the pane's usual place."""
FINEST = 144
"""Samples along the longer side of a tile's map."""


def overview(result: Result, view: View) -> Layout:
    """All blocks with the chosen one's channels under them; beside them classes, the chosen map and Grad-CAM."""
    trace: Trace = result.trace
    above, channels = blocks_pane(result, view), channel_gate_pane(trace, view)
    left: Layout = above if channels is None else Column((above, channels), weights=(1.9, 1.0))
    beside = [classes_pane(result), gate_pane(result, view), cam_pane(result, view)]
    shown = tuple(pane for pane in beside if pane is not None)
    right = Column(shown, weights=(1.3, 1.0, 1.0)[: len(shown)])
    return Row((left, right), weights=(2.0, 1.0))


def blocks_pane(result: Result, view: View) -> Pane:
    """The picture, then every block's spatial weights over it in grey."""
    trace: Trace = result.trace
    height, width = trace.grey.shape
    count = len(trace.blocks) + 1
    columns = columns_for(count, width / height)
    rows = -(-count // columns)
    ground = np.zeros((rows * height, columns * width, 4), np.uint8)
    maps = dict(tile_maps(trace, view))
    fine_height, fine_width = next((values.shape for values in maps.values()), (1, 1))
    heat = np.full((rows * fine_height, columns * fine_width), np.nan, np.float32)
    words = [Text(tr("The picture"), (0.0, 0.0), key="name 0")]
    for tile in range(count):
        left, top = place(tile, columns, width, height)
        inside = slice(top, top + height), slice(left, left + width)
        ground[inside][..., :3] = trace.picture if tile == 0 else trace.grey[..., None]
        ground[inside][..., 3] = 255
        if tile == 0:
            continue
        block = trace.blocks[tile - 1]
        said = block.name
        if block.positions is not None:
            said += f"\n{block.positions.weight.min():.2f} – {block.positions.weight.max():.2f}"
            left_cell, top_cell = place(tile, columns, fine_width, fine_height)
            heat[top_cell : top_cell + fine_height, left_cell : left_cell + fine_width] = maps[tile]
        words.append(Text(said, (float(left), float(top)), key=f"name {tile}"))
    label = tr("weight, from least to largest in each map") if view.own_range else tr("weight")
    frames = Boxes(
        np.array([tile_box(trace.chosen + 1, columns, width, height)]), colours=CELL, width=3.0, key="chosen"
    )
    lines = [((c * width, 0), (c * width, rows * height)) for c in range(1, columns)]
    lines += [((0, r * height), (columns * width, r * height)) for r in range(1, rows)]
    ends = np.array(lines, np.float64).reshape(-1, 2, 2)
    marks: tuple[Mark, ...] = (
        Image(ground, key="picture"),
        Heatmap(
            heat,
            label=label,
            low=0.0,
            high=1.0,
            colormap=ATTENTION,
            opacity=view.opacity,
            extent=(0.0, 0.0, float(columns * width), float(rows * height)),
            key="blocks",
        ),
        Segments(ends[:, 0], ends[:, 1], "#000000", 2.0, key="lines"),
        frames,
        *words,
    )
    title = tr("Where {count} blocks look: spatial attention of each", count=len(trace.blocks))
    return Pane("blocks", title, marks, size=(float(columns * width), float(rows * height)))


def tile_maps(trace: Trace, view: View) -> Iterator[tuple[int, Array]]:
    """By tile, the weights as an even grid over the picture."""
    for tile, block in enumerate(trace.blocks, 1):
        if block.positions is None:
            continue
        weight = block.positions.weight
        if view.own_range:
            low, high = float(weight.min()), float(weight.max())
            weight = (weight - low) / (high - low) if high - low > 1e-6 else np.full_like(weight, 0.5)
        yield tile, block.cells.spread(weight, smooth=view.smooth, finest=FINEST)


def columns_for(count: int, aspect: float) -> int:
    """How many tiles of this aspect stand side by side so that all become largest in a pane of :data:`ASPECT`."""

    def scale(columns: int) -> float:
        rows = -(-count // columns)
        return min(ASPECT / (columns * aspect), 1 / rows)

    return max(range(1, count + 1), key=lambda columns: (round(scale(columns), 6), -columns))


def place(tile: int, columns: int, width: int, height: int) -> tuple[int, int]:
    row, column = divmod(tile, columns)
    return column * width, row * height


def tile_box(tile: int, columns: int, width: int, height: int) -> tuple[float, float, float, float]:
    left, top = place(tile, columns, width, height)
    return float(left), float(top), float(left + width), float(top + height)


def tile_at(trace: Trace, x: float, y: float) -> tuple[int, float, float] | None:
    """Which block's tile a place of the pane is on (-1 the picture), and where on it in parts of its width and height."""
    height, width = trace.grey.shape
    columns = columns_for(len(trace.blocks) + 1, width / height)
    column, row = int(x // width), int(y // height)
    tile = row * columns + column
    if not 0 <= column < columns or not 0 <= tile <= len(trace.blocks) or y < 0:
        return None
    return tile - 1, x / width - column, y / height - row
