"""The explanation, and the numbers of the picture that fill it."""

import numpy as np

from explorer.panel import Result
from explorer.panels.pose.choice import chosen_pair, decoding, pair_name
from explorer.panels.pose.controls import Params, View
from explorer.panels.pose.parts import K
from explorer.panels.pose.trace import Trace
from explorer.views import networks


def values(result: Result, view: View) -> dict[str, object]:
    """What fills the explanation."""
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
