"""Normalisation looked into: which numbers are averaged together, their mean and variance, and what becomes of them.

    out = (x - mean) / sqrt(variance + eps) * weight + bias

Batch norm averages a channel over all pictures and positions (Ioffe, Szegedy 2015, https://arxiv.org/abs/1502.03167 , algorithm 1), layer
norm a picture (Ba et al. 2016, https://arxiv.org/abs/1607.06450 , equation 3), instance norm a channel of a picture (Ulyanov et al.
2016, https://arxiv.org/abs/1607.08022), group norm some channels of a picture (Wu, He 2018, https://arxiv.org/abs/1803.08494 , equation
7). The layers are torch's own, and so are the results.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

Kind = Literal["batch", "layer", "instance", "group"]


@dataclass(frozen=True, slots=True, eq=False)
class NormTrace:
    """A normalisation with every number of its formula, for S sets of numbers that are averaged together.

    Args:
        out: as the input, with gradients.
        sets: int64, of the input's dimensions and broadcast to its shape: the set that each number belongs to.
        count: how many numbers are in each set.
        mean, variance: (S,) of the input; the variance divides by the count.
        used_mean, used_variance: (S,) what was subtracted and divided by: these, or the running averages in evaluation.
        normalised: as the input, before weight and bias.
        running_mean, running_variance: (C,) the layer's running averages after this input; None if it keeps none. The layer itself does not
            change.
        eps: added to the variance.
    """

    out: Tensor
    sets: Tensor
    count: int
    mean: Tensor
    variance: Tensor
    used_mean: Tensor
    used_variance: Tensor
    normalised: Tensor
    running_mean: Tensor | None
    running_variance: Tensor | None
    eps: float


def averaged_together(kind: Kind, shape: Sequence[int], groups: int = 1) -> Tensor:
    """The set that each number of a tensor (N, C, ...) is averaged with: int64, of as many dimensions, broadcast to the shape.

    Args:
        groups: of channels, for ``group``: 1 is layer norm, C instance norm.

    Raises:
        ValueError: fewer than two dimensions, or groups that do not divide the channels.
    """
    if len(shape) < 2:
        raise ValueError(f"there must be pictures and channels, not {tuple(shape)}")
    N, C = shape[:2]
    rest = (1,) * (len(shape) - 2)
    picture, channel = torch.arange(N).view(N, 1, *rest), torch.arange(C).view(1, C, *rest)
    match kind:
        case "batch":
            return channel
        case "layer":
            return picture
        case "instance":
            return picture * C + channel
        case "group":
            if groups < 1 or C % groups:
                raise ValueError(f"{groups} groups do not divide {C} channels")
            return picture * groups + channel // (C // groups)
        case _:
            assert_never(kind)


def norm_trace(layer: nn.Module, input: Tensor) -> NormTrace:
    """What one of torch's normalisations does to an input, in its own mode (training or evaluation).

    Args:
        layer: BatchNorm, InstanceNorm or GroupNorm of any dimensions, or LayerNorm.
        input: (N, C, ...); for LayerNorm any that ends in its ``normalized_shape``.

    Raises:
        TypeError: another layer. ValueError: a shape that does not fit, or batch or instance norm in training of sets of one number.
    """
    if isinstance(layer, nn.LayerNorm):
        return _layer_norm(layer, input)
    if isinstance(layer, nn.GroupNorm):
        _check_channels(input, layer.num_channels)
        sets = averaged_together("group", input.shape, layer.num_groups).to(input.device)
        return _normalised(input, sets, layer.eps, _per_channel(layer.weight, input), _per_channel(layer.bias, input))
    if isinstance(layer, _BatchNorm | _InstanceNorm):
        return _with_running_averages(layer, input)
    raise TypeError(f"{type(layer).__name__} is none of BatchNorm, InstanceNorm, GroupNorm and LayerNorm")


def _check_channels(input: Tensor, channels: int) -> None:
    if input.dim() < 2 or input.shape[1] != channels or 0 in input.shape:
        raise ValueError(f"input must be (N, {channels}, ...) and not empty, not {tuple(input.shape)}")


def _per_channel(values: Tensor | None, input: Tensor) -> Tensor | None:
    return None if values is None else values.view(1, -1, *(1,) * (input.dim() - 2))


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


def _averages(input: Tensor, sets: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and variance (S,) of sets that broadcast to the input, and the numbers in a set."""
    number = sets.expand(input.shape).flatten()
    size = int(sets.max()) + 1
    count = input.numel() // size
    zero = input.new_zeros(size)
    mean = zero.index_add(0, number, input.flatten()) / count
    apart = input.flatten() - mean.index_select(0, number)
    return mean, zero.index_add(0, number, apart**2) / count, count


def _normalised(
    input: Tensor,
    sets: Tensor,
    eps: float,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor, Tensor] | None = None,
) -> NormTrace:
    """The formula, with the averages of the sets, or with running ones for them."""
    x = _wide(input)
    mean, variance, count = _averages(x, sets)
    used_mean, used_variance = running or (mean, variance)
    normalised = (x - used_mean[sets]) / torch.sqrt(used_variance[sets] + eps)
    out = normalised if weight is None else normalised * weight
    out = out if bias is None else out + bias
    return NormTrace(
        out.to(input.dtype), sets, count, mean, variance, used_mean, used_variance, normalised, None, None, eps
    )


def _layer_norm(layer: nn.LayerNorm, input: Tensor) -> NormTrace:
    shape = tuple(layer.normalized_shape)
    outer = input.shape[: input.dim() - len(shape)]
    if tuple(input.shape[len(outer) :]) != shape or 0 in input.shape:
        raise ValueError(f"input must end in {shape} and not be empty, not {tuple(input.shape)}")
    sets = torch.arange(math.prod(outer), device=input.device).view(*outer, *(1,) * len(shape))
    return _normalised(input, sets, layer.eps, layer.weight, layer.bias)


def _with_running_averages(layer: _BatchNorm | _InstanceNorm, input: Tensor) -> NormTrace:
    _check_channels(input, layer.num_features)
    batch = isinstance(layer, _BatchNorm)
    sets = averaged_together("batch" if batch else "instance", input.shape).to(input.device)
    kept = layer.running_mean is not None
    # batch norm without running averages takes the batch's in evaluation as well
    own = layer.training or not kept
    per_set = input.numel() // (int(sets.max()) + 1)
    if layer.training and per_set == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(input.shape)}")
    running = None
    if not own:
        averages = cast(Tensor, layer.running_mean), cast(Tensor, layer.running_var)
        running = cast(
            tuple[Tensor, Tensor],
            tuple(_wide(values) if batch else _wide(values).repeat(input.shape[0]) for values in averages),
        )
    weight, bias = _per_channel(layer.weight, input), _per_channel(layer.bias, input)
    trace = _normalised(input, sets, layer.eps, weight, bias, running)
    if not kept:
        return trace
    averages = cast(Tensor, layer.running_mean).clone(), cast(Tensor, layer.running_var).clone()
    if layer.training:
        part = layer.momentum
        if part is None:  # the plain average of all inputs so far
            part = 1 / (int(cast(Tensor, layer.num_batches_tracked)) + 1)
        # the running variance divides by one less, so that it is right on average
        now = trace.mean.detach(), trace.variance.detach() * per_set / max(per_set - 1, 1)
        averages = cast(
            tuple[Tensor, Tensor],
            tuple(old + part * (new.view(-1, len(old)).mean(0) - old) for old, new in zip(averages, now, strict=True)),
        )
    fields = {name: getattr(trace, name) for name in NormTrace.__slots__}
    return NormTrace(**{**fields, "running_mean": averages[0], "running_variance": averages[1]})
