"""The panel's sentences: its explanation, and each formula with the numbers of the two boxes."""

from explorer.i18n import tr
from explorer.panels.losses.controls import LOSSES, PICTURE_SIZE
from explorer.panels.losses.trace import Trace

EXPLAIN = """
**A detector learns where things are** by a loss that compares its box with the true one. Drag the white *predicted* and the yellow
*target* box. L1 and L2 here count in units of {unit}; the IoU family has no unit.

**Coordinates.** With d the differences of the four coordinates, {differences}:

- L1 = Σ |d| = **{l1:.3f}**: the same gradient near and far, so it overshoots at the end.
- L2 = Σ d² = **{l2:.3f}**: its gradient grows with the error; one far box outweighs all others.
- smooth L1 = Σ d² / 2β where |d| < β = {beta:.2f}, else |d| − β/2 = **{smooth:.3f}**: L2 near, L1 far.

None of them sees a box: the four sides are pulled one by one, and the same loss can mean much or little overlap.

**IoU** = |A ∩ B| / |A ∪ B| = {intersection:.3f} / {union:.3f} = {iou:.3f}. The loss is 1 − IoU = **{iou_loss:.3f}**. Boxes that do not
meet have IoU 0 wherever they are: no gradient, and the box stands still.

**GIoU** takes away the empty part of the smallest box C around both: IoU − (|C| − |A ∪ B|) / |C|, with |C| = {enclosing:.3f}. The loss is
**{giou_loss:.3f}**. Boxes apart are pulled together, at first by growing. With one box inside the other C is the outer box, and
nothing is left of it but IoU.

**DIoU** takes away the distance of the centres instead: IoU − ρ² / c² with ρ² = {rho2:.3f} and c the diagonal of C, c² = {c2:.3f}. The
loss is **{diou_loss:.3f}**. It pulls the centre to the target's from wherever it is.

**CIoU** also takes away αv, v = 4/π² (atan w′/h′ − atan w/h)² = {v:.4f}, with w′ and h′ the sides of the target, and
α = v / (1 − IoU + v) = {alpha:.3f}. The loss is **{ciou_loss:.3f}**. v compares shapes: boxes apart begin to take the target's shape on
their way, which DIoU does not care about before they meet.

**Arrows** show where gradient descent moves each of the four sides: −∂L/∂x1, −∂L/∂y1, −∂L/∂x2, −∂L/∂y2, per
target size. A dot without an arrow has no gradient. An arrow as long as the target's size is a gradient of
{arrow:.1f}; longer ones are cut there.

**Descent, made comparable.** All boxes start at the white one. Each step moves the four sides by −η (2 − IoU) ∂L, in units of the target's
size √(w′h′), as Zheng et al. do; the learning rate η is the same for all and falls to 0 along a half cosine. Each loss is multiplied
by one constant so that its gradient is 1 for a square box off by a quarter of its sides: {constants}. So all are equally strong at a
near miss, and what differs is their form. Close to the target the gradient of L1 and of the IoU family does not fade, so their boxes
shake until the learning rate is small.

**Small boxes.** YOLO multiplies the loss by (2 − w h) × 1.5, with w and h as parts of the picture; here that is {size_weight:.2f}. Let
L1 and L2 count in the picture's side to see why: a small box then has a small loss and hardly moves. IoU does not change when boxes and
picture are enlarged together.

**Try:** one box inside the other: GIoU is IoU. Same centre, other shape: DIoU is IoU. Then see where each loss arrives from everywhere.
"""


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
