"""Both deformable operators in plain tensor operations, for devices other than the CPU; the same results as the compiled loops.

A sample is four gathered cells, weighted. Those of a convolution, a few pictures at a time, times the weights are one matrix product.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from cvcore.ops.deform_conv.loops import Geometry

CHUNK = 2**26
"""Numbers gathered at a time."""


def regular(g: Geometry, like: Tensor) -> tuple[Tensor, Tensor]:
    """Where the taps lie without offsets, y and x: (T, P, Q) each."""
    number = lambda n: torch.arange(n, dtype=like.dtype, device=like.device)  # noqa: E731
    y = number(g.rows)[:, None] * g.dilation_y + (number(g.out_height) * g.stride_y - g.padding_y)  # (kh, P)
    x = number(g.columns)[:, None] * g.dilation_x + (number(g.out_width) * g.stride_x - g.padding_x)  # (kw, Q)
    shape = (g.rows, g.columns, g.out_height, g.out_width)
    return y[:, None, :, None].expand(shape).flatten(0, 1), x[None, :, None, :].expand(shape).flatten(0, 1)


def positions(offset: Tensor, g: Geometry) -> tuple[Tensor, Tensor]:
    """Where the taps sample, y and x: (N, offset groups, T, P, Q) each."""
    shape = (offset.shape[0], g.offset_groups, g.rows * g.columns, 2, g.out_height, g.out_width)
    y, x = offset.view(shape).unbind(3)
    regular_y, regular_x = regular(g, offset)
    return y + regular_y, x + regular_x


def two_cells(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The cells below and above positions, moved inside, and their weights, 0 outside: (..., 2) each."""
    position = position.clamp(-2, size + 1)  # all of them outside
    low = position.detach().floor()
    part = position - low
    cell = torch.stack((low, low + 1), -1).long()
    weight = torch.stack((1 - part, part), -1) * ((cell >= 0) & (cell < size))
    return cell.clamp(0, size - 1), weight


def _corners(y: Tensor, x: Tensor, g: Geometry) -> Iterator[tuple[Tensor, Tensor]]:
    """Number and weight of each of the four cells of all samples, of the shape of y."""
    y_cell, y_weight = two_cells(y, g.height)
    x_cell, x_weight = two_cells(x, g.width)
    for corner in range(4):
        a, b = corner >> 1, corner & 1
        yield y_cell[..., a] * g.width + x_cell[..., b], y_weight[..., a] * x_weight[..., b]


def convolved(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, g: Geometry
) -> Tensor:
    """(N, O, P, Q), some pictures at a time, with gradients."""
    taps, pixels = g.rows * g.columns, g.out_height * g.out_width
    step = max(1, CHUNK // (g.channels * taps * pixels))
    parts = []
    for n in range(0, max(g.images, 1), step):
        some = slice(n, n + step)
        columns = samples(input[some], *positions(offset[some], g), g)
        if mask is not None:
            columns = columns * mask[some].view(len(columns), g.offset_groups, 1, *columns.shape[3:])
        columns = columns.reshape(len(columns), g.groups, g.channels // g.groups * taps, pixels)
        product = weight.view(g.groups, g.outputs // g.groups, columns.shape[2]) @ columns  # (n, groups, outputs, P Q)
        parts.append(product.view(len(columns), g.outputs, g.out_height, g.out_width))
    out = torch.cat(parts)
    return out if bias is None else out + bias[:, None, None]


def samples(input: Tensor, y: Tensor, x: Tensor, g: Geometry) -> Tensor:
    """(n, offset groups, channels of a group, T, P, Q)."""
    planes = input.reshape(len(input), g.offset_groups, g.channels // g.offset_groups, g.height * g.width)
    total = input.new_zeros(())
    for index, w in _corners(y, x, g):
        index = index.flatten(2)[:, :, None].expand(-1, -1, planes.shape[2], -1)
        total = total + planes.gather(3, index).unflatten(3, y.shape[2:]) * w[:, :, None]
    return total


def gradients(
    grad_out: Tensor, input: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, g: Geometry
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Those of input, offset, weight and mask, written out: registered operators compute them below autograd."""
    taps, pixels = g.rows * g.columns, g.out_height * g.out_width
    each, kernel = g.channels // g.offset_groups, weight.view(g.groups, g.outputs // g.groups, -1)
    of_weight = torch.zeros_like(kernel)
    of_input, of_offset, of_mask = [], [], []
    step = max(1, CHUNK // (g.channels * taps * pixels))
    for n in range(0, max(g.images, 1), step):
        some = slice(n, n + step)
        (y, x), count = positions(offset[some], g), len(offset[some])
        value = samples(input[some], y, x, g)  # (n, offset groups, channels of a group, T, P, Q)
        m = value.new_ones(()) if mask is None else mask[some].view(y.shape)[:, :, None]
        given = grad_out[some].reshape(count, g.groups, g.outputs // g.groups, pixels)
        columns = (value * m).reshape(count, g.groups, kernel.shape[2], pixels)
        of_weight = of_weight + (given @ columns.transpose(2, 3)).sum(0)
        of_columns = (kernel.transpose(1, 2) @ given).reshape(value.shape)
        if mask is not None:
            of_mask.append((of_columns * value).sum(2))
        of_columns = of_columns * m
        planes = input[some].reshape(count, g.offset_groups, each, g.height * g.width)
        of_planes, of_y, of_x = torch.zeros_like(planes), torch.zeros_like(y), torch.zeros_like(x)
        (_, y_weight), (_, x_weight) = two_cells(y, g.height), two_cells(x, g.width)
        y_slope, x_slope = slopes(y, g.height), slopes(x, g.width)
        for corner, (index, w) in enumerate(_corners(y, x, g)):
            a, b = corner >> 1, corner & 1
            index = index.flatten(2)[:, :, None].expand(-1, -1, each, -1)
            here = (of_columns * planes.gather(3, index).view(value.shape)).sum(2)
            of_y = of_y + here * y_slope[..., a] * x_weight[..., b]
            of_x = of_x + here * y_weight[..., a] * x_slope[..., b]
            of_planes.scatter_add_(3, index, (of_columns * w[:, :, None]).flatten(3))
        of_input.append(of_planes.view(count, g.channels, g.height, g.width))
        of_offset.append(torch.stack((of_y, of_x), 3).view(offset[some].shape))
    return (
        torch.cat(of_input),
        torch.cat(of_offset),
        of_weight.view(weight.shape),
        None if mask is None else torch.cat(of_mask).view(mask.shape),
    )


def slopes(position: Tensor, size: int) -> Tensor:
    """What the weights of :func:`two_cells` change by per cell: (..., 2)."""
    low = position.clamp(-2, size + 1).floor()
    cell = torch.stack((low, low + 1), -1)
    return torch.tensor([-1.0, 1.0], dtype=position.dtype, device=position.device) * ((cell >= 0) & (cell < size))


def _axis(start: Tensor, size: Tensor, count: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Samples of bins (k, P, Q) along one axis: their cells and weights (k, P, Q, G, 2), and what these change by per cell.

    Up to G samples, as the RoI with most of them has; the host waits once to know it.
    """
    most = int(count.max()) if len(count) else 0
    number = torch.arange(most, device=start.device)
    within = (number + 0.5) * (size / count.clamp(min=1))[:, None]  # (k, G)
    position = start[..., None] + within[:, None, None, :]
    exists = (number < count[:, None])[:, None, None, :] & (position >= -1) & (position <= cells)
    low = position.detach().clamp(0, max(cells - 2, 0)).floor()
    part = position.clamp(0, cells - 1) - low
    moves = exists & (position > 0) & (position < cells - 1)
    cell = torch.stack((low, (low + 1).clamp(max=cells - 1)), -1).long()
    slope = torch.tensor([-1.0, 1.0], dtype=start.dtype, device=start.device) * moves[..., None]
    return cell, torch.stack((1 - part, part), -1) * exists[..., None], slope


def pooled(features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor) -> Tensor:
    """Deformable RoI pooling, (K, C, P, Q), some RoIs at a time, with gradients."""
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    parts = [rows.new_zeros((0, *start.shape[2:], rows.shape[1]))]
    for some in _chunks(start, count, features.shape[1]):
        index, (wy, wx), _, points = _samples(features, start, image, size, count, some)
        weight = wy * wx / points  # (k, P, Q, G, G, 2, 2)
        parts.append((rows[index] * weight[..., None]).sum((3, 4, 5, 6)))
    return torch.cat(parts).permute(0, 3, 1, 2).contiguous()


def pooled_gradients(
    grad_out: Tensor, features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor
) -> tuple[Tensor, Tensor]:
    """Those of features and of ``start``, written out: registered operators compute them below autograd."""
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    given = grad_out.permute(0, 2, 3, 1)  # (K, P, Q, C)
    of_rows, of_start = torch.zeros_like(rows), torch.zeros_like(start)
    for some in _chunks(start, count, features.shape[1]):
        index, (wy, wx), (dy, dx), points = _samples(features, start, image, size, count, some)
        here = given[some][:, :, :, None, None, None, None]
        product = (rows[index] * here).sum(-1) / points
        of_start[some] = torch.stack(((product * dy * wx).sum((3, 4, 5, 6)), (product * wy * dx).sum((3, 4, 5, 6))), 1)
        weighted = here * (wy * wx / points)[..., None]
        of_rows.index_add_(0, index.flatten(), weighted.reshape(-1, rows.shape[1]))
    N, C, H, W = features.shape
    return of_rows.view(N, H, W, C).permute(0, 3, 1, 2).contiguous(), of_start


def _chunks(start: Tensor, count: Tensor, channels: int) -> list[slice]:
    most = int(count.amax(0).prod()) if len(count) else 0
    step = max(1, CHUNK // max(1, 4 * channels * start.shape[2] * start.shape[3] * most))
    return [slice(k, k + step) for k in range(0, len(start), step)]


def _samples(
    features: Tensor, start: Tensor, image: Tensor, size: Tensor, count: Tensor, some: slice
) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
    """Row numbers (k, P, Q, G, G, 2, 2), weights along y and x and their slopes, which broadcast to it, and samples a bin."""
    H, W = features.shape[2:]
    y_cell, wy, dy = _axis(start[some, 0], size[some, 0], count[some, 0], H)
    x_cell, wx, dx = _axis(start[some, 1], size[some, 1], count[some, 1], W)
    y_cell, wy, dy = (t[:, :, :, :, None, :, None] for t in (y_cell, wy, dy))
    x_cell, wx, dx = (t[:, :, :, None, :, None, :] for t in (x_cell, wx, dx))
    index = ((image[some] * H)[:, None, None, None, None, None, None] + y_cell) * W + x_cell
    points = count[some].prod(1).clamp(min=1)[:, None, None, None, None, None, None]
    return index, (wy, wx), (dy, dx), points
