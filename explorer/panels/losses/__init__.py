"""Losses between a predicted and a target box: seven formulas, their gradients, and where gradient descent takes the box."""

from explorer.panels.losses.controls import Params, View
from explorer.panels.losses.drawing import draw
from explorer.panels.losses.pointer import pick, probe
from explorer.panels.losses.trace import Trace, compute

__all__ = ["CHAPTER", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "Losses"
CHAPTER = "3 Object detection"
PAPER = (
    "Girshick, Fast R-CNN, ICCV 2015 · Yu et al., UnitBox, ACM MM 2016 · Rezatofighi et al., GIoU, CVPR 2019 · "
    "Zheng et al., Distance-IoU Loss, AAAI 2020"
)
