"""Weights that a layer computes from others in each pass: ``torch.nn.utils.parametrize`` and all that is built on it, and the older hooks
of ``torch.nn.utils.weight_norm``, ``spectral_norm`` and ``prune``. To set such a weight is to set what it is computed from.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

Change = Callable[[Tensor], Tensor]
ITERATIONS = 15
"""Of the power method, after which a spectral norm is that of its weight."""


def sources(module: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of a layer that others are computed from."""
    for one in _parametrised(module).values():
        yield from one.parameters()
    for name, _ in _hooks(module):
        yield from (
            p
            for key, p in module._parameters.items()
            if p is not None and key in (f"{name}_g", f"{name}_v", f"{name}_orig")
        )


def change_computed(module: nn.Module, change: Change) -> None:
    """Has what a layer computes changed each time; what it is computed from stays."""
    for one in _parametrised(module).values():
        one.register_forward_hook(_Given(change))
    for name in dict.fromkeys(name for name, _ in _hooks(module)):
        module.register_forward_pre_hook(_Kept(name, change))


def keep_precision(module: nn.Module, dtype: torch.dtype) -> None:
    """Has a layer's weights computed in single precision and handed on in another type: not all that computes them is there in others."""
    for one in _parametrised(module).values():
        one.float()
        one.register_forward_hook(_Given(lambda weight: weight.to(dtype)))
    for name, _ in _hooks(module):  # a hook may read it before another writes it
        vars(module)[name] = vars(module)[name].to(dtype)


@torch.no_grad()
def reset(module: nn.Module, begin: Callable[[], object]) -> None:
    """Calls what gives a layer its first weights, also where they are computed: to write into those would change nothing.

    Args:
        begin: the layer's ``reset_parameters``.
    """
    before = [p.clone() for p in sources(module)]
    with parametrize.cached():
        known = _parametrised(module)
        old = {name: getattr(module, name).clone() for name in known}
        begin()
        new = {name: getattr(module, name) for name in known}
    if any(not torch.equal(p, q) for p, q in zip(sources(module), before, strict=True)):
        return  # it went to the sources itself
    for name in known:
        if not torch.equal(new[name], old[name]):
            _set_parametrized(module, name, new[name].clone())
    for name, hook in _hooks(module):
        _set_by_hook(module, name, hook)


def _set_parametrized(module: nn.Module, name: str, value: Tensor) -> None:
    one = _parametrised(module)[name]
    try:
        setattr(module, name, value)
    except (RuntimeError, NotImplementedError):  # it has no way back
        for source in one.parameters(recurse=False):
            same = source.shape == value.shape
            source.copy_(value if same else torch.randn(source.shape) * source.float().std(correction=0))
    was = module.training
    one.train()
    for _ in range(ITERATIONS):  # a spectral norm is worked out little by little, in training
        one()
    one.train(was)


def _set_by_hook(module: nn.Module, name: str, hook: Any) -> None:
    value = getattr(module, name).detach().clone()
    if isinstance(hook, WeightNorm):
        getattr(module, f"{name}_g").copy_(torch.norm_except_dim(value, 2, hook.dim))
        getattr(module, f"{name}_v").copy_(value)
        setattr(module, name, hook.compute_weight(module))
        return
    getattr(module, f"{name}_orig").copy_(value)
    if isinstance(hook, SpectralNorm):
        for _ in range(ITERATIONS):
            setattr(module, name, hook.compute_weight(module, do_power_iteration=True))
    else:
        setattr(module, name, hook.apply_mask(module))


def _parametrised(module: nn.Module) -> dict[str, Any]:
    """Lists of parametrisations, by the names of the weights they give."""
    found: Any = module.parametrizations if parametrize.is_parametrized(module) else {}
    return dict(found.items())


def _hooks(module: nn.Module) -> Iterator[tuple[str, Any]]:
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm | SpectralNorm):
            yield hook.name, hook
        elif isinstance(hook, BasePruningMethod):
            yield hook._tensor_name, hook


class _Given:
    """A forward hook that changes what a module gives."""

    def __init__(self, change: Change) -> None:
        self.change = change

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return self.change(output)


class _Kept:
    """A hook that changes a tensor which an earlier hook left in the layer."""

    def __init__(self, name: str, change: Change) -> None:
        self.name, self.change = name, change

    def __call__(self, module: nn.Module, args: Any) -> None:
        setattr(module, self.name, self.change(getattr(module, self.name)))
