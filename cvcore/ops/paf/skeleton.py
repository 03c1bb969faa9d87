"""Which keypoints a body has, which pairs of them are limbs, and where a network puts each of them: data, no code.

:data:`OPENPOSE_18` is the body of the published networks of Cao et al. (18 keypoints, 19 limbs): COCO's 17 keypoints and a
neck, in the authors' order, with the PAF channels of their Caffe model, which pytorch-openpose, tf-pose-estimation and
lightweight OpenPose share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.ops.compiling import forget_stale

forget_stale(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A body of K keypoints and L limbs.

    Args:
        names: (K,) of the keypoints, in the order of the heat maps; the background comes after them.
        limbs: (L,) pairs of keypoints (from, to), in the order in which people are put together.
        paf_channels: (L,) the channels (x, y) of each limb among the 2 L of a network.
        redundant: limbs that may join what is there but start no new person, being no edges of the tree.

    Raises:
        ValueError: a limb names no keypoint, or the channels are not 0 to 2 L - 1, each once.
    """

    names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    paf_channels: tuple[tuple[int, int], ...]
    redundant: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(not 0 <= k < len(self.names) for limb in self.limbs for k in limb) or any(a == b for a, b in self.limbs):
            raise ValueError("a limb must join two different keypoints of the skeleton")
        if sorted(c for pair in self.paf_channels for c in pair) != list(range(2 * len(self.limbs))):
            raise ValueError("the PAF channels must be 0 to 2 L - 1, each once")
        if any(not 0 <= limb < len(self.limbs) for limb in self.redundant):
            raise ValueError("a redundant limb must be one of the limbs")

    def limb_name(self, limb: int) -> str:
        a, b = self.limbs[limb]
        return f"{self.names[a]} - {self.names[b]}"

    def limb_array(self) -> NDArray[np.int64]:
        """(L, 2)"""
        return np.array(self.limbs, np.int64).reshape(-1, 2)

    def channel_array(self) -> NDArray[np.int64]:
        """(L, 2)"""
        return np.array(self.paf_channels, np.int64).reshape(-1, 2)


# fmt: off
OPENPOSE_18 = Skeleton(
    names=(
        "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
        "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
        "right eye", "left eye", "right ear", "left ear",
    ),
    limbs=(
        (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
        (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
    ),
    paf_channels=(
        (12, 13), (20, 21), (14, 15), (16, 17), (22, 23), (24, 25), (0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11),
        (28, 29), (30, 31), (34, 35), (32, 33), (36, 37), (18, 19), (26, 27),
    ),
    redundant=(17, 18),
)

COCO_17_NAMES = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)
"""COCO's keypoints in COCO's order."""
# fmt: on


def mirrored(names: Sequence[str]) -> list[int]:
    """Where each keypoint of a body is among those of the mirror image: left and right change places."""
    swapped = (name.replace("right", "#").replace("left", "right").replace("#", "left") for name in names)
    return [names.index(name) for name in swapped]


COCO_TO_OPENPOSE = tuple(OPENPOSE_18.names.index(name) for name in COCO_17_NAMES)
"""(17,) where each of COCO's keypoints is among the 18."""
NECK = 1


def to_coco(people: Tensor) -> Tensor:
    """(P, 18, 3) people of :data:`OPENPOSE_18` -> (P, 17, 3) in COCO's order; the neck is left out.

    Raises:
        ValueError: shape.
    """
    if people.dim() != 3 or people.shape[1:] != (18, 3):
        raise ValueError(f"people must be (P, 18, 3), not {tuple(people.shape)}")
    return people[:, torch.tensor(COCO_TO_OPENPOSE, device=people.device)]


def from_coco(people: Tensor) -> Tensor:
    """(P, 17, 3) people in COCO's order -> (P, 18, 3) of :data:`OPENPOSE_18`.

    The neck is the middle of the shoulders where both are labelled (as the authors make it), with the lower of their two
    third values (visibility or score); otherwise it is not labelled. What is not labelled is 0, 0, 0.

    Raises:
        ValueError: shape.
    """
    if people.dim() != 3 or people.shape[1:] != (17, 3):
        raise ValueError(f"people must be (P, 17, 3), not {tuple(people.shape)}")
    out = people.new_zeros(len(people), 18, 3)
    out[:, torch.tensor(COCO_TO_OPENPOSE, device=people.device)] = people
    left, right = out[:, 5], out[:, 2]
    both = (left[:, 2] > 0) & (right[:, 2] > 0)
    middle = torch.cat(((left[:, :2] + right[:, :2]) / 2, torch.minimum(left[:, 2:], right[:, 2:])), 1)
    out[:, NECK] = torch.where(both[:, None], middle, 0)
    return torch.where(out[..., 2:] > 0, out, 0)


def cells_to_pixels(people: Tensor, stride: float = 8.0) -> Tensor:
    """People in cells of a map -> in pixels of the network's input, on continuous coordinates, as boxes are.

    In a map, 0 is the middle of the first cell; in a picture, the edge of the first pixel. Cell i sees the pixels from
    i stride to (i + 1) stride, whose middle is (i + 1/2) stride. What is not there (third value 0) stays 0, 0, 0.

    Args:
        people: (P, K, 3) x, y, score.
    """
    moved = torch.cat(((people[..., :2] + 0.5) * stride, people[..., 2:]), -1)
    return torch.where(people[..., 2:] > 0, moved, 0)


def pixels_to_cells(people: Tensor, stride: float = 8.0) -> Tensor:
    """The inverse of :func:`cells_to_pixels`."""
    moved = torch.cat((people[..., :2] / stride - 0.5, people[..., 2:]), -1)
    return torch.where(people[..., 2:] > 0, moved, 0)
