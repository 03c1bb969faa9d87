"""The IoU family and the small box operators, against torchvision's numbers and plain formulas."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.ops.boxes import (
    box_area,
    box_convert,
    box_iou,
    box_iou_trace,
    clip_boxes_to_image,
    complete_box_iou,
    complete_box_iou_trace,
    distance_box_iou,
    distance_box_iou_trace,
    generalized_box_iou,
    generalized_box_iou_trace,
    remove_small_boxes,
    values_checked,
)

GOLDENS = Path(__file__).parents[1] / "goldens" / "ops.npz"
FAMILY = {
    "iou": box_iou,
    "giou": generalized_box_iou,
    "diou": distance_box_iou,
    "ciou": complete_box_iou,
}
coordinates = st.integers(-20, 20)
boxes_strategy = st.lists(st.tuples(coordinates, coordinates, st.integers(0, 15), st.integers(0, 15)), max_size=8).map(
    lambda rows: torch.tensor([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=torch.float64).reshape(-1, 4)
)


def oracle(a: list[float], b: list[float], kind: str) -> float:
    """One pair by the formulas of the papers, 0 for 0 / 0."""
    eps = 1e-7
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    union = sum(areas) - w * h
    iou = w * h / union if union else 0.0
    enclosing = (max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1]))
    if kind == "iou":
        return iou
    if kind == "giou":
        area = enclosing[0] * enclosing[1]
        return iou - ((area - union) / area if area else 0.0)
    rho2 = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    diou = iou - rho2 / (enclosing[0] ** 2 + enclosing[1] ** 2 + eps)
    if kind == "diou":
        return diou
    angles = [math.atan2(box[2] - box[0], box[3] - box[1]) if box[:2] != box[2:] else math.pi / 4 for box in (a, b)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    return diou - v * v / (1 - iou + v + eps)


@pytest.mark.parametrize("kind", FAMILY)
def test_family_has_torchvisions_numbers(kind: str) -> None:
    goldens = np.load(GOLDENS)
    a, b = torch.tensor(goldens["iou/a"]), torch.tensor(goldens["iou/b"])
    torch.testing.assert_close(FAMILY[kind](a, b), torch.tensor(goldens[f"iou/{kind}"]))


@pytest.mark.parametrize("kind", FAMILY)
@given(a=boxes_strategy, b=boxes_strategy)
@settings(max_examples=60, deadline=None)
def test_family_against_the_formula_pair_by_pair(kind: str, a: Tensor, b: Tensor) -> None:
    got = FAMILY[kind](a, b)
    assert got.shape == (len(a), len(b))
    for i, one in enumerate(a.tolist()):
        for j, other in enumerate(b.tolist()):
            assert got[i, j].item() == pytest.approx(oracle(one, other, kind), abs=1e-9)


@pytest.mark.parametrize("kind", FAMILY)
@given(a=boxes_strategy, b=boxes_strategy)
@settings(max_examples=30, deadline=None)
def test_family_is_symmetric_and_moves_with_the_boxes(kind: str, a: Tensor, b: Tensor) -> None:
    family = FAMILY[kind]
    torch.testing.assert_close(family(a, b), family(b, a).T)
    torch.testing.assert_close(family(a + 7, b + 7), family(a, b))
    torch.testing.assert_close(family(a * 8, b * 8), family(a, b), rtol=0, atol=1e-6)  # eps does not scale


def test_ranges_and_order_of_the_family() -> None:
    g = torch.Generator().manual_seed(1)
    corner = torch.rand(200, 2, generator=g) * 50
    a = torch.cat((corner, corner + torch.rand(200, 2, generator=g) * 20), 1)
    iou, giou, diou, ciou = (family(a, a) for family in FAMILY.values())
    assert iou.min() >= 0
    assert iou.max() <= 1
    assert giou.min() > -1
    assert diou.min() > -1
    assert (giou <= iou + 1e-6).all()
    assert (ciou <= diou + 1e-6).all()
    torch.testing.assert_close(iou.diagonal(), torch.ones(200))


def test_boxes_without_area_give_numbers() -> None:
    point = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    line = torch.tensor([[0.0, 3.0, 9.0, 3.0]])
    box = torch.tensor([[0.0, 0.0, 9.0, 9.0]])
    for family in FAMILY.values():
        assert torch.isfinite(family(torch.cat((point, line, box)), torch.cat((point, line, box)))).all()
    assert box_iou(point, point).item() == 0


@pytest.mark.parametrize("kind", FAMILY)
def test_gradients(kind: str) -> None:
    a = torch.tensor([[0.0, 0.0, 4.0, 3.0], [10.0, 10.0, 12.0, 15.0]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[1.0, 1.0, 5.0, 6.0]], dtype=torch.float64)
    if kind == "ciou":  # alpha is a constant in its gradient, which finite differences do not know
        trace = complete_box_iou_trace(a, b)
        (grad,) = torch.autograd.grad(trace.value.sum(), a, retain_graph=True)
        assert trace.alpha is not None
        assert trace.aspect is not None
        parts = (trace.value + trace.alpha * trace.aspect).sum() - (trace.alpha * trace.aspect).sum()
        (by_parts,) = torch.autograd.grad(parts, a)
        torch.testing.assert_close(grad, by_parts)
        assert not trace.alpha.requires_grad
    else:
        assert torch.autograd.gradcheck(lambda x: FAMILY[kind](x, b), (a,))


def test_trace_has_the_numbers_of_the_formula() -> None:
    a, b = torch.tensor([[0.0, 0.0, 4.0, 2.0]]), torch.tensor([[2.0, 1.0, 5.0, 5.0]])
    trace = box_iou_trace(a, b)
    assert trace.intersection.item() == 2 * 1
    assert trace.union.item() == 8 + 12 - 2
    assert trace.value.item() == pytest.approx(2 / 18)
    assert trace.intersection_box[0, 0].tolist() == [2, 1, 4, 2]
    giou = generalized_box_iou_trace(a, b)
    assert giou.enclosing is not None
    assert giou.enclosing_box[0, 0].tolist() == [0, 0, 5, 5]
    assert giou.enclosing.item() == 25
    assert giou.value.item() == pytest.approx(2 / 18 - 7 / 25)
    diou = distance_box_iou_trace(a, b)
    assert diou.center_distance is not None
    assert diou.diagonal is not None
    assert diou.center_distance.item() == 1.5**2 + 2**2
    assert diou.diagonal.item() == 50
    ciou = complete_box_iou_trace(a, b)
    assert ciou.aspect is not None
    assert ciou.aspect.item() == pytest.approx(4 / math.pi**2 * (math.atan(2) - math.atan(3 / 4)) ** 2, rel=1e-5)
    assert ciou.loss.item() == pytest.approx(1 - ciou.value.item())


def test_batches_and_formats() -> None:
    a = torch.tensor([[[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]])  # (2, 1, 4)
    b = torch.tensor([[[0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 6.0]]] * 2)  # (2, 2, 4)
    assert box_iou(a, b).tolist() == [[[0.5, 0.0]], [[0.0, 0.0]]]
    for fmt in ("xywh", "cxcywh"):
        there = [box_convert(x, "xyxy", fmt) for x in (a, b)]
        torch.testing.assert_close(box_iou(*there, fmt=fmt), box_iou(a, b))


@given(boxes=boxes_strategy, formats=st.permutations(["xyxy", "xywh", "cxcywh"]))
@settings(max_examples=40, deadline=None)
def test_convert_goes_round(boxes: Tensor, formats: list[str]) -> None:
    one, two, three = formats
    round_trip = box_convert(box_convert(box_convert(boxes, one, two), two, three), three, one)
    torch.testing.assert_close(round_trip, boxes)


def test_convert_by_hand_and_always_new() -> None:
    boxes = torch.tensor([[1.0, 2.0, 5.0, 10.0]])
    assert box_convert(boxes, "xyxy", "cxcywh").tolist() == [[3, 6, 4, 8]]
    assert box_convert(boxes, "xyxy", "xywh").tolist() == [[1, 2, 4, 8]]
    assert box_convert(boxes, "xyxy", "xyxy").data_ptr() != boxes.data_ptr()


def test_area_clip_and_remove() -> None:
    boxes = torch.tensor([[-5.0, 2.0, 5.0, 30.0], [1.0, 1.0, 1.5, 9.0], [3.0, 3.0, 4.0, 4.0]])
    assert box_area(boxes).tolist() == [280, 4, 1]
    assert box_area(torch.tensor([[0, 0, 3, 4]])).tolist() == [12]
    assert box_area(torch.tensor([[0, 0, 60000, 60000]], dtype=torch.float16).clamp(max=1000)).item() == 1e6
    assert clip_boxes_to_image(boxes, (20, 10)).tolist() == [[0, 2, 5, 20], [1, 1, 1.5, 9], [3, 3, 4, 4]]
    assert remove_small_boxes(boxes, 1).tolist() == [0, 2]
    assert remove_small_boxes(boxes, 0).tolist() == [0, 1, 2]
    assert remove_small_boxes(boxes[:0], 1).tolist() == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_bad_values_are_refused(bad: float) -> None:
    boxes, good = torch.tensor([[0.0, 0.0, bad, 1.0]]), torch.ones(1, 4)
    calls = [lambda f=family: f(boxes, good) for family in FAMILY.values()]
    calls += [lambda f=family: f(good, boxes) for family in FAMILY.values()]
    calls += [
        lambda: box_area(boxes),
        lambda: box_convert(boxes, "xyxy", "xywh"),
        lambda: clip_boxes_to_image(boxes, (2, 2)),
        lambda: remove_small_boxes(boxes, 1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="finite"):
            call()


def test_large_values_are_not_mistaken_for_infinite_ones() -> None:
    assert remove_small_boxes(torch.full((9, 4), 3e38), 0).tolist() == list(range(9))  # their sum overflows


def test_bad_shapes_and_words_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 4\)"):
        box_iou(torch.ones(2, 5), torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"\(\.\.\., N, 4\)"):
        box_iou(torch.ones(4), torch.ones(2, 4))
    with pytest.raises(ValueError, match="formats"):
        box_convert(torch.ones(1, 4), "xyxy", "cxcywhr")
    with pytest.raises(ValueError, match="size"):
        clip_boxes_to_image(torch.ones(1, 4), (-1, 2))
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        remove_small_boxes(torch.ones(2, 2, 4), 1)
    with pytest.raises(ValueError, match="real"):
        box_area(torch.ones(1, 4, dtype=torch.complex64))


def test_values_elsewhere_are_checked_when_asked() -> None:
    from cvcore.ops.boxes import values_are_checked

    elsewhere = torch.ones(1, 4, device="meta")
    assert not values_are_checked(elsewhere)
    with values_checked():
        assert values_are_checked(elsewhere)
    assert not values_are_checked(elsewhere)
