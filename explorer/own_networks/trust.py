"""Which Python files the user has said may run: by path and SHA-256, so that a changed file is asked for anew."""

import threading
from pathlib import Path

from cvcore.foreign import ModelError, fingerprint
from explorer.files.stored import read_stored, write_stored

NAME = "trusted"
_lock = threading.Lock()
_this_time: dict[str, str] = {}


def is_trusted(path: Path) -> bool:
    """Whether the user said yes to this path with its present content.

    Raises:
        ModelError: the file cannot be read.
    """
    key, digest = str(path.resolve()), fingerprint(path)
    return _this_time.get(key) == digest or _remembered().get(key) == digest


def trust(path: Path, digest: str, *, remember: bool = True) -> None:
    """The user says yes to a path and this content of it.

    Args:
        digest: the SHA-256 of what the user was asked about.
        remember: also for later runs of the program.
    """
    key = str(path.resolve())
    with _lock:
        _this_time[key] = digest
        if remember:
            write_stored(NAME, {"files": _remembered() | {key: digest}})


def require_trust(path: Path) -> None:
    """Nothing, if the file may run.

    Raises:
        ModelError: it may not.
    """
    if not is_trusted(path):
        raise ModelError(
            "{file} was not run: you have not allowed it, or it has changed since. Open it again as a network of your own.",
            file=path.name,
        )


def _remembered() -> dict[str, str]:
    files = read_stored(NAME).get("files")
    return {str(k): v for k, v in files.items() if isinstance(v, str)} if isinstance(files, dict) else {}
