"""The panel's sentences: its explanation, and each formula with the numbers of the two boxes."""

from explorer.i18n import tr
from explorer.panels.losses.controls import LOSSES, PICTURE_SIZE
from explorer.panels.losses.trace import Trace


def said(value: float, digits: int = 2) -> str:
    """A number with so many decimals and a true minus sign."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def in_numbers(trace: Trace, index: int) -> str:
    """The formula of loss ``index`` with the numbers of the two boxes."""
    n, beta = trace.numbers, trace.params.beta
    sizes = [said(abs(d)) for d in n.difference]
    iou = f"1 − {said(n.iou)}"
    spread = f" + {said(n.rho2)}/{said(n.c2)}"
    smooth = [
        f"{size}²/{said(2 * beta)}" if quadratic else f"({size} − {said(beta / 2)})"
        for size, quadratic in zip(sizes, n.quadratic, strict=True)
    ]
    text = (
        " + ".join(sizes),
        " + ".join(f"{size}²" for size in sizes),
        " + ".join(smooth),
        f"1 − {said(n.intersection)}/{said(n.union)}",
        f"{iou} + ({said(n.enclosing)} − {said(n.union)})/{said(n.enclosing)}",
        iou + spread,
        f"{iou}{spread} + {said(n.alpha)}·{said(n.v, 3)}",
    )[index]
    return text if trace.weight == 1 else f"{said(trace.weight)} × ({text})"


def situation(trace: Trace) -> str:
    """One sentence about how the boxes lie."""
    p, t = trace.predicted, trace.target
    inside = (p[0] >= t[0] and p[1] >= t[1] and p[2] <= t[2] and p[3] <= t[3]) or (
        p[0] <= t[0] and p[1] <= t[1] and p[2] >= t[2] and p[3] >= t[3]
    )
    if trace.numbers.iou > 1 - 1e-6:
        return tr("The boxes agree: every loss is 0.")
    if trace.numbers.intersection == 0:
        return tr("The boxes do not meet: IoU is 0 wherever the predicted box is, so the IoU loss has no gradient.")
    if trace.numbers.rho2 < 1e-6:
        return tr("The centres agree: nothing is left of DIoU but IoU. Only CIoU still compares the shapes.")
    if inside:
        return tr("One box lies inside the other: the smallest box around both is the outer one, so GIoU is IoU.")
    return tr("The boxes overlap: now every loss has a gradient.")


def constants(trace: Trace) -> str:
    """What each loss is multiplied by in gradient descent."""
    return ", ".join(f"{tr(name)} × {said(f)}" for name, f in zip(LOSSES, trace.factors, strict=True))


def values(trace: Trace) -> dict[str, object]:
    """What fills the explanation."""
    n = trace.numbers
    keys = ("l1", "l2", "smooth", "iou_loss", "giou_loss", "diou_loss", "ciou_loss")
    unit = tr("the picture's longer side") if trace.params.unit == PICTURE_SIZE else tr("the target's size")
    return {
        **{key: float(loss) for key, loss in zip(keys, trace.loss, strict=True)},
        **{key: getattr(n, key) for key in ("iou", "intersection", "union", "enclosing", "rho2", "c2", "v", "alpha")},
        "unit": unit,
        "differences": ", ".join(said(d) for d in n.difference),
        "beta": trace.params.beta,
        "size_weight": trace.size_weight,
        "constants": constants(trace),
        "arrow": ARROW_GRADIENT,
    }


ARROW_GRADIENT = 2.0
"""The gradient whose arrow is one target size long."""
