"""Look inside any layer of a network, live: its channels, their statistics, what a unit sees and what speaks for a class."""

from explorer.panels.layers.controls import Params, View
from explorer.panels.layers.drawing import draw
from explorer.panels.layers.pointer import pick, probe
from explorer.panels.layers.trace import Trace, compute

__all__ = ["CHAPTER", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "Layers"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Sandler et al., MobileNetV2, CVPR 2018 · Luo et al., Understanding the Effective Receptive Field, NeurIPS 2016 · "
    "Selvaraju et al., Grad-CAM, ICCV 2017"
)
