"""Video files: every frame exactly however it is reached, and broken files give a sentence."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.sources import Source, SourceEnded, SourceError, open_source
from explorer.sources.files import is_cut_short, is_video
from explorer.sources.frame_index import FrameIndex
from explorer.sources.video import VideoSource
from tests.explorer.corpus import moov_first, rotated_mp4, save, uneven_mp4, write_video
from tests.mjpeg_server import numbered_picture, read_number

COUNT = 60
CODECS = [
    ("mp4v", "mp4"),
    ("mp4v", "mkv"),
    ("MJPG", "avi"),
    ("XVID", "avi"),
    ("VP80", "webm"),
    ("FFV1", "mkv"),
    ("PIM1", "mpg"),  # a program stream with repeated time stamps
    ("MPG2", "mpg"),  # and one with several frames to a packet
]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a video of COUNT numbered frames once a codec and container."""
    folder = tmp_path_factory.mktemp("videos")

    def made(codec: str = "mp4v", ending: str = "mp4") -> Path:
        path = folder / f"{codec}.{ending}"
        return path if path.exists() else write_video(path, COUNT, codec=codec)

    return made


def play(source: Source) -> tuple[list[NDArray[np.uint8]], str]:
    """All images to the end, and what is said there."""
    images = []
    while True:
        try:
            images.append(source.read().image)
        except SourceEnded as ended:
            return images, str(ended)


def read_all(source: Source) -> list[NDArray[np.uint8]]:
    images, said = play(source)
    assert said == ""
    return images


@pytest.mark.parametrize(("codec", "ending"), CODECS)
def test_every_frame_comes_once_in_order(video: Callable[..., Path], codec: str, ending: str) -> None:
    path = video(codec, ending)
    with open_source(path) as source:
        assert (source.kind, source.title, source.live, source.can_seek) == ("video", path.name, False, True)
        assert source.fps == pytest.approx(25)
        images = read_all(source)
        assert [read_number(image) for image in images] == list(range(COUNT))
        assert source.length == COUNT
        with pytest.raises(SourceEnded):
            source.read()
        source.seek(0)
        assert read_number(source.read().image) == 0


@pytest.mark.parametrize(("codec", "ending"), CODECS)
def test_seeking_gives_the_same_pixels_as_reading_on(video: Callable[..., Path], codec: str, ending: str) -> None:
    path = video(codec, ending)
    with open_source(path) as source:
        wanted = read_all(source)
    chance = random.Random(0)
    there_and_back = [*range(20, 30), *range(29, 19, -1), 0, COUNT - 1, 0, 1, 59, 58, 30, 31, 33, 50]
    with open_source(path) as source:
        for index in there_and_back + [chance.randrange(COUNT) for _ in range(15)]:
            source.seek(index)
            frame = source.read()
            assert frame.index == index
            assert np.array_equal(frame.image, wanted[index])
        source.seek(41)
        assert [source.read().index for _ in range(4)] == [41, 42, 43, 44]


def test_seeks_are_clipped(video: Callable[..., Path]) -> None:
    with open_source(video()) as source:
        source.seek(10**9)
        assert read_number(source.read().image) == COUNT - 1
        source.seek(-3)
        assert read_number(source.read().image) == 0


def test_frames_can_be_left_out(video: Callable[..., Path]) -> None:
    with open_source(video()) as source:
        assert source.read().index == 0
        assert source.skip(5) == 5
        frame = source.read()
        assert (frame.index, read_number(frame.image)) == (6, 6)
        source.seek(COUNT - 5)
        source.read()
        assert source.skip(9) == 3
        assert source.read().index == COUNT - 1
        with pytest.raises(SourceEnded):
            source.read()


def test_uneven_times(video: Callable[..., Path], tmp_path: Path) -> None:
    """A telephone's video: every frame has its own duration, and OpenCV's own count of frames is wrong."""
    chance = random.Random(1)
    gaps = [chance.choice([100, 512, 3000, 517]) for _ in range(COUNT)]
    path = tmp_path / "uneven.mp4"
    path.write_bytes(uneven_mp4(video().read_bytes(), gaps))
    with open_source(path) as source:
        wanted = []
        delays = []
        for index in range(COUNT):
            frame = source.read()
            assert frame.index == index
            wanted.append(frame.image)
            delays.append(source.delay)
        assert [read_number(image) for image in wanted] == list(range(COUNT))
        assert delays[:-1] == pytest.approx([gap / 12800 for gap in gaps[:-1]])
        for index in [chance.randrange(COUNT) for _ in range(25)]:
            source.seek(index)
            frame = source.read()
            assert frame.index == index
            assert np.array_equal(frame.image, wanted[index])


def test_a_telephones_rotation_is_undone(video: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes(rotated_mp4(video().read_bytes()))
    with open_source(path) as source:
        for index in (0, 37, 5):
            source.seek(index)
            frame = source.read()
            assert frame.size == (240, 320)
            assert any(read_number(np.rot90(frame.image, k)) == index for k in (1, 3))


@pytest.mark.parametrize(("codec", "ending"), [("mp4v", "mp4"), ("mp4v", "mkv"), ("MJPG", "avi"), ("VP80", "webm")])
def test_a_cut_video_plays_to_the_cut_and_says_so(
    video: Callable[..., Path], tmp_path: Path, codec: str, ending: str
) -> None:
    whole = video(codec, ending).read_bytes()
    if ending == "mp4":
        whole = moov_first(whole)
    path = tmp_path / f"cut.{ending}"
    path.write_bytes(whole)
    assert not is_cut_short(path)
    with open_source(path) as source:
        images = read_all(source)
        assert len(images) == COUNT
    path.write_bytes(whole[: len(whole) * 6 // 10])
    assert is_cut_short(path)
    with open_source(path) as source:
        shown, said = play(source)
        count = len(shown)
        assert np.array_equal(shown, images[:count]), "the last frame shown is a good one too"
        assert COUNT / 3 < count < COUNT * 0.8
        assert source.length == count
        assert said == f"{path.name} is cut short: it ends after frame {count}, in the middle."
        source.seek(3)
        assert np.array_equal(source.read().image, images[3])


def test_a_cut_video_without_its_table_says_so(video: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(video().read_bytes()[:20000])
    with pytest.raises(SourceError, match=r"^cut\.mp4 is cut short: its table of frames is missing\.$"):
        open_source(path)


def test_a_mislabelled_video_opens(video: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "video.jpg"
    path.write_bytes(video("MJPG", "avi").read_bytes())
    with open_source(path) as source:
        assert source.kind == "video"
        assert read_number(source.read().image) == 0


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("noise.mp4", b"\0\0\0\x18ftypisom" + np.random.default_rng(0).bytes(5000)),
        ("noise.avi", b"RIFF\xff\xff\0\0AVI " + np.random.default_rng(1).bytes(5000)),
        ("noise.mkv", b"\x1a\x45\xdf\xa3" + np.random.default_rng(2).bytes(5000)),
        ("short.mp4", b"\0\0\0\x18ftyp"),
        ("short.mkv", b"\x1a\x45\xdf\xa3"),
        ("zeros.mp4", b"\0\0\0\x08free" + bytes(3000)),
    ],
)
def test_damaged_videos_give_a_sentence(
    tmp_path: Path, name: str, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError, match=name) as caught:
        open_source(path).read()
    assert str(caught.value).endswith(".")
    assert capfd.readouterr().err == ""


def test_damage_in_the_middle_does_not_end_it(video: Callable[..., Path], tmp_path: Path) -> None:
    data = bytearray(video("MJPG", "avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path = tmp_path / "scratched.avi"
    path.write_bytes(bytes(data))
    with open_source(path) as source:
        numbers = [read_number(image) for image in play(source)[0]]
    assert numbers[:20] == list(range(20))
    assert numbers[-20:] == list(range(40, 60))


def test_anamorphic_pixels_become_square(video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Anamorphic:
        """A capture that states pixels twice as wide as high."""

        def __init__(self, *arguments: Any) -> None:
            self._capture = cv2.VideoCapture(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._capture, name)

        def get(self, prop: int) -> float:
            return {cv2.CAP_PROP_SAR_NUM: 2.0, cv2.CAP_PROP_SAR_DEN: 1.0}.get(prop) or self._capture.get(prop)

    source = VideoSource(video())
    with source:
        monkeypatch.setattr(source, "_capture", Anamorphic(str(video())))
        frame = source.read()
    assert frame.size == (640, 240)
    assert read_number(frame.image) == 0


def test_the_index_knows_frames_by_their_time(video: Callable[..., Path]) -> None:
    index = FrameIndex(video())
    try:
        assert index.wait(10)
        assert (index.length, index.usable) == (COUNT, True)
        assert index.stamp(7) == pytest.approx(280)
        assert index.position(280.0) == 7
        assert index.position(281.0) is None
        assert index.stamp(COUNT) is None
        index.drop_before(80.0)
        assert index.length == COUNT - 2
        assert index.position(280.0) == 5
        index.give_up()
        assert (index.length, index.stamp(3), index.position(280.0)) == (None, None, None)
    finally:
        index.close()


def test_a_seek_does_not_wait_for_ever_for_the_index(
    video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file so large that reading its packets takes minutes."""
    go_on = threading.Event()
    read_packets = FrameIndex._read_packets

    def slow(index: FrameIndex) -> None:
        go_on.wait(60)
        read_packets(index)

    monkeypatch.setattr(FrameIndex, "_read_packets", slow)
    monkeypatch.setattr("explorer.sources.video.PATIENCE", 0.01)
    source = open_source(video())
    assert isinstance(source, VideoSource)
    assert source.length == COUNT
    source.seek(40)
    frame = source.read()
    assert (frame.index, read_number(frame.image)) == (40, 40)
    assert source.read().index == 41
    go_on.set()
    assert source._index.wait(10)
    source.seek(20)
    assert read_number(source.read().image) == 20
    source.close()


def test_a_file_whose_packets_cannot_be_read_is_counted(
    video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: FrameIndex) -> None:
        raise cv2.error("no packets")

    monkeypatch.setattr(FrameIndex, "_read_packets", broken)
    with open_source(video()) as source:
        for index in (30, 10, 11):
            source.seek(index)
            frame = source.read()
            assert (frame.index, read_number(frame.image)) == (index, index)
        assert source.length == COUNT


def test_closing_does_not_wait_for_the_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.avi", 600, codec="MJPG", size=(64, 48))
    source = open_source(path)
    source.close()
    source.close()


def test_what_a_video_is(tmp_path: Path, video: Callable[..., Path]) -> None:
    assert all(is_video(video(codec, ending)) for codec, ending in CODECS)
    picture = save(tmp_path / "a.png", numbered_picture(1))
    assert not is_video(picture)
    assert not is_cut_short(picture)
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(100))
    assert not is_video(tmp_path / "a.avif")
