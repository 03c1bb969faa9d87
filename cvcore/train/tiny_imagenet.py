"""Tiny ImageNet's 202 classes from their zips, read in place, and what a training run does to a picture of 64 x 64 px.

The folder holds ``classes.tsv`` (WordNet id, names), ``tiny_imagenet_train.zip`` and ``tiny_imagenet_val.zip`` with entries
``CLASS/NAME.JPEG``. Half of the validation pictures (every second, sorted by name) choose and calibrate; the other half only reports.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of RGB in [0, 1]."""


@dataclass(frozen=True)
class Pictures:
    """Pictures x (N, 3, h, w) uint8 RGB and class numbers y (N,)."""

    x: Tensor
    y: Tensor


def class_ids(data: Path) -> list[str]:
    """WordNet ids in the order of the class numbers."""
    return [line.split("\t")[0] for line in (data / "classes.tsv").read_text("utf-8").splitlines()]


def pictures(
    archive: Path, classes: list[str], per_class: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (N, 64, 64, 3) RGB and their class numbers, sorted by name; of each class the first ``per_class``, or all."""
    images, labels = [], []
    taken = dict.fromkeys(classes, 0)
    with zipfile.ZipFile(archive) as packed:
        for name in sorted(n for n in packed.namelist() if n.endswith(".JPEG")):
            owner = name.split("/")[0]
            if per_class is not None and taken[owner] >= per_class:
                continue
            pixels = cv2.imdecode(np.frombuffer(packed.read(name), np.uint8), cv2.IMREAD_COLOR_RGB)
            if pixels is None:
                raise ValueError(f"{archive}: {name} is not a picture")
            taken[owner] += 1
            images.append(pixels)
            labels.append(classes.index(owner))
    return np.stack(images), np.array(labels)


def split(data: Path, name: str, per_class: int | None = None) -> Pictures:
    """All pictures of ``train`` or ``val``."""
    x, y = pictures(data / f"tiny_imagenet_{name}.zip", class_ids(data), per_class)
    return Pictures(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y))


def halves(val: Pictures) -> tuple[Pictures, Pictures]:
    """The validation pictures that choose, and those that report."""
    return Pictures(val.x[::2], val.y[::2]), Pictures(val.x[1::2], val.y[1::2])


def normalised(x: Tensor) -> Tensor:
    """uint8 or 0 to 255 -> the network's input."""
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1) * 255, torch.tensor(STD).view(1, 3, 1, 1) * 255
    return (x.float() - mean) / std


def enlarged(x: Tensor, size: int) -> Tensor:
    """Pictures (N, 3, h, w) as the network gets them where nothing is augmented: (N, 3, size, size)."""
    large = F.interpolate(x.float(), (size, size), mode="bicubic", antialias=True).clamp(0, 255)
    return normalised(large).contiguous(memory_format=torch.channels_last)


def augmented(x: Tensor, size: int, random: np.random.Generator) -> Tensor:
    """A training batch (N, 3, size, size) from small pictures (N, 3, h, w).

    A window of 0.35 to 1.7 times the picture's area goes to the input, stretched by up to a third, mirrored half of the time, turned by up
    to 10 degrees: a window larger than the picture (continued by reflection) shows it small and sharp, as a camera shows a far
    object, a smaller one large and blurred. A fifth is blurred further, a fifth sharpened; brightness, contrast and
    saturation move by up to 30 %; one in twelve is grey.
    """

    def factor() -> Tensor:
        return torch.from_numpy(random.uniform(0.7, 1.3, (len(x), 1, 1, 1)).astype(np.float32))

    pixels = x.float() * factor()
    middle = pixels.mean((1, 2, 3), keepdim=True)
    pixels = middle + (pixels - middle) * factor()
    grey = pixels.mean(1, keepdim=True)
    saturation = factor() * torch.from_numpy(random.random((len(x), 1, 1, 1)) > 1 / 12)
    pixels = (grey + (pixels - grey) * saturation).clamp(0, 255)
    small = pixels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    large = np.stack([_warped(image, size, random) for image in small])
    return normalised(torch.from_numpy(large).permute(0, 3, 1, 2))  # channels_last in memory


def accuracy(logits: Tensor, y: Tensor, k: int) -> float:
    """Share of the pictures whose class is among the k highest."""
    return (logits.topk(min(k, logits.shape[1])).indices == y[:, None]).any(1).double().mean().item()


def temperature(logits: Tensor, y: Tensor) -> float:
    """The divisor of the logits with the least cross entropy."""
    candidates = torch.linspace(0.3, 3.0, 271)
    return float(min(candidates, key=lambda t: float(F.cross_entropy(logits / t, y))))


def calibration_error(logits: Tensor, y: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., equation 5): how far confidence is from accuracy, averaged over equal bins."""
    confidence, chosen = logits.softmax(1).max(1)
    right = (chosen == y).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for k in range(bins):
        inside = place == k
        if inside.any():
            gap = (right[inside].mean() - confidence[inside].mean()).abs().item()
            error += gap * inside.sum().item() / len(y)
    return error


def _warped(image: NDArray[np.uint8], size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if random.random() < 0.2:
        side = int(random.integers(24, 49))
        coarse = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    scale = np.exp(random.uniform(np.log(0.35), np.log(1.7)) / 2)
    stretch = np.exp(random.uniform(-np.log(4 / 3), np.log(4 / 3)) / 2)
    sx, sy = scale * stretch, scale / stretch
    angle = random.uniform(-np.pi, np.pi) / 18
    mirror = random.choice((-1, 1))
    # The window's middle stays so that the window lies in the picture, or the picture in the window.
    tx, ty = random.uniform(-1, 1) * abs(1 - sx), random.uniform(-1, 1) * abs(1 - sy)
    linear = np.array(
        [[sx * np.cos(angle) * mirror, -sy * np.sin(angle)], [sx * np.sin(angle) * mirror, sy * np.cos(angle)]]
    )
    linear *= np.array([[width], [height]]) / size
    centre = np.array([(tx + 1) * width / 2, (ty + 1) * height / 2])
    matrix = np.column_stack((linear, centre - 0.5 - linear @ np.full(2, (size - 1) / 2)))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    if random.random() < 0.2:
        strength = random.uniform(0.2, 0.8)
        large = cv2.addWeighted(large, 1 + strength, cv2.blur(large, (5, 5)), -strength, 0)
    return large.astype(np.uint8, copy=False)
