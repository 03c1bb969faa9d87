"""Losses between a predicted and a target box: seven formulas, their gradients, and where gradient descent takes the box."""

from explorer.panels.losses.compute import Trace, compute
from explorer.panels.losses.controls import Params, View
from explorer.panels.losses.views import VIEWS, tell
from explorer.panels.losses.words import explain

__all__ = ["CHAPTER", "PAPER", "TITLE", "VIEWS", "Params", "Trace", "View", "compute", "explain", "tell"]

TITLE = "Losses"
CHAPTER = "3 Object detection"
PAPER = (
    "Girshick, Fast R-CNN, ICCV 2015 · Yu et al., UnitBox, ACM MM 2016 · Rezatofighi et al., GIoU, CVPR 2019 · "
    "Zheng et al., Distance-IoU Loss, AAAI 2020"
)
