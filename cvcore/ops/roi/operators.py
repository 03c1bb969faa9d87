"""The RoI operators as PyTorch's own: ``torch.ops.cvcore.roi_align``, ``roi_align_max``, ``roi_pool`` and their gradients.

torch.compile, torch.export and fake tensors see one node each way. Boxes are (K, 5) here, and where a gradient needs to know where
bins lie, it works that out again from them: a few per cent of its time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cvcore.ops.roi import align, pool
from cvcore.ops.roi.regions import bins_of, check_shapes


@torch.library.custom_op("cvcore::roi_align", mutates_args=())
def _roi_align(
    input: Tensor,
    boxes: Tensor,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    with torch.no_grad():
        return align.roi_align_trace(input, boxes, output_size, spatial_scale, sampling_ratio, aligned).out


@torch.library.custom_op("cvcore::roi_align_max", mutates_args=())
def _roi_align_max(
    input: Tensor,
    boxes: Tensor,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        trace = align.roi_align_trace(input, boxes, output_size, spatial_scale, sampling_ratio, aligned, "max")
    assert trace.argmax is not None
    return trace.out, trace.argmax


@torch.library.custom_op("cvcore::roi_pool", mutates_args=())
def _roi_pool(
    input: Tensor, boxes: Tensor, output_size: Sequence[int], spatial_scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        trace = pool.roi_pool_trace(input, boxes, output_size, spatial_scale)
    return trace.out, trace.argmax


@torch.library.custom_op("cvcore::roi_align_backward", mutates_args=())
def _roi_align_backward(
    grad: Tensor,
    boxes: Tensor,
    argmax: Tensor | None,
    input_size: Sequence[int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    return align.gradient(grad, boxes, argmax, input_size, spatial_scale, sampling_ratio, aligned)


@torch.library.custom_op("cvcore::roi_pool_backward", mutates_args=())
def _roi_pool_backward(grad: Tensor, boxes: Tensor, argmax: Tensor, input_size: Sequence[int]) -> Tensor:
    return pool.gradient(grad, boxes, argmax, input_size)


@_roi_align.register_fake
def _(
    input: Tensor,
    boxes: Tensor,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    return _bins(input, boxes, output_size)


@_roi_align_max.register_fake
def _(
    input: Tensor,
    boxes: Tensor,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> tuple[Tensor, Tensor]:
    out = _bins(input, boxes, output_size)
    return out, torch.empty_like(out, dtype=torch.int32)


@_roi_pool.register_fake
def _(input: Tensor, boxes: Tensor, output_size: Sequence[int], spatial_scale: float = 1.0) -> tuple[Tensor, Tensor]:
    out = _bins(input, boxes, output_size)
    return out, torch.empty_like(out, dtype=torch.int32)


@_roi_align_backward.register_fake
def _(
    grad: Tensor,
    boxes: Tensor,
    argmax: Tensor | None,
    input_size: Sequence[int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    return grad.new_empty(input_size)


@_roi_pool_backward.register_fake
def _(grad: Tensor, boxes: Tensor, argmax: Tensor, input_size: Sequence[int]) -> Tensor:
    return grad.new_empty(input_size)


def _bins(features: Tensor, boxes: Tensor, output_size: Sequence[int]) -> Tensor:
    """(K, C, P, Q), not filled."""
    check_shapes(features, boxes)
    return features.new_empty((boxes.shape[0], features.shape[1], *bins_of(output_size)))


def _keep_align(ctx: Any, inputs: tuple[Any, ...], output: Tensor | tuple[Tensor, Tensor]) -> None:
    features, boxes, _, *ctx.how = inputs
    argmax = None
    if isinstance(output, tuple):
        argmax = output[1]
        ctx.mark_non_differentiable(argmax)
    ctx.save_for_backward(boxes, argmax)
    ctx.size = features.shape


def _align_back(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    boxes, argmax = ctx.saved_tensors
    return (torch.ops.cvcore.roi_align_backward(grad, boxes, argmax, ctx.size, *ctx.how), *(None,) * 5)


def _keep_pool(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[1], output[1])
    ctx.size = inputs[0].shape


def _pool_back(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return (torch.ops.cvcore.roi_pool_backward(grad, *ctx.saved_tensors, ctx.size), None, None, None)


_roi_align.register_autograd(_align_back, setup_context=_keep_align)
_roi_align_max.register_autograd(_align_back, setup_context=_keep_align)
_roi_pool.register_autograd(_pool_back, setup_context=_keep_pool)
