"""Following people over frames, against cases worked out by hand."""

from math import pi

import numpy as np
import pytest
from numpy.typing import NDArray

from cvcore.pose_tracking import Followed, OneEuro, Tracking, Tracks, body_size, follow, greedy
from tests.cvcore.people_for_tests import standing

Array = NDArray[np.float32]


def body(x: float, y: float = 100.0, size: float = 20.0) -> Array:
    """(18, 3) about 60 wide and 160 high."""
    return standing(x, y, size).numpy()


def people(*bodies: Array) -> Array:
    return np.stack(bodies) if bodies else np.zeros((0, 18, 3), np.float32)


def run(frames: list[Array], how: Tracking | None = None) -> list[Followed]:
    found: list[Followed] = []
    for index, frame in enumerate(frames):
        found.append(follow(found[-1].tracks if found else None, frame, index, how))
    return found


def test_the_first_people_are_numbered_from_one_in_their_order() -> None:
    found = follow(None, people(body(300), body(100)), 7)
    assert found.numbers.tolist() == [1, 2]
    assert np.isnan(found.oks).all()
    assert found.tracks.frame == 7
    assert found.tracks.following == 3


def test_numbers_stay_when_the_order_changes() -> None:
    found = run([people(body(100), body(300)), people(body(303), body(102))])
    assert found[1].numbers.tolist() == [2, 1]
    assert (found[1].oks > 0.9).all()


def test_two_people_who_cross_keep_their_numbers() -> None:
    """They walk through each other at 8 px a frame, and the better one changes sides in the list."""
    frames = []
    for t in range(41):
        left, right = body(100 + 8 * t), body(420 - 8 * t, 104)
        frames.append(people(left, right) if t % 3 else people(right, left))
    last = run(frames)[-1]
    by_number = dict(zip(last.numbers.tolist(), last.people[:, 1, 0].tolist(), strict=True))
    assert by_number[2] == pytest.approx(420, abs=1)  # in the first frame the one from the right came first
    assert by_number[1] == pytest.approx(100, abs=1)
    assert last.tracks.following == 3


def test_who_is_hidden_for_some_frames_returns_with_the_old_number() -> None:
    frames = [people(body(100 + 5 * t), body(600)) for t in range(6)]
    frames += [people(body(600))] * 10
    frames += [people(body(100 + 5 * 16), body(600))]
    found = run(frames)
    assert [f.numbers.tolist() for f in found[6:16]] == [[2]] * 10
    assert found[-1].numbers.tolist() == [1, 2]


def test_who_is_away_too_long_is_new() -> None:
    how = Tracking(max_gap=5)
    frames = [people(body(100), body(600))] + [people(body(600))] * 6 + [people(body(100), body(600))]
    found = run(frames, how)
    assert found[-1].numbers.tolist() == [3, 2]
    assert {track.number for track in found[-2].tracks.tracks} == {2}


def test_a_person_far_away_is_new() -> None:
    found = run([people(body(100)), people(body(900))])
    assert found[1].numbers.tolist() == [2]


@pytest.mark.parametrize("frame", [4, 5, 60])
def test_winding_begins_anew(frame: int) -> None:
    """Backwards, the same frame again, and far forwards."""
    first = follow(Tracks(following=9), people(body(100)), 5)
    again = follow(first.tracks, people(body(100)), frame)
    assert again.numbers.tolist() == [1]


def test_keypoints_not_found_are_carried_along() -> None:
    """Only the upper body is seen for some frames; then only the legs, which are matched with where they must be by now."""
    upper, lower = body(100), body(160)
    upper[8:14] = 0
    lower[[*range(8), *range(14, 18)]] = 0
    frames = [people(body(100)), people(body(110))]
    frames += [people(np.where(upper[:, 2:] > 0, body(110 + 10 * t), 0)) for t in range(1, 5)]
    found = run([*frames, people(lower)])
    assert found[-1].numbers.tolist() == [1]
    assert (found[-1].people[0, 8:14, 2] == 1).all()
    assert (found[-1].people[0, :8] == 0).all()


def test_fewer_than_three_shared_keypoints_match_nobody() -> None:
    two = body(100)
    two[2:] = 0
    found = run([people(body(100)), people(two)])
    assert found[1].numbers.tolist() == [2]


def test_without_people_nothing_happens() -> None:
    found = run([people(), people(body(50)), people(), people(body(50))])
    assert [f.numbers.tolist() for f in found] == [[], [1], [], [1]]
    assert found[0].people.shape == (0, 18, 3)


def test_coco_people_can_be_followed() -> None:
    seventeen = people(body(100))[:, :17]
    assert follow(follow(None, seventeen, 0).tracks, seventeen, 1).numbers.tolist() == [1]


def test_without_smoothing_nobody_is_moved() -> None:
    frames = [people(body(100)), people(body(107))]
    assert np.array_equal(run(frames)[1].people, frames[1])


def test_one_euro_by_hand() -> None:
    """One step of the filter, with the paper's equations written out."""
    how = OneEuro(min_cutoff=1.5, beta=0.7, speed_cutoff=1.0, fps=20.0)
    first, second = body(100), body(106, 103)
    found = run([people(first), people(second)], Tracking(smoothing=how))
    t = 1 / 20
    alpha_speed = 1 / (1 + 1 / (2 * pi * 1.0) / t)
    speed = alpha_speed * np.array([6.0, 3.0]) / t
    size = body_size(first[:, :2].astype(np.float64))
    cutoff = 1.5 + 0.7 * np.hypot(*speed) / size
    alpha = 1 / (1 + 1 / (2 * pi * cutoff) / t)
    assert found[1].people[0, 3, :2] == pytest.approx(first[3, :2] + alpha * np.array([6.0, 3.0]), abs=1e-4)
    assert np.array_equal(found[1].people[..., 2], people(second)[..., 2])


def test_smoothing_calms_trembling_and_follows_motion() -> None:
    g = np.random.default_rng(0)
    still = [people(body(100)) for _ in range(60)]
    for frame in still:
        frame[..., :2] += g.normal(0, 2, frame[..., :2].shape)
    calm = run(still, Tracking(smoothing=OneEuro()))

    def trembling(frames: list[Array]) -> float:
        return float(np.diff(np.stack(frames[30:]), axis=0)[..., :2].std())

    assert trembling([f.people for f in calm]) < 0.5 * trembling(still)
    fast = run([people(body(100 + 15 * t)) for t in range(30)], Tracking(smoothing=OneEuro()))
    behind = 100 + 15 * 29 - fast[-1].people[0, 1, 0]
    assert 0 < behind < 20


def test_greedy_takes_the_likest_first() -> None:
    similar = np.array([[0.8, 0.9], [0.1, 0.85]])
    assert greedy(similar, 0.15) == [1, -1]
    assert greedy(similar, 0.05) == [1, 0]
    assert greedy(np.zeros((2, 0)), 0.1) == [-1, -1]


def test_sizes() -> None:
    assert body_size(np.array([[0.0, 0.0], [3.0, 12.0]])) == pytest.approx((12 * 4) ** 0.5)
    assert body_size(np.zeros((0, 2))) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: follow(None, np.zeros((2, 16, 3)), 0),
        lambda: follow(None, np.zeros((2, 18)), 0),
        lambda: Tracking(min_oks=1.5),
        lambda: Tracking(max_gap=0),
        lambda: OneEuro(min_cutoff=0),
        lambda: OneEuro(beta=-1),
    ],
)
def test_what_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]
