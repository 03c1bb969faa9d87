"""Where frames come from: pictures, folders, videos, cameras, network streams, moving pictures, memory.

Light to import: decoders, OpenCV among them, are loaded by the first :func:`open_source`.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import urlsplit
from urllib.request import url2pathname

from explorer.i18n import tr
from explorer.sources.base import Kind, Source, SourceEnded, SourceError, SourceWaiting
from explorer.sources.spec import split_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from explorer.sources.camera import CameraInfo

    Spec = str | os.PathLike[str] | NDArray[np.generic]

__all__ = [
    "Kind",
    "Source",
    "SourceEnded",
    "SourceError",
    "SourceWaiting",
    "list_cameras",
    "open_source",
    "public_spec",
]


def open_source(
    spec: "Spec", *, more: Mapping[str, Callable[[Path], Source]] = MappingProxyType({}), **options: Any
) -> Source:
    """Opens a source by what names it.

    Args:
        spec: a path or ``file:`` address (picture, folder or video, told apart by what is there); ``camera:0`` or ``camera:NAME``; an
            ``http``, ``https`` or ``rtsp`` address; ``moving:PATH``; or an array, as :class:`picture.MemorySource` takes it.
            Cameras and moving pictures take options behind a question mark: ``moving:a.jpg?fps=60&size=1280x720``,
            ``camera:0?size=1920x1080&fps=30&mirror=1&rotate=90``.
        more: what opens other kinds of files, by the ending of their names in small letters.
        options: arguments of the source's class; they win over those in ``spec``.

    Raises:
        SourceError: it cannot be opened, or an option is wrong. Of cameras and streams the first ``read`` says so.
    """
    if not isinstance(spec, str | os.PathLike):
        from explorer.sources.picture import MemorySource

        return MemorySource(spec, **options)
    text = os.fspath(spec)
    kind, name, given = split_spec(text)
    match kind:
        case "camera":
            from explorer.sources.camera import CameraSource

            return CameraSource(name, **given | options)
        case "moving":
            from explorer.sources.moving import MovingSource

            return MovingSource(name, **given | options)
        case None:
            pass
        case _:
            assert_never(kind)
    if text.startswith("file:"):
        text = url2pathname(urlsplit(text).path)
    elif "://" in text and not Path(text).exists():
        from explorer.sources.stream import StreamSource

        return StreamSource(text, **options)
    if options:
        raise TypeError(f"a file takes no options, not {', '.join(options)}")
    return _open_path(Path(text).expanduser(), more)


def _open_path(path: Path, more: Mapping[str, Callable[[Path], Source]]) -> Source:
    from explorer.sources.files import is_video
    from explorer.sources.folder import FolderSource
    from explorer.sources.picture import PictureSource
    from explorer.sources.video import VideoSource

    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:  # too long, or with characters no file may have
        raise SourceError(tr("{name} cannot be read: {reason}.", name=path.name, reason=str(error))) from None
    if is_folder:
        return FolderSource(path)
    if (opens := more.get(path.suffix.lower())) is not None:
        return opens(path)
    return VideoSource(path) if is_video(path) else PictureSource(path)


def list_cameras() -> "tuple[CameraInfo, ...]":
    """The cameras plugged in, by number: quick, never raises."""
    from explorer.sources import camera

    return camera.list_cameras()


def public_spec(spec: "Spec") -> str:
    """What names a source, fit for titles and logs: addresses without user and password."""
    if not isinstance(spec, str | os.PathLike):
        return tr("Clipboard")
    text = os.fspath(spec)
    if "://" in text:
        from explorer.sources.address import public_address

        return public_address(text)
    return text
