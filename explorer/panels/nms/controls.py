"""The controls: the candidates, the methods and their settings; and the scene that is drawn by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cvcore.suppression.candidates import Settings as CandidateSettings
from cvcore.suppression.methods import METHODS, Settings
from explorer.i18n import tr
from explorer.panel import Result, check, knob
from explorer.views.knobs import step_knob

Box = tuple[float, float, float, float]
FILE_NAMES = dict(
    zip(METHODS, ("nms", "soft", "iou-guided", "weighted", "softer", "adaptive", "diou"), strict=True)
)  # fmt: skip
SHORT_NAMES = dict(
    zip(METHODS, ("NMS", "Soft", "IoU-guided", "Weighted", "Softer", "Adaptive", "DIoU"), strict=True)
)  # fmt: skip

ALL = "all classes"
NONE = "none"
DETECTOR, BY_HAND = "detector", "by hand"
LAST = 1_000_000
"""A step beyond every end: what is shown until a step is chosen."""

THIS_BOX, KEPT_SWEEP, SCORE_SWEEP, KEPT_BY_SCORE, BEFORE_AFTER, RUN_TIME, RELIABILITY = BELOW = (
    "the chosen box",
    "kept boxes over the threshold",
    "mean score over the threshold",
    "kept boxes by score",
    "scores before and after",
    "run time",
    "reliability on 128 COCO pictures",
)
LOOK, ADD, DELETE, SCORE_UP, SCORE_DOWN, SURER, LESS_SURE = CLICKS = (
    "chooses a box",
    "adds a box",
    "deletes a box",
    "raises the score",
    "lowers the score",
    "halves the spread",
    "doubles the spread",
)
FITTING_CAPTIONS, ALL_CAPTIONS, NO_CAPTIONS = CAPTIONS = ("those that fit", "all", "none")

# Two people, one half behind the other, and a ball. Every other box is a second, worse find of one of them. With these numbers the
# seven methods do not agree: the two people overlap by 0.51, their centres lie apart, and the best placed box is not the first.
HAND_BOXES: tuple[Box, ...] = (
    (40, 30, 140, 250),
    (70, 40, 170, 255),
    (50, 38, 146, 242),
    (220, 160, 280, 220),
    (32, 24, 136, 242),
    (226, 156, 288, 216),
    (78, 46, 178, 250),
)
HAND_SCORES = (0.92, 0.80, 0.75, 0.70, 0.66, 0.45, 0.38)
HAND_SIGMAS = (8.0, 6.0, 3.0, 4.0, 10.0, 2.0, 8.0)
HAND_SIZE = (320.0, 280.0)


def category_choices(result: Result) -> tuple[str, ...]:
    return (ALL, *sorted(result.trace.present, key=str.casefold))


def uses(*methods: str) -> Callable[[Any], bool]:
    """Whether one of these methods is shown."""
    return lambda params: not set(methods).isdisjoint(params.methods)


def detected(params: Any) -> bool:
    return bool(params.scene == DETECTOR)


def by_hand(params: Any) -> bool:
    return bool(params.scene == BY_HAND)


@dataclass(frozen=True)
class Params:
    scene: str = knob(
        DETECTOR,
        choices=(DETECTOR, BY_HAND),
        label="Boxes from",
        help="The detector's candidates in the picture, or boxes of your own on a blank scene.",
    )
    click: str = knob(LOOK, choices=CLICKS, label="A click", when=by_hand)
    method_1: str = knob("NMS", choices=METHODS, label="Method")
    method_2: str = knob("Soft-NMS", choices=(NONE, *METHODS), label="Second method")
    method_3: str = knob(NONE, choices=(NONE, *METHODS), label="Third method")
    method_4: str = knob(NONE, choices=(NONE, *METHODS), label="Fourth method")
    score_threshold: float = knob(
        0.3, 0.02, 0.95, label="Score threshold", help="Boxes below it are no candidates.", when=detected
    )
    iou_threshold: float = knob(
        0.5, 0.0, 1.0, label="IoU threshold", help="What overlaps a kept box by more is removed, merged or lowered."
    )
    class_aware: bool = knob(
        True, label="Within each class", help="Off: boxes of all classes compete with each other.", when=detected
    )
    category: str = knob(ALL, kind="choice", choices=category_choices, label="Class", when=detected)
    decay: str = knob(
        "linear",
        choices=("linear", "gaussian"),
        label="Soft-NMS: decay",
        help="Linear: s (1 − IoU) from the threshold on. Gaussian: s exp(−IoU² / σ), at any overlap.",
        when=uses("Soft-NMS"),
    )
    voting_decay: str = knob(
        "hard",
        choices=("hard", "linear", "gaussian"),
        label="Softer-NMS: scores",
        help="Hard: as NMS. Linear and gaussian: as Soft-NMS.",
        when=uses("Softer-NMS"),
    )
    sigma: float = knob(
        0.5,
        0.05,
        2.0,
        label="Gaussian decay: σ",
        when=lambda p: (
            (uses("Soft-NMS")(p) and p.decay == "gaussian") or (uses("Softer-NMS")(p) and p.voting_decay == "gaussian")
        ),
    )
    min_score: float = knob(
        0.15,
        0.0,
        1.0,
        label="Decay: lowest score",
        help="A box whose score falls below it is dropped.",
        when=lambda p: uses("Soft-NMS")(p) or (uses("Softer-NMS")(p) and p.voting_decay != "hard"),
    )
    sigma_t: float = knob(
        0.02,
        0.002,
        0.5,
        log=True,
        label="Softer-NMS: σt",
        help="The smaller, the closer a box must lie to the kept one to have a say.",
        when=uses("Softer-NMS"),
    )
    density_overlap: float = knob(
        0.7,
        0.3,
        0.95,
        label="Adaptive: objects overlap at most",
        help="Boxes that overlap more are taken for finds of the same object when the density is estimated.",
        when=uses("Adaptive NMS"),
    )
    density_score: float = knob(
        0.4,
        0.0,
        1.0,
        label="Adaptive: objects score at least",
        help="Boxes below it count for no object when the density is estimated.",
        when=uses("Adaptive NMS"),
    )
    center_penalty: bool = knob(
        False,
        label="Centre distance in every method",
        help="Takes the penalty of DIoU-NMS off the overlap that decides, whatever the method.",
    )
    beta: float = knob(
        1.0,
        0.1,
        4.0,
        label="Centre distance: power β",
        help="The overlap is IoU − (ρ² / c²)^β. The smaller β, the stronger the penalty.",
        when=lambda p: p.center_penalty or uses("DIoU-NMS")(p),
    )
    max_candidates: int = knob(
        300, 10, 1000, log=True, step=10, label="Candidates at most", help="The best ones.", when=detected
    )
    below: str = knob(THIS_BOX, choices=BELOW, label="Below the table")
    boxes: tuple[Box, ...] = knob(HAND_BOXES, kind="hidden")
    scores: tuple[float, ...] = knob(HAND_SCORES, kind="hidden")
    sigmas: tuple[float, ...] = knob(HAND_SIGMAS, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
        boxes = self.boxes
        if boxes and not isinstance(boxes[0], tuple | list):  # one flat row, as a command line gives it
            boxes = tuple(boxes[i : i + 4] for i in range(0, len(boxes), 4))
        if any(len(box) != 4 for box in boxes):
            raise ValueError(tr("A box is four numbers: left, top, right, bottom."))
        object.__setattr__(self, "boxes", tuple(tuple(float(v) for v in box) for box in boxes))
        for name, filler in (("scores", 0.5), ("sigmas", 4.0)):
            values = (*(float(v) for v in getattr(self, name)), *(filler for _ in boxes))[: len(boxes)]
            object.__setattr__(self, name, values)

    @property
    def methods(self) -> tuple[str, ...]:
        """Those shown, each once, from first to last."""
        chosen = (self.method_1, self.method_2, self.method_3, self.method_4)
        return tuple(dict.fromkeys(method for method in chosen if method != NONE))

    @property
    def settings(self) -> Settings:
        """What the methods need of these."""
        return Settings(
            iou_threshold=self.iou_threshold,
            class_aware=self.class_aware,
            decay=self.decay,
            voting_decay=self.voting_decay,
            sigma=self.sigma,
            min_score=self.min_score,
            sigma_t=self.sigma_t,
            beta=self.beta,
            center_penalty=self.center_penalty,
        )

    @property
    def candidates(self) -> CandidateSettings:
        """What the choice of candidates needs of these."""
        return CandidateSettings(
            score_threshold=self.score_threshold,
            max_candidates=self.max_candidates,
            class_aware=self.class_aware,
            density_overlap=self.density_overlap,
            density_score=self.density_score,
        )


@dataclass(frozen=True)
class View:
    step: int = step_knob("How many have been made: the methods go on together.", label="Decisions", default=LAST)
    removed: bool = knob(False, label="Show removed boxes")
    captions: str = knob(
        FITTING_CAPTIONS, choices=CAPTIONS, label="Captions", help="Those that fit: of wide boxes only."
    )
    box: int = knob(-1, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
