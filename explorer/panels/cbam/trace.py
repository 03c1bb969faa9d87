"""What the panel computes: one pass of the network with every attention block kept, and what was asked for besides."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.attribution import grad_cam
from cvcore.nn.cbam import CBAM, AttentionTrace, CBAMTrace, Switch, attention_blocks, trace_attention
from cvcore.receptive_field import ReceptiveField, receptive_fields
from explorer.i18n import tr
from explorer.panel import Cancelled, Context, Frame
from explorer.panels.cbam.block import Array, Block, Learnt, block_of, learnt_of, on_host, tensors_of
from explorer.panels.cbam.controls import BLOCK, STEPS, VARIANTS, Params
from explorer.panels.cbam.stages import steps_of
from explorer.panels.cbam.variants import Variant, variants
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.classes import class_named
from explorer.views.fit import Fit, network_input, resized

THUMBNAIL = 288
"""The longer side of the picture behind the maps, px."""


class Geometry:
    """Where the cells of every block lie, worked out once for a network and an input size, and handed from trace to trace.

    Not a dataclass: the engine need not look through it on every frame.
    """

    def __init__(
        self, key: tuple[Any, ...], shapes: Mapping[str, tuple[int, int, int]], cells: Mapping[str, Cells]
    ) -> None:
        self.key = key
        self.shapes = shapes
        self.cells = cells


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The chosen block's maps, (C, h, w): what comes in, after the first attention, after both. References, not copies.

    Args:
        strongest: channel numbers, the largest mean magnitude of what comes in first.
    """

    before: Tensor
    between: Tensor
    after: Tensor
    strongest: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Cam:
    """A Grad-CAM of the chosen block: (h, w), not negative, for one class."""

    map: Array
    class_index: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        blocks: all attention blocks, in the order in which they ran.
        chosen: the place in it of the block shown in detail, which is not the one asked for if the network has none of that name.
        channel: the channel in it that is looked at.
        probabilities: (classes,) softmax of the scores, or None where the network gives none.
        unchanged: the same with nothing switched; None while nothing is, or if not asked for.
        switched: whether anything is.
        features, learnt: of the chosen block, where they are shown.
        variants: where they are shown.
        grey: (h, w) uint8, the picture in grey; picture: (h, w, 3) the same in colour.
        kernel: side of the chosen block's convolution, 0 where it has none.
        steps: what the step-by-step view goes through.
    """

    params: Params
    fit: Fit
    geometry: Geometry
    blocks: tuple[Block, ...]
    chosen: int
    channel: int
    probabilities: Array | None
    unchanged: Array | None
    switched: bool
    features: Features | None
    learnt: Learnt | None
    cam: Cam | None
    variants: tuple[Variant, ...]
    picture: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    kernel: int
    steps: tuple[str, ...]

    @property
    def block(self) -> Block:
        return self.blocks[self.chosen]


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One pass with every block kept; a second one where the unchanged prediction is shown beside a changed one."""
    model = context.model(params.network)
    fit = Fit.choose(frame.size, params.size, square=params.fit == "square")
    with context.stage("preprocess"):
        x = context.once(
            ("cbam input", params.network, fit.input),
            lambda: network_input(frame.image, fit, networks.card(params.network).preprocessing, context.device).to(
                context.dtype
            ),
        )
        picture, grey = context.once(("cbam picture",), lambda: behind_the_maps(frame.image))
    modules = attention_blocks(model)
    if not modules:
        raise ValueError(tr("The network {name} has no attention blocks.", name=params.network))
    geometry = known_geometry(params, model, x, fit, context)
    order = tuple(geometry.shapes)
    name = params.block if params.block in order else order[(2 * len(order) - 1) // 3]
    switches = params.switches({one: shape[0] for one, shape in geometry.shapes.items()}, name)

    def plain() -> AttentionTrace:
        with context.stage("forward"), torch.inference_mode():
            return trace_attention(model, x)

    def switched() -> AttentionTrace:
        with context.stage("forward"), torch.inference_mode():
            return trace_attention(model, x, switches)

    plain_key = ("cbam forward", params.network, fit.input)
    seen = switched() if switches else context.once(plain_key, plain)
    beside = context.once(plain_key, plain) if switches and params.compare else None
    with context.stage("trace"):
        blocks = blocks_of(seen.blocks, modules, geometry)
        chosen = order.index(name)
        classes = len(networks.card(params.network).label_names())
        probabilities = softmax(seen.out, classes)
        unchanged = None if beside is None else softmax(beside.out, classes)
        detailed = params.show in (BLOCK, STEPS)
        features = features_of(seen.blocks[name], modules[name].order) if detailed else None
        learnt = learnt_of(modules[name]) if params.show == STEPS else None
    cam = None
    if params.grad_cam and probabilities is not None:
        stop_if(context)
        with context.stage("Grad-CAM"):
            made = grad_cam(
                Switched(model, switches), f"network.{name}", x, class_named(params.network, params.cam_class)
            )
            cam = Cam(made.map.float().cpu().numpy(), made.class_index)
    ways: tuple[Variant, ...] = ()
    if params.show == VARIANTS and probabilities is not None:
        stop_if(context)
        with context.stage("variants"), torch.inference_mode():
            as_trained = context.once(plain_key, plain)
            ways = variants(
                model, name, modules[name], x, as_trained.blocks[name].x, as_trained.out, lambda: stop_if(context)
            )
    return Trace(
        params, fit, geometry, blocks, chosen, min(params.channel, blocks[chosen].shape[0] - 1), probabilities, unchanged,
        bool(switches), features, learnt, cam, ways, picture, grey, kernel_side(modules[name]),
        steps_of(blocks[chosen]),
    )  # fmt: skip


def behind_the_maps(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture, small, in colour and in grey."""
    height, width = image.shape[:2]
    shrink = min(1.0, THUMBNAIL / max(height, width))
    small = resized(image, (max(1, round(width * shrink)), max(1, round(height * shrink))))
    return small, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def known_geometry(params: Params, model: nn.Module, x: Tensor, fit: Fit, context: Context) -> Geometry:
    """Shapes and cells, from the last trace where they still hold."""
    key = (params.network, networks.version(params.network), tuple(x.shape), fit)
    before: Trace | None = context.previous
    if before is not None and before.geometry.key == key:
        return before.geometry
    with context.stage("describe"):
        shapes: dict[str, tuple[int, int, int]] = {}
        with unweighed(model, shapes):
            fields = receptive_fields(model, x)
        cells = {}
        for name, (_, rows, columns) in shapes.items():
            field = fields.get(name)
            cells[name] = Cells.of(fit, rows, columns, field if isinstance(field, ReceptiveField) else None)
        return Geometry(key, shapes, cells)


@contextmanager
def unweighed(model: nn.Module, shapes: dict[str, tuple[int, int, int]]) -> Iterator[None]:
    """Lets every block pass its map on, and notes its shape.

    A gate depends on the whole map, so with it every cell would see everything; where a cell lies is up to the convolutions.
    """
    handles = []

    def pass_on(name: str, given: Tensor) -> Tensor:
        shapes[name] = (given.shape[1], given.shape[2], given.shape[3])
        return given

    try:
        for name, block in attention_blocks(model).items():
            handles.append(block.register_forward_hook(lambda module, args, out, name=name: pass_on(name, args[0])))
        yield
    finally:
        for handle in handles:
            handle.remove()


def blocks_of(traces: Mapping[str, CBAMTrace], modules: Mapping[str, Any], geometry: Geometry) -> tuple[Block, ...]:
    """What is small of all blocks, on the host."""
    arrays = iter(on_host(t for name in geometry.shapes for t in tensors_of(traces[name])))
    return tuple(
        block_of(name, traces[name], modules[name].order, geometry.cells[name], arrays) for name in geometry.shapes
    )


def features_of(trace: CBAMTrace, order: str) -> Features:
    first = trace.spatial if order == "spatial first" else trace.channel
    between = trace.x if first is None else first.out
    strength = trace.x[0].abs().mean((1, 2))
    strongest = strength.argsort(descending=True, stable=True).cpu().numpy()
    return Features(trace.x[0], between[0], trace.out[0], strongest)


def kernel_side(block: CBAM) -> int:
    return 0 if block.SpatialGate is None else int(block.SpatialGate.spatial.conv.kernel_size[0])


def softmax(scores: Tensor, classes: int) -> Array | None:
    known = isinstance(scores, Tensor) and scores.shape == (1, classes) and classes > 0
    return scores[0].float().softmax(0).cpu().numpy() if known else None


class Switched(nn.Module):
    """A network with switches set, as one network: what Grad-CAM asks."""

    def __init__(self, network: nn.Module, switches: Mapping[str, Switch]) -> None:
        super().__init__()
        self.network = network
        self.switches = switches

    def forward(self, x: Tensor) -> Tensor:
        return trace_attention(self.network, x, self.switches).out


def stop_if(context: Context) -> None:
    """Raises :class:`explorer.panel.Cancelled` once the result is no longer wanted."""
    if context.cancelled:
        raise Cancelled
