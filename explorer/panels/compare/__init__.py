"""Two networks, or one in two states, on the same picture: layer by layer, how far apart are they, and does it matter in the end?"""

from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.drawing import draw
from explorer.panels.compare.pointer import pick, probe
from explorer.panels.compare.trace import Trace, compute

__all__ = ["CHAPTER", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "Compare"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019 · Jacob et al., Quantization and "
    "Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018"
)
