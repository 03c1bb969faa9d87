"""Numbers as a person reads them."""

import math

MINUS = "−"


def number(value: float, digits: int | None = None, figures: int = 4) -> str:
    """``digits`` decimals, or so many significant figures; whole numbers as they are."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).replace("-", MINUS)
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    said = f"{value:.{figures}g}" if digits is None else f"{value:.{digits}f}"
    return said.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", MINUS)


def quantity(value: float, unit: str = "", digits: int | None = None) -> str:
    """A number with its unit."""
    return f"{number(value, digits)} {unit}".rstrip()


def titled(label: str, unit: str) -> str:
    """A label with its unit, as it stands at an axis, a legend or a table's column."""
    if label and unit:
        return f"{label} ({unit})"
    return label or unit
