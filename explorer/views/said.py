"""Numbers as formulas and sentences have them: a true minus, no more digits than mean something, brackets where a sign would clash."""

from collections.abc import Sequence
from typing import SupportsFloat

import numpy as np

MINUS = "−"


def num(value: SupportsFloat, digits: int = 4) -> str:
    """``digits`` significant figures: ``0.1235``, ``−3.5``, ``1.2e−07``."""
    return f"{float(value):.{digits}g}".replace("-", MINUS)


def fixed(value: float, decimals: int = 3) -> str:
    """So many decimals: ``−0.500``; what rounds to zero has no sign."""
    said = f"{float(value):.{decimals}f}"
    return (said[1:] if said.startswith("-") and not said.strip("-0.") else said).replace("-", MINUS)


def par(value: SupportsFloat, digits: int = 4) -> str:
    """As :func:`num`, in brackets if it is below 0, to stand behind an operator."""
    return f"({num(value, digits)})" if float(value) < 0 else num(value, digits)


def plus(value: float, digits: int = 4) -> str:
    """With its sign in front, whichever it is; ``±0`` for none."""
    said = num(value, digits)
    return "±0" if float(said.replace(MINUS, "-")) == 0 else said if value < 0 else f"+{said}"


def percent(part: float, decimals: int = 1) -> str:
    """A part of one in percent: ``12.5 %``; small ones keep a digit that is not 0, and only what is none says 0."""
    if not np.isfinite(part):
        return "–"
    said = f"{100 * part:.{decimals}f}"
    if part and not float(said):
        said = f"{100 * part:.1g}"
    return f"{said} %".replace("-", MINUS)


def count(number: int) -> str:
    """A whole number with spaces between thousands: ``1 234 567``."""
    return f"{number:,}".replace(",", " ")


def shape(*sides: int) -> str:
    """``96 × 14 × 14``"""
    return " × ".join(str(side) for side in sides)


def place(*numbers: float, digits: int = 4) -> str:
    """``(3, −1.5)``"""
    return "(" + ", ".join(num(number, digits) for number in numbers) + ")"


def terms(*factors: Sequence[float], most: int = 8, digits: int = 3) -> str:
    """A sum of products, ``0.5·2 + (−1)·3 + …``: of each factor the numbers, one a term; after ``most`` terms dots.

    Raises:
        ValueError: the factors are not equally long.
    """
    rows = list(zip(*factors, strict=True))
    said = ["·".join(par(value, digits) for value in row) for row in rows[:most]]
    return " + ".join([*said, "…"] if len(rows) > most else said)
