"""A bundle: one file that holds a frame, what a panel computed of it, and all that is needed to compute it again.

A zip file whose name ends in ``.cvbundle``:

    manifest.json   panel, parameters, view, cursor, device, precision, threads, weights, versions
    frame.png       the frame, without loss
    figure.png      how the panel looked
    trace.npz       every array of the trace under its name, for ``numpy.load``
    before.npz and before.json   the same of the trace before it, where the panel looks back at that
    trace.json      the names of all parts of the trace, with shapes, and its numbers and words

It is data: opening one unpacks nothing to the disk, reads no pickle and looks up no class by a name in the file. The trace is
computed again by the panel that is installed, and compared.
"""

import io
import json
import platform
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np
from PIL import Image as PillowImage

from explorer.bundle.archive import (
    MOST_UNPACKED,
    DamagedError,
    TooLargeError,
    guarded,
    read_member,
    read_trace,
    read_zip,
    write_trace,
    write_zip,
)
from explorer.bundle.leaves import Array, Leaves, take_apart
from explorer.figure import Spot
from explorer.files.whole import SaveError, write_whole
from explorer.i18n import tr
from explorer.panel import Frame, Panel, Precision, Result
from explorer.settings.diagnostics import PACKAGES
from explorer.settings.session import fields_to_json
from explorer.views import networks

T = TypeVar("T")
FORMAT = "CV Explorer bundle"
VERSION = 1
MOST = {
    "manifest.json": 4 << 20,
    "frame.png": 256 << 20,
    "figure.png": 256 << 20,
    "trace.npz": MOST_UNPACKED,
    "trace.json": 64 << 20,
    "before.npz": MOST_UNPACKED,
    "before.json": 64 << 20,
}
"""The members, and how many bytes each may have."""
ALWAYS = ("manifest.json", "frame.png", "figure.png", "trace.npz", "trace.json")
MOST_PIXELS = 64_000_000
MOST_THREADS = 1024
DEVICE = re.compile(r"cpu|mps|cuda(:\d{1,3})?")


class BundleError(Exception):
    """A bundle cannot be read or used; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights: the name of their card, a title and their SHA-256; ``card`` has all the card said."""

    name: str
    title: str
    sha256: str
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """What a bundle holds.

    Args:
        panel, title: its name and title.
        params, view: what its knobs were set to, by name.
        cursor: where the pointer was.
        frame: as it was, with its number and time in its source.
        device: where it was computed; precision, threads: as in a Task.
        models: the weights used.
        versions: of Python, this program and the packages that decide numbers, and what processor and system there were.
        leaves: the trace; see :func:`explorer.bundle.leaves.take_apart`.
        before: the trace that the panel looked back at, such as that of the frame before; None if it did not.
        figure: a PNG file, how the panel looked.
        saved: when, in ISO 8601.
    """

    panel: str
    title: str
    params: Mapping[str, Any]
    view: Mapping[str, Any]
    cursor: Spot | None
    frame: Frame
    device: str
    precision: Precision
    threads: int
    models: tuple[Weights, ...]
    versions: Mapping[str, str]
    leaves: Leaves
    figure: bytes
    saved: str
    before: Leaves | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Params and View together, as :class:`explorer.settings.session.OpenPanel` has them."""
        return {**self.params, **self.view}

    def traces(self) -> tuple[Leaves, ...]:
        return (self.leaves,) if self.before is None else (self.leaves, self.before)


def make_bundle(panel: Panel, result: Result, view: Any, figure: bytes, cursor: Spot | None = None) -> Bundle:
    """Everything about a result, ready for :func:`save_bundle`.

    Args:
        figure: how the panel looks now, a PNG file.

    Raises:
        ValueError: the result is an error.
    """
    if result.error:
        raise ValueError(f"there is nothing to bundle: {result.error}")
    task = result.task
    return Bundle(
        panel=panel.name,
        title=panel.title,
        params=fields_to_json(task.params),
        view=fields_to_json(view),
        cursor=cursor,
        frame=result.frame,
        device=result.device,
        precision=task.precision,
        threads=task.threads,
        models=tuple(weights(name) for name in result.models),
        versions=versions(result.device),
        leaves=take_apart(result.trace),
        figure=figure,
        saved=datetime.now().astimezone().isoformat(timespec="seconds"),
        before=None if result.previous is None else take_apart(result.previous),
    )


def save_bundle(path: Path | str, bundle: Bundle) -> None:
    """Writes a bundle, whole or not at all.

    Raises:
        SaveError: it cannot be written, or is too large to be opened again.
    """
    size = max(sum(a.values.nbytes for a in part.values() if isinstance(a, Array)) for part in bundle.traces())
    if size > MOST_UNPACKED:
        raise SaveError(
            tr(
                "{path} was not saved: the data has {size:.1f} GiB, and a bundle holds {most:.0f} GiB at most.",
                path=path, size=size / 2**30, most=MOST_UNPACKED / 2**30,
            )
        )  # fmt: skip
    trace, listed = write_trace(bundle.leaves)
    picture = io.BytesIO()
    PillowImage.fromarray(bundle.frame.image).save(picture, "PNG", compress_level=3)
    members = {
        "manifest.json": json.dumps(_manifest(bundle), indent=1).encode("ascii"),
        "frame.png": picture.getvalue(),
        "figure.png": bundle.figure,
        "trace.npz": trace,
        "trace.json": listed,
    }
    if bundle.before is not None:
        members["before.npz"], members["before.json"] = write_trace(bundle.before)
    write_whole(path, lambda file: write_zip(file, members))


def read_bundle(path: Path | str) -> Bundle:
    """Reads what :func:`save_bundle` wrote, and trusts nothing in it.

    Raises:
        BundleError: it is missing, damaged, too large, from a newer version, or something else.
    """
    from explorer.sources.base import SourceError
    from explorer.sources.files import open_regular

    name = Path(path).name
    try:
        with open_regular(Path(path)) as file:
            # First of all, since a newer format may hold other members.
            data = guarded(lambda: _known_format(read_member(file, "manifest.json", MOST["manifest.json"]), name))
            members = read_zip(file, MOST)
        return guarded(lambda: _bundle(data, members))
    except SourceError as error:
        raise BundleError(str(error)) from error
    except TooLargeError as error:
        raise BundleError(tr("{name} is too large to be opened: {why}.", name=name, why=error)) from error
    except DamagedError as error:
        raise BundleError(tr("{name} is damaged, or no bundle: {why}.", name=name, why=error)) from error


def versions(device: str) -> dict[str, str]:
    """What decides the numbers besides the input: program, packages, system, processor, device."""
    import torch

    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["processor"] = _processor() + " " + torch.backends.cpu.get_cpu_capability()
    if device.startswith("cuda") and torch.cuda.is_available():
        found["GPU"] = torch.cuda.get_device_name(torch.device(device))
        found["CUDA"] = torch.version.cuda or ""
    return found


def weights(name: str) -> Weights:
    """The weights of a card; without a hash where there is no such card."""
    try:
        card = networks.card(name)
    except Exception:  # a network of the user's own may be gone, in whatever way
        return Weights(name, name, "")
    return Weights(card.name, card.title, card.sha256, json.loads(json.dumps(asdict(card))))


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, ValueError):
        return platform.processor() or platform.machine()


def _manifest(bundle: Bundle) -> dict[str, Any]:
    frame, cursor = bundle.frame, bundle.cursor
    return {
        "format": FORMAT,
        "version": VERSION,
        "saved": bundle.saved,
        "panel": {"name": bundle.panel, "title": bundle.title},
        "params": dict(bundle.params),
        "view": dict(bundle.view),
        "cursor": None if cursor is None else asdict(cursor),
        "frame": {
            "index": frame.index,
            "time": frame.time,
            "source": frame.source,
            "capture": frame.capture,
            "note": frame.note,
            "size": frame.size,
        },
        "device": bundle.device,
        "precision": bundle.precision,
        "threads": bundle.threads,
        "models": [asdict(one) for one in bundle.models],
        "versions": dict(bundle.versions),
    }


def _known_format(manifest: bytes, name: str) -> Any:
    data = json.loads(manifest)
    if _typed(data, "format", str) != FORMAT:
        raise BundleError(tr("{name} is no bundle of CV Explorer.", name=name))
    if _typed(data, "version", int) > VERSION:
        raise BundleError(
            tr(
                "{name} was made by a newer CV Explorer: its format is {version}, and this one reads up to {known}.",
                name=name, version=data["version"], known=VERSION,
            )
        )  # fmt: skip
    return data


def _bundle(data: Any, members: Mapping[str, bytes]) -> Bundle:
    for name in ALWAYS:
        if name not in members:
            raise DamagedError(f"{name} is missing")
    panel = _typed(data, "panel", dict)
    precision, device, threads = (
        _typed(data, "precision", str),
        _typed(data, "device", str),
        _typed(data, "threads", int),
    )
    if precision not in get_args(Precision) or not DEVICE.fullmatch(device) or not 1 <= threads <= MOST_THREADS:
        raise DamagedError(f"{device[:40]!r}, {precision[:40]!r}, {threads} is no way to compute")
    _png_size(members["figure.png"])
    return Bundle(
        panel=_typed(panel, "name", str),
        title=_typed(panel, "title", str),
        params=_typed(data, "params", dict),
        view=_typed(data, "view", dict),
        cursor=_cursor(data["cursor"]),
        frame=_frame(members["frame.png"], _typed(data, "frame", dict)),
        device=device,
        precision=cast(Precision, precision),
        threads=threads,
        models=tuple(_weights(one) for one in _typed(data, "models", list)),
        versions={str(key): str(value) for key, value in _typed(data, "versions", dict).items()},
        leaves=read_trace(members["trace.npz"], members["trace.json"]),
        figure=members["figure.png"],
        saved=_typed(data, "saved", str),
        before=read_trace(members["before.npz"], members["before.json"]) if "before.npz" in members else None,
    )


def _typed(data: Any, key: str, kind: type[T]) -> T:
    value = data[key] if isinstance(data, dict) else None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise DamagedError(f"{key} is {value!r:.40}")
    return value


def _cursor(data: Any) -> Spot | None:
    if data is None:
        return None
    index = data["index"]
    return Spot(
        _typed(data, "pane", str),
        _typed(data, "mark", str),
        _typed(data, "x", float),
        _typed(data, "y", float),
        None if index is None else _typed(data, "index", int),
    )


def _weights(data: Any) -> Weights:
    card = _typed(data, "card", dict)
    return Weights(_typed(data, "name", str), _typed(data, "title", str), _typed(data, "sha256", str), card)


def _frame(png: bytes, data: dict[str, Any]) -> Frame:
    width, height = _png_size(png)
    with PillowImage.open(io.BytesIO(png), formats=("PNG",)) as picture:
        if picture.mode != "RGB" or picture.size != (width, height):
            raise DamagedError("frame.png is no RGB picture")
        image = np.array(picture)
    numbers = {key: _typed(data, key, float) for key in ("time", "capture")}
    return Frame(
        image, _typed(data, "index", int), source=_typed(data, "source", str), note=_typed(data, "note", str), **numbers
    )


def _png_size(png: bytes) -> tuple[int, int]:
    """Width and height as the file's head states them (PNG, 3rd edition, 11.2.1), before anything is decoded."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        raise DamagedError("a picture in it is no PNG file")
    width, height = struct.unpack(">II", png[16:24])
    if not 0 < width * height <= MOST_PIXELS:
        raise TooLargeError(f"a picture of {width} × {height} pixels")
    return width, height
