"""One attention block's pass as plain arrays: everything small of it, so that only what is drawn leaves the device."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvcore.nn.cbam import CBAM, CBAMTrace, Order
from explorer.views.cells import Cells

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """Channel attention, numbers as in :class:`cvcore.nn.cbam.ChannelTrace`, of C channels.

    Args:
        pooled, hidden, branches: by pooling, (C,), (hidden,), (C,).
        logits, gate, weight: (C,)
    """

    pooled: dict[str, Array]
    hidden: dict[str, Array]
    branches: dict[str, Array]
    logits: Array
    gate: Array
    weight: Array


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Spatial attention, numbers as in :class:`cvcore.nn.cbam.SpatialTrace`.

    Args:
        pooled: (2, h, w), maximum and mean over the channels; (1, h, w) of a learnt 1x1 convolution.
        convolved, logits, gate, weight: (h, w)
    """

    pooled: Array
    convolved: Array
    logits: Array
    gate: Array
    weight: Array


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block.

    Args:
        name: dotted, as in the network.
        shape: channels, rows, columns of its map.
        cells: where the map's cells lie on the picture.
    """

    name: str
    shape: tuple[int, int, int]
    order: Order
    channels: Channels | None
    positions: Positions | None
    cells: Cells


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What a block has learnt; empty where it has no such part.

    Args:
        w0, b0, w1, b1: the MLP, (hidden, C), (hidden,), (C, hidden), (C,).
        kernel: (2, k, k), for the maximum and the mean map; (1, k, k) after a 1x1 convolution.
        norm: gamma, beta, mean, variance and epsilon of the batch norm.
    """

    w0: Array
    b0: Array
    w1: Array
    b1: Array
    kernel: Array
    norm: tuple[float, ...]


def on_host(tensors: Iterable[Tensor]) -> list[Array]:
    """float32 arrays of the first item of each tensor (1, ...); from another device in one transfer."""
    first = [t[0].detach() for t in tensors]
    if all(t.device.type == "cpu" for t in first):
        return [t.float().numpy() for t in first]
    flat = torch.cat([t.float().reshape(-1) for t in first]).cpu().numpy()
    ends = np.cumsum([t.numel() for t in first])
    return [part.reshape(t.shape) for part, t in zip(np.split(flat, ends[:-1]), first, strict=True)]


def tensors_of(trace: CBAMTrace) -> Iterator[Tensor]:
    """The small tensors of a block, in the order in which :func:`block_of` takes them."""
    if trace.channel is not None:
        channel = trace.channel
        for by_pool in (channel.pooled, channel.hidden, channel.branches):
            yield from by_pool.values()
        yield from (channel.logits, channel.gate, channel.weight)
    if trace.spatial is not None:
        spatial = trace.spatial
        yield from (spatial.pooled, spatial.convolved, spatial.logits, spatial.gate, spatial.weight)


def block_of(name: str, trace: CBAMTrace, order: Order, cells: Cells, arrays: Iterator[Array]) -> Block:
    """A block from its arrays, which are taken from the iterator."""
    channels: Channels | None = None
    positions: Positions | None = None
    if trace.channel is not None:
        pools = tuple(trace.channel.pooled)
        pooled, hidden, branches = ({str(pool): next(arrays) for pool in pools} for _ in range(3))
        channels = Channels(pooled, hidden, branches, next(arrays), next(arrays), next(arrays))
    if trace.spatial is not None:
        pooled_maps = next(arrays)
        positions = Positions(pooled_maps, next(arrays)[0], next(arrays)[0], next(arrays)[0], next(arrays)[0])
    _, count, rows, columns = trace.x.shape
    return Block(name, (count, rows, columns), order, channels, positions, cells)


def learnt_of(block: CBAM) -> Learnt:
    """The parameters of a block, on the host."""
    none = np.zeros(0, np.float32)
    w0 = b0 = w1 = b1 = kernel = none
    norm: tuple[float, ...] = ()

    def array(t: Any) -> Array:
        return t.detach().float().cpu().contiguous().numpy()

    if block.ChannelGate is not None:
        first, last = block.ChannelGate.mlp[1], block.ChannelGate.mlp[3]
        w0, b0, w1, b1 = array(first.weight), array(first.bias), array(last.weight), array(last.bias)
    if block.SpatialGate is not None:
        kernel, bn = array(block.SpatialGate.spatial.conv.weight)[0], block.SpatialGate.spatial.bn
        numbers = (bn.weight, bn.bias, bn.running_mean, bn.running_var)
        norm = (*(float(n) for n in numbers if n is not None), bn.eps)
    return Learnt(w0, b0, w1, b1, kernel, norm)
