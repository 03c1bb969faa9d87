"""Normalisation looked into: equal to torch's own layers, in training and evaluation, running averages included."""

import copy

import pytest
import torch
from torch import nn

from cvcore.nn.norm import averaged_together, norm_trace

SHAPES = {1: (4, 6, 5), 2: (4, 6, 5, 3), 3: (2, 6, 2, 5, 3)}
OPTIONS = [
    {},
    {"affine": False},
    {"track_running_stats": True},
    {"track_running_stats": False},
    {"track_running_stats": True, "momentum": 0.3, "eps": 0.1},
    {"track_running_stats": True, "momentum": None},
]


def filled(layer: nn.Module) -> nn.Module:
    """With weights, biases and running averages that are not those of a new layer."""
    g = torch.Generator().manual_seed(1)
    for name, tensor in layer.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=g) + (0.5 if "var" in name else 0))
        else:
            tensor.fill_(4)
    return layer.double()


def given(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3 + 2


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("name", ["BatchNorm", "InstanceNorm"])
def test_layers_with_running_averages(name: str, dimensions: int, options: dict[str, object], training: bool) -> None:
    if name == "InstanceNorm" and "momentum" in options and options["momentum"] is None:
        options = {**options, "momentum": 0.7}  # torch's instance norm knows no plain average
    layer = filled(getattr(nn, f"{name}{dimensions}d")(6, **options)).train(training)
    own, x = copy.deepcopy(layer), given(*SHAPES[dimensions]).requires_grad_()
    trace = norm_trace(layer, x)
    expected = own(x)
    torch.testing.assert_close(trace.out, expected)
    weight = given(*x.shape)
    torch.testing.assert_close(
        torch.autograd.grad(trace.out, x, weight), torch.autograd.grad(expected, x, weight), rtol=1e-6, atol=1e-8
    )
    for ours, theirs in ((trace.running_mean, own.running_mean), (trace.running_variance, own.running_var)):
        if theirs is None:
            assert ours is None
        else:
            torch.testing.assert_close(ours, theirs)
    untouched = filled(copy.deepcopy(layer)).state_dict()
    assert all(torch.equal(value, untouched[key]) for key, value in layer.state_dict().items())
    alone = x.transpose(0, 1).flatten(1) if name == "BatchNorm" else x.flatten(0, 1).flatten(1)
    torch.testing.assert_close(trace.mean, alone.mean(1))
    torch.testing.assert_close(trace.variance, alone.var(1, unbiased=False))
    assert trace.count == alone.shape[1]


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm(groups: int) -> None:
    for affine in (True, False):
        layer = filled(nn.GroupNorm(groups, 6, affine=affine))
        for shape in ((3, 6), *SHAPES.values()):
            x = given(*shape)
            trace = norm_trace(layer, x)
            torch.testing.assert_close(trace.out, layer(x))
            torch.testing.assert_close(trace.mean, x.reshape(shape[0] * groups, -1).mean(1))
            assert len(trace.variance) == shape[0] * groups


@pytest.mark.parametrize("shape", [(5,), (3, 5), (6, 3, 5)])
def test_layer_norm(shape: tuple[int, ...]) -> None:
    for options in ({}, {"elementwise_affine": False}, {"bias": False}):
        layer, x = filled(nn.LayerNorm(shape, **options)), given(4, 6, 3, 5)
        trace = norm_trace(layer, x)
        torch.testing.assert_close(trace.out, layer(x))
        assert trace.count == torch.tensor(shape).prod()
    alone = filled(nn.LayerNorm((4, 6)))
    torch.testing.assert_close(norm_trace(alone, given(4, 6)).out, alone(given(4, 6)))


def test_the_sets_are_what_is_averaged() -> None:
    """A number changes the outputs of its own set and of no other."""
    x = given(3, 4, 2, 2)
    kinds = {
        "batch": nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        "layer": nn.LayerNorm((4, 2, 2), elementwise_affine=False),
        "instance": nn.InstanceNorm2d(4),
        "group": nn.GroupNorm(2, 4, affine=False),
    }
    for kind, layer in kinds.items():
        sets = averaged_together(kind, x.shape, 2)  # type: ignore[arg-type]
        assert torch.equal(norm_trace(layer, x).sets.expand(x.shape), sets.expand(x.shape))
        changed = x.clone()
        changed[1, 2, 0, 1] += 1
        moved = layer(changed) != layer(x)
        assert torch.equal(moved, (sets == sets.expand(x.shape)[1, 2, 0, 1]).expand(x.shape))
    one, each = averaged_together("group", x.shape, 1), averaged_together("group", x.shape, 4)
    assert torch.equal(one.expand(x.shape), averaged_together("layer", x.shape).expand(x.shape))
    assert torch.equal(each, averaged_together("instance", x.shape))


def test_half_precision_is_computed_in_full() -> None:
    x = given(4, 6, 5, 3).to(torch.bfloat16)
    trace = norm_trace(nn.BatchNorm2d(6), x)
    assert trace.out.dtype == torch.bfloat16
    assert trace.mean.dtype == torch.float32
    torch.testing.assert_close(trace.out, nn.BatchNorm2d(6)(x), atol=0.05, rtol=0.05)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear is none of"):
        norm_trace(nn.Linear(2, 2), given(2, 2))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm_trace(nn.BatchNorm1d(6), given(1, 6))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm_trace(nn.InstanceNorm2d(6), given(3, 6, 1, 1))
    for layer in (nn.BatchNorm2d(5), nn.InstanceNorm2d(5), nn.GroupNorm(5, 5)):
        for shape in ((2, 6, 3, 3), (0, 5, 3, 3)):
            with pytest.raises(ValueError, match=r"\(N, 5, ...\)"):
                norm_trace(layer, given(*shape))
    with pytest.raises(ValueError, match="must end in"):
        norm_trace(nn.LayerNorm(5), given(2, 6))
    with pytest.raises(ValueError, match="do not divide"):
        averaged_together("group", (2, 6), 4)
    with pytest.raises(ValueError, match="pictures and channels"):
        averaged_together("batch", (2,))
