"""The thread that encodes and writes a recording: the video, and a JSON line for each of its frames. No Qt.

One slot holds the picture to be written next. While it is taken, further pictures are dropped and counted: nothing grows, and the program
never waits for the disk.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.engine.thread import lower_priority
from explorer.files.whole import reason
from explorer.i18n import tr
from explorer.recording.matroska import MatroskaWriter
from explorer.settings.session import fields_to_json

log = logging.getLogger(__name__)
QUALITY = 90
"""Of the JPEG pictures, whose colours keep their full resolution: thin coloured lines stay sharp."""
PATIENCE = 10.0
"""Seconds that stopping may take."""


@dataclass(frozen=True, slots=True, eq=False)
class PanelState:
    """What one panel showed: its name and number, and its Params and View."""

    name: str
    params: Any
    view: Any


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture to be recorded.

    Args:
        pixels: (H, W, 4) uint8, blue, green, red and one more that is not looked at.
        time: when it was seen, in seconds of ``time.perf_counter``.
        source, index, source_time: the frame it shows: its source's name, its number there, and when it was captured.
        panels: all that could be seen, by name and number.
        keep: what owns the memory of the pixels.
    """

    pixels: NDArray[np.uint8]
    time: float
    source: str = ""
    index: int = 0
    source_time: float = 0.0
    panels: Mapping[str, PanelState] = field(default_factory=dict)
    keep: Any = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How a recording goes: frames written and dropped, bytes, seconds of video, what went wrong, and whether it goes on."""

    frames: int
    dropped: int
    bytes: int
    seconds: float
    error: str
    running: bool


class Recorder(threading.Thread):
    """Writes one recording; :meth:`offer` it pictures, and :meth:`stop` it.

    Args:
        path: of the video; the JSON lines go beside it, with the ending ``.jsonl``.
        about: what the first line says besides the time.
    """

    def __init__(self, path: Path, about: Mapping[str, Any] | None = None) -> None:
        super().__init__(name=f"record {path.name}", daemon=True)
        self.path = path
        self.lines_path = path.with_suffix(".jsonl")
        self._about = dict(about or {})
        self._cond = threading.Condition()
        self._slot: Shot | None = None
        self._stopping = False
        self._dropped = 0
        self._frames = 0
        self._bytes = 0
        self._seconds = 0.0
        self._error = ""
        self._ended = False

    # -- any thread; returns at once

    def is_free(self) -> bool:
        """Whether :meth:`offer` would take a picture; if not, the picture that is not taken counts as dropped."""
        with self._cond:
            if self._slot is None and not self._stopping and not self._ended:
                return True
            self._dropped += not self._stopping and not self._ended
            return False

    def offer(self, shot: Shot) -> bool:
        """Hands a picture over; False if it is dropped."""
        with self._cond:
            if self._stopping or self._ended:
                return False
            if self._slot is not None:
                self._dropped += 1
                return False
            self._slot = shot
            self._cond.notify()
            return True

    @property
    def progress(self) -> Progress:
        with self._cond:
            return Progress(self._frames, self._dropped, self._bytes, self._seconds, self._error, not self._ended)

    def stop(self, timeout: float = PATIENCE) -> Progress:
        """Writes what was handed over, and ends the files."""
        with self._cond:
            self._stopping = True
            self._cond.notify()
        if self.is_alive():
            self.join(timeout)
        return self.progress

    # -- the thread

    def run(self) -> None:
        lower_priority(10)
        files = _Files(self.path, self.lines_path, self._about)
        try:
            while (shot := self._next()) is not None:
                files.write(shot, self._dropped)
                with self._cond:
                    self._frames, self._bytes, self._seconds = files.frames, files.bytes, files.seconds
        except OSError as error:
            log.warning("recording stopped: %s", error)
            self._fail(tr("The recording stopped: {why}.", why=reason(error)))
        except Exception as error:
            log.exception("recording failed")
            self._fail(tr("The recording stopped: {why}.", why=str(error) or type(error).__name__))
        finally:
            files.close()
            with self._cond:
                self._ended, self._slot = True, None

    def _next(self) -> Shot | None:
        with self._cond:
            self._cond.wait_for(lambda: self._slot is not None or self._stopping)
            shot, self._slot = self._slot, None
            return shot

    def _fail(self, sentence: str) -> None:
        with self._cond:
            self._error = sentence


class _Files:
    """The video and its lines, begun with the first picture."""

    def __init__(self, path: Path, lines_path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self._lines_path = lines_path
        self._about = about
        self._video: MatroskaWriter | None = None
        self._lines: Lines | None = None
        self._size = (0, 0)
        self._started = 0.0
        self._panels: dict[str, Any] = {}
        self.seconds = 0.0

    @property
    def frames(self) -> int:
        return self._video.frames if self._video else 0

    @property
    def bytes(self) -> int:
        return self._video.bytes if self._video else 0

    def write(self, shot: Shot, dropped: int) -> None:
        if self._video is None:
            self._begin(shot)
        assert self._video is not None
        assert self._lines is not None
        jpeg = encode(fitted(shot.pixels, self._size))
        stamp = self._video.write(jpeg, round(1000 * (shot.time - self._started)))
        self.seconds = stamp / 1000
        panels = {
            name: {"panel": state.name, **fields_to_json(state.params, state.view)}
            for name, state in shot.panels.items()
        }
        line = {
            "frame": self._video.frames - 1,
            "time": stamp / 1000,
            "source": shot.source,
            "source_frame": shot.index,
            "source_time": round(shot.source_time - self._started, 6),
            "dropped": dropped,
        }
        if panels != self._panels:
            line["panels"] = self._panels = panels
        self._lines.write(line)

    def close(self) -> None:
        """Ends both files; without any frame they go again."""
        if self._video is not None:
            self._video.close()
        if self._lines is not None:
            self._lines.close()
        if self._video is not None and not self._video.frames:
            self._path.unlink(missing_ok=True)
            if self._lines is not None:
                self._lines_path.unlink(missing_ok=True)

    def _begin(self, shot: Shot) -> None:
        height, width = shot.pixels.shape[:2]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._size, self._started = (width, height), shot.time
        self._video = MatroskaWriter(self._path, self._size, "CV Explorer")
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self._lines = Lines(self._lines_path)
        self._lines.write({"video": self._path.name, "started": now, "size": self._size, **self._about})


class Lines:
    """JSON lines, each in the file before the next one is begun, and none of them half.

    Raises:
        OSError: it cannot be written; the file then ends with the line before.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._size = 0

    def write(self, line: Mapping[str, Any]) -> None:
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def close(self) -> None:
        os.close(self._file)


def fitted(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 4) -> (height, width, 3): as it is, or scaled into black bars where the size is another."""
    import cv2

    bgr = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), np.uint8)
    height, width = bgr.shape[:2]
    if (width, height) == size:
        return bgr
    scale = min(size[0] / width, size[1] / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (size[0] - w) // 2, (size[1] - h) // 2
    barred = np.zeros((size[1], size[0], 3), np.uint8)
    barred[y : y + h, x : x + w] = cv2.resize(bgr, (w, h), interpolation=cv2.INTER_AREA)
    return barred


def encode(bgr: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) as JPEG."""
    import cv2

    settings = [
        *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    done, data = cv2.imencode(".jpg", bgr, settings)
    if not done:
        raise ValueError("OpenCV could not encode a picture")
    return data.tobytes()
