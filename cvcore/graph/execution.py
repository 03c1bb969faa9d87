"""What a network really did in one forward pass: which module calls ran, which operations, and whose result each of them used.

Nothing is read from the code, so control flow that depends on data, shared modules, work in place and any form of output are followed as
they happened. Two torch modes watch the pass. A function mode sees what the Python code calls and gives an operation its name
(``relu``, ``cat``, ``interpolate``); a dispatch mode sees every kernel below, and with it which tensor came from where, also inside
compiled scripts and custom autograd functions. Forward hooks say which module is at work. All three end with the pass, also after an error.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cvcore.graph.origins import Origins, memory, tensors

Shape = tuple[int, ...]

NETWORK = 0
"""The index of the call of the network itself."""
NOWHERE = -1
"""The call of inputs and outputs, which belong to no module."""

REARRANGING = frozenset(
    (
        "_reshape_alias",
        "_to_copy",
        "_unsafe_view",
        "alias",
        "clone",
        "contiguous",
        "detach",
        "lift_fresh",
        "resolve_conj",
    )
)
"""Kernels that give the same numbers again; views are told by the memory they share."""
OVERWRITING = frozenset(("copy_", "fill_", "zero_"))
"""Kernels that do not look at what was in the tensor they write."""
NAMES = {"iadd": "add", "radd": "add", "imul": "mul", "rmul": "mul", "isub": "sub", "rsub": "sub", "truediv": "div",
         "itruediv": "div", "rtruediv": "div", "rdiv": "div", "setitem": "assign", "imatmul": "matmul", "rmatmul": "matmul",
         "addmm": "linear", "convolution": "conv", "native_batch_norm": "batch_norm", "native_layer_norm": "layer_norm",
         "concat": "cat", "concatenate": "cat", "multiply": "mul"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module.

    Args:
        name: the module's dotted name; of a module with several names the first.
        type: its class.
        parent: index of the call in which it ran; -1 for the network itself.
        depth: 0 for the network itself.
        turn: 0 for the module's first call, 1 for its second.
        parameters: numbers in the module and below it, each counted once.
    """

    name: str
    type: str
    parent: int
    depth: int
    turn: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Link:
    """An operation used what another one gave.

    Args:
        source: index of the operation that gave it.
        shape: of the tensor as it was used, after any reshaping on the way.
    """

    source: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Operation:
    """Something computed. Operations that only rearrange (views, copies) are no operations of their own.

    Args:
        name: of the function, such as ``add``; ``input`` and ``output`` where call is -1.
        call: index of the module call it ran in.
        links: what it used, in the order of its arguments; weights and constants are not among them.
        shapes: of the tensors it gave.
        bytes: newly used for them; 0 where it worked in place.
        inplace: it rewrote a tensor.
        label: of an input or output, where it stands in the arguments or the result, such as ``scores`` or ``1``.
    """

    name: str
    call: int
    links: tuple[Link, ...]
    shapes: tuple[Shape, ...]
    bytes: int
    inplace: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One forward pass. Calls and operations are in the order in which they began."""

    calls: tuple[Call, ...]
    operations: tuple[Operation, ...]


def execute(model: nn.Module, *inputs: Any) -> Execution:
    """Runs the network once on the inputs and notes what happened. Results are the network's own, bit for bit; no gradients are made.

    Raises:
        Exception: whatever the network raises.
    """
    return _run(model, inputs).execution()


def operation_seconds(
    model: nn.Module,
    execution: Execution,
    *inputs: Any,
    repeats: int = 7,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[float, ...]:
    """Seconds in each operation's kernels: the median of several passes, after one to warm up.

    The time Python takes between the kernels is not in it. On a GPU the device is waited for around every kernel.

    Args:
        cancelled: looked at before every pass; once true, what was measured so far counts (perhaps nothing: an empty tuple).

    Raises:
        ValueError: the network did something else than in ``execution``.
    """
    names = [operation.name for operation in execution.operations]
    samples: list[list[float]] = []
    for turn in range(repeats + 1):
        if cancelled():
            break
        tracer = _run(model, inputs, timed=True)
        if [made.name for made in tracer.operations] != names:
            raise ValueError("the network took another way through its layers than before")
        if turn:
            samples.append([made.seconds for made in tracer.operations])
    return tuple(median(column) for column in zip(*samples, strict=True))


@dataclass(slots=True)
class _Made:
    """An operation while it runs."""

    name: str
    call: int
    links: dict[tuple[int, Shape], None]
    shapes: tuple[Shape, ...] = ()
    bytes: int = 0
    inplace: bool = False
    label: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Frame:
    """A function that Python code called, and the operation it turned out to be."""

    name: str
    made: int | None = None


class _Tracer:
    """Collects calls and operations while the pass runs."""

    def __init__(self, timed: bool) -> None:
        self.calls: list[Call] = []
        self.operations: list[_Made] = []
        self.stack: list[int] = []
        self.frame: _Frame | None = None
        self.origins = Origins()
        self.timed = timed
        self.wait: Callable[[], None] = lambda: None
        self._turns: dict[str, int] = {}
        self._given: dict[int, list[Tensor]] = {}

    def execution(self) -> Execution:
        return Execution(
            tuple(self.calls),
            tuple(
                Operation(m.name, m.call, tuple(Link(*link) for link in m.links), m.shapes, m.bytes, m.inplace, m.label)
                for m in self.operations
            ),
        )

    def begin(self, name: str) -> int:
        """A new operation, in the call that is at work now."""
        self.operations.append(_Made(name, self.stack[-1] if self.stack else NOWHERE, {}))
        return len(self.operations) - 1

    def link(self, made: int, tensor: Tensor) -> None:
        """An operation uses a tensor."""
        for source in sorted(self.origins.of(tensor)):
            if source != made:
                self.operations[made].links[source, tuple(tensor.shape)] = None

    # -- modules

    def enter(self, module: nn.Module, name: str, given: Any) -> None:
        parent = self.stack[-1] if self.stack else NOWHERE
        turn = self._turns.get(name, 0)
        self._turns[name] = turn + 1
        size = sum(p.numel() for p in module.parameters())
        self.stack.append(len(self.calls))
        self.calls.append(Call(name, type(module).__name__, parent, len(self.stack) - 1, turn, size))
        self._given[self.stack[-1]] = [tensor for _, tensor in tensors(given)]

    def leave(self, output: Any) -> Any:
        """The module is done. One that did nothing visible still stands in the way of its data, and becomes an operation."""
        call = self.stack[-1]
        given = self._given.pop(call)
        found = [tensor for _, tensor in tensors(output)]
        silent = call == len(self.calls) - 1 and not any(m.call == call for m in reversed(self.operations))
        unknown = [tensor for tensor in found if not self.origins.of(tensor)]
        if found and (silent or unknown) and call != NETWORK:
            made = self.begin(self.calls[call].type)
            for tensor in given:
                self.link(made, tensor)
            # Identity and Dropout hand back the very tensor they got, which others may use as well: it gets a second face.
            if isinstance(output, Tensor) and silent and any(output is tensor for tensor in given):
                output = output.view_as(output)
                found = [output]
            for tensor in found if silent else unknown:
                self.origins.set(tensor, frozenset((made,)))
            self.operations[made].shapes = tuple(tuple(tensor.shape) for tensor in found)
            old = {memory(tensor) for tensor in given}
            self.operations[made].bytes = sum(t.nbytes for t in found if memory(t) not in old)
        self.stack.pop()
        return output

    # -- functions and kernels

    def function(self, name: str, run: Callable[[], Any], given: Any) -> Any:
        """Runs a function that Python code calls; functions inside it are part of it."""
        if self.frame is not None:
            return run()
        self.frame = frame = _Frame(name)
        try:
            output = run()
        finally:
            self.frame = None
        if frame.made is not None:
            self._measure(frame.made, given, output)
        return output

    def kernel(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a kernel and notes what it used and made."""
        if self.timed:
            self.wait()
            begun = time.perf_counter()
            output = func(*args, **kwargs)
            self.wait()
            seconds = time.perf_counter() - begun
        else:
            output, seconds = func(*args, **kwargs), 0.0
        name = func.overloadpacket.__name__
        used = [tensor for _, tensor in tensors((args, tuple(kwargs.values())))]
        written = _written(func, args, kwargs)
        made_now = [tensor for _, tensor in tensors(output)]
        if not made_now and not written:
            return output
        read = [t for t in used if not (name in OVERWRITING and any(t is w for w in written))]
        if not written and self._rearranged(name, used, made_now):
            return output
        if not any(self.origins.of(tensor) for tensor in read):
            return output  # made of weights and constants only
        frame = self.frame
        made = frame.made if frame is not None else None
        if made is None:
            made = self.begin(frame.name if frame is not None else NAMES.get(name.strip("_"), name.strip("_")))
            if frame is not None:
                frame.made = made
        for tensor in read:
            self.link(made, tensor)
        for tensor in written:
            self.origins.write(tensor, made)
        self.operations[made].inplace |= bool(written)
        for tensor in made_now:
            if not any(tensor is w for w in written):
                self.origins.set(tensor, frozenset((made,)))
        self.operations[made].seconds += seconds
        if frame is None:
            self._measure(made, (args, kwargs), output)
        return output

    def _rearranged(self, name: str, used: list[Tensor], found: list[Tensor]) -> bool:
        """Whether a kernel only gave what was there in another form; its outputs then come from where the input came."""
        for tensor in found:
            same = [t for t in used if memory(t) == memory(tensor)]
            source = same[0] if same else used[0] if name in REARRANGING and used else None
            if source is None:
                return False
            self.origins.set(tensor, self.origins.of(source))
        return True

    def _measure(self, made: int, given: Any, output: Any) -> None:
        found = [tensor for _, tensor in tensors(output)]
        old = {memory(tensor) for _, tensor in tensors(given)}
        operation = self.operations[made]
        operation.shapes = tuple(tuple(tensor.shape) for tensor in found)
        operation.bytes = sum({memory(t): t.nbytes for t in found if memory(t) not in old}.values())


class _Functions(TorchFunctionMode):
    def __init__(self, tracer: _Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        name = getattr(func, "__name__", type(func).__name__).split(".")[0].strip("_")
        return self.tracer.function(NAMES.get(name, name), lambda: func(*args, **given), (args, given))


class _Kernels(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; otherwise torch would import its compiler, a second and a half of work, for the first pass."""
        return False

    def __init__(self, tracer: _Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.tracer.kernel(func, args, kwargs or {})


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """The arguments a kernel writes into, as its schema says."""
    found = []
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[number] if number < len(args) else kwargs.get(argument.name)
            found += [tensor for _, tensor in tensors(value)]
    return found


def _run(model: nn.Module, inputs: tuple[Any, ...], *, timed: bool = False) -> _Tracer:
    tracer, owner = _Tracer(timed), get_ident()
    first = next((tensor for _, tensor in tensors(inputs)), None)
    if timed and first is not None and first.device.type in ("cuda", "mps"):
        tracer.wait = torch.cuda.synchronize if first.device.type == "cuda" else torch.mps.synchronize

    def hook(name: str, module: nn.Module, stack: ExitStack) -> None:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            if get_ident() == owner:
                tracer.enter(module, name, (args, kwargs))

        def leave(module: nn.Module, args: Any, output: Any) -> Any:
            return tracer.leave(output) if get_ident() == owner else None

        stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True, prepend=True).remove)
        stack.callback(module.register_forward_hook(leave, always_call=True).remove)

    with ExitStack() as stack:
        # Only outside inference mode do views and weak references of every tensor behave alike.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for path, tensor in tensors(inputs):
            made = tracer.begin("input")
            tracer.operations[made].label = path
            tracer.operations[made].shapes = (tuple(tensor.shape),)
            tracer.operations[made].bytes = tensor.nbytes
            tracer.origins.set(tensor, frozenset((made,)))
        for name, module in model.named_modules():
            hook(name, module, stack)
        stack.enter_context(_Kernels(tracer))
        stack.enter_context(_Functions(tracer))
        result = model(*inputs)
    tracer.stack.clear()
    for path, tensor in tensors(result):
        made = tracer.begin("output")
        tracer.operations[made].label = path
        tracer.operations[made].shapes = (tuple(tensor.shape),)
        tracer.link(made, tensor)
    return tracer
