"""Deformable convolution against a plain loop, torchvision's numbers and gradients, and torch's own convolution."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d

from cvcore.nn.deform_conv import DeformConv2d
from cvcore.ops.deform_conv import deform_conv2d, deform_conv2d_trace, on_device, warm_up
from cvcore.ops.deform_conv.sizes import geometry

GOLDENS = Path(__file__).parents[1] / "goldens"


@dataclass(frozen=True)
class Case:
    """Sizes; the defaults are an ordinary 3 x 3 convolution."""

    images: int = 2
    channels: int = 5
    height: int = 7
    width: int = 9
    outputs: int = 6
    rows: int = 3
    columns: int = 3
    groups: int = 1
    offset_groups: int = 1
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    masked: bool = True
    reach: float = 2.0  # of the offsets, in cells

    def steps(self) -> dict[str, int]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    def out(self) -> tuple[int, int]:
        sizes = ((self.height, self.rows), (self.width, self.columns))
        p, q = ((n + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1 for n, k in sizes)
        return p, q

    def tensors(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Input, offset, weight, bias and mask."""
        g = torch.Generator().manual_seed(7)
        random = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)  # noqa: E731
        taps = self.offset_groups * self.rows * self.columns
        return (
            random(self.images, self.channels, self.height, self.width),
            random(self.images, 2 * taps, *self.out()) * self.reach,
            random(self.outputs, self.channels // self.groups, self.rows, self.columns),
            random(self.outputs),
            random(self.images, taps, *self.out()).sigmoid() if self.masked else None,
        )


CASES = [
    Case(),
    Case(masked=False, reach=0.0),
    Case(channels=6, outputs=4, columns=2, groups=2, offset_groups=3, stride=2, dilation=2),
    Case(images=1, channels=34, outputs=6, rows=1, groups=2, offset_groups=17, padding=0, reach=20.0),
    Case(images=1, channels=40, outputs=24, groups=4, offset_groups=2, padding=2, dilation=2),
    Case(images=1, channels=16, outputs=32, offset_groups=2, masked=False),
    Case(channels=8, outputs=8, groups=8, offset_groups=4),
    Case(images=1, channels=1, height=1, width=1, outputs=1, rows=1, columns=1, padding=0, reach=0.3),
]


def call(case: Case, tensors: tuple[Tensor | None, ...]) -> Tensor:
    input, offset, weight, bias, mask = tensors
    assert input is not None
    assert offset is not None
    assert weight is not None
    return deform_conv2d(input, offset, weight, bias, mask=mask, **case.steps())


def loop(case: Case, tensors: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]) -> Tensor:
    """The definition: one sample at a time, then the products of all taps of all channels of a group."""
    input, offset, weight, bias, mask = tensors
    pictures, moves = input.tolist(), offset.tolist()
    P, Q = case.out()
    ins, outs, each = case.channels // case.groups, case.outputs // case.groups, case.channels // case.offset_groups
    samples = torch.zeros(case.images, case.channels, case.rows, case.columns, P, Q, dtype=torch.float64)

    def cell(n: int, c: int, y: int, x: int) -> float:
        inside = 0 <= y < case.height and 0 <= x < case.width
        return float(pictures[n][c][y][x]) if inside else 0.0

    for n, c, i, j, p, q in np.ndindex(*samples.shape):
        tap = (c // each * case.rows + i) * case.columns + j
        y = p * case.stride - case.padding + i * case.dilation + moves[n][2 * tap][p][q]
        x = q * case.stride - case.padding + j * case.dilation + moves[n][2 * tap + 1][p][q]
        y0, x0 = math.floor(y), math.floor(x)
        ly, lx = y - y0, x - x0
        upper = cell(n, c, y0, x0) * (1 - lx) + cell(n, c, y0, x0 + 1) * lx
        lower = cell(n, c, y0 + 1, x0) * (1 - lx) + cell(n, c, y0 + 1, x0 + 1) * lx
        samples[n, c, i, j, p, q] = (upper * (1 - ly) + lower * ly) * (1.0 if mask is None else mask[n, tap, p, q])
    parts = [
        torch.einsum("nkijpq,okij->nopq", samples[:, g * ins : (g + 1) * ins], weight[g * outs : (g + 1) * outs])
        for g in range(case.groups)
    ]
    return torch.cat(parts, 1) + bias[:, None, None]


@pytest.mark.parametrize("name", ["plain", "strided", "dilated", "modulated"])
def test_torchvisions_numbers(name: str) -> None:
    golden = {
        k.split("/")[1]: v for k, v in np.load(GOLDENS / "ops.npz").items() if k.startswith(f"deform_conv_{name}/")
    }
    input, offset, weight = (torch.tensor(golden[key]) for key in ("input", "offset", "weight"))
    mask = torch.tensor(golden["mask"]) if "mask" in golden else None
    steps = {key: int(golden[key]) for key in ("stride", "padding", "dilation")}
    for operator in (deform_conv2d, torch.ops.cvcore.deform_conv2d):
        lists = steps if operator is deform_conv2d else {key: [n, n] for key, n in steps.items()}
        out = operator(input, offset, weight, None, mask=mask, **lists)
        torch.testing.assert_close(out, torch.tensor(golden["out"]), atol=2e-5, rtol=1e-5)


def test_torchvisions_gradients() -> None:
    """Groups of both kinds, a stride and a dilation of two numbers, and offsets that put samples on cells and on -1."""
    golden = {key: torch.tensor(value) for key, value in np.load(GOLDENS / "deform_conv.npz").items()}
    names = ("input", "offset", "weight", "bias", "mask")
    leaves = [golden[name].requires_grad_() for name in names]
    out = deform_conv2d(*leaves[:4], stride=(2, 1), padding=(1, 1), dilation=(1, 2), mask=leaves[4])
    torch.testing.assert_close(out, golden["out"])
    for name, grad in zip(names, torch.autograd.grad(out, leaves, golden["grad_out"]), strict=True):
        torch.testing.assert_close(grad, golden[f"grad_{name}"], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("case", CASES)
def test_against_a_loop(case: Case) -> None:
    tensors = case.tensors()
    torch.testing.assert_close(call(case, tensors), loop(case, tensors))
    single = case.tensors(torch.float32)
    torch.testing.assert_close(call(case, single), call(case, tensors).float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_gradients(case: Case) -> None:
    # exactly on a cell, where no offset is, there is no derivative
    case = replace(case, height=min(case.height, 6), width=min(case.width, 5), reach=case.reach or 0.4)
    leaves = [t.requires_grad_() for t in case.tensors() if t is not None]
    compute = lambda *t: call(case, t if case.masked else (*t, None))  # noqa: E731
    assert torch.autograd.gradcheck(compute, leaves, fast_mode=True)


@pytest.mark.parametrize("case", CASES)
def test_other_devices_are_the_same(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values, gradients by autograd, and those that the registered operator writes out, some pictures at a time."""
    monkeypatch.setattr("cvcore.ops.deform_conv.on_device.CHUNK", 1)
    tensors = case.tensors()
    leaves = [t.requires_grad_() for t in tensors if t is not None]
    here = call(case, tensors)
    given = torch.randn(here.shape, generator=torch.Generator().manual_seed(8), dtype=here.dtype)
    expected = torch.autograd.grad(here, leaves, given)
    monkeypatch.setattr("cvcore.ops.deform_conv.conv.has_loops", lambda _: False)
    monkeypatch.setattr("cvcore.ops.deform_conv.operators.has_loops", lambda _: False)
    steps = {key: [n, n] for key, n in case.steps().items()}
    registered = torch.ops.cvcore.deform_conv2d(*tensors[:4], mask=tensors[4], **steps)
    for out in (call(case, tensors), registered):
        torch.testing.assert_close(out, here)
        torch.testing.assert_close(torch.autograd.grad(out, leaves, given), expected)


def test_threads_share_the_tiles_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(channels=20, height=16, width=19, outputs=33)
    tensors = case.tensors()
    leaves = [t.requires_grad_() for t in tensors if t is not None]
    out = call(case, tensors)
    grads = torch.autograd.grad(out.sin().sum(), leaves)
    monkeypatch.setattr("cvcore.ops.threads.SMALL", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    for _ in range(3):
        shared = call(case, tensors)
        assert torch.equal(shared, out)
        again = torch.autograd.grad(shared.sin().sum(), leaves)
        torch.testing.assert_close(again, grads)
        repeated = torch.autograd.grad(call(case, tensors).sin().sum(), leaves)
        assert all(torch.equal(a, b) for a, b in zip(repeated, again, strict=True))


def test_without_offsets_it_is_a_convolution() -> None:
    for case in CASES:
        input, offset, weight, bias, _ = case.tensors()
        steps = {"stride": case.stride, "padding": case.padding, "dilation": case.dilation, "groups": case.groups}
        plain = deform_conv2d(input, torch.zeros_like(offset), weight, bias, **case.steps())
        torch.testing.assert_close(plain, conv2d(input, weight, bias, **steps))


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    case = CASES[2]
    tensors = case.tensors()
    leaves = [t for t in tensors if t is not None]
    full = torch.autograd.grad(call(case, tuple(t.requires_grad_() for t in leaves)).sum(), leaves)
    for number, wanted in enumerate(full):
        alone = [t.detach().requires_grad_(i == number) for i, t in enumerate(leaves)]
        (grad,) = torch.autograd.grad(call(case, tuple(alone)).sum(), alone[number])
        torch.testing.assert_close(grad, wanted)


def test_no_pictures() -> None:
    case = Case(images=0, channels=6, groups=2, offset_groups=3)
    tensors = case.tensors()
    leaves = [t.requires_grad_() for t in tensors if t is not None]
    out = call(case, tensors)
    assert out.shape == (0, 6, 7, 9)
    grads = torch.autograd.grad(out.sum(), leaves)
    assert [g.shape for g in grads] == [t.shape for t in leaves]
    assert not any(g.any() for g in grads)


def test_forms_of_input() -> None:
    case = CASES[5]
    input, offset, weight, bias, _ = case.tensors(torch.float32)
    expected = deform_conv2d(input, offset, weight, bias, padding=1)
    last = input.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(deform_conv2d(last, offset, weight, bias, padding=(1, 1)), expected)
    strided = torch.stack((offset, offset), -1)[..., 0]
    torch.testing.assert_close(deform_conv2d(input, strided, weight, bias, 1, [1, 1]), expected)
    half = deform_conv2d(input.bfloat16(), offset.bfloat16(), weight.bfloat16(), padding=1)
    assert half.dtype == torch.bfloat16
    wanted = deform_conv2d(input.bfloat16().float(), offset.bfloat16().float(), weight.bfloat16().float(), padding=1)
    torch.testing.assert_close(half, wanted.bfloat16())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", range(5))
def test_what_is_not_finite_is_refused(which: int, bad: float) -> None:
    case = CASES[2]
    tensors = [t.clone() for t in case.tensors() if t is not None]
    call(case, tuple(tensors))
    for number in {0, tensors[which].numel() // 2, tensors[which].numel() - 1}:
        spoilt = list(tensors)
        spoilt[which] = tensors[which].clone()
        spoilt[which].view(-1)[number] = bad
        with pytest.raises(ValueError, match=r"(input|offset|mask|weight|bias).* must be finite"):
            call(case, tuple(spoilt))


def test_shapes_that_do_not_fit_are_refused_in_torchvisions_words() -> None:
    case = Case(channels=6, outputs=4, columns=2, groups=2, offset_groups=2)
    input, offset, weight, bias, mask = case.tensors()
    assert mask is not None
    refused = [
        ("the shape of the offset", {"offset": offset[:, :2]}),
        (r"offset.shape\[1\] is not valid: got: 25 expected: 24", {"offset": torch.cat((offset, offset[:, :1]), 1)}),
        (r"mask.shape\[1\] is not valid", {"mask": mask[:, :2]}),
        (r"offset output dims: \(6, 10\) - computed output dims: \(7, 10\)", {"offset": offset[:, :, 1:]}),
        ("mask output dims", {"mask": mask[..., 1:]}),
        ("invalid batch size of offset", {"offset": offset[:1]}),
        ("invalid batch size of mask", {"mask": mask[:1]}),
        ("stride_h: 0 stride_w: 0", {"stride": 0}),
        ("pad_h: -1 pad_w: 0", {"padding": (-1, 0)}),
        ("dilation_h: 1 dilation_w: 0", {"dilation": (1, 0)}),
        ("stride must be one or two numbers", {"stride": (1, 2, 3)}),
        ("input must be real numbers of four dimensions", {"input": input[0]}),
        ("input must be real numbers of four dimensions", {"input": input.long()}),
        ("weight must be real numbers of four dimensions", {"weight": weight[0]}),
        ("offset must be real numbers of four dimensions", {"offset": offset[0]}),
        ("mask must be real numbers of four dimensions", {"mask": mask[0]}),
        ("does not divide 7", {"input": torch.zeros(2, 7, 7, 9)}),
        ("2 groups of 3 outputs", {"weight": weight[:3]}),
        ("offset groups must be 0", {"input": torch.zeros(2, 5, 7, 9), "weight": torch.zeros(2, 5, 3, 2)}),
        (r"bias must have shape \(4,\)", {"bias": bias[:3]}),
        ("must not be empty", {"weight": torch.zeros(4, 3, 0, 2)}),
        ("output dims", {"input": torch.zeros(2, 6, 1, 1)}),
    ]
    good = {"input": input, "offset": offset, "weight": weight, "bias": bias, "mask": mask, "padding": 1}
    deform_conv2d(**good)  # type: ignore[arg-type]
    for text, change in refused:
        with pytest.raises(ValueError, match=text):
            deform_conv2d(**{**good, **change})  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_sizes_against_the_plain_operations(data: st.DataObject) -> None:
    number = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    groups, offset_groups = number(1, 3), number(1, 3)
    case = Case(
        images=number(0, 2),
        channels=groups * offset_groups * number(1, 3),
        height=number(1, 9),
        width=number(1, 9),
        outputs=groups * number(1, 9),
        rows=number(1, 3),
        columns=number(1, 3),
        groups=groups,
        offset_groups=offset_groups,
        stride=number(1, 3),
        padding=number(0, 2) + 3,
        dilation=number(1, 3),
        masked=data.draw(st.booleans()),
        reach=data.draw(st.sampled_from([0.0, 0.5, 3.0, 1e4, 1e30])),
    )
    tensors = case.tensors()
    input, offset, weight, bias, mask = tensors
    g = geometry(input, offset, weight, bias, case.stride, case.padding, case.dilation, mask)
    torch.testing.assert_close(call(case, tensors), on_device.convolved(input, offset, weight, bias, mask, g))


def test_the_trace_says_where_it_sampled() -> None:
    case = CASES[2]
    input, offset, weight, bias, mask = tensors = case.tensors()
    assert mask is not None
    offset.requires_grad_()
    trace = deform_conv2d_trace(input, offset, weight, bias, mask=mask, **case.steps())
    assert torch.equal(trace.out, call(case, tensors))
    P, Q = case.out()
    assert trace.y.shape == trace.x.shape == (2, 3, 6, P, Q)
    assert trace.mask is not None
    outs, ins, each = case.outputs // case.groups, case.channels // case.groups, case.channels // case.offset_groups
    for n, o, p, q in ((0, 0, 0, 0), (1, 3, P - 1, Q - 1), (1, 2, 1, 2)):
        total = bias[o].clone()
        for k in range(ins):
            c = o // outs * ins + k
            cells, weights = trace.bilinear(n, p, q, c // each)
            values = (input[n, c][cells[..., 0], cells[..., 1]] * weights).sum(1)  # (T,)
            total += (weight[o, k].flatten() * trace.mask[n, c // each, :, p, q] * values).sum()
        torch.testing.assert_close(total, trace.out[n, o, p, q])
    moved = trace.sampling_points(1, 2, 3, 2) - trace.regular_points(2, 3)
    torch.testing.assert_close(moved.flip(1).flatten(), offset[1, 24:, 2, 3])
    assert trace.regular_points(0, 0)[0].tolist() == [-1, -1]
    (grad,) = torch.autograd.grad(trace.y.sum() + 2 * trace.x.sum(), offset)
    assert grad[:, 0::2].unique().tolist() == [1]
    assert grad[:, 1::2].unique().tolist() == [2]


def test_the_layer() -> None:
    case = Case(channels=6, outputs=4, columns=2, groups=2, offset_groups=3, stride=2, padding=1, dilation=2)
    input, offset, *_, mask = case.tensors(torch.float32)
    layer = DeformConv2d(6, 4, (3, 2), 2, 1, 2, groups=2)
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert layer.weight.abs().max() <= 1 / math.sqrt(3 * 6)
    expected = deform_conv2d(input, offset, layer.weight, layer.bias, 2, 1, 2, mask)
    assert torch.equal(layer(input, offset, mask), expected)
    assert torch.equal(layer.trace(input, offset, mask).out, expected)
    assert "kernel_size=(3, 2)" in repr(layer)
    assert DeformConv2d(3, 4, 1, bias=False).bias is None
    for channels, match in (((5, 4), "in_channels"), ((4, 5), "out_channels")):
        with pytest.raises(ValueError, match=match):
            DeformConv2d(*channels, 3, groups=2)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_opcheck(dtype: torch.dtype, masked: bool) -> None:
    case = Case(channels=6, groups=2, offset_groups=3, masked=masked)
    tensors = [None if t is None else t.requires_grad_() for t in case.tensors(dtype)]
    torch.library.opcheck(
        torch.ops.cvcore.deform_conv2d, (*tensors[:4], [1, 1], [1, 1], [1, 1], tensors[4]), atol=0.1, rtol=0.1
    )


def test_a_layer_through_torch_compile_and_export() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = torch.nn.Conv2d(5, 27, 3, padding=1)
            self.conv = DeformConv2d(5, 8, 3, padding=1)

        def forward(self, input: Tensor) -> Tensor:
            y, x, mask = self.offset(input).chunk(3, 1)
            return self.conv(input, torch.cat((y, x), 1), mask.sigmoid())

    net, input = Net(), torch.randn(2, 5, 9, 8, generator=torch.Generator().manual_seed(1))
    expected = net(input)
    wanted = torch.autograd.grad(expected.sin().sum(), list(net.parameters()))
    torch._dynamo.reset()
    got = torch.compile(net, backend="aot_eager", fullgraph=True)(input)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(torch.autograd.grad(got.sin().sum(), list(net.parameters())), wanted)
    size = {0: torch.export.Dim("n", min=1, max=9)}
    program = torch.export.export(net, (input,), dynamic_shapes=(size,))
    torch.testing.assert_close(program.module()(input[:1]), net(input[:1]))
    torch._dynamo.reset()


def test_warm_up_can_be_called_again() -> None:
    warm_up()
    warm_up()
