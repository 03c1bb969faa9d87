"""Look inside any layer of a network, live: its channels, their statistics, what a unit sees and what speaks for a class."""

from explorer.panels.layers.compute import Trace, compute
from explorer.panels.layers.controls import Params, View
from explorer.panels.layers.views import VIEWS, pick, tell
from explorer.panels.layers.words import explain, notes

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
    "notes",
    "pick",
    "tell",
]

TITLE = "Layers"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Sandler et al., MobileNetV2, CVPR 2018 · Luo et al., Understanding the Effective Receptive Field, NeurIPS 2016 · "
    "Selvaraju et al., Grad-CAM, ICCV 2017"
)
