"""Crops of labelled pictures, with the maps that the network is asked for and where it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.paf import OPENPOSE_18, heatmap_targets, mirrored, paf_targets, pixels_to_cells
from cvcore.train.pictures import read
from cvcore.train.pose.labels import ABSENT, FACE, SURE, UNSURE, LabelledPicture, NDBytes, NDFloat, box_of

STRIDE = 8
PAF_MARGIN = 0.5
"""Limbs reach so many cells beyond their ends, so that short ones are on some cell at all."""
UNSURE_RADIUS = 3.0
"""In cells: about an unsure keypoint nothing is asked of its channels."""
LARGEST_SCALE = 2.5
MIRRORED = mirrored(OPENPOSE_18.names)
"""(18,) the keypoints of the mirror image."""
SHOULDERS = tuple(OPENPOSE_18.names.index(n) for n in ("right shoulder", "left shoulder", "neck"))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How crops are drawn.

    Args:
        smallest, largest: a person's longer side in the crop, in shares of the crop's side; drawn evenly on a log scale.
        rotation: degrees, the standard deviation.
        close: the share of crops that see a person from the waist or the shoulders up, as a webcam does.
        mosaic: the share of crops made of four smaller ones.
        plain: the share of crops that are a random part of the picture, whose shorter side is ``plain_smallest`` to
            ``plain_largest`` of the crop's side, drawn evenly on a log scale.
    """

    smallest: float = 0.12
    largest: float = 2.0
    rotation: float = 14.0
    close: float = 0.25
    mosaic: float = 0.12
    plain: float = 0.0
    plain_smallest: float = 0.9
    plain_largest: float = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Args:
        pixels: (3, S, S) uint8 RGB.
        heatmaps: (K + 1, s, s), pafs: (2 L, s, s) targets, s = S / 8.
        heatmap_mask, paf_mask: of the same shapes, 0 where nothing is asked.
    """

    pixels: Tensor
    heatmaps: Tensor
    pafs: Tensor
    heatmap_mask: Tensor
    paf_mask: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A crop before its maps are drawn: (S, S, 3) pixels, people and ignored polygons (N, 4, 2) in its pixels."""

    pixels: NDBytes
    xy: NDFloat
    state: NDBytes
    ignored: NDFloat


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A part of a picture: (2, 3) from the picture's pixels to the crop's, the crop ``flipped`` or not."""

    pixels: NDBytes
    picture: LabelledPicture
    matrix: NDArray[np.float64]
    flipped: bool

    def larger(self, times: float) -> NDArray[np.float64]:
        """(2, 3) to a crop of so many times the side, which shows the same."""
        return np.concatenate((times * self.matrix[:, :2], times * (self.matrix[:, 2:] + 0.5) - 0.5), 1)


class People:
    """Labelled pictures, decoded once, and crops of them.

    Args:
        pictures: what is drawn from.
        size: side of a crop in px, a multiple of 8.
        augmentation: how.
        longest: pictures are kept with their longer side at most this long.
    """

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        *,
        size: int,
        augmentation: Augmentation | None = None,
        longest: int = 1024,
    ) -> None:
        if size < STRIDE or size % STRIDE:
            raise ValueError(f"the side of a crop is a multiple of {STRIDE}, not {size}")
        if not pictures:
            raise ValueError("there is no labelled picture")
        self.size = size
        self.augmentation = augmentation or Augmentation()
        self.pictures: list[tuple[NDBytes, LabelledPicture]] = []
        for picture in pictures:
            pixels = read(picture.file)
            factor = min(1.0, longest / max(pixels.shape[:2]))
            if factor < 1:
                pixels = np.asarray(
                    cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
                )
                picture = LabelledPicture(
                    picture.file, picture.xy * factor, picture.state, picture.ignored * factor, picture.weight
                )
            self.pictures.append((pixels, picture))
        weights = np.array([p.weight for p in pictures])
        self._chance = weights / weights.sum()

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, draw: np.random.Generator) -> Sample:
        """One crop; what is cut depends on ``draw`` alone."""
        a = self.augmentation
        if draw.random() < a.mosaic:
            half = self.size // 2
            scene = mosaic([self._scene(draw, half) for _ in range(4)], half)
        else:
            scene = self._scene(draw, self.size)
        return drawn(Scene(recoloured(scene.pixels, draw), scene.xy, scene.state, scene.ignored))

    def _scene(self, draw: np.random.Generator, size: int) -> Scene:
        view = self.view(draw, size)
        return warped(view.pixels, view.picture, view.matrix, size, flipped=view.flipped)

    def view(self, draw: np.random.Generator, size: int) -> View:
        """Which part of which picture a crop of this side shows."""
        pixels, picture = self.pictures[draw.choice(len(self.pictures), p=self._chance)]
        matrix = self._view(pixels, picture, draw, size)
        flipped = bool(draw.random() < 0.5)
        if flipped:
            matrix = np.array([[-1, 0, size - 1.0], [0, 1, 0]]) @ np.vstack((matrix, (0, 0, 1)))
        return View(pixels, picture, matrix, flipped)

    def _view(
        self, pixels: NDBytes, picture: LabelledPicture, draw: np.random.Generator, size: int
    ) -> NDArray[np.float64]:
        """(2, 3) from the picture to the crop: a person brought to a random size, near the middle, turned."""
        a = self.augmentation
        height, width = pixels.shape[:2]
        placed = [k for k in range(len(picture.xy)) if (picture.state[k] == SURE).sum() > 2]
        if not placed or draw.random() < a.plain:
            share = float(np.exp(draw.uniform(np.log(a.plain_smallest), np.log(a.plain_largest))))
            scale = share * size / min(height, width)
            centre = np.array([draw.uniform(0, width), draw.uniform(0, height)])
        else:
            k = placed[draw.integers(len(placed))]
            sure = picture.state[k] == SURE
            box = box_of(picture.xy[k], sure)
            upper = [j for j in (*FACE, *SHOULDERS) if sure[j]]
            side = float((box[2:] - box[:2]).max())
            if upper and draw.random() < a.close:
                top = picture.xy[k, upper]
                spread = max(float(np.ptp(top, axis=0).max()), 0.12 * side)
                scale = size / (spread * draw.uniform(1.2, 5.0))
                centre = top.mean(0) + np.array((0, draw.uniform(-0.3, 1.0) * spread))
            else:
                share = float(np.exp(draw.uniform(np.log(a.smallest), np.log(a.largest))))
                scale = share * size / side
                centre = (box[:2] + box[2:]) / 2
        scale = min(scale, LARGEST_SCALE)  # more would only blur
        scale = max(scale, 0.9 * size / max(height, width))  # less would be mostly grey
        centre = centre + draw.uniform(-0.18, 0.18, 2) * size / scale
        for axis, side_of_picture in enumerate((width, height)):
            reach = min(0.45 * size / scale, side_of_picture / 2)
            centre[axis] = np.clip(centre[axis], reach, side_of_picture - reach)
        angle = float(np.clip(draw.normal(0, a.rotation), -50, 50))
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, float(scale))
        matrix[:, 2] += size / 2 - centre
        return np.asarray(matrix, np.float64)


class Crops(Protocol):
    """Where crops come from."""

    def sample(self, draw: np.random.Generator) -> Sample:
        """One; which depends on ``draw`` alone."""
        ...


@dataclass(frozen=True, slots=True)
class Mixed:
    """Crops of two kinds, of which the second are that share."""

    first: Crops
    second: Crops
    share: float

    def sample(self, draw: np.random.Generator) -> Sample:
        return (self.second if draw.random() < self.share else self.first).sample(draw)


def batch(crops: Crops, count: int, draw: np.random.Generator) -> Sample:
    """So many crops, stacked."""
    samples = [crops.sample(draw) for _ in range(count)]
    return Sample(*(torch.stack([getattr(s, name) for s in samples]) for name in Sample.__slots__))


def warped(
    pixels: NDBytes, picture: LabelledPicture, matrix: NDArray[np.float64], size: int, *, flipped: bool
) -> Scene:
    """The part of a picture that a map (2, 3) shows; what lies outside is grey, and people outside are absent."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.7:  # warpAffine does not average
        blur = 0.4 / scale
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), np.uint8)
    cut = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=(127, 127, 127))
    move = lambda xy: xy @ matrix[:, :2].T + matrix[:, 2]  # noqa: E731
    xy = np.asarray(move(picture.xy.astype(np.float64)), np.float32)
    state = picture.state.copy()
    if flipped:
        xy, state = xy[:, MIRRORED], state[:, MIRRORED]
    with np.errstate(invalid="ignore"):
        outside = ((xy < 0) | (xy >= size)).any(-1)  # a place that is not known is not outside
    state[outside] = ABSENT
    x1, y1, x2, y2 = picture.ignored.astype(np.float64).T if len(picture.ignored) else np.zeros((4, 0))
    corners = np.stack((np.stack((x1, y1), 1), np.stack((x2, y1), 1), np.stack((x2, y2), 1), np.stack((x1, y2), 1)), 1)
    return Scene(np.asarray(cut, np.uint8), xy, state, np.asarray(move(corners), np.float32))


def mosaic(scenes: Sequence[Scene], half: int) -> Scene:
    """Four crops of side ``half`` as one of twice the side."""
    corners = [(0, 0), (half, 0), (0, half), (half, half)]
    out = np.zeros((2 * half, 2 * half, 3), np.uint8)
    for (x, y), scene in zip(corners, scenes, strict=True):
        out[y : y + half, x : x + half] = scene.pixels
    shift = [np.array(corner, np.float32) for corner in corners]
    return Scene(
        out,
        np.concatenate([s.xy + c for s, c in zip(scenes, shift, strict=True)]),
        np.concatenate([s.state for s in scenes]),
        np.concatenate([s.ignored.clip(0, half) + c for s, c in zip(scenes, shift, strict=True)]),
    )


def drawn(scene: Scene) -> Sample:
    """The targets of a crop, and their masks."""
    side = scene.pixels.shape[0] // STRIDE
    people = np.concatenate((scene.xy, (scene.state == SURE)[..., None]), -1).astype(np.float32)
    people[scene.state != SURE] = 0
    cells = pixels_to_cells(torch.from_numpy(people), STRIDE)
    keypoints, limbs = len(OPENPOSE_18.names), OPENPOSE_18.limbs
    heat = np.ones((keypoints + 1, side, side), np.float32)
    paf = np.ones((2 * len(limbs), side, side), np.float32)
    for xy, state in zip(scene.xy, scene.state, strict=True):
        _forgive(heat, paf, xy, state)
    if len(scene.ignored):
        region = np.zeros((side, side), np.uint8)
        polygons = [np.round(np.clip(p / STRIDE - 0.5, -9999, 9999)).astype(np.int32) for p in scene.ignored]
        for polygon in polygons:
            cv2.fillPoly(region, [polygon], 1)
        known = _cover(scene, side)
        free = (region > 0) & ~known
        heat[:, free], paf[:, free] = 0, 0
    heat[-1] = heat[:-1].min(0)
    return Sample(
        torch.from_numpy(np.ascontiguousarray(scene.pixels.transpose(2, 0, 1))),
        heatmap_targets(cells, side, side),
        paf_targets(cells, side, side, margin=PAF_MARGIN),
        torch.from_numpy(heat),
        torch.from_numpy(paf),
    )


def _forgive(heat: NDFloat, paf: NDFloat, xy: NDFloat, state: NDBytes) -> None:
    """Nothing is asked about the unsure keypoints of a person: near them where their places are known, else about the whole person."""
    side = heat.shape[1]
    unsure = np.flatnonzero(state == UNSURE)
    if not len(unsure):
        return
    placed = np.asarray(np.isfinite(xy).all(1))
    box = box_of(xy, placed & (state != ABSENT)) / STRIDE - 0.5
    x1, y1 = np.floor(box[:2]).astype(int).clip(0, side)
    x2, y2 = (np.ceil(box[2:]).astype(int) + 1).clip(0, side)
    y, x = np.indices((side, side), np.float32)
    for k in unsure:
        limbs = [c for c, limb in enumerate(OPENPOSE_18.limbs) if k in limb]
        channels = [channel for c in limbs for channel in OPENPOSE_18.paf_channels[c]]
        if placed[k]:
            cx, cy = (xy[k] / STRIDE - 0.5).tolist()
            heat[k] = np.where(np.hypot(x - cx, y - cy) > UNSURE_RADIUS, heat[k], 0)
        else:
            heat[k, y1:y2, x1:x2] = 0
        paf[channels, y1:y2, x1:x2] = 0


def _cover(scene: Scene, side: int) -> NDArray[np.bool_]:
    """(s, s) where people are labelled: an ignored region does not take them away."""
    out = np.zeros((side, side), bool)
    for xy, state in zip(scene.xy, scene.state, strict=True):
        box = box_of(xy, state == SURE) / STRIDE - 0.5
        x1, y1 = np.floor(box[:2]).astype(int).clip(0, side)
        x2, y2 = (np.ceil(box[2:]).astype(int) + 1).clip(0, side)
        out[y1:y2, x1:x2] |= bool((state == SURE).any())
    return out


def recoloured(pixels: NDBytes, draw: np.random.Generator) -> NDBytes:
    """Other light, colours, sharpness and noise; sometimes grey."""
    out = pixels.astype(np.float32)
    grey = out.mean(2, keepdims=True)
    saturation = 0.0 if draw.random() < 0.08 else draw.uniform(0.5, 1.4)
    out = grey + saturation * (out - grey)
    out *= draw.uniform(0.9, 1.1, 3).astype(np.float32)
    level = float(out.mean())
    out = (out - level) * draw.uniform(0.6, 1.35) + level + draw.uniform(-35, 35)
    if draw.random() < 0.3:
        out = 255 * (out.clip(0, 255) / 255) ** draw.uniform(0.6, 1.6)
    if draw.random() < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), draw.uniform(0.5, 1.6))
    if draw.random() < 0.25:
        out = out + draw.normal(0, draw.uniform(2, 10), out.shape).astype(np.float32)
    return np.asarray(np.clip(out, 0, 255), np.uint8)
