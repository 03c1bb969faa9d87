"""CBAM: Woo, Park, Lee, Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018, https://arxiv.org/abs/1807.06521.

A map is weighed twice: each channel by one number (what is asked for), then each position by one number (where it is)::

    F' = Mc(F) * F,   Mc(F) = sigmoid(MLP(AvgPool(F)) + MLP(MaxPool(F)))        equations 1 and 2
    F" = Ms(F') * F', Ms(F') = sigmoid(f7x7([AvgPool(F'); MaxPool(F')]))        equations 1 and 3

Names of the parameters and the places where the authors' code (Jongchan/attention-module) and the paper differ follow the code, so
that its checkpoints load: the pooled maps enter the convolution with the maximum first, the convolution has no bias, and a batch
norm of one channel follows it. The MLP's layers have biases, in the code as here. Of our own: a thin map keeps at least
:data:`LEAST_HIDDEN` hidden units, and ``forward(x)`` is ``trace(x).out``, so that what is shown is what is computed.

The ablations of the paper are options: one pooling in place of two (table 1), channel pooling by a learnt 1x1 convolution and kernels
of 3 or 7 (table 2), the order of the two (table 3).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, assert_never

import torch
from torch import Tensor, nn

LEAST_HIDDEN = 8

Pooling: TypeAlias = Literal["avg", "max"]
Order: TypeAlias = Literal["channel first", "spatial first", "parallel"]
Gate: TypeAlias = Literal["on", "off", "mean"]
Operation: TypeAlias = Literal[
    "the map comes in",
    "average pooling",
    "maximum pooling",
    "the shared MLP",
    "the sum",
    "sigmoid of the channels",
    "the channels are weighed",
    "maximum and mean over the channels",
    "the convolution",
    "batch norm",
    "sigmoid of the positions",
    "the positions are weighed",
]
POOLINGS: Mapping[Pooling, Operation] = {"avg": "average pooling", "max": "maximum pooling"}


@dataclass(frozen=True, slots=True)
class Switch:
    """What is done to one block while looking on.

    Args:
        channel, spatial: ``on`` as trained; ``off`` weighs everything by 1; ``mean`` weighs everything by the gate's own mean, so that
            the map keeps its size and only the choice among channels or positions is lost.
        gains: (channel, factor) pairs: that channel's weight is multiplied; 0 mutes it, 2 doubles it.

    Raises:
        ValueError: an unknown gate, a negative channel, or a factor that is no finite number.
    """

    channel: Gate = "on"
    spatial: Gate = "on"
    gains: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        for gate in (self.channel, self.spatial):
            if gate not in ("on", "off", "mean"):
                raise ValueError(f"attention is on, off or mean, not {gate!r}")
        for channel, factor in self.gains:
            if channel < 0 or not -1e6 < factor < 1e6:
                raise ValueError(f"channel {channel} cannot be weighed by {factor}")


AS_TRAINED = Switch()


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTrace:
    """Every step of the channel attention.

    Args:
        pooled: by pooling, (N, C): the mean and the largest value of each channel.
        hidden: by pooling, (N, hidden): after the first layer of the MLP and its ReLU.
        branches: by pooling, (N, C): what the MLP makes of it.
        logits: (N, C), the sum of the branches.
        gate: (N, C), sigmoid of it, 0 to 1.
        weight: (N, C), what the channels are really multiplied with: the gate, unless a :class:`Switch` says otherwise.
        out: (N, C, H, W)
    """

    pooled: Mapping[Pooling, Tensor]
    hidden: Mapping[Pooling, Tensor]
    branches: Mapping[Pooling, Tensor]
    logits: Tensor
    gate: Tensor
    weight: Tensor
    out: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class SpatialTrace:
    """Every step of the spatial attention.

    Args:
        pooled: (N, 2, H, W), the maximum and the mean over the channels; or (N, 1, H, W), the learnt 1x1 convolution.
        convolved: (N, 1, H, W), the k x k convolution, without bias.
        logits: (N, 1, H, W), after the batch norm.
        gate: (N, 1, H, W), sigmoid of it, 0 to 1.
        weight: (N, 1, H, W), what the positions are really multiplied with.
        out: (N, C, H, W)
    """

    pooled: Tensor
    convolved: Tensor
    logits: Tensor
    gate: Tensor
    weight: Tensor
    out: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class CBAMTrace:
    """One block: the map that came in, both attentions (None where the block has none), the map that goes on."""

    x: Tensor
    channel: ChannelTrace | None
    spatial: SpatialTrace | None
    out: Tensor
    order: Order = "channel first"

    @property
    def between(self) -> Tensor:
        """The map weighed once: what the second attention is multiplied with. Where there is one attention only, what came in."""
        if self.channel is None or self.spatial is None:
            return self.x
        return self.spatial.out if self.order == "spatial first" else self.channel.out

    @property
    def channel_source(self) -> Tensor:
        """The map that channel attention looks at."""
        return self.between if self.order == "spatial first" else self.x

    @property
    def spatial_source(self) -> Tensor:
        """The map that spatial attention looks at."""
        return self.between if self.order == "channel first" else self.x

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is done, in order; of a block with both attentions and both poolings twelve operations."""
        channel: list[Operation] = []
        spatial: list[Operation] = []
        if self.channel is not None:
            several: list[Operation] = ["the sum"] if len(self.channel.pooled) > 1 else []
            pools = [POOLINGS[pool] for pool in self.channel.pooled]
            channel = [*pools, "the shared MLP", *several, "sigmoid of the channels", "the channels are weighed"]
        if self.spatial is not None:
            spatial = ["maximum and mean over the channels", "the convolution", "batch norm"]
            spatial += ["sigmoid of the positions", "the positions are weighed"]
        return ("the map comes in", *(spatial + channel if self.order == "spatial first" else channel + spatial))

    def without_maps(self) -> "CBAMTrace":
        """The same without what is large: its maps of all channels are of no picture, (0, C, H, W)."""

        def emptied(trace: ChannelTrace | SpatialTrace | None) -> Any:
            return None if trace is None else replace(trace, out=trace.out[:0].clone())

        channel, spatial = emptied(self.channel), emptied(self.spatial)
        return CBAMTrace(self.x[:0].clone(), channel, spatial, self.out[:0].clone(), self.order)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelLearnt:
    """What the MLP's last layer has learnt for one channel, for its formulas: (hidden,) weights and a bias."""

    weights: Tensor
    bias: float


class ChannelAttention(nn.Module):
    """Weighs each channel by one number, section 3.1, equation 2.

    Args:
        channels: C of the map.
        reduction: the MLP has C / reduction hidden units (at least :data:`LEAST_HIDDEN`).
        pools: ``("avg", "max")``, or one of them (table 1 of the paper).
    """

    def __init__(self, channels: int, reduction: int = 16, *, pools: tuple[Pooling, ...] = ("avg", "max")) -> None:
        super().__init__()
        if not pools or not set(pools) <= {"avg", "max"}:
            raise ValueError(f"channel attention pools by avg, max or both, not {pools}")
        if channels < 1 or reduction < 1:
            raise ValueError("channels and reduction are positive")
        hidden = max(LEAST_HIDDEN, channels // reduction)
        self.channels = channels
        self.pools = tuple(pools)
        # The authors' MLP begins with a Flatten; its place in the names is kept.
        self.mlp = nn.Sequential(nn.Identity(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return self.trace(x).out

    def trace(self, x: Tensor, switch: Switch = AS_TRAINED) -> ChannelTrace:
        pooled: dict[Pooling, Tensor] = {}
        hidden: dict[Pooling, Tensor] = {}
        branches: dict[Pooling, Tensor] = {}
        for pool in self.pools:
            pooled[pool] = x.mean((2, 3)) if pool == "avg" else x.amax((2, 3))  # (N, C)
            hidden[pool] = self.mlp[:3](pooled[pool])  # (N, hidden)
            branches[pool] = self.mlp[3](hidden[pool])  # (N, C)
        logits = branches[self.pools[0]]
        for pool in self.pools[1:]:
            logits = logits + branches[pool]
        gate = torch.sigmoid(logits)  # Mc, equation 2
        weight = _switched(gate, switch.channel)
        if switch.gains:
            weight = weight.clone()
            for channel, factor in switch.gains:
                if channel >= weight.shape[1]:
                    raise ValueError(f"there is no channel {channel} in a map of {weight.shape[1]}")
                weight[:, channel] *= factor
        return ChannelTrace(pooled, hidden, branches, logits, gate, weight, x * weight[:, :, None, None])

    @torch.no_grad()
    def learnt(self, channel: int) -> ChannelLearnt:
        weights, bias = self.mlp[3].parameters()
        return ChannelLearnt(weights[channel], bias[channel].item())


@dataclass(frozen=True, slots=True)
class NormNumbers:
    """Batch norm of one channel in evaluation: gamma (x - mean) / sqrt(variance + epsilon) + beta."""

    gamma: float
    beta: float
    mean: float
    variance: float
    epsilon: float


@dataclass(frozen=True, slots=True, eq=False)
class SpatialLearnt:
    """What spatial attention has learnt, for its formulas.

    Args:
        kernel: (maps, k, k), of each pooled map.
        parts: (N, maps, H, W), what each pooled map adds to the convolution.
        norm: of the sum of the parts.
    """

    kernel: Tensor
    parts: Tensor
    norm: NormNumbers


class ChannelPool(nn.Module):
    """The maximum and the mean over the channels, in the order of the authors' code."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, 2, H, W)
        return torch.cat((x.amax(1, keepdim=True), x.mean(1, keepdim=True)), 1)


class ConvNorm(nn.Module):
    """Convolution to one channel without bias, then batch norm (with the authors' momentum)."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:  # (N, channels, H, W) -> (N, 1, H, W)
        out: Tensor = self.bn(self.conv(x))
        return out


class SpatialAttention(nn.Module):
    """Weighs each position by one number, section 3.2, equation 3.

    Args:
        kernel_size: odd; 7 in the paper, 3 in its table 2.
        conv_pool: the width C of the map, to pool the channels by a learnt 1x1 convolution in place of maximum and mean (table 2).
    """

    def __init__(self, kernel_size: int = 7, *, conv_pool: int | None = None) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"the kernel of spatial attention is odd, not {kernel_size}")
        self.compress = ChannelPool() if conv_pool is None else nn.Conv2d(conv_pool, 1, 1)
        self.spatial = ConvNorm(2 if conv_pool is None else 1, kernel_size)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return self.trace(x).out

    def trace(self, x: Tensor, switch: Switch = AS_TRAINED) -> SpatialTrace:
        pooled = self.compress(x)  # (N, 2 or 1, H, W)
        convolved = self.spatial.conv(pooled)  # (N, 1, H, W)
        logits = self.spatial.bn(convolved)
        gate = torch.sigmoid(logits)  # Ms, equation 3
        weight = _switched(gate, switch.spatial)
        return SpatialTrace(pooled, convolved, logits, gate, weight, x * weight)

    @torch.no_grad()
    def learnt(self, pooled: Tensor) -> SpatialLearnt:
        """On pooled maps (N, maps, H, W) as in :class:`SpatialTrace`."""
        conv, bn = self.spatial.conv, self.spatial.bn
        assert bn.running_mean is not None
        assert bn.running_var is not None
        kernels = conv.weight.transpose(0, 1)  # (maps, 1, k, k)
        parts = nn.functional.conv2d(pooled, kernels, padding=conv.padding, groups=len(kernels))
        gamma, beta, mean, variance = (t.item() for t in (bn.weight, bn.bias, bn.running_mean, bn.running_var))
        return SpatialLearnt(conv.weight[0], parts, NormNumbers(gamma, beta, mean, variance, bn.eps))


class CBAM(nn.Module):
    """Both attentions after each other, section 3.

    Args:
        channels: C of the map.
        reduction, pools: of :class:`ChannelAttention`.
        kernel_size: of :class:`SpatialAttention`.
        channel, spatial: False leaves that attention out for good.
        order: ``parallel`` works both out from the same map and multiplies it with both (the paper does not say how it joins them).
        conv_pool: spatial attention pools by a learnt 1x1 convolution.

    Raises:
        ValueError: arguments out of range, or neither attention asked for.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernel_size: int = 7,
        *,
        channel: bool = True,
        spatial: bool = True,
        pools: tuple[Pooling, ...] = ("avg", "max"),
        order: Order = "channel first",
        conv_pool: bool = False,
    ) -> None:
        super().__init__()
        if not (channel or spatial):
            raise ValueError("a block of attention has channel or spatial attention")
        if order not in ("channel first", "spatial first", "parallel"):
            raise ValueError(f"the order is channel first, spatial first or parallel, not {order!r}")
        self.order: Order = order
        self.ChannelGate = ChannelAttention(channels, reduction, pools=pools) if channel else None
        self.SpatialGate = SpatialAttention(kernel_size, conv_pool=channels if conv_pool else None) if spatial else None

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        watch = _watching.get()
        return self.trace(x).out if watch is None else watch(self, x)

    def trace(self, x: Tensor, switch: Switch = AS_TRAINED) -> CBAMTrace:
        """All steps of the block on a map (N, C, H, W)."""
        channel: ChannelTrace | None = None
        spatial: SpatialTrace | None = None
        out = x
        match self.order:
            case "channel first":
                if self.ChannelGate is not None:
                    channel = self.ChannelGate.trace(x, switch)
                    out = channel.out
                if self.SpatialGate is not None:
                    spatial = self.SpatialGate.trace(out, switch)
                    out = spatial.out
            case "spatial first":
                if self.SpatialGate is not None:
                    spatial = self.SpatialGate.trace(x, switch)
                    out = spatial.out
                if self.ChannelGate is not None:
                    channel = self.ChannelGate.trace(out, switch)
                    out = channel.out
            case "parallel":
                if self.ChannelGate is not None:
                    channel = self.ChannelGate.trace(x, switch)
                    out = channel.out
                if self.SpatialGate is not None:
                    spatial = self.SpatialGate.trace(x, switch)
                    out = out * spatial.weight
            case _:
                assert_never(self.order)
        return CBAMTrace(x, channel, spatial, out, self.order)


# A context variable belongs to one thread: nothing is set on the modules, and nothing is left behind.
_watching: ContextVar[Callable[[CBAM, Tensor], Tensor] | None] = ContextVar("cbam_watch", default=None)


@contextmanager
def watched(run: Callable[[CBAM, Tensor], Tensor]) -> Iterator[None]:
    """What ``run(block, x)`` gives stands for every block's forward pass in this thread; other threads see nothing of it."""
    token = _watching.set(run)
    try:
        yield
    finally:
        _watching.reset(token)


def _switched(gate: Tensor, switch: Gate) -> Tensor:
    match switch:
        case "on":
            return gate
        case "off":
            return torch.ones_like(gate)
        case "mean":
            return gate.mean(tuple(range(1, gate.ndim)), keepdim=True).expand_as(gate)
        case _:
            assert_never(switch)
