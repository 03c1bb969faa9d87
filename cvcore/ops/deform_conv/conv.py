"""Deformable convolution: every tap of the kernel samples where its offset moves it to, at every pixel.

Dai et al., Deformable Convolutional Networks 2017, https://arxiv.org/abs/1703.06211 , equations 2-4; with a mask Zhu et al., Deformable
ConvNets v2 2019, https://arxiv.org/abs/1811.11168 , equation 1:

    out(p) = sum over k of w_k m_k(p) x(p + p_k + offset_k(p)),    x between cells: bilinear, outside: 0.

Arguments and results are torchvision's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cvcore.ops.capture import captured
from cvcore.ops.deform_conv import on_device
from cvcore.ops.deform_conv.loops import Geometry, convolve, convolve_backward
from cvcore.ops.deform_conv.sizes import check_values, geometry, wide
from cvcore.ops.layout import Floats, empty, from_cells, refuse, to_cells
from cvcore.ops.threads import has_loops, in_threads, threads_for
from cvcore.ops.vectors import LANES

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]
"""Of input, offset, weight and mask."""


@dataclass(frozen=True, slots=True, eq=False)
class DeformConvTrace:
    """A deformable convolution with where it sampled. Positions are in cells of the input, cell i has its value at i.

    Args:
        out: (N, O, P, Q), with gradients.
        y, x: (N, G, T, P, Q) where each of the T taps of each of the G offset groups sampled, with gradients to the offsets.
        regular_y, regular_x: (T, P, Q) where it would have without offsets.
        mask: (N, G, T, P, Q), what each sample was multiplied by, or None.
        size: (H, W) of the input.
    """

    out: Tensor
    y: Tensor
    x: Tensor
    regular_y: Tensor
    regular_x: Tensor
    mask: Tensor | None
    size: tuple[int, int]

    def sampling_points(self, image: int, row: int, column: int, group: int = 0) -> Tensor:
        """(T, 2) x and y of the taps of one output pixel."""
        return torch.stack((self.x[image, group, :, row, column], self.y[image, group, :, row, column]), -1)

    def regular_points(self, row: int, column: int) -> Tensor:
        """(T, 2) x and y of the taps of one output pixel without offsets."""
        return torch.stack((self.regular_x[:, row, column], self.regular_y[:, row, column]), -1)

    def bilinear(self, image: int, row: int, column: int, group: int = 0) -> tuple[Tensor, Tensor]:
        """The four cells (T, 4, 2), row and column, and weights (T, 4) of each tap of one output pixel, without its mask.

        In the order upper left, upper right, lower left, lower right. A cell outside has weight 0.
        """
        y, x = self.y[image, group, :, row, column].detach(), self.x[image, group, :, row, column].detach()
        H, W = self.size
        y_cell, y_weight = on_device.two_cells(y, H)  # (T, 2)
        x_cell, x_weight = on_device.two_cells(x, W)
        cells = torch.stack((y_cell[:, :, None].expand(-1, 2, 2), x_cell[:, None, :].expand(-1, 2, 2)), -1)
        return cells.flatten(1, 2), (y_weight[:, :, None] * x_weight[:, None, :]).flatten(1)


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution, version 2 with a mask, with gradients to all tensors.

    Args:
        input: (N, C, H, W).
        offset: (N, 2 G T, P, Q) in cells, for G groups of channels and T taps, row by row: y and x of the first tap, of the second, ...
        weight: (O, C / groups, kernel height, kernel width); the groups of channels follow from its shape.
        bias: (O,) or None.
        stride, padding, dilation: one number, or along y and x.
        mask: (N, G T, P, Q), or None.

    Returns:
        (N, O, P, Q), of the input's dtype.

    Raises:
        ValueError: shapes that do not fit each other, or NaN or infinite values.
    """
    if captured(input, offset, weight, bias, mask):
        steps = [[n, n] if isinstance(n, int) else list(n) for n in (stride, padding, dilation)]
        noted: Tensor = torch.ops.cvcore.deform_conv2d(input, offset, weight, bias, *steps, mask)
        return noted
    g = geometry(input, offset, weight, bias, stride, padding, dilation, mask)
    return computed(input, offset, weight, bias, mask, g)


def computed(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, g: Geometry
) -> Tensor:
    """:func:`deform_conv2d` of tensors that hold numbers, with gradients."""
    x = wide(input, input)
    offset, weight = wide(offset, input), wide(weight, input)
    mask = None if mask is None else wide(mask, input)
    bias = None if bias is None else wide(bias, input)
    check_values(weight=weight, bias=bias)
    if not has_loops(x):
        check_values(input=x, offset=offset, mask=mask)
        return on_device.convolved(x, offset, weight, bias, mask, g).to(input.dtype)
    out: Tensor = _DeformConv.apply(x, offset, weight, bias, mask, g)
    return out.to(input.dtype)


def deform_conv2d_trace(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    mask: Tensor | None = None,
) -> DeformConvTrace:
    """:func:`deform_conv2d` with the points that were sampled."""
    g = geometry(input, offset, weight, bias, stride, padding, dilation, mask)
    out = computed(input, offset, weight, bias, mask, g)
    regular_y, regular_x = on_device.regular(g, wide(offset, input))
    y, x = on_device.positions(wide(offset, input), g)
    shape = (g.images, g.offset_groups, g.rows * g.columns, g.out_height, g.out_width)
    return DeformConvTrace(
        out, y, x, regular_y, regular_x, None if mask is None else mask.view(shape), (g.height, g.width)
    )


def _flat(values: Tensor | None, like: Tensor) -> Floats:
    """All numbers in a row; none for None."""
    if values is None:
        return empty((0,), like).numpy()
    return values.detach().contiguous().numpy().reshape(-1)


def _cost(g: Geometry) -> float:
    return float(g.images * g.out_height * g.out_width * g.rows * g.columns * g.channels) * (g.outputs // g.groups)


def _outputs_side_by_side(weight: Tensor, g: Geometry) -> Floats:
    """(G, panels of 16 outputs, taps, channels, 16), flat; with one group, as many channels as a cell has numbers."""
    outs, ins = g.outputs // g.groups, g.channels // g.groups
    room = g.breadth if g.groups == 1 else ins
    panels = np.zeros((g.groups, -(-outs // LANES) * LANES, g.rows * g.columns, room), weight.detach().numpy().dtype)
    numbers = weight.detach().contiguous().numpy().reshape(g.groups, outs, ins, -1)
    panels[:, :outs, :, :ins] = numbers.transpose(0, 1, 3, 2)
    panels = panels.reshape(g.groups, -1, LANES, g.rows * g.columns, room)
    return np.ascontiguousarray(panels.transpose(0, 1, 3, 4, 2)).reshape(-1)


def _inputs_side_by_side(weight: Tensor, g: Geometry) -> Floats:
    """(G, taps, panels of 16 channels of a group, outputs of a group, 16), flat."""
    outs, ins = g.outputs // g.groups, g.channels // g.groups
    panels = np.zeros((g.groups, g.rows * g.columns, outs, -(-ins // LANES) * LANES), weight.detach().numpy().dtype)
    numbers = weight.detach().contiguous().numpy().reshape(g.groups, outs, ins, -1)
    panels[:, :, :, :ins] = numbers.transpose(0, 3, 1, 2)
    panels = panels.reshape(g.groups, g.rows * g.columns, outs, -1, LANES)
    return np.ascontiguousarray(panels.transpose(0, 1, 3, 2, 4)).reshape(-1)


def forward(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, g: Geometry
) -> Tensor:
    """On the CPU, without gradients, in one precision."""
    cells = to_cells(input, g.breadth)
    out = empty((g.images, g.outputs, g.out_height, g.out_width), input)
    offsets, masks, panels = _flat(offset, input), _flat(mask, input), _outputs_side_by_side(weight, g)
    plus = np.zeros(g.outputs, cells.dtype) if bias is None else _flat(bias, input)
    target, bad = out.numpy().reshape(-1), np.zeros(1, np.bool_)
    in_threads(lambda turns: convolve(cells, offsets, masks, panels, plus, target, g, turns, bad), _tiles(g), _cost(g))
    refuse(bad, "offset and mask")
    return out


def _tiles(g: Geometry) -> int:
    return g.images * -(-g.out_height * g.out_width // g.tile)


def backward(
    grad_out: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    g: Geometry,
    wanted: Sequence[bool] = (True, True, True, True),
) -> Gradients:
    """The gradients of input, offset, weight and mask on the CPU; None for those not wanted."""
    cells, plane = to_cells(input, g.breadth), g.height * g.width
    parts = threads_for(_tiles(g), _cost(g))
    taps, in_panels = g.rows * g.columns, -(-(g.channels // g.groups) // LANES)
    grad_cells = np.zeros(parts * g.images * plane * g.breadth if wanted[0] else 0, cells.dtype)
    grad_weight = np.zeros(parts * g.outputs * taps * in_panels * LANES if wanted[2] else 0, cells.dtype)
    grad_offset = empty(offset.shape if wanted[1] else (0,), offset)
    grad_mask = empty((0,) if mask is None or not wanted[3] else mask.shape, offset)
    given, offsets, masks = _flat(grad_out, input), _flat(offset, input), _flat(mask, input)
    panels = _inputs_side_by_side(weight, g)
    of_offset, of_mask = grad_offset.numpy().reshape(-1), grad_mask.numpy().reshape(-1)
    in_threads(
        lambda turns: convolve_backward(
            *(cells, offsets, masks, panels, given, g, parts, grad_cells, of_offset, of_mask, grad_weight, turns)
        ),
        parts,
        _cost(g),
    )
    grad_input = from_cells(grad_cells, parts, g.breadth, input) if wanted[0] else None
    of_weight: Tensor | None = None
    if wanted[2]:
        total = grad_weight.reshape(parts, g.outputs, taps, -1).sum(0)[:, :, : g.channels // g.groups]
        of_weight = torch.from_numpy(np.ascontiguousarray(total.transpose(0, 2, 1)).reshape(weight.shape))
    return (
        grad_input,
        grad_offset if wanted[1] else None,
        of_weight,
        grad_mask if wanted[3] and mask is not None else None,
    )


class _DeformConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, g: Geometry
    ) -> Tensor:
        ctx.save_for_backward(input, offset, weight, mask)
        ctx.geometry = g
        return forward(input, offset, weight, bias, mask, g)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        of_input, of_offset, of_weight, of_bias, of_mask, _ = ctx.needs_input_grad
        input, offset, weight, mask = ctx.saved_tensors
        wanted = (of_input, of_offset, of_weight, of_mask)
        grads = backward(grad_out, input, offset, weight, mask, ctx.geometry, wanted)
        bias = torch.from_numpy(grad_out.numpy().sum((0, 2, 3))) if of_bias else None
        return (*grads[:3], bias, grads[3], None)
