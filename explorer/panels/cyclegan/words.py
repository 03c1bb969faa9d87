"""The explanation, and the numbers that fill it."""

import numpy as np

from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import COMPUTING, Params
from explorer.panels.cyclegan.runs import replayed
from explorer.panels.cyclegan.trace import Trace
from explorer.panels.cyclegan.translator import domain_names, title_of
from explorer.views import networks

EXPLAIN = """
**Two heaps of pictures, no pairs.** {network}: A are {a}, B are {b}. Nobody has the same scene in both, so nobody can say what the right
translation of a picture is. CycleGAN learns both ways at once: G: A → B and F: B → A.

**Four networks.** Two generators translate. Two discriminators judge: D_A tells real pictures of A from F’s translations, D_B real pictures
of B from G’s. A discriminator gives a score to every overlapping patch of 70 × 70 px: near 1 real, near 0 fake. It looks at
texture, lines and colour, never at the scene as a whole.

**Loss of a discriminator** (least squares): real ones are to score 1, translations 0.

L(D_B) = ½ · mean (D_B(b) − 1)² + ½ · mean D_B(G(a))²

0.25 is what a discriminator pays that always says ½, that is, knows nothing. In training the translations come from a pool of 50 earlier
ones, so that it does not forget old tricks.

**Loss of a generator.** It is to be taken for real, the way there and back is to end where it began, and what already belongs to the
other side is to stay as it is:

L(G) = mean (D_B(G(a)) − 1)² + λ · mean |F(G(a)) − a| + λ · mean |G(F(b)) − b| + λᵢ · mean |G(b) − b|

L(F) likewise, with A and B exchanged. Here λ = {cycle_weight:g} and λᵢ = {identity_weight:g}. Without the cycle a generator could turn
every photograph into the same beautiful print: its discriminator would be content.

**Cycle error.** Your picture there and back differs from itself by {cycle:.3f} on average, on the scale from −1 (black) to 1 (white). What
is lost on the way is drawn bright: look at fine texture and at colours that the other domain does not have.

**A trick to look for.** The way back is often better than the translation lets hope: the generator hides details in faint patterns that
nobody sees, and the other one reads them (Chu et al. 2017 call it steganography).

**A generator.** An encoder (7 × 7 convolution, two that halve the size), residual blocks that change the style at a quarter of the size,
a decoder that enlarges twice. *Look inside*, at the foot, opens its layers in the Layers panel. Ours enlarges by repeating pixels and then
convolving, since the transposed convolution of the paper leaves a checkerboard; it has separable residual blocks and no norm in encoder and
decoder, so that brightness can come back.

**Tiles.** Instance norm divides by the mean and variance of the whole picture. A tile alone has others, and the seams show: try it. With
statistics shared by all tiles the seams vanish, and the network needs no more memory for a large picture than for a small one.
It was trained on small crops: in a large picture its strokes stay a few pixels wide, so they look finer.

**Trained on** {training} **Measured:** {score}
"""


def values(result: Result) -> dict[str, object]:
    """What fills the names in EXPLAIN."""
    trace: Trace = result.trace
    params: Params = result.task.params
    card = networks.card(params.network)
    a, b = domain_names(params.network)
    run = replayed(params.network)
    recipe = {} if run is None else run.recipe
    error = trace.sides[0].cycle_error if params.show in COMPUTING and trace.sides else None
    found: dict[str, object] = {
        "network": tr(title_of(params.network)),
        "a": a,
        "b": b,
        "cycle_weight": float(recipe.get("cycle_weight", 10.0)),
        "identity_weight": float(recipe.get("identity_weight", 5.0)),
        "training": card.training_data,
        "score": card.score,
    }
    if error is not None:
        found["cycle"] = float(np.mean(error))
    return found
