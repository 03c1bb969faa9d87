"""What the panel computes: candidates, the methods' decisions on them, and what is derived from both."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore import zoo
from cvcore.ops.boxes import box_iou
from cvcore.ops.nms import NMSTrace
from explorer.i18n import LANGUAGES
from explorer.panel import MEASURED, Context, Frame
from explorer.panels.nms.candidates import Scene, from_detector, scene
from explorer.panels.nms.controls import ALL, BY_HAND, HAND_SIZE, KEPT_SWEEP, RUN_TIME, SCORE_SWEEP, Params
from explorer.panels.nms.methods import METHODS, run_time, suppress, sweep
from explorer.panels.nms.timeline import Timeline, timeline
from explorer.views.detections import CARD, class_names, compile_operators, detect

THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))
REPEATS = 3
"""The least time of so many runs is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One method's suppression.

    Args:
        seconds: what it takes without recording its decisions.
    """

    method: str
    trace: NMSTrace
    seconds: float = field(metadata=MEASURED)


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything the panel shows.

    Args:
        by_hand: the boxes are the user's own, on a blank scene.
        size: (width, height) of what the boxes lie on.
        names: of the boxes' classes, by label; empty by hand.
        present: the classes with any candidate.
        scene: the candidates.
        rows: (N,) the candidates by falling score, as the table has them.
        iou: (N, N).
        runs: one for each method shown.
        timeline: their decisions on one clock, in the same order.
        votes_to_keep: (N,) how many of the methods keep each box.
        sweep: (2, M, T) number and mean score of kept boxes over THRESHOLDS, where it is asked for.
        times: seconds of all methods, where they are asked for.
    """

    by_hand: bool
    size: tuple[float, float]
    names: tuple[str, ...]
    present: tuple[str, ...]
    scene: Scene
    rows: NDArray[np.int64]
    iou: NDArray[np.float32]
    runs: tuple[Run, ...]
    timeline: Timeline
    votes_to_keep: NDArray[np.int64]
    sweep: NDArray[np.float32] | None
    times: dict[str, float] = field(metadata=MEASURED)

    def disputed(self) -> NDArray[np.bool_]:
        """(N,) boxes that some of the methods keep and some do not."""
        return (self.votes_to_keep > 0) & (self.votes_to_keep < len(self.runs))

    def name(self, box: int) -> str:
        """The class of a candidate; empty by hand."""
        return self.names[int(self.scene.labels[box])] if self.names else ""


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """Candidates from the detector or by hand, then each method with its decisions."""
    compile_operators("nms", context)
    by_hand = params.scene == BY_HAND
    names, present = ((), ()) if by_hand else (class_names(), ())
    if by_hand:
        boxes = hand_scene(params)
    else:
        found = detect(frame, context)
        boxes = from_detector(found, frame.size, params.candidates, label_of(params.category))
        seen = (found.scores > params.score_threshold).any(0).nonzero()[:, 0].tolist()
        present = tuple(names[label] for label in seen)
    with context.stage("suppression"):
        settings = params.settings
        runs = tuple(
            Run(method, suppress(method, boxes, settings), run_time(method, boxes, settings, REPEATS))
            for method in params.methods
        )
    with context.stage("trace"):
        kept = np.zeros(len(boxes), np.int64)
        for run in runs:
            kept[run.trace.keep.numpy()] += 1
        curves = None
        if params.below in (KEPT_SWEEP, SCORE_SWEEP):
            curves = torch.stack(sweep(params.methods, boxes, settings, THRESHOLDS)).numpy()
        times = {}
        if params.below == RUN_TIME:
            times = {method: run_time(method, boxes, settings, REPEATS) for method in METHODS}
        return Trace(
            by_hand=by_hand,
            size=HAND_SIZE if by_hand else frame.size,
            names=names,
            present=present,
            scene=boxes,
            rows=boxes.scores.argsort(descending=True, stable=True).numpy(),
            iou=box_iou(boxes.boxes, boxes.boxes).numpy(),
            runs=runs,
            timeline=timeline([run.trace for run in runs]),
            votes_to_keep=kept,
            sweep=curves,
            times=times,
        )


def hand_scene(params: Params) -> Scene:
    """The user's boxes: one class, and the same spread on all four sides."""
    boxes = torch.tensor(params.boxes, dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor(params.scores, dtype=torch.float32)
    sigmas = torch.tensor(params.sigmas, dtype=torch.float32)
    variance = sigmas.square()[:, None].expand(-1, 4)
    return scene(boxes, scores, torch.zeros(len(boxes), dtype=torch.int64), variance, params.candidates)


def label_of(category: str) -> int | None:
    """The number of a class from its name in any language, since a remembered name may be in another."""
    if category == ALL:
        return None
    card = zoo.card(CARD)
    for language in LANGUAGES:
        if category in (names := card.label_names(language)):
            return names.index(category)
    return None
