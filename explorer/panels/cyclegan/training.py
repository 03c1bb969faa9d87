"""The training replayed: every loss term as a curve, the same pictures after each checkpoint, and runs without a part beside it."""

from dataclasses import dataclass

import numpy as np

from explorer.figure import At, Axis, Boxes, Column, Curve, Layout, Mark, Pane, Row, Spot, Table, TableColumn, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.compute import Trace
from explorer.panels.cyclegan.controls import Params, View
from explorer.views.replay import ROWS, Run, smoothed
from explorer.views.strips import strips_pane

Shown = Result[Trace, Params]
CHARTS = {
    "adversarial": ("generator_ab", "generator_ba"),
    "cycle": ("cycle_a", "cycle_b", "identity_a", "identity_b"),
    "judges": ("discriminator_a_real", "discriminator_a_fake", "discriminator_b_real", "discriminator_b_fake"),
}
FINAL = 0.1
"""The last part of the log that stands for how a run ended."""


def term_name(term: str) -> str:
    """A loss term of the log in words."""
    return {
        "generator_ab": tr("generator AB"),
        "generator_ba": tr("generator BA"),
        "cycle_a": tr("cycle A → B → A"),
        "cycle_b": tr("cycle B → A → B"),
        "identity_a": tr("identity of A"),
        "identity_b": tr("identity of B"),
        "discriminator_a_real": tr("D_A, real"),
        "discriminator_a_fake": tr("D_A, fake"),
        "discriminator_b_real": tr("D_B, real"),
        "discriminator_b_fake": tr("D_B, fake"),
    }.get(term, term)


def chart_title(chart: str) -> str:
    return {
        "adversarial": tr("Generators: adversarial"),
        "cycle": tr("Generators: cycle and identity"),
        "judges": tr("Discriminators"),
    }[chart]


def shown_checkpoint(run: Run, view: View) -> int:
    return min(view.checkpoint, len(run.checkpoints) - 1)


def training_view(result: Shown, view: View) -> Layout:
    """The pictures of a checkpoint above, curves with a cursor at its step below."""
    trace = result.trace
    if not trace.runs:
        return Pane("training", tr("Training"), (Text(tr("There is no replayed training run in this installation.")),))
    run = trace.runs[0]
    step = run.checkpoints[shown_checkpoint(run, view)].step if run.checkpoints else None
    charts = Row(tuple(chart_pane(run, chart, view, step) for chart in CHARTS))
    if step is None:
        return charts
    return Column((grid_pane(run, shown_checkpoint(run, view)), charts), weights=(1.0, 1.0))


def grid_pane(run: Run, checkpoint: int) -> Pane:
    """Each test picture with its translation and that translated back, in two rows."""
    words = (tr("source"), tr("translation"), tr("back"))
    numbers = [run.domains[:i].count(domain) for i, domain in enumerate(run.domains)]
    triples = [
        list(zip(words, run.triple(checkpoint, domain, number), strict=True))
        for domain, number in zip(run.domains, numbers, strict=True)
    ]
    half = -(-len(triples) // 2)
    rows = [[cell for triple in part for cell in triple] for part in (triples[:half], triples[half:]) if part]
    title = tr(
        "After step {step} ({number} of {count} checkpoints): {a} photographs, {b} prints",
        step=run.checkpoints[checkpoint].step,
        number=checkpoint + 1,
        count=len(run.checkpoints),
        a=run.domains.count("a"),
        b=run.domains.count("b"),
    )
    return strips_pane("grid", title, rows, group=ROWS)


def chart_pane(run: Run, chart: str, view: View, step: int | None) -> Pane:
    """Some terms over the steps, as moving averages."""
    marks: list[Mark] = []
    top = 0.0
    for number, term in enumerate(CHARTS[chart]):
        if term not in run.terms:
            continue
        values = smoothed(run.terms[term], view.smoothing)
        marks.append(Curve(run.steps, values, term_name(term), number, 1.5, key=term))
        # The first steps, before anything is learnt, would press the rest flat.
        top = max(top, float(values[len(values) // 50 :].max(initial=0.0)))
    if step is not None:
        marks.append(Curve(np.array([step, step]), np.array([0.0, 1.05 * top]), "", 7, 2.0, "dashed", key="cursor"))
    axes = (step_axis(run), Axis(tr("loss, unweighed"), low=0.0, high=1.05 * top if top else None))
    return Pane(chart, chart_title(chart), tuple(marks), axes=axes, places=OnLog(run, chart))


def step_axis(run: Run) -> Axis:
    """With room for the legend behind the last step."""
    return Axis(tr("step"), low=0.0, high=1.75 * float(run.steps[-1]) if len(run.steps) else None)


def final(run: Run, term: str) -> float | None:
    """The mean of a term over the last tenth of the log."""
    values = run.terms.get(term)
    if values is None or not len(values):
        return None
    return float(values[-max(1, round(FINAL * len(values))) :].mean())


def run_name(name: str) -> str:
    return {
        "full": tr("everything"),
        "no_cycle": tr("without the cycle loss"),
        "half_cycle": tr("half a cycle: A → B → A only"),
        "no_pool": tr("without the image pool"),
    }.get(name, name)


def what_goes_wrong(name: str) -> str:
    return {
        "full": tr("All losses: the style changes, the scene stays, and the way back finds it again."),
        "no_cycle": tr(
            "Without the cycle loss nothing asks that the scene can be found again: the generator only has to please the "
            "discriminator, details get lost, and the way back shows something else."
        ),
        "half_cycle": tr(
            "With A → B → A only, nothing asks a print to survive B → A → B: photographs come back, prints do not have to."
        ),
        "no_pool": tr(
            "Without the pool a discriminator sees only the newest translations and may forget older tricks, so that the two networks "
            "chase each other. In runs as short as these it makes no difference that one could see or measure."
        ),
    }.get(name, "")


def ablation_view(result: Shown, view: View) -> Layout:
    """The same pictures after each run, a row a run; how they ended, and what goes wrong."""
    trace = result.trace
    if not trace.runs:
        words = tr(
            "The runs without a part have not been made for this version. They are made with: python -m cvcore.train.cyclegan --ablate "
            "no-cycle (half-cycle, no-pool), then python -m cvcore.train.cyclegan.replay --out "
            "assets/training/cyclegan_ablation/no_cycle"
        )
        return Pane("ablation", tr("Trained without a part"), (Text(words),))
    words = "\n\n".join(f"{run_name(run.name)}: {what_goes_wrong(run.name)}" for run in trace.runs)
    above = Row(
        (ablation_pictures(trace.runs, view), Pane("words", tr("What goes wrong"), (Text(words),))), weights=(1.35, 1.0)
    )
    return Column(
        (above, Row((ablation_table(trace.runs), swing_pane(trace.runs, view)), weights=(1.6, 1.0))), weights=(1.7, 1.0)
    )


def ablation_pictures(runs: tuple[Run, ...], view: View) -> Pane:
    """Rows are runs; columns: a photograph, its translation, back, a print, its translation, back."""
    rows = []
    for run in runs:
        pictures = [p for kind in ("a", "b") if kind in run.domains for p in run.triple(-1, kind, view.test_picture)]
        rows.append([(run_name(run.name) if place == 0 else "", pixels) for place, pixels in enumerate(pictures)])
    steps = max(run.checkpoints[-1].step for run in runs)
    title = tr("After {steps} steps: photograph, as print, back · print, as photograph, back", steps=steps)
    return strips_pane("pictures", title, rows, group=ROWS, places=OnRuns(runs))


def ablation_table(runs: tuple[Run, ...]) -> Pane:
    terms = ("generator_ab", "generator_ba", "cycle_a", "cycle_b", "identity_a", "identity_b")
    columns = (TableColumn(tr("Trained with")), *(TableColumn(term_name(term), digits=3) for term in terms))
    rows = tuple(
        (run_name(run.name), *("–" if (value := final(run, term)) is None else value for term in terms)) for run in runs
    )
    return Pane("final", tr("Losses at the end (mean of the last tenth)"), (Table(columns, rows, key="final"),))


def swing_pane(runs: tuple[Run, ...], view: View) -> Pane:
    """The generators' adversarial loss of every run."""
    marks = tuple(
        Curve(
            run.steps,
            smoothed(run.terms["generator_ab"], view.smoothing),
            run_name(run.name),
            number,
            1.5,
            key=run.name,
        )
        for number, run in enumerate(runs)
        if "generator_ab" in run.terms
    )
    axes = (step_axis(max(runs, key=lambda run: float(run.steps.max(initial=0)))), Axis(tr("loss, unweighed"), low=0.0))
    return Pane("swing", tr("Generator AB: adversarial loss"), marks, axes=axes)


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class OnLog:
    """A step of the log, and the checkpoint nearest to it."""

    run: Run
    chart: str

    def at(self, spot: Spot) -> At | None:
        if not len(self.run.steps):
            return None
        found = {"logged": int(np.abs(self.run.steps - spot.x).argmin()), "chart": self.chart}
        if not self.run.checkpoints:
            return found
        steps = np.array([checkpoint.step for checkpoint in self.run.checkpoints])
        return found | {"checkpoint": int(np.abs(steps - spot.x).argmin())}

    def lit(self, at: At) -> tuple[Mark, ...]:
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class OnRuns:
    """A run by its row of pictures."""

    runs: tuple[Run, ...]

    def at(self, spot: Spot) -> At | None:
        cell = self.runs[0].cell
        row, column = int(spot.y // cell), int(spot.x // cell)
        return {"row of": row, "picture": column} if 0 <= row < len(self.runs) and column >= 0 else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        if "picture" not in at:
            return ()
        x, y, cell = at["picture"], at["row of"], self.runs[0].cell
        box = np.array([[x, y, x + 1, y + 1]], np.float64) * cell
        return (Boxes(box, colours=1, width=2.0, key="probe"),)


def tell_run(trace: Trace, at: At) -> str:
    """Which run a row of pictures is of, or the log at a step."""
    if "row of" in at:
        return run_name(trace.runs[at["row of"]].name)
    run, place = trace.runs[0], at["logged"]
    said = [tr("step {step}", step=int(run.steps[place]))]
    said += [f"{term_name(term)} {run.terms[term][place]:.3f}" for term in CHARTS[at["chart"]] if term in run.terms]
    return " · ".join(said)
