"""The controls: the region, the map, and how it is pooled."""

from dataclasses import dataclass
from typing import Literal

from cvcore.ops.letterbox import Letterbox
from cvcore.ops.roi.error import Pooling
from explorer.i18n import tr
from explorer.panel import check, knob
from explorer.views.knobs import dim_knob, opacity_knob, views_knob

Box = tuple[float, float, float, float]

BINS, POINT, OUTPUTS, GRADIENT, ERROR = SHOWS = (
    "bins",
    "one sampling point",
    "outputs",
    "gradient",
    "error against size",
)
PYRAMID, BACKBONE = LAYERS = ("pyramid", "backbone")
STRIDES = ("8", "16", "32")
ONE, MEAN = CHANNELS = ("one channel", "mean over channels")
AVERAGE, MAXIMUM = MODES = ("average", "maximum")
ADAPTIVE = "adaptive"
RATIOS = (ADAPTIVE, "1", "2", "3", "4")
CHOSEN_BIN, ALL_BINS = FROM = ("the chosen bin", "all bins")
LAST_STEP = 4
"""0 the region, 1 its ends rounded, 2 divided into bins, 3 the bins' edges rounded, 4 what each bin reads."""


@dataclass(frozen=True)
class Params:
    """``roi`` is in pixels of the picture; None takes a large and sure detection. A box that was taken from the detector
    (``taken`` is ``roi`` then) follows its object; one that was dragged stays where it is."""

    show: str = views_knob(SHOWS)
    stride: str = knob(
        "16",
        choices=STRIDES,
        label="Stride",
        unit="px",
        help="Pixels of the network's 416 × 416 input that one cell covers.",
    )
    layer: str = knob(
        PYRAMID,
        choices=LAYERS,
        label="Layer",
        help="NanoDet's backbone (C3 to C5), or the feature pyramid after it (P3 to P5).",
    )
    output_size: int = knob(7, 1, 14, label="Output size", help="So many bins in each direction.")
    sampling_ratio: str = knob(
        "2",
        choices=RATIOS,
        label="Sampling ratio",
        help="RoI Align: points in each bin in each direction. Adaptive: as many as the bin is cells long, rounded up.",
    )
    mode: str = knob(AVERAGE, choices=MODES, label="RoI Align takes the", help="Over the sampling points of a bin.")
    aligned: bool = knob(
        True,
        label="Aligned",
        help="Shifts by half a cell, so that the middle of a cell has its value. Off: as in the first version of RoI Align.",
    )
    channels: str = knob(
        ONE,
        choices=CHANNELS,
        label="Channels",
        help="The mean is taken of what comes out of each channel, after pooling.",
    )
    follow: bool = knob(
        True,
        label="Follow the object",
        help="A detected box that you clicked goes with its object. A dragged box stays.",
    )
    roi: tuple[float, float, float, float] | None = knob(None, kind="hidden")
    taken: tuple[float, float, float, float] | None = knob(None, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
        for name in ("roi", "taken"):
            box = getattr(self, name)
            if box is not None and len(box) != 4:
                raise ValueError(tr("A box is four numbers: left, top, right, bottom."))
            object.__setattr__(self, name, None if box is None else tuple(float(v) for v in box))

    def pooling(self, transform: Letterbox) -> Pooling:
        """What the operators take, for a picture that became the input in this way."""
        samples = -1 if self.sampling_ratio == ADAPTIVE else int(self.sampling_ratio)
        mode: Literal["avg", "max"] = "avg" if self.mode == AVERAGE else "max"
        return Pooling(int(self.stride), transform, self.output_size, samples, self.aligned, mode)

    @property
    def by_hand(self) -> bool:
        """The box is where it was dragged, whatever the picture shows."""
        return self.roi is not None and (self.roi != self.taken or not self.follow)


@dataclass(frozen=True)
class View:
    step: int = knob(
        LAST_STEP,
        0,
        LAST_STEP,
        label="Step",
        help="The region, its ends, its bins, their edges, what they read.",
        play=True,
        when=lambda params: params.show == BINS,
    )
    channel: int = dim_knob("channel", default=101, label="Channel", when=lambda params: params.channels == ONE)
    gradient_from: str = knob(
        CHOSEN_BIN, choices=FROM, label="Gradient from", when=lambda params: params.show == GRADIENT
    )
    opacity: float = opacity_knob("Opacity of the map on the picture", default=0.85)
    row: int = knob(-1, kind="hidden")
    column: int = knob(-1, kind="hidden")
    point: int = knob(0, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
