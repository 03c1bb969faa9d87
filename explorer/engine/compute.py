"""One task on one frame: the panel's compute with its context, and the trace brought to the host. No thread, no Qt."""

import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from threading import get_ident
from typing import Any, TypeVar, cast

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from explorer.i18n import tr
from explorer.panel import Cancelled, Frame, Panel, Result, Stage, Task
from explorer.views import networks

T = TypeVar("T")
log = logging.getLogger(__name__)

ONCE_KEPT = 16
"""How many shared intermediate results are kept while one frame is held and parameters change."""
KEPT = 64
"""How many results a panel keeps from frame to frame."""
QUICK = 0.05
"""Seconds of a computation that need not be stopped."""
IDLE_KEPT = 2
"""How many networks are kept that no panel uses any more: who compares two goes back and forth."""

Key = tuple[str, str, str]
"""A network's card, device and precision."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the long work of one panel is."""

    task: int
    fraction: float
    text: str


class Computer:
    """Computes tasks, and keeps what outlives one of them: models, shared results of a frame, each panel's last trace.

    Used from one thread; only ``progress`` may be read from others.
    """

    def __init__(self, panels: Mapping[str, Panel]) -> None:
        self.panels = panels
        self.progress: Progress | None = None
        self._models: OrderedDict[Key, tuple[Hashable, torch.nn.Module]] = OrderedDict()
        self._used: dict[int, set[Key]] = {}
        self._once: OrderedDict[Hashable, Any] = OrderedDict()
        self._once_frame: Frame | None = None
        self._kept: dict[int, OrderedDict[Hashable, Any]] = {}
        self._previous: dict[int, Any] = {}
        self._on_cpu: dict[int, str] = {}
        self._quick: dict[int, tuple[Task, tuple[int, int]]] = {}

    def compute(
        self,
        frame: Frame,
        task: Task,
        *,
        asked: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        stop: Callable[[], bool] | None = None,
    ) -> Result | None:
        """One panel on one frame. Whatever the panel raises becomes a result with an error.

        Args:
            asked: when the task or the frame was handed over, in seconds of ``time.perf_counter``: waiting begins there.
            cancelled: what ``context.cancelled`` says.
            stop: looked at before every module of a network that runs: once true, the computation ends there. As ``cancelled`` if None.
                Not of a task that took less than :data:`QUICK` the last time: it ends by itself, and looking costs a twentieth of it.

        Returns:
            None if it was cancelled.
        """
        started = time.perf_counter()
        asked = started if asked is None else min(asked, started)
        stages = [Stage("capture", frame.time - frame.capture, frame.time), Stage("wait", asked, started)]
        # A task that was moved off a device stays off it until the user chooses another one.
        if self._on_cpu.get(task.id, task.device) != task.device:
            del self._on_cpu[task.id]
        device = "cpu" if task.id in self._on_cpu else task.device
        try:
            panel = self.panels.get(task.panel)
            if panel is None:
                raise ValueError(tr("There is no panel named {name}.", name=task.panel))
            if torch.get_num_threads() != task.threads:
                torch.set_num_threads(task.threads)
            try:
                with nullcontext() if self._quick.get(task.id) == (task, frame.size) else stopping(stop or cancelled):
                    trace, asked_for = self._run(panel, frame, task, device, stages, cancelled)
            except torch.OutOfMemoryError:
                if device == "cpu":
                    raise
                log.warning("out of memory on %s: %s moves to the CPU", device, task.panel, exc_info=True)
                self._leave(device, task)
                device = "cpu"
                del stages[2:]
                with stopping(stop or cancelled):
                    trace, asked_for = self._run(panel, frame, task, device, stages, cancelled)
        except Cancelled:
            return None
        except Exception as error:
            log.exception("the panel %s failed", task.panel)
            return Result(
                frame,
                task,
                None,
                self._sentence(error, task),
                traceback.format_exc(),
                tuple(stages),
                "",
                device,
            )
        finally:
            self.progress = None
            self._let_go(IDLE_KEPT)
        self._previous[task.id] = trace
        if time.perf_counter() - started < QUICK:
            self._quick[task.id] = task, frame.size
        else:
            self._quick.pop(task.id, None)
        note = ""
        if device != task.device:
            note = tr("Out of memory on {device}: this panel now runs on the CPU.", device=task.device)
        return Result(frame, task, trace, "", "", tuple(stages), note, device, *asked_for)

    def _sentence(self, error: Exception, task: Task) -> str:
        no_room = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if no_room and task.panel in self.panels:
            return tr("There is not enough memory for {name}.", name=tr(self.panels[task.panel].title))
        return networks.sentence_of(networks.located(error))

    def remember(self, task_id: int, trace: Any) -> None:
        """Makes this the trace that the panel finds as its last one."""
        self._previous[task_id] = trace

    def forget(self, task_id: int) -> None:
        """A panel was closed: what no other one uses is let go."""
        self._previous.pop(task_id, None)
        self._kept.pop(task_id, None)
        self._on_cpu.pop(task_id, None)
        self._quick.pop(task_id, None)
        self._used.pop(task_id, None)
        self._once.clear()
        self._let_go(0)

    def model(self, card: str, device: torch.device, precision: str) -> torch.nn.Module:
        """The network of a card, loaded once; one of the user's anew when it was set in another way."""
        key = card, str(device), precision
        now = networks.version(card)
        if key not in self._models or self._models[key][0] != now:
            self._models[key] = now, networks.load_in(card, device, getattr(torch, precision))
        self._models.move_to_end(key)
        return self._models[key][1]

    def _let_go(self, idle: int) -> None:
        """Keeps the networks that panels use, and the last ``idle`` of the others."""
        used = set().union(*self._used.values())
        unused = [key for key in self._models if key not in used]
        for key in unused[: max(0, len(unused) - idle)]:
            del self._models[key]

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        return _remembered(self._once, ONCE_KEPT, key, make)

    def kept(self, task_id: int, key: Hashable, make: Callable[[], T]) -> T:
        return _remembered(self._kept.setdefault(task_id, OrderedDict()), KEPT, key, make)

    def _run(
        self, panel: Panel, frame: Frame, task: Task, device: str, stages: list[Stage], cancelled: Callable[[], bool]
    ) -> tuple[Any, tuple[tuple[str, ...], Any]]:
        if frame is not self._once_frame:
            self._once.clear()
            self._once_frame = frame
        context = ComputeContext(self, task, torch.device(device), stages, cancelled, self._previous.get(task.id))
        try:
            trace = panel.compute(frame, task.params, context)
        finally:
            if context.models:  # a panel that keeps what it made of them need not ask again
                self._used[task.id] = {(card, device, task.precision) for card in context.models}
        started = time.perf_counter()
        trace = to_host(trace)
        if device != "cpu":
            stages.append(Stage("to host", started, time.perf_counter()))
        return trace, (tuple(context.models), context.recalled)

    def _leave(self, device: str, task: Task) -> None:
        self._on_cpu[task.id] = task.device
        self._models = OrderedDict((key, model) for key, model in self._models.items() if key[1] != device)
        self._once.clear()
        self._kept.clear()
        if device.startswith("cuda"):
            with suppress(RuntimeError):
                torch.cuda.empty_cache()


class ComputeContext:
    """What one computation may ask: see :class:`explorer.panel.Context`."""

    def __init__(
        self,
        computer: Computer,
        task: Task,
        device: torch.device,
        stages: list[Stage],
        cancelled: Callable[[], bool],
        previous: Any,
    ) -> None:
        self.device = device
        self.dtype: torch.dtype = getattr(torch, task.precision)
        self._previous = previous
        self.recalled: Any = None
        self.models: dict[str, None] = {}
        self._computer = computer
        self._task = task
        self._stages = stages
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        return self._cancelled()

    def stop_if_cancelled(self) -> None:
        if self._cancelled():
            raise Cancelled

    @property
    def previous(self) -> Any:
        self.recalled = self._previous
        return self._previous

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self._stages.append(Stage(name, started, time.perf_counter()))

    def progress(self, fraction: float, text: str = "") -> None:
        self._computer.progress = Progress(self._task.id, min(1.0, max(0.0, fraction)), text)

    def model(self, card: str) -> torch.nn.Module:
        self.models[card] = None
        return self._computer.model(card, self.device, self._task.precision)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        made, used = self._computer.once(self._whole(key), lambda: self._noting(make))
        self.models.update(dict.fromkeys(used))
        return made

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        made, used = self._computer.kept(self._task.id, self._whole(key), lambda: self._noting(make))
        self.models.update(dict.fromkeys(used))
        return made

    def _whole(self, key: Hashable) -> Hashable:
        return key, str(self.device), self._task.precision

    def _noting(self, make: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
        """What was made, and the networks that were asked for meanwhile."""
        before, self.models = self.models, {}
        made = make()
        used, self.models = tuple(self.models), before | self.models
        return made, used


def _remembered(known: OrderedDict[Hashable, Any], most: int, key: Hashable, make: Callable[[], T]) -> T:
    """What is known under a key, or made now; of more than ``most`` the one that was not asked for longest goes."""
    if key not in known:
        known[key] = make()
        if len(known) > most:
            known.popitem(last=False)
    known.move_to_end(key)
    return cast(T, known[key])


@contextmanager
def stopping(stop: Callable[[], bool]) -> Iterator[None]:
    """Ends the network that this thread runs, whichever it is, before its next module once ``stop`` says so.

    Raises:
        Cancelled: it was ended.
    """
    owner = get_ident()

    def look(module: torch.nn.Module, args: Any) -> None:
        if get_ident() == owner and stop():
            raise Cancelled

    handle = register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        handle.remove()


def to_host(value: Any) -> Any:
    """The same trace, or part of one, with every tensor detached and on the host: dataclasses, tuples, lists and dicts are walked."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu() if value.requires_grad or value.device.type != "cpu" else value
    if isinstance(value, tuple):
        parts = [to_host(part) for part in value]
        if all(a is b for a, b in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [to_host(part) for part in value]
    if isinstance(value, dict):
        return {key: to_host(part) for key, part in value.items()}
    if hasattr(type(value), "__dataclass_fields__"):
        was = {name: getattr(value, name) for name, f in type(value).__dataclass_fields__.items() if f.init}
        changed = {name: now for name, part in was.items() if (now := to_host(part)) is not part}
        return replace(value, **changed) if changed else value
    return value
