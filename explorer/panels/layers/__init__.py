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
**A network is a chain of layers.** {network} takes your picture ({picture} px, resized to {input} px) and passes it from layer to
layer. Each turns the maps it gets into new ones: **{layer}** gives {channels} channels of {columns} × {rows} cells, with
{parameters} parameters.

**A channel is a detector** that looks for the same pattern everywhere. A large activation says: here it is. Early layers find edges
and colours, later ones textures and parts, the last ones whole things. Choose layers from top to bottom and watch the maps shrink
while their meaning grows.

**Zeros.** ReLU6 is min(max(x, 0), 6): everything negative becomes 0. {zero} of this layer's activations are exactly zero. A channel
that is zero on every picture is *dead*; one that is always at the limit is *saturated*: neither learns any more.

**Receptive field.** Click on the picture. The dashed box is all that the unit there *can* see: r = 1 + Σ (kᵢ − 1) · s₁ ⋯ sᵢ₋₁, with kernel
sizes k and strides s. Here it is {field} px of the input, and neighbouring cells are {stride} px apart. What the unit *really*
listens to is less: the effective field shows |∂y/∂x|, how strongly each pixel moves the unit. 90 % of it lies in {ninety} of the
box's pixels, mostly near the middle.

**Grad-CAM** asks which places speak for a class, here: {class}. The gradient of the class score y over the layer's channels A gives each a
weight αₖ = mean of ∂y/∂Aₖ, and the map is max(0, Σ αₖ Aₖ). It is most telling for the last layers.

**The network:** {training}. Measured: {score}.
"""
