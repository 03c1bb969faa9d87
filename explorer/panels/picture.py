"""The picture itself: its pixels, its colour channels and how often each value occurs."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from explorer.figure import Axis, Column, Curve, Figure, Heatmap, Image, Pane, Points, Probe, Spot
from explorer.i18n import tr
from explorer.panel import Context, Frame, Result, knob

TITLE = "Picture"
CHAPTER = "1 Pictures and tensors"
PAPER = ""

NAMES = ("red", "green", "blue", "luma")
COLOURS = ("#e0483e", "#2fa45a", "#3c7de0", 7)


@dataclass(frozen=True)
class Params:
    log_counts: bool = knob(False, label="Logarithmic counts", help="Shows rare values too.")


@dataclass(frozen=True)
class View:
    channel: str = knob(
        "all",
        choices=("all", *NAMES),
        label="Channel",
        help="Shows one of the numbers of each pixel instead of its colour.",
    )


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
        luma = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        counts = np.stack(
            [cv2.calcHist([frame.image], [c], None, [256], [0, 256]).ravel() for c in range(3)]
            + [cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel()]
        ).astype(np.float64)
        means = counts @ np.arange(256) / counts.sum(axis=1)
        return Trace(np.log10(1 + counts) if params.log_counts else counts, np.asarray(luma, np.uint8), means)


def draw(result: Result, view: View) -> Figure:
    trace: Trace = result.trace
    image = result.frame.image
    width, height = result.frame.size
    if view.channel == "all":
        marks: tuple[Image | Heatmap, ...] = (Image(image),)
        shown: tuple[str, ...] = NAMES
    else:
        values = trace.luma if view.channel == "luma" else image[:, :, NAMES.index(view.channel)]
        marks = (Heatmap(values, label=tr(view.channel), low=0, high=255, colormap="grey"),)
        shown = (view.channel,)
    picture = Pane("picture", tr("Picture"), marks, space="picture", size=(width, height))
    values_axis = np.arange(256, dtype=np.float64)
    curves = tuple(
        Curve(values_axis, trace.counts[i], label=tr(name), colour=COLOURS[i], key=name)
        for i, name in enumerate(NAMES)
        if name in shown
    )
    counts = Axis(tr("log10(1 + pixels)") if result.task.params.log_counts else tr("pixels"), low=0)
    histogram = Pane("histogram", tr("Histogram"), curves, axes=(Axis(tr("value"), low=0, high=255), counts))
    return Figure(
        Column((picture, histogram), weights=(3, 1)),
        values={
            "width": width,
            "height": height,
            "count": width * height * 3,
            **{name: float(mean) for name, mean in zip(NAMES, trace.means, strict=True)},
        },
    )


def probe(result: Result, view: View, spot: Spot) -> Probe | None:
    if spot.pane != "picture":
        return None
    width, height = result.frame.size
    x, y = int(spot.x), int(spot.y)
    if not (0 <= x < width and 0 <= y < height):
        return None
    red, green, blue = (int(value) for value in result.frame.image[y, x])
    luma = int(result.trace.luma[y, x])
    text = tr(
        "x {x}, y {y}: red {red}, green {green}, blue {blue}, luma {luma}",
        x=x, y=y, red=red, green=green, blue=blue, luma=luma,
    )  # fmt: skip
    shown = NAMES if view.channel == "all" else (view.channel,)
    values = dict(zip(NAMES, (red, green, blue, luma), strict=True))
    spots = np.array(
        [[values[name], result.trace.counts[NAMES.index(name), values[name]]] for name in shown], np.float64
    )
    return Probe(text, {"histogram": (Points(spots, colours=[COLOURS[NAMES.index(name)] for name in shown]),)})
