"""OpenPose: many people from heat maps and part affinity fields, with every decision of their assembly to be seen."""

from explorer.panels.pose.compute import Trace, compute
from explorer.panels.pose.controls import Params, View
from explorer.panels.pose.views import VIEWS, explain, files, links, notes, pick, tell

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
    "links",
    "notes",
    "pick",
    "tell",
]

TITLE = "OpenPose"
CHAPTER = "5 Human pose"
PAPER = (
    "Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, sections 2 and 3, equations 1 to 15 · "
    "Osokin, Lightweight OpenPose, 2018 · Casiez et al., 1 € Filter, CHI 2012"
)
