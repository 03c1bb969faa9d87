"""Targets against the paper's equations written out, and the skeleton's numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.ops.paf import (
    COCO_17_NAMES,
    OPENPOSE_18,
    Skeleton,
    cells_to_pixels,
    from_coco,
    heatmap_targets,
    label_mask,
    paf_targets,
    pixels_to_cells,
    to_coco,
)
from tests.cvcore.people_for_tests import crowd, standing

LINE = Skeleton(("a", "b"), ((0, 1),), ((0, 1),))


def slow_heatmap(people: Tensor, height: int, width: int, sigma: float) -> Tensor:
    out = torch.zeros(people.shape[1] + 1, height, width)
    for y in range(height):
        for x in range(width):
            for j in range(people.shape[1]):
                for px, py, labelled in people[:, j].tolist():
                    if labelled > 0:
                        value = math.exp(-((x - px) ** 2 + (y - py) ** 2) / sigma**2)
                        out[j, y, x] = max(float(out[j, y, x]), value)
            out[-1, y, x] = 1 - out[:-1, y, x].max()
    return out


def slow_paf(people: Tensor, height: int, width: int, limb_width: float, skeleton: Skeleton) -> Tensor:
    out = torch.zeros(2 * len(skeleton.limbs), height, width)
    for y in range(height):
        for x in range(width):
            for (a, b), channels in zip(skeleton.limbs, skeleton.paf_channels, strict=True):
                total, count = [0.0, 0.0], 0
                for person in people.double().tolist():
                    (ax, ay, av), (bx, by, bv) = person[a], person[b]
                    length = math.hypot(bx - ax, by - ay)
                    if not (av > 0 and bv > 0 and length > 0):
                        continue
                    vx, vy = (bx - ax) / length, (by - ay) / length
                    along, across = vx * (x - ax) + vy * (y - ay), vx * (y - ay) - vy * (x - ax)
                    if 0 <= along <= length and abs(across) <= limb_width:
                        total, count = [total[0] + vx, total[1] + vy], count + 1
                for channel, value in zip(channels, total, strict=True):
                    out[channel, y, x] = value / max(count, 1)
    return out


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 3))
def test_targets_are_the_papers_equations(seed: int, count: int) -> None:
    people = crowd(count, 9, 12, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(heatmap_targets(people, 9, 12, sigma=1.7), slow_heatmap(people, 9, 12, 1.7))
    expected = slow_paf(people, 9, 12, 0.8, OPENPOSE_18)
    found = paf_targets(people.double(), 9, 12, limb_width=0.8)
    torch.testing.assert_close(found.float(), expected)


def test_close_peaks_stay_distinct_and_crossing_limbs_are_averaged() -> None:
    people = torch.tensor([[[2.0, 5, 1], [8, 5, 1]], [[5, 2, 1], [5, 8, 1]]])
    heatmaps = heatmap_targets(people, 11, 11)
    assert heatmaps[0, 5, 2] == heatmaps[0, 2, 5] == 1
    pafs = paf_targets(people, 11, 11, limb_width=0.5, skeleton=LINE)
    assert pafs[:, 5, 3].tolist() == [1, 0]
    assert pafs[:, 3, 5].tolist() == [0, 1]
    assert pafs[:, 5, 5].tolist() == [0.5, 0.5]
    assert pafs[:, 4, 4].tolist() == [0, 0]


def test_what_is_not_labelled_is_not_drawn() -> None:
    person = standing(20, 20)[None].clone()
    person[0, 4, 2] = 0
    heatmaps, pafs = heatmap_targets(person, 40, 40), paf_targets(person, 40, 40)
    assert heatmaps[4].max() == 0
    limb = OPENPOSE_18.limbs.index((3, 4))
    assert pafs[list(OPENPOSE_18.paf_channels[limb])].abs().max() == 0
    assert heatmaps[3].max() > 0.7


def test_nobody() -> None:
    nobody = torch.zeros(0, 18, 3)
    assert heatmap_targets(nobody, 4, 5)[:-1].abs().max() == 0
    assert (heatmap_targets(nobody, 4, 5)[-1] == 1).all()
    assert paf_targets(nobody, 4, 5).shape == (38, 4, 5)
    assert heatmap_targets(nobody, 0, 5).shape == (19, 0, 5)


def test_a_limb_without_length_has_no_direction_and_a_margin_helps_short_ones() -> None:
    point = torch.tensor([[[2.0, 2, 1], [2, 2, 1]]])
    assert paf_targets(point, 5, 5, skeleton=LINE).abs().max() == 0
    short = torch.tensor([[[2.3, 2.3, 1], [2.7, 2.3, 1]]])
    assert paf_targets(short, 5, 5, skeleton=LINE).abs().max() == 0
    assert paf_targets(short, 5, 5, margin=0.5, skeleton=LINE)[0, 2, 2] == 1


def test_the_mask_is_zero_where_people_are_not_labelled() -> None:
    mask = label_mask(torch.tensor([[1.0, 0.0, 3.0, 2.0]]), 3, 4)
    assert mask.tolist() == [[1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    assert label_mask(torch.zeros(0, 4), 2, 2).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "people", [torch.zeros(18, 3), torch.zeros(1, 18, 2), torch.zeros(1, 18, 3, dtype=torch.int64)]
)
def test_people_of_another_shape_are_refused(people: Tensor) -> None:
    with pytest.raises(ValueError, match="people must be"):
        heatmap_targets(people, 4, 4)
    with pytest.raises(ValueError, match="people must be"):
        paf_targets(people, 4, 4)


def test_bad_numbers_are_refused() -> None:
    people = torch.zeros(1, 2, 3)
    for call in (
        lambda: heatmap_targets(people, 4, 4, sigma=0),
        lambda: heatmap_targets(people, -1, 4),
        lambda: paf_targets(people, 4, 4),
        lambda: paf_targets(people, 4, 4, limb_width=0, skeleton=LINE),
        lambda: label_mask(torch.zeros(4), 4, 4),
        lambda: Skeleton(("a", "b"), ((0, 2),), ((0, 1),)),
        lambda: Skeleton(("a", "b"), ((0, 1),), ((0, 0),)),
        lambda: Skeleton(("a", "b"), ((0, 1),), ((0, 1),), redundant=(1,)),
    ):
        with pytest.raises(ValueError):
            call()


def test_the_published_body() -> None:
    assert (len(OPENPOSE_18.names), len(OPENPOSE_18.limbs)) == (18, 19)
    assert OPENPOSE_18.limb_name(0) == "neck - right shoulder"
    assert {OPENPOSE_18.limb_name(limb) for limb in OPENPOSE_18.redundant} == {
        "right shoulder - right ear", "left shoulder - left ear",
    }  # fmt: skip
    # without the redundant ones the limbs are a tree over all keypoints
    reached = {1}
    for a, b in OPENPOSE_18.limbs[:17]:
        assert a in reached
        assert b not in reached
        reached.add(b)
    assert reached == set(range(18))


def test_coco_order_there_and_back() -> None:
    coco = torch.rand(3, 17, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    coco[1, COCO_17_NAMES.index("left shoulder")] = 0
    body = from_coco(coco)
    assert torch.equal(to_coco(body), coco)
    torch.testing.assert_close(body[0, 1, :2], (coco[0, 5, :2] + coco[0, 6, :2]) / 2)
    assert body[1, 1].tolist() == [0, 0, 0]
    assert body[0, 4].tolist() == coco[0, COCO_17_NAMES.index("right wrist")].tolist()
    with pytest.raises(ValueError):
        from_coco(body)
    with pytest.raises(ValueError):
        to_coco(coco)


def test_cells_and_pixels() -> None:
    people = torch.tensor([[[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]])
    pixels = cells_to_pixels(people, 8)
    assert pixels.tolist() == [[[4, 12, 0.5], [0, 0, 0]]]
    assert torch.equal(pixels_to_cells(pixels, 8), people)
