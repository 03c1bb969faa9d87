"""Differences of activations against plain formulas, and copies of networks with less precision."""

import numpy as np
import pytest
import torch

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
