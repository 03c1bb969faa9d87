"""A disk that fills up while something is saved: one sentence, the older file stays, and no half file is left, whatever is saved."""

import errno
import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.bundle.format import make_bundle, save_bundle
from explorer.engine.compute import Computer
from explorer.figure import Axis, Curve, Figure, Image, Pane, Table, TableColumn
from explorer.files import whole
from explorer.files.whole import SaveError
from explorer.panel import Task
from explorer.saving.data import save_csv, save_npz, save_picture
from explorer.saving.export import save_files
from explorer.saving.shown import save_figure
from explorer.settings.session import Settings, load_settings, save_settings
from explorer.widgets.theme import LIGHT
from tests.explorer.panels_for_tests import Params, View, make_frame, make_panel

FIGURE = Figure(
    Pane(
        "chart",
        "Chart",
        (Curve(np.arange(3000), np.random.default_rng(0).random(3000), "noise"),),
        axes=(Axis("x"), Axis("y")),
    )
)
FRAME = make_frame(70, size=(320, 240))
NOISE = Figure(Pane("picture", "Picture", (Image(np.random.default_rng(1).integers(0, 255, (90, 90, 3), np.uint8)),)))
TABLE = Figure(Pane("table", "Table", (Table((TableColumn("n"),), tuple((i,) for i in range(3000))),)))


def bundle(path: Path) -> None:
    panel = make_panel()
    result = Computer({"probe": panel}).compute(FRAME, Task(1, "probe", Params()))
    assert result is not None
    save_bundle(
        path, make_bundle(panel, result, View(), b"\x89PNG\r\n\x1a\n" + bytes(8) + bytes(3) + b"\x01" + bytes(9))
    )


KINDS: dict[str, Callable[[Path], Any]] = {
    "frame.png": lambda path: save_picture(path, FRAME),
    "frame.jpg": lambda path: save_picture(path, FRAME),
    "figure.png": lambda path: save_figure(path, NOISE, "png", (400, 300), LIGHT),
    "figure.svg": lambda path: save_figure(path, FIGURE, "svg", (400, 300), LIGHT),
    "figure.csv": lambda path: save_csv(path, TABLE),
    "figure.npz": lambda path: save_npz(path, FIGURE),
    "panel.json": lambda path: save_files({"panel.json": b"{}" * 5000}, path.parent, "own"),
    "all.cvbundle": bundle,
}


class FullDisk(io.FileIO):
    """A file on a disk with room for so many bytes: what does not fit is refused, as the system does it."""

    room = 0

    def write(self, data: Any) -> int:
        fits = bytes(data)[: max(0, FullDisk.room)]
        if not fits and len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = super().write(fits)
        FullDisk.room -= done
        return done


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """From now on ``write_whole`` finds this much room."""

    def fdopen(handle: int, mode: str) -> io.BufferedWriter:
        return io.BufferedWriter(FullDisk(handle, "w"))

    FullDisk.room = room
    monkeypatch.setattr(whole.os, "fdopen", fdopen)


@pytest.mark.parametrize("room", [0, 1, 700, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_sentence_and_the_older_file_stays(
    kind: str, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object
) -> None:
    path = tmp_path / kind
    written = tmp_path / "own-panel.json" if kind == "panel.json" else path
    KINDS[kind](path)
    if room >= written.stat().st_size:
        pytest.skip("it fits")
    before = written.read_bytes()
    with monkeypatch.context() as patch:
        fill(patch, room)
        with pytest.raises(SaveError, match=r"was not saved: the disk is full\.$") as caught:
            KINDS[kind](path)
    assert "\n" not in str(caught.value)
    assert written.read_bytes() == before
    assert list(tmp_path.iterdir()) == [written]


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("kind", KINDS)
def test_at_every_other_step_too(
    kind: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: object
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(whole.os, step, full)
        with pytest.raises(SaveError, match="the disk is full"):
            KINDS[kind](tmp_path / kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("room", [0, 1, 50])
def test_settings_keep_the_older_ones_and_let_the_program_close(
    room: int, own_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save_settings(Settings(theme="light"))
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        fill(patch, room)
        save_settings(Settings(theme="projector"))
    assert "the disk is full" in caplog.text
    assert load_settings() == (Settings(theme="light"), "")
    assert [one.name for one in own_home.iterdir()] == ["settings.json"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root for a small disk of its own")
def test_on_a_disk_that_is_really_full(tmp_path: Path, qapp: object) -> None:
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        (disk / "rest").write_bytes(bytes(64 * 1024))
        for kind, write in KINDS.items():
            with pytest.raises(SaveError, match="the disk is full"):
                write(disk / kind)
            assert [one.name for one in disk.iterdir()] == ["rest"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_stand_in_is_like_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above lean on: with room enough nothing fails."""
    fill(monkeypatch, 10**9)
    for kind, write in KINDS.items():
        if not kind.startswith("figure.png") and not kind.startswith("figure.svg"):
            write(tmp_path / kind)
    assert (tmp_path / "frame.png").read_bytes()[:4] == b"\x89PNG"
