"""Which devices, precisions and thread counts there are to choose from. Imports torch: called from the worker only."""

import os
from dataclasses import dataclass

from explorer.panel import Precision


@dataclass(frozen=True, slots=True)
class Device:
    """A device torch can compute on: its torch name, what a person calls it, and the precisions that are safe there."""

    name: str
    title: str
    precisions: tuple[Precision, ...]


def find_devices() -> tuple[Device, ...]:
    """All devices, the best first, which is what ``auto`` means."""
    import torch

    found: list[Device] = []
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        half: tuple[Precision, ...] = ("float16",)
        if torch.cuda.get_device_capability(i) >= (8, 0):
            half = ("bfloat16", "float16")
        found.append(Device(f"cuda:{i}", f"GPU {i}: {torch.cuda.get_device_name(i)}", ("float32", *half)))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "GPU (Metal)", ("float32", "float16")))
    # float16 on a CPU is emulated and loses range for nothing; bfloat16 keeps float32's range.
    found.append(Device("cpu", "CPU", ("float32", "bfloat16")))
    return tuple(found)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """Threads for torch when the user chooses none: all processors but one, which draws and decodes meanwhile.

    Threads of one pass wait for each other: with one of them held up by the window, all are.
    """
    return max(1, processors() - 1)


def gpu_memory(device: str) -> tuple[int, int] | None:
    """Bytes used and there in all, of a CUDA device; None for others."""
    import torch

    if not device.startswith("cuda"):
        return None
    free, total = torch.cuda.mem_get_info(torch.device(device))
    return total - free, total
