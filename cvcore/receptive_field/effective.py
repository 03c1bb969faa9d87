"""The effective receptive field: Luo et al., NeurIPS 2016, https://arxiv.org/abs/1701.04128, section 2."""

import torch
from torch import Tensor, nn

from cvcore.gradients import differentiating
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
        ValueError: no such layer, its first tensor does not have 2 or 4 dimensions, or no gradient reaches the input
            (:class:`cvcore.gradients.NoGradientError` where the network cannot be differentiated there).
        IndexError: no such position or channel.
    """
    with differentiating(name):
        given = x.detach().clone().requires_grad_()
        output = run_to(model, name, given.clone())  # a network may work in place on its input
    if output.ndim not in (2, 4):
        raise ValueError(f"the layer {name!r} gives a tensor of {output.ndim} dimensions; 2 or 4 are wanted")
    if output.ndim == 4:
        row, column = position
        if not (0 <= row < output.shape[2] and 0 <= column < output.shape[3]):
            raise IndexError(f"the layer has {output.shape[2]} x {output.shape[3]} positions, not {position}")
    if channel is not None and not 0 <= channel < output.shape[1]:
        raise IndexError(f"the layer has {output.shape[1]} channels, not {channel}")
    if not output.requires_grad:
        raise ValueError(f"no gradient reaches the input from the layer {name!r}")
    with differentiating(name):
        unit = output[0, :, row, column] if output.ndim == 4 else output[0]  # (channels,)
        value = unit.sum() if channel is None else unit[channel]
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
