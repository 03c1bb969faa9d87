"""The explanation, and the numbers of the picture that fill it."""

import numpy as np

from explorer.panel import Result
from explorer.panels.pose.choice import chosen_pair, decoding, pair_name
from explorer.panels.pose.controls import Params, View
from explorer.panels.pose.parts import K
from explorer.panels.pose.trace import Trace
from explorer.views import networks

EXPLAIN = """
**Everyone at once.** A top-down method finds the people first, then looks at each of them: twice the people, twice the time. {network}
looks at the picture once, whoever is in it. It gives two kinds of maps, of {rows} × {columns} cells, a cell for 8 × 8 pixels of its input:

**{keypoints} heat maps** S, one for each keypoint: how sure is it that the right elbow of *somebody* is here? And one more for
“nothing of the kind”. The highest value now is {highest:.2f}.

**19 part affinity fields** L (PAFs), one for each limb: a vector at each place, which points along the limb on it and is 0 elsewhere.

The heat maps tell where elbows and wrists are, not which wrist belongs to which elbow. That is what the fields are for.

**Training.** At a keypoint x of person k the target is a peak, and of several people the larger value counts (equations 6 and 7):

S\\*(p) = max over k of exp( −‖p − x_k‖² / σ² )

The maximum, not the mean: with a mean, two close peaks would melt into one. On a limb from x₁ to x₂, with the unit vector v along it,
the target of the field is v, and 0 beside it (equations 8 and 9); where limbs of several people cross, their mean:

L\\*(p) = 1 / n(p) · Σ over k of v_k

Drag two figures over each other in the view “targets of training” to see both.

**The loss** is a sum of squares over all stages (section 2.1 of the paper), weighed by a mask W(p):

f = Σ over p of W(p) · ‖S(p) − S\\*(p)‖²  +  Σ over p of W(p) · ‖L(p) − L\\*(p)‖²

W is 0 where people are who were not labelled. Without it the network would be punished for finding them.

**Stages.** The first stage sees features of the picture only. Each later one sees them again, together with what the stage before
believed. So a left and a right wrist, which look alike, can be told apart by the arm they are on. This network has {stages} stages. In
PoseSmall the first stage is another network, PoseNet, redrawn: each of its cells near a keypoint votes for where that keypoint is and
where the next ones are, and the votes make the maps.

**From maps to people.**

1 · *Peaks*: local maxima of each heat map above {peak_threshold:g}.

2 · *Pairs*: every peak of one end of a limb with every peak of the other. The score of a pair is the line integral of the field along it
(equations 10 and 11), taken at {samples} points:

E = ∫ L(p(u)) · (d₂ − d₁) / ‖d₂ − d₁‖ du,  p(u) = (1 − u) d₁ + u d₂

{pair}: E = {integral}.

3 · *Thresholds*: at least {needed} of {samples} points must have a dot product above {min_dot:g}; pairs longer than half the map pay
for it.

4 · *Matching*: of each limb by itself, the best pair first; no peak twice (equations 12 to 15, solved greedily).

5 · *Growing*: limbs that share a keypoint belong to one body. One with fewer than {min_keypoints} keypoints, or a score below
{min_score:g}, is dropped.

6 · *Completing*, which is not in the paper: a keypoint that a person lacks is looked for among weak peaks, above {weak_threshold:g}, where
one of the person’s own limbs leads to.

In this picture that makes {people} people.

**Numbers from frame to frame** are no part of the network: each person goes to the number whose expected place it is most like, by OKS,
the measure of COCO: the mean over the keypoints of exp( −d² / (2 s² k²) ), with distance d, body size s, and a tolerance k of each
keypoint, small for eyes, large for hips. The One Euro filter smooths the motion, if you want it: its cut-off rises with speed.

**Where it fails.** Small people, people seen from above, upside down or half hidden, and crowds in which the limbs of many cross. Left and
right are confused when somebody is seen from behind. It may see people in statues, coats and mirrors. A skeleton says nothing about who
somebody is, or what they feel.

**Trained on** {training}. **Measured:** {score}.
"""


def values(result: Result, view: View) -> dict[str, object]:
    """What fills the names in EXPLAIN."""
    trace: Trace = result.trace
    params: Params = result.task.params
    card = networks.card(params.network)
    rows, columns = trace.maps.size
    found: dict[str, object] = {
        "network": card.title,
        "rows": rows,
        "columns": columns,
        "keypoints": K,
        "highest": float(np.nanmax(trace.maps.heatmaps[:K])),
        "stages": trace.stage_count,
        "people": len(trace.people),
        "training": card.training_data.rstrip("."),
        "score": card.score.rstrip("."),
        "peak_threshold": params.peak_threshold,
        "samples": params.samples,
        "min_dot": params.min_dot,
        "needed": params.thresholds.min_agreeing,
        "min_keypoints": params.min_keypoints,
        "min_score": params.min_score,
        "weak_threshold": params.weak_threshold,
    }
    if trace.decoded is not None:
        pair = chosen_pair(result, view)
        if pair is not None:
            decoded = decoding(result)
            found |= {"pair": pair_name(decoded, pair), "integral": f"{float(decoded.pairs.integrals[pair]):.2f}"}
    return found
