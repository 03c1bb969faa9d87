"""CycleGAN: pictures translated both ways and back, what the discriminators think of them, every loss, and the training replayed."""

from explorer.panels.cyclegan.compute import Trace, compute
from explorer.panels.cyclegan.controls import Params, View
from explorer.panels.cyclegan.views import VIEWS, tell
from explorer.panels.cyclegan.words import explain, files, links, notes

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
    "tell",
]

TITLE = "CycleGAN"
CHAPTER = "6 Generative models"
PAPER = (
    "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017 · "
    "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (PatchGAN), CVPR 2017 · "
    "Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017"
)
