"""Deformable convolution as a layer, with torchvision's arguments and parameters' names."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cvcore.ops.deform_conv import DeformConvTrace, deform_conv2d, deform_conv2d_trace


class DeformConv2d(nn.Module):
    """:func:`~cvcore.ops.deform_conv.deform_conv2d` with a weight and a bias; the offsets, and a mask, come with the input.

    Args:
        in_channels, out_channels: C and O.
        kernel_size, stride, padding, dilation: one number, or along y and x.
        groups: of channels that see only their own weights; divides C and O.
        bias: whether there is one.

    Raises:
        ValueError: the groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As in a convolution of torch: uniform in +-1 / sqrt(inputs of an output)."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def trace(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> DeformConvTrace:
        return deform_conv2d_trace(
            input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask
        )

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
