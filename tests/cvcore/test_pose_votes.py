"""PoseNet's maps redrawn as heat maps and PAFs, and maps of several looks averaged."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore.models.openpose.maps import PoseMaps, average, mirror_image
from cvcore.models.openpose.votes import FROM, MOST_VOTERS, drawn, votes
from cvcore.models.posenet import EDGES, STRIDE, PoseNetMaps
from cvcore.ops.paf import OPENPOSE_18, cells_to_pixels, decode, heatmap_targets, mirrored, paf_targets, to_coco
from cvcore.ops.paf.voting import follow
from tests.cvcore.people_for_tests import HEIGHT, WIDTH, maps_of, standing

SURE = torch.full((2, 17), 0.99)
CELLS = (2 * HEIGHT, 2 * WIDTH)
NAMES = OPENPOSE_18.names


@pytest.fixture
def two() -> Tensor:
    return torch.stack([standing(x, 150, 28) for x in (140.0, 390.0)])


def said(people: Tensor, seen: Tensor = SURE) -> PoseNetMaps:
    return maps_of(to_coco(people)[..., :2], seen)


def test_every_cell_that_sees_a_keypoint_finds_its_whole_person(two: Tensor) -> None:
    maps = said(two)
    sees = (maps.heatmaps[0].sigmoid() > 0.5).flatten(1).nonzero().tolist()
    fields = [m[0].unflatten(0, (2, -1)).flatten(2).numpy() for m in (maps.offsets, maps.forward, maps.backward)]
    found = [follow(kind, cell, *fields, WIDTH, np.array(EDGES), STRIDE, 2) for kind, cell in sees]
    places = torch.from_numpy(np.stack(found))
    coco = to_coco(two)[..., :2].flip(-1)
    error = (places[:, None] - coco[None]).norm(dim=-1).amax(-1).amin(1)
    assert len(sees) > 17 * 2 * 4
    assert error.max() < 1e-3


def test_perfect_maps_give_the_people_back(two: Tensor) -> None:
    made = drawn(votes(said(two), *CELLS))
    assert made.heatmaps.shape == (1, 19, *CELLS)
    assert made.pafs.shape == (1, 38, *CELLS)
    found = cells_to_pixels(decode(made.heatmaps[0], made.pafs[0]))
    assert found.shape == (2, 18, 3)
    found = found[found[:, 0, 0].argsort()]
    # pixels of PoseNet are counted from the middle of the first; the neck is the middle of the shoulders
    expected = two[..., :2] + 0.5
    expected[:, 1] = (expected[:, 2] + expected[:, 5]) / 2
    assert (found[..., :2] - expected).norm(dim=-1).max() < 1


def test_votes_meet_and_point_along_the_limbs(two: Tensor) -> None:
    given = votes(said(two), *CELLS)
    maps = said(two)
    voters = (maps.heatmaps[0].sigmoid() > FROM).sum((1, 2))
    wrist = NAMES.index("right wrist")
    total = float(maps.heatmaps[0, 10].sigmoid()[maps.heatmaps[0, 10].sigmoid() > FROM].sum())
    assert voters[10] > 8
    assert float(given.own[wrist].sum()) == pytest.approx(total, rel=1e-4)
    assert given.own[NAMES.index("neck")].sum() == 0
    assert given.hints[NAMES.index("neck")].sum() > 0
    limb = OPENPOSE_18.limbs.index((3, 4))
    x, y = ((two[0, 3, :2] + two[0, 4, :2]) / 2 / 8).round().long().tolist()
    direction = given.along[limb, :, y, x] / given.cover[limb, y, x]
    unit = (two[0, 4] - two[0, 3])[:2] / (two[0, 4] - two[0, 3])[:2].norm()
    torch.testing.assert_close(direction, unit, atol=0.02, rtol=0)


def test_cells_of_another_stride_show_the_same(two: Tensor) -> None:
    coarse = drawn(votes(said(two), HEIGHT, WIDTH, 16.0))
    found = cells_to_pixels(decode(coarse.heatmaps[0], coarse.pafs[0]), 16.0)
    found = found[found[:, 0, 0].argsort()]
    there = found[..., 2] > 0
    assert there.sum() > 24
    assert (found[..., :2] - two[..., :2] - 0.5).norm(dim=-1)[there].max() < 8


def test_nobody_votes_and_noise_is_bounded(two: Tensor) -> None:
    nobody = said(two, torch.full((2, 17), 1e-4))
    made = drawn(votes(nobody, 5, 7))
    assert made.heatmaps[:, :-1].abs().max() == 0
    assert made.heatmaps[:, -1].min() == 1
    assert made.pafs.abs().max() == 0
    g = torch.Generator().manual_seed(0)
    noise = PoseNetMaps(
        *(torch.randn(1, c, 40, 60, generator=g) * s for c, s in ((17, 3), (34, 50), (32, 300), (32, 300)))
    )
    given = votes(noise, 80, 120)
    assert float(given.own.sum()) <= MOST_VOTERS
    assert drawn(given).heatmaps.isfinite().all()
    with pytest.raises(ValueError, match="one picture"):
        votes(PoseNetMaps(*(getattr(noise, n).expand(2, -1, -1, -1) for n in noise.__slots__)), 5, 5)


def test_a_mirrored_picture_says_the_same(two: Tensor) -> None:
    people = two / torch.tensor([8, 8, 1])
    height, width = 40, 66
    swapped = people[:, mirrored(NAMES)]
    swapped[..., 0] = width - 1 - swapped[..., 0]
    maps = PoseMaps(heatmap_targets(people, height, width)[None], paf_targets(people, height, width)[None])
    other = PoseMaps(heatmap_targets(swapped, height, width)[None], paf_targets(swapped, height, width)[None])
    back = mirror_image(other)
    torch.testing.assert_close(back.heatmaps, maps.heatmaps)
    torch.testing.assert_close(back.pafs, maps.pafs)
    mean = average([maps, back], (height, width))
    torch.testing.assert_close(mean.pafs, maps.pafs)
    assert average([maps, back], (20, 33)).heatmaps.shape == (1, 19, 20, 33)
    for dtype in (torch.bfloat16, torch.float16):
        low = PoseMaps(maps.heatmaps.to(dtype), maps.pafs.to(dtype))
        fewer = average([low, mirror_image(low)], (20, 33)).pafs
        assert fewer.dtype == dtype
        assert fewer.isfinite().all()
    with pytest.raises(ValueError, match="no maps"):
        average([], (4, 4))
