"""Pictures of every kind open as 8-bit RGB; broken files give a sentence."""

import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from explorer.panel import Frame
from explorer.sources import SourceEnded, SourceError, open_source
from explorer.sources.pixels import BACKGROUND, bounded_size, oriented, to_rgb, to_uint8
from explorer.sources.png_bands import can_band, png_bands
from tests.explorer.corpus import encoded, large_png, photograph, png_chunk, save, save_deep, tiff16


def read(path: Path) -> Frame:
    with open_source(path) as source:
        return source.read()


def sentence(path: Path) -> str:
    """The error that opening or reading gives: one sentence that names the file."""
    with pytest.raises(SourceError) as caught, open_source(path) as source:
        source.read()
    said = str(caught.value)
    assert path.name in said
    assert re.fullmatch(r"[^\n]+[.]", said)
    return said


def closeness(image: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    assert image.shape == wanted.shape
    return float(np.abs(image.astype(int) - wanted.astype(int)).max())


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tiff", {}, 0),
        ("b.tif", {"compression": "tiff_lzw"}, 0),
        ("a.ppm", {}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("b.webp", {"quality": 95}, 16),
        ("a.jpg", {"quality": 95}, 16),
        ("b.jpg", {"quality": 95, "progressive": True}, 16),
    ],
)
def test_a_format_opens(tmp_path: Path, name: str, options: dict[str, Any], tolerance: int) -> None:
    wanted = photograph()
    source = open_source(save(tmp_path / name, wanted, **options))
    assert (source.kind, source.title, source.length, source.live) == ("picture", name, 1, False)
    frame = source.read()
    assert closeness(frame.image, wanted) <= tolerance
    assert (frame.index, frame.source, frame.note) == (0, name, "")
    assert frame.capture > 0
    with pytest.raises(SourceEnded, match=r"^$"):
        source.read()
    source.seek(0)
    assert np.array_equal(source.read().image, frame.image)


def test_the_contents_decide_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(photograph(), format="PNG"))
    assert closeness(read(path).image, photograph()) == 0


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    for name in ("a.gif", "a.webp", "a.png"):
        red.save(tmp_path / name, save_all=True, append_images=[blue], duration=100)
        image = read(tmp_path / name).image
        assert closeness(image, np.broadcast_to(np.uint8([255, 0, 0]), (10, 20, 3))) <= 2, name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = photograph(48, 32)
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}.get(ending, {})
    save(tmp_path / f"a.{ending}", oriented(upright, undo), exif=exif, **lossless)
    assert closeness(read(tmp_path / f"a.{ending}").image, upright) <= (8 if ending == "jpg" else 0)


def test_orientations_against_the_standard() -> None:
    """CIPA DC-008 names where the stored row 0 and column 0 belong."""
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    wanted = {
        1: [[0, 1, 2], [3, 4, 5]],
        2: [[2, 1, 0], [5, 4, 3]],
        3: [[5, 4, 3], [2, 1, 0]],
        4: [[3, 4, 5], [0, 1, 2]],
        5: [[0, 3], [1, 4], [2, 5]],
        6: [[3, 0], [4, 1], [5, 2]],
        7: [[5, 2], [4, 1], [3, 0]],
        8: [[2, 5], [1, 4], [0, 3]],
        0: [[0, 1, 2], [3, 4, 5]],
        99: [[0, 1, 2], [3, 4, 5]],
    }
    for orientation, rows in wanted.items():
        assert oriented(stored, orientation)[:, :, 0].tolist() == rows


def test_damaged_exif_costs_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", photograph(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\1" * 20)
    assert read(path).size == (64, 48)


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_grey_of_16_bits_is_scaled_to_8(tmp_path: Path, ending: str) -> None:
    grey = np.linspace(0, 65535, 256 * 4).reshape(4, 256).astype(np.uint16)
    frame = read(save_deep(tmp_path / f"a.{ending}", grey))
    assert closeness(frame.image, np.rint(grey / 257).astype(np.uint8)[:, :, None].repeat(3, axis=2)) == 0
    assert frame.note == ""


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_12_bits_in_16_are_not_black_and_say_so(tmp_path: Path, ending: str) -> None:
    colours = (photograph().astype(np.uint16) * 16).clip(0, 4095)
    frame = read(save_deep(tmp_path / f"a.{ending}", colours))
    assert closeness(frame.image, photograph()) <= 1
    assert "4095" in frame.note


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_colours_of_16_bits_and_alpha(tmp_path: Path, ending: str) -> None:
    colours = photograph().astype(np.uint16) * 257
    assert closeness(read(save_deep(tmp_path / f"a.{ending}", colours)).image, photograph()) == 0
    alpha = np.full((48, 64, 1), 65535, np.uint16)
    alpha[:, :10] = 0
    frame = read(save_deep(tmp_path / f"b.{ending}", np.concatenate([colours, alpha], axis=2)))
    assert closeness(frame.image[:, 10:], photograph()[:, 10:]) == 0
    assert (frame.image[:, :10] == BACKGROUND).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_with_an_orientation(tmp_path: Path, orientation: int) -> None:
    upright = photograph(40, 20)
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    stored = oriented(upright, undo).astype(np.uint16) * 257
    (tmp_path / "a.tiff").write_bytes(tiff16(stored, orientation))
    assert closeness(read(tmp_path / "a.tiff").image, upright) == 0


def test_floating_point_pictures(tmp_path: Path) -> None:
    unit = photograph().astype(np.float32) / 255
    assert closeness(read(save_deep(tmp_path / "rgb.tiff", unit)).image, photograph()) <= 1
    assert closeness(read(save_deep(tmp_path / "a.hdr", unit)).image, photograph()) <= 3
    heights = np.linspace(-100, 300, 32 * 32, dtype=np.float32).reshape(32, 32)
    frame = read(save_deep(tmp_path / "heights.tiff", heights))
    assert (frame.image.min(), frame.image.max()) == (0, 255)
    assert "-100" in frame.note
    assert "300" in frame.note


def test_grey_palette_bilevel_and_cmyk(tmp_path: Path) -> None:
    grey = photograph()[:, :, 0]
    assert closeness(read(save(tmp_path / "grey.png", grey)).image, grey[:, :, None].repeat(3, axis=2)) == 0
    palette = Image.fromarray(photograph()).quantize(32)
    assert closeness(read(save(tmp_path / "p.png", palette)).image, np.asarray(palette.convert("RGB"))) == 0
    bilevel = Image.fromarray(grey).convert("1")
    assert set(np.unique(read(save(tmp_path / "1.png", bilevel)).image)) == {0, 255}
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for name in ("cmyk.jpg", "cmyk.tiff"):
        red = read(save(tmp_path / name, inks)).image[8, 8].astype(int)
        assert red[0] > 230, name
        assert red[1] < 40, name
        assert red[2] < 40, name


def test_cmyk_with_a_useless_profile_still_opens(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # not one of inks
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert read(save(tmp_path / "a.jpg", inks, icc_profile=profile)).image[8, 8, 0] > 230


def test_transparency_lies_over_grey(tmp_path: Path) -> None:
    rgba = np.dstack([photograph(), np.full((48, 64), 255, np.uint8)])
    assert read(save(tmp_path / "opaque.png", rgba)).note == ""
    rgba[:10, :, 3] = 0
    rgba[10:20, :, 3] = 128
    for name in ("a.png", "a.webp", "a.tiff"):
        frame = read(save(tmp_path / name, rgba, **({"lossless": True, "exact": True} if "webp" in name else {})))
        assert (frame.image[:10] == BACKGROUND).all(), name
        half = photograph()[10:20] * (128 / 255) + BACKGROUND * (127 / 255)
        assert np.abs(frame.image[10:20] - half).max() <= 1, name
        assert closeness(frame.image[20:], photograph()[20:]) == 0, name
        assert frame.note == "Transparent parts are shown on mid grey.", name
    palette = Image.fromarray(photograph()).quantize(16)
    frame = read(save(tmp_path / "p.gif", palette, transparency=palette.getpixel((0, 0))))
    assert (frame.image[0, 0] == BACKGROUND).all()


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp", "tiff"])
def test_one_pixel(tmp_path: Path, ending: str) -> None:
    frame = read(save(tmp_path / f"a.{ending}", np.full((1, 1, 3), 200, np.uint8)))
    assert frame.size == (1, 1)
    assert closeness(frame.image, np.full((1, 1, 3), 200, np.uint8)) <= 2


@given(st.integers(1, 30000), st.integers(1, 30000))
def test_bounded_sizes_fit_and_keep_the_proportions(width: int, height: int) -> None:
    new_width, new_height = bounded_size(width, height)
    assert 1 <= new_width <= min(width, 4096)
    assert 1 <= new_height <= min(height, 4096)
    assert new_width * new_height <= 16_000_000
    scale = min(1.0, 4096 / max(width, height), (16e6 / (width * height)) ** 0.5)
    assert abs(new_width - width * scale) <= 1
    assert abs(new_height - height * scale) <= 1


def stripes(size: tuple[int, int]) -> Image.Image:
    """A large picture that is cheap to make: a small one, enlarged."""
    return Image.fromarray(photograph(64, 64)).resize(size, Image.Resampling.NEAREST)


@pytest.mark.parametrize(
    ("ending", "mode"), [("png", "RGB"), ("png", "L"), ("png", "P"), ("jpg", "RGB"), ("tiff", "RGB"), ("gif", "P")]
)
def test_a_large_picture_is_scaled_down_and_says_so(tmp_path: Path, ending: str, mode: str) -> None:
    image = stripes((6000, 4500)).convert(mode)
    frame = read(save(tmp_path / f"a.{ending}", image, **({"compress_level": 1} if ending == "png" else {})))
    assert frame.size == bounded_size(6000, 4500) == (4096, 3072)
    assert frame.note == "Scaled down from 6000 × 4500 to 4096 × 3072."
    wanted = np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.BOX))
    seen = np.asarray(Image.fromarray(frame.image).resize((8, 8), Image.Resampling.BOX))
    assert closeness(seen, wanted) <= 3


def test_a_very_large_webp(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.webp", stripes((9000, 400)).convert("RGBA"), quality=20, method=0, exif=exif)
    frame = read(path)
    assert frame.size == (182, 4096)
    assert frame.note.startswith("Scaled down from 400 × 9000")
    seen = np.rot90(np.asarray(Image.fromarray(frame.image).resize((8, 8), Image.Resampling.BOX)))
    wanted = np.asarray(stripes((9000, 400)).resize((8, 8), Image.Resampling.BOX))
    assert closeness(seen, wanted) <= 6


def test_a_large_picture_keeps_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.png", "a.jpg"):
        save(tmp_path / name, stripes((5000, 1000)), exif=exif)
        frame = read(tmp_path / name)
        assert frame.size == (819, 4096), name
        assert frame.note == "Scaled down from 1000 × 5000 to 819 × 4096."


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("rows", [1, 7, 48, 1000])
def test_png_bands_equal_the_whole(tmp_path: Path, mode: str, rows: int) -> None:
    """Pillow chooses all five filters on such a picture, so every row needs the true one above it."""
    noisy = np.random.default_rng(0).integers(0, 60, (48, 64, 3), dtype=np.uint8) + photograph() // 2
    whole = Image.fromarray(noisy).convert("RGBA" if "A" in mode else "RGB").convert(mode)
    path = save(tmp_path / "a.png", whole)
    with path.open("rb") as file:
        assert can_band(file)
        bands = list(png_bands(file, rows))
    assert [band.mode for band in bands] == [mode] * len(bands)
    assert np.array_equal(
        np.concatenate([np.asarray(band.convert("RGBA")) for band in bands]), np.asarray(whole.convert("RGBA"))
    )


def test_png_bands_leave_what_they_cannot_do(tmp_path: Path) -> None:
    for name, data in {
        "deep": save_deep(tmp_path / "deep.png", photograph().astype(np.uint16) * 257).read_bytes(),
        "bilevel": encoded(photograph()[:, :, 0] > 99, format="PNG"),
        "jpeg": encoded(photograph(), format="JPEG"),
        "short": b"\x89PNG\r\n\x1a\n",
    }.items():
        assert not can_band(io.BytesIO(data)), name


MEMORY_TEST = """
import resource, sys
import numpy, cv2
from explorer.sources import open_source
from explorer.sources.decode import load_picture
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]),) * 2)
frame = open_source(sys.argv[1]).read()
print(frame.size, frame.image[2000, 2000, 0], frame.note)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_20000_x_20000_within_350_mb(tmp_path: Path, kind: str) -> None:
    """Whole, even this grey one would take 400 MB, and 1.6 GB as colours."""
    path = tmp_path / f"huge.{kind}"
    if kind == "png":
        first, row = b"\0" + bytes([120]) * 20000, b"\2" + bytes(20000)  # "up": every row is the one above
        large_png(path, 20000, 20000, 0, lambda y: row if y else first)
    else:
        save(path, Image.new("L", (20000, 20000), 120))
    command = [sys.executable, "-c", MEMORY_TEST, str(path), "350_000_000"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == "(4000, 4000) 120 Scaled down from 20000 × 20000 to 4000 × 4000.\n"


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + png_chunk(b"IEND", b"")
    )
    assert "60000 × 60000" in sentence(path)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "bmp", "gif"])
@pytest.mark.parametrize("part", [0.2, 0.7])
def test_a_truncated_picture_gives_a_sentence(
    tmp_path: Path, ending: str, part: float, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = np.random.default_rng(1).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    path = save(tmp_path / f"cut.{ending}", whole)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    said = sentence(path)
    assert "cut short" in said or "damaged" in said
    assert capfd.readouterr().err == ""


def test_a_truncated_16_bit_picture_gives_a_sentence(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 65535, (80, 80, 3), dtype=np.uint16)
    path = save_deep(tmp_path / "cut.png", noise)
    path.write_bytes(path.read_bytes()[:9000])
    assert "cut short" in sentence(path) or "damaged" in sentence(path)


def test_a_truncated_large_png_gives_a_sentence(tmp_path: Path) -> None:
    path = save(tmp_path / "cut.png", stripes((5000, 4000)), compress_level=1)
    data = path.read_bytes()
    for part in (0.1, 0.5, 0.999):
        path.write_bytes(data[: int(len(data) * part)])
        assert "cut short" in sentence(path)
    path.write_bytes(data[:2000] + b"\xff" * 3000 + data[5000:])
    sentence(path)


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    for name, data in {
        "text.jpg": b"This is a text file, not a picture.\n" * 40,
        "text.mp4": b"This is a text file, not a video.\n" * 40,
        "noise.png": np.random.default_rng(2).bytes(4000),
        "page.gif": b"<!doctype html><title>404</title>",
        "archive.tiff": b"PK\x03\x04" + bytes(500),
        "zeros.jpg": bytes(5000),
        "one.jpg": b"\xff",
        "start.jpg": b"\xff\xd8\xff\xe0",
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        said = sentence(path)
        assert "neither a picture nor a video" in said or "damaged" in said or "cut short" in said, (name, said)


def test_empty_missing_and_special_files(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert sentence(tmp_path / "empty.jpg") == "empty.jpg is empty."
    assert sentence(tmp_path / "none.jpg") == "There is no file none.jpg."
    long = tmp_path / ("x" * 5000 + ".jpg")
    with pytest.raises(SourceError):
        open_source(long)
    with pytest.raises(SourceError):
        open_source("a\0b.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        assert sentence(tmp_path / "pipe.jpg") == "pipe.jpg is not a file."


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied by a stand-in: the administrator, who may run this, may read everything."""
    path = save(tmp_path / "mine.jpg", photograph())

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert sentence(path) == "mine.jpg may not be read: permission is denied."


@given(st.data())
def test_damaged_files_open_or_give_a_sentence(data: st.DataObject) -> None:
    """Whatever bytes change, nothing but SourceError comes out."""
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]))
    stored = bytearray(encoded(photograph(24, 16), format=kind))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(stored) - 1), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        stored[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(stored)
        try:
            frame = open_source(path).read()
        except SourceError:
            return
    assert frame.image.shape[2] == 3


def test_arrays_from_memory() -> None:
    source = open_source(photograph())
    assert (source.kind, source.title, source.length) == ("memory", "Clipboard", 1)
    frame = source.read()
    assert np.array_equal(frame.image, photograph())
    with pytest.raises(SourceEnded):
        source.read()
    source.seek(0)
    assert source.read() is frame
    assert open_source(photograph()[:, :, 0], title="Sketch").read().source == "Sketch"
    large = open_source(np.zeros((5000, 5000), np.uint8)).read()
    assert large.size == (4000, 4000)
    assert "5000" in large.note


def test_an_array_in_memory_is_copied() -> None:
    array = photograph()
    frame = open_source(array).read()
    array[:] = 0
    assert frame.image.max() > 0
    assert not frame.image.flags.writeable


@pytest.mark.parametrize("shape", [(0, 5, 3), (5,), (4, 4, 5), (2, 3, 4, 5), (5, 0)])
def test_arrays_that_are_no_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(SourceError, match="not a picture"):
        open_source(np.zeros(shape, np.uint8))


def test_values_of_every_type() -> None:
    assert to_uint8(np.array([[False, True]]))[0].tolist() == [[0, 255]]
    assert to_uint8(np.array([[0.0, 0.5, 1.0]]))[0].tolist() == [[0, 128, 255]]
    assert to_uint8(np.array([[0, 1023]], np.uint16)) == (
        pytest.approx(np.array([[0, 255]])),
        "Values of 0 to 1023 are shown as 0 to 255.",
    )
    stretched, note = to_uint8(np.array([[-1.0, 1.0, np.nan, np.inf]]))
    assert stretched.tolist() == [[0, 255, 0, 0]]
    assert note
    assert to_uint8(np.full((1, 2), np.nan))[0].tolist() == [[0, 0]]
    assert to_uint8(np.array([[-5, 300]], np.int64))[0].tolist() == [[0, 75]]
    with pytest.raises(SourceError, match="complex"):
        to_rgb(np.zeros((2, 2), complex))
