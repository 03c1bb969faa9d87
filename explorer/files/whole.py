"""Files that are written whole or not at all, and what is said where that fails. No Qt."""

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from explorer.i18n import tr


class SaveError(Exception):
    """A file could not be written; the sentence says which and why."""


def write_whole(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file that is either whole or not there (an older one of that name stays until then).

    Args:
        write: gets a file open for bytes beside the final one.

    Raises:
        SaveError: the disk is full, the folder is missing or may not be written, and the like.
    """
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SaveError(_sentence(Path(path), error)) from error


def set_aside(path: Path, why: Literal["damaged", "newer"] = "damaged") -> Path | None:
    """Gives a file that is not understood another name, one that no file has, so that the next one written does not replace it.

    Returns:
        Where it is now (``settings.damaged.json``, ``settings.damaged-2.json``, ...); None if it cannot be moved.
    """
    for number in range(1, 10_000):
        aside = path.with_name(f"{path.stem}.{why}{'' if number == 1 else f'-{number}'}{path.suffix}")
        if not os.path.lexists(aside):
            try:
                os.replace(path, aside)
            except OSError:
                return None
            return aside
    return None


def reason(error: OSError) -> str:
    """Why a file could not be written, for the end of a sentence."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return tr("the disk is full")
        case errno.EACCES | errno.EPERM:
            return tr("writing there is not permitted")
        case errno.EROFS:
            return tr("the disk can only be read")
        case _:
            return error.strerror or str(error)


def _sentence(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return tr("{path} was not saved: the disk is full.", path=path)
        case errno.EACCES | errno.EPERM:
            return tr("{path} was not saved: writing there is not permitted.", path=path)
        case errno.EROFS:
            return tr("{path} was not saved: the disk can only be read.", path=path)
        case errno.ENOENT | errno.ENOTDIR:
            return tr("{path} was not saved: the folder does not exist.", path=path)
        case errno.EISDIR:
            return tr("{path} was not saved: it is a folder.", path=path)
        case errno.ENAMETOOLONG:
            return tr("{path} was not saved: the name is too long.", path=path)
        case _:
            return tr("{path} was not saved: {why}.", path=path, why=error.strerror or str(error))
