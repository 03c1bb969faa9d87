"""What can be set in the panel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.i18n import tr
from explorer.panel import Result, knob
from explorer.views import networks
from explorer.views.knobs import SHAPES, check_size, shape_knob, size_knob

if TYPE_CHECKING:
    from explorer.panels.compare.trace import Trace

SAME = "the same network"
STATES = (
    "as it is",
    "float16 weights",
    "bfloat16 weights",
    "int8 weights",
    "int4 weights",
    "computed in float16",
    "computed in bfloat16",
    "untrained",
)
MEASURES = ("relative difference", "largest difference", "mean difference", "cosine", "CKA")


def last_channel(result: Result) -> float:
    trace: Trace = result.trace
    return min(len(trace.first), len(trace.second)) - 1


@dataclass(frozen=True)
class Params:
    network: str = knob("mobilenet_v2", kind="choice", choices=lambda result: networks.names(), label="Network A")
    state: str = knob("as it is", choices=STATES, label="State of A")
    other: str = knob(SAME, kind="choice", choices=lambda result: (SAME, *networks.names()), label="Network B")
    other_state: str = knob(
        "int8 weights",
        choices=STATES,
        label="State of B",
        help="Weights are rounded and the network computes as before, or it computes in another number type altogether.",
    )
    measure: str = knob("relative difference", choices=MEASURES, label="Measure")
    layers: str = knob(
        "blocks", choices=("blocks", "all layers"), label="Layers compared", help="All layers take longer."
    )
    layer: str = knob("", kind="hidden")
    size: int = size_knob()
    fit: str = shape_knob()

    def __post_init__(self) -> None:
        check_size(self.size)
        for value, known in (
            (self.state, STATES),
            (self.other_state, STATES),
            (self.measure, MEASURES),
            (self.layers, ("blocks", "all layers")),
            (self.fit, SHAPES),
        ):
            if value not in known:
                raise ValueError(tr("{value} is none of {known}.", value=value, known=", ".join(known)))

    @property
    def second(self) -> str:
        """Network B's name."""
        return self.network if self.other == SAME else self.other


@dataclass(frozen=True)
class View:
    channel: int = knob(0, 0, last_channel, label="Channel", help="Or click on its tile.")
    order: str = knob("by difference", choices=("by difference", "by number"), label="Order of the channels")
    smooth: bool = knob(False, label="Smooth maps", help="Interpolates between cells instead of showing each.")
