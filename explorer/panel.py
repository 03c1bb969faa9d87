"""The contract between the program and a panel: Frame, Task, Result, knob() and what a panel file holds. No Qt, no torch.

A panel is one module in ``explorer/panels`` (or one named by an installed package's entry point ``cv_explorer.panels``) with::

    TITLE, CHAPTER, PAPER                        words
    class Params, class View                     frozen dataclasses whose fields are made with knob(); their __post_init__ is check(self)
    compute(frame, params, context) -> Trace     worker thread; a Trace with ``sizes`` {"step": 3} is what step_knob and dim_knob end at
    VIEWS = {name: view}                         GUI thread: view(result, view) -> Layout, or (Layout, Note, ...), by Params.show;
                                                 indexes the trace, never computes

and, only where it must::

    EXPLAIN                                      the explanation, if it is not in ``NAME.md``
    draw(result, view) -> Figure                 in place of VIEWS
    notes(result, view) -> Iterable[Note]        sentences above the panes
    explain(result, view) -> dict                what fills the names in the explanation; asked for while somebody reads it
    tell(result, view, at) -> str                words for a place that the panes' Places found
    probe(result, view, spot) -> Probe | None    what is under the pointer, where Places do not say it
    pick(result, view, spot) -> dict | None      what a click sets, where it is not the dimension of the same name
    files(result, view) -> dict[str, bytes]      files of its own to save, such as detections as JSON
    links(result, view) -> tuple[Link, ...]      ways to other panels, in a menu under the picture

The explanation is a Markdown file named like the module, ``assets/explanations/LANGUAGE/NAME.md``, with ``{names}`` for values. EXPLAIN
may name another file that ends in ``.md``, or be the text itself. In an installed package the file is ``LANGUAGE/NAME.md`` beside the
module; a language that is not there is given in English.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from explorer import pointing
from explorer.figure import Asked, At, Extent, Figure, Layout, Note, Pane, Probe, Row, Spot
from explorer.figure import Column as Rows
from explorer.i18n import explanation, tr

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
TraceT = TypeVar("TraceT", default=Any, covariant=True)
ParamsT = TypeVar("ParamsT", default=Any, covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture.

    Args:
        image: (H, W, 3) uint8 RGB, contiguous and read-only.
        index: position in its source (file number, video frame, count since the camera opened).
        time: when it was captured, in seconds of ``time.perf_counter``.
        source: the source's name as a person reads it.
        capture: seconds that reading and decoding took.
        note: a sentence about it, such as "Scaled down from 20000 x 20000.", or empty.
    """

    image: NDArray[np.uint8]
    index: int = 0
    time: float = 0.0
    source: str = ""
    capture: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"a frame is (H, W, 3) uint8, not {self.image.shape} {self.image.dtype}")
        if 0 in self.image.shape:
            raise ValueError(f"a frame has at least one pixel, not {self.image.shape}")
        if not self.image.flags.c_contiguous:
            object.__setattr__(self, "image", np.ascontiguousarray(self.image))
        self.image.flags.writeable = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def extent(self) -> Extent:
        """Where the whole picture lies in a pane that counts in its pixels."""
        width, height = self.size
        return 0.0, 0.0, float(width), float(height)


Precision = Literal["float32", "bfloat16", "float16"]

MEASURED: Mapping[str, bool] = {"measured": True}
"""``field(metadata=MEASURED)`` of a trace holds times and the like, which are never the same twice: bundles leave it out."""


@dataclass(frozen=True, slots=True)
class Task(Generic[ParamsT]):
    """One open panel and everything its computation depends on besides the frame.

    Args:
        id: tells apart two openings of the same panel.
        panel: the panel's name.
        params: an instance of the panel's Params.
        device: ``cpu``, ``cuda:0``, ``mps``: resolved, never ``auto``.
        threads: of torch on the CPU.
    """

    id: int
    panel: str
    params: ParamsT
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """A span of one result's making, in seconds of ``time.perf_counter``."""

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Result(Generic[TraceT, ParamsT]):
    """What a panel computed, with the very frame and task it was computed from. A panel says ``Result[Trace, Params]``.

    Args:
        trace: the panel's trace, on the host and without gradients; None after an error, which no panel is asked to draw.
        error: one sentence, or empty.
        detail: the traceback behind the error, for the log and the diagnostics.
        stages: capture, wait, and what the panel timed, in order.
        note: a sentence from the engine ("Out of GPU memory: ... runs on the CPU now."), or empty.
        device: where it really ran.
        models: the networks it asked for, by the names of their cards.
        previous: the trace it was computed with as ``context.previous``, on the host; None if it did not ask.
    """

    frame: Frame
    task: Task[ParamsT]
    trace: TraceT = None  # type: ignore[assignment]  # after an error
    error: str = ""
    detail: str = ""
    stages: tuple[Stage, ...] = ()
    note: str = ""
    device: str = "cpu"
    models: tuple[str, ...] = ()
    previous: Any = None

    @property
    def params(self) -> ParamsT:
        """What it was computed with."""
        return self.task.params


class Cancelled(BaseException):
    """Raised by ``compute`` when it stops because ``context.cancelled``: the result is left out, silently.

    The engine raises it as well, between two modules of a network that runs for nothing. It is no error, so that
    ``except Exception`` lets it through.
    """


class Context(Protocol):
    """What ``compute`` may ask of the engine."""

    @property
    def device(self) -> "torch.device": ...

    @property
    def dtype(self) -> "torch.dtype":
        """The precision chosen, as torch names it."""
        ...

    @property
    def cancelled(self) -> bool:
        """True once the result is no longer wanted; long work looks at it in safe places and returns or raises."""
        ...

    @property
    def previous(self) -> Any:
        """This panel's last trace (same opening), or None: a tracker's memory."""
        ...

    def stop_if_cancelled(self) -> None:
        """For long work, in safe places.

        Raises:
            Cancelled: the result is no longer wanted.
        """
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Times a block for the waterfall: ``preprocess``, ``forward``, ``trace``."""
        ...

    def progress(self, fraction: float, text: str = "") -> None:
        """Shows how far long work is, 0 to 1."""
        ...

    def model(self, card: str) -> "torch.nn.Module":
        """The network of a zoo card on this device in this precision, loaded once, in eval mode."""
        ...

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """``make()``, worked out once per frame, device and precision however many visible panels ask."""
        ...

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """``make()``, kept from frame to frame while this panel is open, by key, device and precision; of many keys the last used.

        For what depends on network and input size but not on the picture, such as where cells lie. The key names everything else that
        it depends on.
        """
        ...


KnobKind = Literal["number", "choice", "tree", "flag", "file", "point", "box", "text", "hidden"]


@dataclass(frozen=True, slots=True)
class Node:
    """A row of a tree knob.

    Args:
        value: what the field becomes when the row is chosen.
        text: the last part of the name, as shown.
        depth: 0 for a root; a row belongs under the nearest earlier row of smaller depth.
        cells: the row's other columns.
    """

    value: str
    text: str
    depth: int
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Knob:
    """How one field of Params or View is controlled. See :func:`knob`."""

    kind: KnobKind
    low: float | None
    high: float | Callable[[Result], float] | None
    step: float | None
    choices: tuple[str, ...] | Callable[[Result], tuple[Any, ...]]
    columns: tuple[str, ...]
    label: str
    unit: str
    help: str
    log: bool
    play: bool = False
    when: Callable[[Any], bool] | None = None
    keys: tuple[str, ...] = ()
    first: bool = False


def knob(
    default: Any,
    low: float | None = None,
    high: float | Callable[[Result], float] | None = None,
    *,
    kind: KnobKind | None = None,
    step: float | None = None,
    choices: tuple[str, ...] | Callable[[Result], tuple[Any, ...]] = (),
    columns: tuple[str, ...] = (),
    label: str = "",
    unit: str = "",
    help: str = "",
    log: bool = False,
    play: bool = False,
    when: Callable[[Any], bool] | None = None,
    keys: tuple[str, ...] = (),
    first: bool = False,
) -> Any:
    """A dataclass field that is a control.

    Args:
        default: the first value; its type chooses the control where ``kind`` does not.
        low, high: a number's range; ``high`` may be worked out from the newest result (the number of steps, say).
        kind: number, choice, tree (rows are Nodes), flag, file, point (x, y), box (x0, y0, x1, y1), text, or hidden
            (set by a click only).
        step: of the number; default 1 for int, a hundredth of the range for float.
        choices: of a choice (strings) or a tree (Nodes), fixed or from the newest result.
        columns: titles of a tree's further columns.
        label, help: words, translated where shown; label defaults to the field's name in plain words.
        log: the slider moves in ratios.
        play: a whole number that a button counts up by itself, such as the step of an algorithm; it stands above the others.
        when: of Params, whether the control is shown at all; a value that is not shown keeps.
        keys: characters typed while the panel is the active one: of a flag one that switches it, of a number or choice two that
            go back and on. They go before the window's own.
        first: it stands above those that are not, be they of Params or View.
    """
    if kind is None:
        if isinstance(default, bool):
            kind = "flag"
        elif isinstance(default, int | float):
            kind = "number"
        elif choices:
            kind = "choice"
        else:
            kind = "text"
    made = Knob(kind, low, high, step, choices, columns, label, unit, help, log, play, when, keys, first)
    return field(default=default, metadata={"knob": made})


def knobs(params: Any) -> dict[str, tuple[Field[Any], Knob]]:
    """The controls of a Params or View class or instance, by field name, in order."""
    return {f.name: (f, f.metadata["knob"]) for f in fields(params) if "knob" in f.metadata}


def check(self: Any) -> None:
    """Every value fits its knob: the ``__post_init__`` of Params and View.

    Raises:
        ValueError: a choice that is none of the fixed ones, a number outside its range or none at all; one sentence.
    """
    for name, (_, one) in knobs(self).items():
        value = getattr(self, name)
        if one.kind == "flag" and not isinstance(value, bool):
            raise ValueError(tr("{name} is on or off.", name=name))
        if one.kind == "choice" and isinstance(one.choices, tuple) and one.choices and value not in one.choices:
            raise ValueError(tr("{name} is one of {choices}.", name=name, choices=", ".join(one.choices)))
        if one.kind == "number":
            _check_number(name, one, value)


def _check_number(name: str, one: Knob, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(tr("{name} is a number.", name=name))
    high = one.high if isinstance(one.high, int | float) else None
    low = one.low
    if (low is None or value >= low) and (high is None or value <= high):
        return
    if low is not None and high is not None:
        raise ValueError(tr("{name} is {low:g} to {high:g}.", name=name, low=low, high=high))
    if low is not None:
        raise ValueError(tr("{name} is {low:g} or more.", name=name, low=low))
    raise ValueError(tr("{name} is {high:g} or less.", name=name, high=high))


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one panel to another.

    Args:
        text: on the button, in the language chosen.
        panel: the name of the panel that opens.
        fields: what of its Params and View is set.
    """

    text: str
    panel: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NoKnobs:
    """Params or View of a panel that has none."""


ViewFunction = Callable[[Result, Any], Layout | tuple[Layout | Note, ...]]
"""One view of a panel: its layout, or a tuple of that and notes."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel module, checked: what the engine and the window use.

    The functions that a panel may leave out have names that begin with ``own_``; the methods fill the gap.

    Args:
        explain: the explanation, or the name of its file, which ends in ``.md``.
        folder: where the module lies; None for one that is in no file.
    """

    name: str
    title: str
    chapter: str
    paper: str
    explain: str
    params: type
    view: type
    compute: Callable[[Frame, Any, Context], Any]
    views: Mapping[str, ViewFunction] = field(default_factory=dict)
    own_draw: Callable[[Result, Any], Figure] | None = None
    own_notes: Callable[[Result, Any], Iterable[Note]] | None = None
    own_values: Callable[[Result, Any], Mapping[str, object]] | None = None
    own_tell: Callable[[Result, Any, At], str] | None = None
    own_probe: Callable[[Result, Any, Spot], Probe | None] | None = None
    own_pick: Callable[[Result, Any, Spot], dict[str, Any] | None] | None = None
    files: Callable[[Result, Any], dict[str, bytes]] | None = None
    links: Callable[[Result, Any], tuple[Link, ...]] | None = None
    folder: Path | None = None

    @classmethod
    def from_module(cls, module: ModuleType) -> "Panel":
        """Reads a panel file.

        Raises:
            ValueError: something a panel must have or the file that EXPLAIN names is missing, a field of Params or View has no default,
                or the views are not those that ``Params.show`` offers.
        """
        name = module.__name__.rpartition(".")[2]
        for wanted in ("TITLE", "compute"):
            if not hasattr(module, wanted):
                raise ValueError(f"the panel {name} has no {wanted}")
        views: dict[str, ViewFunction] = getattr(module, "VIEWS", {})
        if not views and not hasattr(module, "draw"):
            raise ValueError(f"the panel {name} has neither VIEWS nor draw")
        params: type = getattr(module, "Params", NoKnobs)
        view: type = getattr(module, "View", NoKnobs)
        for kind in (params, view):
            for f in fields(kind):
                if f.default is MISSING and f.default_factory is MISSING:
                    raise ValueError(f"the panel {name}: {kind.__name__}.{f.name} has no default")
        both = knobs(params).keys() & knobs(view).keys()
        if both:
            raise ValueError(f"the panel {name}: {', '.join(sorted(both))} is in both Params and View")
        if len(views) > 1 and ("show" not in knobs(params) or tuple(views) != knobs(params)["show"][1].choices):
            raise ValueError(f"the panel {name}: VIEWS and Params.show do not name the same views in the same order")
        explain: str = getattr(module, "EXPLAIN", f"{name}.md")
        file = getattr(module, "__file__", None)
        folder = None if file is None else Path(file).parent
        if hasattr(module, "EXPLAIN") and explain.endswith(".md") and not explanation(explain, folder):
            raise ValueError(f"the panel {name} has no explanation {explain}")
        return cls(
            name=name,
            title=module.TITLE,
            chapter=getattr(module, "CHAPTER", ""),
            paper=getattr(module, "PAPER", ""),
            explain=explain,
            params=params,
            view=view,
            compute=module.compute,
            views=views,
            own_draw=getattr(module, "draw", None),
            own_notes=getattr(module, "notes", None),
            own_values=getattr(module, "explain", None),
            own_tell=getattr(module, "tell", None),
            own_probe=getattr(module, "probe", None),
            own_pick=getattr(module, "pick", None),
            files=getattr(module, "files", None),
            links=getattr(module, "links", None),
            folder=folder,
        )

    @property
    def explanation(self) -> str:
        """Markdown in the language chosen, its ``{names}`` still to be filled from a figure's values; may be empty."""
        if self.explain.endswith(".md"):
            return explanation(self.explain, self.folder)
        return tr(self.explain) if self.explain else ""

    def draw(self, result: Result, view: Any) -> Figure:
        """The figure of the view that is chosen, with the panel's notes and, for whoever asks, the values of its explanation."""
        if self.own_draw is not None:
            figure = self.own_draw(result, view)
        else:
            chosen = self.views[result.params.show] if len(self.views) > 1 else next(iter(self.views.values()))
            made = chosen(result, view)
            parts = made if isinstance(made, tuple) else (made,)
            layout = next(part for part in parts if isinstance(part, Pane | Row | Rows))
            figure = Figure(layout, notes=tuple(part for part in parts if isinstance(part, Note)))
        if self.own_notes is not None:
            figure = replace(figure, notes=(*figure.notes, *self.own_notes(result, view)))
        if self.own_values is not None:
            values = self.own_values
            figure = replace(figure, values=Asked(lambda: values(result, view)))
        return figure

    def probe(self, result: Result, view: Any, spot: Spot, figure: Figure | None = None) -> Probe | None:
        """What is under the pointer: what the panel says itself, or else what the panes' places stand for.

        Args:
            figure: what is on the screen; drawn anew if None.
        """
        found = None if self.own_probe is None else self.own_probe(result, view, spot)
        if found is not None:
            return found
        tell = self.own_tell
        words = pointing.name if tell is None else lambda at: tell(result, view, at)
        return pointing.probe(figure or self.draw(result, view), words, spot)

    def pick(self, result: Result, view: Any, spot: Spot, figure: Figure | None = None) -> dict[str, Any] | None:
        """What a click sets, by field name: what the panel says itself, or else the dimensions whose name is a knob's.

        An empty answer of the panel's own stands for nothing at all, None for what the places say.
        """
        found = None if self.own_pick is None else self.own_pick(result, view, spot)
        if found is not None:
            return found or None
        now = {name: getattr(part, name) for part in (result.params, view) for name in knobs(part)}
        return pointing.pick(figure or self.draw(result, view), now, spot)
