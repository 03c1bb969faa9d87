"""The explanation, and the numbers that fill it."""

import numpy as np

from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import COMPUTING, Params
from explorer.panels.cyclegan.runs import replayed
from explorer.panels.cyclegan.trace import Trace
from explorer.panels.cyclegan.translator import domain_names, title_of
from explorer.views import networks


def values(result: Result) -> dict[str, object]:
    """What fills the explanation."""
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
