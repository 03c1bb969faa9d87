"""Whether the numbers in a file of weights are those that a network would compute with."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvcore.foreign.errors import ModelError

NARROW = frozenset((torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.uint32))
"""Types in which quantised weights are kept, their scale elsewhere."""


def plain(state: "OrderedDict[str, Any]", network: nn.Module) -> "OrderedDict[str, Any]":
    """The same numbers as ordinary tensors, where the network has ordinary ones: quantised and sparse ones are unfolded."""
    wanted = network.state_dict(keep_vars=True)
    made = OrderedDict((key, _plain(value, wanted.get(key))) for key, value in state.items())
    if hasattr(state, "_metadata"):
        made._metadata = state._metadata  # type: ignore[attr-defined]
    return made


def _plain(value: Any, wanted: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    as_it_is = isinstance(wanted, Tensor) and not is_lazy(wanted)
    if value.is_quantized and not (as_it_is and wanted.is_quantized):
        return value.dequantize()
    if value.layout != torch.strided and not (as_it_is and wanted.layout == value.layout):
        return value.to_dense()
    return value


def refuse_values(network: nn.Module, state: Mapping[str, Any], path: Path) -> None:
    """Numbers that torch would change without a word, or that are none.

    Raises:
        ModelError: there are such; the sentence names the first.
    """
    wanted = network.state_dict(keep_vars=True)
    trained = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    for key, tensor in state.items():
        if not isinstance(tensor, Tensor):
            continue
        if tensor.is_meta:
            raise ModelError(
                "{file} holds the shapes of weights without their numbers (they were saved on the meta device).",
                file=path.name,
            )
        tensor = _plain(tensor, None)
        if _has_nan(tensor):
            raise ModelError(
                "{file} holds values that are not a number (NaN), first in {key}.", file=path.name, key=key
            )
        target = wanted.get(key)
        if isinstance(target, Tensor) and tensor.layout == torch.strided and not target.is_quantized:
            _refuse_change(tensor, target, key, path, trained=key in trained)


def _refuse_change(tensor: Tensor, target: Tensor, key: str, path: Path, *, trained: bool) -> None:
    if tensor.is_complex() and not target.is_complex() and bool(torch.count_nonzero(tensor.imag)):
        raise ModelError(
            "{file} holds complex numbers, first in {key}, where the network has real ones.", file=path.name, key=key
        )
    if tensor.dtype in NARROW and target.is_floating_point() and trained:
        raise ModelError(
            "{file} holds whole numbers ({kind}), first in {key}, as quantised weights are kept: their scale lies "
            "elsewhere. Save the weights as the numbers they stand for.",
            file=path.name,
            key=key,
            kind=str(tensor.dtype).removeprefix("torch."),
        )
    whole = not target.is_floating_point() and not target.is_complex() and target.dtype != torch.bool
    if whole and tensor.is_floating_point() and bool((tensor.double().frac() != 0).any()):
        raise ModelError(
            "{file} holds fractions, first in {key}, where the network has whole numbers.", file=path.name, key=key
        )


def _has_nan(tensor: Tensor) -> bool:
    """Infinite values are no harm: masks have them."""
    if tensor.is_floating_point() and tensor.element_size() == 1:  # torch asks no float of 8 bits
        tensor = tensor.float()
    return (tensor.is_floating_point() or tensor.is_complex()) and bool(tensor.isnan().any())
