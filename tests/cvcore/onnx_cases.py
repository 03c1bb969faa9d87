"""The small models that the onnx package tests readers with, and what ONNX Runtime makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cvcore.foreign.onnx import OnnxNetwork
from cvcore.foreign.onnx.reading import read_model, tensor_of

Array = NDArray[Any]
CHANCE = ("bernoulli", "dropout", "random")


def by_runtime(path: Path, feeds: dict[str, Array]) -> list[Any]:
    """What ONNX Runtime gives."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    made: list[Any] = session.run(None, feeds)
    return made


def close(given: Any, wanted: Any, tolerance: float = 1e-4) -> bool:
    """Whether values, or lists of them, are the same in shape, type and number."""
    if isinstance(wanted, list):
        return isinstance(given, list) and len(given) == len(wanted) and all(map(close, given, wanted))
    array, wanted = (given.numpy() if isinstance(given, torch.Tensor) else given), np.asarray(wanted)
    if array.shape != wanted.shape or array.dtype != wanted.dtype:
        return False
    if wanted.dtype.kind in "OUb":
        return bool((array == wanted).all())
    return bool(np.allclose(array, wanted, atol=tolerance, rtol=1e-3, equal_nan=True))


def run_cases(folder: Path, every: int = 1) -> tuple[int, list[str]]:
    """How many models give the same as in the runtime, and the names of those that do not. Those that it does not run are left out.

    Args:
        every: takes one of so many.
    """
    from onnx.backend.test.case.node import collect_testcases

    cases = collect_testcases(None)[::every]
    path, same, other = folder / "net.onnx", 0, []
    for case in cases:
        given = case.data_sets[0][0]
        plain = all(isinstance(one, np.ndarray | np.generic) and one.dtype.kind in "biufc" for one in given)
        if not plain or any(word in case.name for word in CHANCE):
            continue
        path.write_bytes(case.model.SerializeToString())
        feeds = dict(zip((one.name for one in case.model.graph.input), map(np.asarray, given), strict=False))
        try:
            wanted = by_runtime(path, feeds)
        except Exception:  # what the runtime does not run need not run here
            continue
        try:
            made = OnnxNetwork(read_model(path))(*(tensor_of(one.copy()) for one in feeds.values()))
        except Exception as error:
            other.append(f"{case.name}: {error}")
            continue
        values = list(made.values()) if isinstance(made, dict) else [made]
        if len(values) == len(wanted) and all(map(close, values, wanted)):
            same += 1
        else:
            other.append(case.name)
    return same, other
