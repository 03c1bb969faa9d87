"""What is known of the people in a training picture, and the file that keeps pseudo-labels."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.evaluate.coco_people import CocoPeopleDataset
from cvcore.ops.paf import OPENPOSE_18, from_coco
from cvcore.train.files import write_whole

ABSENT, UNSURE, SURE = 0, 1, 2
"""Of a keypoint: not in the picture; there, but not to be learnt from; a label."""
SURE_FROM = 0.4
UNSURE_FROM = 0.05
"""What a pseudo-label's probability must be."""

NDFloat = NDArray[np.float32]
NDBytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """One picture.

    Args:
        file: of it.
        xy: (P, 18, 2) of :data:`~cvcore.ops.paf.OPENPOSE_18`, in its pixels.
        state: (P, 18) :data:`ABSENT`, :data:`UNSURE` or :data:`SURE`; UNSURE with a place that is not finite: anywhere about the person.
        ignored: (N, 4) xyxy boxes where people may be of whom nothing is known.
        weight: how often it is drawn.
    """

    file: Path
    xy: NDFloat
    state: NDBytes
    ignored: NDFloat
    weight: float = 1.0


def labelled(file: Path, people: NDArray[Any], ignored: NDArray[Any], *, weight: float = 1.0) -> LabelledPicture:
    """From people in COCO's order, (P, 17, 3) with x, y and a probability (or 1 for a label, 0 for none)."""
    body = from_coco(torch.from_numpy(np.asarray(people, np.float32).reshape(-1, 17, 3))).numpy()
    p = body[..., 2]
    state = np.where(p >= SURE_FROM, SURE, np.where(p >= UNSURE_FROM, UNSURE, ABSENT)).astype(np.uint8)
    return LabelledPicture(file, body[..., :2].copy(), state, np.asarray(ignored, np.float32).reshape(-1, 4), weight)


def from_coco_people(data: CocoPeopleDataset, folder: Path, *, weight: float = 1.0) -> list[LabelledPicture]:
    """COCO's labels: a keypoint that is not labelled is unsure, and crowds and people without a keypoint are ignored."""
    out = []
    for name, people in zip(data.files, data.people, strict=True):
        known = ~people.crowd & (people.keypoints[..., 2] > 0).any(1)
        rows = people.keypoints[known].astype(np.float32)
        rows[..., 2] = rows[..., 2] > 0
        picture = labelled(folder / name, rows, people.boxes[~known], weight=weight)
        state = picture.state.copy()
        state[state == ABSENT] = UNSURE
        xy = np.where((picture.state == SURE)[..., None], picture.xy, np.nan).astype(np.float32)
        out.append(LabelledPicture(picture.file, xy, state, picture.ignored, weight))
    return out


# fmt: off
LSP_TO_OPENPOSE = tuple(OPENPOSE_18.names.index(name) for name in (
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "right wrist", "right elbow",
    "right shoulder", "left shoulder", "left elbow", "left wrist",
))
# fmt: on
"""(12,) where LSP's joints are among the 18; its last two, base of the neck and top of the head, have no like."""
FACE = tuple(OPENPOSE_18.names.index(name) for name in ("nose", "right eye", "left eye", "right ear", "left ear"))
NECK = OPENPOSE_18.names.index("neck")


def read_lsp(
    folder: Path, pseudo: dict[str, tuple[NDFloat, NDFloat]], *, weight: float = 1.0, agree: float = 0.35
) -> list[LabelledPicture]:
    """Leeds Sports Pose Extended (Johnson and Everingham, CVPR 2011): one person a picture, labelled by paid volunteers, some wrongly.

    The face, which it does not label, comes from the pseudo-label nearest to the person, if its joints agree; a joint at which a
    sure pseudo-label differs is unsure. People of pseudo-labels elsewhere are ignored regions.

    Args:
        folder: with ``joints.mat`` and ``images``.
        pseudo: by file name, people (P, 17, 3) and ignored boxes.
        agree: how far apart joints may be, in sizes of the trunk.

    Raises:
        ValueError: the folder is not LSP Extended.
        ImportError: without scipy, which reads ``joints.mat``.
    """
    from scipy.io import loadmat

    try:
        joints = np.asarray(loadmat(str(folder / "joints.mat"))["joints"], np.float32)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{folder} is not LSP Extended") from error
    out = []
    for file in sorted((folder / "images").glob("im*.jpg")):
        rows = joints[:, :, int(file.stem[2:]) - 1]  # (14, 3)
        xy = np.full((1, 18, 2), np.nan, np.float32)
        state = np.full((1, 18), UNSURE, np.uint8)
        visible = rows[:12, 2] > 0
        order = np.array(LSP_TO_OPENPOSE)
        xy[0, order[visible]], state[0, order[visible]] = rows[:12, :2][visible], SURE
        found, ignored = pseudo.get(file.name, (np.zeros((0, 17, 3), np.float32), np.zeros((0, 4), np.float32)))
        out.append(_checked(file, xy, state, found, ignored, agree=agree, weight=weight))
    if not out:
        raise ValueError(f"{folder} is not LSP Extended: it has no picture")
    return out


def _checked(
    file: Path, xy: NDFloat, state: NDBytes, found: NDFloat, ignored: NDFloat, *, agree: float, weight: float
) -> LabelledPicture:
    """One person's labels against the pseudo-labels of the same picture."""
    body = from_coco(torch.from_numpy(found)).numpy()
    sure = state[0] == SURE
    size = float(np.hypot(*np.ptp(xy[0, sure], axis=0))) / 2.5 if sure.sum() > 1 else 1.0  # about a trunk
    near = [
        (float(np.nanmean(d)), k)
        for k, person in enumerate(body)
        if (d := np.hypot(*(person[:, :2] - xy[0]).T)[sure & (person[:, 2] >= SURE_FROM)]).size >= 4
    ]
    distance, own = min(near, default=(np.inf, -1))
    if distance < size:
        person = body[own]
        apart = np.hypot(*(person[:, :2] - xy[0]).T) > agree * size
        state[0, sure & (person[:, 2] >= SURE_FROM) & apart] = UNSURE
        if distance < agree * size:
            for k in FACE:
                xy[0, k] = person[k, :2]
                state[0, k] = SURE if person[k, 2] >= SURE_FROM else UNSURE
    else:
        own = -1
    right, left = (OPENPOSE_18.names.index(f"{side} shoulder") for side in ("right", "left"))
    if state[0, right] == state[0, left] == SURE:
        xy[0, NECK], state[0, NECK] = (xy[0, right] + xy[0, left]) / 2, SURE
    others = [box_of(p[:, :2], p[:, 2] >= UNSURE_FROM) for k, p in enumerate(body) if k != own]
    mine = box_of(xy[0], state[0] == SURE)
    boxes = [b for b in (*others, *ignored) if overlap(b, mine) < 0.3]
    return LabelledPicture(file, xy, state, np.array(boxes, np.float32).reshape(-1, 4), weight)


def box_of(xy: NDArray[Any], known: NDArray[np.bool_]) -> NDFloat:
    """(4,) xyxy of the places that are known, a tenth larger on each side; empty where none is."""
    if not known.any():
        return np.zeros(4, np.float32)
    low, high = xy[known].min(0), xy[known].max(0)
    margin = 0.1 * float((high - low).max()) + 1
    return np.concatenate((low - margin, high + margin)).astype(np.float32)


def overlap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Of two boxes, the intersection over the smaller one."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    smaller = min(float(np.prod(a[2:] - a[:2])), float(np.prod(b[2:] - b[:2])))
    return float(np.prod(sides.clip(0))) / max(smaller, 1e-6)


def write_pseudo(file: Path, rows: Iterable[tuple[str, NDArray[Any], NDArray[Any]]]) -> None:
    """File names, people (P, 17, 3) and ignored boxes (N, 4), as JSON."""
    data = [
        {"file": name, "people": np.round(people, 3).tolist(), "ignored": np.round(ignored, 1).tolist()}
        for name, people, ignored in rows
    ]
    write_whole(file, json.dumps(data).encode())


def read_pseudo(file: Path) -> dict[str, tuple[NDFloat, NDFloat]]:
    """By file name, people (P, 17, 3) in COCO's order with probabilities, and ignored boxes (N, 4).

    Raises:
        ValueError: it is no file of :func:`write_pseudo`.
    """
    try:
        return {
            row["file"]: (
                np.array(row["people"], np.float32).reshape(-1, 17, 3),
                np.array(row["ignored"], np.float32).reshape(-1, 4),
            )
            for row in json.loads(file.read_text("utf-8"))
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no pseudo-labels") from error


def from_pseudo(
    labels: dict[str, tuple[NDFloat, NDFloat]],
    files: Sequence[Path],
    *,
    weight: float = 1.0,
    empty_weight: float = 0.0,
) -> list[LabelledPicture]:
    """The pictures among ``files`` in which somebody was found, and, with a weight, those in which nobody is."""
    out = []
    for file in files:
        people, ignored = labels.get(file.name, (None, None))
        if people is None or ignored is None:
            continue
        if len(people):
            out.append(labelled(file, people, ignored, weight=weight))
        elif not len(ignored) and empty_weight > 0:
            out.append(labelled(file, people, ignored, weight=empty_weight))
    return out
