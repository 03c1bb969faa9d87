"""What can be set in the panel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from cvcore.nn.cbam import Gate, Switch
from explorer.i18n import language
from explorer.panel import Result, knob
from explorer.views import networks
from explorer.views.classes import sorted_classes
from explorer.views.knobs import SHAPE_HELP, SHAPES, SIZE_HELP, check_size, shape_knob, size_knob

if TYPE_CHECKING:
    from explorer.panels.cbam.trace import Trace

OVERVIEW, BLOCK, STEPS, VARIANTS, ABLATION = SHOWS = (
    "all blocks",
    "one block",
    "step by step",
    "variants of the paper",
    "trained without it",
)
GATES: tuple[Gate, ...] = get_args(Gate)
EVERYWHERE, HERE = WHERE = ("all blocks", "the chosen block")
BY_NUMBER, BY_WEIGHT = ORDERS = ("by number", "by weight")
MOST_LIKELY = "the most likely"
(
    TRAINED, AVERAGE_ONLY, MAXIMUM_ONLY, MAP_MAXIMUM, MAP_MEAN, SMALL_KERNEL, SPATIAL_FIRST, PARALLEL
) = CHANGES = (
    "as trained",
    "channels: average only",
    "channels: maximum only",
    "positions: maximum map only",
    "positions: mean map only",
    "positions: 3 × 3 kernel",
    "spatial first",
    "parallel",
)  # fmt: skip
"""What the variants view works out on a trained block."""


def network_names() -> tuple[str, ...]:
    """Networks with attention whose weights are there; asked for anew each time, since they may have been downloaded since."""
    return tuple(name for name, card in networks.available().items() if "cbam" in card.builder)


def class_choices(result: Result) -> tuple[str, ...]:
    return sorted_classes(result.task.params.network, language())


def block_names(result: Result) -> tuple[str, ...]:
    trace: Trace = result.trace
    return tuple(block.name for block in trace.blocks)


def last_channel(result: Result) -> float:
    trace: Trace = result.trace
    return trace.block.shape[0] - 1


def last_step(result: Result) -> float:
    trace: Trace = result.trace
    return len(trace.steps) - 1


def _in_detail(params: "Params") -> bool:
    return params.show in (BLOCK, STEPS)


@dataclass(frozen=True)
class Params:
    show: str = knob(OVERVIEW, choices=SHOWS, label="Show")
    block: str = knob(
        "attention.6",
        kind="choice",
        choices=block_names,
        label="Block",
        help="One CBAM block, by its name in the network. Or click on its tile.",
    )
    channel_attention: str = knob(
        "on",
        choices=GATES,
        label="Channel attention",
        help="Off: every channel is weighed by 1, so the map grows. Mean: every channel is weighed by the mean of the gate, so the map "
        "keeps its size and only the choice among channels is lost.",
    )
    spatial_attention: str = knob(
        "on",
        choices=GATES,
        label="Spatial attention",
        help="Off: every position is weighed by 1, so the map grows. Mean: every position is weighed by the mean of the gate, so the "
        "map keeps its size and only the choice among positions is lost.",
    )
    where: str = knob(EVERYWHERE, choices=WHERE, label="Switched in")
    channel: int = knob(
        0, 0, last_channel, label="Channel of the chosen block", help="Or click on a bar or on a channel's tile."
    )
    gain: float = knob(
        1.0,
        0.0,
        4.0,
        step=0.05,
        label="Gain of this channel",
        help="Its weight is multiplied: 0 mutes it, 1 leaves it as it is, 4 makes it four times as strong.",
    )
    compare: bool = knob(
        True,
        label="Unchanged prediction beside it",
        help="Costs a second pass, but only while something is switched.",
    )
    grad_cam: bool = knob(
        False,
        label="Grad-CAM beside it",
        help="Which places of the chosen block speak for one class, from one backward pass. Attention knows of no class.",
    )
    cam_class: str = knob(
        MOST_LIKELY,
        kind="choice",
        choices=class_choices,
        label="Class for Grad-CAM",
        help="Or click on a bar of the classes.",
        when=lambda params: params.grad_cam,
    )
    network: str = knob("mobilenet_v2_cbam", kind="choice", choices=lambda result: network_names(), label="Network")
    size: int = size_knob(SIZE_HELP)
    fit: str = shape_knob(SHAPE_HELP)

    def __post_init__(self) -> None:
        allowed = (
            ("show", SHOWS), ("channel_attention", GATES), ("spatial_attention", GATES), ("where", WHERE),
            ("fit", SHAPES),
        )  # fmt: skip
        for name, choices in allowed:
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
        check_size(self.size)
        if self.channel < 0 or not 0 <= self.gain <= 100:
            raise ValueError("a channel is 0 or more, its gain 0 to 100")

    def switches(self, blocks: dict[str, int], chosen: str) -> dict[str, Switch]:
        """By block, what is changed; ``blocks`` gives each block's channels."""
        made: dict[str, Switch] = {}
        channel, spatial = cast(Gate, self.channel_attention), cast(Gate, self.spatial_attention)
        for name, channels in blocks.items():
            here = self.where == EVERYWHERE or name == chosen
            gains = ((min(self.channel, channels - 1), self.gain),) if name == chosen and self.gain != 1 else ()
            switch = Switch(channel if here else "on", spatial if here else "on", gains)
            if switch != Switch():
                made[name] = switch
        return made


@dataclass(frozen=True)
class View:
    """``place`` is a position that was clicked, in parts of the picture's width and height."""

    step: int = knob(
        0,
        0,
        last_step,
        label="Step",
        help="The block's operations in the order in which they run.",
        play=True,
        when=lambda params: params.show == STEPS,
    )
    variant: str = knob(AVERAGE_ONLY, choices=CHANGES[1:], label="Variant", when=lambda params: params.show == VARIANTS)
    own_range: bool = knob(
        True,
        label="Own range for each map and its bars",
        help="On: the colours go from the least weight of that map to its largest, and the axis of the bars likewise. Off: from 0 to 1, so "
        "that blocks can be compared.",
    )
    opacity: float = knob(0.65, 0.0, 1.0, label="Opacity of the maps on the picture")
    smooth: bool = knob(
        True,
        label="Smooth maps",
        help="Interpolates between cells instead of showing each. Step by step each is shown.",
        when=lambda params: params.show != STEPS,
    )
    order: str = knob(BY_NUMBER, choices=ORDERS, label="Order of the channels", help="Of the bars.")
    tiles: int = knob(12, 1, 64, label="Channels shown", help="The chosen one and the strongest.", when=_in_detail)
    place: tuple[float, float] | None = knob(None, kind="hidden")
