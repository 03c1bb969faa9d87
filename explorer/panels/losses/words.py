"""The panel's sentences: its explanation, and each formula with the numbers of the two boxes."""

from cvcore.losses.box_descent import LOSSES
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.losses.compute import Trace
from explorer.panels.losses.controls import PICTURE_SIZE, Params, View
from explorer.views.said import fixed


def in_numbers(trace: Trace, index: int) -> str:
    """The formula of loss ``index`` with the numbers of the two boxes."""
    n, beta = trace.numbers, trace.params.beta
    sizes = [fixed(abs(d), 2) for d in n.difference]
    iou = f"1 − {fixed(n.iou, 2)}"
    spread = f" + {fixed(n.rho2, 2)}/{fixed(n.c2, 2)}"
    smooth = [
        f"{size}²/{fixed(2 * beta, 2)}" if quadratic else f"({size} − {fixed(beta / 2, 2)})"
        for size, quadratic in zip(sizes, n.quadratic, strict=True)
    ]
    text = (
        " + ".join(sizes),
        " + ".join(f"{size}²" for size in sizes),
        " + ".join(smooth),
        f"1 − {fixed(n.intersection, 2)}/{fixed(n.union, 2)}",
        f"{iou} + ({fixed(n.enclosing, 2)} − {fixed(n.union, 2)})/{fixed(n.enclosing, 2)}",
        iou + spread,
        f"{iou}{spread} + {fixed(n.alpha, 2)}·{fixed(n.v, 3)}",
    )[index]
    return text if trace.weight == 1 else f"{fixed(trace.weight, 2)} × ({text})"


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
    return ", ".join(f"{tr(name)} × {fixed(f, 2)}" for name, f in zip(LOSSES, trace.factors, strict=True))


def explain(result: Result[Trace, Params], view: View) -> dict[str, object]:
    """What fills the explanation."""
    trace, n = result.trace, result.trace.numbers
    keys = ("l1", "l2", "smooth", "iou_loss", "giou_loss", "diou_loss", "ciou_loss")
    unit = tr("the picture's longer side") if trace.params.unit == PICTURE_SIZE else tr("the target's size")
    return {
        **{key: float(loss) for key, loss in zip(keys, trace.loss, strict=True)},
        **{key: getattr(n, key) for key in ("iou", "intersection", "union", "enclosing", "rho2", "c2", "v", "alpha")},
        "unit": unit,
        "differences": ", ".join(fixed(d, 2) for d in n.difference),
        "beta": trace.params.beta,
        "size_weight": trace.size_weight,
        "constants": constants(trace),
        "arrow": ARROW_GRADIENT,
    }


ARROW_GRADIENT = 2.0
"""The gradient whose arrow is one target size long."""
