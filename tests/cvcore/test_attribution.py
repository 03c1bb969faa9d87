"""Grad-CAM against its two equations, worked out by hand where the gradient is known in closed form."""

import contextlib
import inspect
from typing import Any

import pytest
import torch
from torch import nn

from cvcore.attribution import grad_cam
from cvcore.gradients import NoGradientError
from cvcore.models.mobilenet import mobilenet_v2
from cvcore.receptive_field import effective_receptive_field


class Small(nn.Module):
    """Convolution, global average, linear: here Grad-CAM is CAM (section 3.1), weights w[c, k] / (h w)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.linear = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.act(self.conv(x)).mean((2, 3)))


@pytest.fixture
def model() -> Small:
    torch.manual_seed(1)
    return Small().eval()


@pytest.mark.parametrize("class_index", [0, 1, 2])
def test_it_is_cam_where_only_average_and_linear_follow(model: Small, class_index: int) -> None:
    x = torch.randn(1, 2, 6, 4)
    found = grad_cam(model, "act", x, class_index)
    activations = torch.relu(model.conv(x))[0].detach()
    weights = model.linear.weight[class_index].detach() / 24
    torch.testing.assert_close(found.weights, weights)
    torch.testing.assert_close(found.map, (weights[:, None, None] * activations).sum(0).clamp(min=0))
    assert found.score == pytest.approx(float(model(x).detach()[0, class_index]))


def test_in_front_of_an_in_place_relu_the_gradient_is_that_of_the_relu(model: Small) -> None:
    x = torch.randn(1, 2, 6, 4)
    before = model.conv(x)[0].detach()
    gate = (before > 0).float().mean((1, 2))
    weights = model.linear.weight[1].detach() / 24 * gate
    found = grad_cam(model, "conv", x, 1)
    torch.testing.assert_close(found.weights, weights)
    torch.testing.assert_close(found.map, (weights[:, None, None] * before).sum(0).clamp(min=0))


def test_the_default_class_is_the_best_one_and_nothing_is_left_behind(model: Small) -> None:
    x = torch.randn(1, 2, 6, 4)
    with torch.inference_mode():
        inference_x = x.clone()
        found = grad_cam(model, "act", inference_x)
        assert not torch.is_grad_enabled()
    assert found.class_index == int(model(x).argmax())
    assert not any(m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_a_whole_mobilenet_with_frozen_weights() -> None:
    torch.manual_seed(0)
    model = mobilenet_v2(7).eval().requires_grad_(False)
    x = torch.randn(1, 3, 64, 96)
    for name in ("features.18", "features.6", "features.4.conv.0.1"):
        found = grad_cam(model, name, x)
        assert (found.map >= 0).all()
        assert found.map.isfinite().all()
    assert grad_cam(model, "features.18", x).map.shape == (2, 3)


def test_misuse_is_refused_in_one_sentence(model: Small) -> None:
    x = torch.randn(1, 2, 6, 4)
    with pytest.raises(ValueError, match="no layer 'nope'"):
        grad_cam(model, "nope", x)
    with pytest.raises(IndexError, match="3 classes"):
        grad_cam(model, "act", x, 3)
    with pytest.raises(ValueError, match="gives no map"):
        grad_cam(model, "linear", x)
    with pytest.raises(ValueError, match="gives no class scores"):
        grad_cam(nn.Sequential(nn.Conv2d(2, 2, 1)), "0", x)
    assert not any(m._forward_hooks for m in model.modules())


# -- networks that were not made for gradients


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.side, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Linear(8, 5)


def plain(self: Branches, x: torch.Tensor) -> torch.Tensor:
    return self.fc(self.stem(x).mean((2, 3)))


def in_place_on_a_view(self: Branches, x: torch.Tensor) -> torch.Tensor:
    whole = self.stem(x)
    part = whole[:, :4]
    part += self.side(x)
    return self.fc(whole.mean((2, 3)))


def refusing(self: Branches, x: torch.Tensor) -> torch.Tensor:
    if torch.is_grad_enabled():
        raise IndexError("no gradients here")
    return plain(self, x)


def out_of_memory(self: Branches, x: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")


def branches(forward: Any) -> Branches:
    torch.manual_seed(0)
    made: Branches = type("Net", (Branches,), {"forward": forward})()
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("mode", [contextlib.nullcontext, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(
    ("forward", "layer"),
    [
        (plain, "stem"),
        (torch.no_grad()(plain), "stem"),
        (torch.inference_mode()(plain), "stem"),
        (in_place_on_a_view, "side"),
        (torch.no_grad()(in_place_on_a_view), "stem"),
    ],
)
def test_a_network_that_switches_gradients_off_outside_has_the_map_of_plain_autograd(
    forward: Any, layer: str, mode: Any
) -> None:
    torch.manual_seed(1)
    x = torch.rand(1, 3, 6, 6)
    network = branches(forward)
    with mode():
        found = grad_cam(network, layer, x.clone(), 2)
    free = branches(inspect.unwrap(forward))
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()

    free.get_submodule(layer).register_forward_hook(keep)
    free(x.clone())[0, 2].backward()
    assert kept[0].grad is not None
    weights = kept[0].grad[0].mean((1, 2))
    torch.testing.assert_close(found.weights, weights)
    torch.testing.assert_close(found.map, (weights[:, None, None] * kept[0][0].detach()).sum(0).clamp(min=0))
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_what_cannot_be_differentiated_is_said_to_have_no_gradient() -> None:
    x = torch.rand(1, 3, 6, 6)
    with pytest.raises(NoGradientError, match="no gradient can be had at the layer 'stem': no gradients here"):
        grad_cam(branches(refusing), "stem", x)
    with pytest.raises(NoGradientError):
        effective_receptive_field(branches(refusing), "stem", x, (0, 0))
    for mode in (grad_cam, lambda *args: effective_receptive_field(*args, (0, 0))):
        with pytest.raises(RuntimeError, match="allocate memory") as caught:
            mode(branches(out_of_memory), "stem", x)
        assert not isinstance(caught.value, NoGradientError)
