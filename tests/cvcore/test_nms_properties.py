"""Suppression: what must hold for any boxes; what is refused; and the path for other devices, run here on the CPU."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.ops.nms import (
    NMSTrace,
    adaptive_nms_trace,
    batched_nms,
    batched_nms_trace,
    diou_nms_trace,
    iou_guided_nms_trace,
    nms,
    nms_trace,
    soft_nms,
    soft_nms_trace,
    softer_nms_trace,
    weighted_nms_trace,
)
from cvcore.ops.nms.inputs import ranked
from cvcore.ops.nms.on_device import suppressors

THRESHOLDS = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.3, 0.5, 0.6, 0.75, 1.0])

# On a small grid: many equal boxes, boxes without area, and overlaps of exactly 1/4, 1/3, 1/2.
grid_boxes = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 6), st.integers(0, 6)), max_size=40
).map(lambda rows: torch.tensor([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=torch.float64).reshape(-1, 4))


@st.composite
def wild_boxes(draw: st.DrawFn) -> Tensor:
    """Slivers, giants and specks, far from the origin and near."""
    n = draw(st.integers(0, 40))
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    sizes = torch.exp(torch.randn(n, 2, generator=g, dtype=torch.float64) * draw(st.sampled_from([0.1, 1, 4, 8])))
    corner = torch.randn(n, 2, generator=g, dtype=torch.float64) * draw(st.sampled_from([0.1, 1, 30, 1e5]))
    return torch.cat((corner, corner + sizes), 1) * draw(st.sampled_from([1e-18, 1e-9, 1, 1e9, 1e18]))


def scores_for(boxes: Tensor, seed: int, *, ties: bool = False) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    if ties:
        return torch.randint(0, 4, (len(boxes),), generator=g) / 4
    return (torch.randperm(len(boxes), generator=g) + 1) / (len(boxes) + 1)


def all_pairs(boxes: Tensor, scores: Tensor, threshold: float) -> tuple[list[int], list[int]]:
    """Greedy suppression with all overlaps at once, in the precision of the boxes, as torchvision's kernel has them."""
    order = scores.sort(descending=True, stable=True).indices.tolist()
    low, high = (
        torch.maximum(boxes[:, None, :2], boxes[None, :, :2]),
        torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]),
    )
    inter = (high - low).clamp(min=0).prod(-1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    over = ((inter / (area[:, None] + area - inter)).double() > threshold).tolist()
    keep, by = [], [-1] * len(order)
    for i in order:
        by[i] = next((k for k in keep if over[k][i]), -1)
        if by[i] < 0:
            keep.append(i)
    return keep, by


@given(boxes=st.one_of(grid_boxes, wild_boxes()), threshold=THRESHOLDS, seed=st.integers(0, 99), double=st.booleans())
@settings(max_examples=250, deadline=None)
def test_the_grid_finds_what_all_pairs_find(boxes: Tensor, threshold: float, seed: int, double: bool) -> None:
    boxes = boxes if double else boxes.float()
    if not torch.isfinite(boxes).all():
        return
    scores = scores_for(boxes, seed, ties=seed % 2 == 0)
    keep, by = all_pairs(boxes, scores, threshold)
    assert nms(boxes, scores, threshold).tolist() == keep
    trace = nms_trace(boxes, scores, threshold)
    assert trace.keep.tolist() == keep
    assert trace.suppressed_by.tolist() == by


@given(
    boxes=st.one_of(grid_boxes, wild_boxes()),
    threshold=THRESHOLDS,
    seed=st.integers(0, 99),
    beta=st.sampled_from([0.0, 1.0, 0.5]),
    classes=st.sampled_from([0, 1, 3]),
    dense=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_path_for_other_devices_is_the_same(
    boxes: Tensor, threshold: float, seed: int, beta: float, classes: int, dense: bool
) -> None:
    n = len(boxes)
    scores = scores_for(boxes, seed)
    labels = torch.randint(0, classes, (n,), generator=torch.Generator().manual_seed(seed)) if classes else None
    density = scores.flip(0).contiguous() if dense else None
    here = adaptive_nms_trace(
        boxes, scores, density if density is not None else torch.zeros(n), threshold, idxs=labels,
        distance_beta=beta or None,
    )  # fmt: skip
    there = suppressors(boxes, ranked(scores), labels, density, threshold, beta)
    assert there.tolist() == here.suppressed_by.tolist()


def test_the_path_for_other_devices_settles_block_after_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvcore.ops.nms.on_device.BLOCK", 7)
    g = torch.Generator().manual_seed(0)
    corner = torch.rand(300, 2, generator=g) * 30
    boxes, scores = torch.cat((corner, corner + torch.rand(300, 2, generator=g) * 20), 1), torch.rand(300, generator=g)
    for threshold in (0.0, 0.3, 0.7, 1.0):
        there = suppressors(boxes, ranked(scores), None, None, threshold, 0.0)
        assert torch.equal(there, nms_trace(boxes, scores, threshold).suppressed_by)


def test_a_chain_in_which_each_would_remove_the_next() -> None:
    n = 200
    left = torch.arange(n) * 4.0
    boxes = torch.stack((left, torch.zeros(n), left + 10, torch.ones(n)), 1)
    scores = torch.linspace(1, 0.1, n)
    assert nms(boxes, scores, 0.4).tolist() == list(range(0, n, 2))
    assert (suppressors(boxes, ranked(scores), None, None, 0.4, 0.0) < 0).nonzero()[:, 0].tolist() == list(
        range(0, n, 2)
    )


Traced = Callable[[Tensor, Tensor, float], NMSTrace]
METHODS: dict[str, Traced] = {
    "nms": nms_trace,
    "diou": diou_nms_trace,
    "adaptive": lambda b, s, t: adaptive_nms_trace(b, s, s.double().clamp(max=1).to(b.dtype), t),
    "iou_guided": lambda b, s, t: iou_guided_nms_trace(b, s, s, t),
    "weighted": weighted_nms_trace,
    "softer": lambda b, s, t: softer_nms_trace(b, s, torch.ones_like(b), t),
    "soft": soft_nms_trace,
    "gaussian": lambda b, s, t: soft_nms_trace(b, s, t, method="gaussian"),
}


@pytest.mark.parametrize("method", METHODS)
@given(boxes=grid_boxes, threshold=THRESHOLDS, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_boxes_does_not_matter(method: str, boxes: Tensor, threshold: float, seed: int) -> None:
    """With distinct scores, which Soft-NMS may make equal, so that its final scores are compared."""
    scores = scores_for(boxes, seed).double()
    shuffle = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(seed))
    one = METHODS[method](boxes, scores, threshold)
    other = METHODS[method](boxes[shuffle], scores[shuffle], threshold)
    if method in ("soft", "gaussian"):
        torch.testing.assert_close(one.kept_scores, other.kept_scores)
    else:
        assert shuffle[other.keep].tolist() == one.keep.tolist()
        torch.testing.assert_close(one.kept_boxes, other.kept_boxes)


@pytest.mark.parametrize("method", METHODS)
@given(boxes=grid_boxes, threshold=THRESHOLDS, seed=st.integers(0, 99), power=st.integers(-20, 20))
@settings(max_examples=40, deadline=None)
def test_size_and_place_do_not_matter(method: str, boxes: Tensor, threshold: float, seed: int, power: int) -> None:
    """By powers of two and whole numbers, which round nothing away."""
    if method == "softer":
        power = 0  # its variances are in square pixels
    scores = scores_for(boxes, seed).double()
    here = METHODS[method](boxes, scores, threshold)
    there = METHODS[method]((boxes + 64) * 2.0**power, scores, threshold)
    assert there.keep.tolist() == here.keep.tolist()
    torch.testing.assert_close(there.kept_scores, here.kept_scores)
    torch.testing.assert_close(there.kept_boxes / 2.0**power - 64, here.kept_boxes)


@pytest.mark.parametrize("method", ["nms", "diou", "iou_guided", "weighted", "softer"])
@given(boxes=grid_boxes, threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_second_copy_of_a_box_goes(method: str, boxes: Tensor, threshold: float, seed: int) -> None:
    solid = boxes[((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)]
    scores = scores_for(solid, seed)
    once = METHODS[method](solid, scores, threshold)
    twice = METHODS[method](torch.cat((solid, solid)), torch.cat((scores, scores)), threshold)
    assert twice.keep.tolist() == once.keep.tolist()


@given(boxes=grid_boxes, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_thresholds_nought_and_one(boxes: Tensor, seed: int) -> None:
    scores = scores_for(boxes, seed)
    assert sorted(nms(boxes, scores, 1).tolist()) == list(range(len(boxes)))
    kept = boxes[nms(boxes, scores, 0)]
    low = torch.maximum(kept[:, None, :2], kept[None, :, :2])
    high = torch.minimum(kept[:, None, 2:], kept[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1).fill_diagonal_(0)
    assert not shared.any()


def test_boundary_and_ties() -> None:
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]])  # IoU exactly 1/2
    scores = torch.tensor([0.5, 0.5])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert nms(boxes, scores, 0.49999).tolist() == [0]
    assert soft_nms(boxes, scores, 0.5)[1].tolist() == [0.5, 0.25]
    assert soft_nms(boxes, scores, 0.50001)[1].tolist() == [0.5, 0.5]
    third = torch.tensor([[0.0, 0.0, 3.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    # float32 1/3 is above the double 1/3 and below the double nearest to 0.33333334
    assert nms(third, scores, 1 / 3).tolist() == [0]
    assert nms(third.double(), scores, 1 / 3).tolist() == [0, 1]


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.4, 0.5, 0.7, 0.95])
def test_the_grid_misses_none_that_is_only_just_too_much(threshold: float) -> None:
    """Thousands of pairs far apart: one box within the other, at one of its ends, with an IoU a hair above the threshold."""
    n, g = 3000, torch.Generator().manual_seed(0)
    size = torch.exp(torch.rand(n, 2, generator=g, dtype=torch.float64) * 6)
    corner = torch.rand(n, 2, generator=g, dtype=torch.float64) * 1000 + torch.arange(n)[:, None] * 1e4
    outer = torch.cat((corner, corner + size), 1)
    inner = outer.clone()
    side, half = torch.arange(n) % 4, torch.arange(n) // 4 % 2 == 0
    part = torch.where(half, threshold * 1.0001, 1.0)  # of it one side; else of both
    both = torch.where(half, 1.0, (threshold * 1.0001) ** 0.5)[:, None].expand(n, 2)
    size = torch.where(half[:, None], size, size * both)
    for row, which in enumerate(side.tolist()):
        axis, end = which % 2, which // 2
        if half[row]:
            length = outer[row, axis + 2] - outer[row, axis]
            inner[row, axis + (2 if end == 0 else 0)] += (-1 if end == 0 else 1) * length * (1 - part[row])
        else:
            inner[row, 2:] = inner[row, :2] + size[row]
    first = torch.rand(n, generator=g) < 0.5
    boxes = torch.cat((torch.where(first[:, None], outer, inner), torch.where(first[:, None], inner, outer)))
    scores = torch.cat((torch.rand(n, generator=g) + 1, torch.rand(n, generator=g)))
    trace = nms_trace(boxes, scores, threshold)
    assert sorted(trace.keep.tolist()) == list(range(n))
    assert trace.suppressed_by[n:].tolist() == list(range(n))


def test_float32_falls_on_the_same_side_of_the_threshold_as_in_torchvisions_order() -> None:
    g = torch.Generator().manual_seed(0)
    scores = torch.tensor([0.9, 0.8])
    for _ in range(200):
        a, b = torch.rand(2, 2, generator=g) * 3, torch.rand(2, 2, generator=g) * 5 + 3
        boxes = torch.cat((a, b), 1)
        w, h = torch.minimum(b[0], b[1]) - torch.maximum(a[0], a[1])
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        iou = (w * h / (area[0] + area[1] - w * h)).item()
        for threshold, kept in ((iou, [0, 1]), (math.nextafter(iou, 0), [0])):
            assert nms(boxes, scores, threshold).tolist() == kept
            there = suppressors(boxes, ranked(scores), None, None, threshold, 0.0)
            assert (there < 0).nonzero()[:, 0].tolist() == kept


def test_soft_ties_go_by_number() -> None:
    n = 50
    left = torch.arange(n) * 10.0
    apart = torch.stack((left, torch.zeros(n), left + 5, torch.ones(n)), 1)
    assert soft_nms(apart, torch.full((n,), 0.5))[0].tolist() == list(range(n))
    pairs = apart.clone()
    pairs[1::2, :] = apart[::2, :] + torch.tensor([1.0, 0.0, 1.0, 0.0])  # every second box sits on the one before
    keep = soft_nms(pairs, torch.full((n,), 0.5))[0].tolist()
    assert keep == [*range(0, n, 2), *range(1, n, 2)]


@pytest.mark.parametrize("method", METHODS)
def test_boxes_that_overlap_nothing_are_kept(method: str) -> None:
    point, line, inverted = [5.0, 5.0, 5.0, 5.0], [0.0, 5.0, 9.0, 5.0], [8.0, 8.0, 2.0, 2.0]
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], point, point, line, inverted])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    trace = METHODS[method](boxes, scores, 0.0)
    assert trace.keep.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(trace.kept_boxes, boxes)
    torch.testing.assert_close(trace.kept_scores, scores)


@pytest.mark.parametrize("method", METHODS)
def test_no_boxes(method: str) -> None:
    trace = METHODS[method](torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert trace.keep.dtype == torch.int64
    assert len(trace.keep) == len(trace.decisions) == len(trace.scores_at(0)) == 0
    assert trace.kept_boxes.shape == (0, 4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_bad_values_are_refused(method: str, bad: float) -> None:
    boxes, scores = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, bad, 2.0, 2.0]]), torch.tensor([0.5, 0.4])
    with pytest.raises(ValueError, match="boxes must be finite"):
        METHODS[method](boxes, scores, 0.5)
    with pytest.raises(ValueError, match="scores must be finite"):
        METHODS[method](torch.ones(2, 4), torch.tensor([0.5, bad]), 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_bad_shapes_and_thresholds_are_refused(method: str) -> None:
    boxes, scores = torch.ones(2, 4), torch.ones(2)
    for threshold in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="iou_threshold"):
            METHODS[method](boxes, scores, threshold)
    with pytest.raises(ValueError, match="scores must have shape"):
        METHODS[method](boxes, torch.ones(3), 0.5)
    with pytest.raises(ValueError, match="boxes must have shape"):
        METHODS[method](torch.ones(2, 5), scores, 0.5)


def test_what_else_is_refused() -> None:
    boxes, scores = torch.ones(2, 4), torch.ones(2)
    with pytest.raises(ValueError, match="idxs"):
        batched_nms(boxes, scores, torch.zeros(3, dtype=torch.int64), 0.5)
    with pytest.raises(ValueError, match="idxs"):
        batched_nms(boxes, scores, torch.zeros(2), 0.5)
    with pytest.raises(ValueError, match="centre distance"):
        nms(boxes, scores, 0.5, distance_beta=0.0)
    with pytest.raises(ValueError, match="density must be in"):
        adaptive_nms_trace(boxes, scores, scores * 2, 0.5)
    with pytest.raises(ValueError, match="localization_confidence"):
        iou_guided_nms_trace(boxes, scores, torch.ones(1), 0.5)
    with pytest.raises(ValueError, match="variances must be above 0"):
        softer_nms_trace(boxes, scores, torch.zeros(2, 4))
    with pytest.raises(ValueError, match="variances must have"):
        softer_nms_trace(boxes, scores, torch.ones(2))
    with pytest.raises(ValueError, match="sigma_t"):
        softer_nms_trace(boxes, scores, boxes, sigma_t=0.0)
    for trace in (soft_nms_trace, weighted_nms_trace):
        with pytest.raises(ValueError, match="scores must not be below 0"):
            trace(boxes, -scores, 0.5)
    for arguments in ({"sigma": 0.0}, {"min_score": -1.0}, {"method": "hard"}):
        with pytest.raises(ValueError):
            soft_nms(boxes, scores, **arguments)
    with pytest.raises(ValueError, match="decisions"):
        nms_trace(boxes, scores, 0.5).scores_at(2)


def test_many_boxes_at_one_place_fill_no_memory() -> None:
    """Every box kept, all of them in the same cells: the grid runs out of nodes and falls back on loose chains."""
    n = 3000
    boxes = torch.tensor([[0.0, 0.0, 100.0, 100.0]]).repeat(n, 1)
    boxes[:, 2] += torch.arange(n) * 1e-3
    assert len(nms(boxes, torch.linspace(1, 0.1, n), 1.0)) == n
    slivers = torch.stack((torch.zeros(n), torch.arange(n) * 1.0, torch.full((n,), 1e5), torch.arange(n) + 1e-3), 1)
    assert len(batched_nms_trace(slivers, torch.linspace(1, 0.1, n), torch.zeros(n, dtype=torch.int64), 0.5).keep) == n
