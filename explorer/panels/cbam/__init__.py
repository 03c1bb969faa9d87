"""CBAM: a classifier whose channel and spatial attention can be watched, switched off, and followed number by number."""

from explorer.panels.cbam.controls import Params, View
from explorer.panels.cbam.drawing import draw
from explorer.panels.cbam.pointer import pick, probe
from explorer.panels.cbam.saving import files
from explorer.panels.cbam.trace import Trace, compute

__all__ = [
    "CHAPTER",
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

TITLE = "CBAM"
CHAPTER = "2 Convolutional networks"
PAPER = "Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, sections 3 and 4 · Selvaraju et al., Grad-CAM, ICCV 2017"
