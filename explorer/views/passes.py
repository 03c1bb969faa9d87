"""One network over one frame, as panels need it: its input, what it gives, where its cells lie, which classes, Grad-CAM."""

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.attribution import grad_cam
from cvcore.foreign import class_scores
from cvcore.receptive_field import ReceptiveField, receptive_fields
from explorer.panel import Context, Frame
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.classes import class_named
from explorer.views.fit import Fit, fit_for, input_for, resized
from explorer.views.knobs import SQUARE
from explorer.views.outputs import class_count, class_probabilities

T = TypeVar("T")
log = logging.getLogger(__name__)
THUMBNAIL = 288
"""The longer side of the picture behind maps, px."""


class InputParams(Protocol):
    """What :func:`see` reads of a panel's Params: fields made with ``network_knob``, ``size_knob`` and ``shape_knob``."""

    @property
    def network(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def fit(self) -> str: ...


@dataclass(frozen=True, slots=True, eq=False)
class Cam:
    """A Grad-CAM: (h, w) of a layer, not negative, for one class."""

    map: NDArray[np.float32]
    class_index: int


class Pass:
    """A network and its input on one frame, while it computes. No trace keeps it: it holds the network itself.

    Attributes:
        network: its name; version: another once it was set in another way.
        fit, x: how the picture became the input (1, 3, h, w).
    """

    def __init__(self, frame: Frame, context: Context, network: str, fit: Fit) -> None:
        self.frame, self.context, self.network, self.fit = frame, context, network, fit
        self.model: nn.Module = context.model(network)
        self.version: Hashable = (network, networks.version(network))
        with context.stage("preprocess"):
            self.x: Tensor = context.once(
                ("input", self.version, fit.input),
                lambda: input_for(network, frame.image, fit, context.device).to(context.dtype),
            )

    @property
    def key(self) -> Hashable:
        """Stands for network and input size: of what is kept from frame to frame."""
        return self.version, tuple(self.x.shape)

    def run(self, key: Hashable, work: Callable[[nn.Module, Tensor], T]) -> T:
        """What ``work(model, x)`` gives, without gradients, timed as ``forward``; once a frame for each key, whichever panel asks.

        Args:
            key: None keeps nothing: for what is large and changes with every movement of a control.
        """

        def made() -> T:
            with self.context.stage("forward"), torch.inference_mode():
                return work(self.model, self.x)

        return made() if key is None else self.context.once((key, self.version, self.fit.input), made)

    def fields(self) -> Mapping[str, ReceptiveField | str]:
        """Theoretical receptive fields by layer, kept; of a network of the user's, whose operations may be any, none where they
        cannot be followed."""

        def made() -> Mapping[str, ReceptiveField | str]:
            with self.context.stage("describe"):
                try:
                    return receptive_fields(self.model, self.x)
                except Exception:
                    if not networks.is_own(self.network):
                        raise
                    log.warning("the receptive fields of %s could not be followed", self.network, exc_info=True)
                    return {}

        return self.context.kept(("receptive fields", self.key), made)

    def cells(self, layer: str, rows: int, columns: int) -> Cells:
        """Where the cells of a layer's map lie, kept."""

        def made() -> Cells:
            field = self.fields().get(layer)
            return Cells.of(self.fit, rows, columns, field if isinstance(field, ReceptiveField) else None)

        return self.context.kept(("cells", self.key, self.fit, layer, rows, columns), made)

    def probabilities(self, output: Any) -> NDArray[np.float32] | None:
        """(classes,) of what the network gave; None where it names no classes."""
        return class_probabilities(output, class_count(self.network))

    def grad_cam(self, layer: str, class_name: str, model: nn.Module | None = None) -> Cam | None:
        """Which places of a layer speak for a class; None where the user's own network lets no gradient through.

        Args:
            class_name: in any language, or ``MOST_LIKELY``.
            model: in place of the network, such as one that is switched.
        """
        self.context.stop_if_cancelled()
        count = class_count(self.network)
        with self.context.stage("Grad-CAM"):
            try:
                made = grad_cam(
                    model or self.model,
                    layer,
                    self.x,
                    class_named(self.network, class_name),
                    scores_of=lambda output: class_scores(output, count),
                )
            except ValueError:
                if not networks.is_own(self.network):
                    raise
                return None
            return Cam(made.map.float().cpu().numpy(), made.class_index)


class Newest(Generic[T]):
    """What was made last, to be had from ``context.kept``: for what is too large to keep several of."""

    def __init__(self) -> None:
        self._made: tuple[Hashable, T] | None = None

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """``make()``, or what it gave if the key is the last one."""
        if self._made is None or self._made[0] != key:
            self._made = None  # room before something new is made
            self._made = key, make()
        return self._made[1]


def see(frame: Frame, params: InputParams, context: Context) -> Pass:
    """The network of ``params.network`` on this frame, with the input that ``params.size`` and ``params.fit`` ask for.

    Raises:
        SentenceError: the network cannot be had.
    """
    fit = fit_for(params.network, frame.size, params.size, square=params.fit == SQUARE)
    return Pass(frame, context, params.network, fit)


def behind_the_maps(frame: Frame, context: Context) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture, small, in colour (h, w, 3) and in grey (h, w): what lies under maps."""

    def made() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        width, height = frame.size
        shrink = min(1.0, THUMBNAIL / max(frame.size))
        small = resized(frame.image, (max(1, round(width * shrink)), max(1, round(height * shrink))))
        return small, np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)

    return context.once(("behind the maps",), made)
