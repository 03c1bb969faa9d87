"""Copies of networks, also of those that keep tensors they computed."""

import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from torch import Tensor, nn


def copied(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with the network.

    ``deepcopy`` alone refuses networks that keep a tensor with a history, as those with ``torch.nn.utils.weight_norm``,
    ``torch.nn.utils.spectral_norm`` or ``torch.nn.utils.prune`` do: their hooks compute the weight anew in each pass.
    """
    computed = [tensor for module in model.modules() for tensor in _tensors(vars(module)) if not tensor.is_leaf]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the stand-ins for tensors in graphs of torch.export
        return deepcopy(model, {id(tensor): tensor.detach().clone() for tensor in computed})


def _tensors(value: Any, depth: int = 4) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part, depth - 1)
    elif depth and isinstance(value, list | tuple | set):
        for part in value:
            yield from _tensors(part, depth - 1)
