"""The worker thread: newest frame and newest tasks in, newest results out. No queue anywhere, and no Qt.

One condition variable guards one slot for the frame, one for each visible panel's task and one for each panel's newest
result. ``on_ready`` is called without data, from the worker thread, only when all result slots were empty: however slow the
reader is, one call waits at most, and what it then takes is the newest.
"""

import logging
import os
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from explorer.i18n import tr
from explorer.panel import Cancelled, Context, Frame, Panel, Result, Stage, Task

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
log = logging.getLogger(__name__)

ONCE_KEPT = 16
"""How many shared intermediate results are kept while one frame is held and parameters change."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the long work of one panel is."""

    task: int
    fraction: float
    text: str


class Engine:
    """Computes every visible panel on the newest frame.

    Args:
        load_panels: called once in the worker thread (it imports torch); gives the panels by name.
        on_ready: called without data, from the worker thread, when there is something to take.
    """

    def __init__(self, load_panels: Callable[[], Mapping[str, Panel]], on_ready: Callable[[], None]) -> None:
        self._load_panels = load_panels
        self._on_ready = on_ready
        self._cond = threading.Condition()
        self._frame: Frame | None = None
        self._tasks: dict[int, Task] = {}
        self._since: dict[int, float] = {}
        self._results: dict[int, Result] = {}
        self._done: dict[int, tuple[Frame, Task]] = {}
        self._previous: dict[int, Any] = {}
        self._progress: Progress | None = None
        self._panels: Mapping[str, Panel] | None = None
        self._closing = False
        self._models: dict[tuple[str, str, str], torch.nn.Module] = {}
        self._once: OrderedDict[Hashable, Any] = OrderedDict()
        self._once_frame: Frame | None = None
        self._moved_to_cpu: set[tuple[int, str]] = set()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # -- the GUI's side: every method returns at once

    def start(self) -> None:
        self._thread.start()

    @property
    def panels(self) -> Mapping[str, Panel] | None:
        """The panels by name; None until the worker has imported them."""
        return self._panels

    @property
    def progress(self) -> Progress | None:
        """Of the computation under way, if it says so."""
        return self._progress

    def submit(self, frame: Frame) -> None:
        """Makes this the newest frame; one that was not computed yet is forgotten."""
        with self._cond:
            self._frame = frame
            self._cond.notify()

    def set_task(self, task: Task) -> None:
        """Makes this the newest task of its panel, which is from now on computed."""
        with self._cond:
            if self._tasks.get(task.id) == task:
                return
            self._tasks[task.id] = task
            self._since[task.id] = time.perf_counter()
            self._moved_to_cpu = {(i, device) for i, device in self._moved_to_cpu if i != task.id or device == task.device}
            self._cond.notify()

    def drop_task(self, task_id: int, *, forget: bool = False) -> None:
        """Stops computing a panel, because it is hidden, or (``forget``) closed."""
        with self._cond:
            self._tasks.pop(task_id, None)
            self._results.pop(task_id, None)
            if forget:
                self._done.pop(task_id, None)
                self._previous.pop(task_id, None)

    def take(self) -> dict[int, Result]:
        """Empties the result slots: each panel's newest result since the last call."""
        with self._cond:
            results, self._results = self._results, {}
            return results

    def close(self, timeout: float = 10.0) -> bool:
        """Asks the computation under way to stop and waits for the thread.

        Returns:
            False if it still ran after ``timeout`` seconds (the thread is a daemon: the process can end all the same).
        """
        with self._cond:
            self._closing = True
            self._cond.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the worker's side

    def _run(self) -> None:
        yield_to_the_window()
        self._panels = self._load_panels()
        self._on_ready()
        while True:
            with self._cond:
                self._cond.wait_for(lambda: self._closing or bool(self._stale()))
                if self._closing:
                    return
                frame = cast(Frame, self._frame)
                # Longest-waiting first, so that a panel whose parameters change all the time starves no other.
                stale = sorted(self._stale(), key=lambda i: self._since[i])
            for task_id in stale:
                with self._cond:
                    task = self._tasks.get(task_id)
                if task is not None and not self._closing:
                    self._deliver(self._compute(frame, task))

    def _stale(self) -> list[int]:
        frame = self._frame
        if frame is None or self._panels is None:
            return []
        done = self._done
        return [i for i, task in self._tasks.items() if i not in done or done[i][0] is not frame or done[i][1] is not task]

    def _deliver(self, result: Result | None) -> None:
        if result is None:
            return
        with self._cond:
            if result.task.id not in self._tasks:
                return
            was_empty = not self._results
            self._results[result.task.id] = result
        if was_empty:
            self._on_ready()

    def _compute(self, frame: Frame, task: Task) -> Result | None:
        """One panel on one frame; None if it was cancelled."""
        assert self._panels is not None
        started = time.perf_counter()
        with self._cond:
            self._done[task.id] = (frame, task)
            asked = max(frame.time, self._since.get(task.id, frame.time))
        stages = [Stage("capture", frame.time - frame.capture, frame.time), Stage("wait", min(asked, started), started)]
        device = "cpu" if (task.id, task.device) in self._moved_to_cpu else task.device
        try:
            panel = self._panels.get(task.panel)
            if panel is None:
                raise ValueError(tr("There is no panel named {name}.", name=task.panel))
            import torch

            if torch.get_num_threads() != task.threads:
                torch.set_num_threads(task.threads)
            try:
                trace = self._trace(panel, frame, task, device, stages)
            except torch.OutOfMemoryError:
                if device == "cpu":
                    raise
                log.warning("out of memory on %s: %s moves to the CPU", device, task.panel, exc_info=True)
                self._move_to_cpu(task, device)
                device = "cpu"
                del stages[2:]
                trace = self._trace(panel, frame, task, device, stages)
        except Cancelled:
            return None
        except Exception as error:
            log.exception("the panel %s failed", task.panel)
            said = str(error).strip() or type(error).__name__
            return Result(frame, task, None, said, traceback.format_exc(), tuple(stages), "", device)
        finally:
            self._progress = None
        self._previous[task.id] = trace
        note = ""
        if device != task.device:
            note = tr("Out of memory on {device}: this panel now runs on the CPU.", device=task.device)
        return Result(frame, task, trace, "", "", tuple(stages), note, device)

    def _trace(self, panel: Panel, frame: Frame, task: Task, device: str, stages: list[Stage]) -> Any:
        if frame is not self._once_frame:
            self._once.clear()
            self._once_frame = frame
        trace = panel.compute(frame, task.params, cast(Context, EngineContext(self, task, device, stages)))
        started = time.perf_counter()
        trace = to_host(trace)
        stages.append(Stage("to host", started, time.perf_counter()))
        return trace

    def _move_to_cpu(self, task: Task, device: str) -> None:
        import torch

        self._moved_to_cpu.add((task.id, device))
        self._models = {key: model for key, model in self._models.items() if key[1] != device}
        self._once.clear()
        if device.startswith("cuda"):
            with suppress(RuntimeError):
                torch.cuda.empty_cache()


class EngineContext:
    """What one computation may ask of the engine: see :class:`explorer.panel.Context`."""

    def __init__(self, engine: Engine, task: Task, device: str, stages: list[Stage]) -> None:
        import torch

        self._engine = engine
        self._task = task
        self._stages = stages
        self.device = torch.device(device)
        self.dtype: torch.dtype = getattr(torch, task.precision)
        self.previous = engine._previous.get(task.id)

    @property
    def cancelled(self) -> bool:
        return self._engine._closing or self._engine._tasks.get(self._task.id) is not self._task

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                import torch

                torch.cuda.synchronize(self.device)
            self._stages.append(Stage(name, started, time.perf_counter()))

    def progress(self, fraction: float, text: str = "") -> None:
        self._engine._progress = Progress(self._task.id, min(1.0, max(0.0, fraction)), text)

    def model(self, card: str) -> "torch.nn.Module":
        key = (card, str(self.device), self._task.precision)
        models = self._engine._models
        if key not in models:
            from cvcore import zoo

            models[key] = zoo.load(card, self.device).to(self.dtype).eval()
        return models[key]

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        whole = (key, str(self.device), self._task.precision)
        kept = self._engine._once
        if whole not in kept:
            kept[whole] = make()
            if len(kept) > ONCE_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(whole)
        return cast(T, kept[whole])


def to_host(trace: Any) -> Any:
    """The same trace with every tensor detached and on the host: dataclasses, tuples, lists and dicts are walked."""
    import torch

    if isinstance(trace, torch.Tensor):
        return trace.detach().cpu() if trace.requires_grad or trace.device.type != "cpu" else trace
    if isinstance(trace, tuple):
        parts = [to_host(part) for part in trace]
        if all(a is b for a, b in zip(parts, trace, strict=True)):
            return trace
        return type(trace)(*parts) if hasattr(trace, "_fields") else tuple(parts)
    if isinstance(trace, list):
        return [to_host(part) for part in trace]
    if isinstance(trace, dict):
        return {key: to_host(part) for key, part in trace.items()}
    if hasattr(type(trace), "__dataclass_fields__"):
        was = {name: getattr(trace, name) for name, f in type(trace).__dataclass_fields__.items() if f.init}
        now = {name: to_host(part) for name, part in was.items()}
        changed = {name: part for name, part in now.items() if part is not was[name]}
        return replace(trace, **changed) if changed else trace
    return trace


def yield_to_the_window() -> None:
    """Lowers this thread's priority where the system lets single threads have one (Linux), and with it that of the
    threads torch starts from here: on a machine of few cores the window then keeps answering while they compute."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
