"""The effective receptive field: Luo et al., NeurIPS 2016, https://arxiv.org/abs/1701.04128, section 2."""

import torch
from torch import Tensor, nn

from cvcore.record import submodule, tensors


def effective_receptive_field(
    model: nn.Module, name: str, x: Tensor, position: tuple[int, int], channel: int | None = None
) -> Tensor:
    """How strongly each input pixel moves a unit: the magnitude of the unit's gradient.

    The paper averages over many inputs; this is the field for the one input given. Only the layers up to ``name`` run.

    Args:
        x: (1, C, H, W), the network's input.
        position: row and column in the layer's map (ignored for a layer without one).
        channel: of the layer; None takes the sum of all channels.

    Returns:
        (H, W), not negative: ``sum over the input's channels of |d unit / d x|``. All zero where the unit is switched off
        (a ReLU that gives 0).

    Raises:
        ValueError: no such layer, its first tensor does not have 2 or 4 dimensions, or no gradient reaches the input.
        IndexError: no such position or channel.
    """
    with torch.inference_mode(False), torch.enable_grad():
        given = x.detach().clone().requires_grad_()
        output = run_to(model, name, given.clone())  # a network may work in place on its input
        if output.ndim not in (2, 4):
            raise ValueError(f"the layer {name!r} gives a tensor of {output.ndim} dimensions; 2 or 4 are wanted")
        unit = output[0]  # (channels, h, w) or (channels,)
        if output.ndim == 4:
            row, column = position
            if not (0 <= row < unit.shape[1] and 0 <= column < unit.shape[2]):
                raise IndexError(f"the layer has {unit.shape[1]} x {unit.shape[2]} positions, not {position}")
            unit = unit[:, row, column]
        if channel is not None and not 0 <= channel < len(unit):
            raise IndexError(f"the layer has {len(unit)} channels, not {channel}")
        value = unit.sum() if channel is None else unit[channel]
        if not value.requires_grad:
            raise ValueError(f"no gradient reaches the input from the layer {name!r}")
        (gradient,) = torch.autograd.grad(value, given, allow_unused=True)
        if gradient is None:
            raise ValueError(f"no gradient reaches the input from the layer {name!r}")
    return gradient[0].abs().sum(0)


class _Reached(Exception):
    """Ends a forward pass at the layer that was wanted."""


def run_to(model: nn.Module, name: str, x: Tensor) -> Tensor:
    """The first tensor that the layer ``name`` gives; nothing after its first call runs.

    Raises:
        ValueError: no such layer, it does not run, or it does not give a tensor.
    """
    module = submodule(model, name)
    reached: list[object] = []

    def stop(module: nn.Module, args: object, output: object) -> None:
        reached.append(output)
        raise _Reached

    handle = module.register_forward_hook(stop)
    try:
        model(x)
    except _Reached:
        pass
    finally:
        handle.remove()
    found = tensors(reached[0]) if reached else ()
    if not found:
        raise ValueError(f"the layer {name!r} does not give a tensor")
    return found[0]
