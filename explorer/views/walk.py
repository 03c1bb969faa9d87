"""Step by step: a step is one value, told in one place, and walked through with one control."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.figure import Column, Layout, Note, Pane, Text
from explorer.i18n import tr


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of an algorithm or a layer.

    Args:
        name: what is done, in English; it is translated where it is shown.
        why: one or two sentences, translated: why it is done.
        shapes: what goes in and comes out, ``96 × 14 × 14 → 96``, and the formula in letters; may be empty.
        formula: the formula filled with this very picture's numbers, a line or several; asked for when the step is shown.
        draw: what is drawn of it; asked for when the step is shown.
        short: its place in the chain of all steps; its name if empty.
    """

    name: str
    why: str
    shapes: str
    formula: Callable[[], str | Sequence[str]]
    draw: Callable[[], Layout]
    short: str = ""

    @property
    def link(self) -> str:
        return self.short or tr(self.name)


def at_step(steps: Sequence[Step], number: int) -> int:
    """The number of a step that there is: a view's number may be of a longer walk."""
    return max(0, min(number, len(steps) - 1))


def walk(steps: Sequence[Step], number: int) -> tuple[Layout, Note]:
    """The step's panes above its formula, and the chain of all steps with this one in brackets.

    Raises:
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("a walk has at least one step")
    number = at_step(steps, number)
    step = steps[number]
    formula = step.formula()
    lines = [step.why, step.shapes, *([formula] if isinstance(formula, str) else formula)]
    title = tr("Step {step} of {steps}: {name}", step=number + 1, steps=len(steps), name=tr(step.name))
    words = Pane("formula", title, (Text("\n".join(line for line in lines if line)),))
    return Column((step.draw(), words), weights=(2.4, 1.0)), Note(chain(steps, number))


def chain(steps: Sequence[Step], number: int) -> str:
    """All steps in a line, the one of this number in brackets."""
    return " → ".join(f"【{step.link}】" if i == number else step.link for i, step in enumerate(steps))
