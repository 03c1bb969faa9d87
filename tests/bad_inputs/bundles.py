"""Bundles that are damaged, or meant to do harm."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable

import numpy as np

from explorer.bundle.format import make_bundle, save_bundle
from explorer.engine.compute import Computer
from explorer.panel import Task
from tests.bad_inputs.case import Case, Make, Scene, Trap, data
from tests.explorer.panels_for_tests import Params, View, make_frame, make_panel
from tests.explorer.test_bundle_files import Members, members, rewritten, tiny_png

Change = Callable[[Members, Scene], Members]


def whole(scene: Scene) -> Members:
    panel = make_panel()
    result = Computer({"probe": panel}).compute(make_frame(90, size=(8, 6)), Task(1, "probe", Params()))
    assert result is not None
    save_bundle(scene.path, make_bundle(panel, result, View(), tiny_png()))
    return members(scene.path)


def with_(change: Change) -> Make:
    def make(scene: Scene) -> None:
        rewritten(scene.path, change(whole(scene), scene))

    return make


def manifest(**values: object) -> Make:
    """A bundle whose manifest says this."""
    return with_(lambda p, _: {**p, "manifest.json": json.dumps({**json.loads(p["manifest.json"]), **values}).encode()})


def npz(header: str, content: bytes = b"") -> bytes:
    """An NPZ file whose one array has this header, true or not."""
    packed, text = io.BytesIO(), header.encode() + b"\n"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("values.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content)
    return packed.getvalue()


def pickled(parts: Members, scene: Scene) -> Members:
    array = np.empty(1, object)
    array[0] = Trap(scene.trap)
    packed = io.BytesIO()
    np.savez(packed, values=array)
    return {**parts, "trace.npz": packed.getvalue()}


def bomb(scene: Scene) -> None:
    """Some kB that would become 100 MB."""
    with zipfile.ZipFile(scene.path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", b" " * 100_000_000)


def cut(scene: Scene) -> None:
    whole(scene)
    content = scene.path.read_bytes()
    scene.path.write_bytes(content[: len(content) // 2])


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }"

CASES = (
    Case("bundle", "empty.cvbundle", "0 bytes", "empty.cvbundle is empty.", data(b"")),
    Case("bundle", "missing.cvbundle", "is not there", "There is no file missing.cvbundle.", lambda scene: None),
    Case(
        "bundle",
        "renamed.cvbundle",
        "a text renamed",
        "renamed.cvbundle is damaged, or no bundle: File is not a zip file.",
        data(b"no bundle\n" * 50),
    ),
    Case(
        "bundle",
        "cut.cvbundle",
        "cut in the middle",
        "cut.cvbundle is damaged, or no bundle: File is not a zip file.",
        cut,
    ),
    Case(
        "bundle",
        "above.cvbundle",
        "a member that would lie outside the folder",
        "above.cvbundle is damaged, or no bundle: it holds '../../evil.py'.",
        with_(lambda p, _: {**p, "../../evil.py": b"x"}),
    ),
    Case(
        "bundle",
        "code.cvbundle",
        "its arrays are a pickle with code",
        "code.cvbundle is damaged, or no bundle: it holds values of the type object.",
        with_(pickled),
    ),
    Case(
        "bundle",
        "pickle.cvbundle",
        "a pickle with code in place of its arrays",
        "pickle.cvbundle is damaged, or no bundle: File is not a zip file.",
        with_(lambda p, scene: {**p, "trace.npz": pickle.dumps(Trap(scene.trap))}),
    ),
    Case(
        "bundle",
        "expression.cvbundle",
        "an array whose header is Python code",
        "expression.cvbundle is damaged, or no bundle: an array does not say what it holds.",
        with_(lambda p, scene: {**p, "trace.npz": npz(f"open({str(scene.trap)!r}, 'w')")}),
    ),
    Case(
        "bundle",
        "array.cvbundle",
        "an array that says it has 80 TB",
        "array.cvbundle is too large to be opened: an array of the shape (9999999999999,) is too large.",
        with_(lambda p, _: {**p, "trace.npz": npz(HUGE)}),
    ),
    Case(
        "bundle",
        "bomb.cvbundle",
        "100 MB of nothing, packed into 100 kB",
        "bomb.cvbundle is too large to be opened: manifest.json is larger than 4 MiB.",
        bomb,
    ),
    Case(
        "bundle",
        "pixels.cvbundle",
        "a picture that says it has 50000 × 50000 pixels",
        "pixels.cvbundle is too large to be opened: a picture of 50000 × 50000 pixels.",
        with_(lambda p, _: {**p, "frame.png": tiny_png(50_000, 50_000)}),
    ),
    Case(
        "bundle",
        "parts.cvbundle",
        "without its frame",
        "parts.cvbundle is damaged, or no bundle: frame.png is missing.",
        with_(lambda p, _: {k: v for k, v in p.items() if k != "frame.png"}),
    ),
    Case(
        "bundle",
        "deep.cvbundle",
        "a manifest of 100000 brackets",
        "deep.cvbundle is damaged, or no bundle: it is nested too deeply.",
        with_(lambda p, _: {**p, "manifest.json": b"[" * 100_000}),
    ),
    Case(
        "bundle",
        "newer.cvbundle",
        "from a newer version",
        "newer.cvbundle was made by a newer CV Explorer: its format is 2, and this one reads up to 1.",
        manifest(version=2),
    ),
    Case(
        "bundle",
        "other.cvbundle",
        "of another program",
        "other.cvbundle is no bundle of CV Explorer.",
        manifest(format="other"),
    ),
    Case(
        "bundle",
        "threads.cvbundle",
        "wants a million threads",
        "threads.cvbundle is damaged, or no bundle: 'cpu', 'float32', 1000000 is no way to compute.",
        manifest(threads=10**6),
    ),
    Case(
        "bundle",
        "panel.cvbundle",
        "of a panel that there is not",
        "There is no panel named ghost.",
        manifest(panel={"name": "ghost", "title": "Ghost"}),
    ),
)
