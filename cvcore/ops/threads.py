"""Sharing work between threads, piece by piece, without Python's lock in between."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

SMALL = 200_000
"""Below this many multiplications a second thread costs more than it saves."""
Turns = NDArray[np.int64]
"""(1,) the number of the next piece of work."""


@intrinsic
def take(_: Any, turns: Any) -> Any:
    """The number of the next piece, which no other thread gets."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(turns), generate


def has_loops(values: Tensor) -> bool:
    """Whether the compiled loops can read this tensor: not on devices other than the CPU."""
    return values.device.type == "cpu"


def threads_for(pieces: int, cost: float) -> int:
    """How many threads share that many pieces of work, of that many multiplications in all."""
    return 1 if cost < SMALL else max(1, min(torch.get_num_threads(), pieces, os.cpu_count() or 1))


def in_threads(work: Callable[[Turns], None], pieces: int, cost: float) -> None:
    """Call ``work`` in as many threads as torch has; each takes pieces 0, 1, ... by :func:`take` until none is left.

    So a thread that has to wait for a processor leaves its share to the others. The loops let go of Python's lock. Plain threads rather
    than numba's, whose pools do not survive a fork or a second caller.

    Args:
        cost: of all of it, in multiplications.
    """
    threads = threads_for(pieces, cost)
    turns = np.zeros(1, np.int64)
    others = [threading.Thread(target=work, args=(turns,), daemon=True) for _ in range(1, threads)]
    for thread in others:
        thread.start()
    work(turns)
    for thread in others:
        thread.join()
