"""The worker thread: newest frame and newest tasks in, newest results out. No queue anywhere, and no Qt.

One condition variable guards one slot for the frame, one for each visible panel's task and one for each panel's newest
result. ``on_ready`` is called without data, from the worker thread, only when all result slots were empty: however slow the
reader is, one call waits at most, and what it then takes is the newest.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from explorer.engine.memory import give_back
from explorer.panel import Frame, Panel, Result, Task

if TYPE_CHECKING:
    from explorer.engine.compute import Computer, Progress


class Engine:
    """Computes every visible panel on the newest frame.

    Args:
        load_panels: called once in the worker thread, after torch is imported; gives the panels by name. One may be imported when it
            is taken out of there.
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
        self._cut_short: set[int] = set()
        self._forgotten: set[int] = set()
        self._recalled: dict[int, Any] = {}
        self._wanted: list[str] = []
        self._closing = False
        self._computer: Computer | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    # -- the window's side: every method returns at once

    def start(self) -> None:
        self._thread.start()

    @property
    def panels(self) -> Mapping[str, Panel] | None:
        """The panels by name; None until the worker has them."""
        return self._computer.panels if self._computer else None

    @property
    def progress(self) -> "Progress | None":
        """Of the computation under way, if it says so."""
        return self._computer.progress if self._computer else None

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
            self._cond.notify()

    def again(self) -> None:
        """Computes every visible panel anew: something that is no part of a frame or task has changed, such as weights."""
        with self._cond:
            self._done.clear()
            self._cond.notify()

    def want(self, panel: str) -> None:
        """Imports a panel in the worker's thread before it computes on; ``on_ready`` is called once it is there, or cannot be had."""
        with self._cond:
            if panel not in self._wanted:
                self._wanted.append(panel)
                self._cond.notify()

    def drop_task(self, task_id: int, *, forget: bool = False) -> None:
        """Stops computing a panel, because it is hidden or (``forget``) closed."""
        with self._cond:
            self._tasks.pop(task_id, None)
            self._results.pop(task_id, None)
            self._done.pop(task_id, None)
            self._cut_short.discard(task_id)
            if forget:
                self._forgotten.add(task_id)
                self._cond.notify()

    def recall(self, task_id: int, trace: Any) -> None:
        """Computes a panel again, with this trace as its last one."""
        with self._cond:
            self._recalled[task_id] = trace
            self._done.pop(task_id, None)
            self._cond.notify()

    @property
    def frame(self) -> Frame | None:
        """The newest frame."""
        return self._frame

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
        from explorer.engine.compute import Computer

        computer = Computer(self._load_panels())
        while self._import_one(computer):  # those that were open last time
            pass
        self._computer = computer
        self._on_ready()
        while True:
            with self._cond:
                self._cond.wait_for(lambda: self._closing or self._forgotten or self._wanted or self._stale())
                if self._closing:
                    return
                forgotten = bool(self._forgotten)
                for task_id in self._forgotten:
                    computer.forget(task_id)
                self._forgotten.clear()
                for task_id, trace in self._recalled.items():
                    computer.remember(task_id, trace)
                self._recalled.clear()
                # All panels of one pass see one frame, so that what they share is worked out once.
                frame = self._frame
                stale = sorted(self._stale(), key=lambda i: self._since[i])
            if forgotten:
                give_back()
            if self._import_one(computer):
                self._on_ready()
            for task_id in stale:
                self._compute(computer, cast(Frame, frame), task_id)

    def _import_one(self, computer: "Computer") -> bool:
        """One between two computations, so that those who wait for pictures do not wait for all of them."""
        with self._cond:
            if not self._wanted or self._closing:
                return False
            name = self._wanted.pop(0)
        computer.panels.get(name)
        return True

    def _stale(self) -> list[int]:
        """The tasks whose newest result is not of the newest frame and task."""
        frame = self._frame
        if frame is None:
            return []
        return [i for i, task in self._tasks.items() if self._done.get(i) != (frame, task)]

    def _compute(self, computer: "Computer", frame: Frame, task_id: int) -> None:
        with self._cond:
            task = self._tasks.get(task_id)
            if task is None or self._closing:
                return
            self._done[task_id] = (frame, task)
            asked = max(frame.time, self._since[task_id])
            # While a knob is turned, every other computation is finished all the same: the user sees what the knob does.
            finish = task_id in self._cut_short
            self._cut_short.discard(task_id)

        def changed() -> bool:
            return self._tasks.get(task_id) is not task

        def stop() -> bool:
            return self._closing or task_id not in self._tasks or (changed() and not finish)

        result = computer.compute(frame, task, asked=asked, cancelled=lambda: self._closing or changed(), stop=stop)
        if result is None:
            with self._cond:
                if task_id in self._tasks and changed():
                    if not finish:
                        self._cut_short.add(task_id)
                    # Back to what it was before, the task counts as one that was not computed.
                    if self._done.get(task_id) == (frame, task):
                        del self._done[task_id]
            return
        with self._cond:
            if task_id not in self._tasks:
                return
            was_empty = not self._results
            self._results[task_id] = result
        if was_empty:
            self._on_ready()


def yield_to_the_window() -> None:
    """Lowers this thread's priority where the system lets single threads have one (Linux), and with it that of the
    threads torch starts from here: on a machine of few cores the window then keeps answering while they compute."""
    lower_priority(5)


def lower_priority(nice: int) -> None:
    """Puts this thread behind others, where the system lets single threads have a priority (Linux)."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
