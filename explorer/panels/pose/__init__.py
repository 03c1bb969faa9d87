"""OpenPose: many people from heat maps and part affinity fields, with every decision of their assembly to be seen."""

from explorer.panels.pose.controls import Params, View
from explorer.panels.pose.drawing import draw
from explorer.panels.pose.pointer import links, pick, probe
from explorer.panels.pose.saving import files
from explorer.panels.pose.trace import Trace, compute

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
    "links",
    "pick",
    "probe",
]

TITLE = "OpenPose"
CHAPTER = "5 Human pose"
PAPER = (
    "Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, sections 2 and 3, equations 1 to 15 · "
    "Osokin, Lightweight OpenPose, 2018 · Casiez et al., 1 € Filter, CHI 2012"
)
