"""Copies of a network whose weights have less precision, or none of what was learnt: what is a network worth without its details?"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cvcore.computed import change_computed, keep_precision, reset, sources
from cvcore.copying import copied

STATES = (
    "as it is",
    "float16 weights",
    "bfloat16 weights",
    "int8 weights",
    "int4 weights",
    "computed in float16",
    "computed in bfloat16",
    "untrained",
)


def in_state(model: nn.Module, state: str) -> nn.Module:
    """The network itself, or a changed copy of it: one of :data:`STATES`.

    Raises:
        ValueError: there is no such state.
    """
    match state.split():
        case ["as", "it", "is"]:
            return model
        case ["untrained"]:
            return untrained(model)
        case ["int8" | "int4" as type, "weights"]:
            return with_weights_in_bits(model, int(type.removeprefix("int")))
        case ["float16" | "bfloat16" as type, "weights"]:
            return with_weights_in(model, getattr(torch, type))
        case ["computed", "in", "float16" | "bfloat16" as type]:
            return computing_in(model, getattr(torch, type))
        case _:
            raise ValueError(f"a network has no state {state!r}; there are {', '.join(STATES)}")


def fitted(x: Tensor, model: nn.Module) -> Tensor:
    """An input in the number type that a network computes in."""
    first = next((p for p in model.parameters() if p.is_floating_point()), None)
    return x if first is None else x.to(first.dtype)


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
    """A copy with weights and activations of another type; its input must be of that type too. Complex numbers stay what they are."""
    made = copied(model)
    made._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
    for module in made.modules():
        keep_precision(module, dtype)
    return made


def untrained(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy with the weights its layers begin with, random but the same for one seed.

    Weights that no layer knows how to begin with (parameters outside of torch's layers, graphs from files) are their own numbers in
    random order, which keeps their size and takes what they have learnt.
    """
    made = copied(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        before = {name: p.clone() for name, p in made.named_parameters()}
        begun: set[int] = set()
        for module in made.modules():
            begin = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(begin):
                reset(module, begin)
                begun.update(id(source) for source in sources(module))
        for name, parameter in made.named_parameters():
            if parameter.numel() > 1 and id(parameter) not in begun and torch.equal(parameter, before[name]):
                order = torch.randperm(parameter.numel()).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return made


def _changed(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    made = copied(model)
    kept = {id(source) for module in made.modules() for source in sources(module)}
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.is_floating_point() and id(parameter) not in kept:
                parameter.copy_(change(parameter))
    for module in made.modules():
        change_computed(module, change)
    return made
