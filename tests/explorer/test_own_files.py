"""A panel's own files: written by the export and from the window, as the panel gives them."""

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer import registry
from explorer.panel import Panel, Result, Task
from explorer.registry import Registry
from explorer.saving import export
from explorer.saving.window import Saver
from explorer.widgets.jobs import Jobs
from tests.explorer.panels_for_tests import Params, Trace, View, make_frame, make_panel

COFFEE = str(asset("pictures", "coffee.jpg"))


def files(result: Result, view: View) -> dict[str, bytes]:
    mean = {"mean": result.trace.mean, "opacity": view.opacity}
    return {"mean.json": json.dumps(mean).encode(), "more.json": b"[]"}


def with_panels(monkeypatch: pytest.MonkeyPatch, *panels: Panel) -> None:
    monkeypatch.setattr(registry, "find_panels", lambda: Registry({panel.name: panel for panel in panels}, {}))


def test_the_export_writes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_panels(monkeypatch, make_panel(files=files))
    arguments = [COFFEE, "--panel", "probe", "--out", str(tmp_path / "new"), "--format", "json", "--quiet"]
    assert export.main([*arguments, "--set", "opacity=0.25"]) == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "probe-000000-mean.json",
        "probe-000000-more.json",
    ]
    saved = json.loads((tmp_path / "new" / "probe-000000-mean.json").read_text("utf-8"))
    assert saved["opacity"] == 0.25
    assert 0 < saved["mean"] < 255


def test_a_panel_without_any_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_panels(monkeypatch, make_panel())
    arguments = [COFFEE, "--panel", "probe", "--out", str(tmp_path), "--quiet"]
    assert export.main([*arguments, "--format", "json"]) == 2
    assert "no data of its own" in capsys.readouterr().err
    assert export.main([*arguments, "--format", "npz,json"]) == 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


class OneDock:
    """What the saver asks of a dock."""

    name = "probe"

    def __init__(self, panel: Panel) -> None:
        frame = make_frame()
        self.panel = panel
        self.view = View()
        self.result = Result(frame, Task(1, "probe", Params()), Trace(100.0, frame.image))


@pytest.fixture
def said() -> list[str]:
    return []


def saver(qtbot: QtBot, said: list[str], dock: OneDock | None) -> Saver:
    parent = QWidget()
    qtbot.addWidget(parent)
    desk: Any = type("Desk", (), {"active": lambda self: dock})()
    player: Any = None
    made = Saver(parent, desk, player, Jobs(parent), said.append, "")
    made.parent = parent  # held as long as the saver
    return made


def test_the_window_writes_them(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    one = saver(qtbot, said, OneDock(make_panel(files=files)))
    one.save_files()
    assert json.loads((tmp_path / "probe-000000-mean.json").read_text("utf-8")) == {"mean": 100.0, "opacity": 0.5}
    assert (tmp_path / "probe-000000-more.json").read_bytes() == b"[]"
    assert "probe-000000-mean.json" in said[-1]
    assert one.folder == str(tmp_path)


def test_the_window_says_what_is_in_the_way(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "missing"))
    saver(qtbot, said, None).save_files()
    assert "nothing to save" in said[-1]
    saver(qtbot, said, OneDock(make_panel())).save_files()
    assert "no data of its own" in said[-1]
    saver(qtbot, said, OneDock(make_panel(files=files))).save_files()
    assert said[-1].endswith(".")
    assert not (tmp_path / "missing").exists()


def test_a_cancelled_dialog_writes_nothing(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    saver(qtbot, said, OneDock(make_panel(files=files))).save_files()
    assert said == []


def test_the_contract_reads_them() -> None:
    assert make_panel(files=files).files is files
    assert make_panel().files is None
