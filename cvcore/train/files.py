"""What a run leaves behind: files that appear whole or not at all, a log of JSON lines, and a stop that is waited for."""

import json
import os
import pickle
import signal
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def write_whole(file: Path, data: bytes) -> None:
    """Under another name first, onto the disk, then renamed."""
    partial = file.with_name(file.name + ".part")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


class Log:
    """One JSON object a line, each with its ``step``."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def rewind(self, step: int) -> None:
        """Drops what was written after a step, also a line that a kill cut short: those steps are taken again."""
        if not self.file.exists():
            return
        kept = []
        for line in self.file.read_text("utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):
                continue
        write_whole(self.file, "".join(line + "\n" for line in kept).encode())

    def add(self, row: Mapping[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


def read_checkpoint(file: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote, tensors on the CPU; nothing in it is executed.

    Raises:
        ValueError: it is no such file.
    """
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, struct.error, pickle.UnpicklingError) as error:
        raise ValueError(f"{file} is no checkpoint") from error
    return state


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that gets the signal when the process is told to stop, so that the step is finished and saved first."""
    got: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda number, _: got.append(number)) for kind in kinds}
    try:
        yield got
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
