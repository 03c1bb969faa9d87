"""Look inside any ``nn.Module``: :func:`record` keeps what chosen layers give, :func:`replay` runs on from there,
:func:`describe` lists the layers, :func:`layer_seconds` times them.

Layers go by their dotted name, as in ``named_modules()``; the empty name is the network itself. Every hook set here is removed
when the work is over, also after an error. Hooks act in the thread that set them, so two threads may look into one network.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from statistics import median
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.hooks import RemovableHandle


class Recording(Mapping[str, Any]):
    """What the layers gave, by name: ``recording["features.3"]`` is a clone of that layer's newest output.

    A layer that gives a tuple, list, dict or dataclass of tensors is kept in the same form. Iterating goes over the layers that
    have run. Clones keep their gradients where the forward pass makes them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._outputs: dict[str, list[Any]] = {name: [] for name in names}

    def __getitem__(self, name: str) -> Any:
        if not self._outputs[name]:
            raise KeyError(f"the layer {name!r} has not run")
        return self._outputs[name][-1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, outputs in self._outputs.items() if outputs)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def calls(self, name: str) -> tuple[Any, ...]:
        """The outputs of every call of a layer, first to last; empty if it has not run."""
        return tuple(self._outputs[name])


@contextmanager
def record(
    model: nn.Module, names: str | Iterable[str], *, memory_format: torch.memory_format = torch.preserve_format
) -> Iterator[Recording]:
    """Captures what the named layers give while the block runs; other layers run as ever::

        with record(model, ["features.3"]) as recording:
            scores = model(x)
        recording["features.3"]  # (N, C, h, w)

    Outputs are cloned as soon as they are there, so that a later in-place layer (``ReLU(inplace=True)``) does not rewrite them.

    Args:
        memory_format: of the clones. ``torch.contiguous_format`` gives plain (N, C, h, w) memory at no further cost.

    Raises:
        ValueError: the network has no layer of that name.
    """
    wanted = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    modules = [submodule(model, name) for name in wanted]
    recording = Recording(wanted)
    owner = get_ident()

    def keeper(outputs: list[Any]) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if get_ident() == owner:
                outputs.append(map_tensors(lambda t: t.clone(memory_format=memory_format), output))

        return keep

    handles: list[RemovableHandle] = []
    try:
        for name, module in zip(wanted, modules, strict=True):
            handles.append(module.register_forward_hook(keeper(recording._outputs[name])))
        yield recording
    finally:
        for handle in handles:
            handle.remove()


def replay(model: nn.Module, name: str, x: Any, inputs: Sequence[Any] | None = None) -> Any:
    """The network's output if the layer ``name`` gave ``x``: what comes after it runs on from there.

    Without ``inputs`` nothing before the layer runs; the network is then traced by ``torch.fx``, which cannot follow Python
    control flow that depends on data, and all paths must lead through the layer. With ``inputs`` the whole network runs on them,
    with the layer's output replaced: always possible, and skip connections around the layer carry what the inputs give.
    A layer that runs several times gives ``x`` each time. ``x`` is not changed; gradients flow back to it.

    Raises:
        ValueError: there is no such layer, or the network cannot be cut there without ``inputs``.
    """
    module = submodule(model, name)
    if inputs is not None:
        owner = get_ident()

        def give(module: nn.Module, args: Any, output: Any) -> Any:
            return map_tensors(Tensor.clone, x) if get_ident() == owner else output

        handle = module.register_forward_hook(give)
        try:
            return model(*inputs)
        finally:
            handle.remove()
    if name == "":
        return x
    return _cut(model, name)(map_tensors(Tensor.clone, x))


@dataclass(frozen=True, slots=True)
class Layer:
    """One module of a network.

    Args:
        name: dotted; empty for the network itself.
        type: the class, or what it stands for.
        depth: 0 for the network itself.
        shapes: of the tensors it gave in its last call; empty if it did not run.
        parameters: trainable numbers in it and below it, each counted once.
        calls: how often it ran.
        leaf: nothing below it.
    """

    name: str
    type: str
    depth: int
    shapes: tuple[tuple[int, ...], ...]
    parameters: int
    calls: int
    leaf: bool


@torch.no_grad()
def describe(model: nn.Module, *inputs: Any) -> tuple[Layer, ...]:
    """All layers in the order in which they were built, each after the one that holds it, with shapes from one forward pass."""
    seen: dict[str, tuple[tuple[int, ...], ...]] = {}
    calls: dict[str, int] = {}

    def note(name: str, output: Any) -> None:
        seen[name] = tuple(tuple(t.shape) for t in tensors(output))
        calls[name] = calls.get(name, 0) + 1

    with _hooks(model, after=note):
        model(*map_tensors(Tensor.clone, inputs))  # a network may work in place
    return tuple(
        Layer(
            name=name,
            type=type_name(module),
            depth=name.count(".") + 1 if name else 0,
            shapes=seen.get(name, ()),
            parameters=sum(p.numel() for p in module.parameters()),
            calls=calls.get(name, 0),
            leaf=next(module.children(), None) is None,
        )
        for name, module in model.named_modules()
    )


def type_name(module: nn.Module) -> str:
    """The class of a layer; of one that stands for another (torch.export's do), what its method ``type_name()`` says."""
    asked = getattr(module, "type_name", None)
    said = asked() if callable(asked) else None
    return said.rpartition(".")[2] if isinstance(said, str) else type(module).__name__


@torch.no_grad()
def layer_seconds(
    model: nn.Module, *inputs: Any, repeats: int = 7, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Seconds each layer takes in one forward pass: the median of several passes, after one to warm up.

    A layer that holds others includes them, and the few microseconds it takes to time each. On a GPU the device is waited
    for around every layer, so the sum is more than an untimed pass takes.

    Args:
        cancelled: looked at before every pass; once true, passes stop and what was measured is returned (perhaps nothing).
    """
    wait = _synchroniser(inputs)
    samples: dict[str, list[float]] = {}
    begun: dict[str, float] = {}
    spent: dict[str, float] = {}

    def before(name: str) -> None:
        wait()
        begun[name] = time.perf_counter()

    def after(name: str, output: Any) -> None:
        wait()
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun[name]

    with _hooks(model, before=before, after=after):
        for turn in range(repeats + 1):
            if cancelled():
                break
            spent.clear()
            model(*map_tensors(Tensor.clone, inputs))
            if turn:
                for name, seconds in spent.items():
                    samples.setdefault(name, []).append(seconds)
    return {name: median(values) for name, values in samples.items()}


def submodule(model: nn.Module, name: str) -> nn.Module:
    """The layer of that name.

    Raises:
        ValueError: there is none; the sentence names similar ones.
    """
    try:
        return model.get_submodule(name)
    except AttributeError:
        close = get_close_matches(name, [n for n, _ in model.named_modules() if n], 3, 0.5)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"the network {type(model).__name__} has no layer {name!r}{hint}") from None


@contextmanager
def _hooks(
    model: nn.Module, *, before: Callable[[str], None] | None = None, after: Callable[[str, Any], None]
) -> Iterator[None]:
    """Calls ``before(name)`` and ``after(name, output)`` around every layer, in this thread."""
    owner = get_ident()
    handles: list[RemovableHandle] = []

    def add(name: str, module: nn.Module) -> None:
        def pre(module: nn.Module, args: Any) -> None:
            if before is not None and get_ident() == owner:
                before(name)

        def post(module: nn.Module, args: Any, output: Any) -> None:
            if get_ident() == owner:
                after(name, output)

        if before is not None:
            handles.append(module.register_forward_pre_hook(pre))
        handles.append(module.register_forward_hook(post))

    try:
        for name, module in model.named_modules():
            add(name, module)
        yield
    finally:
        for handle in handles:
            handle.remove()


def _cut(model: nn.Module, name: str) -> fx.GraphModule:
    """What follows a layer, as a function of its output."""

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return module_qualified_name == name or super().is_leaf_module(m, module_qualified_name)

    try:
        graph = Tracer().trace(model)
    except Exception as error:
        raise ValueError(
            f"the network {type(model).__name__} cannot be cut at {name!r}; give its inputs too"
        ) from error
    places = [node for node in graph.nodes if node.op == "call_module" and node.target == name]
    if not places:
        raise ValueError(f"the layer {name!r} does not run")
    with graph.inserting_before(next(iter(graph.nodes))):
        given = graph.placeholder("given")
    after = {given}
    for node in places:
        node.replace_all_uses_with(given)
    for node in graph.nodes:
        if after.intersection(node.all_input_nodes):
            after.add(node)
    # What follows stays, also in-place work whose result nobody names, and whatever that needs besides.
    needed = set(after)
    for node in reversed(graph.nodes):
        if node in needed or node.op == "output":
            needed.update(node.all_input_nodes)
    for node in reversed(graph.nodes):
        if node in needed or node.op == "output":
            if node.op == "placeholder" and node is not given:
                raise ValueError(f"a path leads around the layer {name!r}; give the network's inputs too")
        else:
            graph.erase_node(node)
    return fx.GraphModule(model, graph)


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """``value`` with every tensor in its tuples, lists, dicts and dataclasses changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(change, v) for v in value))
    if isinstance(value, tuple | list):
        parts = [map_tensors(change, v) for v in value]
        try:
            return type(value)(parts)
        except TypeError:  # a class of the network's own that is made in another way
            return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        parts_by_key = {key: map_tensors(change, v) for key, v in value.items()}
        if type(value) is dict or not isinstance(value, MutableMapping):
            return parts_by_key
        filled = copy(value)
        filled.update(parts_by_key)
        return filled
    if is_dataclass(value) and not isinstance(value, type):
        made = copy(value)
        for f in fields(value):
            if hasattr(value, f.name):
                object.__setattr__(made, f.name, map_tensors(change, getattr(value, f.name)))
        return made
    return value


def tensors(value: Any) -> tuple[Tensor, ...]:
    """Every tensor in a network's or layer's output, in order: tuples, lists, dicts and dataclasses are walked."""
    found: list[Tensor] = []
    map_tensors(lambda t: (found.append(t), t)[1], value)  # type: ignore[func-returns-value]
    return tuple(found)


def _synchroniser(inputs: Any) -> Callable[[], None]:
    device = next((t.device.type for t in tensors(inputs)), "cpu")
    if device == "cuda":
        return torch.cuda.synchronize
    if device == "mps":
        return torch.mps.synchronize
    return lambda: None
