"""Random values for a knob, from what it declares: its kind, range, step and choices."""

import math
from random import Random
from typing import Any

from explorer.panel import Knob, Node, Result, knobs

EXTREMES = 0.15
"""How often a number is one of the ends of its range: the ends are where things break, and often what takes longest."""


def shown(instance: Any, params: Any) -> dict[str, Knob]:
    """The knobs of Params or View that have a control which can be seen now."""
    return {
        name: knob
        for name, (_, knob) in knobs(instance).items()
        if knob.kind not in ("hidden", "file") and (knob.when is None or knob.when(params))
    }


def every(knob: Knob, result: Result | None) -> tuple[Any, ...]:
    """All values of a choice or flag, the ends of a number; nothing of a tree, which can have hundreds."""
    if knob.kind == "flag":
        return False, True
    if knob.kind == "choice":
        return _choices(knob, result)
    return ()


def random_value(knob: Knob, now: Any, result: Result | None, chance: Random) -> Any:
    """A value the control could have been set to; the present one where there is no other."""
    match knob.kind:
        case "flag":
            return chance.random() < 0.5
        case "number":
            return _number(knob, now, result, chance)
        case "choice":
            return chance.choice(_choices(knob, result) or (now,))
        case "tree":
            nodes = [one.value for one in _choices(knob, result) if isinstance(one, Node)]
            return chance.choice(nodes or [now])
        case "point" | "box":
            if result is None or chance.random() < 0.2:
                return None
            width, height = result.frame.size
            xs = sorted(chance.uniform(0, width) for _ in range(2))
            ys = sorted(chance.uniform(0, height) for _ in range(2))
            return (xs[0], ys[0]) if knob.kind == "point" else (xs[0], ys[0], xs[1], ys[1])
        case "text":
            return chance.choice([now, "", "a", "∑" * 40])
        case _:
            return now


def _choices(knob: Knob, result: Result | None) -> tuple[Any, ...]:
    if not callable(knob.choices):
        return knob.choices
    return tuple(knob.choices(result)) if result is not None and result.trace is not None else ()


def _number(knob: Knob, now: float, result: Result | None, chance: Random) -> float:
    high = knob.high
    if callable(high):
        if result is None or result.trace is None:
            return now
        high = high(result)
    low = -10.0 if knob.low is None else knob.low
    high = low + 20.0 if high is None else max(low, high)
    if chance.random() < EXTREMES:
        value = chance.choice([low, high])
    elif low > 0 and (knob.log or high / low > 16):
        value = low * math.exp(chance.random() * math.log(high / low))
    else:
        value = chance.uniform(low, high)
    if not isinstance(now, int):
        return float(value)
    step = int(knob.step or 1)
    return int(min(high, low + step * round((value - low) / step)))
