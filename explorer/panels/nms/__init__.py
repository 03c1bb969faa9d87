"""Non-maximum suppression, seven ways side by side on the same boxes, one decision at a time."""

from explorer.panels.nms.compute import Trace, compute
from explorer.panels.nms.controls import Params, View
from explorer.panels.nms.views import VIEWS, pick, tell
from explorer.panels.nms.words import explain, files, notes

__all__ = [
    "CHAPTER",
    "PAPER",
    "TITLE",
    "VIEWS",
    "Params",
    "Trace",
    "View",
    "compute",
    "explain",
    "files",
    "notes",
    "pick",
    "tell",
]

TITLE = "NMS"
CHAPTER = "3 Object detection"
PAPER = (
    "Bodla et al., Soft-NMS, ICCV 2017 · Jiang et al., IoU-Net, ECCV 2018 · Zhou et al., CAD (weighted NMS), ICCVW 2017 · "
    "He et al., Softer-NMS, CVPR 2019 · Liu et al., Adaptive NMS, CVPR 2019 · Zheng et al., DIoU, AAAI 2020"
)
