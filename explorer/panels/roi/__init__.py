"""RoI Pool and RoI Align on one region: where bins lie, what they read, where the gradient goes, and what rounding costs."""

from explorer.panels.roi.bins import explain
from explorer.panels.roi.compute import Trace, compute
from explorer.panels.roi.controls import Params, View
from explorer.panels.roi.views import VIEWS, pick, tell

__all__ = ["CHAPTER", "PAPER", "TITLE", "VIEWS", "Params", "Trace", "View", "compute", "explain", "pick", "tell"]

TITLE = "RoI Pool and RoI Align"
CHAPTER = "3 Object detection"
PAPER = "Girshick, Fast R-CNN, ICCV 2015, section 2.1 · He et al., Mask R-CNN, ICCV 2017, section 3"
