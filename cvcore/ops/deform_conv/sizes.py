"""What a deformable convolution checks before it starts, and all its sizes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cvcore.ops.boxes import check_finite
from cvcore.ops.deform_conv.loops import Geometry
from cvcore.ops.vectors import LANES

ROOM = 2**18
"""Numbers of gathered samples in a tile, at most: 1 MB of float32."""


def pair(value: int | Sequence[int], name: str, least: int) -> tuple[int, int]:
    """Along y and along x; ValueError unless these are one or two whole numbers, not below ``least``."""
    two = (value, value) if isinstance(value, int) else tuple(value)
    if len(two) != 2:
        raise ValueError(f"{name} must be one or two numbers, not {value}")
    if min(two) < least:
        short = {"stride": "stride", "padding": "pad", "dilation": "dilation"}[name]
        raise ValueError(f"{short}_h: {two[0]} {short}_w: {two[1]}: each must be at least {least}")
    return two[0], two[1]


def geometry(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    mask: Tensor | None,
) -> Geometry:
    """The sizes of a deformable convolution; see :func:`~cvcore.ops.deform_conv.deform_conv2d`.

    Raises:
        ValueError: shapes do not fit each other, in torchvision's words where it has some.
    """
    for name, values in (("input", input), ("offset", offset), ("weight", weight), ("mask", mask)):
        if values is not None and (values.dim() != 4 or not values.is_floating_point()):
            raise ValueError(
                f"{name} must be real numbers of four dimensions, not {tuple(values.shape)} {values.dtype}"
            )
    N, C, H, W = input.shape
    outs, ins, kh, kw = weight.shape
    if 0 in (C, H, W, outs, ins, kh, kw):
        raise ValueError(
            f"input {tuple(input.shape)} and weight {tuple(weight.shape)} must not be empty, but for the batch"
        )
    (sy, sx), (py, px), (dy, dx) = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    taps = kh * kw
    groups, offset_groups = C // ins, offset.shape[1] // (2 * taps)
    if offset_groups == 0:
        raise ValueError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of "
            f"2 * weight.size[2] * weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, while "
            f"2 * weight.size[2] * weight.size[3]={2 * taps}"
        )
    if groups * ins != C:
        raise ValueError(f"weight.shape[1] * groups must be input.shape[1]: {ins} does not divide {C}")
    if outs % groups:
        raise ValueError(f"weight.shape[0] % groups must be 0: {groups} groups of {outs} outputs")
    if offset.shape[1] != 2 * offset_groups * taps:
        raise ValueError(f"offset.shape[1] is not valid: got: {offset.shape[1]} expected: {2 * offset_groups * taps}")
    if C % offset_groups:
        raise ValueError(f"input.shape[1] % offset groups must be 0: {offset_groups} groups of {C} channels")
    if mask is not None and mask.shape[1] != offset_groups * taps:
        raise ValueError(f"mask.shape[1] is not valid: got: {mask.shape[1]} expected: {offset_groups * taps}")
    out = (H + 2 * py - dy * (kh - 1) - 1) // sy + 1, (W + 2 * px - dx * (kw - 1) - 1) // sx + 1
    for name, values in (("offset", offset), ("mask", mask)):
        if values is not None and values.shape[0] != N:
            raise ValueError(f"invalid batch size of {name}: {values.shape[0]}, of input {N}")
        if values is not None and (values.shape[2] != out[0] or values.shape[3] != out[1]):
            given = (values.shape[2], values.shape[3])
            raise ValueError(f"{name} output dims: {given} - computed output dims: {out}")
    if min(out) < 1:
        raise ValueError(f"Calculated output size too small: {out}")
    if bias is not None and (bias.numel() != outs or bias.dim() != 1):
        raise ValueError(f"bias must have shape ({outs},), not {tuple(bias.shape)}")
    uneven = (groups > 1 and ins % LANES) or (offset_groups > 1 and (C // offset_groups) % LANES)
    breadth = -(-C // LANES) * LANES + (LANES if uneven else 0)
    tile = 96
    while tile > 12 and tile * taps * breadth > ROOM:
        tile //= 2
    return Geometry(
        *(N, C, H, W, outs, kh, kw, *out, sy, sx, py, px, dy, dx, groups, offset_groups, breadth, tile),
    )


def check_values(**values: Tensor | None) -> None:
    """Raise ValueError for NaN or infinite values, where they are checked."""
    for name, numbers in values.items():
        if numbers is not None:
            check_finite(numbers, name)


def wide(values: Tensor, like: Tensor) -> Tensor:
    """In the precision to compute in, float64 or float32, of ``like``."""
    return values.to(torch.float64 if like.dtype == torch.float64 else torch.float32)
