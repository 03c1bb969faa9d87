"""The player: opens without waiting, keeps the pace, steps, freezes, and survives what goes wrong."""

import gc
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.panel import Frame
from explorer.sources import Source, SourceEnded, SourceError, SourceWaiting, open_source
from explorer.sources.history import MOST_BYTES, MOST_FRAMES, History
from explorer.sources.player import Player, PlayerState
from tests.explorer.corpus import moov_first, photograph, save, write_video
from tests.mjpeg_server import numbered_picture, read_number

LIMIT = 30.0
"""Seconds after which a test gives up waiting."""


class Watched:
    """A player, what it handed over, and a way to wait for it."""

    def __init__(self, opener: Callable[..., Source] = open_source) -> None:
        self._change = threading.Condition()
        self.indices: list[int] = []
        self.shown: list[Frame] = []
        self.keeps = True
        self.player = Player(self._take, self._note, opener=opener)

    def _take(self, frame: Frame) -> None:
        with self._change:
            self.indices.append(frame.index)
            if self.keeps:
                self.shown.append(frame)
            self._change.notify_all()

    def _note(self) -> None:
        with self._change:
            self._change.notify_all()

    @property
    def state(self) -> PlayerState:
        return self.player.state

    def until(self, condition: Callable[[PlayerState], Any]) -> PlayerState:
        """Waits until the player tells of a change and the state is so."""
        until = time.monotonic() + LIMIT
        with self._change:
            while not condition(state := self.player.state):
                assert self._change.wait(until - time.monotonic()), state
        return state

    def until_shown(self, count: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: len(self.indices) >= count, LIMIT), self.player.state

    def settle(self) -> None:
        """Waits until all commands given so far were obeyed."""
        done = threading.Event()
        self.player._post(done.set)
        assert done.wait(LIMIT)


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.player.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", 60, codec="mp4v", fps=100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        save(pictures / f"{number}.png", numbered_picture(number, 64, 48))
    return pictures


def number(state: PlayerState) -> int:
    assert state.frame is not None
    return read_number(state.frame.image)


class Scripted(Source):
    """A live source that gives what a test puts into it."""

    kind = "stream"
    live = True
    title = "scripted"

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.waiting: list[Frame | SourceError] = []
        self.count = 0
        self.closed = False
        self.hanging = threading.Event()
        self.hanging.set()

    @property
    def delay(self) -> float | None:
        return None

    def give(self, thing: SourceError | None = None) -> None:
        with self.change:
            if thing is None:
                thing = Frame(numbered_picture(self.count, 32, 24), self.count)
                self.count += 1
            self.waiting.append(thing)
            self.change.notify_all()

    def read(self, timeout: float | None = None) -> Frame:
        self.hanging.wait()
        with self.change:
            if not self.change.wait_for(lambda: self.waiting, timeout):
                raise SourceWaiting(self.message)
            thing = self.waiting.pop(0)
        if isinstance(thing, SourceError):
            raise thing
        return thing

    def close(self) -> None:
        self.closed = True


def test_an_idle_player_has_an_empty_state(watched: Watched) -> None:
    state = watched.state
    assert (state.kind, state.title, state.frame, state.playing, state.history, state.history_index) == (
        None,
        "",
        None,
        False,
        0,
        -1,
    )
    for command in (watched.player.play, watched.player.toggle, watched.player.next, watched.player.freeze):
        command()
    watched.player.seek(3)
    watched.player.freeze(False)
    watched.settle()
    assert watched.state.message == ""
    assert not watched.indices


def test_a_picture_is_shown_once(watched: Watched, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photograph())
    watched.player.open(path)
    state = watched.until(lambda s: s.kind == "picture" and s.frame)
    assert (state.title, state.spec, state.size, state.length, state.playing) == ("a.png", path, (64, 48), 1, False)
    assert (state.message, state.error, state.fps, state.can_seek, state.live) == ("", False, 0.0, False, False)
    for command in (watched.player.play, watched.player.toggle, watched.player.next, watched.player.previous):
        command()
    watched.settle()
    assert watched.indices == [0]
    assert watched.player._now.until_due() is None, "nothing wakes the thread for a still picture"


def test_a_note_on_the_frame_is_the_message(watched: Watched) -> None:
    watched.player.open(np.zeros((5000, 4000, 3), np.uint8), title="Sketch")
    state = watched.until(lambda s: s.frame)
    assert (state.kind, state.title, state.error) == ("memory", "Sketch", False)
    assert state.message.startswith("Scaled down from 4000 × 5000")


def test_what_cannot_be_opened_leaves_the_former_source(watched: Watched, tmp_path: Path) -> None:
    watched.player.open(save(tmp_path / "a.png", photograph()))
    good = watched.until(lambda s: s.frame)
    (tmp_path / "text.jpg").write_text("text")
    for spec in (
        tmp_path / "none.jpg",
        tmp_path / "text.jpg",
        "camera:Nobody",
        f"moving:{tmp_path / 'none.jpg'}?fps=x",
    ):
        watched.player.open(spec)
        state = watched.until(lambda s: s.error and not s.opening)
        assert state.frame is good.frame
        assert (state.title, state.spec) == ("a.png", good.spec)
        assert state.message.endswith(".")
    watched.player.open(save(tmp_path / "b.png", photograph()))
    assert watched.until(lambda s: s.title == "b.png").message == ""


def test_a_source_that_raises_anything_is_a_sentence() -> None:
    def broken(spec: Any, **options: Any) -> Source:
        raise RuntimeError("out of paper")

    watched = Watched(broken)
    watched.player.open("some/picture.png")
    assert watched.until(lambda s: s.error).message == "picture.png cannot be opened: out of paper"
    watched.player.close()


def test_opening_never_waits_and_the_last_one_wins() -> None:
    gates = {name: threading.Event() for name in ("slow", "quick")}
    made: dict[str, Scripted] = {}

    def opener(spec: str) -> Source:
        gates[spec].wait(LIMIT)
        made[spec] = Scripted()
        made[spec].title = spec
        made[spec].give()
        return made[spec]

    watched = Watched(opener)
    watched.player.open("slow")
    assert watched.state.opening == "slow"
    watched.player.open("quick")
    gates["quick"].set()
    watched.until(lambda s: s.title == "quick" and not s.opening)
    gates["slow"].set()
    watched.player.close()
    assert made["slow"].closed, "what nobody wants any more is closed"
    assert made["quick"].closed
    assert watched.state.title == "quick"


def test_a_video_plays_to_the_end(watched: Watched, video: Path) -> None:
    watched.player.set_loop(False)
    watched.player.set_speed(0.5)
    watched.player.open(video)
    state = watched.until(lambda s: s.kind == "video")
    assert (state.playing, state.length, state.nominal_fps, state.can_seek, state.live) == (
        True,
        60,
        pytest.approx(100),
        True,
        False,
    )
    watched.player.set_speed(100)
    assert watched.state.speed == 16.0
    state = watched.until(lambda s: not s.playing)
    assert state.index == 59
    assert number(state) == 59
    assert (state.message, state.error) == ("", False)
    assert watched.indices == sorted(watched.indices)
    watched.player.play()
    watched.until(lambda s: s.playing and s.index < 50)
    watched.player.pause()
    watched.until(lambda s: not s.playing)


def test_a_video_loops(watched: Watched, video: Path) -> None:
    watched.player.open(video)
    watched.until_shown(150)
    assert watched.state.playing
    back = [b for a, b in pairwise(watched.indices) if b < a]
    assert back[0] == 0
    assert watched.until(lambda s: s.fps > 1).fps < 1000


def test_seek_and_step_show_exact_frames(watched: Watched, video: Path) -> None:
    with open_source(video) as source:
        wanted = [source.read().image for _ in range(60)]
    watched.player.open(video)
    watched.until(lambda s: s.frame)
    watched.player.pause()
    watched.player.seek(30)
    watched.until(lambda s: s.index == 30)
    for step, at in (
        (1, 31),
        (1, 32),
        (-1, 31),
        (-1, 30),
        (-1, 29),
        (-20, 9),
        (-1, 8),
        (-100, 0),
        (5, 5),
        (100, 59),
        (1, 59),
        (-1, 58),
    ):
        watched.player.step(step)
        watched.settle()
        state = watched.state
        assert state.index == at
        assert state.frame is not None
        assert np.array_equal(state.frame.image, wanted[at])
        assert not state.playing
    watched.player.next()
    watched.until(lambda s: s.index == 59)
    watched.player.previous()
    watched.until(lambda s: s.index == 58)


def test_seeks_in_haste_are_merged(watched: Watched, video: Path) -> None:
    watched.player.open(video)
    watched.until(lambda s: s.frame)
    watched.player.pause()
    watched.settle()
    before = len(watched.indices)
    for index in range(60):
        watched.player.seek(index)
    watched.settle()
    assert watched.state.index == 59
    assert len(watched.indices) - before <= 60
    assert watched.indices[-1] == 59


def test_a_step_pauses_and_play_goes_on_from_there(watched: Watched, video: Path) -> None:
    watched.player.set_speed(0.1)
    watched.player.open(video)
    watched.until(lambda s: s.index >= 2)
    watched.player.step(-1)
    watched.settle()
    at = watched.state.index
    assert not watched.state.playing
    count = len(watched.indices)
    watched.player.play()
    watched.until_shown(count + 3)
    assert watched.indices[count : count + 3] == [at + 1, at + 2, at + 3]


def test_freezing_a_video_holds_the_frame_and_goes_on_from_it(watched: Watched, video: Path) -> None:
    watched.player.set_speed(0.2)
    watched.player.open(video)
    watched.until(lambda s: s.index >= 5)
    watched.player.freeze()
    watched.settle()
    state = watched.state
    assert (state.frozen, state.playing) == (True, True)
    count = len(watched.indices)
    watched.player.step(-2)
    watched.settle()
    assert watched.state.index == state.index - 2
    assert watched.state.playing, "it plays on when thawed"
    assert len(watched.indices) == count + 1
    watched.player.freeze(False)
    watched.until_shown(count + 3)
    assert watched.indices[count + 1 : count + 3] == [state.index - 1, state.index]


def test_a_cut_video_stops_with_a_sentence_and_keeps_its_last_frame(
    watched: Watched, video: Path, tmp_path: Path
) -> None:
    whole = moov_first(video.read_bytes())
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    watched.player.open(path)
    state = watched.until(lambda s: s.error)
    assert (state.playing, state.index) == (False, (state.length or 0) - 1)
    assert number(state) == state.index
    assert "cut short" in state.message
    watched.player.seek(3)
    assert watched.until(lambda s: s.index == 3).message == ""


def test_a_folder_goes_forward_and_back(watched: Watched, folder: Path) -> None:
    watched.player.open(str(folder))
    state = watched.until(lambda s: s.kind == "folder")
    assert (state.length, state.playing, state.can_seek, state.history) == (6, False, True, 0)
    for command, at in (("next", 1), ("next", 2), ("previous", 1), ("previous", 0), ("previous", 0)):
        getattr(watched.player, command)()
        watched.settle()
        assert number(watched.state) == at == watched.state.index
    watched.player.seek(5)
    watched.until(lambda s: s.index == 5)
    watched.player.next()
    watched.settle()
    assert watched.state.index == 5
    assert watched.player._now.until_due() is None


def test_a_folder_skips_a_bad_picture_with_a_message(watched: Watched, folder: Path) -> None:
    (folder / "2.png").write_bytes(b"")
    watched.player.open(folder)
    watched.until(lambda s: s.frame)
    watched.player.step(1)
    watched.player.next()
    state = watched.until(lambda s: s.index == 3)
    assert (state.message, state.error) == ("Skipped: 2.png is empty.", True)
    watched.player.previous()
    assert "2.png" in watched.until(lambda s: s.index == 1).message
    watched.player.previous()
    assert watched.until(lambda s: s.index == 0).message == ""
    (folder / "5.png").write_bytes(b"")
    watched.player.seek(5)
    state = watched.until(lambda s: s.message)
    assert state.index == 0, "nothing readable there: the last good picture stays"


def test_a_moving_picture_keeps_a_history_to_step_through(watched: Watched, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photograph())
    watched.player.open(f"moving:{path}?fps=500&size=64x48")
    state = watched.until(lambda s: s.history == MOST_FRAMES)
    assert (state.kind, state.live, state.can_seek, state.playing) == ("moving", True, False, True)
    watched.player.freeze()
    watched.settle()
    held = watched.state
    assert (held.history, held.history_index) == (MOST_FRAMES, MOST_FRAMES - 1)
    shown = {frame.index: frame for frame in watched.shown}
    for step, back in ((-1, 1), (-1, 2), (1, 1), (-10, 11), (-1000, 63), (-1, 63), (3, 60), (1000, 0), (1, 0)):
        watched.player.step(step)
        watched.settle()
        state = watched.state
        assert state.index == held.index - back
        assert state.frame is shown[state.index], "the very same frame as when it was live"
        assert state.history_index == MOST_FRAMES - 1 - back
    watched.player.step(-5)
    watched.settle()
    count = len(watched.indices)
    watched.player.freeze(False)
    watched.until_shown(count + 3)
    newest = held.index
    assert watched.indices[count : count + 3] == [newest, newest + 1, newest + 2], (
        "back to the newest, and nothing lost"
    )


def test_stepping_on_a_live_source_freezes_it(watched: Watched, tmp_path: Path) -> None:
    watched.player.open(f"moving:{save(tmp_path / 'a.png', photograph())}?fps=200&size=64x48")
    watched.until(lambda s: s.history > 5)
    watched.player.step(-1)
    watched.settle()
    state = watched.state
    assert state.frozen
    assert state.history_index == state.history - 2
    watched.player.toggle()
    watched.until(lambda s: s.playing and not s.frozen and s.index > state.index + 5)


def test_no_frame_is_handed_over_while_frozen(watched: Watched, tmp_path: Path) -> None:
    watched.player.open(f"moving:{save(tmp_path / 'a.png', photograph())}?fps=1000&size=64x48")
    watched.until_shown(10)
    for _ in range(20):
        watched.player.freeze()
        frame = watched.state.frame
        watched.settle()
        assert watched.state.frame is frame
        watched.player.freeze(False)
        count = len(watched.indices)
        watched.until_shown(count + 2)
    watched.player.pause()
    watched.settle()
    assert [b - a for a, b in pairwise(watched.indices)] == [1] * (len(watched.indices) - 1)


def test_a_live_source_that_stalls_says_so_and_recovers() -> None:
    source = Scripted()
    source.give()
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    source.give(SourceWaiting("It stalled."))
    state = watched.until(lambda s: s.error)
    assert (state.message, state.playing, state.index) == ("It stalled.", True, 0)
    source.give()
    assert watched.until(lambda s: s.index == 1).message == ""
    watched.player.close()


def test_a_frozen_live_source_is_still_watched() -> None:
    source = Scripted()
    source.give()
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    watched.player.freeze()
    source.give()
    source.give(SourceWaiting("It was unplugged."))
    state = watched.until(lambda s: s.message == "It was unplugged.")
    assert (state.index, state.frozen) == (0, True)
    watched.player.freeze(False)
    source.give()
    assert watched.until(lambda s: not s.error).index == 2
    watched.player.close()


def test_a_source_that_breaks_while_playing_stops_it() -> None:
    source = Scripted()
    source.give()
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    source.give(SourceError("It broke."))
    state = watched.until(lambda s: s.error)
    assert (state.message, state.playing, state.index) == ("It broke.", False, 0)
    watched.player.close()


def test_opening_shows_what_a_silent_source_says() -> None:
    source = Scripted()
    source.message = "It does not answer."
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    state = watched.until(lambda s: s.error)
    assert (state.opening, state.message, state.kind) == ("x", "It does not answer.", None)
    source.message = ""
    source.give()
    assert watched.until(lambda s: s.frame).message == ""
    watched.player.close()


def test_a_camera_is_closed_before_another_one_opens() -> None:
    made: list[Scripted] = []

    def opener(spec: str, **options: Any) -> Source:
        assert all(source.closed for source in made)
        made.append(Scripted())
        made[-1].kind = "camera"
        made[-1].give()
        return made[-1]

    watched = Watched(opener)
    watched.player.open("camera:0")
    watched.until(lambda s: s.kind == "camera")
    watched.player.open("camera:0", mirror=True)
    state = watched.until(lambda s: s.options.get("mirror"))
    assert (state.message, len(made)) == ("", 2)
    watched.player.close()


def test_turning_a_camera_while_it_runs() -> None:
    class Turnable(Scripted):
        mirror = False
        rotate = 0

    source = Turnable()
    source.give()
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    watched.player.turn(mirror=True, rotate=90)
    state = watched.until(lambda s: s.mirror)
    assert (source.mirror, source.rotate, state.rotate, state.options) == (True, 90, 90, {"mirror": True, "rotate": 90})
    with pytest.raises(ValueError, match="45"):
        watched.player.turn(rotate=45)
    watched.player.close()


def test_a_receiver_that_raises_does_not_stop_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    got = threading.Event()

    def fail(frame: Frame) -> None:
        if frame.index > 2:
            got.set()
        raise RuntimeError("the window is gone")

    player = Player(fail, lambda: None)
    player.open(f"moving:{save(tmp_path / 'a.png', photograph())}?fps=200&size=64x48")
    assert got.wait(LIMIT)
    player.close()
    assert "the window is gone" in caplog.text


def test_closing_while_a_source_hangs() -> None:
    """Both while opening and while reading; the threads are left to the source, which is closed when it comes back."""
    source = Scripted()
    source.give()
    blocked = threading.Event()

    def opener(spec: str) -> Source:
        if spec == "blocked":
            blocked.wait(LIMIT)
            raise SourceError("too late")
        return source

    watched = Watched(opener)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    source.hanging.clear()
    watched.player.open("blocked")
    watched.player.close()
    assert watched.state.message == ""
    blocked.set()
    source.hanging.set()
    watched.player._thread.join(LIMIT)
    assert source.closed
    watched.player.open("x")  # nothing happens any more
    watched.player.close()
    assert watched.state.opening == ""


def test_secrets_stay_out_of_the_state() -> None:
    address = "rtsp://anna:s3cret@camera.local/live"

    def opener(spec: str) -> Source:
        source = Scripted()
        source.give()
        return source

    watched = Watched(opener)
    watched.player.open(address)
    assert watched.state.opening in ("rtsp://camera.local/live", "")
    state = watched.until(lambda s: s.frame)
    assert state.spec == address
    assert "s3cret" not in repr(state)
    watched.player.close()


def test_the_history_is_bounded_by_number_and_memory() -> None:
    history = History()
    small = np.zeros((4, 4, 3), np.uint8)
    for index in range(100):
        history.add(Frame(small.copy(), index))
    assert (len(history), history.index) == (MOST_FRAMES, MOST_FRAMES - 1)
    assert history.find(35) is None
    found = history.find(36)
    assert found is not None
    assert (found.index, history.index) == (36, 0)
    assert history.step(-1) is None
    newest = history.newest()
    assert newest is not None
    assert newest.index == 99
    history.add(Frame(small.copy(), 50))
    assert len(history) == MOST_FRAMES, "a number is kept once"
    large = History(most_bytes=10 * 48)
    for index in range(30):
        large.add(Frame(small.copy(), index))
    assert len(large) == 10
    large.add(Frame(np.zeros((99, 99, 3), np.uint8), 30))
    assert (len(large), large.index) == (1, 0), "a frame larger than all room is kept alone"
    large.clear()
    assert (len(large), large.index, large.newest(), large.step(1)) == (0, -1, None, None)
    assert MOST_FRAMES * 1920 * 1080 * 3 <= MOST_BYTES


def test_memory_stays_flat(watched: Watched, tmp_path: Path) -> None:
    """Thousands of frames: what is held is the history and nothing else."""
    watched.keeps = False
    watched.player.open(f"moving:{save(tmp_path / 'a.png', photograph())}?fps=1000&size=160x120")
    watched.until_shown(300)
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    watched.until_shown(1300)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    kept = MOST_FRAMES * 160 * 120 * 3  # the history itself came before tracing began and was replaced since
    assert grown < kept + 1_000_000


def test_importing_the_player_loads_no_decoder() -> None:
    """The window imports it before it is on the screen."""
    code = "import sys, explorer.sources.player; print(sorted({'cv2', 'PIL', 'torch', 'PySide6'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_source_that_ends_properly_stands_still() -> None:
    source = Scripted()
    source.give()
    watched = Watched(lambda spec: source)
    watched.player.open("x")
    watched.until(lambda s: s.frame)
    source.give(SourceEnded(""))
    state = watched.until(lambda s: not s.playing)
    assert (state.message, state.error) == ("", False)
    watched.player.close()
