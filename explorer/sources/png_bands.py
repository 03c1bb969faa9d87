"""A large PNG in horizontal bands, so that its memory is a band's and not the picture's.

Pillow and OpenCV decode a PNG whole. Its rows come from one zlib stream, though, each coded relative to the row above (PNG
specification, 3rd edition, sections 9 and 10). So the stream is unpacked piece by piece, and each piece becomes a small PNG of
its own for Pillow, whose first row is the last decoded row of the piece before.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
PIECE = 1 << 20
STORED = 0  # zlib level: packed for Pillow's eyes only


class TruncatedError(OSError):
    """The file ends before the picture does."""


def can_band(file: BinaryIO) -> bool:
    """Whether ``file`` is a PNG of 8 bits a channel without interlacing; leaves the position at the start."""
    file.seek(0)
    head = file.read(29)
    file.seek(0)
    if len(head) < 29 or not head.startswith(SIGNATURE) or head[12:16] != b"IHDR":
        return False
    depth, colour, _, _, interlaced = head[24:29]
    return depth == 8 and colour in CHANNELS and interlaced == 0


def png_bands(file: BinaryIO, rows: int) -> Iterator[Image.Image]:
    """The picture from top to bottom in images of ``rows`` rows, the last with what is left.

    Args:
        file: one that :func:`can_band` accepts.

    Raises:
        TruncatedError: the file ends before the picture does.
        OSError, SyntaxError, zlib.error: it is damaged.
    """
    file.seek(len(SIGNATURE))
    kept: list[tuple[bytes, bytes]] = []  # the palette and transparent colour, which every band needs
    width = height = colour = 0
    chunks = _chunks(file)
    first = b""
    for kind, data in chunks:
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[:10])
        elif kind in (b"PLTE", b"tRNS"):
            kept.append((kind, data))
        elif kind == b"IDAT":
            first = data
            break
    stream = _Rows(first, (data for kind, data in chunks if kind == b"IDAT"))
    stride = width * CHANNELS[colour]
    above = bytes(stride)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        filtered = stream.take(count * (stride + 1))
        header = struct.pack(">IIBBBBB", width, count + 1, 8, colour, 0, 0, 0)
        body = zlib.compress(b"\0" + above + filtered, STORED)
        parts = [(b"IHDR", header), *kept, (b"IDAT", body), (b"IEND", b"")]
        with Image.open(io.BytesIO(SIGNATURE + b"".join(_packed(*part) for part in parts)), formats=("PNG",)) as image:
            image.load()
            above = np.asarray(image)[-1].tobytes()
            yield image.crop((0, 1, width, count + 1))


class _Rows:
    """The filtered rows: a zlib stream spread over chunks, unpacked as far as is asked for."""

    def __init__(self, first: bytes, pieces: Iterator[bytes]) -> None:
        self._zlib = zlib.decompressobj()
        self._packed = first
        self._pieces = pieces

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        out = bytearray()
        while len(out) < size:
            data = self._zlib.decompress(self._packed, size - len(out))
            self._packed = self._zlib.unconsumed_tail
            out += data
            if not data and not self._packed:
                piece = None if self._zlib.eof else next(self._pieces, None)
                if piece is None:
                    raise TruncatedError("the rows end early")
                self._packed = piece
        return bytes(out)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk from the position on; pixels (IDAT) in pieces of at most PIECE bytes, other huge ones left out."""
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind != b"IDAT" and length > PIECE:
            file.seek(length, io.SEEK_CUR)
            length = 0
        for left in range(length, -1, -PIECE):
            data = file.read(min(left, PIECE))
            if len(data) < min(left, PIECE):
                raise TruncatedError("a chunk ends early")
            yield kind, data
        file.read(4)  # its checksum, which Pillow does not look at in pixels either


def _packed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
