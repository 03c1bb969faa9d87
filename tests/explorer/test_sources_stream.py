"""A network stream against a real MJPEG server on loopback: it stops, restarts, stalls, and the newest frame is what is read."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest

from explorer.panel import Frame
from explorer.sources import Source, SourceEnded, SourceError, SourceWaiting, open_source
from explorer.sources.stream import StreamSource
from tests.mjpeg_server import MjpegServer, numbered_picture, read_number

TRIES = 2000


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    with MjpegServer() as running:
        yield running


def next_frame(source: Source) -> Frame:
    for _ in range(TRIES):
        try:
            return source.read()
        except SourceWaiting:
            continue
    pytest.fail("no frame came")


def next_sentence(source: Source) -> str:
    for _ in range(TRIES):
        try:
            source.read()
        except SourceWaiting as waiting:
            return str(waiting)
    pytest.fail("it never said so")


def test_numbers_survive_compression() -> None:
    assert [read_number(numbered_picture(n, 320, 240)) for n in (0, 1, 255, 54321, 65535)] == [0, 1, 255, 54321, 65535]


def test_streams(server: MjpegServer) -> None:
    with open_source(server.url) as source:
        assert (source.kind, source.title, source.live, source.length) == ("stream", server.url, True, None)
        frames = [next_frame(source) for _ in range(10)]
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    assert [f.time for f in frames] == sorted(f.time for f in frames)
    assert frames[0].size == (320, 240)


def test_reads_the_newest_frame(server: MjpegServer) -> None:
    """A reader that comes late gets no old frame, however many it missed."""
    with open_source(server.url) as source:
        next_frame(source)
        with server.change:
            sent = server.number
            server.change.wait_for(lambda: server.number > sent + 40)
        assert read_number(next_frame(source).image) > sent + 30


def test_stops_restarts_and_resumes(server: MjpegServer) -> None:
    with open_source(server.url, patience=10) as source:
        before = next_frame(source)
        server.stop()
        assert next_sentence(source) == f"The stream {server.url} ended; trying again."
        assert source.message
        server.start()
        after = next_frame(source)
        assert after.index > before.index
        assert read_number(after.image) > read_number(before.image)
        assert source.message == ""


def test_stalls_and_goes_on(server: MjpegServer) -> None:
    with StreamSource(server.url, patience=0.4) as source:
        next_frame(source)
        server.stall()
        assert next_sentence(source) == f"The stream {server.url} stalled; trying again."
        server.resume()
        sent = server.number
        while read_number(next_frame(source).image) <= sent:
            pass
        assert server.accepted == 1, "a short stall keeps the connection"


def test_a_connection_that_stays_silent_is_made_anew(server: MjpegServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.sources.stream.READ_TIMEOUT", 0.5)
    with StreamSource(server.url, patience=0.2) as source:
        next_frame(source)
        server.stall()
        with server.change:
            assert server.change.wait_for(lambda: server.accepted > 1, 30)
        assert next_sentence(source).endswith("; trying again.")
        server.resume()
        next_frame(source)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://anna:s3cret@127.0.0.1:{unused.getsockname()[1]}/live"
        with open_source(url) as source, pytest.raises(SourceError) as caught:
            next_frame(source)
    assert not isinstance(caught.value, SourceWaiting | SourceEnded)
    assert re.fullmatch(r"The stream http://127\.0\.0\.1:\d+/live cannot be reached\.", str(caught.value))


def test_an_address_that_is_no_stream(server: MjpegServer) -> None:
    with (
        open_source(server.url.replace("stream.mjpg", "missing")) as source,
        pytest.raises(SourceError, match="cannot be reached"),
    ):
        next_frame(source)


def test_user_and_password_are_used_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with MjpegServer(account="anna:s3cret") as server:
        with open_source(server.url) as source, pytest.raises(SourceError):
            next_frame(source)
        with open_source(server.url.replace("//", "//anna:s3cret@")) as source:
            frame = next_frame(source)
            shown = [source.title, frame.source, repr(frame), *(t.name for t in threading.enumerate())]
            server.stop()
            shown.append(next_sentence(source))
    assert not [text for text in shown if "s3cret" in text or "anna" in text]
    output = capfd.readouterr()
    assert output.out + output.err == ""


def test_closing_while_the_server_is_silent(server: MjpegServer) -> None:
    source = open_source(server.url)
    next_frame(source)
    server.stall()
    source.close()
    with pytest.raises(SourceEnded):
        source.read()
    server.stop()  # so that the reading thread comes back at once
