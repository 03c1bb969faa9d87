"""Where a panel's time goes: rates, stage means and one plain verdict, over the last results. No Qt."""

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median

from explorer.i18n import tr
from explorer.panel import Result, Stage

WINDOW = 30
"""How many results the figures speak of."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over the last results.

    Args:
        fps: results shown a second; 0 while nothing moves.
        stages: (name, seconds), in order: capture, wait, the panel's own, draw.
        frame_age: seconds from capture to being drawn.
        verdict: one plain sentence.
    """

    fps: float
    stages: tuple[tuple[str, float], ...]
    frame_age: float
    verdict: str


class Timing:
    """Collects the stages of the results that one panel showed."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, tuple[Stage, ...], float]] = deque(maxlen=WINDOW)
        self._last_frame: object = None

    def add(self, result: Result, draw: Stage) -> None:
        """A result was drawn; a repeated frame (parameters changed) says nothing of rates or age, so age is 0 then."""
        fresh = result.frame is not self._last_frame
        self._last_frame = result.frame
        age = draw.end - result.frame.time if fresh else 0.0
        self._shown.append((draw.end, (*result.stages, draw), age))

    def clear(self) -> None:
        self._shown.clear()

    def summary(self, now: float, source_fps: float, source_name: str) -> Summary | None:
        """The last results in figures; None before the first.

        Args:
            now: ``time.perf_counter``.
            source_fps: measured, 0 for a picture that stands still.
            source_name: what gives the frames, as in "the camera gives 15 fps".
        """
        if not self._shown:
            return None
        times = [shown for shown, _, _ in self._shown]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        fps = 1 / median(gaps) if gaps and now - times[-1] < 2 and median(gaps) > 0 else 0.0
        order: dict[str, list[float]] = {}
        for _, stages, _ in self._shown:
            for stage in stages:
                order.setdefault(stage.name, []).append(stage.seconds)
        means = tuple((name, fmean(seconds)) for name, seconds in order.items())
        ages = [age for _, _, age in self._shown if age > 0]
        return Summary(fps, means, fmean(ages) if ages else 0.0, verdict(means, fps, source_fps, source_name))


def verdict(stages: Iterable[tuple[str, float]], fps: float, source_fps: float, source_name: str) -> str:
    """What limits the speed, in one sentence."""
    own = {name: seconds for name, seconds in stages if name not in ("capture", "wait")}
    total = sum(own.values())
    if source_fps > 0 and fps > 0.9 * source_fps:
        return tr("{source} gives {fps:.0f} fps, and every frame is shown", source=source_name, fps=source_fps)
    if total <= 0:
        return ""
    name, seconds = max(own.items(), key=lambda item: item[1])
    what = {
        "forward": tr("the network"),
        "describe": tr("describing the network"),
        "preprocess": tr("preparing the picture"),
        "trace": tr("tracing"),
        "to host": tr("copying from the device"),
        "draw": tr("drawing"),
    }.get(name, tr(name))
    return tr("{what} takes {share:.0f} % of the time", what=what, share=100 * seconds / total)


def source_words(kind: str | None) -> str:
    """What gives the frames, as in "the camera gives 15 fps"."""
    return {
        "picture": tr("the picture"),
        "folder": tr("the folder"),
        "video": tr("the video"),
        "camera": tr("the camera"),
        "stream": tr("the stream"),
        "moving": tr("the moving picture"),
    }.get(kind or "", tr("the source"))
