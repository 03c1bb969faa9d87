"""Files before they are decoded: opened safely, and known as videos by what they hold."""

import stat
from pathlib import Path
from typing import BinaryIO

from explorer.i18n import tr
from explorer.sources.base import SourceError


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; a pipe or device, which might never answer, is refused.

    Raises:
        SourceError: it is missing, empty, not a plain file, or may not be read.
    """
    name = path.name or str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(tr("{name} is not a file.", name=name))
        file = path.open("rb")
    except FileNotFoundError:
        raise SourceError(tr("There is no file {name}.", name=name)) from None
    except PermissionError:
        raise SourceError(tr("{name} may not be read: permission is denied.", name=name)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(tr("{name} cannot be read: {reason}.", name=name, reason=reason)) from None
    if status.st_size == 0:
        file.close()
        raise SourceError(tr("{name} is empty.", name=name))
    return file


def is_video(path: Path) -> bool:
    """Whether the file starts as a video does: MP4, MOV, AVI, Matroska, WebM, MPEG, MPEG-TS, Ogg, FLV, WMV, Y4M, raw H.264/5.

    Raises:
        SourceError: see :func:`open_regular`.
    """
    with open_regular(path) as file:
        head = file.read(1024)
    if head[4:8] == b"ftyp":
        return head[8:12] not in (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")  # pictures
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return True
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return True
    if head.startswith(b"\x47") and head[188:189] == b"\x47" and head[376:377] == b"\x47":  # MPEG-TS packets
        return True
    return head.startswith(
        (
            b"\x1a\x45\xdf\xa3",  # EBML: Matroska, WebM
            b"\x00\x00\x01\xba",  # MPEG program stream
            b"\x00\x00\x01\xb3",  # MPEG video
            b"\x00\x00\x00\x01",  # H.264 or H.265 as such
            b"OggS",
            b"FLV\x01",
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV
            b"YUV4MPEG2",
            b"DKIF",  # IVF
            b"\x06\x0e\x2b\x34",  # MXF
        )
    )


def is_cut_short(path: Path) -> bool:
    """Whether an MP4, MOV, AVI, Matroska or WebM file ends before its outermost parts do; False for what does not tell."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            return _matroska_end(file) > size
        if head.startswith(b"RIFF"):
            return _last_end(file, size, riff=True) > size + 1  # an odd last chunk may lack its padding
        return head[4:8].isalpha() and _last_end(file, size, riff=False) > size


def _last_end(file: BinaryIO, size: int, *, riff: bool) -> int:
    """Where the last outermost chunk of a RIFF file, or box of an MP4 file (ISO/IEC 14496-12, 4.2), ends by its own count."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        head = file.read(16)
        if riff:
            length = 8 + int.from_bytes(head[4:8], "little")
            length += length % 2
            if head[:4] != b"RIFF":  # odd bytes after the end
                return position
        else:
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:  # reaches to the end, whatever that is
                return size
        if length < 8:
            return position
        position += length
    return position


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends by its own count (RFC 8794, sections 4 to 6); 0 if it does not say."""
    file.seek(4)
    position = 4
    header, used = _vint(file)
    position += used + header
    file.seek(position)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    length, used = _vint(file)
    unknown = length == (1 << 7 * used) - 1
    return 0 if unknown else position + 4 + used + length


def _vint(file: BinaryIO) -> tuple[int, int]:
    """An EBML number without its marker, and the bytes it took."""
    first = file.read(1)
    if not first or not first[0]:
        return 0, 1
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    return int.from_bytes(bytes([first[0] & (0xFF >> width)]) + rest, "big"), width
