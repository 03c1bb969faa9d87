"""Compiling the loops ahead of their first use, without a pause that a person would see."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def without_full_collections() -> Iterator[None]:
    """Keep Python from looking for garbage among all its objects meanwhile; it still does among the young ones.

    The compiler makes millions of objects, so that full collections come one after another, and each stops every thread,
    a window's too, for some tenths of a second. The compiler itself lets go of the lock often enough.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 1_000_000_000)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def forget_stale(folder: Path, *shared: str | Path) -> None:
    """Delete compiled loops older than any source of their folder, or than one of the shared files.

    numba looks at the file of the outer function only, and would go on with an old copy of what that took in from another.
    To be called by a file that all the others import: before any loop is called, that is.
    """
    with suppress(OSError):  # an installation that cannot be written to does not change either
        sources = (*folder.glob("*.py"), *map(Path, shared))
        newest = max((source.stat().st_mtime for source in sources), default=0.0)
        for index in (folder / "__pycache__").glob("*.nbi"):
            if index.stat().st_mtime < newest:
                index.unlink(missing_ok=True)
