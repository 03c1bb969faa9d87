"""One task on one frame: out of memory, unknown panels, threads, the trace on the host."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

from explorer.engine.compute import Computer, to_host
from explorer.panel import Context, Frame, Task
from tests.explorer.panels_for_tests import Params, Trace, make_frame, make_panel


def test_out_of_memory_moves_the_panel_to_the_cpu_says_so_and_stays_there() -> None:
    asked: list[str] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        asked.append(context.device.type)
        if context.device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return Trace(7.0, None)

    computer = Computer({"probe": make_panel(compute=compute)})
    for count in (1, 2):
        result = computer.compute(make_frame(index=count), Task(1, "probe", Params(), device="meta"))
        assert result is not None
        assert result.error == ""
        assert result.trace.mean == 7
        assert result.device == "cpu"
        assert result.note == "Out of memory on meta: this panel now runs on the CPU."
    assert asked == ["meta", "cpu", "cpu"]
    again = computer.compute(make_frame(), Task(1, "probe", Params(), device="cpu"))
    assert again is not None
    assert again.note == ""
    computer.compute(make_frame(), Task(1, "probe", Params(), device="meta"))
    assert asked[-2:] == ["meta", "cpu"], "choosing the device again tries it again"


def test_out_of_memory_on_the_cpu_is_an_error() -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        raise torch.OutOfMemoryError("not enough memory")

    result = Computer({"probe": make_panel(compute=compute)}).compute(make_frame(), Task(1, "probe", Params()))
    assert result is not None
    assert result.error == "There is not enough memory for Probe."


def test_an_unknown_panel_is_a_sentence() -> None:
    result = Computer({}).compute(make_frame(), Task(1, "nothing", Params()))
    assert result is not None
    assert result.error == "There is no panel named nothing."


def test_threads_are_the_tasks() -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        return Trace(torch.get_num_threads(), None)

    before = torch.get_num_threads()
    computer = Computer({"probe": make_panel(compute=compute)})
    try:
        for threads in (1, 2, 1):
            result = computer.compute(make_frame(), Task(1, "probe", Params(), threads=threads))
            assert result is not None
            assert result.trace.mean == threads
    finally:
        torch.set_num_threads(before)


def test_once_is_forgotten_with_its_frame_and_bounded_while_one_is_held() -> None:
    made: list[Any] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        context.once(("by", params.factor), lambda: made.append(params.factor))
        return Trace(0.0, None)

    computer = Computer({"probe": make_panel(compute=compute)})
    frame = make_frame()
    for factor in (1, 2, 1, 2):
        computer.compute(frame, Task(1, "probe", Params(factor=factor)))
    assert made == [1, 2]
    for factor in range(100):
        computer.compute(frame, Task(1, "probe", Params(factor=factor)))
    assert len(computer._once) == 16
    computer.compute(make_frame(), Task(1, "probe", Params(factor=1)))
    assert made[-1] == 1
    assert len(computer._once) == 1


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Held:
    tensor: Any
    name: str = "x"


def test_to_host_walks_everything_and_leaves_alone_what_is_there_already() -> None:
    live = torch.ones(3, requires_grad=True) * 2
    plain = torch.ones(3)
    same = Held((plain, "word", 3))
    assert to_host(same) is same
    walked = to_host({"held": Held(live), "pair": Pair(live, plain), "list": [live]})
    assert isinstance(walked["pair"], Pair)
    assert walked["pair"].b is plain
    for tensor in (walked["held"].tensor, walked["pair"].a, walked["list"][0]):
        assert not tensor.requires_grad
        assert torch.equal(tensor, torch.full((3,), 2.0))


@pytest.mark.parametrize("message", ["", "   "])
def test_an_error_without_words_is_named_by_its_kind(message: str) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        raise KeyError(message) if message else RuntimeError(message)

    result = Computer({"probe": make_panel(compute=compute)}).compute(make_frame(), Task(1, "probe", Params()))
    assert result is not None
    assert result.error


def test_a_network_is_watched_unless_the_same_was_quick_before(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[bool] = []

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        watched.append(bool(torch.nn.modules.module._global_forward_pre_hooks))
        return Trace(0.0, None)

    computer = Computer({"probe": make_panel(compute=compute)})
    task, small, large = Task(1, "probe", Params()), make_frame(size=(8, 8)), make_frame(size=(16, 8))
    monkeypatch.setattr("explorer.engine.compute.QUICK", 1e9)
    for one, frame in ((task, small), (task, small), (task, large), (Task(1, "probe", Params(factor=2)), large)):
        computer.compute(frame, one)
    assert watched == [True, False, True, True]
    monkeypatch.setattr("explorer.engine.compute.QUICK", 0.0)
    computer.compute(small, task)
    computer.compute(small, task)
    assert watched[4:] == [True, True]
