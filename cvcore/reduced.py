"""Copies of a network whose weights have less precision, or none of what was learnt: what is a network worth without its details?"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn


def with_weights_in(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy that computes as before, with weights rounded to the numbers a narrower type has.

    Raises:
        ValueError: the type is no floating-point type.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"weights are rounded to a floating-point type, not {dtype}")
    return _changed(model, lambda weight: weight.to(dtype).to(weight.dtype))


def with_weights_in_bits(model: nn.Module, bits: int) -> nn.Module:
    """A copy whose weights lie on an even grid of 2^bits − 1 numbers, one grid for each output channel.

    Symmetric quantisation of weights only, simulated: w → s · round(w / s), s = max|w| / (2^(bits − 1) − 1) (Jacob et al., "Quantization
    and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 3; there with a zero point).
    Biases and norms (all that has fewer than two dimensions) stay as they are.

    Raises:
        ValueError: not 2 to 16 bits.
    """
    if not 2 <= bits <= 16:
        raise ValueError(f"weights are rounded to 2 to 16 bits, not {bits}")
    top = 2 ** (bits - 1) - 1

    def rounded(weight: Tensor) -> Tensor:
        if weight.ndim < 2:
            return weight
        flat = weight.float().flatten(1)  # (out, in · k · k)
        step = flat.abs().amax(1, keepdim=True) / top
        grid = torch.where(step > 0, (flat / step.clamp_min(torch.finfo(torch.float32).tiny)).round() * step, flat)
        return grid.reshape(weight.shape).to(weight.dtype)

    return _changed(model, rounded)


def computing_in(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy with weights and activations of another type; its input must be of that type too."""
    return deepcopy(model).to(dtype)


def untrained(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy with the weights its layers begin with, random but the same for one seed.

    Layers without a ``reset_parameters`` keep what they have.
    """
    made = deepcopy(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in made.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return made


def _changed(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    made = deepcopy(model)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.is_floating_point():
                parameter.copy_(change(parameter))
    return made
