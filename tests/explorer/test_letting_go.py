"""What a closed panel leaves behind (nothing), and how soon a computation that nobody wants ends. Objects are counted, not bytes."""

import gc
import itertools
import threading
import weakref
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot
from torch import nn
from torch.nn.modules import module as torch_module

from cvcore import reduced
from cvcore.assets import asset
from cvcore.graph import execute
from explorer.engine.compute import IDLE_KEPT, Computer
from explorer.engine.thread import Engine
from explorer.panel import Context, Frame, Panel, Task
from explorer.panels import compare
from explorer.settings.session import OpenPanel, Settings
from explorer.views import networks
from explorer.window.dock import PanelDock
from explorer.window.main import MainWindow
from tests.explorer.panels_for_tests import Params, Trace, make_frame, make_panel
from tests.explorer.test_engine import WAIT, Harness, harness

__all__ = ["harness"]

WAIT_MS = 30_000
MOVING = f"moving:{asset('pictures', 'coffee.jpg')}?fps=30&size=320x240"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list["weakref.ref[nn.Module]"]]:
    """Every network that was loaded since, by the name of its card, as long as somebody keeps it."""
    made: dict[str, list[weakref.ref[nn.Module]]] = {}

    def load(name: str, device: torch.device | str = "cpu") -> nn.Module:
        model = nn.Linear(2, 2)
        made.setdefault(name, []).append(weakref.ref(model))
        return model

    monkeypatch.setattr(networks, "load", load)
    return made


def alive(loaded: dict[str, list["weakref.ref[nn.Module]"]]) -> list[str]:
    return [name for name, models in loaded.items() for model in models if model() is not None]


def uses(frame: Frame, params: Params, context: Context) -> Trace:
    context.model(f"network {params.factor}")
    return Trace(0.0, None)


def test_networks_are_kept_while_a_panel_uses_them_and_few_of_the_others(loaded: Any) -> None:
    computer = Computer({"probe": make_panel(compute=uses)})
    for index, factor in enumerate((0, *range(1, 8), 0)):
        computer.compute(make_frame(index=index), Task(1 if factor == 0 else 2, "probe", Params(factor=factor)))
    assert len(loaded["network 0"]) == 1, "an open panel's network is loaded once, however many others are looked at"
    assert alive(loaded) == ["network 0", *(f"network {factor}" for factor in range(7 - IDLE_KEPT, 8))]
    computer.forget(2)
    assert alive(loaded) == ["network 0"]
    computer.forget(1)
    assert alive(loaded) == []


def test_a_network_that_another_panel_uses_stays_when_one_is_closed(loaded: Any) -> None:
    computer = Computer({"probe": make_panel(compute=uses)})
    for task_id in (1, 2):
        computer.compute(make_frame(), Task(task_id, "probe", Params(factor=3)))
    computer.forget(1)
    assert alive(loaded) == ["network 3"]
    assert len(loaded["network 3"]) == 1


def test_a_panel_that_keeps_its_network_in_its_trace_need_not_ask_again(loaded: Any) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        return Trace(0.0, context.previous.values if context.previous else context.model("network"))

    computer = Computer({"probe": make_panel(compute=compute)})
    for index in range(3):
        computer.compute(make_frame(index=index), Task(1, "probe", Params()))
    assert alive(loaded) == ["network"]
    computer.forget(1)
    assert alive(loaded) == []


def test_what_panels_shared_of_a_held_frame_goes_with_a_closed_one() -> None:
    shared: list[weakref.ref[Any]] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        shared.append(weakref.ref(context.once("maps", lambda: torch.zeros(3))))
        return Trace(0.0, None)

    computer = Computer({"probe": make_panel(compute=compute)})
    computer.compute(make_frame(), Task(1, "probe", Params()))
    assert shared[0]() is not None
    computer.forget(1)
    assert shared[0]() is None


@pytest.mark.parametrize("modules", [0, 100, 500, None])
def test_compare_leaves_no_changed_copy_wherever_it_is_stopped(modules: int | None, monkeypatch: Any) -> None:
    """Closed before so many layers ran, or after all of them."""
    copies: list[weakref.ref[nn.Module]] = []

    def rounded(model: nn.Module, bits: int) -> nn.Module:
        made = deepcopy(model)
        copies.append(weakref.ref(made))
        return made

    monkeypatch.setattr(reduced, "with_weights_in_bits", rounded)
    ran = itertools.count()
    computer = Computer({"compare": Panel.from_module(compare)})
    task = Task(1, "compare", compare.Params(size=64))
    result = computer.compute(
        make_frame(size=(64, 48)), task, stop=lambda: modules is not None and next(ran) >= modules
    )
    assert (result is None) == (modules is not None)
    assert result is None or not result.error
    assert copies
    del result
    computer.forget(1)
    gc.collect()
    assert [copy for copy in copies if copy() is not None] == []
    assert computer._models == {}


# -- computations that nobody wants any more


class Slow(nn.Module):
    """A network whose first layer runs until it is let go on, and whose second one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Waits(), Counts()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Waits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reached.release()
        assert self.go_on.acquire(timeout=WAIT)
        return x + 1


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return x + 1


@pytest.fixture(params=["forward", "graph"])
def slow(request: pytest.FixtureRequest, harness: Any) -> tuple[Slow, Harness, Engine]:
    """A panel that runs the network, or runs it for its graph, in an engine with a frame and a task."""
    network = Slow()

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        x = torch.zeros(1, 2)
        if request.param == "graph":
            execute(network, x)
        else:
            network(x)
        return Trace(params.factor, None)

    h: Harness = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.submit(make_frame())
    h.engine.set_task(Task(1, "probe", Params(factor=1)))
    assert network.first.reached.acquire(timeout=WAIT)
    return network, h, h.engine


def no_hooks(network: nn.Module) -> bool:
    own = [one for m in network.modules() for one in (*m._forward_hooks, *m._forward_pre_hooks)]
    return not own and not torch_module._global_forward_pre_hooks


def test_a_closed_panels_network_stops_at_its_next_layer(slow: Any) -> None:
    network, h, engine = slow
    engine.drop_task(1, forget=True)
    engine.set_task(Task(2, "probe", Params(factor=2)))
    network.first.go_on.release()
    assert network.first.reached.acquire(timeout=WAIT)
    assert network.second.count == 0
    network.first.go_on.release()
    assert h.result(2).trace.mean == 2
    assert network.second.count == 1
    assert no_hooks(network)


def test_closing_the_program_stops_the_network(slow: Any) -> None:
    network, _, engine = slow
    closer = threading.Thread(target=engine.close)
    closer.start()
    while not engine._closing:
        pass
    network.first.go_on.release()
    closer.join(WAIT)
    assert not engine._thread.is_alive()
    assert network.second.count == 0
    assert no_hooks(network)


def test_while_a_knob_is_turned_every_other_computation_is_finished(slow: Any) -> None:
    network, h, engine = slow
    engine.set_task(Task(1, "probe", Params(factor=2)))
    network.first.go_on.release()
    assert network.first.reached.acquire(timeout=WAIT)
    assert network.second.count == 0, "the first was cut short"
    engine.set_task(Task(1, "probe", Params(factor=3)))
    network.first.go_on.release()
    assert h.result().trace.mean == 2, "the second was not, though the knob had been turned again"
    assert network.first.reached.acquire(timeout=WAIT)
    network.first.go_on.release()
    assert h.result().trace.mean == 3


def test_what_was_cut_short_is_computed_when_the_knob_is_turned_back(slow: Any) -> None:
    network, h, engine = slow
    engine.set_task(Task(1, "probe", Params(factor=2)))
    engine.set_task(Task(1, "probe", Params(factor=1)))
    network.first.go_on.release()
    assert network.first.reached.acquire(timeout=WAIT)
    network.first.go_on.release()
    assert h.result().trace.mean == 1


# -- the window


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    made = MainWindow(Settings(language="en", panels=(OpenPanel("picture", 1),)), MOVING)
    qtbot.addWidget(made)
    made.show()
    made.start()
    qtbot.waitUntil(lambda: made.desk.docks[0].result is not None, timeout=WAIT_MS)
    yield made
    made.close()


def test_what_a_panel_showed_is_freed_when_it_is_closed(window: MainWindow, qtbot: QtBot) -> None:
    """At once, without the garbage collector, which may come minutes later."""
    dock = opened(window, qtbot)
    window.player.freeze(True)
    assert dock.result is not None
    arrays = held_arrays(dock.result.trace, dock.canvas.figure)
    gone = [weakref.ref(array) for array in arrays if array is not dock.result.frame.image]  # others have the picture
    del arrays
    assert gone
    gc.disable()
    try:
        dock.close()
        qtbot.waitUntil(lambda: not any(one() is not None for one in gone), timeout=WAIT_MS)
    finally:
        gc.enable()


def test_a_closed_panel_itself_goes_with_the_next_garbage_collection(window: MainWindow, qtbot: QtBot) -> None:
    gone = weakref.ref(opened(window, qtbot))
    assert window.desk.active() is gone()
    window.desk.close_panel()

    def collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(collected, timeout=WAIT_MS)


def opened(window: MainWindow, qtbot: QtBot) -> PanelDock:
    """A second panel that shows something."""
    dock = window.desk.open_panel("picture")
    qtbot.waitUntil(lambda: dock.result is not None, timeout=WAIT_MS)
    return dock


def held_arrays(*values: Any) -> list[np.ndarray]:
    """Every array in nested dataclasses and tuples."""
    found: list[np.ndarray] = []
    for value in values:
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, tuple):
            found += held_arrays(*value)
        elif is_dataclass(value):
            found += held_arrays(*(getattr(value, f.name) for f in fields(value)))
    return found
