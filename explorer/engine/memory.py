"""Memory that is free goes back to the system."""

import ctypes
from functools import lru_cache
from typing import Any


def give_back() -> None:
    """Hands the system what the program has freed. The C library of Linux otherwise keeps most of it for later, so that a closed
    panel's networks and maps would go on counting as used; elsewhere the system does it by itself.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim  # of glibc only
    except (OSError, AttributeError, TypeError):
        return None
