"""What can be set in the panel, and what it computes: one pass with every attention block kept, and what was asked for besides."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.nn.cbam import CBAMTrace, ChannelLearnt, Gate, SpatialLearnt
from cvcore.nn.cbam_network import (
    AVERAGE_ONLY,
    CHANGES,
    AttentionTrace,
    Switched,
    Variant,
    attention_blocks,
    switches_of,
    trace_attention,
    variants,
)
from explorer.i18n import tr
from explorer.panel import Context, Frame, check, knob
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.fit import Fit
from explorer.views.knobs import (
    class_knob,
    dim_knob,
    network_knob,
    opacity_knob,
    place_knob,
    shape_knob,
    size_knob,
    step_knob,
    views_knob,
)
from explorer.views.mosaic import ground
from explorer.views.passes import Cam, behind_the_maps, see

Array = NDArray[np.float32]
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


@dataclass(frozen=True)
class Params:
    show: str = views_knob(SHOWS)
    block: str = knob(
        "attention.6",
        kind="choice",
        choices=lambda result: tuple(result.trace.blocks),
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
    channel: int = dim_knob(
        "channel", label="Channel of the chosen block", help="Or click on a bar or on a channel's tile."
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
    cam_class: str = class_knob(
        label="Class for Grad-CAM",
        help="Or click on a bar of the classes.",
        when=lambda params: params.grad_cam,
    )
    network: str = network_knob("mobilenet_v2_cbam", lambda name: "cbam" in networks.card(name).builder)
    size: int = size_knob()
    fit: str = shape_knob()

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class View:
    step: int = step_knob(
        "The block's operations in the order in which they run.",
        keys=(),
        when=lambda params: params.show == STEPS,
    )
    variant: str = knob(AVERAGE_ONLY, choices=CHANGES[1:], label="Variant", when=lambda params: params.show == VARIANTS)
    own_range: bool = knob(
        True,
        label="Own range for each map and its bars",
        help="On: the colours go from the least weight of that map to its largest, and the axis of the bars likewise. Off: from 0 to 1, so "
        "that blocks can be compared.",
    )
    opacity: float = opacity_knob()
    smooth: bool = knob(
        True,
        label="Smooth maps",
        help="Interpolates between cells instead of showing each. Step by step each is shown.",
        when=lambda params: params.show != STEPS,
    )
    order: str = knob(BY_NUMBER, choices=ORDERS, label="Order of the channels", help="Of the bars.")
    tiles: int = knob(
        12,
        1,
        64,
        label="Channels shown",
        help="The chosen one and the strongest.",
        when=lambda params: params.show in (BLOCK, STEPS),
    )
    place: tuple[float, float] | None = place_knob()

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What was computed.

    Args:
        blocks: all attention blocks, in the order in which they ran; large maps are left out but for the chosen one's, where shown.
        cells: where the cells of their maps lie.
        name: of the block shown in detail, which is not the one asked for if the network has none of that name.
        channel: the channel in it that is looked at.
        probabilities: (classes,), or None where the network gives none.
        unchanged: the same with nothing switched; None while nothing is, or if not asked for.
        switched: whether anything is.
        strongest: channel numbers, the largest mean magnitude of what comes in first; where its maps are shown.
        mlp, convolution: of the chosen block, step by step, where it has them.
        kernel: side of its convolution, 0 where it has none.
        ways: the variants, the first as trained, ``out`` being the probabilities; empty where they are not shown.
        grey: (h, w) uint8, the picture behind the maps; picture: (h, w, 3) the same in colour; ground: behind the map of all blocks.
    """

    fit: Fit
    blocks: Mapping[str, CBAMTrace]
    cells: Mapping[str, Cells]
    name: str
    channel: int
    probabilities: Array | None
    unchanged: Array | None
    switched: bool
    strongest: NDArray[np.intp]
    mlp: ChannelLearnt | None
    convolution: SpatialLearnt | None
    kernel: int
    cam: Cam | None
    ways: tuple[Variant, ...]
    picture: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    ground: NDArray[np.uint8]

    @property
    def block(self) -> CBAMTrace:
        return self.blocks[self.name]

    @property
    def sizes(self) -> Mapping[str, int]:
        """How far the knobs of a dimension go."""
        return {"channel": self.block.x.shape[1], "step": len(self.block.operations)}


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One pass with every block kept; a second one where the unchanged prediction is shown beside a changed one."""
    seen = see(frame, params, context)
    modules = attention_blocks(seen.model)
    if not modules:
        raise ValueError(tr("The network {name} has no attention blocks.", name=params.network))
    name = params.block if params.block in modules else tuple(modules)[(2 * len(modules) - 1) // 3]
    switches = switches_of(
        modules,
        cast(Gate, params.channel_attention),
        cast(Gate, params.spatial_attention),
        modules if params.where == EVERYWHERE else (name,),
        {name: (params.channel, params.gain)},
    )

    def plain() -> AttentionTrace:
        return seen.run("cbam", trace_attention)

    traced = seen.run(None, lambda model, x: trace_attention(model, x, switches)) if switches else plain()
    probabilities = seen.probabilities(traced.out)
    unchanged = seen.probabilities(plain().out) if switches and params.compare else None
    cells = context.kept(
        ("cbam cells", seen.key, seen.fit),
        lambda: {one: seen.cells(one, *block.x.shape[2:]) for one, block in traced.blocks.items()},
    )
    with context.stage("trace"):
        picture, grey = behind_the_maps(frame, context)
        under = context.once(("cbam ground", len(modules)), lambda: ground(picture, grey, len(modules)))
        block, module = traced.blocks[name], modules[name]
        channel = min(params.channel, block.x.shape[1] - 1)
        mlp = convolution = None
        if params.show == STEPS and module.ChannelGate is not None:
            mlp = module.ChannelGate.learnt(channel)
        if params.show == STEPS and module.SpatialGate is not None and block.spatial is not None:
            convolution = module.SpatialGate.learnt(block.spatial.pooled)
        whole = params.show in (BLOCK, STEPS)
        strength = block.x[0].abs().mean((1, 2)) if whole else torch.empty(0)
        blocks = {one: b if whole and one == name else b.without_maps() for one, b in traced.blocks.items()}
    cam = None
    if params.grad_cam and probabilities is not None:
        if switches:
            cam = seen.grad_cam(f"network.{name}", params.cam_class, Switched(seen.model, switches))
        else:
            cam = seen.grad_cam(name, params.cam_class)
    ways: tuple[Variant, ...] = ()
    if params.show == VARIANTS and probabilities is not None:
        context.stop_if_cancelled()
        with context.stage("variants"), torch.inference_mode():
            made = variants(seen.model, name, seen.x, plain(), context.stop_if_cancelled)
            ways = tuple(replace(variant, out=seen.probabilities(variant.out)) for variant in made)
    return Trace(
        seen.fit, blocks, cells, name, channel, probabilities, unchanged, bool(switches),
        strength.argsort(descending=True, stable=True).cpu().numpy(), mlp, convolution,
        0 if module.SpatialGate is None else module.SpatialGate.spatial.conv.kernel_size[0], cam, ways, picture, grey, under,
    )  # fmt: skip
