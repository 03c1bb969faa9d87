"""The controls: two boxes, what is done with them, and how descent goes."""

from dataclasses import dataclass

from cvcore.losses.box_descent import LOSSES
from explorer.figure import Colour, LineStyle
from explorer.panel import check, knob
from explorer.views.knobs import step_knob, views_knob

COLOURS: tuple[Colour, ...] = (5, 0, 7, 3, 1, 2, 4)
STYLES: tuple[LineStyle, ...] = ("dashed", "dashed", "dashed", "solid", "solid", "solid", "solid")
ALL = "all seven"

FORMULAS, DESCENT, SIDE_BY_SIDE, ARRIVAL = SHOWS = (
    "formulas and gradients",
    "gradient descent",
    "descent side by side",
    "where it arrives",
)
APART, OVERLAPPING, INSIDE, OTHER_SHAPE, SMALL = CASES = (
    "boxes apart",
    "boxes that overlap",
    "one inside the other",
    "same centre, other shape",
    "a small target",
)
HORIZONTAL, VERTICAL, SIZE, SHAPE = ALONG = (
    "move horizontally",
    "move vertically",
    "change the size",
    "change the shape",
)
TARGET_SIZE, PICTURE_SIZE = UNITS = ("the target's size", "the picture's longer side")
LOSS, GRADIENT = CURVES = ("loss", "gradient")
IOU, DISTANCE, ASPECT = PROGRESS = ("IoU", "distance of the centres", "shape")


def _compares(params: "Params") -> bool:
    return params.show == FORMULAS


def _descends(params: "Params") -> bool:
    return params.show != FORMULAS


def _steps_down(params: "Params") -> bool:
    return params.show in (DESCENT, SIDE_BY_SIDE)


@dataclass(frozen=True)
class Params:
    """The two boxes count in thousandths of the picture's longer side, so that a scene is the same on every picture."""

    show: str = views_knob(SHOWS)
    case: str = knob(APART, choices=CASES, label="Boxes", help="A pair to begin with. Drag both boxes as you like.")
    along: str = knob(
        HORIZONTAL,
        choices=ALONG,
        label="Curves along a drag",
        help="What is done to the predicted box, over the whole range.",
        when=_compares,
    )
    learning_rate: float = knob(
        0.1, 0.01, 1.0, log=True, label="Learning rate", help="It falls to 0 along a half cosine.", when=_descends
    )
    steps: int = knob(200, 20, 500, step=20, label="Steps of descent", when=_descends)
    normalised: bool = knob(
        True,
        label="Equal gradient at a near miss",
        help="Multiplies each loss by a constant that makes its gradient 1 for a box off by a quarter of its width and height.",
        when=_descends,
    )
    weighted: bool = knob(
        False,
        label="Weight small boxes more",
        help="YOLO's factor (2 − w h) × 1.5, with the target's width and height as fractions of the picture's.",
    )
    unit: str = knob(
        TARGET_SIZE,
        choices=UNITS,
        label="L1 and L2 count in units of",
        help="The losses of the IoU family need no unit.",
    )
    beta: float = knob(
        1.0,
        0.02,
        4.0,
        log=True,
        label="β of smooth L1",
        help="Where the parabola turns into a straight line, in that unit.",
    )
    predicted: tuple[float, float, float, float] | None = knob(None, kind="hidden")
    target: tuple[float, float, float, float] | None = knob(None, kind="hidden")
    case_of_boxes: str = knob("", kind="hidden")

    def __post_init__(self) -> None:
        check(self)
        if self.case_of_boxes not in ("", self.case):
            # Another pair was chosen: what was dragged belonged to the last one.
            object.__setattr__(self, "predicted", None)
            object.__setattr__(self, "target", None)
        object.__setattr__(self, "case_of_boxes", self.case)


@dataclass(frozen=True)
class View:
    step: int = step_knob(label="Step of descent", when=_steps_down)
    loss: str = knob(ALL, choices=(ALL, *LOSSES), label="Loss", help="Clicking a row of the table chooses it as well.")
    curve: str = knob(LOSS, choices=CURVES, label="Curves show", when=_compares)
    progress: str = knob(IOU, choices=PROGRESS, label="Curves over the steps", when=_steps_down)
    picture: float = knob(0.4, 0.0, 1.0, label="Brightness of the picture")

    def __post_init__(self) -> None:
        check(self)
