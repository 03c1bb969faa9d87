"""Look inside any layer of a network, live: its channels, their statistics, what a unit sees and what speaks for a class."""

from explorer.panels.layers.controls import Params, View
from explorer.panels.layers.drawing import draw
from explorer.panels.layers.pointer import pick, probe
from explorer.panels.layers.trace import Trace, compute

__all__ = ["CHAPTER", "EXPLAIN", "PAPER", "TITLE", "Params", "Trace", "View", "compute", "draw", "pick", "probe"]

TITLE = "Layers"
CHAPTER = "2 Convolutional networks"
PAPER = (
    "Sandler et al., MobileNetV2, CVPR 2018 · Luo et al., Understanding the Effective Receptive Field, NeurIPS 2016 · "
    "Selvaraju et al., Grad-CAM, ICCV 2017"
)
EXPLAIN = """
**A network is a chain of layers.** {network} gets your picture ({picture} px, resized to {input} px, nothing cut off) and passes it
from layer to layer; each turns the maps it gets into new ones. **{layer}** gives {channels} channels of {columns} × {rows} cells and
has {parameters} parameters.

**A channel is a detector** that looks for one pattern everywhere. A large activation says: here it is. Early layers find edges and
colours, later ones textures and parts, the last ones whole things. Choose layers from top to bottom: the maps shrink, and their
meaning grows. Each cell is drawn where its receptive field is centred.

**Zeros.** ReLU6 is min(max(x, 0), 6): everything negative becomes 0. Of this layer's activations {zero} are exactly zero. A channel
that is zero on every picture is *dead*, one that is always at the limit is *saturated*: it no longer tells pictures apart.

**Receptive field.** Click on the picture. The dashed box is all that the unit there *can* see. With kernel sizes k and strides s its
side is r = 1 + Σᵢ (kᵢ − 1) · s₁ ⋯ sᵢ₋₁; here {field} px of the input, and {stride} px from cell to cell. What the unit *really* listens to
is less: the effective field is |∂y/∂x|, how strongly each pixel moves the unit. Here 90 % of it lies in {ninety} of the box's
pixels, most of them near the middle.

**Grad-CAM** shows which places speak for a class (here: {class}). A channel's weight is the mean gradient of the class score y
over its map A: αₖ = mean(∂y/∂Aₖ). The map is max(0, Σₖ αₖ Aₖ). It tells most for the last layers.

**The graph** (*Show: graph*) draws what really ran on your picture: a box for each layer or block, lines for the data with channels × rows
× columns on them. A line that leads around a block is a shortcut: y = x + f(x), the block only has to find what is to be added. Click on a
box to choose its layer, once more to open a block, on the frame to close it. The colours tell the kind, the time or the memory.

**Trained on** {training}. **Measured:** {score}.
"""
