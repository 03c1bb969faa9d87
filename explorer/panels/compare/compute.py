"""What can be set in the panel, and what it computes: both networks on one picture, and how far apart they are at each layer."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.layer_pairs import CKA, MEASURES, RELATIVE, Pair, distances, layers_that_ran, matched
from cvcore.record import record, tensors
from cvcore.reduced import STATES, fitted, in_state
from explorer.i18n import tr
from explorer.panel import Context, Frame, check, knob
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.fit import fit_for
from explorer.views.knobs import SQUARE, dim_knob, network_knob, shape_knob, size_knob
from explorer.views.outputs import as_maps
from explorer.views.passes import Newest, Pass

SAME = "the same network"
DEPTHS = BLOCKS, EVERY = ("blocks", "all layers")
ORDERS = BY_DIFFERENCE, BY_NUMBER = ("by difference", "by number")
APART = 0.01
"""Relative difference from which on two layers are said to differ."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Params:
    network: str = network_knob("mobilenet_v2", label="Network A")
    state: str = knob("as it is", choices=STATES, label="State of A")
    other: str = knob(SAME, kind="choice", choices=lambda result: (SAME, *networks.names()), label="Network B")
    other_state: str = knob(
        "int8 weights",
        choices=STATES,
        label="State of B",
        help="Weights are rounded and the network computes as before, or it computes in another number type altogether.",
    )
    measure: str = knob(RELATIVE, choices=MEASURES, label="Measure")
    layers: str = knob(BLOCKS, choices=DEPTHS, label="Layers compared", help="All layers take longer.")
    layer: str = knob("", kind="hidden")
    size: int = size_knob()
    fit: str = shape_knob()

    def __post_init__(self) -> None:
        check(self)

    @property
    def networks(self) -> tuple[str, str]:
        """Names of A and B."""
        return self.network, self.network if self.other == SAME else self.other


@dataclass(frozen=True)
class View:
    channel: int = dim_knob("channel", label="Channel", help="Or click on its tile.")
    order: str = knob(BY_DIFFERENCE, choices=ORDERS, label="Order of the channels")
    smooth: bool = knob(False, label="Smooth maps", help="Interpolates between cells instead of showing each.")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two networks.

    Args:
        maps: (C, h, w), activations of the layer that is shown.
        cells: where their cells lie.
        probabilities: (classes,), or None.
    """

    maps: Array
    cells: Cells
    probabilities: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What was computed, for P pairs of layers.

    Args:
        pairs: from the first layer to the last.
        numbers: each measure's name and its (P,) values; NaN where it cannot be told or was not asked for.
        chosen: which pair is shown.
        difference: (C, h, w) A − B; None where the layers do not correspond cell by cell.
        channel_difference: (C,) mean |A − B| of each channel.
        parting: the first pair whose relative difference is above APART, or None.
    """

    pairs: tuple[Pair, ...]
    numbers: Mapping[str, NDArray[np.float64]]
    chosen: int
    first: Side
    second: Side
    difference: Array | None
    channel_difference: NDArray[np.float64]
    parting: int | None

    @property
    def pair(self) -> Pair:
        """The one shown."""
        return self.pairs[self.chosen]

    @property
    def is_map(self) -> bool:
        return min(self.first.maps[0].size, self.second.maps[0].size) > 1

    @property
    def sizes(self) -> Mapping[str, int]:
        """How far the knobs of a dimension go."""
        return {"channel": min(len(self.first.maps), len(self.second.maps))}


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One forward pass of each network."""
    square = params.fit == SQUARE
    seen = [
        Pass(frame, context, name, fit_for(name, frame.size, params.size, square=square)) for name in params.networks
    ]
    states = params.state, params.other_state
    newest: Newest[tuple[list[nn.Module], tuple[Pair, ...]]] = context.kept("in their states", Newest)
    models, pairs = newest.of(
        (*(one.key for one in seen), states, params.layers), lambda: prepared(seen, states, params.layers, context)
    )
    chosen = choice(pairs, params.layer)
    names = [pair.first.name for pair in pairs], [pair.second.name for pair in pairs]
    given: list[Mapping[str, Tensor]] = []
    scores = []
    with context.stage("forward"), torch.inference_mode():
        for one, model, wanted in zip(seen, models, names, strict=True):
            with record(model, wanted, memory_format=torch.contiguous_format) as recording:
                scores.append(one.probabilities(model(fitted(one.x, model).clone())))
            given.append({name: tensors(recording[name])[0] for name in recording})
            context.stop_if_cancelled()
    with context.stage("compare"), torch.inference_mode():
        numbers = distances(pairs, given[0], given[1], wholes=params.measure == CKA)
        sides = []
        for one, outputs, layers, p in zip(seen, given, names, scores, strict=True):
            maps = as_maps(outputs[layers[chosen]])
            sides.append(Side(maps, one.cells(layers[chosen], *maps.shape[1:]), p))
        difference = sides[0].maps - sides[1].maps if pairs[chosen].cell_by_cell else None
    apart = np.zeros(0) if difference is None else np.abs(difference).mean((1, 2), dtype=np.float64)
    beyond = np.flatnonzero(numbers[RELATIVE] > APART)
    return Trace(pairs, numbers, chosen, sides[0], sides[1], difference, apart, int(beyond[0]) if len(beyond) else None)


def prepared(
    seen: list[Pass], states: tuple[str, str], which: str, context: Context
) -> tuple[list[nn.Module], tuple[Pair, ...]]:
    """Both networks in their states, and the layers that are compared."""
    with context.stage("prepare"):
        models = [in_state(one.model, state) for one, state in zip(seen, states, strict=True)]
        context.stop_if_cancelled()
        ran = [
            layers_that_ran(model, fitted(one.x, model), blocks=which == BLOCKS)
            for one, model in zip(seen, models, strict=True)
        ]
        pairs = matched(*ran)
    if not pairs:
        raise ValueError(tr("The two networks have no layers that can be compared."))
    return models, pairs


def choice(pairs: tuple[Pair, ...], wanted: str) -> int:
    """The pair whose first layer is wanted, or one in the middle that is a map."""
    for i, pair in enumerate(pairs):
        if pair.first.name == wanted:
            return i
    maps = [i for i, pair in enumerate(pairs) if len(pair.first.shape) == 4] or list(range(len(pairs)))
    return maps[len(maps) // 3]
