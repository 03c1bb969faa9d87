"""The network's pass over a frame, the people in its maps, and what the view that is shown asks for besides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.losses.pose_targets import Targets, drawn_figures, pose_targets
from cvcore.models.openpose.maps import STRIDE, PoseMaps
from cvcore.models.openpose.network import THREE_SIZES, PoseNetwork
from cvcore.ops import paf
from cvcore.ops.letterbox import Letterbox
from cvcore.ops.paf import PoseTrace, decode_scored, decode_trace, find_peaks
from cvcore.ops.paf.steps import Step, steps_of
from cvcore.pose_tracking import OneEuro, Tracking, Tracks, follow
from explorer.i18n import tr
from explorer.panel import Context, Frame
from explorer.panels.pose.controls import (
    ALONE,
    FIGURES_SHOWN,
    FOUND,
    KEYPOINTS,
    MIRRORED,
    ONCE,
    PEOPLE,
    STAGES,
    STEPS,
    TARGETS,
    Params,
)
from explorer.views import networks
from explorer.views.cells import Cells

Array = NDArray[np.float32]
Box = tuple[float, float, float, float]
WIDEST = 6.0
"""Width to height. The input of a longer picture is less high, or it would be enormous."""
SIDE_BY_SIDE = 3
"""Stages shown at most: the first, the middle one, the last."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The pass: all stages, on the device it ran on."""

    stages: tuple[PoseMaps, ...]
    transform: Letterbox

    @property
    def input(self) -> tuple[int, int]:
        """Width and height of the network's input, px."""
        return self.transform.size[1], self.transform.size[0]

    def cells(self) -> Cells:
        """Where the maps' cells lie on the picture; the last ones may reach beyond it."""
        rows, columns = self.stages[-1].heatmaps.shape[-2:]
        (high, wide), (input_wide, input_high) = self.transform.picture, self.input
        return Cells.even((wide, high), rows, columns, (STRIDE * wide / input_wide, STRIDE * high / input_high))


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


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Everyone found.

    Args:
        keypoints: (P, K, 3) x, y in pixels of the picture and the peak's value; 0, 0, 0 where not found. Best person first.
        scores: (P,). numbers: (P,) from 1.
    """

    keypoints: Array
    scores: Array
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def found(self) -> NDArray[np.int64]:
        """(P,) how many keypoints each has."""
        return np.asarray((self.keypoints[..., 2] > 0).sum(1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the next frame needs.

    Args:
        source, index: the frame's. before: the tracks with which it was computed, after: those it left.
    """

    source: str
    index: int
    before: Tracks | None
    after: Tracks


def unnumbered(keypoints: Array, scores: Array) -> People:
    """By rank."""
    return People(keypoints, scores, np.arange(1, len(scores) + 1))


def numbered(
    keypoints: Array, scores: Array, frame: Frame, params: Params, memory: Memory | None
) -> tuple[People, Memory | None]:
    """People with the numbers they had in the frame before. The same frame once more (a threshold was moved) begins where it began
    the first time; another source, or one that was wound, begins at 1."""
    if not params.follow or params.show != PEOPLE:
        return unnumbered(keypoints, scores), memory if params.follow else None
    before: Tracks | None = None
    if memory is not None and memory.source == frame.source:
        before = memory.before if memory.index == frame.index else memory.after
    smoothing = OneEuro(params.min_cutoff, params.beta) if params.smooth_motion else None
    made = follow(before, keypoints, frame.index, Tracking(smoothing=smoothing))
    return People(made.people, scores, made.numbers), Memory(frame.source, frame.index, before, made.tracks)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A decoding to be stepped through.

    Args:
        weak: by keypoint that was added to somebody, (N, 3) x, y in cells and values of all its weak peaks.
    """

    decoded: PoseTrace
    steps: tuple[Step, ...]
    weak: dict[int, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Figures as training sees them.

    Args:
        figures: (2, K, 3) in pixels of the picture, third value 0 where not labelled.
        box: of the mask, in pixels of the picture.
    """

    figures: Array
    box: Box
    targets: Targets

    @property
    def maps(self) -> Maps:
        return Maps(self.targets.heatmaps, self.targets.pafs)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        cells: where the maps' cells lie on the picture. input: width and height of the network's input, px.
        maps: of the last stage.
        people: found in them. limited: some keypoint had more peaks than are looked at.
        stage_count: how many stages the network has.
        stages: by number, from 1, the maps of those shown side by side, and the people found in each.
        walked: the decoding with every decision, where it is stepped through.
        labelled: the targets, where they are shown.
        memory: of the people's numbers.
    """

    params: Params
    cells: Cells
    input: tuple[int, int]
    maps: Maps
    people: People
    limited: bool
    stage_count: int
    stages: dict[int, tuple[Maps, People]]
    walked: Walked | None
    labelled: Labelled | None
    memory: Memory | None

    @property
    def sizes(self) -> dict[str, int]:
        return {"step": 1 if self.walked is None else len(self.walked.steps)}


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One pass of the network a frame; thresholds only decode anew."""
    passed = seen(frame, params, context)
    before = context.previous
    memory = before.memory if isinstance(before, Trace) else None
    walk: Walked | None = None
    labels: Labelled | None = None
    stages: dict[int, tuple[Maps, People]] = {}
    with context.stage("decode"):
        last = on_host(passed.stages[-1:])[0]
        cells = passed.cells()
        if params.show == STEPS:
            decoded = decode_trace(*last.tensors, params.thresholds)
            found, scores, limited = decoded.people, decoded.scores, decoded.limited
            walk = walked(decoded, last, params)
        else:
            plain = decode_scored(*last.tensors, params.thresholds)
            found, scores, limited = plain.people, plain.scores, plain.limited
        people, memory = numbered(in_pixels(found, cells), scores.numpy(), frame, params, memory)
        if params.show == STAGES:
            stages = side_by_side(passed, cells, params)
    if params.show == TARGETS:
        with context.stage("targets"):
            labels = labelled(frame.size, params, cells, people, on_host(passed.stages))
    return Trace(
        params, cells, passed.input, last, people, limited, len(passed.stages), stages, walk, labels, memory
    )  # fmt: skip


def in_pixels(people: Tensor, cells: Cells) -> Array:
    """(P, K, 3) in cells -> in pixels of the picture; what is not there stays 0, 0, 0."""
    found: Array = people.float().cpu().numpy().copy()
    found[..., :2] = np.where(found[..., 2:] > 0, cells.on_picture(found[..., :2]), 0)
    return found


def walked(decoded: PoseTrace, maps: Maps, params: Params) -> Walked:
    """The steps, and for each keypoint that was added the weak peaks among which it was found."""
    weak: dict[int, Array] = {}
    for keypoint in set(decoded.completion.keypoints.tolist()):
        peaks = find_peaks(torch.from_numpy(maps.heatmaps[keypoint : keypoint + 1]), params.weak_threshold)
        weak[keypoint] = torch.cat((peaks.xy, peaks.scores[:, None]), 1).numpy()
    return Walked(decoded, steps_of(decoded), weak)


def side_by_side(passed: Seen, cells: Cells, params: Params) -> dict[int, tuple[Maps, People]]:
    """By number, the first stage, the last and one between."""
    count = len(passed.stages)
    numbers = np.unique(np.linspace(1, count, min(count, SIDE_BY_SIDE)).round().astype(int)).tolist()
    chosen: list[PoseMaps] = [passed.stages[number - 1] for number in numbers]
    out = {}
    for number, maps in zip(numbers, on_host(chosen), strict=True):
        plain = decode_scored(*maps.tensors, params.thresholds)
        out[number] = maps, unnumbered(in_pixels(plain.people, cells), plain.scores.numpy())
    return out


# -- figures as training sees them


def labelled(size: tuple[int, int], params: Params, cells: Cells, people: People, stages: tuple[Maps, ...]) -> Labelled:
    """Targets of the figures, and the loss of all stages against them.

    Args:
        size: width and height of the picture.
    """
    figures = figures_of(size, params, people)
    of_cells = torch.from_numpy(figures.copy())
    of_cells[..., :2] = torch.from_numpy(cells.on_map(figures[..., :2])).float()
    of_cells = torch.where(of_cells[..., 2:] > 0, of_cells, 0)
    box = params.mask or mask_box(size, params, people)
    wide, high = cells.cell or (1.0, 1.0)
    in_cells = (box[0] / wide, box[1] / high, box[2] / wide, box[3] / high)
    targets = pose_targets(
        of_cells,
        [maps.tensors for maps in stages],
        sigma=params.sigma,
        limb_width=params.limb_width,
        mask=in_cells if params.masked else None,
    )
    return Labelled(figures, box, targets)


def figures_of(size: tuple[int, int], params: Params, people: People) -> Array:
    """(2, K, 3): the chosen figures with the keypoints that were dragged."""
    if params.figures == FOUND:
        figures = np.zeros((FIGURES_SHOWN, KEYPOINTS, 3), np.float32)
        count = min(FIGURES_SHOWN, len(people))
        figures[:count] = people.keypoints[:count]
        figures[..., 2] = figures[..., 2] > 0
    else:
        figures = drawn_figures(size, alone=params.figures == ALONE)
    if params.dragged:
        moved: Array = figures.reshape(-1, 3)
        start = params.first_joint
        for joint, place in enumerate(params.joints[start : start + len(moved)]):
            if place is not None and moved[joint, 2] > 0:
                moved[joint, :2] = np.clip(place, 0, size)
    return figures


def mask_box(size: tuple[int, int], params: Params, people: People) -> Box:
    """Around the best person found who is not labelled; else a place at the right."""
    width, height = size
    if params.figures == FOUND and len(people) > FIGURES_SHOWN:
        other = people.keypoints[FIGURES_SHOWN]
        xy = other[other[:, 2] > 0, :2]
        low, high = xy.min(0), xy.max(0)
        grow = 0.12 * (high - low).max()
        return (
            float(max(0, low[0] - grow)), float(max(0, low[1] - grow)),
            float(min(width, high[0] + grow)), float(min(height, high[1] + grow)),
        )  # fmt: skip
    return 0.74 * width, 0.3 * height, 0.96 * width, 0.95 * height
