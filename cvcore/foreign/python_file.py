"""A network from a Python file of the user's. Loading one runs it: ask before, see :func:`cvcore.foreign.fingerprint`."""

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from cvcore.foreign.errors import ModelError, error_in, short

_LOADING = threading.RLock()
"""``sys.path`` and ``sys.modules`` are the whole process's: one file at a time."""


def builders(path: Path) -> tuple[str, ...]:
    """Names that may make the network, likeliest first, found without running the file.

    These are functions and classes that need no arguments, and, last, names that a network may have been given to.

    Raises:
        ModelError: the file cannot be read, or is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ModelError("The file {file} cannot be read.", file=path.name) from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise error_in(error, [path]) or ModelError("The file {file} is no Python.", file=path.name) from error
    functions, classes, names = [], [], []
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name, args=args) if not name.startswith("_") and not _needed(args, 0):
                functions.append(name)
            case ast.ClassDef(name=name) if node.bases and any("Module" in ast.unparse(base) for base in node.bases):
                made = next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)
                if made is None or not _needed(made.args, 1):
                    classes.append(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()) if not name.startswith("_"):
                names.append(name)
    # Whole networks are usually written below their parts.
    return (*reversed(functions), *reversed(classes), *reversed(names))


def _needed(args: ast.arguments, own: int) -> int:
    """How many arguments have no default."""
    plain = len(args.posonlyargs) + len(args.args) - own - len(args.defaults)
    return max(0, plain) + sum(default is None for default in args.kw_defaults)


def load_python(path: Path, function: str = "") -> nn.Module:
    """Runs a file and calls one of its functions or classes, or takes a network it holds under that name.

    The file's folder (of a package: the folder that holds the package) is on ``sys.path`` meanwhile, so that it can
    import what lies next to it. What it imported from there is forgotten again, so that two files may each have, say, a
    ``layers.py`` of their own.

    Args:
        function: empty takes the likeliest of :func:`builders`.

    Raises:
        ModelError: the file fails, or gives no network.
    """
    if not function:
        function = next(iter(builders(path)), "")
        if not function:
            raise ModelError("{file} has no function that makes a network without arguments.", file=path.name)
    root = _package_root(path)
    with _LOADING, _beside(root):
        try:
            module = _run(path, root)
            made = _make(module, path, function)
        except ModelError:
            raise
        except (Exception, SystemExit) as error:
            raise error_in(error, [path, path.parent, root]) or ModelError(
                "{file} could not be run: {what}", file=path.name, what=short(error)
            ) from error
    if isinstance(made, torch.jit.ScriptModule):
        raise ModelError(
            "{function} in {file} gives a TorchScript program, into which nobody can look; let it give the network as it was "
            "before torch.jit.script or torch.jit.trace.",
            function=function,
            file=path.name,
        )
    if not isinstance(made, nn.Module):
        raise ModelError(
            "{function} in {file} gives {kind}, not a network (torch.nn.Module).",
            function=function,
            file=path.name,
            kind=type(made).__name__,
        )
    return made


def _make(module: ModuleType, path: Path, function: str) -> Any:
    if not hasattr(module, function):
        names = ", ".join(builders(path)) or "–"
        raise ModelError("{file} has no {function}; it has {names}.", file=path.name, function=function, names=names)
    maker = getattr(module, function)
    if isinstance(maker, nn.Module):
        return maker
    if not callable(maker):
        return maker
    with contextlib.suppress(ValueError):  # of what is not written in Python nothing is known
        open_ones = [
            p.name
            for p in inspect.signature(maker).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if open_ones:
            raise ModelError(
                "{function} in {file} needs arguments ({names}); write a function without any that calls it.",
                function=function,
                file=path.name,
                names=", ".join(open_ones),
            )
    return maker()


def _package_root(path: Path) -> Path:
    """The folder to import from: the file's own, or the one that holds the package it belongs to."""
    folder = path.resolve().parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _run(path: Path, root: Path) -> ModuleType:
    path = path.resolve()
    if path.parent != root:
        return importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
    # A name of its own, which stays: dataclasses and type hints look their module up by it.
    name = f"cv_explorer_own_{hashlib.sha256(bytes(path)).hexdigest()[:12]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[None]:
    """Lets modules in a folder be imported while the block runs, instead of others of the same name."""
    own = {p.stem for p in root.iterdir() if p.suffix == ".py" or (p.is_dir() and (p / "__init__.py").exists())}
    own -= sys.stdlib_module_names | {"torch", "numpy", "torchvision", "timm"}
    aside = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}
    for name in aside:
        del sys.modules[name]
    before, silent = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True  # nothing is written into the user's folder
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = silent
        with contextlib.suppress(ValueError):
            sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in own and not name.startswith("cv_explorer_own_"):
                del sys.modules[name]
        sys.modules.update(aside)
