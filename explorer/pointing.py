"""The probe and the pick of every panel: panes say what their places stand for, and light up what another pane points at.

A panel has its own only for what no dimension names, such as a new box where none was. No Qt, no torch.
"""

from collections.abc import Callable, Mapping
from typing import Any

from explorer.figure import At, Figure, Pane, Probe, Spot
from explorer.i18n import tr

BESIDE = ("place", "position", "xy")
"""Dimensions that are said by others: row and column."""


def pane_of(figure: Figure, spot: Spot) -> Pane | None:
    """The pane that a spot is in."""
    return next((pane for pane in figure.panes() if pane.key == spot.pane), None)


def place_of(figure: Figure, spot: Spot) -> At | None:
    """What is under the pointer, by dimension; None where nothing is, or nothing that has a name."""
    pane = pane_of(figure, spot)
    return None if pane is None or pane.places is None else pane.places.at(spot)


def probe(figure: Figure, tell: Callable[[At], str], spot: Spot) -> Probe | None:
    """Words for what is under the pointer, and the same thing lit in every pane that has it."""
    at = place_of(figure, spot)
    return None if at is None else light(figure, at, tell(at))


def light(figure: Figure, at: At, text: str = "") -> Probe:
    """Something lit in every pane that has it, whether or not the pointer is anywhere."""
    panes = [(pane.key, pane.places.lit(at)) for pane in figure.panes() if pane.places is not None]
    return Probe(text, {key: marks for key, marks in panes if marks})


def pick(figure: Figure, now: Mapping[str, Any], spot: Spot) -> dict[str, Any] | None:
    """The dimensions under the pointer whose name is a knob's, with their values.

    Args:
        now: every knob's value by name; a click on what is chosen already sets what the pane's ``again`` says.
    """
    pane, at = pane_of(figure, spot), place_of(figure, spot)
    if pane is None or at is None:
        return None
    found = {name: value for name, value in at.items() if name in now}
    picked = {n: pane.again[n] if n in pane.again and now[n] == v else v for n, v in found.items()}
    return picked | {n: v for n, v in pane.also.items() if n in now} if picked else None


def name(at: At) -> str:
    """A place in words, where a panel has no better ones: ``channel 17 · cell (9, 3)``."""
    said = [f"{tr(name)} {value}" for name, value in at.items() if name not in (*BESIDE, "row", "column")]
    if "row" in at and "column" in at:
        said.append(tr("cell ({column}, {row})", column=at["column"], row=at["row"]))
    return " · ".join(said)
