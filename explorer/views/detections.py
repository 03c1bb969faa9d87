"""The detector that panels share: NanoDet on the frame, run once however many panels ask.

The result is kept under ``context.once(("nanodet", size), ...)`` and holds the whole trace, so that a panel on boxes and a panel
on feature maps cost one forward pass together. No Qt.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import torch

from cvcore import zoo
from cvcore.models.nanodet import Candidates, NanoDet, NanoDetTrace
from cvcore.ops import nms, roi
from cvcore.ops.letterbox import Letterbox
from explorer.i18n import language, tr
from explorer.panel import Context, Frame

CARD = "nanodet"
SIZE = 416
"""The side in pixels of the square input that the weights were trained with."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One pass of the detector over a frame, on the device it ran on.

    Args:
        candidates: all 3,549 boxes (at 416), in pixels of the frame, neither suppressed nor clipped.
        trace: features and pyramid, (1, channels, H / stride, W / stride) at strides 8, 16, 32 of the input; its boxes are in
            pixels of the input.
        transform: from frame to input and back.
    """

    candidates: Candidates
    trace: NanoDetTrace
    transform: Letterbox


def detection(frame: Frame, context: Context, size: int = SIZE) -> Detection:
    """The detector's pass over the frame, shared by all panels; timed as ``preprocess`` and ``forward`` by the first to ask.

    Raises:
        ValueError: size is not a positive multiple of 32.
    """

    def run() -> Detection:
        network = cast(NanoDet, context.model(CARD))
        with torch.no_grad():
            with context.stage("preprocess"):
                x, transform = network.preprocess(frame.image, size)
            with context.stage("forward"):
                trace = network.trace(x)
                return Detection(trace.out[0].to_picture(transform), trace, transform)

    return context.once((CARD, size), run)


def detect(frame: Frame, context: Context, size: int = SIZE) -> Candidates:
    """The candidates of :func:`detection`."""
    return detection(frame, context, size).candidates


@cache
def _names(of_language: str) -> tuple[str, ...]:
    return zoo.card(CARD).label_names(of_language)


def class_names() -> tuple[str, ...]:
    """The 80 classes in the user's language."""
    return _names(language())


_compiled: set[str] = set()


def compile_operators(name: Literal["nms", "roi"], context: Context) -> None:
    """Compiles (or loads from disk) the loops of ``cvcore.ops.nms`` or ``roi``, once a process.

    Their ``warm_up`` holds Python's full garbage collections back meanwhile, which would stop the window's thread as well.
    """
    if name not in _compiled:
        context.progress(0.0, tr("Compiling the operators: some seconds, the first time only"))
        (nms if name == "nms" else roi).warm_up()
        _compiled.add(name)
