"""Convolution looked into: the products of a window, what dilated layers reach, and what a convolution costs.

torch computes it; here is what it is made of. Gridding and its two conditions: Wang et al., Understanding Convolution for Semantic
Segmentation 2018, https://arxiv.org/abs/1702.08502 , section 3.2, equation 2. Separable convolutions: Howard et al., MobileNets 2017,
https://arxiv.org/abs/1704.04861 , section 3.1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One number of a convolution's output and all that it was added up from.

    Args:
        rows, columns: (kh,) and (kw,) int64, the cells of the input under the kernel; those outside are padding.
        inside: (kh, kw) whether a cell is one of the input's.
        channels: (C,) int64, the input channels of the output's group.
        inputs: (C, kh, kw) what the kernel lies on; 0 in the padding.
        weights: (C, kh, kw).
        products: (C, kh, kw) inputs times weights.
        bias: (), 0 if there is none.
        total: () the sum of products and bias, which is the output up to rounding.
    """

    rows: Tensor
    columns: Tensor
    inside: Tensor
    channels: Tensor
    inputs: Tensor
    weights: Tensor
    products: Tensor
    bias: Tensor
    total: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Conv2dTrace:
    """A convolution that can be asked for each of its windows. Nothing is copied before.

    Args:
        out: (N, O, P, Q), with gradients.
        input: (N, C, H, W). weight: (O, C / groups, kh, kw). bias: (O,) or None.
        stride, padding, dilation: along y and x.
        groups: of channels that see only their own weights.
    """

    out: Tensor
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def window(self, image: int, channel: int, row: int, column: int) -> Window:
        """What the output of this picture, channel and position was made of.

        Raises:
            IndexError: there is no such output.
        """
        for number, size in zip((image, channel, row, column), self.out.shape, strict=True):
            if not 0 <= number < size:
                raise IndexError(f"no output {(image, channel, row, column)} among {tuple(self.out.shape)}")
        (_, _, H, W), (outputs, each, kh, kw) = self.input.shape, self.weight.shape
        device = self.input.device
        rows = torch.arange(kh, device=device) * self.dilation[0] + row * self.stride[0] - self.padding[0]
        columns = torch.arange(kw, device=device) * self.dilation[1] + column * self.stride[1] - self.padding[1]
        inside = ((rows >= 0) & (rows < H))[:, None] & ((columns >= 0) & (columns < W))
        first = channel // (outputs // self.groups) * each
        channels = torch.arange(first, first + each, device=device)
        picture = self.input.detach()[image, first : first + each]
        inputs = picture[:, rows.clamp(0, H - 1)[:, None], columns.clamp(0, W - 1)].where(inside, 0)
        weights = self.weight.detach()[channel]
        products = inputs * weights
        bias = products.new_zeros(()) if self.bias is None else self.bias.detach()[channel]
        return Window(rows, columns, inside, channels, inputs, weights, products, bias, products.sum() + bias)


def conv2d_trace(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Conv2dTrace:
    """torch's ``conv2d``, whose every window can be looked into.

    Args:
        input: (N, C, H, W). weight: (O, C / groups, kh, kw). bias: (O,) or None. stride, padding, dilation: one number, or along y and x.

    Raises:
        ValueError: dimensions, or steps that are no one or two whole numbers in range.
        RuntimeError: torch's, for shapes that do not fit each other.
    """
    if input.dim() != 4 or weight.dim() != 4:
        raise ValueError(f"input and weight must have four dimensions, not {tuple(input.shape)}, {tuple(weight.shape)}")
    steps = _pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    out = conv2d(input, weight, bias, *steps, groups)
    return Conv2dTrace(out, input, weight, bias, *steps, groups)


def _pair(name: str, value: int | Sequence[int], least: int) -> tuple[int, int]:
    two = (value, value) if isinstance(value, int) else tuple(value)
    if len(two) != 2 or min(two) < least:
        raise ValueError(f"{name} must be one or two whole numbers of at least {least}, not {value}")
    return two[0], two[1]


@dataclass(frozen=True, slots=True, eq=False)
class DilatedSupport:
    """Which input pixels one output of a stack of dilated layers depends on, all of stride 1 and with square kernels.

    Args:
        rates: dilations, from the first layer to the last. kernel: side of all kernels.
        line: (R,) float64, in how many ways each pixel of a row reaches the output; R is the side of the receptive field. The map is the
            outer product of the line with itself.
        distances: M_1 to M_n of HDC, the largest distance between two pixels that layer i and those above it use.
        fits: HDC's first condition: M_2 is at most the kernel's side.
        divisor: the greatest common divisor of the rates. HDC's second condition is that it is 1: else pixels at other distances from
            the middle than its multiples are never used.
    """

    rates: tuple[int, ...]
    kernel: int
    line: Tensor
    distances: tuple[int, ...]
    fits: bool
    divisor: int

    @property
    def field(self) -> int:
        """Side of the receptive field, in pixels."""
        return len(self.line)

    @property
    def paths(self) -> Tensor:
        """(R, R) float64, in how many ways each pixel reaches the output."""
        return self.line[:, None] * self.line

    @property
    def used(self) -> int:
        """How many pixels of the receptive field the output depends on."""
        return int((self.line > 0).sum()) ** 2

    @property
    def covered(self) -> bool:
        """Whether it depends on all of them."""
        return self.used == self.field**2

    @property
    def meets_hdc(self) -> bool:
        """Both of HDC's conditions."""
        return self.fits and self.divisor == 1


def dilated_support(rates: Sequence[int], kernel: int = 3) -> DilatedSupport:
    """What one output of layers of these dilations, one after another, depends on.

    HDC's distances, from the last layer to the first (equation 2): M_n = r_n, M_i = max(M_i+1 - 2 r_i, 2 r_i - M_i+1, r_i).

    Args:
        rates: at least one dilation of at least 1, from the first layer to the last. kernel: side of all kernels.

    Raises:
        ValueError: no rates, or a number below 1.
    """
    rates = tuple(rates)
    if not rates or min(rates) < 1 or kernel < 1:
        raise ValueError(f"there must be rates, and they and the kernel must be at least 1, not {rates} and {kernel}")
    line = torch.ones(1, dtype=torch.float64)
    for rate in rates:
        wider = torch.zeros(len(line) + (kernel - 1) * rate, dtype=torch.float64)
        for tap in range(kernel):
            wider[tap * rate : tap * rate + len(line)] += line
        line = wider
    distances = [rates[-1]]
    for rate in reversed(rates[:-1]):
        above = distances[0]
        distances.insert(0, max(above - 2 * rate, 2 * rate - above, rate))
    # of a single layer it is the layer's own distance that has to fit
    second = distances[min(1, len(distances) - 1)]
    return DilatedSupport(rates, kernel, line, tuple(distances), second <= kernel, math.gcd(*rates))


@dataclass(frozen=True, slots=True)
class ConvCost:
    """What a convolution costs, without bias.

    Args:
        parameters: weights.
        multiply_adds: products, each with its addition, for one picture.
    """

    parameters: int
    multiply_adds: int

    def __add__(self, other: "ConvCost") -> "ConvCost":
        return ConvCost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


def conv_cost(
    in_channels: int, out_channels: int, kernel: int | Sequence[int], *, groups: int = 1, positions: int = 1
) -> ConvCost:
    """(C / groups) kh kw O weights, each used once at each of the output's positions.

    Args:
        groups: of channels that see only their own weights. positions: output height times width.

    Raises:
        ValueError: a number below 1, or groups that do not divide the channels.
    """
    kh, kw = _pair("kernel", kernel, 1)
    if min(in_channels, out_channels, groups, positions) < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{groups} groups do not divide {in_channels} and {out_channels} channels, or a number is below 1"
        )
    parameters = in_channels // groups * kh * kw * out_channels
    return ConvCost(parameters, parameters * positions)


@dataclass(frozen=True, slots=True)
class SeparableCost:
    """One convolution beside the two that take its place.

    Args:
        standard: C kh kw O. depthwise: C kh kw, a kernel a channel. pointwise: C O, 1 x 1.
    """

    standard: ConvCost
    depthwise: ConvCost
    pointwise: ConvCost

    @property
    def separable(self) -> ConvCost:
        """Depthwise and pointwise together."""
        return self.depthwise + self.pointwise

    @property
    def ratio(self) -> float:
        """Separable over standard: 1 / O + 1 / (kh kw)."""
        return self.separable.multiply_adds / self.standard.multiply_adds


def separable_cost(
    in_channels: int, out_channels: int, kernel: int | Sequence[int] = 3, *, positions: int = 1
) -> SeparableCost:
    """Costs of a convolution and of a depthwise one followed by a pointwise one; 3 channels to 4 with 3 x 3: 108 and 27 + 12 = 39.

    Args:
        positions: output height times width.

    Raises:
        ValueError: a number below 1.
    """
    return SeparableCost(
        conv_cost(in_channels, out_channels, kernel, positions=positions),
        conv_cost(in_channels, in_channels, kernel, groups=in_channels, positions=positions),
        conv_cost(in_channels, out_channels, 1, positions=positions),
    )
