"""Differences of activations against plain formulas, and copies of networks with less precision."""

import numpy as np
import pytest
import torch
from torch import nn

from cvcore import reduced
from cvcore.similarity import difference, linear_cka, map_cka


def test_differences_are_the_formulas() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1, 3, 4, 5))
    made = difference(torch.tensor(a), torch.tensor(b))
    assert made.largest == pytest.approx(np.abs(a - b).max(), rel=1e-5)
    assert made.mean == pytest.approx(np.abs(a - b).mean(), rel=1e-5)
    assert made.relative == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a), rel=1e-5)
    assert made.cosine == pytest.approx((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-4)


def test_zeros_are_alike_and_nothing_else_is_like_zero() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    same = difference(zero, zero)
    assert (same.relative, same.cosine) == (0.0, 1.0)
    assert difference(zero, one).relative == np.inf
    assert difference(zero, one).cosine == 0.0
    assert difference(one.half(), one).relative == 0.0
    with pytest.raises(ValueError, match="shapes"):
        difference(zero, torch.zeros(4))
    with pytest.raises(ValueError, match="shapes"):
        difference(torch.zeros(0), torch.zeros(0))


@pytest.mark.parametrize(("n", "p", "q"), [(40, 5, 7), (6, 20, 30)])
def test_cka_is_the_papers_formula_and_does_not_see_rotations(n: int, p: int, q: int) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(n, p), torch.randn(n, q)
    a, b = x - x.mean(0), y - y.mean(0)
    expected = (b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert linear_cka(x, y) == pytest.approx(float(expected), rel=1e-4)
    rotation = torch.linalg.qr(torch.randn(p, p)).Q
    assert linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1.0, abs=1e-4)
    assert np.isnan(linear_cka(x, torch.ones(n, 2)))
    with pytest.raises(ValueError, match="CKA"):
        linear_cka(x, y[:-1])


def test_maps_of_different_sizes_are_compared_cell_by_cell_of_the_smaller() -> None:
    small = torch.randn(1, 3, 4, 6)
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert map_cka(small, large) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="maps"):
        map_cka(torch.zeros(1, 5), small)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()


def test_weights_are_rounded_in_a_copy() -> None:
    model = network()
    before = {name: p.clone() for name, p in model.named_parameters()}
    half = reduced.with_weights_in(model, torch.float16)
    for name, parameter in half.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, before[name].half().float())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    with pytest.raises(ValueError, match="floating"):
        reduced.with_weights_in(model, torch.int8)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantised_weights_lie_on_a_grid_for_each_output_channel(bits: int) -> None:
    model = network()
    made = reduced.with_weights_in_bits(model, bits)
    top = 2 ** (bits - 1) - 1
    for before, after in zip(model[0].weight, made[0].weight, strict=True):  # type: ignore[index, arg-type]
        step = before.abs().max() / top
        counts = after / step
        assert torch.allclose(counts, counts.round(), atol=1e-3)
        assert counts.abs().max() <= top + 1e-3
        assert (before - after).abs().max() <= step / 2 + 1e-6
    assert torch.equal(model[1].weight, made[1].weight)  # type: ignore[index, union-attr, arg-type]
    with pytest.raises(ValueError, match="bits"):
        reduced.with_weights_in_bits(model, 1)


def test_zero_weights_stay_zero() -> None:
    model = nn.Linear(3, 2)
    nn.init.zeros_(model.weight)
    assert not reduced.with_weights_in_bits(model, 8).weight.any()  # type: ignore[operator, union-attr]


def test_another_number_type_and_no_training_are_copies_too() -> None:
    model = network()
    narrow = reduced.computing_in(model, torch.bfloat16)
    assert narrow(torch.zeros(1, 3, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    state = torch.random.get_rng_state()
    first, second = reduced.untrained(model), reduced.untrained(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first[0].weight, second[0].weight)  # type: ignore[index, arg-type]
    assert not torch.equal(first[0].weight, model[0].weight)  # type: ignore[index, arg-type]
    assert model[0].weight.dtype == torch.float32  # type: ignore[index, union-attr]
