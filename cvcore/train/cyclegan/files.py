"""Files that appear whole or not at all, and a log of JSON lines."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
