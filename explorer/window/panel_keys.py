"""Keys that a panel's knobs declare: what typing one sets. No Qt."""

from typing import Any

from explorer.i18n import tr
from explorer.panel import Knob, Result, knobs
from explorer.widgets.actions import ActionSpec


def edit_of(text: str, params: Any, view: Any, result: Result | None) -> dict[str, Any] | None:
    """The fields that a typed character sets, of the first knob that is shown and has it; None where none has."""
    if not text:
        return None
    for instance in (params, view):
        for name, (_, knob) in knobs(instance).items():
            if text in knob.keys and (knob.when is None or knob.when(params)):
                value = moved(knob, getattr(instance, name), knob.keys.index(text), result)
                return None if value is None else {name: value}
    return None


def moved(knob: Knob, value: Any, key: int, result: Result | None) -> Any:
    """A flag the other way round; the number or choice before (key 0) or after (key 1) this one. A choice goes round in a circle."""
    if knob.kind == "flag":
        return not value
    step = 1 if key else -1
    if knob.kind == "choice":
        if isinstance(knob.choices, tuple):
            choices = knob.choices
        elif result is None or result.trace is None:
            return None
        else:
            choices = knob.choices(result)
        at = choices.index(value) if value in choices else -step
        return choices[(at + step) % len(choices)]
    high = knob.high
    if callable(high):
        if result is None or result.trace is None:
            return None
        high = high(result)
    # A number may stand beyond the end until the result says where that is.
    start = value if high is None else min(value, high)
    new = start + step * (knob.step or 1)
    new = new if knob.low is None else max(knob.low, new)
    new = new if high is None else min(high, new)
    return type(value)(new)


def key_actions(params: Any, view: Any) -> tuple[ActionSpec, ...]:
    """A panel's keys as the list of shortcuts shows them."""
    found = []
    for instance in (params, view):
        for name, (_, knob) in knobs(instance).items():
            if knob.keys and (knob.when is None or knob.when(params)):
                label = tr(knob.label or name.replace("_", " ").capitalize())
                words = (
                    (label,) if len(knob.keys) == 1 else (tr("{what}: back", what=label), tr("{what}: on", what=label))
                )
                found += [ActionSpec(name, text, key, "This panel") for text, key in zip(words, knob.keys, strict=True)]
    return tuple(found)
