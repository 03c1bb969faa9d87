"""A network from a file of torch.export (``.pt2``), as modules that can be looked into."""

import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, InputSpec, TensorArgument
from torch.utils._pytree import tree_flatten_with_path, tree_structure, tree_unflatten

from cvcore.foreign.archive import checked
from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.inputs import Asked

_LOADING = threading.RLock()


def load_exported(path: Path) -> nn.Module:
    """The network with the hierarchy of modules it was exported from.

    Its attribute ``asked`` says what it is called with, ``arrange_inputs`` how, where that is not one tensor.

    Raises:
        ModelError: the file is missing or damaged, is from another version of torch, or would run code.
    """
    try:
        with checked(path) as archive, _LOADING, _weights_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(archive)
            network = torch.export.unflatten(program)
    except ModelError:
        raise
    except Exception as error:
        if "warnings above" in str(error):  # torch has logged why: as a rule that it is none of its files
            raise ModelError("{file} is damaged, or no file of torch.export.", file=path.name) from error
        raise ModelError(
            "{file} cannot be read by torch {version}: {what}",
            file=path.name,
            version=torch.__version__,
            what=short(error),
        ) from error
    leaves = _leaves(program)
    network.asked = tuple(_asked(program, *leaf) for leaf in leaves)  # type: ignore[assignment]
    structure = program.call_spec.in_spec
    if structure is not None and not (len(leaves) == 1 and structure == tree_structure(((0,), {}))):
        # The network compares structures to the letter, with tuples, dicts and constants.
        fixed = {name: spec.arg.value for name, spec in leaves if isinstance(spec.arg, ConstantArgument)}
        names = [name for name, _ in leaves]

        def arrange(values: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            given = [values[name] if name in values else fixed.get(name) for name in names]
            args, kwargs = tree_unflatten(given, structure)
            return tuple(args), dict(kwargs)

        network.arrange_inputs = arrange  # type: ignore[assignment]
    return network


def _leaves(program: ExportedProgram) -> list[tuple[str, InputSpec]]:
    """The inputs in order: the name of the argument with what lies in it behind dots, and what the file says of it."""
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
    structure = program.call_spec.in_spec
    paths: list[tuple[Any, ...]] = [()] * len(specs)
    if structure is not None and structure.num_leaves == len(specs):
        paths = [path for path, _ in tree_flatten_with_path(tree_unflatten(specs, structure))[0]]
    signature = program.module_call_graph[0].signature
    arguments = (signature.forward_arg_names if signature is not None else None) or []
    return [(_name(path, arguments) or spec.arg.name, spec) for path, spec in zip(paths, specs, strict=True)]


def _name(path: tuple[Any, ...], arguments: Sequence[str]) -> str:
    """From ``(SequenceKey(0), SequenceKey(1), MappingKey('a'))``: the second argument's ``a``."""
    keys = [str(getattr(key, "idx", getattr(key, "key", getattr(key, "name", "")))) for key in path]
    if len(keys) < 2:
        return ""
    first = keys[1]
    if keys[0] == "0":
        place = int(first)
        first = arguments[place] if place < len(arguments) else ""
        if not first and len(keys) == 2:
            return ""
        first = first or f"input{place}"
    return ".".join((first, *keys[2:]))


def _asked(program: ExportedProgram, name: str, spec: InputSpec) -> Asked:
    if not isinstance(spec.arg, TensorArgument):
        value = getattr(spec.arg, "value", None)
        return Asked(name, None, "", needed=False, constant=repr(value))
    value = next(
        node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name == spec.arg.name
    )
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Asked(name, shape, str(value.dtype).removeprefix("torch."))


@contextmanager
def _weights_only() -> Iterator[None]:
    """torch reads pickles of tensors only, whatever its own code asks for."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
