"""Live: the player on a real MJPEG server that stops, restarts, stalls and comes back."""

from collections.abc import Iterator

import pytest

from tests.explorer.test_player import Watched, number
from tests.mjpeg_server import MjpegServer


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.player.close()


def test_stops_restarts_and_resumes_by_itself(watched: Watched) -> None:
    with MjpegServer() as server:
        watched.player.open(server.url)
        state = watched.until(lambda s: s.fps > 5)
        assert (state.kind, state.live, state.playing, state.error) == ("stream", True, True, False)
        for _ in range(2):
            server.stop()
            lost = watched.until(lambda s: s.error)
            assert lost.message in (f"The stream {server.url} {why}; trying again." for why in ("ended", "stalled"))
            assert lost.frame is not None
            server.start()
            sent = server.number
            state = watched.until(lambda s, sent=sent: not s.error and number(s) > sent)
            assert state.index > lost.index


def test_a_stall_is_noticed_and_over_when_frames_come(watched: Watched) -> None:
    with MjpegServer() as server:
        watched.player.open(server.url)
        watched.until(lambda s: s.history > 3)
        server.stall()
        state = watched.until(lambda s: s.error)
        assert state.message == f"The stream {server.url} stalled; trying again."
        assert state.playing
        server.resume()
        sent = server.number
        assert watched.until(lambda s: number(s) > sent).message == ""


def test_freeze_and_step_back_through_a_stream(watched: Watched) -> None:
    with MjpegServer() as server:
        watched.player.open(server.url)
        watched.until(lambda s: s.history >= 6)
        watched.player.freeze()
        watched.settle()
        held = watched.state
        watched.player.step(-3)
        watched.settle()
        state = watched.state
        assert state.history_index == held.history_index - 3
        assert number(state) < number(held)
        assert any(frame is state.frame for frame in watched.shown)
        sent = server.number
        watched.player.freeze(False)
        assert watched.until(lambda s: number(s) > sent + 2).frozen is False


def test_a_server_that_never_answers_does_not_hold_up_closing(watched: Watched) -> None:
    with MjpegServer() as server:
        watched.player.open(server.url)
        good = watched.until(lambda s: s.frame)
        server.stall()
        watched.player.open(server.url)
        state = watched.until(lambda s: "stalled" in s.message and s.opening)
        assert (state.opening, state.kind) == (server.url, "stream")
        assert state.frame is not None
        assert good.frame is not None
        watched.player.close()
