"""Suppression, RoI operators and deformable convolution beside torchvision's C++ on the CPU, taking turns in one run, on two threads.

torchvision is no dependency: where it does not import, its column and the ratios are left out, and the table says so. mmcv cannot
be run beside; its time is a figure noted on a machine like the one of these targets. Features go in and come out plane by plane,
(N, C, H, W), on both sides: turning them to channels last and back is counted.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import cv2
import torch
from torch import Tensor

from cvcore.ops import boxes, deform_conv, nms, roi, warm_up

try:
    import torchvision.ops as peer
except (ImportError, OSError, RuntimeError):
    peer = None

THREADS = 2
MMCV_SOFT_NMS_MS = 84.0


@dataclass(frozen=True)
class Times:
    """Milliseconds over many runs. Other work on the machine adds to both, less to the least."""

    median: float
    least: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g})"


def in_turns(cases: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, Times]:
    """Each case once a round, in turning order, so that all meet the same machine; three rounds are not counted."""
    names = list(cases)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(runs + 3):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            cases[name]()
            if number >= 3:
                taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: Times(median(values), min(values)) for name, values in taken.items()}


@dataclass(frozen=True)
class Line:
    """One case: times here, with trace, and of the peer; the ratio asked for; whether both gave the same."""

    case: str
    ours: Times
    traced: Times | None
    theirs: Times | None
    peer: str
    target: float | None
    same: bool | None

    def __str__(self) -> str:
        asked = "" if self.target is None else f"{self.target:g} x"
        traced = self.traced or ""
        if self.theirs is None:
            return f"| {self.case} | {self.ours} | {traced} | | | {asked} | | |"
        ratio, best = self.theirs.median / self.ours.median, self.theirs.least / self.ours.least
        met = "" if self.target is None else "yes" if ratio >= self.target else "**missed**"
        same = "" if self.same is None else "yes" if self.same else "**no**"
        return (
            f"| {self.case} | {self.ours} | {traced} | {self.peer} {self.theirs} | {ratio:.1f} x ({best:.1f} x) "
            f"| {asked} | {met} | {same} |"
        )


def clustered(n: int, clusters: int, spread: float, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """(N, 4) boxes of 20 to 100 pixels around the centres of objects in 1000 x 1000, and distinct scores."""
    which = torch.randint(0, clusters, (n,), generator=g)
    size = (torch.rand(clusters, 2, generator=g) * 80 + 20)[which]
    centre = (torch.rand(clusters, 2, generator=g) * 1000)[which] + torch.randn(n, 2, generator=g) * spread * size
    size = size * torch.exp(torch.randn(n, 2, generator=g) * spread)
    return torch.cat((centre - size / 2, centre + size / 2), 1), (torch.randperm(n, generator=g) + 1) / (n + 1)


def compared(
    case: str,
    ours: Callable[[], Any],
    traced: Callable[[], Any] | None,
    theirs: Callable[[], Any] | None,
    target: float | None,
    same: Callable[[Any, Any], bool],
    *,
    runs: int = 30,
) -> Line:
    cases = {"ours": ours}
    if traced:
        cases["traced"] = traced
    if theirs:
        cases["theirs"] = theirs
    times = in_turns(cases, runs)
    equal = same(ours(), theirs()) if theirs else None
    return Line(case, times["ours"], times.get("traced"), times.get("theirs"), "torchvision", target, equal)


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def suppression(g: torch.Generator) -> list[Line]:
    lines = []
    for n, target in ((1_000, 4), (5_000, 10), (20_000, 20)):
        for clusters, spread in ((n // 20, 0.1), (n // 10, 0.3)):
            b, s = clustered(n, clusters, spread, g)
            kept = len(nms.nms(b, s, 0.5))
            lines.append(
                compared(
                    f"nms, {n:,} boxes, {kept:,} kept",
                    lambda b=b, s=s: nms.nms(b, s, 0.5),
                    lambda b=b, s=s: nms.nms_trace(b, s, 0.5),
                    (lambda b=b, s=s: peer.nms(b, s, 0.5)) if peer else None,
                    target,
                    torch.equal,
                    runs=max(30, 300_000 // n),
                )
            )
    b, s = clustered(20_000, 5_000, 0.2, g)
    classes = torch.randint(0, 80, (20_000,), generator=g)
    lines.append(
        compared(
            "batched_nms, 20,000 boxes, 80 classes",
            lambda: nms.batched_nms(b, s, classes, 0.5),
            lambda: nms.batched_nms_trace(b, s, classes, 0.5),
            (lambda: peer.batched_nms(b, s, classes, 0.5)) if peer else None,
            3,
            torch.equal,
        )
    )
    b5, s5 = clustered(5_000, 500, 0.3, g)
    soft = compared(
        "soft_nms gaussian, 5,000 boxes",
        lambda: nms.soft_nms(b5, s5, method="gaussian"),
        lambda: nms.soft_nms_trace(b5, s5, method="gaussian"),
        None,
        3,
        torch.equal,
    )
    noted = Times(MMCV_SOFT_NMS_MS, MMCV_SOFT_NMS_MS)
    lines.append(Line(soft.case, soft.ours, soft.traced, noted, "mmcv, noted:", 3, None))
    xywh, scores = boxes.box_convert(b5, "xyxy", "xywh").numpy(), s5.numpy()
    cv = in_turns(
        {"ours": lambda: nms.nms(b5, s5, 0.5), "theirs": lambda: cv2.dnn.NMSBoxes(xywh, scores, 0.0, 0.5)}, 10
    )
    lines.append(Line("nms, 5,000 boxes", cv["ours"], None, cv["theirs"], "cv2.dnn.NMSBoxes", None, None))
    return lines


def gradient(out: Tensor, features: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    """The way back through an operator, again and again."""
    return lambda: torch.autograd.grad(out, features, weight, retain_graph=True)[0]


def regions(g: torch.Generator) -> list[Line]:
    features = torch.randn(1, 256, 200, 304, generator=g)
    size = torch.exp(torch.rand(512, 2, generator=g) * 3 + 2.8)  # 16 to 330 pixels
    centre = torch.rand(512, 2, generator=g) * torch.tensor([1216.0, 800.0])
    rois = torch.cat((torch.zeros(512, 1), centre - size / 2, centre + size / 2), 1)
    arguments = (rois, 7, 0.25)
    lines = []
    for name, ours, theirs, extra, target, same in (
        ("roi_align", roi.roi_align, peer and peer.roi_align, (2,), 6, close),
        ("roi_pool", roi.roi_pool, peer and peer.roi_pool, (), 6, torch.equal),
    ):
        case = f"{name} 1x256x200x304, 512 RoIs, 7x7" + (", 2 samples" if extra else "")
        lines.append(
            compared(
                case + ": forward",
                lambda f=ours, e=extra: f(features, *arguments, *e),
                None,
                (lambda f=theirs, e=extra: f(features, *arguments, *e)) if theirs else None,
                target,
                same,
                runs=12,
            )
        )
        wanted = features.clone().requires_grad_()
        weight = torch.randn(512, 256, 7, 7, generator=g)
        backward = [gradient(f(wanted, *arguments, *extra), wanted, weight) for f in (ours, theirs) if f]
        lines.append(
            compared(
                case + ": backward",
                backward[0],
                None,
                backward[1] if theirs else None,
                6 if extra else None,
                close,
                runs=12,
            )
        )
    return lines


def deformable(g: torch.Generator) -> list[Line]:
    """64 channels to 64 on 64 x 64, 3 x 3, without and with a mask; the way back to all four of its inputs."""
    shapes = ((1, 64, 64, 64), (1, 18, 64, 64), (64, 64, 3, 3))
    features, offset, weight = (torch.randn(shape, generator=g) for shape in shapes)
    mask = torch.rand(1, 9, 64, 64, generator=g)
    case = "deform_conv2d 1x64x64x64, 64 outputs, 3x3"
    lines = []
    for name, given in (("", None), (", mask", mask)):
        ours, theirs = (
            f and (lambda f=f, given=given: f(features, offset, weight, padding=1, mask=given))
            for f in (deform_conv.deform_conv2d, peer and peer.deform_conv2d)
        )
        lines.append(compared(f"{case}{name}: forward", ours, None, theirs, 6, close, runs=30))
    leaves = [tensor.requires_grad_() for tensor in (features, offset, weight, mask)]
    wanted = torch.randn(1, 64, 64, 64, generator=g)
    outs = [
        f(features, offset, weight, padding=1, mask=mask)
        for f in (deform_conv.deform_conv2d, peer and peer.deform_conv2d)
        if f
    ]
    back = [lambda out=out: torch.autograd.grad(out, leaves, wanted, retain_graph=True) for out in outs]
    same = lambda a, b: all(torch.allclose(x, y, atol=1e-3, rtol=1e-3) for x, y in zip(a, b, strict=True))  # noqa: E731
    lines.append(compared(f"{case}, mask: backward", back[0], None, back[1] if peer else None, 4, same, runs=12))
    return lines


def main() -> None:
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    warm_up()
    g = torch.Generator().manual_seed(0)
    if peer is None:
        print("torchvision does not import here: its column is empty, and there is nothing to compare with.\n")
    print("| case, ms: median (least) | here | with trace | peer | faster | target | met | same result |")
    print("|---|---|---|---|---|---|---|---|")
    for line in suppression(g) + regions(g) + deformable(g):
        print(line)


if __name__ == "__main__":
    main()
