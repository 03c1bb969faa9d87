"""What A and B are called, notes on what cannot be shown, the explanation's numbers, and what is saved."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import cv2
import numpy as np

from cvcore.losses.cyclegan import CYCLE_WEIGHT, IDENTITY_WEIGHT
from explorer.figure import Note
from explorer.i18n import tr, tr_n
from explorer.panel import Link, Result
from explorer.panels.cyclegan.compute import BUILT_IN_PICTURES, Pixels, Side, Trace
from explorer.panels.cyclegan.controls import (
    B_TO_A,
    BOTH,
    BUILT_IN,
    COMPUTING,
    ERRORS,
    JUDGE_A,
    JUDGES,
    LOSSES,
    ONE,
    SHARED,
    TRAINING,
    Params,
    View,
)
from explorer.views import networks
from explorer.views.replay import recipe_of

Shown = Result[Trace, Params]
DOMAINS = {
    "cyclegan_ukiyoe": ("photographs", "ukiyo-e prints"),
    "cyclegan_horse2zebra": ("horses", "zebras"),
    "cyclegan_zebra2horse": ("zebras", "horses"),
    "cyclegan_apple2orange": ("apples", "oranges"),
    "cyclegan_orange2apple": ("oranges", "apples"),
    "cyclegan_summer2winter_yosemite": ("summer", "winter"),
    "cyclegan_winter2summer_yosemite": ("winter", "summer"),
    "cyclegan_monet2photo": ("paintings by Monet", "photographs"),
    "cyclegan_style_monet": ("photographs", "paintings by Monet"),
    "cyclegan_style_cezanne": ("photographs", "paintings by Cézanne"),
    "cyclegan_style_ukiyoe": ("photographs", "ukiyo-e prints"),
    "cyclegan_style_vangogh": ("photographs", "paintings by Van Gogh"),
    "cyclegan_map2sat": ("maps", "satellite pictures"),
    "cyclegan_sat2map": ("satellite pictures", "maps"),
}


def domain_names(network: str) -> tuple[str, str]:
    """What A and B are, in the language chosen."""
    a, b = DOMAINS.get(network, ("pictures of A", "pictures of B"))
    return tr(a), tr(b)


def letter_of(params: Params) -> str:
    return "A" if params.judge == JUDGE_A else "B"


def notes(result: Shown, view: View) -> Iterator[Note]:
    """What is missing and why, and what the picture went through."""
    trace = result.trace
    params = result.params
    if params.show == TRAINING and trace.runs:
        recipe = trace.runs[0].recipe
        yield Note(
            tr(
                "{steps} steps of {size} × {size} px; weights at the end: adversarial {adversarial:g}, cycle {cycle:g}, "
                "identity {identity:g}; pool of {pool} pictures. Press play, or click on a curve.",
                steps=recipe.get("steps", "–"),
                size=recipe.get("size", "–"),
                adversarial=recipe.get("adversarial_weight", 1),
                cycle=recipe.get("cycle_weight_end", recipe.get("cycle_weight", 0)),
                identity=recipe.get("identity_weight", 0),
                pool=recipe.get("pool", "–"),
            )
        )
    if params.show not in COMPUTING:
        return
    if trace.one_way:
        yield from one_way_notes(params)
    elif params.show != ONE and params.other == BUILT_IN and params.network not in BUILT_IN_PICTURES:
        yield Note(tr("There is no built-in picture of the other domain for this network: yours is taken for one."))
    if params.show == LOSSES:
        said = " ".join(missing(trace))
        if said:
            yield Note(said)
    if params.show == JUDGES and trace.judged:
        yield Note(pool_words(trace))
    side = trace.side
    if trace.tiles:
        width, height = side.fit.input
        words = tr_n(
            "{n} tile of {width} × {height} px in all.", "{n} tiles of {width} × {height} px in all.",
            trace.tiles, width=width, height=height,
        )  # fmt: skip
        if params.statistics != SHARED:
            words += " " + tr(
                "Each tile is normalised by its own mean and variance: colour and contrast jump from tile to tile."
            )
        yield Note(words, "info" if params.statistics == SHARED else "warning")
    yield from side.fit.notes()


def one_way_notes(params: Params) -> Iterator[Note]:
    """What a network with one generator cannot show."""
    if params.show in (BOTH, ERRORS):
        yield Note(
            tr("This network has one generator: there is no way back, so no cycle, no identity and no errors to show.")
        )
    if params.show == JUDGES:
        yield Note(tr("The authors published the generator only; discriminators are not part of this network."))
    if params.direction == B_TO_A:
        yield Note(tr("This network translates in one direction only, from A to B."))


def pool_words(trace: Trace) -> str:
    params = trace.params
    pool = trace.pools[0 if params.judge.endswith("A") else 1]
    if not pool.size:
        return tr("The pool keeps nothing: the newest translation is judged.")
    return tr(
        "{count} of {size} earlier translations are in the pool. Once it is full, the discriminator gets the newest in half of the cases, "
        "else an old one, whose place the newest takes.",
        count=len(pool.images),
        size=pool.size,
    )


def missing(trace: Trace) -> Iterator[str]:
    """Why a number is not there."""
    terms = trace.terms
    if terms is None:
        return
    if trace.one_way:
        yield tr(
            "This network has one generator and no discriminator: of its losses nothing can be computed; the formulas show what it was "
            "trained with."
        )
    elif terms.real_b is None or terms.real_a is None:
        letter = "B" if terms.real_b is None else "A"
        yield tr(
            "Terms with “–” need a real picture of {letter}, and there is none here: one picture is not enough for them. "
            "Choose the built-in picture of the other domain.",
            letter=letter,
        )
    if not terms.known:
        yield tr("The weights are the authors’ usual ones: how this network was trained is not known here.")


def explain(result: Shown, view: View) -> dict[str, object]:
    """What fills the explanation."""
    trace = result.trace
    params = result.params
    card = networks.card(params.network)
    a, b = domain_names(params.network)
    recipe = recipe_of(params.network)
    error = trace.sides[0].cycle_error if params.show in COMPUTING and trace.sides else None
    found: dict[str, object] = {
        "network": tr(card.title),
        "a": a,
        "b": b,
        "cycle_weight": float(recipe.get("cycle_weight", CYCLE_WEIGHT)),
        "identity_weight": float(recipe.get("identity_weight", IDENTITY_WEIGHT)),
        "training": card.training_data,
        "score": card.score,
    }
    if error is not None:
        found["cycle"] = float(np.mean(error))
    return found


def links(result: Shown, view: View) -> tuple[Link, ...]:
    """The generators, layer by layer, in the Layers panel."""
    trace = result.trace
    params = result.params
    if params.show not in COMPUTING:
        return ()
    chosen = {"size": params.size, "layer": "model.1"}  # of a generator the first convolution
    if trace.one_way:
        return (Link(tr("Layers of the generator"), "layers", {"network": params.network} | chosen),)
    parts = [
        (tr("Layers of G: A → B"), "generator_ab"),
        (tr("Layers of F: B → A"), "generator_ba"),
        (tr("Layers of discriminator A"), "discriminator_a"),
        (tr("Layers of discriminator B"), "discriminator_b"),
    ]
    return tuple(Link(words, "layers", {"network": f"{params.network}/{part}"} | chosen) for words, part in parts)


# -- files


def files(result: Shown, view: View) -> dict[str, bytes]:
    """``cyclegan.json``, and a PNG for each picture that a network made."""
    trace = result.trace
    params = result.params
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
    _, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return np.asarray(data).tobytes()
