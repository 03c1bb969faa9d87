"""Training runs that are replayed: every loss term of the log, and test pictures after each checkpoint.

They lie in ``assets/training/NAME``: ``log.jsonl`` with rows of recipe, losses and pictures, as ``cvcore.train.cyclegan.replay`` writes it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvcore.assets import asset

log = logging.getLogger(__name__)
ROWS = 3
"""Of the grid of pictures: source, translation, translated back."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Test pictures as the networks of one step translate them.

    Args:
        step: of the training.
        grid: (3 * cell, columns * cell, 3): source, translation and translated back, a column a picture.
    """

    step: int
    grid: NDArray[np.uint8]


class Run:
    """One replayed run. Not a dataclass: the engine need not look through it on every frame.

    Args:
        name: of its folder.
        recipe: what it was trained with, by name.
        steps: (n,) of the rows of the log.
        terms: (n,) of every loss term, by name.
        cell: side of a test picture, px.
        domains: of the columns, each ``a`` or ``b``.
        checkpoints: in order.
    """

    def __init__(
        self,
        name: str,
        recipe: dict[str, Any],
        steps: NDArray[np.float64],
        terms: dict[str, NDArray[np.float64]],
        cell: int,
        domains: tuple[str, ...],
        checkpoints: tuple[Checkpoint, ...],
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.steps = steps
        self.terms = terms
        self.cell = cell
        self.domains = domains
        self.checkpoints = checkpoints

    @property
    def pairs(self) -> int:
        """How many test pictures there are of the domain that has more."""
        return max(self.domains.count("a"), self.domains.count("b"), 1)

    def triple(self, checkpoint: int, domain: str, number: int) -> list[NDArray[np.uint8]]:
        """(cell, cell, 3) each: a test picture of a domain, its translation, and back."""
        columns = [i for i, kind in enumerate(self.domains) if kind == domain]
        left = columns[number % len(columns)] * self.cell
        return np.split(self.checkpoints[checkpoint].grid[:, left : left + self.cell], ROWS)


def replayed_runs() -> tuple[str, ...]:
    """Names of the folders in ``assets/training`` that hold one run."""
    return _runs_in(asset("training"))


@cache
def _runs_in(folder: Path) -> tuple[str, ...]:
    """Asked for with every frame, of files that came with the program."""
    return tuple(sorted(path.parent.name for path in folder.glob("*/log.jsonl"))) if folder.is_dir() else ()


def replayed(name: str) -> Run | None:
    """A run of ``assets/training``; None where there is none, or its files cannot be read."""
    file = asset("training") / name / "log.jsonl"
    try:
        return _read(file, file.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if file.exists():
            log.warning("%s was not read: %s", file, error)
        return None


def replayed_all(folder: str, names: Sequence[str]) -> tuple[Run, ...]:
    """Runs of one folder that differ in one thing, those that are there and have pictures."""
    found = (replayed(f"{folder}/{name}") for name in names)
    return tuple(run for run in found if run is not None and run.checkpoints)


def recipe_of(name: str) -> dict[str, Any]:
    """What a network was trained with, where its run is known."""
    run = replayed(name)
    return {} if run is None else run.recipe


def smoothed(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Each the mean of ``width`` around it, of fewer at the ends."""
    if width <= 1 or len(values) < 2:
        return values
    kernel = np.ones(min(width, len(values)))
    return np.asarray(np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same"))


@lru_cache(maxsize=8)
def _read(file: Path, changed: int) -> Run:
    del changed
    recipe: dict[str, Any] = {}
    replay: dict[str, Any] = {}
    losses: list[tuple[int, dict[str, float]]] = []
    checkpoints = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        recipe |= row.get("recipe", {})
        replay |= row.get("replay", {})
        if "loss" in row:
            losses.append((int(row["step"]), row["loss"]))
        if "pictures" in row:
            place = file.parent / row["pictures"]
            if place.is_file():
                checkpoints.append(Checkpoint(int(row["step"]), decoded(place)))
    names = losses[0][1].keys() if losses else ()
    terms = {name: np.array([loss[name] for _, loss in losses], np.float64) for name in names}
    steps = np.array([step for step, _ in losses], np.float64)
    domains = tuple(str(domain) for domain in replay["domains"])
    return Run(file.parent.name, recipe, steps, terms, int(replay["cell"]), domains, tuple(checkpoints))


def decoded(file: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB.

    Raises:
        ValueError: it is no picture.
    """
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ValueError(f"{file.name} is not a picture")
    return np.asarray(pixels, np.uint8)
