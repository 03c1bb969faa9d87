"""CycleGAN's losses against their formulas in numpy."""

import numpy as np
import pytest
import torch

from cvcore.losses.gan import (
    accepted,
    adversarial_map,
    cycle_loss,
    discriminator_loss,
    generator_loss,
    identity_loss,
)

REAL = torch.tensor([[1.5, 0.2, -0.7]])
FAKE = torch.tensor([[0.9, -1.1, 0.4]])


def sigmoid(x: torch.Tensor) -> np.ndarray:
    return 1 / (1 + np.exp(-x.double().numpy()))


def test_least_squares_is_the_squared_distance_to_one_and_zero() -> None:
    real, fake = REAL.numpy(), FAKE.numpy()
    found = discriminator_loss(REAL, FAKE)
    assert found.real.item() == pytest.approx(np.mean((real - 1) ** 2))
    assert found.fake.item() == pytest.approx(np.mean(fake**2))
    assert found.total.item() == pytest.approx((np.mean((real - 1) ** 2) + np.mean(fake**2)) / 2)
    assert generator_loss(FAKE).item() == pytest.approx(np.mean((fake - 1) ** 2))


def test_vanilla_is_minus_the_log_likelihood() -> None:
    found = discriminator_loss(REAL, FAKE, "vanilla")
    assert found.real.item() == pytest.approx(np.mean(-np.log(sigmoid(REAL))))
    assert found.fake.item() == pytest.approx(np.mean(-np.log(1 - sigmoid(FAKE))))
    assert generator_loss(FAKE, "vanilla").item() == pytest.approx(np.mean(-np.log(sigmoid(FAKE))))


def test_vanilla_stays_finite_for_certain_scores() -> None:
    scores = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = discriminator_loss(scores, scores, "vanilla").total
    loss.backward()
    assert loss.isfinite()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["least_squares", "vanilla"])
def test_the_generator_pulls_the_score_of_a_fake_up_and_the_discriminator_down(kind: str) -> None:
    scores = torch.zeros(1, 1, 2, 2, requires_grad=True)
    (up,) = torch.autograd.grad(generator_loss(scores, kind), scores)
    scores_d = torch.full((1, 1, 2, 2), 0.3, requires_grad=True)
    (down,) = torch.autograd.grad(discriminator_loss(torch.ones(1), scores_d, kind).fake, scores_d)
    assert (up < 0).all()
    assert (down > 0).all()


def test_the_map_has_one_loss_for_each_patch_and_the_loss_is_its_mean() -> None:
    scores = torch.randn(2, 1, 5, 7, generator=torch.Generator().manual_seed(1))
    patches = adversarial_map(scores, real=True)
    assert patches.shape == scores.shape
    assert generator_loss(scores).item() == pytest.approx(patches.mean().item())


@pytest.mark.parametrize("loss", [cycle_loss, identity_loss])
def test_cycle_and_identity_are_the_mean_absolute_difference(loss) -> None:  # type: ignore[no-untyped-def]
    a, b = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(2)).chunk(2)
    assert loss(a, b).item() == pytest.approx(np.abs(a.numpy() - b.numpy()).mean())
    assert loss(a, a).item() == 0
    with pytest.raises(ValueError, match="shapes"):
        loss(a, b[..., :1])


def test_acceptance_starts_half_way_between_fake_and_real() -> None:
    scores = torch.tensor([-0.1, 0.4, 0.6])
    assert accepted(scores).tolist() == [False, False, True]
    assert accepted(scores, "vanilla").tolist() == [False, True, True]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="least_squares, vanilla, not 'hinge'"):
        generator_loss(FAKE, "hinge")  # type: ignore[arg-type]
