"""Pictures and folders of pictures that cannot be shown."""

import io
import os
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from tests.bad_inputs.case import Case, Scene, data, made, part
from tests.explorer.corpus import png_chunk

PNG = b"\x89PNG\r\n\x1a\n"


def encoded(kind: str, mode: str = "RGB", *, frames: int = 1, **options: Any) -> bytes:
    """Noise of 80 x 80 pixels: it does not become small, so that a cut goes through the pixels."""
    random = np.random.default_rng(3)
    channels = {"RGB": 3, "CMYK": 4, "L": 1, "1": 1}[mode]
    images = []
    for _ in range(frames):
        noise = random.integers(0, 255, (80, 80, channels), np.uint8)
        images.append(Image.fromarray(noise[:, :, 0] if channels == 1 else noise, "L" if channels == 1 else mode))
    images = [one.convert(mode) for one in images]
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:], "duration": 100} if frames > 1 else {}
    images[0].save(buffer, kind, **more, **options)
    return buffer.getvalue()


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, pixels: bytes = b"") -> bytes:
    """A PNG whose head says this, whatever its pixels are."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return PNG + head + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")


def wrong_crc() -> bytes:
    whole = bytearray(encoded("PNG"))
    whole[29] ^= 0xFF  # the last four bytes of the head's chunk
    return bytes(whole)


def folder_of_text(scene: Scene) -> None:
    scene.path.mkdir()
    (scene.path / "a.jpg").write_bytes(b"no picture\n" * 40)
    (scene.path / "b.png").write_bytes(b"")


CASES = (
    Case("picture", "empty.jpg", "0 bytes", "empty.jpg is empty.", data(b"")),
    Case("picture", "missing.png", "is not there", "There is no file missing.png.", lambda scene: None),
    Case(
        "picture",
        "renamed.png",
        "a text renamed",
        "renamed.png is neither a picture nor a video that can be read here.",
        data(b"Shopping: milk, bread, film for the camera.\n" * 30),
    ),
    Case(
        "picture",
        "page.gif",
        "a web page renamed",
        "page.gif is neither a picture nor a video that can be read here.",
        data(b"<!doctype html><title>404</title>" * 9),
    ),
    Case(
        "picture",
        "noise.png",
        "random bytes",
        "noise.png is neither a picture nor a video that can be read here.",
        made(lambda: np.random.default_rng(2).bytes(4000)),
    ),
    Case(
        "picture",
        "zeros.jpg",
        "5000 zero bytes",
        "zeros.jpg is neither a picture nor a video that can be read here.",
        data(bytes(5000)),
    ),
    Case(
        "picture",
        "head.jpg",
        "four bytes of a JPEG",
        "head.jpg is damaged: its pixels cannot be decoded.",
        data(b"\xff\xd8\xff\xe0"),
    ),
    Case(
        "picture",
        "cut.jpg",
        "cut after a third",
        "cut.jpg is cut short: the file ends before the picture does.",
        part(lambda: encoded("JPEG", quality=90), 0.33),
    ),
    Case(
        "picture",
        "cut.png",
        "cut after a third",
        "cut.png is cut short: the file ends before the picture does.",
        part(lambda: encoded("PNG"), 0.33),
    ),
    Case(
        "picture",
        "cut.webp",
        "cut after a third",
        "cut.webp is damaged: its pixels cannot be decoded.",
        part(lambda: encoded("WEBP", quality=90), 0.33),
    ),
    Case(
        "picture",
        "cut.tiff",
        "cut after a third",
        "cut.tiff is cut short: the file ends before the picture does.",
        part(lambda: encoded("TIFF"), 0.33),
    ),
    Case(
        "picture",
        "cut.bmp",
        "cut after a third",
        "cut.bmp is cut short: the file ends before the picture does.",
        part(lambda: encoded("BMP"), 0.33),
    ),
    Case(
        "picture",
        "cut.gif",
        "cut after a third",
        "cut.gif is cut short: the file ends before the picture does.",
        part(lambda: encoded("GIF", "L"), 0.33),
    ),
    Case(
        "picture",
        "cut-animation.gif",
        "animated, cut in its first picture",
        "cut-animation.gif is cut short: the file ends before the picture does.",
        part(lambda: encoded("GIF", "L", frames=3), 0.2),
    ),
    Case(
        "picture",
        "cut-animation.webp",
        "animated, cut in its first picture",
        "cut-animation.webp is damaged: its pixels cannot be decoded.",
        part(lambda: encoded("WEBP", frames=3, lossless=True), 0.2),
    ),
    Case(
        "picture",
        "cut-cmyk.jpg",
        "CMYK, cut in the middle",
        "cut-cmyk.jpg is cut short: the file ends before the picture does.",
        part(lambda: encoded("JPEG", "CMYK"), 0.5),
    ),
    Case(
        "picture",
        "cut-16-bit.png",
        "16 bits a channel, without most of its pixels",
        "cut-16-bit.png is cut short: the file ends before the picture does.",
        made(lambda: png(64, 64, depth=16, pixels=bytes(900))),
    ),
    Case(
        "picture",
        "cut-1-bit.tiff",
        "1 bit, cut in the middle",
        "cut-1-bit.tiff is damaged: its pixels cannot be decoded.",
        part(lambda: encoded("TIFF", "1", compression="group4"), 0.4),
    ),
    Case(
        "picture",
        "bits.png",
        "a PNG with 5 bits a channel, which there is not",
        "bits.png is damaged: its pixels cannot be decoded.",
        made(lambda: png(8, 8, depth=5, pixels=bytes(900))),
    ),
    Case(
        "picture",
        "checksum.png",
        "its head has a wrong checksum",
        "checksum.png is damaged: its pixels cannot be decoded.",
        made(wrong_crc),
    ),
    Case(
        "picture",
        "no-pixels.png",
        "a PNG of 0 × 0 pixels",
        "no-pixels.png is damaged: its pixels cannot be decoded.",
        made(lambda: png(0, 0)),
    ),
    Case(
        "picture",
        "bomb.png",
        "says it has 60000 × 60000 pixels",
        "bomb.png has 60000 × 60000 pixels; more than 500 million are not opened.",
        made(lambda: png(60000, 60000, pixels=bytes(1 << 20))),
    ),
    Case(
        "picture",
        "bomb.gif",
        "says it has 65535 × 65535 pixels",
        "bomb.gif has 65535 × 65535 pixels; more than 500 million are not opened.",
        data(b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;"),
    ),
    Case(
        "picture",
        "bomb.bmp",
        "says it has 100000 × 100000 pixels",
        "bomb.bmp has 100000 × 100000 pixels; more than 500 million are not opened.",
        made(
            lambda: (
                b"BM"
                + struct.pack("<IIIIiiHHIIiiII", 154, 0, 54, 40, 10**5, 10**5, 1, 24, 0, 0, 0, 0, 0, 0)
                + bytes(100)
            )
        ),
    ),
    Case(
        "picture",
        "pipe.jpg",
        "no file but a pipe, which would wait for ever",
        "pipe.jpg is not a file.",
        lambda scene: os.mkfifo(scene.path),
    ),
    Case(
        "folder",
        "holiday",
        "a folder without pictures",
        "There are no pictures in holiday.",
        lambda scene: scene.path.mkdir(),
    ),
    Case(
        "folder",
        "broken",
        "a folder whose pictures are all broken",
        "None of the pictures in broken can be read.",
        folder_of_text,
    ),
)
