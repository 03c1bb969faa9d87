"""Decoding against slow obvious oracles, the way there and back, and maps that make no sense."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cvcore.ops import paf
from cvcore.ops.paf import (
    OPENPOSE_18,
    Skeleton,
    Thresholds,
    assemble,
    decode,
    decode_trace,
    find_peaks,
    heatmap_targets,
    match_limbs,
    paf_targets,
    score_pairs,
)
from cvcore.ops.paf.trace import (
    CONFIRM,
    CONFLICT,
    EXTEND,
    FEW_AGREE,
    KEPT,
    MERGE,
    MERGED,
    NO_START,
    START,
    TOO_FEW_KEYPOINTS,
    TOO_LOW,
    TOO_LOW_SCORE,
)
from tests.cvcore.people_for_tests import crowd, standing

CHAIN = Skeleton(("a", "b", "c", "d"), ((0, 1), (2, 3), (1, 2)), ((0, 1), (2, 3), (4, 5)))
ENDS = torch.tensor(OPENPOSE_18.limbs)
SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    paf.warm_up()


def noise(seed: int, height: int, width: int, skeleton: Skeleton = OPENPOSE_18) -> tuple[Tensor, Tensor]:
    """Maps with many peaks and long agreeing paths; every third with equal values and ties."""
    g = torch.Generator().manual_seed(seed)
    heatmaps = torch.rand(len(skeleton.names) + 1, height, width, generator=g)
    pafs = torch.rand(2 * len(skeleton.limbs), height, width, generator=g) * 2 - 0.6
    return ((heatmaps * 4).round() / 4, (pafs * 2).round() / 2) if seed % 3 == 0 else (heatmaps, pafs)


def slow_peaks(maps: Tensor, threshold: float) -> list[tuple[int, int, int]]:
    """Keypoint, column, row: above the threshold, above the neighbours read before, not below those read after."""
    out = []
    for k, plane in enumerate(maps.tolist()):
        for y, row in enumerate(plane):
            for x, value in enumerate(row):
                near = [(j, i) for j in (y - 1, y, y + 1) for i in (x - 1, x, x + 1) if (j, i) != (y, x)]
                near = [(j, i) for j, i in near if 0 <= j < len(plane) and 0 <= i < len(row)]
                if value > threshold and all(
                    value > plane[j][i] if (j, i) < (y, x) else value >= plane[j][i] for j, i in near
                ):
                    out.append((k, x, y))
    return out


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 8), st.integers(1, 9))
def test_peaks_are_local_maxima(seed: int, height: int, width: int) -> None:
    heatmaps = noise(seed, height, width)[0][:4]
    peaks = find_peaks(heatmaps, 0.3)
    cells = [(k, x, y) for k, (x, y) in zip(peaks.keypoints.tolist(), peaks.cells.tolist(), strict=True)]
    assert cells == slow_peaks(heatmaps, 0.3)
    assert peaks.scores.tolist() == [float(heatmaps[k, y, x]) for k, x, y in cells]
    assert peaks.found.tolist() == [sum(c[0] == k for c in cells) for k in range(4)]
    assert peaks.starts.tolist() == [0, *np.cumsum(peaks.found.numpy()).tolist()]
    assert ((peaks.xy - peaks.cells).abs() <= 0.5).all()
    assert torch.equal(find_peaks(heatmaps, 0.3, sub_pixel=False).xy, peaks.cells.float())


@settings(max_examples=50, deadline=None)
@given(st.floats(2, 9), st.floats(2, 7), st.floats(0.8, 3))
def test_the_top_of_a_gaussian_is_found_between_the_cells(x: float, y: float, sigma: float) -> None:
    heatmap = heatmap_targets(torch.tensor([[[x, y, 1.0]]]), 10, 12, sigma=sigma)[:1]
    peaks = find_peaks(heatmap, 0.1)
    assert len(peaks) == 1
    # next to a cell's edge a neighbour below a hundredth of the peak is taken as that
    assert peaks.xy[0].tolist() == pytest.approx([x, y], abs=0.1 if sigma < 1.2 else 1e-3)


def test_at_the_limit_the_highest_are_kept_and_it_is_said() -> None:
    heatmaps = torch.zeros(2, 9, 9)
    heatmaps[0, ::2, ::2] = torch.linspace(0.2, 0.9, 25).reshape(5, 5).flip(0)
    heatmaps[1, 4, 4] = 1
    peaks = find_peaks(heatmaps, max_peaks=7)
    assert peaks.found.tolist() == [25, 1]
    assert peaks.limited.tolist() == [True, False]
    assert len(peaks) == 8
    assert sorted(peaks.scores[:7].tolist()) == sorted(heatmaps[0].flatten().topk(7).values.tolist())
    assert not find_peaks(heatmaps, max_peaks=25).limited.any()


def slow_pairs(peaks: paf.Peaks, pafs: Tensor, limits: Thresholds) -> list[tuple[int, int, int, float, int, float]]:
    """Limb, a, b, integral, agreeing, score, each point looked up for itself."""
    field = pafs.double().numpy()
    _, height, width = field.shape
    out = []
    for limb, ((ka, kb), channels) in enumerate(zip(OPENPOSE_18.limbs, OPENPOSE_18.paf_channels, strict=True)):
        for a in (peaks.keypoints == ka).nonzero().flatten().tolist():
            for b in (peaks.keypoints == kb).nonzero().flatten().tolist():
                (ax, ay), (bx, by) = peaks.xy[a].tolist(), peaks.xy[b].tolist()
                length = math.hypot(bx - ax, by - ay)
                dots = []
                for u in np.linspace(0, 1, limits.samples):
                    x, y = ax + (bx - ax) * u, ay + (by - ay) * u
                    value = [0.0, 0.0]
                    for j in (math.floor(y), math.floor(y) + 1):
                        for i in (math.floor(x), math.floor(x) + 1):
                            weight = max(0, 1 - abs(x - i)) * max(0, 1 - abs(y - j))
                            for side, channel in enumerate(channels):
                                value[side] += weight * field[channel, min(j, height - 1), min(i, width - 1)]
                    dots.append((value[0] * (bx - ax) + value[1] * (by - ay)) / length if length else 0.0)
                integral = float(np.mean(dots))
                prior = min(0.5 * height / length - 1, 0) if length else 0.0
                out.append((limb, a, b, integral, sum(d > limits.min_dot for d in dots), integral + prior))
    return out


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_pairs_are_scored_by_the_line_integral(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    heatmaps, pafs = torch.rand(18, 7, 9, generator=g), torch.randn(38, 7, 9, generator=g)
    limits = Thresholds(samples=7, min_dot=0.1, min_fraction=0.5)
    peaks = find_peaks(heatmaps, 0.8)
    pairs = score_pairs(peaks, pafs, samples=7, min_dot=0.1, min_fraction=0.5)
    expected = slow_pairs(peaks, pafs, limits)
    assert [tuple(row) for row in torch.stack((pairs.limbs, pairs.a, pairs.b), 1).tolist()] == [r[:3] for r in expected]
    np.testing.assert_allclose(pairs.integrals, [r[3] for r in expected], atol=1e-5)
    np.testing.assert_allclose(pairs.scores, [r[5] for r in expected], atol=1e-5)
    assert pairs.agreeing.tolist() == [r[4] for r in expected]
    assert pairs.min_agreeing == 4
    few, low = (pairs.agreeing < 4), (pairs.scores <= 0)
    assert pairs.failed.tolist() == (few * FEW_AGREE + low * TOO_LOW).tolist()
    torch.testing.assert_close(pairs.dots.mean(1), pairs.integrals, atol=1e-5, rtol=0)
    torch.testing.assert_close(pairs.integrals + pairs.priors, pairs.scores, atol=1e-5, rtol=0)
    for pair in range(0, len(pairs), 5):
        points = pairs.points(pair)
        assert torch.equal(points[0], peaks.xy[pairs.a[pair]])
        torch.testing.assert_close(points[-1], peaks.xy[pairs.b[pair]])
        unit = (pairs.ends[pair] - pairs.starts[pair]) / pairs.lengths[pair]
        if pairs.lengths[pair] > 0:
            torch.testing.assert_close(pairs.vectors[pair] @ unit, pairs.dots[pair], atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_matching_takes_the_best_first(seed: int) -> None:
    heatmaps, pafs = noise(seed, 12, 14)
    trace = decode_trace(heatmaps, pafs, Thresholds(peak_threshold=0.8, min_fraction=0.5))
    pairs, matches = trace.pairs, trace.matches
    rows = [
        (limb, -score, i)
        for i, (limb, score, bad) in enumerate(
            zip(pairs.limbs.tolist(), pairs.scores.tolist(), pairs.failed.tolist(), strict=True)
        )
        if not bad
    ]
    taken: dict[tuple[int, int], int] = {}
    order, blocked = [], []
    for limb, _, i in sorted(rows):
        ends = [(limb, int(pairs.a[i])), (limb, int(pairs.b[i]))]
        by = next((taken[end] for end in ends if end in taken), -1)
        order.append(i)
        blocked.append(by)
        if by < 0:
            taken.update(dict.fromkeys(ends, i))
    assert matches.pairs.tolist() == order
    assert matches.blocked_by.tolist() == blocked


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_people_grow_by_the_rules(seed: int) -> None:
    heatmaps, pafs = noise(seed, 16, 18)
    trace = decode_trace(heatmaps, pafs, Thresholds(peak_threshold=0.9, min_fraction=0.5, min_score=0.5))
    made = trace.assembly
    bodies: list[dict[int, int] | None] = []
    worth: list[float] = []
    for e, pair in enumerate(trace.matches.accepted.tolist()):
        limb, a, b = (int(column[pair]) for column in (trace.pairs.limbs, trace.pairs.a, trace.pairs.b))
        ka, kb = OPENPOSE_18.limbs[limb]
        having = {
            end: next((i for i, body in enumerate(bodies) if body and end in body.values()), -1) for end in (a, b)
        }
        p, q = having[a], having[b]
        value = float(trace.pairs.scores[pair])
        if p < 0 and q < 0:
            action, person, other = (NO_START, -1, -1) if limb in OPENPOSE_18.redundant else (START, len(bodies), -1)
            if action == START:
                bodies.append({ka: a, kb: b})
                worth.append(float(trace.peaks.scores[a] + trace.peaks.scores[b]) + value)
        elif p == q:
            action, person, other = CONFIRM, p, -1
            worth[p] += value
        elif p < 0 or q < 0:
            person, other = max(p, q), -1
            body, k, peak = bodies[person], *((ka, a) if p < 0 else (kb, b))
            assert body is not None
            action = CONFLICT if k in body else EXTEND
            if action == EXTEND:
                body[k] = peak
                worth[person] += float(trace.peaks.scores[peak]) + value
        else:
            one, two = bodies[p], bodies[q]
            assert one is not None
            assert two is not None
            action, person, other = (CONFLICT if one.keys() & two.keys() else MERGE), p, q
            if action == MERGE:
                one.update(two)
                bodies[q] = None
                worth[p] += worth[q] + value
        assert (int(made.action[e]), int(made.person[e]), int(made.other[e])) == (action, person, other)
        assert made.bodies_at(e + 1, ENDS)[: len(bodies)].tolist() == [
            [(body or {}).get(k, -1) for k in range(18)] for body in bodies
        ]
    assert torch.equal(made.bodies_at(len(made), ENDS), made.bodies)
    for i, body in enumerate(bodies):
        if body is None:
            assert made.verdict[i] == MERGED
            continue
        score = worth[i] / len(body)
        assert float(made.scores[i]) == pytest.approx(score, abs=1e-4)
        expected = TOO_FEW_KEYPOINTS if len(body) < 4 else TOO_LOW_SCORE if score < 0.5 else KEPT
        assert made.verdict[i] == expected or abs(score - 0.5) < 1e-4
    assert sorted(made.kept.tolist()) == (made.verdict == KEPT).nonzero().flatten().tolist()
    assert (trace.scores.diff() <= 0).all()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 20), st.integers(1, 20), st.integers(1, 40))
def test_the_plain_answer_is_the_traced_one(seed: int, height: int, width: int, limit: int) -> None:
    heatmaps, pafs = noise(seed, height, width)
    weak = None if seed % 2 else 0.02
    limits = Thresholds(max_peaks=limit, min_fraction=0.4, min_keypoints=2, min_score=0, weak_threshold=weak)
    trace = decode_trace(heatmaps, pafs, limits)
    assert torch.equal(decode(heatmaps, pafs, limits), trace.people)
    assert trace.limited == bool((trace.peaks.found > limit).any())


def test_the_steps_one_by_one_are_the_whole() -> None:
    heatmaps, pafs = noise(1, 20, 24)
    trace = decode_trace(heatmaps, pafs)
    peaks = find_peaks(heatmaps[:-1])
    pairs = score_pairs(peaks, pafs)
    matches = match_limbs(pairs)
    assembly = assemble(peaks, pairs, matches)
    assert torch.equal(pairs.scores, trace.pairs.scores)
    assert torch.equal(matches.pairs, trace.matches.pairs)
    assert torch.equal(assembly.bodies, trace.assembly.bodies)
    assert torch.equal(assembly.scores[assembly.kept], trace.scores)


def slow_completion(people: Tensor, heatmaps: Tensor, pafs: Tensor, weak: float) -> Tensor:
    """Every missing keypoint that a limb leads to, limb after limb, from any peak of its map."""
    people = people.clone()
    peaks = find_peaks(heatmaps[:-1], weak)
    for p, person in enumerate(people):
        there = person[person[:, 2] > 0]
        reach = 0.75 * float((there.amax(0) - there.amin(0))[:2].max())
        before = -1
        while before != (before := int((person[:, 2] > 0).sum())):
            for limb, (a, b) in enumerate(OPENPOSE_18.limbs):
                if limb in OPENPOSE_18.redundant or bool(person[a, 2] > 0) == bool(person[b, 2] > 0):
                    continue
                known, k = (a, b) if person[a, 2] > 0 else (b, a)
                others = torch.cat((people[:p, k], people[p + 1 :, k]))
                others = others[others[:, 2] > 0]
                worth = []
                for i in (peaks.keypoints == k).nonzero().flatten().tolist():
                    place = peaks.xy[i]
                    if (place - person[known, :2]).norm() > reach or ((others[:, :2] - place).norm(dim=1) <= 1.5).any():
                        continue
                    start, end = (person[known, :2], place) if known == a else (place, person[known, :2])
                    one = paf.Peaks(
                        torch.stack((start, end)), torch.ones(2), torch.tensor((a, b)), torch.zeros(2, 2, dtype=torch.int64),
                        torch.tensor([(k > a) + (k > b) for k in range(19)]), torch.ones(18, dtype=torch.int64), 9,
                    )  # fmt: skip
                    if a > b:
                        one = paf.Peaks(one.xy.flip(0), *(getattr(one, n) for n in list(one.__slots__)[1:]))
                    integral = float(score_pairs(one, pafs).integrals[score_pairs(one, pafs).limbs == limb])
                    if integral > 0:
                        worth.append((integral + float(peaks.scores[i]), i))
                if worth:
                    best = max(worth, key=lambda w: (w[0], -w[1]))[1]
                    person[k] = torch.cat((peaks.xy[best], peaks.scores[best : best + 1]))
    return people


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_missing_keypoints_come_from_weak_peaks_along_the_persons_own_limbs(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    whole = torch.stack((standing(12, 12), standing(26, 12)))
    maps, pafs = heatmap_targets(whole, 30, 40), paf_targets(whole, 30, 40)
    maps[:-1] *= torch.where(torch.rand(18, generator=g) < 0.4, 0.07, 1)[:, None, None]
    maps[:-1] += 0.03 * torch.rand(18, 30, 40, generator=g)
    pafs += 0.1 * torch.randn(pafs.shape, generator=g)
    plain = decode_trace(maps, pafs)
    made = decode_trace(maps, pafs, Thresholds(weak_threshold=0.02))
    expected = slow_completion(plain.people, maps, pafs, 0.02)
    torch.testing.assert_close(made.people, expected)
    added = made.completion
    assert len(added) == int((expected[..., 2] > 0).sum() - (plain.people[..., 2] > 0).sum())
    for person, keypoint, limb, origin in zip(
        *(t.tolist() for t in (added.persons, added.keypoints, added.limbs, added.origins)), strict=True
    ):
        assert {keypoint, origin} == set(OPENPOSE_18.limbs[limb])
        assert plain.people[person, keypoint, 2] == 0
    assert torch.equal(made.scores, plain.scores)


def test_a_weak_wrist_is_found_by_its_own_arm_and_not_by_a_neighbours() -> None:
    person = standing(20, 12)[None]
    maps, pafs = heatmap_targets(person, 30, 40), paf_targets(person, 30, 40)
    maps[4] *= 0.05
    assert decode(maps, pafs)[0, 4, 2] == 0
    found = decode(maps, pafs, Thresholds(weak_threshold=0.02))
    assert (found[0, 4, :2] - person[0, 4, :2]).norm() < 0.1
    pafs[list(OPENPOSE_18.paf_channels[3])] *= -1  # the field points away from it
    assert decode(maps, pafs, Thresholds(weak_threshold=0.02))[0, 4, 2] == 0


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_targets_of_people_give_the_people_back(seed: int) -> None:
    """Three people side by side, in poses of their own."""
    g = torch.Generator().manual_seed(seed)
    people = torch.stack([standing(12 + 22 * i, 20 + 4 * float(torch.rand(1, generator=g))) for i in range(3)])
    people[..., :2] += (torch.rand(3, 18, 2, generator=g) - 0.5) * 1.2
    found = decode(heatmap_targets(people, 46, 72), paf_targets(people, 46, 72))
    assert found.shape == (3, 18, 3)
    found = found[found[:, 1, 0].argsort()]
    assert (found[..., 2] > 0.5).all()
    assert (found - people)[..., :2].abs().max() < 0.5


def test_two_people_who_cross_are_told_apart() -> None:
    """Two arms that cross at their middle: the peaks alone would allow both ways of joining them."""
    people = torch.stack((standing(30, 22), standing(36, 22)))
    found = decode(heatmap_targets(people, 46, 72), paf_targets(people, 46, 72))
    found = found[found[:, 1, 0].argsort()]
    assert (found - people)[..., :2].abs().max() < 0.5


def test_two_halves_become_one_person() -> None:
    people = torch.tensor([[[2.0, 5, 1], [7, 5, 1], [12, 5, 1], [17, 5, 1]]])
    trace = decode_trace(heatmap_targets(people, 11, 20), paf_targets(people, 11, 20, skeleton=CHAIN), skeleton=CHAIN)
    assert trace.assembly.action.tolist() == [START, START, MERGE]
    assert trace.assembly.verdict.tolist() == [KEPT, MERGED]
    torch.testing.assert_close(trace.people[0, :, :2], people[0, :, :2], atol=0.05, rtol=0)
    # (4 peaks of about 1 and 3 limbs of about 1) / 4
    assert float(trace.scores[0]) == pytest.approx(1.75, abs=0.1)


SILLY = {
    "zeros": torch.zeros,
    "ones": torch.ones,
    "huge": lambda *s: torch.full(s, 3e38),
    "infinite": lambda *s: torch.full(s, math.inf),
    "minus infinite": lambda *s: torch.full(s, -math.inf),
    "both infinities": lambda *s: torch.where(torch.arange(math.prod(s)).reshape(s) % 2 == 0, math.inf, -math.inf),
    "subnormal": lambda *s: torch.full(s, 1e-42),
}


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (1, 1), (1, 7), (6, 1), (9, 8)])
@pytest.mark.parametrize("name", SILLY)
def test_silly_maps_are_decoded(name: str, size: tuple[int, int]) -> None:
    heatmaps, pafs = SILLY[name](19, *size), SILLY[name](38, *size)
    for threshold in (0.1, -math.inf, math.inf, 0.0):
        limits = Thresholds(peak_threshold=threshold, min_keypoints=0, min_score=-math.inf, min_fraction=0)
        trace = decode_trace(heatmaps, pafs, limits)
        assert torch.equal(decode(heatmaps, pafs, limits), trace.people)
        assert trace.people.isfinite().all()


def test_a_skeleton_without_limbs_has_no_people() -> None:
    points = Skeleton(("a",), (), ())
    trace = decode_trace(torch.ones(2, 4, 4), torch.zeros(0, 4, 4), skeleton=points)
    assert trace.people.shape == (0, 1, 3)
    assert len(trace.peaks) == 1


def test_half_precision_and_views_are_read_as_they_are() -> None:
    heatmaps, pafs = noise(4, 10, 12)
    expected = decode(heatmaps, pafs)
    assert torch.equal(decode(heatmaps.transpose(1, 2).contiguous().transpose(1, 2), pafs), expected)
    assert torch.equal(decode(heatmaps.double(), pafs.double()), expected)
    half = decode(heatmaps.half(), pafs.half())
    assert torch.equal(half, decode(heatmaps.half().float(), pafs.half().float()))
    assert not decode(heatmaps.requires_grad_(), pafs).requires_grad


def test_the_maps_are_not_changed() -> None:
    heatmaps, pafs = (torch.full(s, math.inf) for s in ((19, 3, 3), (38, 3, 3)))
    decode(heatmaps, pafs)
    assert heatmaps.isinf().all()
    assert pafs.isinf().all()


def test_errors_say_what_is_wrong() -> None:
    heatmaps, pafs = torch.zeros(19, 4, 5), torch.zeros(38, 4, 5)
    bad = pafs.clone()
    bad[3, 2, 1] = math.nan
    with pytest.raises(ValueError, match="pafs have NaN"):
        decode(heatmaps, bad)
    with pytest.raises(ValueError, match="heatmaps have NaN"):
        decode_trace(heatmaps / 0, pafs)
    with pytest.raises(ValueError, match="19 heat maps, not 18"):
        decode(heatmaps[:-1], pafs)
    with pytest.raises(ValueError, match="38 PAF channels, not 36"):
        decode(heatmaps, pafs[:-2])
    with pytest.raises(ValueError, match="differ in size"):
        decode(heatmaps, pafs[:, :3])
    with pytest.raises(ValueError, match="floating"):
        decode(heatmaps.long(), pafs)
    with pytest.raises(ValueError, match="floating"):
        decode(heatmaps[None], pafs)
    with pytest.raises(ValueError, match="outside"):
        score_pairs(find_peaks(torch.eye(9).flip(0).expand(18, 9, 9)), pafs)
    with pytest.raises(ValueError, match="0 steps"):
        decode_trace(heatmaps, pafs).assembly.bodies_at(1, ENDS)
    for wrong in (
        {"max_peaks": 0},
        {"samples": 1},
        {"samples": 1001},
        {"min_fraction": 1.1},
        {"peak_threshold": math.nan},
        {"min_dot": math.nan},
        {"min_score": math.nan},
        {"weak_threshold": math.nan},
    ):
        with pytest.raises(ValueError):
            Thresholds(**wrong)  # type: ignore[arg-type]


def test_an_empty_crowd_and_a_full_one() -> None:
    g = torch.Generator().manual_seed(5)
    people = crowd(30, 46, 82, g)
    heatmaps, pafs = heatmap_targets(people, 46, 82), paf_targets(people, 46, 82)
    found = decode(heatmaps, pafs)
    assert 20 <= len(found) <= 40
    near = torch.cdist(found[:, 1, :2], people[:, 1, :2]).min(1).values[found[:, 1, 2] > 0]
    assert (near < 1).float().mean() > 0.9
