"""The part of a file that is there: ``NAME.part`` beside the target, and ``NAME.part.json`` that says what it is part of."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from cvcore.download.errors import DownloadError

SYNC_EVERY = 8 << 20
"""Bytes between two moments when the part is surely on the disk: so much is lost at most when the power fails."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part comes from: bytes may be added to it only from the same file.

    Args:
        kept: bytes that are surely written.
    """

    address: str = ""
    validator: str = ""
    total: int | None = None
    kept: int = 0


class Part:
    """The bytes got so far. Used under the target's lock."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        self._file: BinaryIO | None = None
        self.origin = self._read_note()
        self.size = self.origin.kept
        self.replies = 1 if self.size else 0
        """How many replies the bytes come from."""

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, origin: Origin) -> None:
        """Throws away what is there."""
        self._writing(lambda: self._open(origin, 0))
        self.replies = 1

    def go_on(self, origin: Origin) -> None:
        """Goes on after what is there."""
        self._writing(lambda: self._open(origin, self.size))
        self.replies += 1

    def add(self, piece: bytes) -> None:
        """Raises DownloadError when the disk is full or may not be written."""
        self._writing(lambda: self._add(piece))

    def close(self) -> None:
        """Makes sure that what came is on the disk and can be gone on from."""
        if self._file is not None:
            with suppress(OSError):
                self._sync()
            with suppress(OSError):
                self._file.close()
            self._file = None

    def drop(self) -> None:
        """What is there is of no use."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        for path in (self._note, self.path):
            with suppress(OSError):
                path.unlink()
        self.origin, self.size, self.replies = Origin(), 0, 0

    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self) -> None:
        """Puts the whole file in its place, in one step."""
        self._writing(self._finish)

    def _finish(self) -> None:
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self._note.unlink(missing_ok=True)
        sync_folder(self.target.parent)

    def _open(self, origin: Origin, size: int) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        # A note without its part does no harm, a part with the note of another file would.
        self._note.unlink(missing_ok=True)
        self._file = self.path.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        self.size = self._synced = size
        self.origin = origin
        self._write_note()

    def _add(self, piece: bytes) -> None:
        assert self._file is not None
        self._file.write(piece)
        self.size += len(piece)
        if self.size - self._synced >= SYNC_EVERY:
            self._sync()

    def _sync(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = self.size
        self._write_note()

    def _write_note(self) -> None:
        self.origin = Origin(self.origin.address, self.origin.validator, self.origin.total, self._synced)
        beside = self._note.with_name(self._note.name + ".new")
        beside.write_text(json.dumps(asdict(self.origin)), "utf-8")
        os.replace(beside, self._note)

    def _read_note(self) -> Origin:
        try:
            origin = Origin(**json.loads(self._note.read_text("utf-8")))
            if not (isinstance(origin.kept, int) and 0 <= origin.kept <= self.path.stat().st_size):
                return Origin()
            if not all(isinstance(text, str) for text in (origin.address, origin.validator)):
                return Origin()
            return origin if isinstance(origin.total, int | None) else Origin()
        except (OSError, ValueError, TypeError):
            return Origin()

    def _writing(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            raise cannot_write(self.target, error) from error


def cannot_write(path: Path, error: OSError) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError("The disk is full: {path} was not saved.", path=path)
    return DownloadError("The file {path} cannot be written: {why}.", path=path, why=error.strerror or str(error))


def sync_folder(folder: Path) -> None:
    """The new name is then there after a power failure as well (Windows does so by itself)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
