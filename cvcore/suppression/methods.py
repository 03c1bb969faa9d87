"""The seven methods, by the names they have on the screen, on the candidates of a Scene."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from cvcore.ops import nms
from cvcore.ops.nms import NMSTrace
from cvcore.suppression.candidates import Scene

MethodName = Literal[
    "NMS", "Soft-NMS", "IoU-guided NMS", "Weighted NMS", "Softer-NMS", "Adaptive NMS", "DIoU-NMS"
]  # fmt: skip
METHODS: tuple[str, ...] = get_args(MethodName)
AVERAGING = ("Weighted NMS", "Softer-NMS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Thresholds of all methods; see ``cvcore.ops.nms`` for what each means.

    Args:
        class_aware: suppress within each class only.
        decay: of Soft-NMS, ``linear`` or ``gaussian``; voting_decay: of Softer-NMS, also ``hard``.
        center_penalty: the penalty of DIoU-NMS, to the power ``beta``, in every method.
    """

    iou_threshold: float = 0.5
    class_aware: bool = True
    decay: str = "linear"
    voting_decay: str = "hard"
    sigma: float = 0.5
    min_score: float = 0.15
    sigma_t: float = 0.02
    beta: float = 1.0
    center_penalty: bool = False


def suppress(method: str, scene: Scene, settings: Settings) -> NMSTrace:
    """One method with every decision.

    Raises:
        ValueError: there is no such method.
    """
    trace: NMSTrace = _operator(method, scene, settings, traced=True)()
    return trace


def kept_scores(method: str, scene: Scene, settings: Settings) -> Tensor:
    """(K,) the final scores of what one method keeps, without a trace."""
    out = _operator(method, scene, settings, traced=False)()
    if isinstance(out, Tensor):
        return scene.scores[out]
    if method == "Weighted NMS":
        return scene.scores[out[0]]
    scores: Tensor = out[-1]
    return scores


def run_time(method: str, scene: Scene, settings: Settings, repeats: int) -> float:
    """Seconds that one method takes without a trace, the least of some repeats."""
    operator = _operator(method, scene, settings, traced=False)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        operator()
        times.append(time.perf_counter() - start)
    return min(times)


def _operator(method: str, scene: Scene, settings: Settings, *, traced: bool) -> Callable[[], Any]:
    boxes, scores, t = scene.boxes, scene.scores, settings.iou_threshold
    penalty = settings.beta if settings.center_penalty else None
    idxs = scene.labels if settings.class_aware else None
    more: dict[str, Any] = {"idxs": idxs, "distance_beta": penalty}

    def one(name: str, *arguments: Any, **keywords: Any) -> Callable[[], Any]:
        function = getattr(nms, f"{name}_trace" if traced else name)
        return lambda: function(*arguments, **keywords)

    match method:
        case "NMS" if idxs is not None:
            return one("batched_nms", boxes, scores, idxs, t, distance_beta=penalty)
        case "NMS":
            return one("nms", boxes, scores, t, distance_beta=penalty)
        case "Soft-NMS":
            return one("soft_nms", boxes, scores, t, settings.sigma, settings.min_score, settings.decay, **more)
        case "IoU-guided NMS":
            return one("iou_guided_nms", boxes, scores, scene.confidence, t, **more)
        case "Weighted NMS":
            return one("weighted_nms", boxes, scores, t, **more)
        case "Softer-NMS":
            decay = (settings.voting_decay, settings.sigma, settings.min_score)
            return one("softer_nms", boxes, scores, scene.variance, t, settings.sigma_t, *decay, **more)
        case "Adaptive NMS":
            return one("adaptive_nms", boxes, scores, scene.density, t, **more)
        case "DIoU-NMS":
            return one("diou_nms", boxes, scores, t, beta=settings.beta, idxs=idxs)
        case _:
            raise ValueError(f"there is no method {method!r}")


def sweep(
    methods: tuple[str, ...], scene: Scene, settings: Settings, thresholds: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    """What each method keeps as the IoU threshold moves; for a gaussian decay it is σ that moves.

    Returns:
        (M, T) how many boxes are kept, and (M, T) their mean score (NaN where none is).
    """
    counts, means = torch.zeros(2, len(methods), len(thresholds))
    for row, method in enumerate(methods):
        for column, at in enumerate(thresholds):
            scores = kept_scores(method, scene, replace(settings, iou_threshold=at, sigma=max(at, 0.01)))
            counts[row, column] = len(scores)
            means[row, column] = scores.mean() if len(scores) else torch.nan
    return counts, means
