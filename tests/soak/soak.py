"""Runs the real window for a while under a random user, and records what it takes."""

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from explorer.engine.memory import give_back
from explorer.settings.session import OpenPanel, Settings
from explorer.window.main import MainWindow
from tests.soak import figures
from tests.soak.figures import Log, Sample
from tests.soak.problems import Problems
from tests.soak.user import SIZES, User
from tests.soak.verdict import Growth, growths

STUCK, BUSY = 120.0, 40.0
"""Seconds without a result, while something can be seen and moves, after which the program counts as hanging, if it had so many
seconds of the processor by then: on a machine with much else to do, compiling the operators alone can take minutes."""
TOUR_SHARE = 0.3
"""Of the time, at most, for opening everything once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a soak goes.

    Args:
        minutes: of acting; starting and closing come on top.
        source: what the window opens.
        pause: seconds between two actions.
        rest_every: seconds between two samples at rest; 0 chooses by ``minutes``.
        calm: seconds at rest before the sample is taken; the ring of the last frames is waited for as well, unless it is 0.
        actions: end after so many, some of them opening everything once, instead of after the minutes.
        patience: seconds that are waited for each thing opened or chosen once; what takes longer is computed another time.
    """

    minutes: float
    seed: int
    source: str
    folder: Path
    pause: float = 0.25
    rest_every: float = 0.0
    calm: float = 3.0
    actions: int = 0
    patience: float = 4.0

    @property
    def rests_every(self) -> float:
        return self.rest_every or min(60.0, max(3.0, self.minutes * 60 / 40))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; ``failed`` says whether that is bad."""

    seed: int
    seconds: float
    actions: int
    frames: int
    panels: tuple[str, ...]
    growths: tuple[Growth, ...]
    problems: dict[str, int]
    first: dict[str, str]
    expected: dict[str, int]
    more_kinds: dict[str, int]
    more_handles: dict[str, int]
    more_threads: dict[str, int]
    rss: tuple[float, float]

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(one.grown for one in self.growths)

    def __str__(self) -> str:
        lines = [
            f"{self.seconds / 60:.1f} minutes, seed {self.seed}: {self.actions} actions, {self.frames} results drawn, "
            f"{len(self.panels)} panels ({', '.join(self.panels)}); at most {self.rss[1]:.0f} MB in use"
        ]
        lines += [str(one) for one in self.growths] or ["too short to judge growth"]
        for what, found in (("handles", self.more_handles), ("threads", self.more_threads)):
            if found and any(one.figure == what and one.grown for one in self.growths):
                lines.append(f"more {what}: {found}")
        if any(one.grown for one in self.growths):
            lines.append(f"more objects: {dict(list(self.more_kinds.items())[:15])}")
        lines += [f"sentence, {count} times: {what}" for what, count in self.expected.items()]
        for what, count in self.problems.items():
            lines += [f"PROBLEM, {count} times: {what}", *(f"    {line}" for line in self.first[what].splitlines())]
        lines.append("FAILED" if self.failed else "PASSED")
        return "\n".join(lines)


class Since:
    """A moment, on the clock and in the processor's time that the process had."""

    def __init__(self) -> None:
        self._clock, self._busy = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        return time.perf_counter() - self._clock

    def is_long(self, seconds: float) -> bool:
        """So many seconds ago, with work done since; ten times as many without."""
        worked = time.process_time() - self._busy >= BUSY
        return self.seconds() > (seconds if worked else 10 * seconds)


class Soak:
    """One run, driven by the event loop it runs in."""

    def __init__(self, plan: Plan, application: QApplication) -> None:
        self.plan = plan
        self.doing = "starting"
        self.actions = 0
        self.frames = 0
        self._application = application
        self._problems = Problems(lambda: f"action {self.actions}: {self.doing}")
        self._last: dict[int, Any] = {}
        self._drawn = Since()
        self._steps: Iterator[float] = iter(())
        self._began = 0.0
        self._counts: list[tuple[Counter[str], Counter[str], Counter[str]]] = []
        self._broken: BaseException | None = None

    def run(self) -> Outcome:
        """Opens the window, acts until the time is over, closes it and writes ``samples.csv``, ``actions.jsonl``, ``verdict.json``."""
        folder = self.plan.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._actions = (folder / "actions.jsonl").open("w", encoding="utf-8")
        self._log = Log(folder / "samples.csv")
        try:
            with self._problems:
                outcome = self._run()
        finally:
            self._actions.close()
            self._log.close()
        (folder / "verdict.json").write_text(json.dumps(asdict(outcome), indent=1, ensure_ascii=False), "utf-8")
        return outcome

    def _run(self) -> Outcome:
        settings = Settings(
            language="en", panels=(OpenPanel("picture", 1),), recordings=str(self.plan.folder), threads=1
        )
        window = self.window = MainWindow(settings, self.plan.source)
        window.resize(*SIZES[2])
        window.desk.drawn.connect(self._count)
        window.show()
        window.start()
        self._began = time.perf_counter()
        self._steps = self._course()
        # One for all of them: PySide keeps a few bytes of every QTimer.singleShot that calls a method.
        self._timer = QTimer(window)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._next)
        self._next()
        self._application.exec()
        if self._broken is not None:  # what is known until then would pass for a whole soak
            window.close()
            raise self._broken
        seconds = time.perf_counter() - self._began
        window.close()
        self._settle()
        for thread in figures.left_threads():
            self._problems.add(f"the thread {thread} did not end")
        growth = growths(self._log.samples, self._warm)
        more = [after - before for before, after in zip(self._counts[0], self._counts[-1], strict=True)]
        most_common = [dict(one.most_common(40)) for one in more]
        return Outcome(
            seed=self.plan.seed, seconds=seconds, actions=self.actions, frames=self.frames,
            panels=tuple(self._user.panels), growths=growth, problems=dict(self._problems.found),
            first=self._problems.first, expected=dict(self._problems.expected), more_kinds=most_common[0],
            more_handles=most_common[1], more_threads=most_common[2],
            rss=(self._log.samples[0].rss, max(sample.rss for sample in self._log.samples)),
        )  # fmt: skip

    # -- the course of it: yields how many seconds to wait

    def _course(self) -> Iterator[float]:
        window = self.window
        self._warm = 0.0
        yield from self._until(lambda: window.desk.docks[0].result is not None, 2 * STUCK)
        self._began = time.perf_counter()
        assert window.desk.panel("picture") is not None, "the panels were not loaded"
        registry = window.desk.registry
        self._user = User(window, list(registry.panels), self.plan.folder, self.plan.seed)
        yield from self._rest()
        rested = time.perf_counter()
        for doing in self._user.tour():
            self._did(doing)
            yield self.plan.pause
            yield from self._until(self._is_computed, self.plan.patience)
            if self._part() > TOUR_SHARE:
                self._did("the tour is cut short")
                break
            if time.perf_counter() - rested > self.plan.rests_every:
                self._sample()
                rested = time.perf_counter()
        for name, why in registry.failures.items():
            self._problems.add(f"the panel {name} cannot be loaded: {why}")
        yield from self._rest()
        toured = time.perf_counter() - self._began
        self._warm = toured + 0.1 * (self.plan.minutes * 60 - toured)
        rested = time.perf_counter()
        while self._part() < 1:
            self._did(self._user.act(self.actions))
            yield self.plan.pause
            self._look()
            if time.perf_counter() - rested > self.plan.rests_every:
                self._sample()
                yield from self._rest()
                rested = time.perf_counter()
        yield from self._rest()

    def _part(self) -> float:
        """How much of it is done, from 0 to 1."""
        if self.plan.actions:
            return self.actions / self.plan.actions
        return (time.perf_counter() - self._began) / (60 * self.plan.minutes)

    def _rest(self) -> Iterator[float]:
        self._did(self._user.rest())
        dock = self.window.desk.docks[-1]
        yield from self._until(lambda: dock.result is not None, STUCK)
        if self.plan.calm:
            yield self.plan.calm
            yield from self._until(self._is_full, 10)
        self._settle()
        self._sample(resting=True)
        self._counts.append((figures.kinds(), figures.handle_names(), figures.thread_names()))
        if not self._warm:
            del self._counts[:-1]  # what comes is compared with the last one before it counts
        del self._counts[1:-1]

    def _is_computed(self) -> bool:
        return all(
            dock.error or (dock.result is not None and dock.result.task.params == dock.params)
            for dock in self.window.desk.docks
        )

    def _is_full(self) -> bool:
        """The ring of the last frames has as many as it holds: its memory is the largest part of what changes."""
        return self.window.player.state.history >= 60

    def _until(self, condition: Callable[[], bool], patience: float) -> Iterator[float]:
        since = Since()
        while not condition():
            if patience < STUCK and since.seconds() > patience:
                return
            if since.is_long(patience):
                self._problems.add(f"nothing came for {patience:.0f} s", figures.stacks())
                return
            yield 0.1

    def _next(self) -> None:
        try:
            wait = next(self._steps)
        except StopIteration:
            self._application.quit()
            return
        except BaseException as error:
            self._broken = error
            self._application.quit()
            return
        self._timer.start(int(1000 * wait))

    # -- looking

    def _did(self, doing: str) -> None:
        self.doing = doing
        self.actions += 1
        at = round(time.perf_counter() - self._began, 2)
        self._actions.write(json.dumps([self.actions, at, doing], ensure_ascii=False) + "\n")
        self._actions.flush()

    def _count(self, dock: Any) -> None:
        if self._last.get(dock.id) is not dock.result:
            self._last = {one.id: one.result for one in self.window.desk.docks}
            self.frames += 1
            self._drawn = Since()

    def _look(self) -> None:
        """Sentences in the panels, and whether results still come."""
        state = self.window.player.state
        for dock in self.window.desk.docks:
            if dock.error:
                self._problems.said(dock.error, f"the panel {dock.name}")
        if state.error:
            self._problems.said(state.message, "the player")
        moving = state.playing and not state.frozen and any(dock.is_seen() for dock in self.window.desk.docks)
        if not moving or any(dock.error for dock in self.window.desk.docks):
            self._drawn = Since()
        elif self._drawn.is_long(STUCK):
            self._problems.add(f"no result was drawn for {STUCK:.0f} s", figures.stacks())
            self._drawn = Since()

    def _settle(self) -> None:
        """Deletes what waits to be deleted, and gives free memory back: what is in use then is held by somebody."""
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))
        self._last.clear()
        gc.collect()
        give_back()

    def _sample(self, *, resting: bool = False) -> None:
        self._log.add(
            Sample(
                time.perf_counter() - self._began, resting, figures.rss(), figures.own(),
                figures.held() if resting else 0.0, figures.threads(), figures.handles(), figures.widgets(),
                figures.qobjects() if resting else 0,
                len(gc.get_objects()) if resting else 0, self.frames, self.actions, self._problems.count,
            )
        )  # fmt: skip
