"""What the panel computes: both networks on one picture, and how far apart they are at each layer."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore import reduced
from cvcore.graph import deepest, execute, graph
from cvcore.record import describe, record, tensors
from cvcore.similarity import difference, map_cka
from explorer.i18n import tr
from explorer.panel import Cancelled, Context, Frame
from explorer.panels.compare.controls import Params
from explorer.panels.compare.matching import Pair, Ran, matched
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.fit import Fit, fit_for, input_for
from explorer.views.outputs import as_maps, class_count, class_probabilities

APART = 0.01
"""Relative difference from which on two layers are said to differ."""
BLOCKS = 12
"""Blocks are the parts of the least depth at which there are so many."""
TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


class Prepared:
    """Both networks in their states and their paired layers, kept from frame to frame. Not a dataclass: the engine need not
    look through it.
    """

    def __init__(self, key: tuple[object, ...], models: tuple[nn.Module, nn.Module], pairs: tuple[Pair, ...]) -> None:
        self.key, self.models, self.pairs = key, models, pairs


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What was computed, for P pairs of layers.

    Args:
        prepared: with the pairs, from the first layer to the last.
        numbers: each measure's name and its (P,) values; NaN where it cannot be told or was not asked for.
        chosen: which pair is shown.
        first, second: (C, h, w) its activations in A and in B.
        fits: how the picture became each network's input.
        cells: where the cells of each map lie on the picture.
        probabilities: (classes,) of each network, or None.
        channel_difference: (C,) mean |a − b| of each channel; None where the shapes differ.
        parting: the first pair whose relative difference is above APART, or None.
    """

    prepared: Prepared
    numbers: dict[str, NDArray[np.float64]]
    chosen: int
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    fits: tuple[Fit, Fit]
    cells: tuple[Cells, Cells]
    probabilities: tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]
    channel_difference: NDArray[np.float64] | None
    parting: int | None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return self.prepared.pairs

    @property
    def pair(self) -> Pair:
        """The one shown."""
        return self.pairs[self.chosen]

    @property
    def is_map(self) -> bool:
        return min(self.first.shape[1] * self.first.shape[2], self.second.shape[1] * self.second.shape[2]) > 1


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One forward pass of each network."""
    names = params.network, params.second
    fits = tuple(fit_for(name, frame.size, params.size, square=params.fit == "square") for name in names)
    with context.stage("preprocess"):
        inputs = [shared_input(frame, name, fit, context) for name, fit in zip(names, fits, strict=True)]
    prepared = known(params, inputs, context)
    pairs = prepared.pairs
    inputs = [fitted(x, model) for x, model in zip(inputs, prepared.models, strict=True)]
    outputs, scores = [], []
    with context.stage("forward"), torch.inference_mode():
        for model, x, wanted in zip(
            prepared.models, inputs, ([p.first.name for p in pairs], [p.second.name for p in pairs]), strict=True
        ):
            with record(model, wanted, memory_format=torch.contiguous_format) as recording:
                scores.append(model(x.clone()))
            outputs.append({name: tensors(recording[name])[0] for name in recording})
            if context.cancelled:
                raise Cancelled
    with context.stage("compare"), torch.inference_mode():
        numbers = compared(pairs, outputs[0], outputs[1], params.measure)
        chosen = choice(pairs, params.layer)
        a, b = outputs[0][pairs[chosen].first.name], outputs[1][pairs[chosen].second.name]
        first, second = as_maps(a), as_maps(b)
        channels = np.abs(first - second).mean((1, 2), dtype=np.float64) if pairs[chosen].cell_by_cell else None
    cells = tuple(
        Cells.of(fit, maps.shape[1], maps.shape[2], None) for fit, maps in zip(fits, (first, second), strict=True)
    )
    beyond = np.flatnonzero(numbers["relative difference"] > APART)
    return Trace(
        prepared,
        numbers,
        chosen,
        first,
        second,
        (fits[0], fits[1]),
        (cells[0], cells[1]),
        (probabilities(names[0], scores[0]), probabilities(names[1], scores[1])),
        channels,
        int(beyond[0]) if len(beyond) else None,
    )


def shared_input(frame: Frame, name: str, fit: Fit, context: Context) -> Tensor:
    """The same as the Layers panel's, so that both make it once."""
    return context.once(
        ("layers input", (name, networks.version(name)), fit.input),
        lambda: input_for(name, frame.image, fit, context.device).to(context.dtype),
    )


def known(params: Params, inputs: list[Tensor], context: Context) -> Prepared:
    """The networks in their states and their pairs, from the last trace where they still hold."""
    key = (
        *((name, networks.version(name)) for name in (params.network, params.second)),
        params.state,
        params.other_state,
        params.layers,
        *(tuple(x.shape) for x in inputs),
        str(context.device),
        context.dtype,
    )
    before: Trace | None = context.previous
    if before is not None and before.prepared.key == key:
        return before.prepared
    with context.stage("prepare"):
        models = (
            in_state(context.model(params.network), params.state),
            in_state(context.model(params.second), params.other_state),
        )
        if context.cancelled:
            raise Cancelled
        ran = [layers(model, fitted(x, model), params.layers) for model, x in zip(models, inputs, strict=True)]
        pairs = matched(*ran)
    if not pairs:
        raise ValueError(tr("The two networks have no layers that can be compared."))
    return Prepared(key, models, pairs)


def in_state(model: nn.Module, state: str) -> nn.Module:
    """The network, or a changed copy of it."""
    if state == "as it is":
        return model
    if state == "untrained":
        return reduced.untrained(model)
    if state.startswith("int"):
        return reduced.with_weights_in_bits(model, int(state.removeprefix("int").split()[0]))
    words = state.split()
    if words[-1] == "weights":
        return reduced.with_weights_in(model, TYPES[words[0]])
    return reduced.computing_in(model, TYPES[words[-1]])


def fitted(x: Tensor, model: nn.Module) -> Tensor:
    """The input in the number type the network computes in."""
    first = next((p for p in model.parameters() if p.is_floating_point()), None)
    return x if first is None else x.to(first.dtype)


def layers(model: nn.Module, x: Tensor, which: str) -> list[Ran]:
    """Layers that ran once and gave a tensor, in the order in which they ran."""
    execution = execute(model, x.clone())
    shapes = {
        layer.name: layer.shapes[0]
        for layer in describe(model, x.clone())
        if layer.calls == 1 and len(layer.shapes) == 1 and len(layer.shapes[0]) >= 2
    }
    names: list[str] = []
    for depth in range(1, deepest(execution) + 1) if which == "blocks" else (max(deepest(execution), 1),):
        shown = graph(execution, depth)
        names = list(dict.fromkeys(node.name for node in shown.nodes if node.kind == "module" and node.name in shapes))
        if which == "blocks" and len(names) >= BLOCKS:
            break
    return [Ran(name, shapes[name]) for name in names]


def compared(
    pairs: tuple[Pair, ...], first: dict[str, Tensor], second: dict[str, Tensor], measure: str
) -> dict[str, NDArray[np.float64]]:
    """Every measure at every pair."""
    names = ("relative difference", "largest difference", "mean difference", "cosine", "CKA")
    found = {name: np.full(len(pairs), np.nan) for name in names}
    for i, pair in enumerate(pairs):
        a, b = first[pair.first.name], second[pair.second.name]
        if pair.cell_by_cell:
            made = difference(a, b)
            for name, value in zip(names, (made.relative, made.largest, made.mean, made.cosine), strict=False):
                found[name][i] = value
        if (measure == "CKA" or not pair.cell_by_cell) and a.ndim == b.ndim == 4:
            cells = min(a.shape[2], b.shape[2]) * min(a.shape[3], b.shape[3])
            found["CKA"][i] = map_cka(a, b) if cells > 1 else np.nan
    return found


def choice(pairs: tuple[Pair, ...], wanted: str) -> int:
    """The pair whose first layer is wanted, or one in the middle that is a map."""
    for i, pair in enumerate(pairs):
        if pair.first.name == wanted:
            return i
    maps = [i for i, pair in enumerate(pairs) if len(pair.first.shape) == 4] or list(range(len(pairs)))
    return maps[len(maps) // 3]


def probabilities(name: str, output: object) -> NDArray[np.float32] | None:
    return class_probabilities(output, class_count(name))
