"""Bundles as files: what is saved is read, and no file, however it was made, does harm or goes unexplained."""

import io
import json
import os
import pickle
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.bundle import archive, open_source
from explorer.bundle import format as bundle_format
from explorer.bundle.check import compute_again, main
from explorer.bundle.format import Bundle, BundleError, make_bundle, read_bundle, save_bundle
from explorer.bundle.leaves import compare
from explorer.engine.compute import Computer
from explorer.figure import Spot
from explorer.files.whole import SaveError
from explorer.panel import Context, Frame, Panel, Task
from explorer.registry import Registry
from explorer.sources import SourceError
from tests.explorer.panels_for_tests import Params, Trace, View, make_frame, make_panel

Members = dict[str, bytes]


def tiny_png(width: int = 1, height: int = 1, colour: int = 2) -> bytes:
    """A PNG file that states this size, whatever its pixels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(4))) + chunk(b"IEND", b"")


def saved(path: Path, panel: Panel | None = None, params: Params | None = None) -> Bundle:
    panel = panel or make_panel()
    frame = make_frame(90, index=7, size=(8, 6))
    task = Task(3, panel.name, params or Params(factor=2))
    result = Computer({panel.name: panel}).compute(frame, task)
    assert result is not None
    bundle = make_bundle(panel, result, View(0.25), tiny_png(), Spot("picture", "heatmap", 1.5, 2.0, 3))
    save_bundle(path, bundle)
    return bundle


def members(path: Path) -> Members:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewritten(path: Path, parts: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def test_everything_comes_back(tmp_path: Path) -> None:
    before = saved(tmp_path / "a.cvbundle")
    after = read_bundle(tmp_path / "a.cvbundle")
    assert np.array_equal(after.frame.image, before.frame.image)
    assert (after.frame.index, after.frame.source) == (7, "test")
    assert after.fields == {"factor": 2, "size": 0.5, "opacity": 0.25}
    assert after.cursor == Spot("picture", "heatmap", 1.5, 2.0, 3)
    assert (after.device, after.precision, after.threads) == ("cpu", "float32", 1)
    assert {"Python", "torch", "numpy", "cv-explorer", "system", "processor"} <= after.versions.keys()
    assert compare(before.leaves, after.leaves) == ()
    assert after.figure == tiny_png()
    assert stat.S_ISREG((tmp_path / "a.cvbundle").stat().st_mode)


def test_its_parts_are_what_other_programs_read(tmp_path: Path) -> None:
    saved(tmp_path / "a.cvbundle")
    parts = members(tmp_path / "a.cvbundle")
    assert set(parts) == {"manifest.json", "frame.png", "figure.png", "trace.npz", "trace.json"}
    with np.load(io.BytesIO(parts["trace.npz"]), allow_pickle=False) as data:
        assert data["values"].shape == (6, 8)
    assert json.loads(parts["manifest.json"])["version"] == 1


def test_the_weights_are_named_with_their_hash(tmp_path: Path) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        context.once("x", lambda: context.model("mobilenet_v2"))
        return Trace(1.0, np.zeros(3))

    bundle = saved(tmp_path / "a.cvbundle", make_panel(compute=compute))
    (used,) = read_bundle(tmp_path / "a.cvbundle").models
    assert used == bundle.models[0]
    assert used.name == "mobilenet_v2"
    assert len(used.sha256) == 64
    assert used.card["licence"]


def test_models_are_known_where_another_panel_loaded_them(tmp_path: Path) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        context.once("x", lambda: context.model("mobilenet_v2"))
        return Trace(1.0, np.zeros(3))

    panel = make_panel(compute=compute)
    computer, frame = Computer({"probe": panel}), make_frame()
    for task in (Task(1, "probe", Params()), Task(2, "probe", Params(factor=3))):
        result = computer.compute(frame, task)
        assert result is not None
        assert result.models == ("mobilenet_v2",)


def test_it_is_computed_again_and_the_same(tmp_path: Path) -> None:
    saved(tmp_path / "a.cvbundle")
    report = compute_again(read_bundle(tmp_path / "a.cvbundle"), {"probe": make_panel()})
    assert report.same
    assert report.facts == ()
    assert report.sentence() == "Computed again and the same, bit for bit: 1 arrays, 1 numbers and words."


def test_what_a_panel_remembers_is_computed_with(tmp_path: Path) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        before = context.previous
        return Trace(frame.index + (before.mean if before else 0.0), np.ones(2) * frame.index)

    panel = make_panel(compute=compute)
    computer = Computer({"probe": panel})
    for index in (3, 4, 5):
        result = computer.compute(make_frame(index=index), Task(1, "probe", Params()))
    assert result is not None
    save_bundle(tmp_path / "a.cvbundle", make_bundle(panel, result, View(), tiny_png()))
    read = read_bundle(tmp_path / "a.cvbundle")
    assert read.leaves["mean"].text == (12.0).hex()  # type: ignore[union-attr]
    assert compute_again(read, {"probe": panel}).same


def test_what_differs_is_named_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = saved(tmp_path / "a.cvbundle")

    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        values = frame.image.mean(axis=2).astype(np.float32) * params.factor
        values[0, 0] += 0.5
        return Trace(float(values.mean()), values)

    elsewhere = {**bundle.versions, "torch": "1.0"}
    parts = members(tmp_path / "a.cvbundle")
    manifest = json.loads(parts["manifest.json"]) | {"versions": elsewhere, "device": "cuda:7", "precision": "float16"}
    manifest["models"] = [{"name": "mobilenet_v2", "title": "x", "sha256": "00", "card": {}}]
    rewritten(tmp_path / "a.cvbundle", {**parts, "manifest.json": json.dumps(manifest).encode()})
    panels = {"probe": make_panel(compute=compute)}
    report = compute_again(read_bundle(tmp_path / "a.cvbundle"), panels)
    assert not report.same
    assert {fact.name for fact in report.facts} == {"torch", "device", "precision", "weights mobilenet_v2, SHA-256"}
    assert report.differences[0].name == "values"
    assert (report.differences[0].largest, report.differences[0].count, report.differences[0].size) == (0.5, 1, 48)
    monkeypatch.setattr("explorer.registry.find_panels", lambda: Registry(panels, {}))
    assert main([str(tmp_path / "a.cvbundle")]) == 1
    said = capsys.readouterr().out
    assert (
        "2 of 2 parts differ, most of all values, by up to 0.5. It was saved with other weights of mobilenet_v2" in said
    )
    assert "torch: 1.0 → " in said
    assert "values: float32 (6, 8) → float32 (6, 8) (largest difference 0.5, 1 of 48 numbers)" in said


def test_the_command_tells_same_damaged_and_failed_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "a.cvbundle")
    (tmp_path / "b.cvbundle").write_bytes(b"no")

    def fail(frame: Frame, params: Params, context: Context) -> Trace:
        raise RuntimeError("too warm")

    monkeypatch.setattr("explorer.registry.find_panels", lambda: Registry({"probe": make_panel()}, {}))
    assert main([str(tmp_path / "a.cvbundle")]) == 0
    assert main([str(tmp_path / "a.cvbundle"), str(tmp_path / "b.cvbundle")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr("explorer.registry.find_panels", lambda: Registry({"probe": make_panel(compute=fail)}, {}))
    assert main([str(tmp_path / "a.cvbundle")]) == 2
    assert "could not be computed here: too warm" in capsys.readouterr().out
    monkeypatch.setattr("explorer.registry.find_panels", lambda: Registry({}, {}))
    assert main([str(tmp_path / "a.cvbundle")]) == 2
    assert "There is no panel named probe" in capsys.readouterr().err


def test_its_frame_is_a_source(tmp_path: Path) -> None:
    bundle = saved(tmp_path / "A.CVBUNDLE")
    with open_source(str(tmp_path / "A.CVBUNDLE")) as source:
        frame = source.read()
        assert np.array_equal(frame.image, bundle.frame.image)
        assert (frame.index, frame.time) == (7, bundle.frame.time)
    (tmp_path / "b.cvbundle").write_bytes(b"no bundle")
    with open_source(str(tmp_path / "b.cvbundle")) as source, pytest.raises(SourceError, match="damaged"):
        source.read()


def test_one_too_large_to_be_opened_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_format, "MOST_UNPACKED", 100)
    with pytest.raises(SaveError, match="a bundle holds"):
        saved(tmp_path / "a.cvbundle")
    assert not list(tmp_path.iterdir())


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def pickled_npz(tmp_path: Path) -> bytes:
    array = np.empty(1, object)
    array[0] = Evil(tmp_path / "run")
    packed = io.BytesIO()
    np.savez(packed, values=array)
    return packed.getvalue()


def npz(name: str, header: str, data: bytes) -> bytes:
    """An NPZ file whose one array has this header, true or not."""
    packed = io.BytesIO()
    text = header.encode() + b"\n"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data)
    return packed.getvalue()


def manifest_with(parts: Members, **values: object) -> bytes:
    return json.dumps({**json.loads(parts["manifest.json"]), **values}).encode()


BROKEN: dict[str, tuple[Callable[[Members, Path], Members], str]] = {
    "another member": (lambda p, _: {**p, "notes.txt": b""}, "it holds 'notes.txt'"),
    "a member above": (lambda p, _: {**p, "../../evil.py": b"x"}, "it holds '../../evil.py'"),
    "an absolute member": (lambda p, _: {**p, "/tmp/evil.py": b"x"}, "it holds '/tmp/evil.py'"),
    "a Windows device": (lambda p, _: {**p, "NUL": b"x"}, "it holds 'NUL'"),
    "a Windows path": (lambda p, _: {**p, "C:\\evil.py": b"x"}, "it holds"),
    "a folder": (lambda p, _: {**p, "trace.npz/": b""}, "is not a plain file"),
    "no manifest": (lambda p, _: {k: v for k, v in p.items() if k != "manifest.json"}, "manifest.json is missing"),
    "no frame": (lambda p, _: {k: v for k, v in p.items() if k != "frame.png"}, "frame.png is missing"),
    "no trace": (lambda p, _: {k: v for k, v in p.items() if k != "trace.npz"}, "trace.npz is missing"),
    "half a memory": (lambda p, _: {**p, "before.npz": p["trace.npz"]}, "is damaged"),
    "not JSON": (lambda p, _: {**p, "manifest.json": b"{"}, "is damaged"),
    "deep JSON": (lambda p, _: {**p, "manifest.json": b"[" * 100_000}, "is damaged"),
    "a list": (lambda p, _: {**p, "manifest.json": b"[]"}, "is damaged"),
    "another format": (lambda p, _: {**p, "manifest.json": manifest_with(p, format="x")}, "is no bundle"),
    "newer": (lambda p, _: {**p, "manifest.json": manifest_with(p, version=2)}, "made by a newer CV Explorer"),
    "newer with other members": (
        lambda p, _: {"manifest.json": manifest_with(p, version=9), "all.bin": b"x"},
        "made by a newer CV Explorer",
    ),
    "version of no kind": (lambda p, _: {**p, "manifest.json": manifest_with(p, version="1")}, "version is '1'"),
    "a device that is a path": (lambda p, _: {**p, "manifest.json": manifest_with(p, device="/dev/x")}, "no way to"),
    "a million threads": (lambda p, _: {**p, "manifest.json": manifest_with(p, threads=10**6)}, "no way to compute"),
    "no threads": (lambda p, _: {**p, "manifest.json": manifest_with(p, threads=True)}, "threads is True"),
    "params of no kind": (lambda p, _: {**p, "manifest.json": manifest_with(p, params=[1])}, "params is [1]"),
    "a frame that is no picture": (lambda p, _: {**p, "frame.png": b"GIF89a" * 10}, "no PNG file"),
    "a frame with a hidden size": (lambda p, _: {**p, "frame.png": tiny_png(50_000, 50_000)}, "too large"),
    "a figure with a hidden size": (lambda p, _: {**p, "figure.png": tiny_png(2**31 - 1, 2)}, "too large"),
    "a frame without pixels": (lambda p, _: {**p, "frame.png": tiny_png(0, 5)}, "too large"),
    "a frame cut short": (lambda p, _: {**p, "frame.png": p["frame.png"][:45]}, "is damaged"),
    "a grey frame": (lambda p, _: {**p, "frame.png": tiny_png(1, 1, 0)}, "is no RGB picture"),
    "a pickle": (lambda p, t: {**p, "trace.npz": pickled_npz(t)}, "of the type object"),
    "a pickle as such": (lambda p, t: {**p, "trace.npz": pickle.dumps(Evil(t / "run"))}, "is damaged"),
    "an array that lies": (
        lambda p, _: {
            **p,
            "trace.npz": npz("values.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (99,), }", b"1234"),
        },
        "cut short",
    ),
    "an array without end": (
        lambda p, _: {
            **p,
            "trace.npz": npz("values.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }", b""),
        },
        "too large",
    ),
    "an array of negative size": (
        lambda p, _: {
            **p,
            "trace.npz": npz("values.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", b"12345678"),
        },
        "too large",
    ),
    "an array of nothing, often": (
        lambda p, _: {
            **p,
            "trace.npz": npz("values.npy", "{'descr': '|S0', 'fortran_order': False, 'shape': (9999999999999,), }", b""),
        },
        "too large",
    ),
    "a header that is code": (
        lambda p, _: {**p, "trace.npz": npz("values.npy", "__import__('os').mkdir('run')", b"")},
        "is damaged",
    ),
    "an array that is not listed": (lambda p, _: {**p, "trace.json": b"[]"}, "not listed"),
    "a list of nothing": (lambda p, _: {**p, "trace.json": b"3"}, "is damaged"),
    "a part of no kind": (lambda p, _: {**p, "trace.json": b'[{"name": "x", "what": 1}]'}, "is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_is_one_sentence_and_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "a.cvbundle"
    saved(path)
    change, words = BROKEN[name]
    rewritten(path, change(members(path), tmp_path))
    monkeypatch.chdir(folder)
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    said = str(caught.value)
    assert words in said
    assert said.startswith("a.cvbundle")
    assert said.endswith(".")
    assert "\n" not in said
    assert sorted(folder.iterdir()) == [path]
    assert [one.name for one in tmp_path.iterdir()] == ["in"]


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.cvbundle"
    saved(path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("frame.png", b"another")
    with pytest.raises(BundleError, match="two files of one name"):
        read_bundle(path)


def test_a_link_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.cvbundle"
    saved(path)
    parts = members(path)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name == "frame.png" else 0
            file.writestr(info, b"/etc/passwd" if name == "frame.png" else content)
    with pytest.raises(BundleError, match="is not a plain file"):
        read_bundle(path)


def test_other_ways_of_packing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.cvbundle"
    saved(path)
    parts = members(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(BundleError, match="packed in a way"):
        read_bundle(path)


def test_a_bomb_is_stopped_at_the_limit_however_its_header_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.cvbundle"
    saved(path)
    parts = members(path)
    monkeypatch.setitem(bundle_format.MOST, "trace.npz", 1 << 20)
    rewritten(path, {**parts, "trace.npz": bytes(8 << 20)})
    with pytest.raises(BundleError, match="larger than 1 MiB"):
        read_bundle(path)
    data = path.read_bytes()
    lying = data.replace(struct.pack("<I", 8 << 20), struct.pack("<I", 100))
    assert lying != data
    path.write_bytes(lying)
    with pytest.raises(BundleError):
        read_bundle(path)


def test_arrays_together_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"a{i}.npy": np.zeros(1000) for i in range(20)}
    packed = io.BytesIO()
    np.savez_compressed(packed, **many)
    monkeypatch.setattr(archive, "MOST_UNPACKED", 50_000)
    with pytest.raises(archive.TooLargeError):
        archive.read_trace(packed.getvalue(), b"[]")
    monkeypatch.setattr(archive, "MOST_MEMBERS", 10)
    with pytest.raises(archive.TooLargeError, match="20 files"):
        archive.read_trace(packed.getvalue(), b"[]")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x00" * 1000, b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.cvbundle"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"^a\.cvbundle .*\.$"):
        read_bundle(path)


def test_missing_files_and_folders_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "b.cvbundle").mkdir()
    for name in ("a.cvbundle", "b.cvbundle"):
        with pytest.raises(BundleError, match=name):
            read_bundle(tmp_path / name)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=4))
def test_any_damage_is_a_sentence_or_harmless(cut: float, flips: list[tuple[float, int]], tmp_path: Path) -> None:
    whole = tmp_path / "whole.cvbundle"
    if not whole.exists():
        saved(whole)
    data = bytearray(whole.read_bytes())
    for place, bits in flips:
        data[int(place * (len(data) - 1))] ^= bits
    path = tmp_path / "a.cvbundle"
    path.write_bytes(data[: int(cut * len(data)) + 1] if cut < 0.9 else data)
    said = ""
    try:
        read_bundle(path)
    except BundleError as error:
        said = str(error)
    assert said.startswith("a.cvbundle") or not said
