"""The picture itself: its pixels, its colour channels and how often each value occurs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from explorer.figure import Axis, Column, Curve, Heatmap, Image, Layout, Pane, Points, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Context, Frame, Result, check, knob

TITLE = "Picture"
CHAPTER = "1 Pictures and tensors"
PAPER = ""

NAMES = ("red", "green", "blue", "luma")
COLOURS = ("#e0483e", "#2fa45a", "#3c7de0", 7)


@dataclass(frozen=True)
class Params:
    log_counts: bool = knob(False, label="Logarithmic counts", help="Shows rare values too.")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class View:
    channel: str = knob(
        "all",
        choices=("all", *NAMES),
        label="Channel",
        help="Shows one of the numbers of each pixel instead of its colour.",
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def shown(self) -> tuple[int, ...]:
        """Numbers of the curves."""
        return tuple(range(4)) if self.channel == "all" else (NAMES.index(self.channel),)


@dataclass(frozen=True, slots=True)
class Trace:
    """What was counted.

    Args:
        counts: (4, 256) how many pixels have each value of red, green, blue and luma.
        luma: (H, W) uint8.
        means: of the four.
    """

    counts: NDArray[np.float64]
    luma: NDArray[np.uint8]
    means: NDArray[np.float64]


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    with context.stage("trace"):
        luma = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
        planes = ((frame.image, 0), (frame.image, 1), (frame.image, 2), (luma, 0))
        found = np.stack([cv2.calcHist([image], [c], None, [256], [0, 256]).ravel() for image, c in planes])
        counts = found.astype(np.float64)  # (4, 256)
        means = counts @ np.arange(256) / counts.sum(axis=1)
        return Trace(np.log10(1 + counts) if params.log_counts else counts, luma, means)


def show(result: Result[Trace, Params], view: View) -> Layout:
    trace, image = result.trace, result.frame.image
    mark: Image | Heatmap = Image(image)
    if view.channel != "all":
        values = trace.luma if view.channel == "luma" else image[:, :, NAMES.index(view.channel)]
        mark = Heatmap(values, label=tr(view.channel), low=0, high=255, colormap="grey")
    picture = Pane("picture", tr("Picture"), (mark,), space="picture", size=result.frame.size)
    value = np.arange(256, dtype=np.float64)
    curves = tuple(Curve(value, trace.counts[i], tr(NAMES[i]), COLOURS[i], key=NAMES[i]) for i in view.shown)
    counts = Axis(tr("log10(1 + pixels)") if result.params.log_counts else tr("pixels"), low=0)
    histogram = Pane("histogram", tr("Histogram"), curves, axes=(Axis(tr("value"), low=0, high=255), counts))
    return Column((picture, histogram), weights=(3, 1))


VIEWS = {"picture": show}


def explain(result: Result[Trace, Params], view: View) -> dict[str, object]:
    width, height = result.frame.size
    means = {name: float(mean) for name, mean in zip(NAMES, result.trace.means, strict=True)}
    return {"width": width, "height": height, "count": width * height * 3, **means}


def probe(result: Result[Trace, Params], view: View, spot: Spot) -> Probe | None:
    """The numbers of a pixel, and where they stand in the histogram."""
    width, height = result.frame.size
    x, y = int(np.floor(spot.x)), int(np.floor(spot.y))
    if spot.pane != "picture" or not (0 <= x < width and 0 <= y < height):
        return None
    values = (*(int(value) for value in result.frame.image[y, x]), int(result.trace.luma[y, x]))
    text = tr(
        "x {x}, y {y}: red {red}, green {green}, blue {blue}, luma {luma}",
        x=x,
        y=y,
        **dict(zip(NAMES, values, strict=True)),
    )
    spots = np.array([[values[i], result.trace.counts[i, values[i]]] for i in view.shown], np.float64)
    return Probe(text, {"histogram": (Points(spots, colours=[COLOURS[i] for i in view.shown]),)})
