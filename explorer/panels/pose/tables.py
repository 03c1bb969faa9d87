"""The tables of the assembly: peaks, pairs, bodies."""

import numpy as np
import torch

from cvcore.ops.paf.trace import (
    CONFIRM,
    CONFLICT,
    EXTEND,
    FEW_AGREE,
    KEPT,
    MERGE,
    MERGED,
    NO_START,
    START,
    TOO_FEW_KEYPOINTS,
    TOO_LOW_SCORE,
)
from explorer.figure import Pane, Table, TableColumn
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.choice import (
    accepted_pairs,
    blocker,
    chosen_pair,
    decoding,
    listed,
    pair_name,
    peak_number,
)
from explorer.panels.pose.controls import View
from explorer.panels.pose.parts import SKELETON, keypoint_name, limb_name
from explorer.panels.pose.sequence import CANDIDATES, END, MATCHING, Step

Cells = tuple[str | float | int, ...]


def peaks_table(result: Result, step: Step) -> Pane:
    """A keypoint's peaks."""
    decoded, grid = decoding(result), result.trace.grid
    first, end = int(decoded.peaks.starts[step.number]), int(decoded.peaks.starts[step.number + 1])
    xy = grid.on_picture(decoded.peaks.xy.numpy()[first:end])
    rows: tuple[Cells, ...] = tuple(
        (peak_number(decoded, peak), float(x), float(y), float(decoded.peaks.scores[peak]))
        for peak, (x, y) in zip(range(first, end), xy.tolist(), strict=True)
    )
    columns = (
        TableColumn(tr("Peak")),
        TableColumn("x", "px", 1),
        TableColumn("y", "px", 1),
        TableColumn(tr("Value"), digits=3),
    )
    return Pane("table", keypoint_name(step.number), (Table(columns, rows, key="peaks"),))


def pairs_table(result: Result, view: View, step: Step) -> Pane:
    """A limb's candidates: lengths; then integrals and scores; then who is accepted."""
    decoded = decoding(result)
    pairs, order = decoded.pairs, listed(decoded, step)
    accepted = accepted_pairs(decoded)
    columns = [TableColumn(tr("Pair"))]
    if step.kind == CANDIDATES:
        columns.append(TableColumn(tr("Length"), tr("cells"), 1))
    else:
        columns += [TableColumn("E", digits=2), TableColumn(tr("Agree")), TableColumn(tr("Score"), digits=2)]
        columns.append(TableColumn(tr("Result")))
    rows: list[Cells] = []
    for pair in order.tolist():
        name = short_name(result, pair)
        if step.kind == CANDIDATES:
            rows.append((name, float(pairs.lengths[pair])))
            continue
        failed = int(pairs.failed[pair])
        said = tr("passes")
        if failed:
            said = tr("too few agree") if failed & FEW_AGREE else tr("score not above 0")
        elif step.kind == MATCHING:
            by = blocker(decoded, pair)
            said = (
                tr("accepted")
                if pair in accepted
                else tr("end taken by {pair}", pair="?" if by is None else short_name(result, by))
            )
        agree = f"{int(pairs.agreeing[pair])} / {pairs.dots.shape[1]}"
        rows.append((name, float(pairs.integrals[pair]), agree, float(pairs.scores[pair]), said))
    pair_here = chosen_pair(result, view)
    at = np.flatnonzero(order == pair_here) if pair_here is not None else np.zeros(0, int)
    selected = int(at[0]) if len(at) else None
    return Pane("table", limb_name(step.number), (Table(tuple(columns), tuple(rows), selected=selected, key="pairs"),))


def short_name(result: Result, pair: int) -> str:
    """``1 – 2``: numbers of the two peaks."""
    decoded = decoding(result)
    return f"{peak_number(decoded, int(decoded.pairs.a[pair]))} – {peak_number(decoded, int(decoded.pairs.b[pair]))}"


def bodies_table(result: Result, step: Step) -> Pane:
    """The bodies so far: how many keypoints, which; at the end their scores and what becomes of them."""
    decoded = decoding(result)
    assembly = decoded.assembly
    at_end = step.kind == END
    count = len(assembly) if at_end else step.number + 1
    bodies = assembly.bodies_at(count, _limbs()).numpy()
    rows: list[Cells] = []
    columns = [TableColumn(tr("Body")), TableColumn(tr("Keypoints"))]
    columns += [TableColumn(tr("Score"), digits=2), TableColumn(tr("Result"))] if at_end else [TableColumn(tr("Parts"))]
    selected = None
    for body, peaks in enumerate(bodies):
        there = np.flatnonzero(peaks >= 0)
        if not len(there):
            continue
        if not at_end and int(assembly.person[step.number]) == body:
            selected = len(rows)
        head: Cells = (body + 1, len(there))
        if at_end:
            rows.append((*head, float(assembly.scores[body]), verdict_words(result, body)))
        else:
            rows.append((*head, ", ".join(keypoint_name(int(k)) for k in there)))
    title = tr("All bodies") if at_end else tr("Bodies so far")
    return Pane("table", title, (Table(tuple(columns), tuple(rows), selected=selected, key="bodies"),))


def completion_table(result: Result, step: Step) -> Pane:
    """The keypoints that were added so far."""
    decoded = decoding(result)
    made = decoded.completion
    rows: list[Cells] = []
    for i in range(step.number + 1):
        person, keypoint = int(made.persons[i]), int(made.keypoints[i])
        value = float(decoded.people[person, keypoint, 2])
        names = (keypoint_name(keypoint), keypoint_name(int(made.origins[i])))
        rows.append((person + 1, *names, value, float(made.integrals[i])))
    columns = (
        TableColumn(tr("Person")),
        TableColumn(tr("Keypoint")),
        TableColumn(tr("From")),
        TableColumn(tr("Value"), digits=2),
        TableColumn("E", digits=2),
    )
    table = Table(columns, tuple(rows), selected=len(rows) - 1, key="completion")
    return Pane("table", tr("Keypoints added"), (table,))


def verdict_words(result: Result, body: int) -> str:
    decoded = decoding(result)
    params = result.trace.params
    match int(decoded.assembly.verdict[body]):
        case verdict if verdict == KEPT:
            rank = int(np.flatnonzero(decoded.assembly.kept.numpy() == body)[0]) + 1
            return tr("person {number}", number=rank)
        case verdict if verdict == TOO_FEW_KEYPOINTS:
            return tr("fewer than {least} keypoints", least=params.min_keypoints)
        case verdict if verdict == TOO_LOW_SCORE:
            return tr("score below {least:g}", least=params.min_score)
        case verdict if verdict == MERGED:
            return tr("became part of another")
        case verdict:
            raise ValueError(f"unknown verdict {verdict}")


def action_words(result: Result, step: Step) -> str:
    """What an accepted pair did."""
    decoded = decoding(result)
    assembly, i = decoded.assembly, step.number
    pair = pair_name(decoded, int(assembly.pairs[i]))
    body, other = int(assembly.person[i]) + 1, int(assembly.other[i]) + 1
    score = float(decoded.pairs.scores[assembly.pairs[i]])
    said = {
        START: "{pair} (score {score:.2f}) starts body {body}.",
        EXTEND: "{pair} (score {score:.2f}) gives body {body} a keypoint.",
        CONFIRM: "{pair} (score {score:.2f}) joins two keypoints that body {body} has already.",
        MERGE: "{pair} (score {score:.2f}) joins bodies {body} and {other}: they become one.",
        CONFLICT: "{pair} (score {score:.2f}) is ignored: a body would have a keypoint twice.",
        NO_START: "{pair} (score {score:.2f}) is ignored: a limb from shoulder to ear starts no body.",
    }[int(assembly.action[i])]
    return tr(said, pair=pair, score=score, body=body, other=other)


def _limbs() -> torch.Tensor:
    return torch.from_numpy(SKELETON.limb_array())
