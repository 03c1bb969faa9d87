"""Dropout that shifts variances less: noise that multiplies instead of zeros.

Gaussian dropout: Srivastava et al., Dropout 2014, https://jmlr.org/papers/v15/srivastava14a.html , section 10. Uout, and why batch norm
after dropout sees another variance in evaluation than in training: Li et al. 2018, https://arxiv.org/abs/1801.05134 .
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class NoiseTrace:
    """Numbers and what they were multiplied by.

    Args:
        out: as the input, with gradients.
        factor: as the input; 1 in evaluation.
    """

    out: Tensor
    factor: Tensor


class MultiplicativeNoise(nn.Module, ABC):
    """In training each number is multiplied by 1 + noise of mean 0; in evaluation nothing happens.

    Args:
        generator: where the noise comes from; None: torch's own of the input's device.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.generator = generator

    @property
    @abstractmethod
    def noise_variance(self) -> float:
        """Of the factor."""

    @abstractmethod
    def noise(self, like: Tensor) -> Tensor:
        """As many independent numbers, of mean 0."""

    def forward(self, input: Tensor) -> Tensor:
        return self.trace(input).out

    def trace(self, input: Tensor) -> NoiseTrace:
        """The forward pass with what each number was multiplied by."""
        if not self.training:
            return NoiseTrace(input, torch.ones_like(input))
        factor = 1 + self.noise(input)
        return NoiseTrace(input * factor, factor)


class GaussianDropout(MultiplicativeNoise):
    """Multiplies by normal numbers of mean 1 and variance p / (1 - p), those that dropout's zeros and 1 / (1 - p) have.

    Args:
        p: the drop probability whose dropout this stands for, in [0, 1).

    Raises:
        ValueError: p is out of range.
    """

    def __init__(self, p: float = 0.5, generator: torch.Generator | None = None) -> None:
        super().__init__(generator)
        if not 0 <= p < 1:
            raise ValueError(f"p must be at least 0 and below 1, not {p}")
        self.p = p

    @property
    def noise_variance(self) -> float:
        return self.p / (1 - self.p)

    def noise(self, like: Tensor) -> Tensor:
        normal = torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=self.generator)
        return normal * self.noise_variance**0.5

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Uout(MultiplicativeNoise):
    """x + x r with r uniform in [-beta, beta].

    Args:
        beta: in [0, 1].

    Raises:
        ValueError: beta is out of range.
    """

    def __init__(self, beta: float = 0.1, generator: torch.Generator | None = None) -> None:
        super().__init__(generator)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta must be in [0, 1], not {beta}")
        self.beta = beta

    @property
    def noise_variance(self) -> float:
        return self.beta**2 / 3

    def noise(self, like: Tensor) -> Tensor:
        uniform = torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=self.generator)
        return (2 * uniform - 1) * self.beta

    def extra_repr(self) -> str:
        return f"beta={self.beta}"


def variance_shift(mean: float, variance: float, noise_variance: float) -> float:
    """The variance in evaluation over that in training of numbers that noise multiplies: v / (v + s (v + c^2)).

    Li et al. 2018 for dropout, which has s = p / (1 - p), p being the drop probability.

    Args:
        mean, variance: c and v of the numbers; the variance above 0. noise_variance: s, not below 0.

    Raises:
        ValueError: a variance is out of range.
    """
    if not variance > 0 or not noise_variance >= 0:
        raise ValueError(f"variances must be above 0, and of the noise at least 0, not {variance} and {noise_variance}")
    return variance / (variance + noise_variance * (variance + mean**2))
