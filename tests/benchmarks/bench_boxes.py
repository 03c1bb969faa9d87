"""Suppression and RoI operators beside torchvision's C++ on the CPU, taking turns in one run, on two threads.

torchvision is no dependency: where it does not import, its column and the ratios are left out, and the table says so. mmcv cannot
be run beside; its time is a figure noted on a machine like the one of these targets. Features go in and come out plane by plane,
(N, C, H, W), on both sides: turning them to channels last and back is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import torch
from bench import interleaved
from torch import Tensor

from cvcore.ops import boxes, nms, roi
from cvcore.ops.compiling import warm_up

try:
    import torchvision.ops as peer
except (ImportError, OSError, RuntimeError):
    peer = None

THREADS = 2
MMCV_SOFT_NMS_MS = 84.0


@dataclass(frozen=True)
class Line:
    """One case: milliseconds here and of the peer, the ratio asked for, whether both gave the same."""

    case: str
    ours: float
    traced: float | None
    theirs: float | None
    peer: str
    target: float | None
    same: bool | None

    def __str__(self) -> str:
        traced = "" if self.traced is None else f"{self.traced:.3g}"
        if self.theirs is None:
            return f"| {self.case} | {self.ours:.3g} | {traced} | | | {self.asked} | | |"
        ratio = self.theirs / self.ours
        met = "" if self.target is None else "yes" if ratio >= self.target else "**missed**"
        same = "" if self.same is None else "yes" if self.same else "**no**"
        return (
            f"| {self.case} | {self.ours:.3g} | {traced} | {self.theirs:.3g} {self.peer} | {ratio:.1f} x | {self.asked} "
            f"| {met} | {same} |"
        )

    @property
    def asked(self) -> str:
        return "" if self.target is None else f"{self.target:g} x"


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
    runs: int = 20,
) -> Line:
    cases = {"ours": ours}
    if traced:
        cases["traced"] = traced
    if theirs:
        cases["theirs"] = theirs
    seconds = {name: 1e3 * value for name, value in interleaved(cases, runs=runs).items()}
    equal = same(ours(), theirs()) if theirs else None
    return Line(case, seconds["ours"], seconds.get("traced"), seconds.get("theirs"), "torchvision", target, equal)


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
    lines.append(Line(soft.case, soft.ours, soft.traced, MMCV_SOFT_NMS_MS, "mmcv (noted)", 3, None))
    xywh, scores = boxes.box_convert(b5, "xyxy", "xywh").numpy(), s5.numpy()
    cv = interleaved(
        {"ours": lambda: nms.nms(b5, s5, 0.5), "cv2": lambda: cv2.dnn.NMSBoxes(xywh, scores, 0.0, 0.5)}, runs=10
    )
    lines.append(Line("nms, 5,000 boxes", 1e3 * cv["ours"], None, 1e3 * cv["cv2"], "cv2.dnn.NMSBoxes", None, None))
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


def main() -> None:
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    warm_up()
    g = torch.Generator().manual_seed(0)
    if peer is None:
        print("torchvision does not import here: its column is empty, and there is nothing to compare with.\n")
    print("| case | ms | ms with trace | peer, ms | faster | target | met | same result |")
    print("|---|---|---|---|---|---|---|---|")
    for line in suppression(g) + regions(g):
        print(line)


if __name__ == "__main__":
    main()
