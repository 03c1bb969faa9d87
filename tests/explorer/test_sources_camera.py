"""Cameras, with a stand-in for the device: what is asked of it, unplugging in every known way, and coming back."""

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from explorer.panel import Frame
from explorer.sources import SourceEnded, SourceError, SourceWaiting, list_cameras, open_source
from explorer.sources.camera import BACKEND, LONGEST_STILL, MJPG, CameraInfo, CameraSource
from tests.mjpeg_server import numbered_picture, read_number

PATIENCE = 0.15
LIMIT = 20.0
"""Seconds after which a test gives up waiting."""


class Device:
    """A camera that is plugged in or not, and the captures opened on it.

    Attributes:
        lost: how an unplugged one behaves: reads fail, or repeat the last frame (OpenCV issue 5221), or hang.
        stamps: whether time stamps advance with the frames.
        still: it shows one picture for ever.
        gate: a frame is given for every release.
    """

    def __init__(self) -> None:
        self.plugged = True
        self.lost = "fails"
        self.stamps = True
        self.still = False
        self.number = 0
        self.opened: list[Capture] = []
        self.wake = threading.Event()
        self.name = "Test Camera"
        self.index = 0

    def cameras(self) -> tuple[CameraInfo, ...]:
        return (CameraInfo(self.name, self.index, "/dev/test"),) if self.plugged else ()

    def make(self, index: int, backend: int) -> "Capture":
        capture = Capture(self, index, backend)
        self.opened.append(capture)
        return capture


class Capture:
    """Stands in for cv2.VideoCapture."""

    def __init__(self, device: Device, index: int, backend: int) -> None:
        self.device = device
        self.index, self.backend = index, backend
        self.there = device.plugged and index == device.index
        self.asked: list[tuple[int, float]] = []
        self.last = numbered_picture(0)
        self.stamp = 0.0
        self.released = False
        self.dead = False

    def isOpened(self) -> bool:  # noqa: N802
        return self.there

    def set(self, prop: int, value: float) -> bool:
        self.asked.append((prop, value))
        return False

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_POS_MSEC: self.stamp, cv2.CAP_PROP_FPS: 30.0}.get(prop, 0.0)

    def release(self) -> None:
        self.released = True

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        assert not self.released
        self.dead = self.dead or not self.device.plugged
        if self.dead:
            if self.device.lost == "hangs":
                self.device.wake.wait()
            return (True, self.last) if self.device.lost == "repeats" else (False, None)
        self.device.wake.wait(0.005)
        if not self.device.still:
            self.device.number += 1
        self.last = numbered_picture(self.device.number)
        if self.device.stamps:
            self.stamp += 33.0
        return True, self.last


class Clock:
    """Seconds that run as fast as a test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def camera(device: Device, which: int | str = 0, **options: Any) -> CameraSource:
    return CameraSource(which, make=device.make, cameras=device.cameras, **{"patience": PATIENCE} | options)


def next_frame(source: CameraSource) -> Frame:
    """Reads on over sentences until a frame comes."""
    for _ in range(int(LIMIT / PATIENCE)):
        try:
            return source.read()
        except SourceWaiting:
            continue
    pytest.fail("no frame came")


def next_sentence(source: CameraSource) -> str:
    """Reads on over frames until it says what is wrong."""
    for _ in range(100_000):
        try:
            source.read()
        except SourceWaiting as waiting:
            if str(waiting):
                return str(waiting)
    pytest.fail("it never said so")


@pytest.fixture
def device() -> Device:
    return Device()


def test_asks_for_mjpg_size_and_rate(device: Device) -> None:
    with camera(device, size=(1920, 1080), fps=15) as source:
        frame = next_frame(source)
        assert (source.kind, source.title, source.live, source.length, source.can_seek) == (
            "camera",
            "Test Camera",
            True,
            None,
            False,
        )
        assert (source.fps, source.delay) == (30.0, None)
        assert frame.source == "Test Camera"
    capture = device.opened[0]
    assert (capture.index, capture.backend) == (0, BACKEND)
    asked = dict(capture.asked)
    assert asked[cv2.CAP_PROP_FOURCC] == MJPG
    assert (asked[cv2.CAP_PROP_FRAME_WIDTH], asked[cv2.CAP_PROP_FRAME_HEIGHT]) == (1920, 1080)
    assert asked[cv2.CAP_PROP_FPS] == 15
    assert capture.asked[0][0] == cv2.CAP_PROP_FOURCC  # drivers choose the sizes they offer by the format
    assert capture.released


def test_only_the_newest_frame_is_kept(device: Device) -> None:
    with camera(device) as source:
        first = next_frame(source)
        while device.number < read_number(first.image) + 20:
            device.wake.wait(0.001)
        later = next_frame(source)
    assert read_number(later.image) >= read_number(first.image) + 19
    assert later.index - first.index == read_number(later.image) - read_number(first.image)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_mirrored_and_rotated(device: Device, mirror: bool, rotate: int) -> None:
    with camera(device, mirror=mirror, rotate=rotate) as source:
        image = next_frame(source).image
        upright = np.rot90(image, rotate // 90)
        upright = upright[:, ::-1] if mirror else upright
        assert read_number(upright) > 0
        assert np.array_equal(upright, numbered_picture(read_number(upright)))
        source.mirror, source.rotate = False, 0
        plain = next_frame(source).image
        assert np.array_equal(plain, numbered_picture(read_number(plain)))
    with pytest.raises(SourceError, match="45"):
        camera(device, rotate=45)


@pytest.mark.parametrize(("lost", "stamps"), [("fails", True), ("repeats", True), ("repeats", False), ("hangs", True)])
def test_unplugged_and_plugged_in_again(device: Device, lost: str, stamps: bool) -> None:
    device.lost, device.stamps = lost, stamps
    with camera(device) as source:
        before = next_frame(source)
        device.plugged = False
        said = next_sentence(source)
        assert "Test Camera" in said
        assert source.message == said
        opened = len(device.opened)
        device.index = 3  # it comes back as another number
        device.plugged = True
        device.wake.set()
        after = next_frame(source)
        assert after.index > before.index
        assert source.message == ""
        assert len(device.opened) > opened or lost == "hangs"
        assert device.opened[-1].index == 3
    assert all(capture.released for capture in device.opened if capture.there)


def test_the_sentence_stays_the_same_while_it_is_gone(device: Device) -> None:
    with camera(device) as source:
        next_frame(source)
        device.plugged = False
        said = {next_sentence(source) for _ in range(4)}
    assert said == {"The camera Test Camera is gone; it resumes when it is plugged in again."}


def is_news(source: CameraSource, clock: Clock, capture: Capture, *, seconds: float, stamp: float) -> bool:
    clock.now += seconds
    capture.stamp = stamp
    return source.is_news(capture, capture.last)


def test_one_picture_for_ever_is_no_lost_camera(device: Device) -> None:
    """A virtual camera shows a still: with time stamps it goes on, without them it is opened anew once and then believed."""
    clock = Clock()
    with camera(device, clock=clock) as source:
        capture = source.connect()
        assert isinstance(capture, Capture)
        for number in range(20):
            assert is_news(source, clock, capture, seconds=1, stamp=number + 1)
        capture = source.connect()
        assert isinstance(capture, Capture)
    with camera(device, clock=clock) as source:
        capture = source.connect()
        assert isinstance(capture, Capture)
        assert is_news(source, clock, capture, seconds=0, stamp=0)
        for _ in range(int(LONGEST_STILL)):
            assert is_news(source, clock, capture, seconds=0.9, stamp=0)
        assert not is_news(source, clock, capture, seconds=1, stamp=0)
        again = source.connect()
        assert isinstance(again, Capture)
        for _ in range(30):
            assert is_news(source, clock, again, seconds=1, stamp=0)
        device.plugged = False
        assert not is_news(source, clock, again, seconds=1, stamp=0)


def test_time_stamps_that_stand_still_are_no_news(device: Device) -> None:
    clock = Clock()
    with camera(device, clock=clock) as source:
        capture = source.connect()
        assert isinstance(capture, Capture)
        assert is_news(source, clock, capture, seconds=0, stamp=5)
        assert is_news(source, clock, capture, seconds=0.03, stamp=38)
        assert not is_news(source, clock, capture, seconds=0.03, stamp=38)
        capture.last = numbered_picture(9)
        assert is_news(source, clock, capture, seconds=0.03, stamp=38)  # another picture is news whatever the stamp


def test_a_slow_camera_has_not_stalled(device: Device) -> None:
    with camera(device, clock=Clock()) as source:
        assert source.patience == PATIENCE
        source._gaps.extend([2.0] * 5)
        assert source.patience == 5.0
        source._gaps.extend([9.0] * 9)
        assert source.patience == 6.0


def test_no_such_camera(device: Device) -> None:
    for which in (1, "Other"):
        with (
            camera(device, which) as source,
            pytest.raises(SourceError, match=rf"^There is no camera {which}\.$") as caught,
        ):
            source.read()
        assert not isinstance(caught.value, SourceWaiting)
        assert source.title == ("Camera 1" if which == 1 else "Other")
    device.plugged = False
    with camera(device) as source, pytest.raises(SourceError):
        source.read()


def test_a_camera_in_use(device: Device) -> None:
    def refuse(index: int, backend: int) -> Capture:
        capture = Capture(device, index, backend)
        capture.there = False
        return capture

    with (
        CameraSource(0, make=refuse, cameras=device.cameras) as source,
        pytest.raises(SourceError, match="another program"),
    ):
        source.read()


def test_a_camera_that_sends_nothing(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CameraSource, "warm_up", 0.1)
    monkeypatch.setattr(Capture, "read", lambda _: (False, None))
    with (
        camera(device) as source,
        pytest.raises(SourceError, match=r"^The camera Test Camera sends no pictures\.$") as caught,
    ):
        next_frame(source)
    assert not isinstance(caught.value, SourceWaiting)


def test_a_camera_may_fail_while_it_warms_up(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Capture.read
    reads: list[int] = []

    def slow_start(capture: Capture) -> Any:
        reads.append(1)
        return read(capture) if len(reads) > 20 else (False, None)

    monkeypatch.setattr(CameraSource, "warm_up", LIMIT)
    monkeypatch.setattr(Capture, "read", slow_start)
    with camera(device) as source:
        next_frame(source)
    assert len(device.opened) == 1


def test_a_driver_that_raises(device: Device) -> None:
    def broken(index: int, backend: int) -> Capture:
        raise cv2.error("the driver is broken")

    with (
        CameraSource(0, make=broken, cameras=device.cameras) as source,
        pytest.raises(SourceError, match="the driver is broken"),
    ):
        source.read()


@pytest.mark.parametrize("which", ["Test Camera", "test camera", "test", "Camera"])
def test_a_camera_by_name(device: Device, which: str) -> None:
    device.index = 4
    with camera(device, which) as source:
        next_frame(source)
    assert device.opened[0].index == 4


def test_the_exact_name_goes_before_part_of_it(device: Device) -> None:
    def two() -> tuple[CameraInfo, ...]:
        return CameraInfo("Cam Pro", 0, "a"), CameraInfo("Cam", 1, "b")

    device.index = 1
    with CameraSource("cam", make=device.make, cameras=two) as source:
        assert source.title == "Cam"


def test_a_number_that_is_not_listed_is_tried_where_nothing_is_listed(device: Device) -> None:
    with CameraSource(0, make=device.make, cameras=tuple) as source:
        assert next_frame(source).source == "Camera 0"


def test_reading_after_closing_ends(device: Device) -> None:
    source = camera(device)
    next_frame(source)
    source.close()
    source.close()
    with pytest.raises(SourceEnded):
        source.read()


def test_closing_does_not_wait_for_a_camera_that_hangs(device: Device) -> None:
    device.lost = "hangs"
    source = camera(device)
    next_frame(source)
    device.plugged = False
    assert "Test Camera" in next_sentence(source)
    source.close()
    hanging = [thread for thread in threading.enumerate() if thread.name == "read Test Camera"]
    assert len(hanging) == 1
    device.wake.set()
    hanging[0].join(LIMIT)
    assert not hanging[0].is_alive()
    assert device.opened[0].released


def test_a_reader_that_hangs_for_good_is_replaced(device: Device) -> None:
    """Some drivers never return from a read once their camera was unplugged."""
    clock = Clock()
    device.lost = "hangs"
    source = camera(device, clock=clock)
    next_frame(source)
    device.plugged = False
    for _ in range(int(LIMIT / 0.01)):  # until the reader hangs
        if device.opened[0].dead:
            break
        device.wake.wait(0.01)
    device.plugged = True
    clock.now += 60
    with source:
        for _ in range(100_000):
            if len(device.opened) > 1:
                break
            next_frame(source)  # the last one may still lie there
        assert device.opened[1].there
        assert next_frame(source).index > 0
        device.wake.set()


def test_list_cameras_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(list_cameras(), tuple)
    import cv2_enumerate_cameras

    def broken(*_: Any) -> None:
        raise OSError("no such bus")

    monkeypatch.setattr(cv2_enumerate_cameras, "enumerate_cameras", broken)
    assert list_cameras() == ()


def test_list_cameras_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2_enumerate_cameras

    def found(backend: int) -> list[Any]:
        assert backend == BACKEND
        info: Callable[..., Any] = cv2_enumerate_cameras.CameraInfo
        return [
            info(2, "B", "/dev/video2", None, None, backend),
            info(0, "A", "/dev/video0", None, None, backend),
            info(4, None, None, None, None, backend),
        ]

    monkeypatch.setattr(cv2_enumerate_cameras, "enumerate_cameras", found)
    assert list_cameras() == (
        CameraInfo("A", 0, "/dev/video0"),
        CameraInfo("B", 2, "/dev/video2"),
        CameraInfo("4", 4, ""),
    )


def test_opening_by_spec() -> None:
    source = open_source("camera:7?mirror=1&rotate=90&size=640x480")
    assert isinstance(source, CameraSource)
    with source:
        assert (source.mirror, source.rotate) == (True, 90)
        with pytest.raises(SourceError):  # nobody has eight cameras in a test
            source.read()
