"""Theoretical receptive fields against brute force and the closed form; effective ones against perturbation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from cvcore.models.mobilenet import mobilenet_v2
from cvcore.nn.cbam import CBAM
from cvcore.receptive_field import (
    ReceptiveField,
    effective_receptive_field,
    receptive_field,
    receptive_fields,
    run_to,
)


def positive(model: nn.Module) -> nn.Module:
    """Weights that let every dependency show in a gradient: nothing cancels and no unit is switched off."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(0.5, 1.0)
    return model.double().eval()


def seen_box(model: nn.Module, name: str, x: Tensor, row: int, column: int) -> tuple[float, float, float, float]:
    """The box of all pixels with a gradient at the unit."""
    gradient = effective_receptive_field(model, name, x, (row, column))
    rows, columns = gradient.sum(1).nonzero()[:, 0], gradient.sum(0).nonzero()[:, 0]
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1


def assert_boxes_agree(model: nn.Module, name: str, height: int, width: int, channels: int = 1) -> ReceptiveField:
    model = positive(model)
    x = torch.rand(1, channels, height, width, dtype=torch.float64) + 0.5
    field = receptive_field(model, name, x)
    h, w = run_to(model, name, x).shape[-2:]
    assert (field.y.count, field.x.count) == (h, w)
    for row in range(h):
        for column in range(w):
            assert field.box(row, column) == seen_box(model, name, x, row, column), (row, column)
    return field


class LinearPool(nn.Module):
    """Max pooling hides all but one pixel from a gradient; average pooling has the same windows."""

    def __init__(self, kernel: int, stride: int, padding: int, *, ceil_mode: bool = False) -> None:
        super().__init__()
        self.arguments = (kernel, stride, padding, ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, *self.arguments)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Function(nn.Module):
    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


layer = st.one_of(
    st.builds(
        lambda k, s, p, d: nn.Conv2d(1, 1, k, stride=s, padding=min(p, 2), dilation=d),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(1, 3),
    ),
    st.builds(
        lambda k, s, p: LinearPool(k, s, min(p, k // 2)), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)
    ),
    st.builds(lambda k: LinearPool(k, k, 0, ceil_mode=True), st.integers(2, 3)),
    st.builds(lambda d: Residual(nn.Conv2d(1, 1, 3, padding=d, dilation=d)), st.integers(1, 3)),
    st.just(nn.BatchNorm2d(1)),
    st.just(nn.Softplus()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(layer, min_size=1, max_size=4), st.integers(6, 15), st.integers(6, 15))
def test_any_chain_of_layers_agrees_with_brute_force(layers: list[nn.Module], height: int, width: int) -> None:
    model = nn.Sequential(*layers)
    try:
        positive(model)(torch.ones(1, 1, height, width, dtype=torch.float64))
    except RuntimeError:
        return  # a window larger than what is left
    assert_boxes_agree(model, "", height, width)


@pytest.mark.parametrize(
    "module",
    [
        nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(1, 1, (2, 4), stride=(3, 2), dilation=(2, 1)),
        nn.Upsample(scale_factor=2),
        nn.Upsample(scale_factor=3, mode="bilinear"),
        nn.Upsample(size=(9, 11), mode="bilinear", align_corners=True),
        nn.AdaptiveAvgPool2d((3, 4)),
        nn.AdaptiveAvgPool2d(1),
        nn.ReflectionPad2d((2, 1, 0, 3)),
        nn.ReplicationPad2d((2, 1, 0, 3)),
        nn.ZeroPad2d((2, 1, 0, 3)),
        nn.ZeroPad2d((-1, 0, 0, -2)),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(1, 1, (1, 5), stride=(2, 1), padding=(0, 2)),
        Function(lambda x: x[:, :, 1:-1:2, -4:]),
        Function(lambda x: torch.cat([x, x * 2], 1)),
        Function(lambda x: torch.cat([F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, (1, 5), 2, (0, 2))], 1)),
        Function(lambda x: x * x.mean((2, 3), keepdim=True)),
        Function(lambda x: x.mean(2, keepdim=True)),
        Function(lambda x: x.relu_()),
        Function(lambda x: F.pixel_shuffle(torch.cat([x] * 4, 1), 2)),
    ],
    ids=lambda m: type(m).__name__,
)
def test_single_operations_agree_with_brute_force(module: nn.Module) -> None:
    assert_boxes_agree(nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), module), "1", 12, 13)


def test_a_chain_agrees_with_the_closed_form() -> None:
    """Araujo et al.: r = sum_l (k_l - 1) prod_{i<l} s_i + 1, S = prod s_i, and the centre from the paddings."""
    torch.manual_seed(0)
    for kernels, strides, paddings in (((3, 3, 5), (2, 1, 2), (1, 1, 2)), ((7, 3, 1, 3), (2, 2, 1, 2), (3, 1, 0, 0))):
        model = nn.Sequential(
            *(nn.Conv2d(1, 1, k, stride=s, padding=p) for k, s, p in zip(kernels, strides, paddings, strict=True))
        )
        size, step, offset = 1, 1, 0
        for k, s, p in zip(kernels, strides, paddings, strict=True):
            size, offset, step = size + (k - 1) * step, offset - p * step, step * s
        field = receptive_field(model, "", torch.zeros(1, 1, 96, 96))
        assert field.size == (size, size)
        assert field.stride == (step, step)
        assert field.centre(0, 1) == (offset + step + size / 2, offset + size / 2)


def test_mobilenet_v2_has_the_known_field_and_boxes() -> None:
    model = mobilenet_v2(3).eval()
    fields = receptive_fields(model, torch.zeros(1, 3, 224, 224))
    assert set(fields) == {name for name, _ in model.named_modules()}
    last = fields["features.18"]
    assert isinstance(last, ReceptiveField)
    assert (last.size, last.stride, last.centre(0, 0)) == ((491, 491), (32.0, 32.0), (0.5, 0.5))
    assert last.box(3, 3) == (0.0, 0.0, 224.0, 224.0)
    scores = fields["classifier"]
    assert isinstance(scores, ReceptiveField)
    assert scores.size is None
    assert scores.box(0, 0) == (0.0, 0.0, 224.0, 224.0)


@pytest.mark.parametrize("name", ["features.0", "features.2", "features.4.conv.1.0", "features.6"])
def test_mobilenet_v2_agrees_with_brute_force(name: str) -> None:
    model = positive(mobilenet_v2(3))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as the identity, so that ReLU6 does not saturate and hide a dependency
            module.weight.data.fill_(1)
            module.bias.data.fill_(0)
    for parameter in model.parameters():
        parameter.data.mul_(0.02)
    x = torch.rand(1, 3, 70, 58, dtype=torch.float64) + 0.5
    field = receptive_field(model, name, x)
    for row, column in ((0, 0), (2, 3), (field.y.count - 1, field.x.count - 1)):
        assert field.box(row, column) == seen_box(model, name, x, row, column)


def test_what_cannot_be_followed_is_said_and_not_guessed() -> None:
    turned = nn.Sequential(nn.Conv2d(1, 1, 3), Function(lambda x: x.transpose(2, 3)), nn.ReLU())
    fields = receptive_fields(turned, torch.zeros(1, 1, 9, 9))
    assert isinstance(fields["0"], ReceptiveField)
    assert fields["2"] == "transpose"
    with pytest.raises(ValueError, match="'2' cannot be followed through transpose"):
        receptive_field(turned, "2", torch.zeros(1, 1, 9, 9))

    def written(x: Tensor) -> Tensor:
        out = torch.zeros_like(x) + x * 0
        out[:, :, :2] = x[:, :, 2:4]
        return out

    assert isinstance(receptive_fields(Function(written), torch.zeros(1, 1, 9, 9))[""], str)


def test_instance_norm_sees_everything_and_batch_norm_in_evaluation_one_pixel() -> None:
    x = torch.zeros(1, 1, 6, 5)
    assert receptive_field(nn.InstanceNorm2d(1), "", x).box(2, 2) == (0.0, 0.0, 5.0, 6.0)
    assert receptive_field(nn.GroupNorm(1, 1), "", x).box(2, 2) == (0.0, 0.0, 5.0, 6.0)
    assert receptive_field(nn.BatchNorm2d(1).eval(), "", x).box(2, 2) == (2.0, 2.0, 3.0, 3.0)
    assert receptive_field(nn.BatchNorm2d(1).train(), "", x).box(2, 2) == (0.0, 0.0, 5.0, 6.0)


@pytest.mark.parametrize(
    "gate",
    [CBAM(4, 1), CBAM(4, 1, 3, order="spatial first"), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm((8, 7))],
    ids=lambda gate: type(gate).__name__,
)
def test_what_looks_at_everything_leaves_each_position_where_it_is(gate: nn.Module) -> None:
    x = torch.rand(1, 1, 15, 13)
    first, last = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Conv2d(4, 1, 5, stride=3)
    gated = receptive_field(nn.Sequential(first, gate, last).eval(), "", x)
    plain = receptive_field(nn.Sequential(first, last).eval(), "", x)
    assert gated.size is None
    assert gated.box(0, 0) == (0.0, 0.0, 13.0, 15.0)
    for row in range(plain.y.count):
        for column in range(plain.x.count):
            assert gated.centre(row, column) == plain.centre(row, column)


@pytest.mark.parametrize("pad", [nn.ReflectionPad2d((2, 1, 3, 2)), nn.ReplicationPad2d((2, 1, 3, 2))])
def test_padded_positions_lie_beside_the_picture(pad: nn.Module) -> None:
    field = receptive_field(pad.eval(), "", torch.rand(1, 4, 6, 5))
    for row in range(field.y.count):
        for column in range(field.x.count):
            assert field.centre(row, column) == (column - 2 + 0.5, row - 3 + 0.5)


def test_places_that_do_not_go_along_together_are_not_guessed() -> None:
    class Crossed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.instance_norm(x[:, :, ::2, ::2]) + F.instance_norm(x[:, :, :3, :4])

    field = receptive_field(Crossed(), "", torch.rand(1, 1, 6, 8))
    assert field.centre(2, 3) == (3.5, 2.5)  # the middle of everything that is seen


def test_no_hooks_stay_and_bad_positions_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(9, 2))
    x = torch.zeros(1, 1, 5, 5)
    with pytest.raises(IndexError):
        receptive_field(model, "0", x).box(3, 0)
    with pytest.raises(ValueError, match="no layer"):
        receptive_field(model, "7", x)
    with pytest.raises(RuntimeError):
        receptive_fields(model, torch.zeros(1, 1, 6, 6))
    with pytest.raises(IndexError):
        effective_receptive_field(model, "0", x, (0, 3))
    with pytest.raises(IndexError):
        effective_receptive_field(model, "0", x, (0, 0), channel=1)
    with pytest.raises(ValueError, match="no layer"):
        effective_receptive_field(model, "7", x, (0, 0))
    assert not any(m._forward_hooks for m in model.modules())


def test_the_effective_field_is_what_a_small_change_of_each_pixel_does() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 4, 3, stride=2, padding=1)).double()
    x = torch.randn(1, 2, 7, 6, dtype=torch.float64)
    for channel in (None, 2):
        found = effective_receptive_field(model, "2", x, (1, 2), channel)
        expected = torch.zeros(7, 6, dtype=torch.float64)
        for index in torch.cartesian_prod(torch.arange(2), torch.arange(7), torch.arange(6)).tolist():
            step = torch.zeros_like(x)
            step[0, *index] = 1e-5
            change = (model(x + step) - model(x - step))[0, :, 1, 2] / 2e-5
            expected[index[1], index[2]] += (change.sum() if channel is None else change[channel]).abs()
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)


def test_the_effective_field_works_inside_inference_mode_and_behind_in_place_layers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(4, 4)).eval()
    with torch.inference_mode():
        x = torch.randn(1, 1, 4, 4)
        found = effective_receptive_field(model, "0", x, (1, 1))
    torch.testing.assert_close(found[:3, :3], model[0].weight[0, 0].detach().abs())
    assert found[3].sum() == 0
