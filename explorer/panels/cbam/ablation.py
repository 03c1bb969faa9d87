"""The paper's ablation on our own pictures: four networks trained alike, with and without each attention."""

import json
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np

from cvcore.assets import asset
from explorer.figure import Axis, Bars, Column, Layout, Pane, Row, Table, TableColumn, Text
from explorer.i18n import tr

FILE = "mobilenet_v2_cbam.ablation.json"
NAMES = {
    "none": "no attention",
    "channel": "channel attention only",
    "spatial": "spatial attention only",
    "both": "both (CBAM)",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One network: shares of the pictures, 0 to 1; cross entropy; number of parameters."""

    attention: str
    top1: float
    top5: float
    loss: float
    parameters: int


@dataclass(frozen=True, slots=True)
class Ablation:
    """Four runs of so many epochs, judged on so many pictures shown at size x size px."""

    epochs: int
    size: int
    pictures: int
    runs: tuple[Run, ...]

    def run(self, attention: str) -> Run | None:
        return next((run for run in self.runs if run.attention == attention), None)

    def chance(self) -> float:
        """One standard error of a top-1 score, in points."""
        top1 = max(run.top1 for run in self.runs)
        return 100 * sqrt(top1 * (1 - top1) / self.pictures)


def ablation() -> Ablation | None:
    """What was measured; None where the file is not there or not readable."""
    path = asset("weights", FILE)
    try:
        return _read(str(path), path.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError, KeyError):
        return None


@lru_cache(maxsize=2)
def _read(path: str, changed: int) -> Ablation:
    del changed
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    runs = tuple(Run(**row) for row in raw["rows"])
    if not runs:
        raise ValueError("an ablation has runs")
    return Ablation(int(raw["epochs"]), int(raw["size"]), int(raw["pictures"]), runs)


def ablation_view() -> Layout:
    """Table, bars and what they say."""
    found = ablation()
    if found is None:
        return Pane("ablation", tr("Ablation"), (Text(tr("The ablation has not been measured for this version.")),))
    names = tuple(tr(NAMES.get(run.attention, run.attention)) for run in found.runs)
    columns = (
        TableColumn(tr("Network trained with")),
        TableColumn(tr("Top-1"), "%", 1),
        TableColumn(tr("Top-5"), "%", 1),
        TableColumn(tr("Loss"), digits=3),
        TableColumn(tr("Parameters")),
    )
    rows = tuple(
        (name, 100 * run.top1, 100 * run.top5, run.loss, f"{run.parameters:,}".replace(",", " "))
        for name, run in zip(names, found.runs, strict=True)
    )
    table = Pane("ablation", tr("Four networks, trained alike"), (Table(columns, rows, key="runs"),))
    low = 100 * min(run.top1 for run in found.runs)
    percent = Axis(tr("right answers"), "%", low=max(0.0, low - 10), high=100.0)
    charts = tuple(
        Pane(
            key,
            title,
            (Bars(100 * np.array(values), names, label=title, colours=colour, horizontal=True, key=key),),
            axes=(percent, Axis("")),
        )
        for key, title, values, colour in (
            ("top1", tr("Top-1"), [run.top1 for run in found.runs], 0),
            ("top5", tr("Top-5"), [run.top5 for run in found.runs], 2),
        )
    )
    words = Pane("words", tr("What it says"), (Text(conclusion(found)),))
    return Column((Row((table, words), weights=(1.2, 1.0)), Row(charts)), weights=(1.0, 1.2))


def conclusion(found: Ablation) -> str:
    """The differences to the network without attention, and how large one has to be to mean something."""
    plain = found.run("none")
    said = [
        tr(
            "All four began with the same ImageNet weights and were trained for {epochs} epochs at {size} px, with the same pictures in "
            "the same order; they are judged on {pictures} pictures that no one trained or chose with.",
            epochs=found.epochs,
            size=found.size,
            pictures=found.pictures,
        )
    ]
    error = found.chance()
    for run in found.runs:
        if plain is None or run is plain:
            continue
        points = 100 * (run.top1 - plain.top1)
        sure = tr("more than two standard errors") if abs(points) > 2 * sqrt(2) * error else tr("this may be chance")
        sign = f"+{points:.1f}" if points >= 0 else f"−{-points:.1f}"
        said.append(
            tr(
                "{name}: {points} points of top-1 against no attention ({sure}).",
                name=tr(NAMES.get(run.attention, run.attention)).capitalize(),
                points=sign,
                sure=sure,
            )
        )
    said.append(
        tr(
            "With {pictures} pictures, the standard error of one score is {error:.1f} points. The paper finds larger gains, with networks "
            "that were trained with attention from the start, on all of ImageNet.",
            pictures=found.pictures,
            error=error,
        )
    )
    return "\n\n".join(said)
