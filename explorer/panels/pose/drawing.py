"""From trace to figure: the view that is asked for, and sentences above it."""

from collections.abc import Iterator

import numpy as np

from explorer.figure import Figure, Layout, Note
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.choice import accepted_pairs, decoding, pairs_of, step_number, step_of
from explorer.panels.pose.controls import FOUND, PEOPLE, STAGES, STEPS, TARGETS, Params, View
from explorer.panels.pose.live import live
from explorer.panels.pose.parts import SKELETON, keypoint_name, limb_name
from explorer.panels.pose.sequence import CANDIDATES, COMPLETING, GROWING, MATCHING, PEAKS, SCORES, Step
from explorer.panels.pose.stages import refinement
from explorer.panels.pose.tables import action_words
from explorer.panels.pose.target_view import target_view
from explorer.panels.pose.trace import Trace
from explorer.panels.pose.walk import walk
from explorer.panels.pose.words import values


def draw(result: Result, view: View) -> Figure:
    """Everyone live, the assembly step by step, the stages side by side, or the targets."""
    params: Params = result.task.params
    layout: Layout
    if params.show == STEPS:
        layout = walk(result, view)
    elif params.show == STAGES:
        layout = refinement(result, view)
    elif params.show == TARGETS:
        layout = target_view(result, view)
    else:
        layout = live(result, view)
    return Figure(layout, values=values(result, view), notes=tuple(notes(result, view)))


def notes(result: Result, view: View) -> Iterator[Note]:
    """What the step does, what was left out, and a kind word where nobody was found."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show == STEPS:
        number, count = step_number(trace, view), len(trace.steps)
        said = tr("Step {number} of {count}.", number=number + 1, count=count)
        yield Note(f"{said} {step_words(result, step_of(result, view))}")
    if trace.limited and params.show != TARGETS:
        yield Note(
            tr(
                "Some keypoint has more than {limit} peaks: the weakest are left out, so that the work stays bounded.",
                limit=params.max_peaks,
            ),
            "warning",
        )
    if not len(trace.people) and (params.show == PEOPLE or (params.show == TARGETS and params.figures == FOUND)):
        yield Note(
            tr(
                "No person found. People are found best when they are a third of the picture’s height or more; a greater input height or "
                "lower thresholds find more."
            )
        )
    if trace.grid.input[1] < params.input_height:
        width, height = trace.grid.input
        yield Note(tr("The picture is very wide: the network gets {width} × {height} px.", width=width, height=height))
    if params.show == STAGES and trace.stage_count == 1:
        yield Note(tr("This network has one stage only: nothing is refined."))
    if params.show == TARGETS and params.masked and trace.training is not None and params.figures == FOUND:
        yield Note(
            tr(
                "The mask lies where a person may be whom nobody labelled: there the network is neither praised nor blamed."
            )
        )


def step_words(result: Result, step: Step) -> str:
    """What happens in a step, in a sentence."""
    decoded, trace = decoding(result), result.trace
    pairs, peaks = decoded.pairs, decoded.peaks
    if step.kind == PEAKS:
        count = int(peaks.starts[step.number + 1] - peaks.starts[step.number])
        return tr(
            "Peaks of {name}: {count} local maxima above {threshold:g}.",
            name=keypoint_name(step.number),
            count=count,
            threshold=trace.params.peak_threshold,
        )
    if step.kind == CANDIDATES:
        a, b = SKELETON.limbs[step.number]
        first, second = (int(peaks.starts[k + 1] - peaks.starts[k]) for k in (a, b))
        said = tr(
            "{limb}: {first} × {second} = {count} candidate pairs.",
            limb=limb_name(step.number),
            first=first,
            second=second,
            count=first * second,
        )
        return said if first and second else f"{said} {tr('One of its ends was not found.')}"
    if step.kind == GROWING:
        return action_words(result, step)
    if step.kind == COMPLETING:
        made, i = decoded.completion, step.number
        person, keypoint = int(made.persons[i]), int(made.keypoints[i])
        return tr(
            "Person {person} lacks: {keypoint}. Looked for from: {origin}. Best of the weak peaks in reach: value {value:.2f}, "
            "E = {integral:.2f}.",
            person=person + 1,
            keypoint=keypoint_name(keypoint),
            origin=keypoint_name(int(made.origins[i])),
            value=float(decoded.people[person, keypoint, 2]),
            integral=float(made.integrals[i]),
        )
    if step.kind in (SCORES, MATCHING):
        mine = pairs_of(decoded, step.number)
        failed = int(np.count_nonzero(pairs.failed.numpy()[mine]))
        if step.kind == SCORES:
            return tr(
                "Each pair gets the mean of the PAF along it. {failed} of {count} pairs fail (red). Click a pair to see its integral.",
                failed=failed,
                count=len(mine),
            )
        accepted = len(accepted_pairs(decoded) & set(mine.tolist()))
        return tr(
            "The best score first; a peak belongs to one pair only: {accepted} accepted (green), {blocked} came too late (orange), "
            "{failed} had failed (red).",
            accepted=accepted,
            blocked=len(mine) - failed - accepted,
            failed=failed,
        )
    dropped = sum(1 for verdict in decoded.assembly.verdict.tolist() if verdict in (2, 3))
    said = tr("People: {count}. Bodies dropped: {dropped}.", count=len(trace.people), dropped=dropped)
    more = len(decoded.completion)
    return f"{said} {tr('Keypoints added (dashed): {count}.', count=more)}" if more else said
