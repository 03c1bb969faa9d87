"""The moving picture: the same frames every time, smooth, closed, and within the photograph."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from explorer.sources import SourceError, open_source
from explorer.sources.moving import MovingSource
from tests.explorer.corpus import photograph, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "a.png", photograph(640, 480))


def test_defaults_and_options(path: Path) -> None:
    with open_source(f"moving:{path}") as source:
        assert (source.kind, source.live, source.length, source.fps, source.delay) == ("moving", True, None, 30, 1 / 30)
        assert source.read().size == (1280, 720)
    with open_source(f"moving:{path}?fps=120&size=320x240") as source:
        assert source.fps == 120
        frame = source.read()
        assert frame.size == (320, 240)
    with open_source(f"moving:{path}?fps=120", fps=60, size=(64, 64)) as source:
        assert (source.fps, source.read().size) == (60, (64, 64))


def test_the_same_number_has_the_same_pixels(path: Path) -> None:
    first, second = (MovingSource(path, size=(160, 90)) for _ in range(2))
    frames = [first.read() for _ in range(12)]
    assert [f.index for f in frames] == list(range(12))
    second.seek(7)
    again = second.read()
    assert again.index == 7
    assert np.array_equal(again.image, frames[7].image)
    assert not np.array_equal(frames[0].image, frames[7].image)
    assert np.array_equal(first.frame_at(3 + first.period), frames[3].image)


def test_the_path_is_closed_and_smooth(path: Path) -> None:
    """No step anywhere on the round, the last one back to the start included, stands out."""
    source = MovingSource(path, fps=6, size=(160, 90))
    around = [source.frame_at(i).astype(int) for i in range(source.period + 1)]
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(around)]
    assert min(steps) > 0.05
    assert max(steps) < 4 * np.median(steps)


@pytest.mark.parametrize("size", [(160, 90), (90, 160), (100, 100)])
@pytest.mark.parametrize("shape", [(640, 480), (100, 700), (900, 90)])
def test_the_view_stays_inside(tmp_path: Path, size: tuple[int, int], shape: tuple[int, int]) -> None:
    """On white with a black rim, no view shows more than the rim itself: outside lies rim without end."""
    image = np.full((shape[1], shape[0], 3), 255, np.uint8)
    image[[0, -1]] = image[:, [0, -1]] = 0
    source = MovingSource(save(tmp_path / "a.png", image), fps=3, size=size)
    for index in range(source.period):
        view = source.frame_at(index)
        black = (view[:, :, 0] < 128).sum()
        assert black <= 4 * max(size), (index, black)


def test_a_tiny_photograph_works(tmp_path: Path) -> None:
    with open_source(f"moving:{save(tmp_path / 'a.png', np.full((1, 1, 3), 99, np.uint8))}") as source:
        assert (source.read().image == 99).all()


@pytest.mark.parametrize(
    "options", ["fps=0", "fps=2000", "size=0x720", "size=99999x720", "fps=fast", "size=big", "fps=nan"]
)
def test_options_that_make_no_sense(path: Path, options: str) -> None:
    with pytest.raises(SourceError):
        open_source(f"moving:{path}?{options}")


def test_a_photograph_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no file none\.jpg\."):
        open_source(f"moving:{tmp_path / 'none.jpg'}")
