"""The deformable operators as PyTorch's own: ``torch.ops.cvcore.deform_conv2d`` and ``deform_roi_pool``, with their gradients.

torch.compile, torch.export and fake tensors see one node each way.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cvcore.ops.deform_conv import conv, on_device, roi_pool
from cvcore.ops.deform_conv.sizes import geometry, wide
from cvcore.ops.roi.regions import bins_of, check_shapes
from cvcore.ops.threads import has_loops


@torch.library.custom_op("cvcore::deform_conv2d", mutates_args=())
def _deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    mask: Tensor | None = None,
) -> Tensor:
    g = geometry(input, offset, weight, bias, stride, padding, dilation, mask)
    with torch.no_grad():
        return conv.computed(input, offset, weight, bias, mask, g)


@torch.library.custom_op("cvcore::deform_conv2d_backward", mutates_args=())
def _deform_conv2d_backward(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of input, offset, weight and mask; the last one (0,) without a mask."""
    g = geometry(input, offset, weight, None, stride, padding, dilation, mask)
    compute = conv.backward if has_loops(input) else on_device.gradients
    m = None if mask is None else wide(mask, input)
    grads = compute(wide(grad, input), wide(input, input), wide(offset, input), wide(weight, input), m, g)
    like = (input, offset, weight, grad.new_empty(0) if mask is None else mask)
    of_input, of_offset, of_weight, of_mask = (
        values.new_empty(0) if found is None else found.to(values.dtype)
        for values, found in zip(like, grads, strict=True)
    )
    return of_input, of_offset, of_weight, of_mask


@_deform_conv2d.register_fake
def _(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    mask: Tensor | None = None,
) -> Tensor:
    g = geometry(input, offset, weight, bias, stride, padding, dilation, mask)
    return input.new_empty((input.shape[0], weight.shape[0], g.out_height, g.out_width))


@_deform_conv2d_backward.register_fake
def _(
    grad: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    of_mask = grad.new_empty(0) if mask is None else mask.new_empty(mask.shape)
    return input.new_empty(input.shape), offset.new_empty(offset.shape), weight.new_empty(weight.shape), of_mask


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, offset, weight, _, *ctx.steps, mask = inputs
    ctx.save_for_backward(input, offset, weight, mask)


def _back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, offset, weight, mask = ctx.saved_tensors
    of_input, of_offset, of_weight, of_mask = torch.ops.cvcore.deform_conv2d_backward(
        grad, input, offset, weight, *ctx.steps, mask
    )
    bias = grad.sum((0, 2, 3)) if ctx.needs_input_grad[3] else None
    return of_input, of_offset, of_weight, bias, None, None, None, None if mask is None else of_mask


_deform_conv2d.register_autograd(_back, setup_context=_keep)


@torch.library.custom_op("cvcore::deform_roi_pool", mutates_args=())
def _deform_roi_pool(
    input: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> Tensor:
    with torch.no_grad():
        return roi_pool.deform_roi_pool_trace(
            input, rois, offset, output_size, spatial_scale, sampling_ratio, gamma
        ).out


@torch.library.custom_op("cvcore::deform_roi_pool_backward", mutates_args=())
def _deform_roi_pool_backward(
    grad: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    """Of input and offset; the latter (0,) without one."""
    of_input, of_offset = roi_pool.gradients(grad, input, rois, offset, spatial_scale, sampling_ratio, gamma)
    return of_input, grad.new_empty(0) if of_offset is None else of_offset


@_deform_roi_pool.register_fake
def _(
    input: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    output_size: Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> Tensor:
    check_shapes(input, rois)
    return input.new_empty((rois.shape[0], input.shape[1], *bins_of(output_size)))


@_deform_roi_pool_backward.register_fake
def _(
    grad: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    return input.new_empty(input.shape), grad.new_empty(0) if offset is None else offset.new_empty(offset.shape)


def _keep_pool(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    input, rois, offset, _, *ctx.how = inputs
    ctx.save_for_backward(input, rois, offset)


def _back_pool(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    offset = ctx.saved_tensors[2]
    of_input, of_offset = torch.ops.cvcore.deform_roi_pool_backward(grad, *ctx.saved_tensors, *ctx.how)
    return of_input, None, None if offset is None else of_offset, None, None, None, None


_deform_roi_pool.register_autograd(_back_pool, setup_context=_keep_pool)
