"""Settings survive a restart, and survive being damaged."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.panel import knob
from explorer.settings.session import (
    OpenPanel,
    Settings,
    fields_from_json,
    fields_to_json,
    load_settings,
    save_settings,
    settings_from_json,
)


def test_what_is_saved_is_loaded(own_home: Path) -> None:
    settings = Settings(
        language="zh_CN",
        theme="projector",
        device="cuda:1",
        precision="float16",
        threads=3,
        source="/tmp/ä 图.jpg",
        recent=("a", "b"),
        panels=(OpenPanel("layers", 1, {"layer": "features.3", "position": [3, 4]}), OpenPanel("layers", 2)),
    )
    save_settings(settings)
    assert load_settings() == (settings, "")
    assert [path.name for path in own_home.iterdir()] == ["settings.json"]


def test_the_first_start_has_defaults() -> None:
    assert load_settings() == (Settings(), "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 1, "theme": "pink"}',
        '{"version": 1, "threads": "many"}',
        '{"version": 1, "panels": [{"name": "layers"}]}',
        '{"version": 1, "panels": 5}',
        '{"version": 1, "language": "tlh"}',
        "\x00\x01",
    ],
)
def test_a_damaged_file_is_told_and_kept_aside(own_home: Path, text: str) -> None:
    (own_home / "settings.json").write_text(text)
    settings, sentence = load_settings()
    assert settings == Settings()
    assert sentence == (
        "The settings could not be read; the program starts with new ones and keeps the old file as settings.damaged.json."
    )
    assert (own_home / "settings.damaged.json").read_text() == text


def test_a_newer_file_is_told_and_kept_aside_under_its_own_name(own_home: Path) -> None:
    text = '{"version": 99, "theme": "holographic"}'
    (own_home / "settings.json").write_text(text)
    settings, sentence = load_settings()
    assert settings == Settings()
    assert sentence == (
        "The settings are from a newer CV Explorer; the program starts with new ones and keeps those as settings.newer.json."
    )
    assert (own_home / "settings.newer.json").read_text() == text


def test_one_from_a_newer_version_is_kept_under_a_name_of_its_own_each_time(own_home: Path) -> None:
    for number in (2, 3):
        (own_home / "settings.json").write_text(json.dumps({"version": number}))
        settings, sentence = load_settings()
        assert settings == Settings()
        assert sentence.startswith("The settings are from a newer CV Explorer")
    assert (own_home / "settings.newer.json").read_text() == '{"version": 2}'
    assert (own_home / "settings.newer-2.json").read_text() == '{"version": 3}'
    assert load_settings() == (Settings(), "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_garbage_never_gets_through(garbage: Any) -> None:
    text = json.dumps({"version": 1, "theme": garbage, "panels": garbage, "recent": garbage, "unknown": garbage})
    try:
        settings = settings_from_json(text)
    except (ValueError, TypeError, KeyError):
        return
    assert settings.theme in ("dark", "light", "projector")


def test_a_folder_that_cannot_be_written_does_not_stop_the_program(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (own_home / "file").write_text("")
    monkeypatch.setenv("CV_EXPLORER_HOME", str(own_home / "file"))
    save_settings(Settings())
    assert "settings not saved" in caplog.text


@dataclass(frozen=True)
class Knobs:
    size: int = knob(224, 32, 1024)
    share: float = knob(0.5, 0, 1)
    name: str = knob("a")
    position: tuple[int, int] | None = knob(None, kind="point")
    on: bool = knob(False)

    def __post_init__(self) -> None:
        if self.size > 1024:
            raise ValueError("too large")


def test_fields_go_through_json_and_what_does_not_fit_is_left_out() -> None:
    was = Knobs(64, 1.0, "b", (3, 4), True)
    assert fields_from_json(Knobs, json.loads(json.dumps(fields_to_json(was)))) == was
    assert fields_from_json(Knobs, {"size": "big", "share": 1, "name": 3, "gone": 1}) == Knobs(share=1.0)
    assert fields_from_json(Knobs, {"size": 4000, "name": "c"}) == Knobs(name="c")
