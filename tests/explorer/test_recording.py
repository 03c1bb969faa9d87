"""Recordings: every frame and its time are in the file at any moment, and nothing grows, whatever happens to the program or the disk."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.recording import default_folder, free_name
from explorer.recording import recorder as recorder_module
from explorer.recording.matroska import MatroskaWriter, element, number, size_of
from explorer.recording.recorder import Lines, PanelState, Recorder, Shot, encode, fitted
from explorer.sources import SourceEnded, open_source
from tests.explorer.panels_for_tests import Params, View

ROOT = Path(__file__).resolve().parents[2]
WAIT = 20.0


def picture(value: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    width, height = size
    return np.full((height, width, 4), value, np.uint8)


def played(path: Path) -> list[tuple[float, int]]:
    """Time in milliseconds and grey value of each frame, as OpenCV plays them."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while (grabbed := capture.read())[0]:
        frames.append((capture.get(cv2.CAP_PROP_POS_MSEC), round(float(np.mean(grabbed[1])))))
    capture.release()
    return frames


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text("utf-8").splitlines()]


def hand_over(recorder: Recorder, shot: Shot) -> None:
    """Waits until the slot is free, so that nothing is dropped."""
    until = time.perf_counter() + WAIT
    while not recorder.is_free():
        assert time.perf_counter() < until
        time.sleep(0.001)
    assert recorder.offer(shot)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "a.mkv", {"records": "panel"})
    made.start()
    yield made
    made.stop()


def test_frames_keep_their_times(tmp_path: Path) -> None:
    writer = MatroskaWriter(tmp_path / "a.mkv", (64, 48), "test")
    times = [0, 33, 40, 40, 500, 470, 1234]
    for i, at in enumerate(times):
        writer.write(encode(picture(20 * i)[..., :3]), at)
    writer.close()
    frames = played(tmp_path / "a.mkv")
    assert [round(at) for at, _ in frames] == [0, 33, 40, 41, 500, 501, 1234]  # each later than the one before
    assert [abs(grey - 20 * i) <= 2 for i, (_, grey) in enumerate(frames)] == [True] * 7


@pytest.mark.parametrize("closed", [True, False])
def test_a_recording_opens_in_the_explorer_and_can_be_moved_about_in(closed: bool, tmp_path: Path) -> None:
    writer = MatroskaWriter(tmp_path / "a.mkv", (64, 48), "test")
    for i in range(60):
        writer.write(encode(picture(4 * i)[..., :3]), 33 * i)
    if closed:
        writer.close()
    else:
        os.close(writer._file)
    with open_source(str(tmp_path / "a.mkv")) as source:
        assert source.kind == "video"
        assert source.read().size == (64, 48)
        for index in (50, 3, 59):
            source.seek(index)
            frame = source.read()
            assert frame.index == index
            assert abs(int(frame.image[5, 5, 0]) - 4 * index) <= 2
        with pytest.raises(SourceEnded) as ended:
            source.read()
        assert str(ended.value) == ""
        assert source.length == 60


def test_the_file_can_be_cut_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    writer = MatroskaWriter(path, (64, 48), "test")
    ends = [writer.bytes]
    for i in range(8):
        writer.write(encode(picture(30 * i)[..., :3]), 40 * i)
        ends.append(writer.bytes)
    os.close(writer._file)
    data = path.read_bytes()
    assert len(data) == ends[-1]
    for frames in (1, 4, 8):
        for cut in (0, 1, 9, 30, (ends[frames] - ends[frames - 1]) // 2):
            path.write_bytes(data[: ends[frames] + (cut if frames < 8 else 0)])
            count = len(played(path))
            # A decoder may show what there is of a picture that was cut.
            assert frames <= count <= frames + 1


def test_sizes_and_elements_are_written_as_ebml_says() -> None:
    # RFC 8794, section 4: all ones are reserved, so that 127 takes two bytes.
    assert size_of(0) == b"\x80"
    assert size_of(126) == b"\xfe"
    assert size_of(127) == b"\x40\x7f"
    assert size_of(16382) == b"\x7f\xfe"
    assert size_of(16383) == b"\x20\x3f\xff"
    assert element(0xE7, b"\x05") == b"\xe7\x81\x05"
    assert number(0x4286, 1) == b"\x42\x86\x81\x01"


def test_every_frame_has_a_line(recorder: Recorder) -> None:
    state = {"probe 1": PanelState("probe", Params(factor=2), View())}
    other = {"probe 1": PanelState("probe", Params(factor=3), View())}
    for i in range(5):
        hand_over(
            recorder, Shot(picture(10 * i), 100 + i / 10, "马.mp4", 40 + i, 99.5 + i / 10, state if i < 3 else other)
        )
    done = recorder.stop()
    assert (done.frames, done.error, done.running) == (5, "", False)
    assert done.bytes == recorder.path.stat().st_size or done.bytes > 0
    head, *rest = lines(recorder.path)
    assert (head["video"], head["size"], head["records"]) == ("a.mkv", [64, 48], "panel")
    assert [line["frame"] for line in rest] == [0, 1, 2, 3, 4]
    assert [line["time"] for line in rest] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [line["source_frame"] for line in rest] == [40, 41, 42, 43, 44]
    assert {line["source"] for line in rest} == {"马.mp4"}
    assert rest[0]["source_time"] == -0.5
    assert ["panels" in line for line in rest] == [True, False, False, True, False]
    assert rest[3]["panels"] == {"probe 1": {"panel": "probe", "factor": 3, "size": 0.5, "opacity": 0.5}}
    assert len(played(recorder.path)) == 5


def test_another_size_is_fitted_into_the_first_between_black_bars(recorder: Recorder) -> None:
    hand_over(recorder, Shot(picture(200), 0.0))
    hand_over(recorder, Shot(picture(200, (32, 48)), 0.1))
    recorder.stop()
    capture = cv2.VideoCapture(str(recorder.path), cv2.CAP_FFMPEG)
    _, first = capture.read()
    _, second = capture.read()
    capture.release()
    assert first.shape == second.shape == (48, 64, 3)
    assert second[24, 32].min() > 190
    assert second[24, 5].max() < 10
    assert second[24, 59].max() < 10
    small = fitted(picture(200, (128, 48)), (64, 48))
    assert (small[24, 32].min(), small[2, 32].max()) == (200, 0)


def test_while_it_is_behind_pictures_are_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    go, begun = threading.Event(), threading.Event()

    def slow(bgr: NDArray[np.uint8]) -> bytes:
        begun.set()
        assert go.wait(WAIT)
        return encode(bgr)

    monkeypatch.setattr(recorder_module, "encode", slow)
    made = Recorder(tmp_path / "a.mkv")
    made.start()
    try:
        assert made.offer(Shot(picture(1), 0.0))
        assert begun.wait(WAIT)
        assert made.offer(Shot(picture(2), 0.1))  # waits in the slot
        assert not made.offer(Shot(picture(3), 0.2))
        assert not made.is_free()
        assert not made.is_free()
    finally:
        go.set()
        done = made.stop()
    assert (done.frames, done.dropped) == (2, 3)
    assert lines(made.path)[2]["dropped"] == 3
    assert not made.offer(Shot(picture(4), 0.3))


class FullDisk:
    """``os.write`` on a disk that has room for so many bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def __call__(self, file: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self._write(file, bytes(data)[: self.room])
        self.room -= done
        return done


@pytest.mark.parametrize("room", [0, 10, 200, 250, 400, 900, 1500, 2600, 4000])
def test_on_a_full_disk_it_stops_with_a_sentence_and_what_is_there_plays(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Recorder(tmp_path / "a.mkv")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", FullDisk(room))
        made.start()
        until = time.perf_counter() + WAIT
        sent = 0
        while made.progress.running:
            assert time.perf_counter() < until
            sent += made.offer(Shot(picture(sent % 200), sent / 30))
            time.sleep(0.001)
        done = made.stop()
    assert done.error == "The recording stopped: the disk is full."
    if not done.frames and not list(tmp_path.iterdir()):
        return
    frames = len(played(made.path))
    head, *rest = lines(made.path)
    assert head["video"] == "a.mkv"
    assert frames - 1 <= len(rest) <= frames
    assert frames > 0


def test_nothing_is_left_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    made = Recorder(tmp_path / "file" / "a.mkv")
    made.start()
    made.offer(Shot(picture(1), 0.0))
    made.join(WAIT)
    assert made.progress.error.startswith("The recording stopped: ")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_recording_without_pictures_leaves_no_file(recorder: Recorder, tmp_path: Path) -> None:
    assert recorder.stop().frames == 0
    assert not list(tmp_path.iterdir())


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Lines(tmp_path / "a.jsonl")
    made.write({"frame": 0})
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", FullDisk(5))
        with pytest.raises(OSError, match="No space"):
            made.write({"frame": 1})
    made.close()
    assert (tmp_path / "a.jsonl").read_text() == '{"frame": 0}\n'


KILLED = """
import sys
sys.path.insert(0, {root!r})
import numpy as np
from explorer.recording.recorder import Recorder, Shot
from pathlib import Path
made = Recorder(Path(sys.argv[1]))
made.start()
i = 0
while True:
    if made.is_free() and made.offer(Shot(np.full((480, 640, 4), i % 250, np.uint8), i / 30, "x", i)):
        i += 1
        print(made.progress.frames, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("after", [1, 2, 17, 60])
def test_killed_at_any_moment_it_plays(after: int, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(root=str(ROOT)), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    written = 0
    for line in child.stdout:
        written = int(line)
        if written >= after:
            break
    child.kill()
    child.stdout.close()
    assert child.wait(WAIT) == -signal.SIGKILL
    count = len(played(path))
    assert count >= written
    whole = path.with_suffix(".jsonl").read_bytes()
    rows = whole.decode().splitlines()
    assert whole.endswith(b"\n")
    assert count - 1 <= len(rows) - 1 <= count
    assert [json.loads(row)["frame"] for row in rows[1:]] == list(range(len(rows) - 1))


def test_files_are_named_by_the_time_and_never_overwritten(tmp_path: Path, own_home: Path) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7)
    first = free_name(tmp_path, now)
    assert first.name == "cv-explorer-2026-03-04-050607.mkv"
    first.with_suffix(".jsonl").write_bytes(b"")
    assert free_name(tmp_path, now).name == "cv-explorer-2026-03-04-050607-2.mkv"
    assert default_folder() == own_home / "recordings"
