"""What the panel computes: the network's maps, the people in them, and what the view that is shown asks for besides."""

from dataclasses import dataclass

import numpy as np

from cvcore.models.openpose.maps import PoseMaps
from cvcore.ops.paf import PoseTrace, decode_scored, decode_trace
from explorer.panel import Context, Frame
from explorer.panels.pose.controls import STAGES, STEPS, TARGETS, Params
from explorer.panels.pose.network import Grid, Maps, Seen, on_host, seen
from explorer.panels.pose.people import Memory, People, numbered, unnumbered
from explorer.panels.pose.sequence import Step, steps_of
from explorer.panels.pose.training import Training, training

SIDE_BY_SIDE = 3
"""Stages shown at most: the first, the middle one, the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        grid: where the maps lie on the picture.
        maps: of the last stage.
        people: found in them. limited: some keypoint had more peaks than are looked at.
        stage_count: how many stages the network has.
        stages: by number, from 1, the maps of those shown side by side, and the people found in each.
        decoded, steps: the decoding with every decision, where it is stepped through.
        training: the targets, where they are shown.
        memory: of the people's numbers.
    """

    params: Params
    grid: Grid
    maps: Maps
    people: People
    limited: bool
    stage_count: int
    stages: dict[int, tuple[Maps, People]]
    decoded: PoseTrace | None
    steps: tuple[Step, ...]
    training: Training | None
    memory: Memory | None


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """One pass of the network a frame; thresholds only decode anew."""
    passed = seen(frame, params, context)
    before = context.previous
    memory = before.memory if isinstance(before, Trace) else None
    decoded: PoseTrace | None = None
    steps: tuple[Step, ...] = ()
    stages: dict[int, tuple[Maps, People]] = {}
    made: Training | None = None
    with context.stage("decode"):
        last = on_host(passed.stages[-1:])[0]
        grid = passed.grid()
        if params.show == STEPS:
            decoded = decode_trace(*last.tensors, params.thresholds)
            found, scores, limited = decoded.people, decoded.scores, decoded.limited
            steps = steps_of(decoded)
        else:
            plain = decode_scored(*last.tensors, params.thresholds)
            found, scores, limited = plain.people, plain.scores, plain.limited
        people, memory = numbered(grid.people(found), scores.numpy(), frame, params, memory)
        if params.show == STAGES:
            stages = side_by_side(passed, grid, params)
    if params.show == TARGETS:
        with context.stage("targets"):
            made = training(frame.size, params, grid, people, on_host(passed.stages))
    return Trace(params, grid, last, people, limited, len(passed.stages), stages, decoded, steps, made, memory)


def side_by_side(passed: Seen, grid: Grid, params: Params) -> dict[int, tuple[Maps, People]]:
    """By number, the first stage, the last and one between."""
    count = len(passed.stages)
    numbers = np.unique(np.linspace(1, count, min(count, SIDE_BY_SIDE)).round().astype(int)).tolist()
    chosen: list[PoseMaps] = [passed.stages[number - 1] for number in numbers]
    out = {}
    for number, maps in zip(numbers, on_host(chosen), strict=True):
        plain = decode_scored(*maps.tensors, params.thresholds)
        out[number] = maps, unnumbered(grid.people(plain.people), plain.scores.numpy())
    return out
