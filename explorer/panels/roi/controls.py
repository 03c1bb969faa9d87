"""What can be set in the panel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.i18n import tr
from explorer.panel import Result, knob

if TYPE_CHECKING:
    from explorer.panels.roi.trace import Trace

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


def last_channel(result: Result) -> float:
    trace: Trace = result.trace
    return len(trace.features) - 1


@dataclass(frozen=True)
class Params:
    """``roi`` is in pixels of the picture; None takes a large and sure detection. A box that was taken from the detector
    (``taken`` is ``roi`` then) follows its object; one that was dragged stays where it is."""

    show: str = knob(BINS, choices=SHOWS, label="Show")
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
        allowed = (
            ("show", SHOWS), ("stride", STRIDES), ("layer", LAYERS), ("sampling_ratio", RATIOS), ("mode", MODES),
            ("channels", CHANNELS),
        )  # fmt: skip
        for name, choices in allowed:
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
        if not 1 <= self.output_size <= 14:
            raise ValueError(tr("The output size is 1 to 14."))
        for name in ("roi", "taken"):
            box = getattr(self, name)
            if box is not None and len(box) != 4:
                raise ValueError(tr("A box is four numbers: left, top, right, bottom."))
            object.__setattr__(self, name, None if box is None else tuple(float(v) for v in box))

    @property
    def samples(self) -> int:
        """The sampling ratio as the operator takes it."""
        return -1 if self.sampling_ratio == ADAPTIVE else int(self.sampling_ratio)

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
    channel: int = knob(101, 0, last_channel, label="Channel", when=lambda params: params.channels == ONE)
    gradient_from: str = knob(
        CHOSEN_BIN, choices=FROM, label="Gradient from", when=lambda params: params.show == GRADIENT
    )
    opacity: float = knob(0.85, 0.0, 1.0, label="Opacity of the map on the picture")
    row: int = knob(-1, kind="hidden")
    column: int = knob(-1, kind="hidden")
    point: int = knob(0, kind="hidden")
