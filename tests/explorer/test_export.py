"""The headless export: files that are whole, settings by name, and one sentence with a non-zero exit when it cannot be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvcore.assets import asset
from explorer.panel import Context, Frame
from explorer.registry import Registry, find_panels
from explorer.saving.export import UsageError, apply_settings, main, parse_value
from tests.explorer.panels_for_tests import Params, Trace, make_panel

COFFEE = str(asset("pictures", "coffee.jpg"))


def run(*words: str) -> int:
    return main([*words, "--quiet", "--threads", "1"])


def test_a_picture_becomes_png_and_npz(tmp_path: Path, qapp: object) -> None:
    assert run(COFFEE, "--panel", "picture", "--out", str(tmp_path / "new" / "folder"), "--size", "640x480") == 0
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["picture-000000.npz", "picture-000000.png"]
    with Image.open(folder / "picture-000000.png") as image:
        assert image.size == (640, 480)
        assert np.asarray(image).std() > 10
    with np.load(folder / "picture-000000.npz") as data, Image.open(COFFEE) as coffee:
        whole = [data[name] for name in data.files if data[name].shape == (coffee.height, coffee.width, 3)]
        assert any(np.array_equal(pixels, np.asarray(coffee.convert("RGB"))) for pixels in whole)


def test_every_kind_can_be_chosen_and_settings_take_effect(tmp_path: Path, qapp: object) -> None:
    words = ("--set", "channel=red", "--set", "log_counts=true", "--format", "svg,csv", "--language", "zh_CN")
    assert run(COFFEE, "--panel", "picture", "--out", str(tmp_path), *words) == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".svg"]
    assert "直方图" in (tmp_path / "picture-000000.svg").read_text("utf-8")


def test_frames_of_a_moving_picture_are_taken_by_number(tmp_path: Path, qapp: object) -> None:
    source = f"moving:{COFFEE}?size=160x120"
    words = ("--frames", "3", "--every", "4", "--format", "npz")
    assert run(source, "--panel", "picture", "--out", str(tmp_path), *words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"picture-{i:06d}.npz" for i in (0, 4, 8)]


def test_a_folder_gives_a_file_for_each_picture(tmp_path: Path, qapp: object) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    for i in range(3):
        Image.new("RGB", (20, 10), (i, 0, 0)).save(pictures / f"{i}.png")
    assert run(str(pictures), "--panel", "picture", "--out", str(tmp_path / "out"), "--format", "csv") == 0
    assert len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("missing.jpg", "--panel", "picture"), "missing.jpg"),
        ((COFFEE, "--panel", "nothing"), "There is no panel named nothing"),
        ((COFFEE, "--panel", "picture", "--set", "channel"), "KEY=VALUE"),
        ((COFFEE, "--panel", "picture", "--set", "sharpness=1"), "has no sharpness"),
        ((COFFEE, "--panel", "picture", "--set", "log_counts=perhaps"), "true or false"),
        ((COFFEE, "--panel", "picture", "--size", "big"), "--size"),
        ((COFFEE, "--panel", "picture", "--format", "bmp"), "--format"),
        ((COFFEE, "--panel", "picture", "--device", "cuda:9"), "There is no device cuda:9"),
        ((COFFEE, "--panel", "picture", "--every", "0"), "--every"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], qapp: object
) -> None:
    assert run(*words, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_panel_that_fails_gives_the_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], qapp: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(frame: Frame, params: Params, context: Context) -> Trace:
        if frame.index == 1:
            raise RuntimeError("the second frame is too much")
        return Trace(1.0, np.ones((4, 4), np.float32))

    registry = Registry({"probe": make_panel(compute=compute)}, {})
    monkeypatch.setattr("explorer.registry.find_panels", lambda: registry)
    source = f"moving:{COFFEE}?size=64x48"
    assert run(source, "--panel", "probe", "--out", str(tmp_path), "--frames", "3", "--format", "npz") == 1
    assert "the second frame is too much" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probe-000000.npz", "probe-000002.npz"]


def test_a_folder_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], qapp: object
) -> None:
    (tmp_path / "file").write_text("")
    assert run(COFFEE, "--panel", "picture", "--out", str(tmp_path / "file" / "out"), "--format", "npz") == 2
    assert "file" in capsys.readouterr().err


def test_values_follow_the_type_of_the_default() -> None:
    assert parse_value("3", 1) == 3
    assert parse_value("3", 1.0) == 3.0
    assert parse_value("0,25", 1.0) == parse_value("٠٫٢٥", 1.0) == 0.25
    with pytest.raises(ValueError, match="1,000"):
        parse_value("1,000", 1)
    assert parse_value("off", True) is False
    assert parse_value("3,4", None) == (3, 4)
    assert parse_value("1.5,4", (0.0, 0.0)) == (1.5, 4)
    assert parse_value("none", None) is None
    assert parse_value("text", "") == "text"


def test_settings_reach_params_and_view() -> None:
    panel = find_panels().panels["picture"]
    params, view = apply_settings(panel, ["log_counts=yes", "channel=luma"])
    assert params.log_counts is True
    assert view.channel == "luma"
    with pytest.raises(UsageError, match="it has log_counts, channel"):
        apply_settings(panel, ["x=1"])


def test_it_runs_without_any_display(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CV_EXPLORER_HOME": str(tmp_path)}
    words = [COFFEE, "--panel", "layers", "--out", str(tmp_path / "out"), "--size", "900x600"]
    done = subprocess.run(
        [sys.executable, "-m", "explorer", "export", *words],
        env=environment, capture_output=True, text=True, timeout=100, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".npz", ".png"]
    assert "frame" in done.stderr  # the progress bar
