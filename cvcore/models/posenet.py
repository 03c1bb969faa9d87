"""PoseNet: heat maps, offsets and displacements of COCO's 17 keypoints from one pass of MobileNetV1.

Papandreou et al., "PersonLab", ECCV 2018, https://arxiv.org/abs/1803.08225 (mid-range offsets are called displacements here, as in
tfjs-models); Howard et al., "MobileNets", 2017, https://arxiv.org/abs/1704.04861 . The weights are those of Google's PoseNet of
TensorFlow.js (MobileNetV1 0.75 at stride 16, batch norm folded into the convolutions): ``cvcore.train.convert_posenet``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.ops.letterbox import Letterbox, to_height

STRIDE = 16
WIDTHS = (24, 48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 384, 384)
"""Channels of MobileNetV1's 14 layers, 0.75 of the paper's; its last two strides and the 1024 channels are left out."""
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
KEYPOINTS = 17
EDGES = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15), (0, 6), (6, 8), (8, 10), (6, 12),
    (12, 14), (14, 16),
)  # fmt: skip
"""The tree along which people are followed, from the nose: (parent, child), in COCO's order of keypoints."""


class Separable(nn.Sequential):
    """Depthwise 3x3, ReLU6, 1x1, ReLU6."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(before, before, 3, stride, 1, groups=before)
        self.relu1 = nn.ReLU6(inplace=True)
        self.pointwise = nn.Conv2d(before, after, 1)
        self.relu2 = nn.ReLU6(inplace=True)


def mobilenet_trunk(layers: int = len(WIDTHS)) -> nn.Sequential:
    """The first ``layers`` layers of the trunk: (N, 3, H, W) in [-1, 1] RGB -> (N, 384, H / 16, W / 16), rounded up."""
    modules: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, WIDTHS[0], 3, STRIDES[0], 1), nn.ReLU6(inplace=True))]
    for before, after, stride in zip(WIDTHS[:-1], WIDTHS[1:], STRIDES[1:], strict=True):
        modules.append(Separable(before, after, stride=stride))
    return nn.Sequential(*modules[:layers])


@dataclass(frozen=True, slots=True, eq=False)
class PoseNetMaps:
    """PoseNet's four outputs; cell (i, j) is the middle of pixel (16 i, 16 j) of the input.

    Args:
        heatmaps: (N, 17, h, w) logits. offsets: (N, 34, h, w), y of each keypoint, then x, in pixels from the cell.
        forward, backward: (N, 32, h, w) displacements along the 16 :data:`EDGES`, y of each, then x, in pixels: parent to
            child, and child to parent.
    """

    heatmaps: Tensor
    offsets: Tensor
    forward: Tensor
    backward: Tensor


class PoseNet(nn.Module):
    """1.3 million parameters. Sides of the input should be 16 k + 1, as they were in training."""

    def __init__(self) -> None:
        super().__init__()
        self.features = mobilenet_trunk()
        width, edges = WIDTHS[-1], len(EDGES)
        self.heatmap = nn.Conv2d(width, KEYPOINTS, 1)
        self.offset = nn.Conv2d(width, 2 * KEYPOINTS, 1)
        self.displacement_fwd = nn.Conv2d(width, 2 * edges, 1)
        self.displacement_bwd = nn.Conv2d(width, 2 * edges, 1)

    def forward(self, x: Tensor) -> PoseNetMaps:
        """(N, 3, H, W) RGB in [-1, 1] -> maps of (H - 1) / 16 + 1 by (W - 1) / 16 + 1 cells."""
        return self.maps(self.features(x))

    def maps(self, x: Tensor) -> PoseNetMaps:
        """What the four heads see in the trunk's end, (N, 384, h, w)."""
        return PoseNetMaps(self.heatmap(x), self.offset(x), self.displacement_fwd(x), self.displacement_bwd(x))

    def preprocess(self, frame: NDArray[np.uint8] | Tensor, short_side: int = 513) -> tuple[Tensor, Letterbox]:
        """An RGB picture -> the network's input, its shorter side scaled to ``short_side``, and how places go back.

        Args:
            frame: as in ``letterbox``.
            short_side: 16 k + 1.

        Raises:
            ValueError: shape, or another ``short_side``.
        """
        if short_side < 17 or short_side % STRIDE != 1:
            raise ValueError(f"short_side must be 16 k + 1, not {short_side}")
        height, width = frame.shape[:2] if isinstance(frame, np.ndarray) else frame.shape[-2:]
        scale = short_side / max(1, min(height, width))
        sides = tuple(max(1, round((side * scale - 1) / STRIDE)) * STRIDE + 1 for side in (height, width))
        x, transform = to_height(frame, sides[0], multiple=1, width=sides[1])
        weight = next(self.parameters())
        values = x.to(weight.device).float() * (255 if x.is_floating_point() else 1)
        return (values / 127.5 - 1).to(weight.dtype), transform

    @torch.no_grad()
    def people(
        self,
        frame: NDArray[np.uint8] | Tensor,
        short_side: int = 513,
        *,
        threshold: float = 0.5,
        min_score: float = 0.15,
    ) -> tuple[Tensor, Tensor]:
        """The people of one RGB picture, in its own pixels (continuous coordinates): (P, 17, 3) and (P,) scores.

        Arguments and errors as :meth:`preprocess` and :func:`decode_posenet`.
        """
        x, transform = self.preprocess(frame, short_side)
        people, scores = decode_posenet(self(x), threshold=threshold, min_score=min_score)
        return torch.cat((transform.to_picture(people[..., :2] + 0.5), people[..., 2:]), -1), scores


def decode_posenet(
    maps: PoseNetMaps,
    *,
    threshold: float = 0.5,
    min_score: float = 0.15,
    max_people: int = 20,
    nms_radius: float = 20.0,
    refine_steps: int = 2,
) -> tuple[Tensor, Tensor]:
    """Greedy decoding: Papandreou et al. 2018, section 3.1.3, with the displacements as they are in place of Hough votes.

    Keypoints that are local maxima of the probability, the surest first, each start a person, unless one of the people so far
    has the same keypoint within the radius. From there the tree of :data:`EDGES` is followed both ways by the displacements, each
    place refined by the offsets. A person's score is the mean of the keypoints' probabilities, where those within the radius
    of a better person's count as 0.

    Args:
        maps: of one picture, (1, ...) each.
        threshold: a starting keypoint's probability is above it.
        min_score: of a person.
        nms_radius: in pixels of the input.
        refine_steps: how often a place is refined.

    Returns:
        people: (P, 17, 3) float32 x, y, probability, in pixels of the input counted from the middle of the first, all keypoints of
        each; scores: (P,), falling.

    Raises:
        ValueError: more pictures than one.
    """
    if len(maps.heatmaps) != 1:
        raise ValueError(f"one picture at a time, not {len(maps.heatmaps)}")
    logits = maps.heatmaps[0].detach().float().cpu()
    best = F.max_pool2d(logits, 3, 1, 1) == logits
    probability = logits.sigmoid()
    k, i, j = (best & (probability > threshold)).nonzero().unbind(1)
    order = probability[k, i, j].argsort(descending=True, stable=True)
    fields = Fields(
        probability.numpy(), _pairs(maps.offsets), _pairs(maps.forward), _pairs(maps.backward), refine_steps
    )
    people = np.zeros((0, KEYPOINTS, 3), np.float32)
    scores: list[float] = []
    for kind, row, column in zip(k[order].tolist(), i[order].tolist(), j[order].tolist(), strict=True):
        if len(people) == max_people:
            break
        root = np.array([row, column]) * STRIDE + fields.offsets[kind, :, row, column]
        if (np.hypot(*(people[:, kind, 1::-1] - root).T) <= nms_radius).any():
            continue
        person = fields.follow(kind, root, float(probability[kind, row, column]))
        taken = (np.hypot(*np.moveaxis(people[..., :2] - person[:, :2], -1, 0)) <= nms_radius).any(0)
        score = float(person[~taken, 2].sum()) / KEYPOINTS
        if score >= min_score:
            people = np.concatenate((people, person[None]))
            scores.append(score)
    found = torch.tensor(scores, dtype=torch.float32)
    order = found.argsort(descending=True, stable=True)
    return torch.from_numpy(people)[order], found[order]


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """One picture's maps for following a person along the tree: probability (17, h, w), offsets (17, 2, h, w), forward and backward
    (16, 2, h, w), of which the two are y and x."""

    probability: NDArray[np.float32]
    offsets: NDArray[np.float32]
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    refine_steps: int

    def follow(self, kind: int, root: NDArray[np.floating[Any]], score: float) -> NDArray[np.float32]:
        """(17, 3) x, y, probability of the person who has this keypoint at ``root``, (2,) y, x."""
        places: dict[int, tuple[NDArray[np.floating[Any]], float]] = {kind: (root, score)}
        for edge, (parent, child) in reversed(list(enumerate(EDGES))):
            if child in places and parent not in places:
                places[parent] = self._step(places[child][0], parent, self.backward[edge])
        for edge, (parent, child) in enumerate(EDGES):
            if parent in places and child not in places:
                places[child] = self._step(places[parent][0], child, self.forward[edge])
        return np.array([[*places[j][0][::-1], places[j][1]] for j in range(KEYPOINTS)], np.float32)

    def _step(
        self, start: NDArray[np.floating[Any]], target: int, displacement: NDArray[np.float32]
    ) -> tuple[NDArray[np.floating[Any]], float]:
        row, column = self._cell(start)
        place = start + displacement[:, row, column]
        for _ in range(self.refine_steps):
            row, column = self._cell(place)
            place = np.array([row, column]) * STRIDE + self.offsets[target, :, row, column]
        row, column = self._cell(place)
        return place, float(self.probability[target, row, column])

    def _cell(self, place: NDArray[np.floating[Any]]) -> tuple[int, int]:
        height, width = self.probability.shape[1:]
        row, column = np.clip(np.rint(place / STRIDE), 0, (height - 1, width - 1)).astype(int)
        return int(row), int(column)


def _pairs(maps: Tensor) -> NDArray[np.float32]:
    """(1, 2 C, h, w) of all y, then all x -> (C, 2, h, w)."""
    return maps[0].detach().float().cpu().unflatten(0, (2, -1)).transpose(0, 1).numpy()
