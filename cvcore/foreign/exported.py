"""A network from a file of torch.export (``.pt2``), as modules that can be looked into.

Such a file is a zip of JSON and tensors, but torch's reader trusts it: it falls back to unpickling anything, evaluates
the expressions for sizes as Python, and looks up operations by any dotted name. So everything in the file is checked first.
"""

import ast
import json
import os
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvcore.foreign.errors import ModelError, short

OPERATIONS = re.compile(
    r"torch\.ops(\.[A-Za-z]\w*){2,3}"  # an operator of a namespace, with its overload
    r"|torch\.(sym_\w+|_sym_sqrt)"
    r"|_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|getitem|ge|gt|le|lt|eq|ne|and_|or_|not_|xor)"
    r"|math\.(ceil|floor|trunc|sqrt)"
)
SIZES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.BoolOp,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Constant,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.boolop,
    ast.expr_context,
)
NUMBERS = ("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Abs", "Mod", "PythonMod")
DIVISIONS = (
    "FloorDiv",
    "CeilDiv",
    "CleanDiv",
    "ModularIndexing",
    "PowByNatural",
    "IntTrueDiv",
    "FloatTrueDiv",
    "Where",
)
ROUNDINGS = ("CeilToInt", "FloorToInt", "TruncToInt", "RoundToInt", "TruncToFloat", "ToFloat", "And", "Or", "Not")
RELATIONS = ("Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Equality", "Unequality", "LessThan", "GreaterThan")
FUNCTIONS = frozenset((*NUMBERS, *DIVISIONS, *ROUNDINGS, *RELATIONS, "StrictLessThan", "StrictGreaterThan"))
"""Of sympy and of torch's additions to it, which expressions for sizes consist of."""
MOST_JSON = 256 << 20
_LOADING = threading.RLock()


def load_exported(path: Path) -> nn.Module:
    """The network with the hierarchy of modules it was exported from.

    Its attribute ``input_shape`` is that of the first input, None where any size will do.

    Raises:
        ModelError: the file is missing or damaged, is from another version of torch, or would run code.
    """
    check(path)
    try:
        with _LOADING, _weights_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
            inputs = [
                node.meta["val"]
                for node in program.graph.nodes
                if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
            ]
            network = torch.export.unflatten(program)
    except Exception as error:
        if "warnings above" in str(error):  # torch has logged why: as a rule that it is none of its files
            raise ModelError("{file} is damaged, or no file of torch.export.", file=path.name) from error
        raise ModelError(
            "{file} cannot be read by torch {version}: {what}",
            file=path.name,
            version=torch.__version__,
            what=short(error),
        ) from error
    tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
    if len(inputs) != 1 or len(tensors) != 1:
        raise ModelError(
            "{file} takes {count} inputs; one picture is what can be given.", file=path.name, count=len(inputs)
        )
    shape = tuple(side if isinstance(side, int) else None for side in tensors[0].shape)
    network.input_shape = shape  # type: ignore[assignment]
    return network


def check(path: Path) -> None:
    """Whether a .pt2 file holds tensor operations and tensors, and nothing that runs when it is read.

    Raises:
        ModelError: something else is in it, or it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) < len(names):
                raise _refused(path, "two parts of one name")
            for entry in entries:
                if "custom_obj" in entry.filename or "aotinductor" in entry.filename:
                    raise _refused(path, entry.filename)
                if entry.filename.endswith(".json"):
                    if entry.file_size > MOST_JSON:
                        raise _refused(path, entry.filename)
                    _check_json(path, json.loads(archive.read(entry)))
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except (OSError, zipfile.BadZipFile, ValueError, RecursionError) as error:
        raise ModelError("{file} is damaged, or no file of torch.export.", file=path.name) from error


def _refused(path: Path, what: str) -> ModelError:
    return ModelError(
        "{file} holds more than tensors and their operations ({what}); it was not read.", file=path.name, what=what
    )


def _check_json(path: Path, value: Any) -> None:
    if isinstance(value, list):
        for part in value:
            _check_json(path, part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key == "target" and isinstance(part, str) and not _is_operation(part):
                raise _refused(path, part[:80])
            if key == "target" and isinstance(part, str) and not _is_known(part):
                raise ModelError(
                    "{file} needs the operation {name}, which torch {version} does not have here.",
                    file=path.name, name=part[:80], version=torch.__version__,
                )  # fmt: skip
            if key == "expr_str" and isinstance(part, str) and not is_size(part):
                raise _refused(path, part[:80])
            if key == "range_constraints" and isinstance(part, dict):
                for name in part:
                    if not is_size(name):
                        raise _refused(path, name[:80])
            _check_json(path, part)


def _is_operation(target: str) -> bool:
    """What torch does not look up is a plain name: of an input, a weight, an output."""
    looked_up = target.startswith(("torch", "_operator", "math", "#"))
    return not looked_up or (OPERATIONS.fullmatch(target) is not None and "__" not in target)


def _is_known(target: str) -> bool:
    """Whether torch has the operation; one of another package is there once that is imported."""
    found: Any = torch.ops
    for name in target.removeprefix("torch.ops.").split(".") if target.startswith("torch.ops.") else ():
        found = getattr(found, name, None)
    return found is not None


def is_size(expression: str) -> bool:
    """Whether an expression for a size is arithmetic, such as ``2*s39`` or ``Max(1, Symbol('s0'))``."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # Text is evaluated anew wherever it is an argument, but as the name of a symbol.
    texts = {id(n) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))]):
                fine = re.fullmatch(r"[A-Za-z]\w*", name) is not None and "__" not in name
                texts.discard(id(node.args[0]))
            case ast.Call(func=func):
                fine = isinstance(func, ast.Name) and func.id in FUNCTIONS
            case ast.Name(id=name):
                fine = "__" not in name
            case ast.Constant(value=value):
                fine = isinstance(value, bool | int | float | str)
            case _:
                fine = isinstance(node, SIZES)
        if not fine:
            return False
    return not texts


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
