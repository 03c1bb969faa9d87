"""Suppression, seven ways, against plain loops, torchvision's and mmcv's numbers, and its own trace."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore.ops.nms import (
    NMSTrace,
    adaptive_nms,
    adaptive_nms_trace,
    batched_nms,
    batched_nms_trace,
    diou_nms,
    diou_nms_trace,
    iou_guided_nms,
    iou_guided_nms_trace,
    nms,
    nms_trace,
    soft_nms,
    soft_nms_trace,
    softer_nms,
    softer_nms_trace,
    warm_up,
    weighted_nms,
    weighted_nms_trace,
)

GOLDENS = Path(__file__).parents[1] / "goldens" / "ops.npz"


def scene(n: int, seed: int, *, spread: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Clustered boxes of many sizes (N, 4), distinct scores (N,) and classes (N,)."""
    g = torch.Generator().manual_seed(seed)
    clusters = max(1, n // 8)
    which = torch.randint(0, clusters, (n,), generator=g)
    size = torch.exp(torch.rand(clusters, 2, generator=g) * 4)[which]
    centre = (torch.rand(clusters, 2, generator=g) * 100)[which] + torch.randn(n, 2, generator=g) * spread * size
    size = size * torch.exp(torch.randn(n, 2, generator=g) * spread)
    scores = (torch.randperm(n, generator=g) + 1) / (n + 1)
    return torch.cat((centre - size / 2, centre + size / 2), 1), scores, torch.randint(0, 3, (n,), generator=g)


def loop_iou(a: list[float], b: list[float]) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def loop_penalty(a: list[float], b: list[float], beta: float | None) -> float:
    if beta is None:
        return 0.0
    rho = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    c = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    return (rho / c) ** beta if c else 0.0


def loop_greedy(
    boxes: Tensor,
    ranking: Tensor,
    threshold: float,
    labels: Tensor | None = None,
    density: Tensor | None = None,
    beta: float | None = None,
) -> tuple[list[int], list[int]]:
    """Keep and the first suppressor of each box, by two nested loops."""
    rows = boxes.tolist()
    order = sorted(range(len(rows)), key=lambda i: (-ranking[i].item(), i))
    suppressor, keep = [-1] * len(rows), []
    for i in order:
        for k in keep:
            limit = threshold if density is None else max(threshold, density[k].item())
            if labels is not None and labels[i] != labels[k]:
                continue
            if loop_iou(rows[k], rows[i]) - loop_penalty(rows[k], rows[i], beta) > limit:
                suppressor[i] = k
                break
        else:
            keep.append(i)
    return keep, suppressor


def loop_soft(
    boxes: Tensor,
    scores: Tensor,
    threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    labels: Tensor | None = None,
    beta: float | None = None,
) -> tuple[list[int], list[float]]:
    rows, s = boxes.tolist(), scores.tolist()
    left, keep = [i for i in range(len(s)) if s[i] >= min_score], []
    while left:
        best = max(left, key=lambda i: (s[i], -i))
        keep.append(best)
        left.remove(best)
        for j in left:
            if labels is not None and labels[j] != labels[best]:
                continue
            overlap = max(loop_iou(rows[best], rows[j]) - loop_penalty(rows[best], rows[j], beta), 0.0)
            if method == "gaussian":
                s[j] *= math.exp(-(overlap**2) / sigma)
            elif overlap >= threshold:
                s[j] *= 1 - overlap
        left = [i for i in left if s[i] >= min_score]
    return keep, [s[i] for i in keep]


@pytest.mark.parametrize("n", [1, 60, 400])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_nms_keeps_what_torchvision_keeps(n: int, threshold: float) -> None:
    goldens, case = np.load(GOLDENS), f"nms_{n}_{threshold}"
    boxes, scores = torch.tensor(goldens[f"{case}/boxes"]), torch.tensor(goldens[f"{case}/scores"])
    assert nms(boxes, scores, threshold).tolist() == goldens[f"{case}/keep"].tolist()
    assert nms_trace(boxes, scores, threshold).keep.tolist() == goldens[f"{case}/keep"].tolist()


@pytest.mark.parametrize("n", [1, 60, 400])
def test_batched_nms_keeps_what_torchvision_keeps(n: int) -> None:
    goldens, case = np.load(GOLDENS), f"batched_nms_{n}"
    boxes, scores, classes = (torch.tensor(goldens[f"{case}/{key}"]) for key in ("boxes", "scores", "classes"))
    assert batched_nms(boxes, scores, classes, 0.5).tolist() == goldens[f"{case}/keep"].tolist()


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_soft_nms_is_mmcvs(method: str) -> None:
    golden = {
        key.split("/")[1]: value for key, value in np.load(GOLDENS).items() if key.startswith(f"soft_nms_{method}/")
    }
    keep, scores = soft_nms(
        torch.tensor(golden["boxes"]),
        torch.tensor(golden["scores"]),
        float(golden["iou_threshold"]),
        float(golden["sigma"]),
        float(golden["min_score"]),
        method,
    )
    assert keep.tolist() == golden["keep"].tolist()
    torch.testing.assert_close(scores, torch.tensor(golden["dets"][:, 4]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.5, 0.8, 1.0])
def test_hard_methods_against_loops(dtype: torch.dtype, seed: int, threshold: float) -> None:
    boxes, scores, labels = scene(90, seed)
    boxes, scores = boxes.double(), scores.to(dtype)  # doubles, since the loops compute in doubles
    density = torch.rand(90, generator=torch.Generator().manual_seed(seed)).double()
    assert nms(boxes, scores, threshold).tolist() == loop_greedy(boxes, scores, threshold)[0]
    assert batched_nms(boxes, scores, labels, threshold).tolist() == loop_greedy(boxes, scores, threshold, labels)[0]
    for beta in (0.6, 1.0, 3.0):
        expected = loop_greedy(boxes, scores, threshold, beta=beta)[0]
        assert diou_nms(boxes, scores, threshold, beta=beta).tolist() == expected
        assert nms(boxes, scores, threshold, distance_beta=beta).tolist() == expected
    expected = loop_greedy(boxes, scores, threshold, labels, density)[0]
    assert adaptive_nms(boxes, scores, density, threshold, idxs=labels).tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_iou_guided_against_a_loop(seed: int) -> None:
    boxes, scores, labels = scene(90, seed)
    boxes = boxes.double()
    confidence = scores.flip(0).contiguous()
    keep, suppressor = loop_greedy(boxes, confidence, 0.4, labels)
    best = scores.tolist()
    for i, k in enumerate(suppressor):
        if k >= 0:
            best[k] = max(best[k], scores[i].item())
    got_keep, got_scores = iou_guided_nms(boxes, scores, confidence, 0.4, idxs=labels)
    assert got_keep.tolist() == keep
    assert got_scores.tolist() == [best[k] for k in keep]


@pytest.mark.parametrize("seed", range(4))
def test_weighted_against_a_loop(seed: int) -> None:
    boxes, scores, labels = scene(90, seed)
    boxes, scores = boxes.double(), scores.double()
    keep, suppressor = loop_greedy(boxes, scores, 0.4, labels)
    got_keep, got_boxes = weighted_nms(boxes, scores, 0.4, idxs=labels)
    assert got_keep.tolist() == keep
    for k, got in zip(keep, got_boxes, strict=True):
        cluster = [k] + [i for i, by in enumerate(suppressor) if by == k]
        weights = [scores[i].item() * loop_iou(boxes[k].tolist(), boxes[i].tolist()) for i in cluster]
        mean = sum((w * boxes[i] for w, i in zip(weights, cluster, strict=True)), torch.zeros(4)) / sum(weights)
        torch.testing.assert_close(got, mean)


@pytest.mark.parametrize("method", ["hard", "linear", "gaussian"])
def test_softer_against_a_loop(method: str) -> None:
    boxes, scores, labels = scene(60, 3)
    boxes, scores = boxes.double(), scores.double()
    variances = torch.rand(60, 4, generator=torch.Generator().manual_seed(3)).double() * 9 + 0.1
    if method == "hard":
        keep = loop_greedy(boxes, scores, 0.5, labels)[0]
        expected_scores = scores[keep].tolist()
    else:
        keep, expected_scores = loop_soft(boxes, scores, 0.5, 0.5, 0.01, method, labels)
    got_keep, got_boxes, got_scores = softer_nms(boxes, scores, variances, 0.5, 0.02, method, 0.5, 0.01, idxs=labels)
    assert got_keep.tolist() == keep
    assert got_scores.tolist() == pytest.approx(expected_scores)
    for k, got in zip(keep, got_boxes, strict=True):
        total, weights = torch.zeros(4).double(), torch.zeros(4).double()
        for i in range(60):
            iou = loop_iou(boxes[k].tolist(), boxes[i].tolist())
            if iou > 0 and labels[i] == labels[k]:
                w = math.exp(-((1 - iou) ** 2) / 0.02) / variances[i]
                total, weights = total + w * boxes[i], weights + w
        torch.testing.assert_close(got, total / weights)


@pytest.mark.parametrize("method", ["linear", "gaussian"])
@pytest.mark.parametrize("seed", range(4))
def test_soft_against_a_loop(method: str, seed: int) -> None:
    boxes, scores, labels = scene(90, seed)
    boxes, scores = boxes.double(), scores.double()
    for idxs, beta in ((None, None), (labels, None), (None, 1.0), (labels, 0.5)):
        keep, expected = loop_soft(boxes, scores, 0.3, 0.5, 0.05, method, idxs, beta)
        got, after = soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, idxs=idxs, distance_beta=beta)
        assert got.tolist() == keep
        assert after.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("method", ["hard", "gaussian"])
def test_softer_is_the_same_with_gradients(method: str) -> None:
    boxes, scores, labels = scene(80, 8)
    boxes[5] = torch.tensor([3.0, 3.0, 3.0, 3.0])
    variances = torch.rand(80, 4, generator=torch.Generator().manual_seed(8)) + 0.1
    plain = softer_nms_trace(boxes, scores, variances, method=method, idxs=labels)
    learnt = softer_nms_trace(boxes.clone().requires_grad_(), scores, variances, method=method, idxs=labels)
    assert learnt.kept_boxes.requires_grad
    assert torch.equal(plain.keep, learnt.keep)
    torch.testing.assert_close(plain.kept_boxes, learnt.kept_boxes.detach(), atol=1e-4, rtol=1e-5)
    assert plain.votes is not None
    assert learnt.votes is not None
    for i, (one, other) in enumerate(zip(votes_of(plain), votes_of(learnt), strict=True)):
        assert one[:2] == other[:2], i
        assert one[2:] == pytest.approx(other[2:], rel=1e-4)


def votes_of(trace: NMSTrace) -> list[tuple[float, ...]]:
    v = trace.votes
    assert v is not None
    rows = zip(v.to.tolist(), v.box.tolist(), v.iou.tolist(), *v.weight.T.tolist(), strict=True)
    return sorted(rows)


def traces(n: int = 120, seed: int = 0) -> list[NMSTrace]:
    boxes, scores, labels = scene(n, seed)
    return [
        nms_trace(boxes, scores, 0.4),
        batched_nms_trace(boxes, scores, labels, 0.4),
        diou_nms_trace(boxes, scores, 0.4),
        adaptive_nms_trace(boxes, scores, scores.flip(0), 0.4),
        iou_guided_nms_trace(boxes, scores, scores.flip(0), 0.4),
        weighted_nms_trace(boxes, scores, 0.4),
        softer_nms_trace(boxes, scores, torch.ones(n, 4)),
        softer_nms_trace(boxes, scores, torch.ones(n, 4), method="gaussian"),
        soft_nms_trace(boxes, scores, min_score=0.1),
        soft_nms_trace(boxes, scores, min_score=0.1, method="gaussian"),
    ]


@pytest.mark.parametrize("index", range(10))
def test_every_trace_tells_one_story(index: int) -> None:
    trace = traces()[index]
    d, n = trace.decisions, len(trace.boxes)
    assert sorted(trace.order.tolist()) == list(range(n))
    kept = torch.zeros(n, dtype=torch.bool)
    kept[trace.keep] = True
    assert not (kept & (trace.suppressed_by >= 0)).any()
    assert kept[d.by].all()
    assert len(d) > 20
    # the decisions of one kept box stand together, in the order in which the boxes were kept
    position = {int(k): i for i, k in enumerate(trace.keep)}
    steps = [position[int(b)] for b in d.by]
    assert steps == sorted(steps)
    # each says the truth about the overlap, and follows from it
    for by, on, iou, overlap, limit in zip(
        d.by.tolist(), d.on.tolist(), d.iou.tolist(), d.overlap.tolist(), d.threshold.tolist(), strict=True
    ):
        assert iou == pytest.approx(loop_iou(trace.boxes[by].tolist(), trace.boxes[on].tolist()), abs=1e-4)
        assert overlap <= iou + 1e-6
        assert overlap > limit or (trace.method in ("soft", "softer") and overlap >= limit)
    # replayed, they lead to the end
    torch.testing.assert_close(trace.scores_at(0), trace.scores)
    end = trace.scores_at(len(d))
    if trace.method == "iou_guided":  # whose kept boxes gain
        assert (trace.scores_after >= end).all()
        assert torch.equal(trace.scores_after[~kept], end[~kept])
    else:
        torch.testing.assert_close(end, trace.scores_after)
    torch.testing.assert_close(trace.kept_scores, trace.scores_after[trace.keep])
    last = {int(on): int(by) for by, on in zip(d.by, d.on, strict=True)}
    for i in range(n):
        assert int(trace.suppressed_by[i]) == (-1 if kept[i] else last.get(i, -1))


def test_scores_before_and_after_follow_each_other() -> None:
    trace = soft_nms_trace(*scene(80, 2)[:2], method="gaussian", min_score=0.0)
    d, score = trace.decisions, trace.scores.tolist()
    for on, overlap, before, after in zip(
        d.on.tolist(), d.overlap.tolist(), d.before.tolist(), d.after.tolist(), strict=True
    ):
        assert before == score[on]
        assert after == pytest.approx(before * math.exp(-(overlap**2) / 0.5), rel=1e-5)
        score[on] = after
    assert torch.equal(trace.scores_at(len(d) // 2), _replayed(trace, len(d) // 2))


def _replayed(trace: NMSTrace, decided: int) -> Tensor:
    scores = trace.scores.clone()
    for on, after in zip(trace.decisions.on[:decided], trace.decisions.after[:decided], strict=True):
        scores[on] = after
    return scores


def test_votes_make_the_boxes() -> None:
    boxes, scores, _ = scene(70, 5)
    for trace in (weighted_nms_trace(boxes, scores, 0.3), softer_nms_trace(boxes, scores, torch.rand(70, 4) + 0.1)):
        votes = trace.votes
        assert votes is not None
        for k, merged in zip(trace.keep, trace.kept_boxes, strict=True):
            mine = votes.to == k
            assert int(k) in votes.box[mine].tolist()
            weight = votes.weight[mine].double()
            mean = (weight * boxes[votes.box[mine]].double()).sum(0) / weight.sum(0)
            torch.testing.assert_close(merged, mean.float(), atol=1e-4, rtol=1e-5)
    assert nms_trace(boxes, scores, 0.3).votes is None


def test_gradients_of_the_averaging_methods() -> None:
    boxes, scores, _ = scene(14, 1, spread=0.1)
    boxes, scores = boxes.double().requires_grad_(), scores.double().requires_grad_()
    variances = torch.rand(14, 4, generator=torch.Generator().manual_seed(0)).double().add(0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda b, s: weighted_nms(b, s, 0.3)[1], (boxes, scores))
    assert torch.autograd.gradcheck(
        lambda b, v: softer_nms(b, scores, v, 0.3, 0.5)[1], (boxes, variances), check_batched_grad=False
    )


def test_what_each_method_is_for() -> None:
    # two people side by side, one box of each, and a third box between them
    boxes = torch.tensor([[0.0, 0.0, 10.0, 30.0], [4.0, 0.0, 14.0, 30.0], [0.5, 0.0, 10.5, 30.0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 0.4).tolist() == [0]
    assert adaptive_nms(boxes, scores, torch.tensor([0.6, 0.6, 0.6]), 0.4).tolist() == [0, 1]
    assert diou_nms(boxes, scores, 0.42).tolist() == [0, 1]
    assert soft_nms(boxes, scores, 0.4, min_score=0.2)[0].tolist() == [0, 1]
    assert iou_guided_nms(boxes, scores, torch.tensor([0.1, 0.2, 0.3]), 0.4)[0].tolist() == [2]
    assert iou_guided_nms(boxes, scores, torch.tensor([0.1, 0.2, 0.3]), 0.4)[1].tolist() == pytest.approx([0.9])
    moved = weighted_nms(boxes[[0, 2]], scores[[0, 2]], 0.4)[1]
    assert 0 < moved[0, 0] < 0.25


def test_a_density_of_zero_is_nms() -> None:
    boxes, scores, _ = scene(200, 7)
    assert torch.equal(adaptive_nms(boxes, scores, torch.zeros(200), 0.5), nms(boxes, scores, 0.5))


def test_class_aware_is_each_class_alone() -> None:
    boxes, scores, labels = scene(150, 4)
    for label in range(3):
        mine = (labels == label).nonzero()[:, 0]
        alone = mine[nms(boxes[mine], scores[mine], 0.5)]
        together = batched_nms(boxes, scores, labels, 0.5)
        assert together[labels[together] == label].tolist() == alone.tolist()


def test_scores_of_any_range_and_kind() -> None:
    boxes, scores, _ = scene(60, 0)
    expected = nms(boxes, scores, 0.5)
    assert torch.equal(nms(boxes, scores.logit(), 0.5), expected)
    assert torch.equal(nms(boxes, scores.double(), 0.5), expected)
    signed = torch.tensor([0.0, -0.0, -1.0, 1.0])
    assert nms(torch.arange(4.0)[:, None].expand(4, 4) * 0, signed, 0.5).tolist() == [3, 0, 1, 2]
    assert nms(boxes.round().int(), scores, 0.5).tolist() == nms(boxes.round(), scores, 0.5).tolist()
    assert (
        nms(boxes.half(), scores.half(), 0.5).tolist() == nms(boxes.half().float(), scores.half().float(), 0.5).tolist()
    )


def test_views_are_read_right() -> None:
    boxes, scores, labels = scene(80, 6)
    assert torch.equal(nms(boxes.T.contiguous().T, scores, 0.5), nms(boxes, scores, 0.5))
    wide = torch.stack((scores, scores), 1)[:, 0]
    assert torch.equal(batched_nms(boxes, wide, labels.int(), 0.5), batched_nms(boxes, scores, labels, 0.5))


def test_warm_up_can_be_called_again() -> None:
    warm_up()
    warm_up()
