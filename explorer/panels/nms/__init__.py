"""Non-maximum suppression, seven ways side by side on the same boxes, one decision at a time."""

from explorer.panels.nms.controls import Params, View
from explorer.panels.nms.drawing import draw
from explorer.panels.nms.pointer import pick, probe
from explorer.panels.nms.saving import files
from explorer.panels.nms.trace import Trace, compute

__all__ = [
    "CHAPTER",
    "EXPLAIN",
    "PAPER",
    "TITLE",
    "Params",
    "Trace",
    "View",
    "compute",
    "draw",
    "files",
    "pick",
    "probe",
]

TITLE = "NMS"
CHAPTER = "3 Object detection"
PAPER = (
    "Bodla et al., Soft-NMS, ICCV 2017 · Jiang et al., IoU-Net, ECCV 2018 · Zhou et al., CAD (weighted NMS), ICCVW 2017 · "
    "He et al., Softer-NMS, CVPR 2019 · Liu et al., Adaptive NMS, CVPR 2019 · Zheng et al., DIoU, AAAI 2020"
)
EXPLAIN = """
**A detector finds everything many times.** Every cell of its maps near an object proposes a box: here {count} candidates score above
{score_threshold:g}. **Non-maximum suppression** leaves one of each object: {kept}. Play the decisions, or move from one to the next.

**NMS** takes the box of the highest score, keeps it, removes all that overlap it by more than the threshold {threshold:g}, and begins
again with the rest. The overlap is the intersection over union:

IoU = A∩B / (A + B − A∩B)

Box {box} and box {by}: {shared:,.0f} / ({area_a:,.0f} + {area_b:,.0f} − {shared:,.0f}) = **{iou:.3f}**.

A low threshold removes people who stand close together, a high one leaves second finds. The other six methods try to do better.

**Soft-NMS** removes nothing: what overlaps loses score. *Linear:* s ← s (1 − IoU) from the threshold on, here {linear:.3f}. *Gaussian:*
s ← s · exp(−IoU² / σ), σ = {sigma:g}, with no jump at a threshold. A box is dropped once its score is below the lowest score.

**IoU-guided NMS** ranks by how well a box is *placed*, not by how sure its class is, and the kept box takes the best score of those it
removes. Box {box} has a localisation confidence of {confidence:.3f}; its sides are spread by σ = {spread} px (left, top, right, bottom).

**Weighted NMS** keeps the mean of a box and all it removes, each with the weight s · IoU. **Softer-NMS** votes with the predicted
variance of each side: w = exp(−(1 − IoU)² / σt) / σ², σt = {sigma_t:g}; the surer a side, the more it counts. Box {box} is the mean of
{voters} boxes. Dotted: where the kept boxes were before.

**Adaptive NMS** raises the threshold in a crowd: max(threshold, density), for box {box} max({threshold:g}, {density:.3f}) = {adaptive:.3f}.

**DIoU-NMS** takes off the distance ρ of the centres, in parts of the diagonal c of the smallest box around both:
IoU − (ρ² / c²)^β = {iou:.3f} − ({rho:,.0f} / {diagonal:,.0f})^{beta:g} = **{diou:.3f}**. Two people side by side have distant centres;
two finds of one person do not.

**Do they help?** It depends on the detector and on the crowd. On 128 COCO pictures, with this detector, no method gained more than 0.2
points of average precision over NMS, and Weighted NMS lost 0.6; the file docs/nms_methods.md has the table. Choose “by hand” to build
a case where they differ.
"""
