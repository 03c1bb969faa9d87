"""CycleGAN: pictures translated both ways and back, what the discriminators think of them, every loss, and the training replayed."""

from explorer.panels.cyclegan.controls import Params, View
from explorer.panels.cyclegan.drawing import draw
from explorer.panels.cyclegan.pointer import links, pick, probe
from explorer.panels.cyclegan.saving import files
from explorer.panels.cyclegan.trace import Trace, compute

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

TITLE = "CycleGAN"
CHAPTER = "6 Generative models"
PAPER = (
    "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017 · "
    "Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (PatchGAN), CVPR 2017 · "
    "Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017"
)
