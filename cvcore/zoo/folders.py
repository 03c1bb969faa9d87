"""The folders of weights that are not built in. Looked up at each call, since they are named by the environment."""

import os
import secrets
from collections.abc import Callable, Hashable
from itertools import count
from pathlib import Path
from typing import TextIO

from platformdirs import PlatformDirs

_numbers = count()
_changed = next(_numbers)


def changes() -> Hashable:
    """Becomes another one with every change of these folders by this process, and when others are named. Looks at no file."""
    return _changed, os.environ.get("CV_EXPLORER_HOME"), os.environ.get("CV_EXPLORER_WEIGHTS")


def note_change() -> None:
    """To be called after every change of these folders."""
    global _changed
    _changed = next(_numbers)


def folder() -> Path:
    """Where downloaded weights are kept: in the user's data folder, or under ``CV_EXPLORER_HOME`` where that is set."""
    if home := os.environ.get("CV_EXPLORER_HOME"):
        return Path(home) / "weights"
    return Path(PlatformDirs("cv-explorer", appauthor=False).user_data_dir) / "weights"


def offline_folder() -> Path | None:
    """``CV_EXPLORER_WEIGHTS``: a folder of checkpoints under their own names, read before any other and never written."""
    named = os.environ.get("CV_EXPLORER_WEIGHTS")
    return Path(named) if named else None


def write_file(path: Path, write: Callable[[TextIO], object]) -> None:
    """Writes a small text file, whole or not at all, and its folder.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
