"""The network's pass over a frame, shared by all panels and parameters that ask, and where its cells lie on the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.models.openpose.maps import STRIDE, PoseMaps
from cvcore.models.openpose.network import THREE_SIZES, PoseNetwork
from cvcore.ops import paf
from cvcore.ops.letterbox import Letterbox
from explorer.i18n import tr
from explorer.panel import Context, Frame
from explorer.panels.pose.controls import MIRRORED, ONCE, Params
from explorer.views import networks

Array = NDArray[np.float32]

WIDEST = 6.0
"""Width to height. The input of a longer picture is less high, or it would be enormous."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What one stage believes, on the host.

    Args:
        heatmaps: (K + 1, h, w). pafs: (2 L, h, w).
    """

    heatmaps: Array
    pafs: Array

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.heatmaps), torch.from_numpy(self.pafs)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.heatmaps.shape[1], self.heatmaps.shape[2]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a map's cells lie on the picture.

    Args:
        picture: width and height, px. input: width and height of the network's input, px. cells: columns and rows.
    """

    picture: tuple[int, int]
    input: tuple[int, int]
    cells: tuple[int, int]

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in pixels of the picture."""
        return STRIDE * self.picture[0] / self.input[0], STRIDE * self.picture[1] / self.input[1]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Of the whole map in the picture; the last cells may reach beyond it."""
        return 0.0, 0.0, self.cells[0] * self.cell[0], self.cells[1] * self.cell[1]

    def on_picture(self, xy: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """(..., 2) in cells, counted from the centre of the first -> in pixels of the picture."""
        return (np.asarray(xy, np.float64) + 0.5) * self.cell

    def on_map(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(xy, np.float64) / self.cell - 0.5

    def cell_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the cell at a place of the picture."""
        column, row = int(np.floor(x / self.cell[0])), int(np.floor(y / self.cell[1]))
        return (row, column) if 0 <= row < self.cells[1] and 0 <= column < self.cells[0] else None

    def people(self, people: Tensor) -> Array:
        """(P, K, 3) in cells -> in pixels of the picture; what is not there stays 0, 0, 0."""
        found: Array = people.float().cpu().numpy().copy()
        found[..., :2] = np.where(found[..., 2:] > 0, self.on_picture(found[..., :2]), 0)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The pass: all stages, on the device it ran on."""

    stages: tuple[PoseMaps, ...]
    transform: Letterbox

    def grid(self) -> Grid:
        rows, columns = self.stages[-1].heatmaps.shape[-2:]
        (high, wide), (input_high, input_wide) = self.transform.picture, self.transform.size
        return Grid((wide, high), (input_wide, input_high), (int(columns), int(rows)))


_compiled: set[str] = set()


def seen(frame: Frame, params: Params, context: Context) -> Seen:
    """One pass, worked out once a frame, whatever the thresholds.

    Raises:
        ValueError: the network is none of heat maps and PAFs.
    """
    if not _compiled:
        context.progress(0.0, tr("Compiling the operators: some seconds, the first time only"))
        paf.warm_up()
        _compiled.add("paf")
    network = context.model(params.network)
    if not isinstance(network, PoseNetwork):
        raise ValueError(tr("The network {name} gives no heat maps and part affinity fields.", name=params.network))

    height = input_height(frame.size, params.input_height)

    def run() -> Seen:
        with torch.inference_mode():
            if params.looks != ONCE:
                with context.stage("forward"):
                    return Seen(*network.look(frame.image, height, THREE_SIZES, mirrored=params.looks == MIRRORED))
            with context.stage("preprocess"):
                x, transform = network.preprocess(frame.image, height)
            with context.stage("forward"):
                return Seen(network.stages(x), transform)

    return context.once(("pose", params.network, networks.version(params.network), height, params.looks), run)


def input_height(size: tuple[int, int], wanted: int) -> int:
    """Of the input: as wanted, or less for a picture that is wider than :data:`WIDEST` times its height; a multiple of 8."""
    aspect = size[0] / size[1]
    return wanted if aspect <= WIDEST else max(STRIDE, round(wanted * WIDEST / aspect / STRIDE) * STRIDE)


def on_host(stages: Sequence[PoseMaps]) -> tuple[Maps, ...]:
    """The first picture's maps as arrays; one transfer a stage."""
    made = []
    for maps in stages:
        both = torch.cat((maps.heatmaps[0], maps.pafs[0])).float().cpu().contiguous().numpy()
        keypoints = maps.heatmaps.shape[1]
        made.append(Maps(both[:keypoints], both[keypoints:]))
    return tuple(made)
