"""A virtual camera that pans, zooms and gently turns over a photograph: the same frames every time, for demos and tests.

Its centre runs along a closed Lissajous curve, its zoom and angle swing with other whole frequencies, so that everything
repeats smoothly after PERIOD seconds. The view never leaves the picture.
"""

import math
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.panel import Frame
from explorer.sources.base import Source, SourceError
from explorer.sources.decode import load_picture
from explorer.sources.opencv import cv2
from explorer.sources.pixels import resize

PERIOD = 20.0
ZOOM = 1.8
ANGLE = math.radians(5)
LARGEST_SIDE = 8192


class MovingSource(Source):
    """Frames without end; number ``i`` and ``i + period`` are the same.

    Args:
        path: the photograph.
        fps: 1 to 1000.
        size: width and height of the frames.

    Raises:
        SourceError: the photograph cannot be read, or fps or size is out of range.
    """

    kind = "moving"
    live = True

    def __init__(self, path: str | os.PathLike[str], *, fps: float = 30.0, size: tuple[int, int] = (1280, 720)) -> None:
        if not 1 <= fps <= 1000:
            raise SourceError(tr("A moving picture has 1 to 1000 frames a second, not {fps}.", fps=f"{fps:g}"))
        if not all(1 <= side <= LARGEST_SIDE for side in size):
            raise SourceError(
                tr(
                    "A moving picture has sides of 1 to {most} pixels, not {size}.",
                    most=LARGEST_SIDE,
                    size=f"{size[0]} × {size[1]}",
                )
            )
        self.path = Path(path)
        self.title = tr("{name}, moving", name=self.path.name)
        self.fps = float(fps)
        self.size = size
        self.period = round(PERIOD * fps)
        image, self._note = load_picture(self.path)
        self._picture, self._scale = self._prepared(image)
        self._next = 0

    def _prepared(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        """The photograph at the sharpness needed, and the picture's pixels a frame's pixel covers when zoomed out.

        Zoomed in fully, one pixel of the frame takes at least one of the picture: what is finer would only flicker.
        """
        width, height = self.size
        turn_width = width * math.cos(ANGLE) + height * math.sin(ANGLE)
        turn_height = width * math.sin(ANGLE) + height * math.cos(ANGLE)
        scale = min(image.shape[1] / turn_width, image.shape[0] / turn_height)
        shrink = min(1.0, ZOOM / scale)
        if shrink < 1:
            image = resize(image, max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
        return image, scale * shrink

    def frame_at(self, index: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 of frame ``index``."""
        width, height = self.size
        phase = 2 * math.pi * (index % self.period) / self.period
        scale = self._scale / ZOOM ** (0.5 - 0.5 * math.cos(phase))
        angle = ANGLE * math.sin(2 * phase)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        # What room the turned view leaves in the picture, the centre may wander in.
        room_x = max(0.0, self._picture.shape[1] - (width * abs(cos) + height * abs(sin))) / 2
        room_y = max(0.0, self._picture.shape[0] - (width * abs(sin) + height * abs(cos))) / 2
        x = (self._picture.shape[1] - 1) / 2 + room_x * math.sin(3 * phase)
        y = (self._picture.shape[0] - 1) / 2 + room_y * math.sin(2 * phase + math.pi / 4)
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        from_frame = np.array(
            [[cos, -sin, x - cos * middle_x + sin * middle_y], [sin, cos, y - sin * middle_x - cos * middle_y]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = cv2.warpAffine(self._picture, from_frame, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(view, np.uint8)

    def read(self, timeout: float | None = None) -> Frame:
        started = time.perf_counter()
        image = self.frame_at(self._next)
        now = time.perf_counter()
        frame = Frame(image, self._next, now, self.title, now - started, self._note)
        self._next += 1
        return frame

    def seek(self, index: int) -> None:
        self._next = max(0, index)
