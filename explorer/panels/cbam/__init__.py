"""CBAM: a classifier whose channel and spatial attention can be watched, switched off, and followed number by number."""

from explorer.panels.cbam.compute import SHOWS, Params, Trace, View, compute
from explorer.panels.cbam.steps import steps
from explorer.panels.cbam.views import ablation, detail, overview, ways
from explorer.panels.cbam.words import explain, files, notes, tell

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
    "tell",
]

TITLE = "CBAM"
CHAPTER = "2 Convolutional networks"
PAPER = "Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, sections 3 and 4 · Selvaraju et al., Grad-CAM, ICCV 2017"

VIEWS = dict(zip(SHOWS, (overview, detail, steps, ways, ablation), strict=True))
