"""A GPU without room, by a stand-in: networks of the user's own and bundles go on, on the CPU, and a sentence says so."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cvcore.foreign import fingerprint
from explorer.bundle.check import compute_again
from explorer.bundle.format import make_bundle, read_bundle, save_bundle
from explorer.engine import devices
from explorer.engine.compute import Computer
from explorer.engine.devices import Device
from explorer.own_networks import known as own_models
from explorer.own_networks.known import OwnModel, remember
from explorer.own_networks.trust import trust
from explorer.panel import Context, Frame, Panel, Task
from explorer.panels import layers
from explorer.views import networks
from tests.cvcore.foreign_for_tests import PYTHON
from tests.explorer.panels_for_tests import Params, Trace, View, make_frame, make_panel
from tests.explorer.test_bundle_files import tiny_png

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.mark.parametrize("when", ["loading", "running"])
def test_a_network_of_the_users_own(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_models, "_for_now", {})
    path = tmp_path / "net.py"
    path.write_text(PYTHON, "utf-8")
    trust(path, fingerprint(path))
    name = remember(OwnModel(str(path), "small", size=64)).name
    load, asked = networks.load, []

    def full(card: str, device: Any = "cpu") -> torch.nn.Module:
        asked.append(str(device))
        if str(device) == "cpu":
            return load(card, "cpu")
        if when == "loading":
            raise torch.OutOfMemoryError(FULL)
        network = load(card, "cpu")
        network.register_forward_pre_hook(_no_room)
        return network

    monkeypatch.setattr(networks, "load", full)
    # On the device the picture would be without numbers; what counts is where it is asked for.
    computer = Computer({"layers": Panel.from_module(layers)})
    for index in (1, 2):
        result = computer.compute(
            make_frame(90, index=index, size=(80, 60)), Task(1, "layers", layers.Params(network=name), device="meta")
        )
        assert result is not None
        assert (result.error, result.device) == ("", "cpu")
        assert result.note == "Out of memory on meta: this panel now runs on the CPU."
        assert result.models == (name,)
    assert asked == ["meta", "cpu"]


def _no_room(*_: object) -> None:
    raise torch.OutOfMemoryError(FULL)


def test_a_bundle_from_a_gpu_with_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        if context.device.type != "cpu":
            raise torch.OutOfMemoryError(FULL)
        return Trace(float(frame.image.mean()), None)

    panel = make_panel(compute=compute)
    task = Task(1, "probe", Params(), device="cuda:0")
    result = Computer({"probe": make_panel()}).compute(make_frame(90), Task(1, "probe", Params()))
    assert result is not None
    saved = type(result)(result.frame, task, Trace(90.0, None), device="cuda:0")
    monkeypatch.setattr("explorer.bundle.format.versions", lambda device: {"GPU": "a large one"})
    save_bundle(tmp_path / "a.cvbundle", make_bundle(panel, saved, View(), tiny_png()))
    monkeypatch.setattr(devices, "find_devices", lambda: (Device("cuda:0", "A small one", ("float32",)),))
    report = compute_again(read_bundle(tmp_path / "a.cvbundle"), {"probe": panel})
    assert report.error == ""
    assert report.same
    assert "device: cuda:0 → cpu" in report.lines()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("out of memory"),
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        ),
    ],
)
def test_no_room_on_the_cpu_either_is_one_sentence(error: Exception) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        raise error

    result = Computer({"probe": make_panel(compute=compute)}).compute(make_frame(), Task(1, "probe", Params()))
    assert result is not None
    assert result.error == "There is not enough memory for Probe."
