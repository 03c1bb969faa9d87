"""The paper's variants, worked out on a trained block's own numbers: what it would compute, not what a network trained so would do."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cvcore.nn.cbam import CBAM, ChannelAttention, ChannelPool, SpatialAttention
from cvcore.record import replay
from explorer.panels.cbam.block import Array, on_host
from explorer.panels.cbam.controls import (
    AVERAGE_ONLY,
    CHANGES,
    MAP_MAXIMUM,
    MAP_MEAN,
    MAXIMUM_ONLY,
    PARALLEL,
    SMALL_KERNEL,
    SPATIAL_FIRST,
)

IN_PAPER = {
    "as trained": 22.66,
    AVERAGE_ONLY: 23.14,
    MAXIMUM_ONLY: 23.20,
    SMALL_KERNEL: 22.68,
    SPATIAL_FIRST: 22.78,
    PARALLEL: 22.95,
}
"""Top-1 error of ResNet-50 on ImageNet in percent, trained that way: tables 1 to 3 of the paper (table 1: channel attention alone)."""
BOTH_POOLS, BASELINE, CONV_POOL_7, CONV_POOL_3 = 22.80, 24.56, 22.90, 22.96
"""From the same tables: channel attention with both pools, no attention, and pooling by a 1x1 convolution before 7x7 and 3x3."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A block computed in another way.

    Args:
        gate: (C,) of the channels, or None where the block has none.
        map: (h, w) of the positions, or None.
        probabilities: (classes,) of the network with this block changed.
    """

    name: str
    gate: Array | None
    map: Array | None
    probabilities: Array


def variants(
    model: nn.Module, name: str, block: CBAM, x: Tensor, before: Tensor, scores: Tensor, check: Callable[[], None]
) -> tuple[Variant, ...]:
    """All that apply to the block; the first is as trained.

    Args:
        x: the network's input; before: what comes into the block.
        scores: of the network as it is.
        check: called before every pass of the network; may raise.
    """
    found = []
    for change in CHANGES:
        made = changed(change, block, before)
        if made is None:
            continue
        gate, where, out = made
        if change != CHANGES[0]:
            check()
            scores = replay(model, name, out, (x,))
        given = [scores.softmax(1), *(t for t in (gate, where) if t is not None)]
        arrays = iter(on_host(given))
        probabilities = next(arrays)
        found.append(
            Variant(
                change,
                None if gate is None else next(arrays),
                None if where is None else next(arrays)[0],
                probabilities,
            )
        )
    return tuple(found)


def changed(change: str, block: CBAM, before: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor] | None:
    """Channel weights (1, C), position weights (1, 1, h, w) and the map that goes on; None where the variant says nothing."""
    channel, spatial = block.ChannelGate, block.SpatialGate
    one_pool = {AVERAGE_ONLY: "avg", MAXIMUM_ONLY: "max"}.get(change)
    own_maps = spatial is not None and isinstance(spatial.compress, ChannelPool)
    if one_pool is not None and (channel is None or set(channel.pools) != {"avg", "max"}):
        return None
    if change in (MAP_MAXIMUM, MAP_MEAN, SMALL_KERNEL) and not own_maps:
        return None
    if change in (SPATIAL_FIRST, PARALLEL) and (channel is None or spatial is None or block.order != "channel first"):
        return None
    gate = where = None
    if change == SPATIAL_FIRST:
        assert channel is not None
        assert spatial is not None
        where = spatial.trace(before).gate
        gate = channel.trace(before * where).gate
    elif change == PARALLEL:
        assert channel is not None
        assert spatial is not None
        gate, where = channel.trace(before).gate, spatial.trace(before).gate
    else:
        trace = block.trace(before)
        gate = None if trace.channel is None else trace.channel.gate
        where = None if trace.spatial is None else trace.spatial.gate
        if one_pool is not None:
            assert channel is not None
            gate = channel_gate(channel, before, one_pool)
        after = before if gate is None else before * gate[:, :, None, None]
        if spatial is not None and block.order == "channel first":
            where = spatial_gate(spatial, after, change)
    out = before
    out = out if gate is None else out * gate[:, :, None, None]
    out = out if where is None else out * where
    return gate, where, out


def channel_gate(attention: ChannelAttention, x: Tensor, pool: str) -> Tensor:
    """(N, C), from one pooling alone."""
    pooled = x.mean((2, 3)) if pool == "avg" else x.amax((2, 3))
    return torch.sigmoid(attention.mlp(pooled))


def spatial_gate(attention: SpatialAttention, x: Tensor, change: str) -> Tensor:
    """(N, 1, h, w), with one of the two maps set to zero or with the kernel cut down to its middle 3 x 3."""
    pooled, conv = attention.compress(x), attention.spatial.conv
    weight = conv.weight
    if change in (MAP_MAXIMUM, MAP_MEAN):
        keep = torch.zeros_like(weight)
        keep[:, 0 if change == MAP_MAXIMUM else 1] = 1
        weight = weight * keep
    elif change == SMALL_KERNEL:
        keep, middle = torch.zeros_like(weight), weight.shape[2] // 2
        keep[:, :, middle - 1 : middle + 2, middle - 1 : middle + 2] = 1
        weight = weight * keep
    convolved = nn.functional.conv2d(pooled, weight, padding=conv.padding)
    return torch.sigmoid(attention.spatial.bn(convolved))


def difference(one: Array | None, other: Array | None) -> float:
    """Mean of |one - other|, 0 where there is none."""
    return 0.0 if one is None or other is None else float(np.abs(one - other).mean())
