"""Makes the files that the tests of sources read: pictures of every kind, videos, and the broken ones of both."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.mjpeg_server import numbered_picture


def photograph(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB: smooth, and different in every corner (red right, green down, blue up the left)."""
    x = np.linspace(0, 255, width)[None, :]
    y = np.linspace(0, 255, height)[:, None]
    planes = [x + 0 * y, y + 0 * x, np.clip(255 - x - y, 0, 255)]
    return np.stack(planes, axis=2).astype(np.uint8)


def save(path: Path, image: NDArray[Any] | Image.Image, **options: Any) -> Path:
    """Writes through Pillow; ``options`` may hold ``format``."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def save_deep(path: Path, image: NDArray[Any]) -> Path:
    """Writes 16-bit or floating-point channels (RGB order) through OpenCV."""
    stored = image[:, :, ::-1] if image.ndim == 3 and image.shape[2] == 3 else image
    if image.ndim == 3 and image.shape[2] == 4:
        stored = image[:, :, [2, 1, 0, 3]]
    made, data = cv2.imencode(path.suffix, stored)
    assert made
    path.write_bytes(data.tobytes())
    return path


def tiff16(image: NDArray[np.uint16], orientation: int) -> bytes:
    """An uncompressed TIFF (TIFF 6.0, section 6) of (H, W, 3) with an orientation, which no library writes with 16 bits."""
    height, width, _ = image.shape
    behind = 8 + 2 + 12 * 10 + 4
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, behind),  # bits per sample
        (259, 3, 1, 1),  # not compressed
        (262, 3, 1, 2),  # RGB
        (273, 4, 1, behind + 6),  # where the pixels are
        (274, 3, 1, orientation),
        (277, 3, 1, 3),  # samples per pixel
        (278, 4, 1, height),  # rows per strip
        (279, 4, 1, height * width * 6),
    ]
    out = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return out + struct.pack("<I3H", 0, 16, 16, 16) + image.astype("<u2").tobytes()


def encoded(image: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **options)
    return buffer.getvalue()


def large_png(
    path: Path, width: int, height: int, colour: int, row: Callable[[int], bytes], extra: bytes = b""
) -> Path:
    """A PNG of 8 bits a channel written row by row, so that the test itself needs little memory.

    Args:
        colour: the PNG colour type.
        row: the filter byte and filtered bytes of a row.
        extra: chunks between the header and the pixels.
    """
    packer = zlib.compressobj(1)
    with path.open("wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        )
        file.write(extra)
        for y in range(height):
            if data := packer.compress(row(y)):
                file.write(png_chunk(b"IDAT", data))
        file.write(png_chunk(b"IDAT", packer.flush()) + png_chunk(b"IEND", b""))
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_video(
    path: Path, count: int = 60, *, codec: str = "mp4v", fps: float = 25, size: tuple[int, int] = (320, 240)
) -> Path:
    """A video whose frame ``i`` shows the number ``i`` (see mjpeg_server.read_number)."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size)
    assert writer.isOpened(), f"this OpenCV cannot write {codec}"
    for number in range(count):
        writer.write(numbered_picture(number, *size))
    writer.release()
    return path


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kinds and contents of the boxes of an MP4 file or box."""
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append((data[4:8], data[8:length]))
        data = data[length:]
    return found


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def edit_mp4(data: bytes, where: list[bytes], edit: Callable[[bytes], bytes]) -> bytes:
    """Replaces the content of the box at a path such as [b"moov", b"trak", b"tkhd"]."""
    out = b""
    for kind, content in boxes(data):
        if kind == where[0]:
            content = edit(content) if len(where) == 1 else edit_mp4(content, where[1:], edit)
        out += box(kind, content)
    return out


def moov_first(data: bytes) -> bytes:
    """An MP4 with its table of frames before the pixels ("fast start"), as cameras' cut files have it."""
    parts = dict(boxes(data))
    shift = len(parts[b"moov"]) + 8

    def moved(content: bytes) -> bytes:
        head, count = content[:4], int.from_bytes(content[4:8], "big")
        offsets = struct.unpack(f">{count}I", content[8:])
        return head + struct.pack(f">{count + 1}I", count, *(offset + shift for offset in offsets))

    moov = edit_mp4(box(b"moov", parts[b"moov"]), [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco"], moved)
    rest = b"".join(box(kind, content) for kind, content in boxes(data) if kind not in (b"ftyp", b"moov"))
    return box(b"ftyp", parts[b"ftyp"]) + moov + rest


def uneven_mp4(data: bytes, gaps: list[int]) -> bytes:
    """Gives every frame its own duration, in units of the track."""
    table = struct.pack(">II", 0, len(gaps)) + b"".join(struct.pack(">II", 1, gap) for gap in gaps)
    data = edit_mp4(data, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], lambda _: table)
    return edit_mp4(data, [b"moov", b"trak"], lambda trak: b"".join(box(k, c) for k, c in boxes(trak) if k != b"edts"))


def rotated_mp4(data: bytes) -> bytes:
    """Marks the track as to be turned by a quarter, as telephones do."""
    matrix = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    return edit_mp4(data, [b"moov", b"trak", b"tkhd"], lambda tkhd: tkhd[:40] + matrix + tkhd[76:])
