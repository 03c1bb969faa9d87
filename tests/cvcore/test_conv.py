"""Convolution looked into: windows against torch's convolution, dilated support against gradients, costs against torch's weights."""

import itertools

import pytest
import torch
from torch import nn

from cvcore.ops.conv import ConvCost, conv2d_trace, conv_cost, dilated_support, separable_cost


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), ((2, 1), (2, 3), (1, 2)), (1, 4, 3)])
def test_every_window_adds_up_to_its_output(
    stride: int | tuple[int, int], padding: int | tuple[int, int], dilation: int | tuple[int, int], groups: int
) -> None:
    g = torch.Generator().manual_seed(0)
    input = torch.randn(2, 4, 8, 9, generator=g, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 4 // groups, 3, 2, generator=g, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, generator=g, dtype=torch.float64)
    trace = conv2d_trace(input, weight, bias, stride, padding, dilation, groups)
    expected = torch.nn.functional.conv2d(input, weight, bias, stride, padding, dilation, groups)
    assert torch.equal(trace.out, expected)
    for place in itertools.product(*map(range, expected.shape)):
        window = trace.window(*place)
        torch.testing.assert_close(window.total, expected[place].detach())
        assert not window.inputs[:, ~window.inside].any()
        assert torch.equal(window.products, window.inputs * window.weights)
    # the cells that are named are the ones that get gradient
    place = (1, 5, 1, 2)
    window = trace.window(*place)
    (grad,) = torch.autograd.grad(trace.out[place], input)
    wanted = torch.zeros_like(grad)
    for c, (i, row), (j, column) in itertools.product(
        range(len(window.channels)), enumerate(window.rows.tolist()), enumerate(window.columns.tolist())
    ):
        if window.inside[i, j]:
            wanted[1, window.channels[c], row, column] = window.weights[c, i, j]
    assert torch.equal(grad, wanted)


def test_what_a_trace_refuses() -> None:
    input, weight = torch.zeros(1, 2, 5, 5), torch.zeros(3, 2, 3, 3)
    assert conv2d_trace(input, weight).window(0, 2, 2, 2).bias == 0
    for place in ((1, 0, 0, 0), (0, 3, 0, 0), (0, 0, 3, 0), (0, 0, 0, -1)):
        with pytest.raises(IndexError, match="no output"):
            conv2d_trace(input, weight).window(*place)
    with pytest.raises(ValueError, match="four dimensions"):
        conv2d_trace(input[0], weight)
    for name, value in (("stride", 0), ("padding", -1), ("dilation", (1, 2, 3))):
        with pytest.raises(ValueError, match=name):
            conv2d_trace(input, weight, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize(
    "rates", [(1,), (4,), (1, 2, 5), (2, 2, 2), (1, 2, 9), (2, 4, 8), (1, 1, 1), (3, 1), (6, 10, 15)]
)
def test_support_is_what_gets_gradient(rates: tuple[int, ...], kernel: int) -> None:
    support = dilated_support(rates, kernel)
    layers = [nn.Conv2d(1, 1, kernel, dilation=rate, bias=False).double() for rate in rates]
    for layer in layers:
        nn.init.ones_(layer.weight)
    input = torch.zeros(1, 1, support.field, support.field, dtype=torch.float64, requires_grad=True)
    out = nn.Sequential(*layers)(input)
    assert out.shape == (1, 1, 1, 1)
    (grad,) = torch.autograd.grad(out.sum(), input)
    assert torch.equal(grad[0, 0], support.paths)
    assert support.used == int((grad > 0).sum())
    assert support.covered == bool((grad > 0).all())


def test_conditions_of_hdc() -> None:
    good, same, far = dilated_support((1, 2, 5)), dilated_support((2, 2, 2)), dilated_support((1, 2, 9))
    assert good.distances[1] == 2
    assert good.fits
    assert good.divisor == 1
    assert good.meets_hdc
    assert good.covered
    assert (same.fits, same.divisor, same.meets_hdc, same.covered) == (True, 2, False, False)
    assert same.used == 7 * 7
    assert same.field == 13
    assert far.distances[1] == 5
    assert (far.fits, far.divisor, far.meets_hdc, far.covered) == (False, 1, False, False)
    # one layer whose taps are apart leaves holes, whatever it is
    assert dilated_support((1,)).meets_hdc
    assert not dilated_support((2,)).meets_hdc
    assert not dilated_support((4,)).fits
    for rates in itertools.product(range(1, 7), repeat=3):
        if rates[0] == 1 and dilated_support(rates).meets_hdc:
            assert dilated_support(rates).covered


def test_what_support_refuses() -> None:
    for rates, kernel in (((), 3), ((1, 0), 3), ((1,), 0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            dilated_support(rates, kernel)


def test_costs_are_those_of_torchs_layers() -> None:
    cost = separable_cost(3, 4)
    assert cost.standard == ConvCost(108, 108)
    assert (cost.depthwise.parameters, cost.pointwise.parameters) == (27, 12)
    assert cost.separable == ConvCost(39, 39)
    assert cost.ratio == pytest.approx(39 / 108)
    assert cost.ratio == pytest.approx(1 / 4 + 1 / 9)
    for channels, outputs, kernel, groups in ((8, 12, (3, 5), 4), (6, 6, (1, 1), 6), (7, 3, (3, 3), 1)):
        layer = nn.Conv2d(channels, outputs, kernel, groups=groups, bias=False)
        out = layer(torch.zeros(1, channels, 9, 9))
        found = conv_cost(channels, outputs, kernel, groups=groups, positions=out[0, 0].numel())
        assert found.parameters == layer.weight.numel()
        assert found.multiply_adds == layer.weight[0].numel() * out.numel()
    for wrong in ({"groups": 2}, {"positions": 0}, {"groups": 0}):
        with pytest.raises(ValueError, match="do not divide"):
            conv_cost(3, 4, 3, **wrong)
    with pytest.raises(ValueError, match="kernel"):
        conv_cost(3, 4, 0)
