"""Grad-CAM: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
https://arxiv.org/abs/1610.02391.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cvcore.gradients import NoGradientError, differentiating
from cvcore.record import map_tensors, submodule, tensors


@dataclass(frozen=True, slots=True)
class GradCam:
    """What one Grad-CAM gives.

    Args:
        map: (h, w), not negative: where the layer speaks for the class (equation 2). In units of the class score.
        weights: (C,) alpha, how much the score grows with each channel (equation 1).
        class_index: the class explained.
        score: its score, before any softmax.
    """

    map: Tensor
    weights: Tensor
    class_index: int
    score: float


def grad_cam(
    model: nn.Module,
    name: str,
    x: Tensor,
    class_index: int | None = None,
    *,
    scores_of: Callable[[Any], Tensor | None] | None = None,
) -> GradCam:
    """Which places of a layer's map raise a class score.

    Only what follows the layer is differentiated. A layer that runs several times counts with its last call.

    Args:
        model: gives class scores (1, classes).
        name: a layer that gives (1, C, h, w), alone or first of several tensors.
        x: (1, ...), the network's input.
        class_index: None takes the class with the highest score.
        scores_of: finds the class scores in what the network gives; without it they are all it gives.

    Raises:
        ValueError: no such layer, it gives no map, the network gives no class scores, they do not depend on the layer, or the network
            cannot be differentiated there (:class:`cvcore.gradients.NoGradientError`).
        IndexError: no such class.
    """
    module = submodule(model, name)
    captured: list[Tensor] = []

    def restart(module: nn.Module, args: object, output: object) -> Any:
        first = next(iter(tensors(output)), None)
        if first is None or first.ndim != 4:
            raise ValueError(f"the layer {name!r} gives no map (1, C, h, w)")
        # The network may have switched gradients off on the outside; what it does further inside stays.
        outside.enter_context(torch.inference_mode(False))
        torch.set_grad_enabled(True)
        captured.append(first.detach().clone().requires_grad_())
        # A later in-place layer may not write into a leaf.
        return map_tensors(lambda t: captured[-1].clone() if t is first else t, output)

    handle = module.register_forward_hook(restart)
    try:
        # From the start, though nothing before the layer has a gradient: what is a view then may be written into later.
        with differentiating(name):
            with ExitStack() as outside:
                # Inference tensors cannot be saved for a gradient, and a network may work in place.
                output = model(x.clone())
            scores = output if scores_of is None else scores_of(output)
    finally:
        handle.remove()
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != 1:
        raise ValueError(f"the network {type(model).__name__} gives no class scores (1, classes)")
    index = int(scores.detach().argmax()) if class_index is None else class_index
    if not 0 <= index < scores.shape[1]:
        raise IndexError(f"the network has {scores.shape[1]} classes, not {index}")
    if not captured or not scores.requires_grad:
        raise ValueError(f"the class scores do not depend on the layer {name!r}")
    activations = captured[-1]  # A: (1, C, h, w)
    if activations.is_complex():
        raise NoGradientError(f"the layer {name!r} gives complex numbers, which speak for nothing")
    with differentiating(name):
        (gradient,) = torch.autograd.grad(scores[0, index], activations, allow_unused=True)
    if gradient is None:
        raise ValueError(f"the class scores do not depend on the layer {name!r}")
    weights = gradient[0].mean((1, 2))  # equation 1: (C,)
    with torch.no_grad():
        cam = torch.relu(torch.einsum("c,chw->hw", weights, activations[0]))  # equation 2: (h, w)
    return GradCam(cam, weights, index, float(scores[0, index].detach()))
