"""RoI Pool and RoI Align on one region: where bins lie, what they read, where the gradient goes, and what rounding costs."""

from explorer.panels.roi.controls import Params, View
from explorer.panels.roi.drawing import draw
from explorer.panels.roi.pointer import pick, probe
from explorer.panels.roi.trace import Trace, compute

__all__ = ["CHAPTER", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "RoI Pool and RoI Align"
CHAPTER = "3 Object detection"
PAPER = "Girshick, Fast R-CNN, ICCV 2015, section 2.1 · He et al., Mask R-CNN, ICCV 2017, section 3"
