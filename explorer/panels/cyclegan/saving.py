"""What the panel saves beside its figure: the networks' pictures at their own size, and the numbers as JSON."""

import json
from dataclasses import fields
from typing import Any

import cv2
import numpy as np

from explorer.panel import Result
from explorer.panels.cyclegan.controls import COMPUTING, Params, View
from explorer.panels.cyclegan.judges import letter_of
from explorer.panels.cyclegan.pictures import Pixels
from explorer.panels.cyclegan.trace import Side, Trace


def files(result: Result, view: View) -> dict[str, bytes]:
    """``cyclegan.json``, and a PNG for each picture that a network made."""
    trace: Trace = result.trace
    params: Params = result.task.params
    if params.show not in COMPUTING:
        return {}
    made: dict[str, bytes] = {}
    for side in trace.sides:
        for name, pixels in (("translated", side.fake), ("back", side.cycled), ("identity", side.same)):
            if pixels is not None:
                made[f"{side.domain}_{name}.png"] = png(pixels)
    numbers: dict[str, Any] = {
        "network": params.network,
        "direction": params.direction,
        "tiles": trace.tiles,
        "pictures": [side_numbers(side) for side in trace.sides],
    }
    if trace.judged:
        numbers["discriminator"] = letter_of(params)
        numbers["judged"] = [
            {
                "kind": one.kind,
                "accepted": one.accepted,
                "mean": float(one.scores.mean()),
                "scores": one.scores.tolist(),
            }
            for one in trace.judged
        ]
    if trace.terms is not None:
        terms = trace.terms
        numbers["terms"] = {f.name: getattr(terms, f.name) for f in fields(terms)}
        numbers["losses"] = {
            "discriminator_a": terms.discriminator("a"),
            "discriminator_b": terms.discriminator("b"),
            "generator_ba": terms.generator("ba"),
            "generator_ab": terms.generator("ab"),
        }
    made["cyclegan.json"] = (json.dumps(numbers, ensure_ascii=False, indent=1) + "\n").encode()
    return made


def side_numbers(side: Side) -> dict[str, Any]:
    return {
        "domain": side.domain,
        "frame": side.frame,
        "input": list(side.fit.input),
        "cycle_error": None if side.cycle_error is None else float(side.cycle_error.mean()),
        "identity_error": None if side.identity_error is None else float(side.identity_error.mean()),
    }


def png(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    assert done
    return np.asarray(data).tobytes()
