"""The losses of CycleGAN: adversarial, cycle and identity.

- vanilla: Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014, https://arxiv.org/abs/1406.2661 , equation 1; the generator's
  loss is the non-saturating one of section 3.
- least squares: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, https://arxiv.org/abs/1611.04076 , equation 2
  with a = 0, b = c = 1, without its factor 1/2; what CycleGAN trains with.
- cycle, identity: Zhu et al., CycleGAN, ICCV 2017, https://arxiv.org/abs/1703.10593 , equation 2 and section 5.2.

All are means over every patch and picture. As in CycleGAN's code, the discriminator's loss is halved: it then learns at half the
generators' pace (appendix 7.1).
"""

from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

Adversarial = Literal["least_squares", "vanilla"]


@dataclass(frozen=True, slots=True, eq=False)
class DiscriminatorLoss:
    """A discriminator's loss in its two parts, scalars with gradients.

    Args:
        real: what real pictures give.
        fake: what fakes give.
    """

    real: Tensor
    fake: Tensor

    @property
    def total(self) -> Tensor:
        """(real + fake) / 2."""
        return (self.real + self.fake) / 2


def adversarial_map(scores: Tensor, *, real: bool, kind: Adversarial = "least_squares") -> Tensor:
    """The loss of each patch when its score should say ``real``.

    Least squares: (D(x) - 1)^2 for real, D(x)^2 for fake. Vanilla: -log sigmoid(D(x)) for real, -log(1 - sigmoid(D(x))) for fake.

    Args:
        scores: of a discriminator, any shape, free numbers (for ``vanilla`` they are logits).
        real: what they should say.
        kind: ``least_squares`` or ``vanilla``.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "least_squares":
        return (scores - float(real)) ** 2
    if kind == "vanilla":
        return F.softplus(-scores if real else scores)  # -log sigmoid(s) = softplus(-s)
    if kind not in get_args(Adversarial):
        raise ValueError(f"the adversarial loss is one of {', '.join(get_args(Adversarial))}, not {kind!r}")
    assert_never(kind)


def generator_loss(fake_scores: Tensor, kind: Adversarial = "least_squares") -> Tensor:
    """What a generator G: A -> B pays for fakes that D_B does not take for real: E_a[(D_B(G(a)) - 1)^2], or
    E_a[-log D_B(G(a))] where vanilla.

    Args:
        fake_scores: D_B(G(a)), any shape.
        kind: see :func:`adversarial_map`.

    Raises:
        ValueError: there is no such kind.
    """
    return adversarial_map(fake_scores, real=True, kind=kind).mean()


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, kind: Adversarial = "least_squares"
) -> DiscriminatorLoss:
    """What D_B pays: E_b[(D_B(b) - 1)^2] and E_a[D_B(G(a))^2], or E_b[-log D_B(b)] and E_a[-log(1 - D_B(G(a)))] where vanilla.

    Args:
        real_scores: D_B(b), any shape.
        fake_scores: D_B(G(a)), of fakes without gradients, fresh or from an image pool.
        kind: see :func:`adversarial_map`.

    Raises:
        ValueError: there is no such kind.
    """
    return DiscriminatorLoss(
        adversarial_map(real_scores, real=True, kind=kind).mean(),
        adversarial_map(fake_scores, real=False, kind=kind).mean(),
    )


def cycle_loss(cycled: Tensor, picture: Tensor) -> Tensor:
    """E_a[ |F(G(a)) - a|_1 ], the mean over pixels and channels: one of the two terms of equation 2.

    Args:
        cycled: F(G(a)), there and back, (N, C, H, W).
        picture: a, likewise.

    Raises:
        ValueError: the shapes differ.
    """
    return _mean_absolute(cycled, picture)


def identity_loss(same: Tensor, picture: Tensor) -> Tensor:
    """E_b[ |G(b) - b|_1 ], the mean over pixels and channels: one of the two terms of section 5.2.

    Args:
        same: G(b), a picture of the domain that G leads to, (N, C, H, W).
        picture: b, likewise.

    Raises:
        ValueError: the shapes differ.
    """
    return _mean_absolute(same, picture)


def accepted(scores: Tensor, kind: Adversarial = "least_squares") -> Tensor:
    """Where a discriminator takes a patch for real: above 0.5 with least squares, half way between 0 and 1; above 0 in logits."""
    return scores > (0.5 if kind == "least_squares" else 0.0)


def _mean_absolute(found: Tensor, wanted: Tensor) -> Tensor:
    if found.shape != wanted.shape:
        raise ValueError(f"the pictures have the shapes {tuple(found.shape)} and {tuple(wanted.shape)}")
    return torch.mean((found - wanted).abs())
