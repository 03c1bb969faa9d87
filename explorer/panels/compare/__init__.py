"""Two networks, or one in two states, on the same picture: layer by layer, how far apart are they, and does it matter in the end?"""

from explorer.panels.compare.controls import Params, View
from explorer.panels.compare.drawing import draw
from explorer.panels.compare.pointer import pick, probe
from explorer.panels.compare.trace import Trace, compute

__all__ = ["CHAPTER", "EXPLAIN", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "Compare"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019 · Jacob et al., Quantization and "
    "Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018"
)
EXPLAIN = """
**Two networks see one picture.** A is {first} ({state}), B is {second} ({other_state}). Each layer of A is compared with its partner
in B. Click on the curve or on a row of the table to look at another layer. {parting} {verdict}

**The chosen layer** is {layer} ({shape}). With a and b its activations in A and B:

- **Relative difference** ‖a − b‖ / ‖a‖ = {relative}: how long the difference is, measured by the length of a. 1 % can hardly be seen,
  at 100 % the difference is as long as a itself.
- **Largest difference** max |aᵢ − bᵢ| = {largest}, **mean difference** mean |aᵢ − bᵢ| = {mean}. In channel {channel} the mean is
  {channel_mean}.
- **Cosine** a · b / (‖a‖ ‖b‖) = {cosine}: 1 means the same direction, whatever the lengths.
- **CKA** ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) = {cka}: the rows of X and Y are the cells, their columns the channels without their means. It asks
  whether cells that are alike in A are alike in B. It works for layers with different numbers of channels, too.

**Rounding** changes each weight a little: w → s · round(w / s). With int8 the step s is max|w| / 127 for each output channel, so a
weight moves by at most half a step. Every layer adds its own error to the errors that come in, so the curve tends to
climb; slowly, because errors of random sign partly cancel.

**Does it matter?** Only if another class wins. A network whose first two classes are far apart bears more error than one in doubt.

**Try:** int4 weights: which layer suffers first? *Untrained*: same layers, random weights. How similar is the first layer, how
similar the last? float16 against bfloat16: the same number of bits, but float16 has 11 for the digits and bfloat16 only 8.
"""
