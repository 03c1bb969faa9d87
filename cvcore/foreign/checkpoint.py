"""Reads files of weights, and never code: safetensors, or what ``torch.load(weights_only=True)`` takes."""

import argparse
import datetime
import pathlib
import pickle
import re
import types
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from cvcore.foreign.errors import ModelError

CODE = re.compile(r"Unsupported global|Unsupported class|not an allowed|blocked|unrecognized function|Can only|GLOBAL")
"""In what torch says of a pickle that would call something."""
ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt")
WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What torch's own wrappers put into keys, wherever in the network they are used."""


@dataclass(frozen=True, slots=True)
class State:
    """What lies under one key of a checkpoint.

    Args:
        values: tensors by name, and what else stands beside them (packed weights, extra state, the number of the epoch).
        aliases: further names of tensors, with the name under which each is kept.
        metadata: versions of modules, by their names, as ``state_dict()`` carries them.
    """

    values: Mapping[str, Any]
    aliases: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {key: value for key, value in self.values.items() if isinstance(value, Tensor)}

    def renamed(self, rename: Callable[[str], str]) -> "State":
        """The same under other names."""
        aliases = {rename(alias): rename(kept) for alias, kept in self.aliases.items()}
        # The name of a module has no dot at its end, as that of what lies in it would.
        metadata = {rename(f"{name}.").removesuffix("."): versions for name, versions in self.metadata.items()}
        return State({rename(key): value for key, value in self.values.items()}, aliases, metadata)

    def wanted_by(self, keys: Mapping[str, Any]) -> OrderedDict[str, Any]:
        """What ``load_state_dict`` gets: all tensors, of the rest what the network has too, and aliases that it asks for."""
        made = OrderedDict((k, v) for k, v in self.values.items() if isinstance(v, Tensor) or k in keys)
        for alias, kept in self.aliases.items():
            if alias in keys and alias not in made and kept in made:
                made[alias] = made[kept]
        if self.metadata:
            made._metadata = OrderedDict(self.metadata)  # type: ignore[attr-defined]
        return made


class Checkpoint(dict[str, Any]):
    """What a file holds, with the further names of tensors that safetensors notes."""

    aliases: Mapping[str, str] = types.MappingProxyType({})


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a file of weights holds: names to tensors, perhaps under a further key, beside other things.

    Raises:
        ModelError: it is missing, damaged or something else, or it holds Python code (which is not run).
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return _safetensors(path)
        _check_archive(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_plain()):
            warnings.simplefilter("ignore")  # of pickles in another format, which are read or refused all the same
            found = torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except FileNotFoundError as error:
        raise ModelError("The file {file} does not exist.", file=path.name) from error
    except (PermissionError, IsADirectoryError) as error:
        raise ModelError("The file {file} cannot be read.", file=path.name) from error
    except MemoryError as error:
        raise ModelError("There is not enough memory for {file}.", file=path.name) from error
    except pickle.UnpicklingError as error:
        if CODE.search(str(error)):
            raise ModelError(
                "{file} holds Python code, which was not run: save the network’s state_dict() instead, best as "
                ".safetensors.",
                file=path.name,
            ) from error
        raise ModelError("{file} is damaged, or no file of weights.", file=path.name) from error
    except Exception as error:  # whatever a reader trips over
        raise ModelError("{file} is damaged, or no file of weights.", file=path.name) from error
    if not isinstance(found, Mapping):
        raise ModelError(
            "{file} holds {kind}, not a network’s state_dict().", file=path.name, kind=type(found).__name__
        )
    return found


def _safetensors(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as file:
        made = Checkpoint((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118 - it is no dict
        noted = file.metadata() or {}
    made.aliases = {alias: kept for alias, kept in noted.items() if kept in made and alias not in made}
    return made


def _check_archive(path: Path) -> None:
    """Programs in files that are named like weights.

    Raises:
        ModelError: it is one.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        parts = {name.partition("/")[2] for name in archive.namelist()}
    if "models/model.json" in parts:
        raise ModelError("{file} is a network of torch.export, not weights: name it .pt2 and open it.", file=path.name)
    if "constants.pkl" in parts:
        raise ModelError(
            "{file} is a TorchScript program (torch.jit.save), not weights: torch.jit.load(…).state_dict() in Python gives "
            "those; save them.",
            file=path.name,
        )


def _plain() -> list[Any]:
    """Types that hold values and do nothing when they are made; many checkpoints have them beside the weights."""
    from numpy._core import multiarray

    kinds = {type(np.dtype(code)) for code in np.typecodes["All"] if code not in "SUV"}
    numpy = [multiarray.scalar, multiarray._reconstruct, np.ndarray, np.dtype, *kinds]
    older = [
        (multiarray.scalar, "numpy.core.multiarray.scalar"),
        (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    ]
    times = [datetime.datetime, datetime.timedelta, datetime.date, datetime.timezone]
    return [*numpy, *older, *times, argparse.Namespace, types.SimpleNamespace, pathlib.PosixPath, pathlib.PurePosixPath]


def candidates(found: Mapping[str, Any]) -> Iterator[tuple[str, State]]:
    """The dicts of tensors in a checkpoint with the keys they lie under (``state_dict``), the checkpoint's own first."""
    own = state_of(found)
    if own.tensors:
        yield "", own
    for key, value in found.items():
        parts = enumerate(value) if isinstance(value, list | tuple) else [(None, value)]
        for number, part in parts:
            if isinstance(part, Mapping):
                place = str(key) if number is None else f"{key}.{number}"
                for below, state in candidates(part):
                    yield f"{place}.{below}" if below else place, state


def state_of(found: Mapping[str, Any]) -> State:
    """The checkpoint itself as a state."""
    return State(
        {str(key): value for key, value in found.items()},
        getattr(found, "aliases", {}),
        getattr(found, "_metadata", {}),
    )
