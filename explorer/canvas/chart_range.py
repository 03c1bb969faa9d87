"""What a chart shows when nobody has zoomed: the axes' own ends, else what its marks cover, without trembling."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.canvas.artist import Artist
from explorer.figure import Axis, Bars, Curve, Points

Range = tuple[float, float]

SLACK = 0.55
"""The range shrinks only when the data fills less than this part of it; live charts would tremble otherwise."""

LEAST, MOST = 1e-290, 1e300
"""Of a range, so that places in it can be reckoned with."""


def _cover(artists: Sequence[Artist[Any]], which: int, log: bool) -> Range | None:
    """The least range of one axis around all marks, as the axis counts (logarithms on a logarithmic one)."""
    found: list[float] = []
    for artist in artists:
        extent = artist.extent()
        if extent is None:
            continue
        if not log:
            found += [extent[which], extent[which + 2]]
            continue
        values = _positive(artist, which)
        found += [float(np.log10(values.min())), float(np.log10(values.max()))] if len(values) else []
    return (min(found), max(found)) if found else None


def _positive(artist: Artist[Any], which: int) -> NDArray[np.float64]:
    """A mark's values on a logarithmic axis."""
    mark = artist.mark
    values: ArrayLike
    if isinstance(mark, Curve):
        values = mark.y if which else mark.x
    elif isinstance(mark, Points):
        values = mark.xy[:, which]
    elif isinstance(mark, Bars) and mark.horizontal == (which == 0):
        # A bar of one is a tenth of a decade high, not nothing.
        values = np.concatenate([np.ravel(mark.values), np.ravel(mark.values) * 0.8])
    elif isinstance(mark, Bars) and mark.edges is not None:
        values = mark.edges
    else:
        extent = artist.extent()
        values = np.array([extent[which], extent[which + 2]] if extent else [])
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array) & (array > 0)]


def chart_range(
    artists: Sequence[Artist[Any]], axes: tuple[Axis, Axis], before: tuple[Range, Range] | None
) -> tuple[Range, Range]:
    """The x and y ranges to show, padded; ``before`` is what is shown now, kept where it still fits."""
    made: list[Range] = []
    for which, axis in enumerate(axes):
        found = _cover(artists, which, axis.log)
        low, high = found or (0.0, 1.0)
        low, high = max(low, -MOST), min(high, MOST)
        ground = _grounded(artists, which)
        if high - low <= max(max(abs(low), abs(high)) * 1e-9, LEAST):
            # A single value stands in the middle of a range of its own size.
            room = abs(low) / 2 if abs(low) > LEAST else 0.5
            low, high = (low, high + room) if ground and low >= 0 else (low - room, high + room)
        pad = 0.05 * (high - low)
        tight = _tight(artists, which)
        padded_low = low - (0.0 if tight or (ground and low == 0) else pad)
        padded_high = high + (0.0 if tight or (ground and high == 0) else pad)
        if before is not None and found is not None:
            # Ends move outwards at once; inwards only when the data has become much smaller than what is shown.
            shown_low = before[which][0] if before[which][0] <= low else padded_low
            shown_high = before[which][1] if before[which][1] >= high else padded_high
            if high - low >= SLACK * (shown_high - shown_low):
                padded_low, padded_high = shown_low, shown_high
        own_low = _end(axis.low, axis.log)
        own_high = _end(axis.high, axis.log)
        padded_low = padded_low if own_low is None else own_low
        padded_high = padded_high if own_high is None else own_high
        if padded_high <= padded_low:
            padded_high = padded_low + 1.0
        made.append((padded_low, padded_high))
    return made[0], made[1]


def _end(value: float | None, log: bool) -> float | None:
    if value is None or (log and value <= 0):
        return None
    return float(np.log10(value)) if log else float(value)


def _grounded(artists: Sequence[Artist[Any]], which: int) -> bool:
    """Whether bars stand on this axis' zero, which then needs no padding."""
    return any(isinstance(a.mark, Bars) and a.mark.horizontal == (which == 0) for a in artists)


def _tight(artists: Sequence[Artist[Any]], which: int) -> bool:
    """Whether this is the axis along which a histogram's bars lie: it ends with them."""
    return any(
        isinstance(a.mark, Bars) and a.mark.edges is not None and a.mark.horizontal == (which == 1) for a in artists
    )
