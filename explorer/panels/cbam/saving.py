"""What the panel saves beside its pictures: the classes' probabilities and every block's weights, as JSON."""

import json
from typing import Any

from explorer.panel import Result
from explorer.panels.cbam.controls import Params, View
from explorer.panels.cbam.trace import Trace
from explorer.views import networks


def files(result: Result, view: View) -> dict[str, bytes]:
    """``classes.json`` and ``attention.json``."""
    trace: Trace = result.trace
    params: Params = result.task.params
    made: dict[str, Any] = {}
    if trace.probabilities is not None:
        card = networks.card(params.network)
        columns = [("probability", trace.probabilities)]
        columns += [("unchanged", trace.unchanged)] if trace.unchanged is not None else []
        made["classes.json"] = [
            {"en": en, "zh_CN": zh, **{name: float(values[i]) for name, values in columns}}
            for i, (en, zh) in enumerate(zip(card.label_names("en"), card.label_names("zh_CN"), strict=True))
        ]
    made["attention.json"] = {
        "network": params.network,
        "input": list(trace.fit.input),
        "switched": {
            "channel": params.channel_attention,
            "spatial": params.spatial_attention,
            "where": params.where,
            "block": trace.block.name,
            "channel_number": trace.channel,
            "gain": params.gain,
        },
        "blocks": [
            {
                "name": block.name,
                "shape": list(block.shape),
                "channel_gate": None if block.channels is None else block.channels.gate.tolist(),
                "channel_weight": None if block.channels is None else block.channels.weight.tolist(),
                "spatial_gate": None if block.positions is None else block.positions.gate.tolist(),
                "spatial_weight": None if block.positions is None else block.positions.weight.tolist(),
            }
            for block in trace.blocks
        ],
    }
    return {name: (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode() for name, content in made.items()}
