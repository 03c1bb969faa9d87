"""A network from a file of torch.export (``.pt2``), as modules that can be looked into."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from cvcore.foreign.archive import checked
from cvcore.foreign.errors import ModelError, short

_LOADING = threading.RLock()


def load_exported(path: Path) -> nn.Module:
    """The network with the hierarchy of modules it was exported from.

    Its attribute ``input_shape`` is that of the first input, None where any size will do.

    Raises:
        ModelError: the file is missing or damaged, is from another version of torch, or would run code.
    """
    try:
        with checked(path) as archive, _LOADING, _weights_only(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(archive)
            inputs = [
                node.meta["val"]
                for node in program.graph.nodes
                if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
            ]
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
    tensors = [value for value in inputs if isinstance(value, torch.Tensor)]
    if len(inputs) != 1 or len(tensors) != 1:
        raise ModelError(
            "{file} takes {count} inputs; one picture is what can be given.", file=path.name, count=len(inputs)
        )
    shape = tuple(side if isinstance(side, int) else None for side in tensors[0].shape)
    network.input_shape = shape  # type: ignore[assignment]
    return network


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
