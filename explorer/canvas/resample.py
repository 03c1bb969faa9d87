"""Pictures and maps at exactly the pixels the screen shows, so that painting them is one plain copy.

Qt's own scaling of a 1280 x 720 picture costs several milliseconds a frame; this costs under one. A cell that is smaller than a
device pixel is averaged into it; one that is larger is a crisp rectangle, or interpolated where asked.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CRISP = 3.0
"""From so many device pixels a cell on, a photograph shows its pixels instead of being interpolated."""

SMALL = 100.0
"""Device pixels a cell up to which a part of a picture may be enlarged as a whole and then cut."""

THINNEST = 1e-9
"""Device pixels of a cell at the least: a picture 100,000 times as wide as high is a fraction of one high."""

_LANES = np.ones(64, dtype=np.float32)


def resize(source: Array, size: tuple[int, int], out: Array, interpolation: int) -> Array:
    """``cv2.resize`` at its full speed inside a paint event."""
    import cv2

    # Qt's opaque fills leave the upper halves of the AVX registers in use, and OpenCV's SSE code then takes five times as
    # long (2.2 ms instead of 0.46 for 1280 x 720 to 790 x 444). numpy clears them after any arithmetic of its own.
    np.add(_LANES, _LANES)
    return cv2.resize(source, size, dst=out, interpolation=interpolation)


class Scratch:
    """Arrays used again for every frame: fresh ones of megabytes cost more than what is written into them."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of this shape with anything in it; the one of this name from the last time where it fits."""
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(shape, dtype)
        return kept

    def take(self, name: str, source: Array, where: Array, axis: int | None = None) -> Array:
        """``np.take``."""
        shape = where.shape if axis is None else (*source.shape[:axis], len(where), *source.shape[axis + 1 :])
        return np.take(source, where, axis=axis, out=self.array(name, shape, source.dtype), mode="clip")


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in device pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def scale(self, columns: int, rows: int) -> tuple[float, float]:
        """Device pixels of one of so many cells across and down; never nothing, so that it can be divided by."""
        return max((self.right - self.left) / columns, THINNEST), max((self.bottom - self.top) / rows, THINNEST)

    def within(self, other: "Area") -> tuple[int, int, int, int] | None:
        """The whole pixels of this area that lie in the other one; at least one where they touch, else None, and of nowhere."""
        if not math.isfinite(self.left + self.top + self.right + self.bottom):
            return None
        left, right = max(round(self.left), int(other.left)), min(round(self.right), int(np.ceil(other.right)))
        top, bottom = max(round(self.top), int(other.top)), min(round(self.bottom), int(np.ceil(other.bottom)))
        right = left + 1 if round(self.left) == round(self.right) else right
        bottom = top + 1 if round(self.top) == round(self.bottom) else bottom
        if left >= right or top >= bottom or left >= other.right or top >= other.bottom:
            return None
        if right <= other.left or bottom <= other.top:
            return None
        return left, top, right, bottom


class Gathering:
    """Which cell each device pixel of one axis shows, worked out once for many frames.

    Args:
        cells: for each pixel the number of its cell.
        none: whether it shows nothing.
    """

    def __init__(self, cells: NDArray[np.intp], none: NDArray[np.bool_]) -> None:
        self.cells, self.none = cells, none
        breaks = (np.diff(cells) != 1) | none[1:] | none[:-1]
        ends = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(cells)]
        # Those that follow each other are copied together, if that is worth it.
        runs = [(begin, end, int(cells[begin])) for begin, end in pairwise(ends) if not none[begin]]
        self._runs = runs if len(runs) <= len(cells) // 8 else None
        self._gaps = slice(None) if none.all() else np.flatnonzero(none)

    def columns(self, source: Array, scratch: Scratch) -> Array:
        """(H, pixels) of (H, cells), 0 where there is nothing."""
        out = scratch.array("columns", (source.shape[0], len(self.cells)), source.dtype)
        if self._runs is None:
            np.take(source, self.cells, axis=1, out=out, mode="clip")
        else:
            for begin, end, first in self._runs:
                out[:, begin:end] = source[:, first : first + end - begin]
        out[:, self._gaps] = 0
        return out

    def rows(self, source: Array, scratch: Scratch) -> Array:
        """(pixels, W) of (cells, W), 0 where there is nothing."""
        out = scratch.take("rows", source, self.cells, 0)
        out[self._gaps] = 0
        return out


@dataclass(frozen=True, slots=True)
class Shown:
    """What to copy to the device, and where its top left pixel goes."""

    pixels: Array
    left: int
    top: int


def steps(start: int, stop: int, origin: float, scale: float, count: int) -> NDArray[np.intp]:
    """The cell under the centre of each device pixel from start to stop, for cells of ``scale`` pixels from ``origin`` on."""
    cells = np.floor((np.arange(start, stop) + (0.5 - origin)) / scale).astype(np.intp)
    return np.clip(cells, 0, count - 1)


def crisp(source: Array, area: Area, clip: Area, scratch: Scratch) -> Shown | None:
    """Each cell a rectangle: the value under the centre of each device pixel. ``source`` is (H, W), any dtype."""
    part = area.within(clip)
    if part is None:
        return None
    left, top, right, bottom = part
    height, width = source.shape[:2]
    sx, sy = area.scale(width, height)
    columns, rows = steps(left, right, area.left, sx, width), steps(top, bottom, area.top, sy, height)
    used = source[rows[0] : rows[-1] + 1]
    wide = scratch.take("wide", used, columns, 1)
    return Shown(scratch.take("crisp", wide, rows - rows[0], 0), left, top)


def interpolated(source: Array, area: Area, clip: Area, scratch: Scratch) -> Shown | None:
    """Bilinear between cell centres, for enlarging; along an axis that is made smaller, cells are averaged.

    Args:
        source: (H, W) or (H, W, C), uint8 or float32.
    """
    import cv2

    part = area.within(clip)
    if part is None:
        return None
    left, top, right, bottom = part
    height, width = source.shape[:2]
    sx, sy = area.scale(width, height)
    first_x, last_x = _cells(left, right, area.left, sx, width, more=2)
    first_y, last_y = _cells(top, bottom, area.top, sy, height, more=2)
    used = source[first_y:last_y, first_x:last_x]
    begin_x, begin_y = area.left + first_x * sx, area.top + first_y * sy
    end_x, end_y = area.left + last_x * sx, area.top + last_y * sy
    if sx < 1 or sy < 1:
        # Bilinear alone would skip cells.
        rows, columns = used.shape[:2]
        size = max(1, round(columns * min(sx, 1.0))), max(1, round(rows * min(sy, 1.0)))
        out = scratch.array("one way", (size[1], size[0], *used.shape[2:]), used.dtype)
        used = resize(used, size, out, cv2.INTER_AREA)
        sx, sy = (end_x - begin_x) / size[0], (end_y - begin_y) / size[1]
    if max(sx, sy) <= SMALL:
        # The same up to half a device pixel, several times as fast.
        from_x, from_y = round(begin_x), round(begin_y)
        size = max(round(end_x) - from_x, right - from_x), max(round(end_y) - from_y, bottom - from_y)
        out = scratch.array("enlarged", (size[1], size[0], *used.shape[2:]), used.dtype)
        whole = resize(used, size, out, cv2.INTER_LINEAR)
        return Shown(whole[top - from_y : bottom - from_y, left - from_x : right - from_x], left, top)
    matrix = np.array([[1 / sx, 0, (left + 0.5 - begin_x) / sx - 0.5], [0, 1 / sy, (top + 0.5 - begin_y) / sy - 0.5]])
    made = cv2.warpAffine(
        used,
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return Shown(made, left, top)


def shrunk(source: Array, size: tuple[int, int], scratch: Scratch, unit: tuple[int, int] | None = None) -> Array:
    """Averages (H, W) or (H, W, C) down to size (w, h), w <= W and h <= H.

    Whole factors by area, what is left bilinear: several times as fast as by area throughout.

    Args:
        unit: (w, h) of cells that repeat in the source and must not be mixed; the size is a multiple of their number.
    """
    import cv2

    height, width = source.shape[:2]
    fx, fy = max(1, width // size[0]), max(1, height // size[1])
    if unit is not None:
        fx, fy = _divisor(unit[0], width / size[0]), _divisor(unit[1], height / size[1])
        if max(width / fx / size[0], height / fy / size[1]) > 2:
            # No whole factor comes near, and bilinear alone would skip cells.
            out = scratch.array("shrunk", (size[1], size[0], *source.shape[2:]), source.dtype)
            return resize(source, size, out, cv2.INTER_AREA)
    if fx > 1 or fy > 1:
        part = source[: height // fy * fy, : width // fx * fx]
        out = scratch.array("whole factors", (height // fy, width // fx, *source.shape[2:]), source.dtype)
        source = resize(part, (width // fx, height // fy), out, cv2.INTER_AREA)
    if (source.shape[1], source.shape[0]) != size:
        out = scratch.array("shrunk", (size[1], size[0], *source.shape[2:]), source.dtype)
        source = resize(source, size, out, cv2.INTER_LINEAR)
    return source


def _divisor(number: int, most: float) -> int:
    """The largest whole divisor of a number up to ``most``."""
    return max(factor for factor in range(1, max(1, int(most)) + 1) if number % factor == 0)


def averaged(source: Array, area: Area, clip: Area, scratch: Scratch) -> Shown | None:
    """Each device pixel the mean of the cells it covers, for making smaller. ``source`` is (H, W) or (H, W, C)."""
    part = area.within(clip)
    if part is None:
        return None
    left, top, right, bottom = part
    height, width = source.shape[:2]
    sx, sy = area.scale(width, height)
    first_x, last_x = _cells(left, right, area.left, sx, width)
    first_y, last_y = _cells(top, bottom, area.top, sy, height)
    used = source[first_y:last_y, first_x:last_x]
    size = min(right - left, used.shape[1]), min(bottom - top, used.shape[0])
    made = shrunk(used, size, scratch)
    if size != (right - left, bottom - top):
        made = np.take(
            np.take(made, steps(0, right - left, 0.0, (right - left) / size[0], size[0]), axis=1),
            steps(0, bottom - top, 0.0, (bottom - top) / size[1], size[1]),
            axis=0,
        )
    return Shown(made, left, top)


def photograph(source: NDArray[np.uint8], area: Area, clip: Area, scratch: Scratch) -> Shown | None:
    """(H, W), (H, W, 3) or (H, W, 4) uint8 at the screen's pixels, as (h, w, 4) in :func:`bgra`'s order."""
    height, width = source.shape[:2]
    sx, sy = area.scale(width, height)
    if sx < 1 and sy < 1:
        shown = averaged(source, area, clip, scratch)
    elif max(sx, sy) < CRISP and min(height, width) > 1:
        shown = interpolated(source, area, clip, scratch)
    else:
        return _magnified(source, area, clip, scratch)
    return None if shown is None else Shown(bgra(shown.pixels, scratch), shown.left, shown.top)


def _magnified(source: NDArray[np.uint8], area: Area, clip: Area, scratch: Scratch) -> Shown | None:
    part = area.within(clip)
    if part is None:
        return None
    height, width = source.shape[:2]
    sx, sy = area.scale(width, height)
    # Only the pixels in sight are worth packing into one number each.
    first_x, last_x = _cells(part[0], part[2], area.left, sx, width)
    first_y, last_y = _cells(part[1], part[3], area.top, sy, height)
    packed = bgra(source[first_y:last_y, first_x:last_x]).view(np.uint32)[..., 0]
    left, top = area.left + first_x * sx, area.top + first_y * sy
    shown = crisp(packed, Area(left, top, left + packed.shape[1] * sx, top + packed.shape[0] * sy), clip, scratch)
    if shown is None:
        return None
    return Shown(shown.pixels.view(np.uint8).reshape(*shown.pixels.shape, 4), shown.left, shown.top)


def bgra(source: NDArray[np.uint8], scratch: Scratch | None = None) -> NDArray[np.uint8]:
    """(H, W), (H, W, 3) or (H, W, 4) uint8 grey, RGB or RGBA as contiguous (H, W, 4) in QImage's order, not premultiplied."""
    import cv2

    if source.ndim == 2:
        code = cv2.COLOR_GRAY2BGRA
    elif source.shape[2] == 3:
        code = cv2.COLOR_RGB2BGRA
    else:
        code = cv2.COLOR_RGBA2BGRA
    out = (scratch or Scratch()).array("bgra", (*source.shape[:2], 4), np.uint8)
    cv2.cvtColor(np.ascontiguousarray(source), code, dst=out)
    return out


def _cells(start: int, stop: int, origin: float, scale: float, count: int, more: int = 0) -> tuple[int, int]:
    """The first and one past the last cell that device pixels start to stop touch, and ``more`` on either side."""
    first = min(max(int(np.floor((start - origin) / scale + 1e-6)) - more, 0), count - 1)
    last = max(min(int(np.ceil((stop - origin) / scale - 1e-6)) + more, count), first + 1)
    return first, last
