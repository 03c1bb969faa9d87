"""Bundles: a frame, what a panel computed of it, and all that is needed to compute it again, in one file. See :mod:`.format`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import sources

if TYPE_CHECKING:
    from explorer.sources.base import Source

ENDING = ".cvbundle"


def is_bundle(path: object) -> bool:
    """Whether something that names a source is a bundle's file."""
    return isinstance(path, str) and "://" not in path and path.lower().endswith(ENDING)


def open_source(spec: Any, **options: Any) -> "Source":
    """As :func:`explorer.sources.open_source`; of a bundle its frame."""
    return sources.open_source(spec, more={ENDING: _open_bundle}, **options)


def _open_bundle(path: Path) -> "Source":
    from explorer.bundle.source import BundleSource  # brings all that reads bundles

    return BundleSource(path)
