"""A camera, by its number or name."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.i18n import tr
from explorer.sources.base import SourceError
from explorer.sources.live import Capture, LiveSource
from explorer.sources.opencv import cv2

BACKEND = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION, "linux": cv2.CAP_V4L2}.get(sys.platform, cv2.CAP_ANY)
"""One a platform, the same for listing and opening, so that the numbers agree. On Windows DirectShow: it opens at once and grants MJPG."""
MJPG = cv2.VideoWriter.fourcc(*"MJPG")
LONGEST_STILL = 5.0
"""Seconds of the very same picture without time stamps after which a camera that is still listed is opened anew to make sure."""
STEP = 8
"""Every eighth pixel in both directions tells whether two pictures are the same: a sensor's noise changes some of them."""


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera that is plugged in.

    Args:
        name: as its maker named it.
        index: OpenCV's number.
        path: the device's path where the system has one; tells apart two cameras of one name.
    """

    name: str
    index: int
    path: str = ""


def list_cameras() -> tuple[CameraInfo, ...]:
    """The cameras plugged in, by number. Quick; empty where the system does not tell."""
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        found = enumerate_cameras(BACKEND)
        cameras = {c.index: CameraInfo(c.name or f"{c.index}", c.index, c.path or "") for c in found}
    except Exception:  # drivers and missing system parts fail in many ways; no list is no reason to fail
        return ()
    return tuple(cameras[index] for index in sorted(cameras))


class CameraSource(LiveSource):
    """Asks for MJPG (uncompressed, USB has room for a few frames a second only), a resolution and a rate; takes what the camera grants.

    An unplugged camera is noticed when reads fail, when its time stamps stand still, or, where it has none, when the very same
    picture comes again and again although the camera is no longer listed (OpenCV issue 5221). It resumes when it is back, found
    by its name, since its number may be another then.

    Args:
        which: number or name, or part of the name.
        size: width and height asked for.
        fps: rate asked for.
        make: opens a capture by number and backend; for tests.
        cameras: lists the cameras; for tests.
        options: see :class:`live.LiveSource`.

    Raises:
        SourceError: (``read``) there is no such camera, or it cannot be opened.
    """

    kind = "camera"
    tolerated_failures = 5
    warm_up = 2.0

    def __init__(
        self,
        which: int | str = 0,
        *,
        size: tuple[int, int] = (1280, 720),
        fps: float = 30.0,
        make: Callable[[int, int], Capture] = cv2.VideoCapture,
        cameras: Callable[[], tuple[CameraInfo, ...]] = list_cameras,
        **options: Any,
    ) -> None:
        self._which = int(which) if isinstance(which, int) or which.strip().isdecimal() else which.strip()
        self._asked = size, fps
        self._make = make
        self._cameras = cameras
        self._info: CameraInfo | None = None
        self._info = self._find()
        self._name = self._info.name if self._info else str(self._which)
        super().__init__(tr("Camera {number}", number=which) if self._name.isdecimal() else self._name, **options)
        self._stamp: float | None = None
        self._stamps_move = False
        self._sample = b""
        self._still = False
        self._same_since = 0.0
        self._listed, self._listed_at = True, 0.0

    def connect(self) -> Capture:
        info = self._find()
        if info is None and (self._info is not None or isinstance(self._which, str) or self._cameras()):
            raise SourceError(tr("There is no camera {name}.", name=self._name))
        capture = self._make(info.index if info else int(self._which), BACKEND)
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                tr("The camera {name} cannot be opened; another program may be using it.", name=self._name)
            )
        (width, height), fps = self._asked
        capture.set(cv2.CAP_PROP_FOURCC, MJPG)
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0.1 <= rate <= 1000 else None
        self._info = info or self._info
        self._stamp, self._stamps_move, self._listed_at = None, False, self._clock()
        return capture

    def is_news(self, capture: Capture, image: NDArray[np.uint8]) -> bool:
        now = self._clock()
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC)
        sample = np.ascontiguousarray(image[::STEP, ::STEP]).tobytes()
        first = self._stamp is None
        moved = not first and stamp > 0 and stamp != self._stamp
        changed = sample != self._sample
        self._stamp, self._sample = stamp, sample
        self._stamps_move = self._stamps_move or moved
        if changed:
            self._still, self._same_since = False, now
            return True
        if first:  # reconnected, and the same picture still: it shows one, as virtual cameras do
            self._still = True
            return True
        if (self._stamps_move and not moved) or not self._is_listed(now):
            return False
        return moved or self._still or now - self._same_since < LONGEST_STILL

    def failed_sentence(self) -> str:
        return tr("The camera {name} sends no pictures.", name=self._name)

    def lost_sentence(self) -> str:
        return tr("The camera {name} is gone; it resumes when it is plugged in again.", name=self._name)

    def stalled_sentence(self) -> str:
        return tr("The camera {name} sends no pictures; waiting for it.", name=self._name)

    def _find(self) -> CameraInfo | None:
        """The camera meant, where the system lists it: the one opened before, the number, the name, or part of the name."""
        cameras = self._cameras()
        if self._info is not None:
            same = [c for c in cameras if c.name == self._info.name]
            return next((c for c in same if c.path == self._info.path), same[0] if same else None)
        if isinstance(self._which, int):
            return next((c for c in cameras if c.index == self._which), None)
        wanted = self._which.casefold()
        exact = [c for c in cameras if c.name.casefold() == wanted]
        part = [c for c in cameras if wanted in c.name.casefold()]
        return next(iter(exact or part), None)

    def _is_listed(self, now: float) -> bool:
        """Whether the system still lists the camera, asked once a second; True where it never did."""
        if self._info is None:
            return True
        if now - self._listed_at >= 1.0:
            self._listed_at, self._listed = now, self._find() is not None
        return self._listed
