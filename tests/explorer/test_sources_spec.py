"""What names a source, and what of it may be shown."""

from pathlib import Path

import pytest

from explorer.sources import SourceError, open_source, public_spec
from explorer.sources.address import is_stream, public_address
from explorer.sources.spec import split_spec
from tests.explorer.corpus import photograph, save


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("a.jpg", (None, "a.jpg", {})),
        ("a.jpg?fps=3", (None, "a.jpg?fps=3", {})),
        ("camera:0", ("camera", "0", {})),
        ("camera:HD Webcam: front", ("camera", "HD Webcam: front", {})),
        (
            "camera:0?size=1920x1080&fps=15&mirror=1&rotate=90",
            ("camera", "0", {"size": (1920, 1080), "fps": 15.0, "mirror": True, "rotate": 90}),
        ),
        ("moving:a.jpg?fps=120", ("moving", "a.jpg", {"fps": 120.0})),
        ("moving:what?.jpg", ("moving", "what?.jpg", {})),
        ("moving:what?x=1", ("moving", "what?x=1", {})),
        (r"C:\pictures\a.jpg", (None, r"C:\pictures\a.jpg", {})),
        ("http://host/a?fps=3", (None, "http://host/a?fps=3", {})),
    ],
)
def test_specs(spec: str, wanted: tuple[str | None, str, dict[str, object]]) -> None:
    assert split_spec(spec) == wanted


@pytest.mark.parametrize(
    "spec", ["camera:0?size=1920", "camera:0?mirror=perhaps", "camera:0?rotate=", "moving:a?fps=x"]
)
def test_options_not_understood(spec: str) -> None:
    with pytest.raises(SourceError, match="is not understood as"):
        split_spec(spec)


def test_a_question_mark_in_a_file_name(tmp_path: Path) -> None:
    try:
        path = save(tmp_path / "odd?fps=9", photograph(), format="PNG")
    except OSError:
        pytest.skip("this system allows no question mark in names")
    with open_source(f"moving:{path}") as source:
        assert source.fps == 30


def test_files_take_no_options(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        open_source(save(tmp_path / "a.png", photograph()), mirror=True)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    path = save(tmp_path / "two words ä.png", photograph())
    with open_source(path.as_uri()) as source:
        assert (source.kind, source.title, source.read().size) == ("picture", path.name, (64, 48))


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("rtsp://anna:s3cret@host:554/live/1", "rtsp://host:554/live/1"),
        ("http://host/video?user=anna&pwd=s3cret&size=3", "http://host/video?user=…&pwd=…&size=3"),
        ("http://host/v?access_token=s3cret", "http://host/v?access_token=…"),
        ("http://anna:s3cr@t@host/a", "http://host/a"),
        ("http://s3cret@[::1]:80/x", "http://[::1]:80/x"),
        ("http://anna:s3cret@[bad/x", "http://[bad"),
        ("http://host/stream.mjpg", "http://host/stream.mjpg"),
        ("photo.jpg", "photo.jpg"),
    ],
)
def test_secrets_are_not_shown(address: str, wanted: str) -> None:
    assert public_address(address) == wanted
    assert public_spec(address) == wanted
    assert "s3cr" not in public_address(address)


def test_addresses() -> None:
    assert all(is_stream(a) for a in ("rtsp://x", "http://x/y", "HTTPS://x"))
    assert not any(is_stream(a) for a in ("http://", "file:///etc/passwd", "concat:a", "a.jpg", "ftp://x/y"))
    with pytest.raises(SourceError, match="not the address"):
        open_source("ftp://anna:s3cret@host/a.mp4")
