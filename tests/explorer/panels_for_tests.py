"""Small panels for tests of what runs them."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from explorer.figure import Figure, Heatmap, Image, Pane
from explorer.panel import Context, Frame, Panel, Result, knob


@dataclass(frozen=True)
class Params:
    factor: int = knob(1, 0, 10)
    size: float = knob(0.5, 0.0, 1.0)


@dataclass(frozen=True)
class View:
    opacity: float = knob(0.5, 0.0, 1.0)


@dataclass(frozen=True)
class Trace:
    mean: float
    values: Any


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    with context.stage("forward"):
        values = frame.image.mean(axis=2).astype(np.float32) * params.factor
    return Trace(float(values.mean()), values)


def draw(result: Result, view: View) -> Figure:
    marks = (Image(result.frame.image), Heatmap(result.trace.values, opacity=view.opacity))
    return Figure(Pane("picture", "Picture", marks), values={"mean": result.trace.mean})


def make_panel(name: str = "probe", **functions: Callable[..., Any]) -> Panel:
    """A panel of this file with some of its functions replaced."""
    module = ModuleType(f"explorer.panels.{name}")
    words = {"TITLE": "Probe", "EXPLAIN": "The mean is {mean}."}
    parts = {"Params": Params, "View": View, "compute": compute, "draw": draw}
    vars(module).update(words | parts | functions)
    return Panel.from_module(module)


def make_frame(value: int = 100, index: int = 0, size: tuple[int, int] = (8, 6)) -> Frame:
    width, height = size
    return Frame(np.full((height, width, 3), value, np.uint8), index=index, source="test")
