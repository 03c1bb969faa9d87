"""Noise that multiplies: its mean and variance, and the shift of variance, against what comes of many numbers."""

import pytest
import torch
from torch import nn

from cvcore.nn.dropout import GaussianDropout, MultiplicativeNoise, Uout, variance_shift

LAYERS = [GaussianDropout(0.0), GaussianDropout(0.2), GaussianDropout(0.5), Uout(0.0), Uout(), Uout(1.0)]


def seeded(layer: MultiplicativeNoise) -> MultiplicativeNoise:
    layer.generator = torch.Generator().manual_seed(3)
    return layer


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_factors_have_mean_one_and_the_variance_that_is_told(layer: MultiplicativeNoise) -> None:
    x = torch.full((400_000,), 2.0, dtype=torch.float64, requires_grad=True)
    trace = seeded(layer).train().trace(x)
    assert torch.equal(trace.out, x * trace.factor)
    assert trace.factor.mean().item() == pytest.approx(1, abs=0.01)
    assert trace.factor.var().item() == pytest.approx(layer.noise_variance, rel=0.02, abs=1e-12)
    assert torch.equal(torch.autograd.grad(trace.out.sum(), x)[0], trace.factor)
    assert torch.equal(seeded(layer)(x), trace.out)  # the same noise again
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(layer.trace(x).factor, torch.ones_like(x))
    layer.train()


def test_variances_are_those_of_the_papers() -> None:
    assert GaussianDropout(0.5).noise_variance == 1
    assert GaussianDropout(0.2).noise_variance == pytest.approx(0.25)
    assert Uout(0.1).noise_variance == pytest.approx(0.01 / 3)
    dropped = nn.Dropout(0.2)(torch.ones(400_000))
    assert dropped.var().item() == pytest.approx(GaussianDropout(0.2).noise_variance, rel=0.02)


def test_uniform_noise_stays_in_its_range() -> None:
    factor = seeded(Uout(0.3)).trace(torch.ones(10_000)).factor
    assert factor.min() >= 0.7
    assert factor.max() <= 1.3
    assert factor.min() < 0.71
    assert factor.max() > 1.29


@pytest.mark.parametrize("layer", [nn.Dropout(0.3), GaussianDropout(0.3), Uout(0.5)], ids=repr)
def test_the_shift_of_variance_is_what_is_measured(layer: nn.Module) -> None:
    torch.manual_seed(4)
    x = torch.randn(1_000_000, dtype=torch.float64) * 0.7 + 0.5
    noise = 0.3 / 0.7 if isinstance(layer, nn.Dropout) else layer.noise_variance
    measured = layer.eval()(x).var() / layer.train()(x).var()
    assert variance_shift(0.5, 0.49, noise) == pytest.approx(measured.item(), rel=0.01)
    assert variance_shift(0.5, 0.49, 0.0) == 1


def test_ordinary_layers_of_torch() -> None:
    net = nn.Sequential(nn.Linear(4, 4), GaussianDropout(0.3), Uout())
    assert repr(net[1]) == "GaussianDropout(p=0.3)"
    assert repr(net[2]) == "Uout(beta=0.1)"
    assert set(net.state_dict()) == {"0.weight", "0.bias"}
    half = net.to(torch.bfloat16)(torch.ones(2, 4, dtype=torch.bfloat16))
    assert half.dtype == torch.bfloat16


def test_what_is_refused() -> None:
    for p in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="p must be"):
            GaussianDropout(p)
    for beta in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="beta must be"):
            Uout(beta)
    for variance, noise in ((0.0, 0.1), (1.0, -0.1)):
        with pytest.raises(ValueError, match="variances must be"):
            variance_shift(0.0, variance, noise)
