"""Bundles: a frame, what a panel computed of it, and all that is needed to compute it again, in one file. See :mod:`.format`."""

ENDING = ".cvbundle"


def is_bundle(path: object) -> bool:
    """Whether something that names a source is a bundle's file."""
    return isinstance(path, str) and "://" not in path and path.lower().endswith(ENDING)
