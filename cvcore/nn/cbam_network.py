"""Networks with CBAM blocks: watched, switched, a block changed, and what the paper's ablations come to.

:func:`trace_attention` runs a network and keeps every block's trace, with switches set or not. :func:`variants` changes one block of a
trained network and leaves all else: it shows what the block would compute, not how good a network trained that way would be. For that there
are the errors of the paper (:data:`IN_PAPER`) and four networks trained alike by ``python -m cvcore.train.cbam --ablation``
(:func:`measured`).
"""

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from cvcore.assets import asset
from cvcore.nn.cbam import (
    AS_TRAINED,
    CBAM,
    CBAMTrace,
    ChannelAttention,
    ChannelPool,
    Gate,
    Order,
    Pooling,
    SpatialAttention,
    Switch,
    watched,
)
from cvcore.record import replay

CHANGES = (
    TRAINED,
    AVERAGE_ONLY,
    MAXIMUM_ONLY,
    MAP_MAXIMUM,
    MAP_MEAN,
    SMALL_KERNEL,
    SPATIAL_FIRST,
    PARALLEL,
) = (
    "as trained",
    "channels: average only",
    "channels: maximum only",
    "positions: maximum map only",
    "positions: mean map only",
    "positions: 3 × 3 kernel",
    "spatial first",
    "parallel",
)
IN_PAPER = {
    TRAINED: 22.66,
    AVERAGE_ONLY: 23.14,
    MAXIMUM_ONLY: 23.20,
    SMALL_KERNEL: 22.68,
    SPATIAL_FIRST: 22.78,
    PARALLEL: 22.95,
}
"""Top-1 error of ResNet-50 on ImageNet in percent, trained that way: tables 1 to 3 of the paper (table 1: channel attention alone)."""
BOTH_POOLS, NO_ATTENTION, CONV_POOL = 22.80, 24.56, 22.90
"""From the same tables: channel attention alone with both pools, no attention, and pooling by a 1x1 convolution before 7x7."""

FILE = "mobilenet_v2_cbam.ablation.json"
"""In ``assets/weights``: what the four networks were measured to be."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionTrace:
    """A network's pass with every CBAM block kept.

    Args:
        blocks: by the block's dotted name, in the order in which they ran; one that runs several times keeps its last call.
        out: what the network gave.
    """

    blocks: Mapping[str, CBAMTrace]
    out: Tensor


def attention_blocks(model: nn.Module) -> dict[str, CBAM]:
    """The CBAM blocks of a network, by dotted name, in the order in which they were built."""
    return {name: module for name, module in model.named_modules() if isinstance(module, CBAM)}


def trace_attention(model: nn.Module, x: Tensor, switches: Mapping[str, Switch] | None = None) -> AttentionTrace:
    """Runs a network and keeps the trace of every CBAM block; other threads may use the network meanwhile.

    Args:
        x: the network's input.
        switches: by block name, what is changed there in this pass.

    Raises:
        ValueError: a switch for a block that the network does not have, or for a channel that the block does not have.
    """
    blocks = attention_blocks(model)
    switches = switches or {}
    for name in switches.keys() - blocks.keys():
        raise ValueError(f"the network has no attention block {name!r}; it has {', '.join(blocks) or 'none'}")
    names = {module: name for name, module in blocks.items()}
    traces: dict[str, CBAMTrace] = {}

    def run(block: CBAM, x: Tensor) -> Tensor:
        name = names[block]
        traces[name] = block.trace(x, switches.get(name, AS_TRAINED))
        return traces[name].out

    with watched(run):
        out = model(x)
    return AttentionTrace(traces, out)


def switches_of(
    blocks: Mapping[str, CBAM],
    channel: Gate,
    spatial: Gate,
    where: Container[str],
    gains: Mapping[str, tuple[int, float]] | None = None,
) -> dict[str, Switch]:
    """What is changed in which block, by its name; blocks that stay as they are are left out.

    Args:
        blocks: see :func:`attention_blocks`.
        channel, spatial: what is done to the gates of the blocks named in ``where``.
        gains: by block, a channel and what its weight is multiplied with; a number beyond the last channel is the last one. Where a block
            has no channel attention there is no weight.
    """
    made: dict[str, Switch] = {}
    for name, block in blocks.items():
        number, gain = (gains or {}).get(name, (0, 1.0))
        weighed = gain != 1 and block.ChannelGate is not None
        last = 0 if block.ChannelGate is None else block.ChannelGate.channels - 1
        both = (channel, spatial) if name in where else ("on", "on")
        switch = Switch(*both, ((min(number, last), gain),) if weighed else ())
        if switch != AS_TRAINED:
            made[name] = switch
    return made


class Switched(nn.Module):
    """A network with switches set, as one network: what is asked of any network, such as Grad-CAM, can be asked of it.

    Its layers have ``network.`` before their names.
    """

    def __init__(self, network: nn.Module, switches: Mapping[str, Switch]) -> None:
        super().__init__()
        self.network = network
        self.switches = switches

    def forward(self, x: Tensor) -> Any:
        return trace_attention(self.network, x, self.switches).out


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A block computed in another way.

    Args:
        gate: (1, C) of the channels; map: (1, 1, H, W) of the positions; None where the block has none.
        out: what the network gives with this block changed.
        gate_change, map_change: mean of |this - as trained|; 0 where there is none.
    """

    name: str
    gate: Tensor | None
    map: Tensor | None
    out: Any
    gate_change: float
    map_change: float


@torch.no_grad()
def variants(
    model: nn.Module, name: str, x: Tensor, trace: AttentionTrace, check: Callable[[], None] = lambda: None
) -> tuple[Variant, ...]:
    """All of :data:`CHANGES` that say something of a block; the first is as trained.

    Args:
        model: a network in evaluation; name: of one of its blocks.
        x: (N, ...), the network's input.
        trace: of the network as it is on ``x``.
        check: called before every pass of the network; may raise.

    Raises:
        KeyError: there is no such block.
    """
    block = attention_blocks(model)[name]
    before, found = trace.blocks[name].x, list[Variant]()
    for change in CHANGES:
        channel, spatial, order = block.ChannelGate, block.SpatialGate, block.order
        if not _applies(change, channel, spatial, order):
            continue
        of_channels = None if channel is None else _channel_gate(channel, change)
        of_positions = None if spatial is None else _spatial_gate(spatial, change)
        order = "spatial first" if change == SPATIAL_FIRST else "parallel" if change == PARALLEL else order
        gate, where = _gates(before, of_channels, of_positions, order)
        out = trace.out
        if change != TRAINED:
            check()
            weighed = before if gate is None else before * gate[:, :, None, None]
            out = replay(model, name, weighed if where is None else weighed * where, (x,))
        trained = found[0] if found else Variant(change, gate, where, out, 0.0, 0.0)
        found.append(Variant(change, gate, where, out, _distance(gate, trained.gate), _distance(where, trained.map)))
    return tuple(found)


def _distance(one: Tensor | None, other: Tensor | None) -> float:
    return 0.0 if one is None or other is None else float((one - other).abs().mean())


def _applies(change: str, channel: ChannelAttention | None, spatial: SpatialAttention | None, order: Order) -> bool:
    """Whether a block with these parts can be changed that way."""
    if change in (AVERAGE_ONLY, MAXIMUM_ONLY):
        return channel is not None and set(channel.pools) == {"avg", "max"}
    if change in (MAP_MAXIMUM, MAP_MEAN, SMALL_KERNEL):
        return spatial is not None and isinstance(spatial.compress, ChannelPool)
    if change in (SPATIAL_FIRST, PARALLEL):
        return channel is not None and spatial is not None and order == "channel first"
    return True


Weighing = Callable[[Tensor], Tensor]


def _gates(
    x: Tensor, channel: Weighing | None, spatial: Weighing | None, order: Order
) -> tuple[Tensor | None, Tensor | None]:
    """(N, C) and (N, 1, H, W) of a map (N, C, H, W)."""
    if order == "spatial first" and spatial is not None:
        where = spatial(x)
        return None if channel is None else channel(x * where), where
    gate = None if channel is None else channel(x)
    if spatial is None:
        return gate, None
    return gate, spatial(x if gate is None or order == "parallel" else x * gate[:, :, None, None])


def _channel_gate(attention: ChannelAttention, change: str) -> Weighing:
    """From both poolings, or from one alone."""
    alone: Pooling | None = {AVERAGE_ONLY: "avg", MAXIMUM_ONLY: "max"}.get(change)  # type: ignore[assignment]
    if alone is None:
        return lambda x: attention.trace(x).gate
    return lambda x: torch.sigmoid(attention.trace(x).branches[alone])


def _spatial_gate(attention: SpatialAttention, change: str) -> Weighing:
    """As trained, with one of the two maps left out, or with the kernel cut down to its middle 3 x 3."""
    conv = attention.spatial.conv
    keep = torch.ones_like(conv.weight)
    if change in (MAP_MAXIMUM, MAP_MEAN):
        keep[:, 1 if change == MAP_MAXIMUM else 0] = 0
    elif change == SMALL_KERNEL:
        middle = keep.shape[2] // 2
        keep.zero_()[:, :, max(0, middle - 1) : middle + 2, max(0, middle - 1) : middle + 2] = 1
    else:
        return lambda x: attention.trace(x).gate
    weight = conv.weight * keep
    return lambda x: torch.sigmoid(
        attention.spatial.bn(nn.functional.conv2d(attention.compress(x), weight, padding=conv.padding))
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One network of the four: ``none``, ``channel``, ``spatial`` or ``both``; shares of the pictures, 0 to 1; cross entropy; number of
    parameters."""

    attention: str
    top1: float
    top5: float
    loss: float
    parameters: int


@dataclass(frozen=True, slots=True)
class Ablation:
    """Runs of so many epochs, judged on so many pictures shown at size x size px."""

    epochs: int
    size: int
    pictures: int
    runs: tuple[Run, ...]

    def run(self, attention: str) -> Run | None:
        return next((run for run in self.runs if run.attention == attention), None)

    def standard_error(self) -> float:
        """Of a top-1 score, the best one's, 0 to 1."""
        top1 = max(run.top1 for run in self.runs)
        return sqrt(top1 * (1 - top1) / self.pictures)


def measured() -> Ablation | None:
    """What was measured; None where the file is not there or not readable."""
    path = asset("weights", FILE)
    try:
        return _read(str(path), path.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@lru_cache(maxsize=2)
def _read(path: str, changed: int) -> Ablation:
    del changed
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    runs = tuple(Run(**row) for row in raw["rows"])
    if not runs:
        raise ValueError("an ablation has runs")
    return Ablation(int(raw["epochs"]), int(raw["size"]), int(raw["pictures"]), runs)
