"""What a panel computes and shows, in one line, with the program's own Computer: ``computed("roi", "astronaut", show="bins")``."""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from itertools import count
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.assets import asset
from explorer.engine.compute import Computer
from explorer.figure import Figure, Mark, Pane, Probe, Spot
from explorer.i18n import language
from explorer.panel import Frame, Panel, Precision, Result, Task, knobs
from explorer.registry import find_panels
from explorer.views import networks as known_networks

KEPT = 64
"""How many results are remembered for other tests of the same run."""

_loaded: dict[Any, torch.nn.Module] = {}
_results: OrderedDict[Any, tuple[Frame, Result]] = OrderedDict()
_ids = count(1)


class LastingComputer(Computer):
    """Loads each network once for all tests, or takes the one given."""

    def __init__(self, panels: Mapping[str, Panel], given: Mapping[str, torch.nn.Module] | None = None) -> None:
        super().__init__(panels)
        self._given = given or {}

    def model(self, card: str, device: torch.device, precision: str) -> torch.nn.Module:
        if card in self._given:
            return self._given[card].to(device, getattr(torch, precision))
        key = card, str(device), precision, known_networks.version(card)
        if key not in _loaded:
            _loaded[key] = super().model(card, device, precision)
        return _loaded[key]


@cache
def panels() -> Mapping[str, Panel]:
    """The program's own panels by name."""
    return {
        name: panel for name, panel in find_panels().panels.items() if panel.compute.__module__.startswith("explorer.")
    }


@cache
def _computer() -> Computer:
    return LastingComputer(panels())


@cache
def built_in(name: str, size: tuple[int, int] | None = None, index: int = 0) -> Frame:
    """A shipped picture, resized to ``size`` (width, height): always the same object, so that what a frame needs is computed once."""
    image = cv2.imread(str(asset("pictures", f"{name}.jpg")), cv2.IMREAD_COLOR_RGB)
    if size is not None:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return Frame(np.asarray(image, np.uint8), index=index, time=index / 25, source=name)


def split(panel: Panel, values: Mapping[str, Any]) -> tuple[Any, Any]:
    """Params and View with these fields set."""
    of_params, of_view = ({f.name for f in fields(kind)} for kind in (panel.params, panel.view))
    assert values.keys() <= of_params | of_view, f"{panel.name} has no {', '.join(values.keys() - of_params - of_view)}"
    return (
        panel.params(**{name: value for name, value in values.items() if name in of_params}),
        panel.view(**{name: value for name, value in values.items() if name in of_view}),
    )


@dataclass(frozen=True, eq=False)
class Shown:
    """A result and how it is looked at: figure, probes and clicks as the canvas asks for them."""

    panel: Panel
    result: Result
    view: Any

    @property
    def trace(self) -> Any:
        return self.result.trace

    @property
    def params(self) -> Any:
        return self.result.task.params

    @property
    def frame(self) -> Frame:
        return self.result.frame

    @cached_property
    def figure(self) -> Figure:
        return self.panel.draw(self.result, self.view)

    @property
    def fields(self) -> dict[str, Any]:
        """Params and View by name."""
        return {f.name: getattr(one, f.name) for one in (self.params, self.view) for f in fields(one) if f.init}

    def looked(self, **values: Any) -> "Shown":
        """The same result in another View."""
        return replace(self, view=replace(self.view, **values))

    def changed(self, **values: Any) -> "Shown":
        """The same frame computed with other fields."""
        return computed(self.panel, self.frame, **self.fields | values)

    def keys(self) -> list[str]:
        """Of the panes, first to last."""
        return [pane.key for pane in self.figure.panes()]

    def pane(self, key: str) -> Pane:
        found = [pane for pane in self.figure.panes() if pane.key == key]
        assert len(found) == 1, f"{key} is {len(found)} of the panes {', '.join(self.keys())}"
        return found[0]

    def mark(self, pane: str, kind: type[Mark], key: str = "") -> Any:
        """The first mark of its kind, and of that key if one is given."""
        marks = self.pane(pane).marks
        found = [mark for mark in marks if isinstance(mark, kind) and key in ("", mark.key)]
        assert found, f"the pane {pane} has no {kind.__name__} {key}, only {', '.join(mark.key for mark in marks)}"
        return found[0]

    def probe(
        self, pane: str, mark: str = "", x: float = 0.0, y: float = 0.0, index: int | None = None
    ) -> Probe | None:
        return probe_at(self, Spot(pane, mark, x, y, index))

    def pick(
        self, pane: str, mark: str = "", x: float = 0.0, y: float = 0.0, index: int | None = None
    ) -> dict[str, Any] | None:
        return pick_at(self, Spot(pane, mark, x, y, index))

    def click(self, pane: str, mark: str = "", x: float = 0.0, y: float = 0.0, index: int | None = None) -> "Shown":
        """What is shown after a click there; it has to set something."""
        picked = self.pick(pane, mark, x, y, index)
        assert picked, f"a click on {mark or 'nothing'} in {pane} sets nothing"
        if picked.keys() <= knobs(self.view).keys():
            return self.looked(**picked)
        return self.changed(**picked)


def probe_at(shown: Shown, spot: Spot) -> Probe | None:
    return _asked(shown, shown.panel.probe, spot)


def pick_at(shown: Shown, spot: Spot) -> dict[str, Any] | None:
    return _asked(shown, shown.panel.pick, spot)


def _asked(shown: Shown, ask: Callable[..., Any] | None, spot: Spot) -> Any:
    return None if ask is None else ask(shown.result, shown.view, spot, shown.figure)


def attempt(
    panel: str | Panel | ModuleType,
    picture: str | NDArray[np.uint8] | Frame = "dog",
    /,
    *,
    resized: tuple[int, int] | None = None,
    index: int = 0,
    after: Shown | None = None,
    networks: Mapping[str, torch.nn.Module] | None = None,
    precision: Precision = "float32",
    cancelled: Callable[[], bool] | None = None,
    **values: Any,
) -> Result | None:
    """What the Computer gives: a result, which may be an error, or None if it was cancelled.

    Args:
        picture: a shipped one by its name, pixels, or a frame.
        resized: (width, height) that a shipped picture is resized to.
        index: of the frame, where ``picture`` is none.
        after: what was shown before: its trace is this one's ``previous``, and it is the same opening of the panel.
        networks: networks by their cards' names, in place of the shipped weights.
        values: fields of Params (those of View are let be).
    """
    one = _panel(panel)
    frame = _frame(picture, resized, index)
    params, _ = split(one, values)
    shared = after is None and networks is None and cancelled is None and panels().get(one.name) is one
    key = one.name, id(frame), params, precision, language()
    if shared and key in _results:
        _results.move_to_end(key)
        return _results[key][1]
    computer = (
        _computer()
        if networks is None and panels().get(one.name) is one
        else LastingComputer({one.name: one}, networks)
    )
    task = Task(next(_ids) if after is None else after.result.task.id, one.name, params, precision=precision)
    if after is not None:
        computer.remember(task.id, after.trace)
    result = computer.compute(frame, task, cancelled=cancelled or (lambda: False))
    computer.forget(task.id)
    if shared and result is not None:
        _results[key] = frame, result
        if len(_results) > KEPT:
            _results.popitem(last=False)
    return result


def computed(panel: str | Panel | ModuleType, picture: str | NDArray[np.uint8] | Frame = "dog", /, **how: Any) -> Shown:
    """What a panel shows; see :func:`attempt` for what may be said. An error of the panel's fails the test with its traceback.

    Results are remembered for the whole run by panel, frame, parameters, precision and language, unless ``after`` or ``networks`` is given.
    """
    one = _panel(panel)
    _, view = split(one, {name: value for name, value in how.items() if name not in SAID})
    result = attempt(one, picture, **how)
    assert result is not None
    assert not result.error, result.detail
    return Shown(one, result, view)


SAID = {name for name, one in inspect.signature(attempt).parameters.items() if one.kind is one.KEYWORD_ONLY}
"""Arguments that are no fields of a panel."""


def _panel(panel: str | Panel | ModuleType) -> Panel:
    if isinstance(panel, ModuleType):
        name = panel.__name__.rpartition(".")[2]
        known = panels().get(name)
        return known if known is not None and known.compute is panel.compute else Panel.from_module(panel)
    return panels()[panel] if isinstance(panel, str) else panel


def _frame(picture: str | NDArray[np.uint8] | Frame, size: tuple[int, int] | None, index: int) -> Frame:
    if isinstance(picture, Frame):
        return picture
    return (
        built_in(picture, size, index)
        if isinstance(picture, str)
        else Frame(picture, index=index, time=index / 25, source="test")
    )
