"""The worker thread: newest frame, newest task, one waiting signal, errors as results."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from explorer.engine.thread import Engine
from explorer.panel import Cancelled, Context, Frame, Result, Task
from tests.explorer.panels_for_tests import Params, Trace, make_frame, make_panel

WAIT = 20.0


class Harness:
    """An engine whose ready calls are counted and can be waited for."""

    def __init__(self, **panels: Any) -> None:
        self.calls = 0
        self.called = threading.Condition()
        self.engine = Engine(lambda: panels, self._ready)

    def _ready(self) -> None:
        with self.called:
            self.calls += 1
            self.called.notify_all()

    def wait_calls(self, count: int) -> None:
        with self.called:
            assert self.called.wait_for(lambda: self.calls >= count, WAIT)

    def start(self) -> None:
        self.engine.start()
        self.wait_calls(1)
        self.calls = 0

    def result(self, task_id: int = 1) -> Result:
        """The next result of a task."""
        while True:
            with self.called:
                assert self.called.wait_for(lambda: self.calls > 0, WAIT)
                self.calls = 0
            taken = self.engine.take()
            if task_id in taken:
                return taken[task_id]


@pytest.fixture
def harness() -> Iterator[Any]:
    made: list[Harness] = []

    def make(**panels: Any) -> Harness:
        made.append(Harness(**panels))
        return made[-1]

    yield make
    for one in made:
        assert one.engine.close(WAIT)


def test_a_result_carries_the_frame_and_task_it_was_computed_from(harness: Any) -> None:
    h = harness(probe=make_panel())
    h.start()
    frame, task = make_frame(50), Task(1, "probe", Params(factor=2))
    h.engine.submit(frame)
    h.engine.set_task(task)
    result = h.result()
    assert result.frame is frame
    assert result.task is task
    assert result.trace.mean == 100
    assert [stage.name for stage in result.stages] == ["capture", "wait", "forward"]
    assert all(stage.seconds >= 0 for stage in result.stages)


def test_frames_that_come_while_it_computes_are_dropped_but_for_the_newest(harness: Any) -> None:
    started, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        seen.append(frame.index)
        started.set()
        assert go.wait(WAIT)
        return Trace(frame.index, None)

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params()))
    h.engine.submit(make_frame(index=0))
    assert started.wait(WAIT)
    for index in range(1, 1000):
        h.engine.submit(make_frame(index=index))
    go.set()
    assert h.result().frame.index in (0, 999)
    while seen[-1] != 999:
        h.result()
    assert seen == [0, 999]


def test_only_one_ready_call_waits_however_many_results_come(harness: Any) -> None:
    done = threading.Semaphore(0)

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        done.release()
        return Trace(frame.index, None)

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params()))
    for index in range(20):
        h.engine.submit(make_frame(index=index))
        assert done.acquire(timeout=WAIT)
    h.wait_calls(1)
    assert h.calls == 1
    taken = h.engine.take()
    assert taken.keys() == {1}


def test_changing_params_computes_the_held_frame_again_and_setting_the_same_does_not(harness: Any) -> None:
    h = harness(probe=make_panel())
    h.start()
    frame = make_frame(10)
    h.engine.submit(frame)
    h.engine.set_task(Task(1, "probe", Params(factor=1)))
    assert h.result().trace.mean == 10
    h.engine.set_task(Task(1, "probe", Params(factor=1)))
    h.engine.set_task(Task(1, "probe", Params(factor=3)))
    result = h.result()
    assert result.frame is frame
    assert result.trace.mean == 30


def test_a_panel_that_raises_gives_an_error_and_the_others_go_on(harness: Any) -> None:
    def broken(frame: Frame, params: Params, context: Context) -> Trace:
        raise RuntimeError("the cable is loose")

    h = harness(broken=make_panel(compute=broken), probe=make_panel())
    h.start()
    h.engine.set_task(Task(1, "broken", Params()))
    h.engine.set_task(Task(2, "probe", Params()))
    h.engine.submit(make_frame())
    results: dict[int, Result] = {}
    while results.keys() != {1, 2}:
        with h.called:
            assert h.called.wait_for(lambda: h.calls > 0, WAIT)
            h.calls = 0
        results |= h.engine.take()
    assert results[1].error == "the cable is loose"
    assert "RuntimeError" in results[1].detail
    assert results[1].trace is None
    assert results[2].trace.mean == 100


def test_a_hidden_panel_is_not_computed_and_is_again_when_shown(harness: Any) -> None:
    counted: list[int] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        counted.append(frame.index)
        return Trace(0.0, None)

    h = harness(hidden=make_panel(compute=compute), probe=make_panel())
    h.start()
    task = Task(1, "hidden", Params())
    h.engine.set_task(task)
    h.engine.submit(make_frame(index=0))
    h.result(1)
    h.engine.drop_task(1)
    h.engine.set_task(Task(2, "probe", Params()))
    h.engine.submit(make_frame(index=1))
    while h.result(2).frame.index != 1:
        pass
    assert counted == [0]
    h.engine.set_task(task)
    assert h.result(1).frame.index == 1
    assert counted == [0, 1]


def test_long_work_sees_that_it_was_cancelled_and_its_result_is_left_out(harness: Any) -> None:
    started = threading.Event()

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        if params.factor == 1:
            context.progress(0.25, "a quarter")
            started.set()
            while not context.cancelled:
                threading.Event().wait(0.001)
            raise Cancelled
        return Trace(params.factor, None)

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params(factor=1)))
    h.engine.submit(make_frame())
    assert started.wait(WAIT)
    assert h.engine.progress is not None
    assert (h.engine.progress.fraction, h.engine.progress.text) == (0.25, "a quarter")
    h.engine.set_task(Task(1, "probe", Params(factor=2)))
    assert h.result().trace.mean == 2


def test_two_panels_share_once_and_see_the_same_frame(harness: Any) -> None:
    made: list[int] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        shared = context.once("detector", lambda: made.append(frame.index) or object())
        return Trace(0.0, (shared, frame))

    panel = make_panel(compute=compute)
    h = harness(probe=panel)
    h.start()
    with h.engine._cond:
        pass
    h.engine.set_task(Task(1, "probe", Params()))
    h.engine.set_task(Task(2, "probe", Params(factor=2)))
    for index in range(3):
        h.engine.submit(make_frame(index=index))
        results: dict[int, Result] = {}
        while {r.frame.index for r in results.values()} != {index} or len(results) < 2:
            with h.called:
                assert h.called.wait_for(lambda: h.calls > 0, WAIT)
                h.calls = 0
            results |= h.engine.take()
        assert results[1].trace.values[0] is results[2].trace.values[0]
        assert results[1].frame is results[2].frame
    assert made == [0, 1, 2]


def test_previous_is_the_last_trace_of_the_same_opening_until_it_is_closed(harness: Any) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        before = 0.0 if context.previous is None else context.previous.mean
        return Trace(before + 1, None)

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params()))
    for count in (1, 2, 3):
        h.engine.submit(make_frame(index=count))
        assert h.result().trace.mean == count
    h.engine.drop_task(1, forget=True)
    h.engine.set_task(Task(2, "probe", Params()))
    assert h.result(2).trace.mean == 1


def test_traces_are_detached(harness: Any) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        leaf = torch.ones(2, requires_grad=True)
        return Trace(0.0, {"a": (leaf * 2,), "b": [leaf]})

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params()))
    h.engine.submit(make_frame())
    values = h.result().trace.values
    assert not values["a"][0].requires_grad
    assert not values["b"][0].requires_grad


def test_closing_while_a_computation_runs_waits_for_it(harness: Any) -> None:
    started = threading.Event()

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        started.set()
        while not context.cancelled:
            threading.Event().wait(0.001)
        return Trace(0.0, None)

    h = harness(probe=make_panel(compute=compute))
    h.start()
    h.engine.set_task(Task(1, "probe", Params()))
    h.engine.submit(make_frame())
    assert started.wait(WAIT)
    assert h.engine.close(WAIT)
