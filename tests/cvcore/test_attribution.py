"""Grad-CAM against its two equations, worked out by hand where the gradient is known in closed form."""

import pytest
import torch
from torch import nn

from cvcore.attribution import grad_cam
from cvcore.models.mobilenet import mobilenet_v2


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
