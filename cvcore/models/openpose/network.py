"""What the pose networks have in common: how a picture goes in and people come back."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.models.openpose.maps import STRIDE, PoseMaps, average, mirror_image
from cvcore.ops.letterbox import Letterbox, to_height
from cvcore.ops.paf import OPENPOSE_18, Skeleton, Thresholds, cells_to_pixels, decode_scored

THREE_SIZES = (1.0, 1.5, 2.0)
"""Times the height, of three looks."""
COMPLETE = Thresholds(weak_threshold=0.02)
"""The usual thresholds, and people are completed."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a network wants its pixels: (value / scale - mean) / std, in this order of colours, value 0 to 255."""

    scale: float
    mean: float
    std: float
    bgr: bool


class PoseNetwork(nn.Module):
    """Heat maps and PAFs of :data:`OPENPOSE_18` at stride 8, refined in stages. Any input size of at least 8 x 8.

    ``pixels`` says how the network wants its pixels, ``short_side`` how large it looks at a picture unless told: its shorter side, in px.
    """

    pixels: Pixels
    short_side: int = 368
    skeleton: Skeleton = OPENPOSE_18
    stride: int = STRIDE

    @abstractmethod
    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        """(N, 3, H, W) as :meth:`preprocess` gives it -> what each stage believes, the first one first."""

    def preprocess(self, frame: NDArray[np.uint8] | Tensor, height: int | None = None) -> tuple[Tensor, Letterbox]:
        """An RGB picture -> the network's input, on its device and in its precision, and how places go back.

        The picture keeps its shape, but for rounding its width to a multiple of 8, and is not padded.

        Args:
            frame: (H, W, 3) uint8 array; or a (3, H, W) or (B, 3, H, W) tensor, uint8 or floating in [0, 1].
            height: of the input, in pixels, a multiple of 8; None: such that the shorter side is ``short_side``.

        Raises:
            ValueError: shape or height.
        """
        wanted = height_for(frame, self.short_side) if height is None else height
        x, transform = to_height(frame, wanted, multiple=STRIDE)
        weight = next(self.parameters())
        values = x.to(weight.device).float() * (255 if x.is_floating_point() else 1)
        values = (values.flip(1) if self.pixels.bgr else values) / self.pixels.scale
        return ((values - self.pixels.mean) / self.pixels.std).to(weight.dtype), transform

    def look(
        self,
        frame: NDArray[np.uint8] | Tensor,
        height: int | None = None,
        sizes: Sequence[float] = (1.0,),
        *,
        mirrored: bool = False,
    ) -> tuple[tuple[PoseMaps, ...], Letterbox]:
        """What each stage believes of an RGB picture, the mean of several looks, and how places go back. Multi-scale testing, as in the
        OpenPose demo.

        Args:
            frame, height: as in :meth:`preprocess`; the maps have the cells of this height.
            sizes: times the height, at which it is looked at, rounded to multiples of 8.
            mirrored: also in the mirror.

        Raises:
            ValueError: frame or height; no size.
        """
        first, transform = self.preprocess(frame, height)
        rows, columns = (-(-side // STRIDE) for side in first.shape[-2:])
        seen: list[tuple[PoseMaps, ...]] = []
        for size in sizes:
            own = max(1, round(rows * size)) * STRIDE
            x = first if own == first.shape[-2] else self.preprocess(frame, own)[0]
            seen.append(self.stages(x))
            if mirrored:
                seen.append(tuple(mirror_image(maps) for maps in self.stages(x.flip(-1))))
        if len(seen) == 1 and seen[0][-1].heatmaps.shape[-2:] == (rows, columns):
            return seen[0], transform
        if not seen:
            raise ValueError("there is no size to look at")
        return tuple(average(maps, (rows, columns)) for maps in zip(*seen, strict=True)), transform

    def people(
        self,
        frame: NDArray[np.uint8] | Tensor,
        height: int | None = None,
        thresholds: Thresholds | None = None,
        sizes: Sequence[float] = (1.0,),
        *,
        mirrored: bool = False,
    ) -> Tensor:
        """(P, 18, 3) the people of one RGB picture, in its own pixels (continuous coordinates); no gradients.

        Args:
            frame, height, sizes, mirrored: as in :meth:`look`.
            thresholds: None: the defaults, and people are completed from weak peaks above 0.02.

        Raises:
            ValueError: as :meth:`look` and ``cvcore.ops.paf.decode``.
        """
        return self.scored_people(frame, height, thresholds, sizes, mirrored=mirrored)[0]

    @torch.no_grad()
    def scored_people(
        self,
        frame: NDArray[np.uint8] | Tensor,
        height: int | None = None,
        thresholds: Thresholds | None = None,
        sizes: Sequence[float] = (1.0,),
        *,
        mirrored: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """:meth:`people`, and their scores (P,), falling."""
        stages, transform = self.look(frame, height, sizes, mirrored=mirrored)
        last = stages[-1]
        found = decode_scored(last.heatmaps[0], last.pafs[0], thresholds or COMPLETE, skeleton=self.skeleton)
        return to_picture(found.people, transform), found.scores


def height_for(frame: NDArray[np.uint8] | Tensor, short_side: int) -> int:
    """Of the network's input, a multiple of 8, so that the picture's shorter side is about ``short_side`` px."""
    height, width = frame.shape[:2] if isinstance(frame, np.ndarray) else frame.shape[-2:]
    return max(STRIDE, round(short_side * height / max(1, min(height, width)) / STRIDE) * STRIDE)


def to_picture(people: Tensor, transform: Letterbox) -> Tensor:
    """(P, K, 3) people in cells -> in the picture's pixels, on continuous coordinates; what is not there stays 0, 0, 0."""
    pixels = cells_to_pixels(people, STRIDE)
    moved = torch.cat((transform.to_picture(pixels[..., :2]), pixels[..., 2:]), -1)
    return torch.where(people[..., 2:] > 0, moved, 0)
