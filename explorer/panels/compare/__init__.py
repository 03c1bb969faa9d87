"""Two networks, or one in two states, on one picture: layer by layer, how far apart are they, and does it matter?"""

from explorer.panels.compare.compute import Params, Trace, View, compute
from explorer.panels.compare.views import VIEWS
from explorer.panels.compare.words import explain, notes, tell

__all__ = ["CHAPTER", "PAPER", "TITLE", "VIEWS", "Params", "Trace", "View", "compute", "explain", "notes", "tell"]

TITLE = "Compare"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019 · Jacob et al., Quantization and "
    "Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018"
)
