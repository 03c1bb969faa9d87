"""A picture file -> the pixels of a frame: JPEG, PNG, WebP, TIFF, BMP, the first frame of a GIF, and more.

What a file is, its contents decide, not its ending. A picture over ``pixels.LONGEST_SIDE`` or ``MOST_PIXELS`` is scaled down while it
is read: JPEG by its decoder, PNG band by band, so that neither ever lies in memory whole; other formats are decoded whole, which
takes up to 4 bytes a pixel for that moment, and MOST_STORED bounds it.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from explorer.i18n import tr
from explorer.sources.base import SourceError
from explorer.sources.files import open_regular
from explorer.sources.opencv import cv2
from explorer.sources.pixels import bounded_size, full_scale, oriented, resize, to_rgb
from explorer.sources.png_bands import TruncatedError, can_band, png_bands

Image.init()
FORMATS = tuple(
    {"JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000", "ICO"} & Image.OPEN.keys()
)
"""Of Pillow's formats those of pictures that say at their start what they are."""
OPENCV_STARTS = (b"II*\0", b"MM\0*", b"#?RADIANCE", b"#?RGBE", b"PF\n", b"Pf\n")
"""Of what OpenCV reads and Pillow does not: TIFF with colours in floating point, Radiance HDR, PFM."""
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
"""Of files that can be nothing else than pictures."""
MOST_STORED = 500_000_000
"""Pixels of the largest file opened: 20000 x 20000 and a little."""
MOST_DEEP = 64_000_000
"""Pixels of the largest file with 16-bit colours that is read with all its bits."""
BAND_BYTES = 8_000_000

Image.MAX_IMAGE_PIXELS = None  # pictures are bounded here, by what decoding takes, not by a warning
_quiet = threading.Lock()


class NotAPictureError(SourceError):
    """The contents are no picture; they may be something else."""


def load_picture(path: Path) -> tuple[NDArray[np.uint8], str]:
    """Reads a picture file: (H, W, 3) uint8 RGB, upright, at most LONGEST_SIDE and MOST_PIXELS, and a note or "".

    Raises:
        NotAPictureError: its contents are no picture.
        SourceError: it is missing, empty, unreadable, cut short, damaged or far too large.
    """
    name = path.name
    with open_regular(path) as file:
        try:
            # Pillow warns of every oddity in a file's metadata; none of them changes the pixels.
            with _quiet, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _decode(file, name)
        except SourceError:
            raise
        except UnidentifiedImageError:
            if _begins_as_a_picture(file):
                raise SourceError(tr("{name} is damaged: its pixels cannot be decoded.", name=name)) from None
            raise NotAPictureError(
                tr("{name} is neither a picture nor a video that can be read here.", name=name)
            ) from None
        except MemoryError:
            raise SourceError(tr("There is not enough memory for {name}.", name=name)) from None
        except Exception as error:  # decoders raise what they like on damaged files
            cut = isinstance(error, TruncatedError | EOFError) or "truncated" in str(error).lower()
            if cut:
                raise SourceError(
                    tr("{name} is cut short: the file ends before the picture does.", name=name)
                ) from error
            raise SourceError(tr("{name} is damaged: its pixels cannot be decoded.", name=name)) from error


def _begins_as_a_picture(file: BinaryIO) -> bool:
    """Whether the first bytes are those of a picture, whatever comes after them."""
    file.seek(0)
    start = file.read(12)
    return start.startswith(PICTURE_STARTS) or (start[:4], start[8:]) == (b"RIFF", b"WEBP")


def _decode(file: BinaryIO, name: str) -> tuple[NDArray[np.uint8], str]:
    in_bands = can_band(file)
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        if not file.read(12).startswith(OPENCV_STARTS) or (pixels := _opencv_pixels(file)) is None:
            raise
        rgb, note = to_rgb(pixels)
        rgb, scaled = bounded(rgb)
        return rgb, f"{note} {scaled}".strip()
    notes: list[str] = []
    with image:
        stored = width, height = image.size
        if width * height > MOST_STORED:
            raise SourceError(
                tr(
                    "{name} has {width} × {height} pixels; more than {most} million are not opened.",
                    name=name,
                    width=width,
                    height=height,
                    most=MOST_STORED // 1_000_000,
                )
            )
        wanted = bounded_size(width, height)
        if image.format in ("JPEG", "MPO"):
            image.draft(None, wanted)
        factor = max(1, min(image.width // wanted[0], image.height // wanted[1]))
        rows = max(1, BAND_BYTES // (image.width * 4 * factor)) * factor
        if wanted != stored and in_bands:
            orientation = _orientation(lambda: image.info.get("exif"))  # getexif() would decode it all
            pixels = _gather(png_bands(file, rows), factor, notes)
        elif image.format == "WEBP" and factor > 1:  # Pillow takes 15 bytes a pixel, OpenCV 4
            orientation = _orientation(image.getexif)
            if (whole := _opencv_pixels(file, wanted)) is None:
                raise OSError("OpenCV cannot decode this WebP")
            pixels, note = to_rgb(whole)
            notes.append(note)
        else:
            is_deep = _is_deep(image)
            image.load()
            orientation = _orientation(image.getexif)  # of a TIFF none is left: it is upright now, as OpenCV reads it
            if is_deep and (deep := _opencv_pixels(file)) is not None:
                pixels, note = to_rgb(deep)
                notes.append(note)
            elif image.mode == "F":
                pixels, note = to_rgb(np.asarray(image.reduce(factor)))
                notes.append(note)
            else:
                white = full_scale(int(np.max(image.getextrema()))) if image.mode.startswith("I") else None
                pixels = _gather(_bands(image, rows), factor, notes, white=white)
    upright = stored[::-1] if orientation in (5, 6, 7, 8) else stored
    pixels, note = bounded(oriented(pixels, orientation), upright)
    return pixels, " ".join(dict.fromkeys(n for n in (*notes, note) if n))


def _opencv_pixels(file: BinaryIO, wanted: tuple[int, int] | None = None) -> NDArray[Any] | None:
    """OpenCV's reading: the values as stored, in RGB(A) order, scaled down to ``wanted`` (width, height); None where it cannot."""
    file.seek(0)
    pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    if wanted is not None:
        pixels = cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return np.asarray(pixels)


def bounded(image: NDArray[np.uint8], stored: tuple[int, int] | None = None) -> tuple[NDArray[np.uint8], str]:
    """Scales down to the size allowed, and says so of a picture stored as (width, height)."""
    width, height = image.shape[1], image.shape[0]
    stored = stored or (width, height)
    wanted = bounded_size(width, height)
    if wanted == (width, height) and bounded_size(*stored) == stored:
        return image, ""
    note = tr(
        "Scaled down from {width} × {height} to {new_width} × {new_height}.",
        width=stored[0],
        height=stored[1],
        new_width=wanted[0],
        new_height=wanted[1],
    )
    return resize(image, *wanted), note


def _bands(image: Image.Image, rows: int) -> Iterator[Image.Image]:
    """A loaded picture in horizontal bands, whose conversions then need a band's memory only."""
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _gather(
    bands: Iterator[Image.Image], factor: int, notes: list[str], *, white: float | None = None
) -> NDArray[np.uint8]:
    """Converts band by band to RGB, averages ``factor`` x ``factor`` pixels, and stacks them."""
    parts: list[NDArray[np.uint8]] = []
    for band in bands:
        pixels, note = _to_rgb(band, white)
        notes.append(note)
        height, width = pixels.shape[:2]
        parts.append(resize(pixels, -(-width // factor), -(-height // factor)))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _to_rgb(image: Image.Image, white: float | None) -> tuple[NDArray[np.uint8], str]:
    """Any of Pillow's modes but F -> (H, W, 3) uint8."""
    if image.mode.startswith("I"):
        return to_rgb(np.asarray(image), white=white)
    if image.has_transparency_data:
        return to_rgb(np.asarray(image.convert("RGBA")))
    if image.mode in ("CMYK", "LAB"):
        image = _through_profile(image) or image
    return to_rgb(np.asarray(image.convert("RGB")))


def _through_profile(image: Image.Image) -> Image.Image | None:
    """Inks by the file's ICC profile, and CIELAB, to sRGB; None without a usable profile.

    Screens' colours are taken as they are stored, as the networks were trained.
    """
    stored = image.info.get("icc_profile")
    try:
        if image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif stored:
            source = ImageCms.ImageCmsProfile(BytesIO(stored))
        else:
            return None
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        return ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has several channels of 16 bits; Pillow keeps the upper 8, which are black where only the lower 12 are used."""
    return (
        len(image.getbands()) > 1
        and image.width * image.height <= MOST_DEEP
        and ";16" in str(getattr(image, "tile", ""))
    )


def _orientation(find_exif: Callable[[], Any]) -> int:
    """The EXIF orientation, 1 where there is none or it is damaged."""
    try:
        exif = find_exif()
        if isinstance(exif, bytes):
            loaded = Image.Exif()
            loaded.load(exif)
            exif = loaded
        return int(exif.get(ExifTags.Base.Orientation, 1)) if exif else 1
    except Exception:  # a damaged tag must not cost the picture
        return 1
