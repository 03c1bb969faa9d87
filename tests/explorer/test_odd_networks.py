"""Whatever network runs in torch is shown by Layers and Compare through the engine, with all that can be asked of it.

Where something is not possible with it, such as a gradient, the rest is still there.
"""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvcore.foreign import fingerprint
from explorer.engine.compute import Computer
from explorer.own_networks import known as own_models
from explorer.own_networks.known import OwnModel
from explorer.own_networks.trial import try_own
from explorer.own_networks.trust import trust
from explorer.panel import Frame, Task
from explorer.registry import find_panels
from tests.explorer import odd_networks

FILE = Path(odd_networks.__file__)
NAMES = [
    name
    for name, one in vars(odd_networks).items()
    if inspect.isfunction(one) and one.__module__ == odd_networks.__name__ and name not in ("odd", "head", "Given")
]
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
PLACED = {"position": (20.0, 20.0), "grad_cam": True}
WITHOUT_GRADIENT = {
    "chunk",
    "complex_layer",
    "detached",
    "dynamically_quantised",
    "no_way_back",
    "reentrant",
    "refuses_gradients",
    "static_quantised",
}
"""Where no class score depends on the layers shown, as far as torch can tell."""
FLOAT32_ONLY = {
    "through_numpy",
    "complex_numbers",
    "complex_layer",
    "complex_weights",
    "static_quantised",
    "dynamically_quantised",
}
"""Torch and numpy have no other type for what these do."""
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, of old and of new ways


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    monkeypatch.setattr(own_models, "_for_now", {})
    trust(FILE, fingerprint(FILE), remember=False)
    return Computer(find_panels().panels)


def opened(name: str) -> OwnModel:
    own, _ = try_own(OwnModel(str(FILE), name, size=64), IMAGE)
    return own_models.use(own)


def computed(computer: Computer, panel: str, **params: Any) -> Any:
    made = computer.panels[panel]
    result = computer.compute(Frame(IMAGE), Task(1, panel, made.params(**params)))
    assert result is not None
    assert not result.error, result.detail
    made.draw(result, made.view())
    return result.trace


@pytest.mark.parametrize("name", NAMES)
def test_layers_shows_it_whatever_is_asked(computer: Computer, name: str) -> None:
    own = opened(name)
    own_models.use(own)
    for more in ({}, {"show": "graph", "graph_colour": "time"}, {"time_layers": True}):
        trace = computed(computer, "layers", network=own.name, layer=own.layer, size=64, **PLACED, **more)
    assert np.isfinite(trace.maps).all()
    assert trace.probabilities is None or trace.probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert (trace.cam is None) == (name in WITHOUT_GRADIENT or trace.probabilities is None), name


@pytest.mark.parametrize("state", ["as it is", "int8 weights", "computed in bfloat16", "untrained"])
@pytest.mark.parametrize("name", NAMES)
def test_compare_shows_it_in_every_state(computer: Computer, name: str, state: str) -> None:
    own = opened(name)
    if state == "computed in bfloat16" and name in FLOAT32_ONLY:
        task = Task(1, "compare", computer.panels["compare"].params(network=own.name, other_state=state, size=64))
        result = computer.compute(Frame(IMAGE), task)
        assert result is not None
        assert "BFloat16" in result.error
        assert "\n" not in result.error
        return
    trace = computed(computer, "compare", network=own.name, other_state=state, size=64)
    if state == "untrained":
        assert trace.numbers["relative difference"][-1] > 0


def test_the_maps_of_a_network_without_gradients_outside_are_those_of_plain_autograd(computer: Computer) -> None:
    for name in ("no_grad", "inference_mode", "view"):
        own = opened(name)
        trace = computed(computer, "layers", network=own.name, layer="stem", size=64, **PLACED)
        network = computer.model(own.name, torch.device("cpu"), "float32")
        assert trace.cam is not None
        assert trace.cam.map.shape == trace.maps.shape[1:]
        if name != "view":
            # The score is the mean of the maps times the row of the last layer: Grad-CAM is that sum, cut at 0.
            row = network.fc.weight[trace.cam.class_index].numpy() / trace.maps[0].size
            wanted = np.maximum(np.einsum("c,chw->hw", row, trace.maps), 0)
            assert np.allclose(trace.cam.map, wanted, atol=1e-5)
