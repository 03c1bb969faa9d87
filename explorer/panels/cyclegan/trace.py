"""What the panel computes: only what the view that is shown needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.losses.gan import accepted
from cvcore.receptive_field import ReceptiveField
from cvcore.tiling import in_tiles
from explorer.i18n import tr
from explorer.panel import Cancelled, Context, Frame
from explorer.panels.cyclegan.controls import (
    A_TO_B,
    ABLATION,
    BUILT_IN,
    COMPUTING,
    ERRORS,
    JUDGE_A,
    JUDGES,
    LOSSES,
    ONE,
    SHARED,
    Params,
)
from explorer.panels.cyclegan.fields import patch_field
from explorer.panels.cyclegan.numbers import Terms, terms_of
from explorer.panels.cyclegan.pictures import BUILT_IN as BUILT_IN_PICTURES
from explorer.panels.cyclegan.pictures import Pixels, as_pixels, built_in, error_map, full_fit, reduced_fit
from explorer.panels.cyclegan.pools import Pool, from_levels
from explorer.panels.cyclegan.runs import Run, ablation_runs, replayed
from explorer.panels.cyclegan.translator import Translator
from explorer.views import networks
from explorer.views.fit import Fit, network_input

Array = NDArray[np.float32]


class Still:
    """What the networks make of a built-in picture, worked out once and handed from trace to trace."""

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key
        self.made: dict[tuple[str, ...], Tensor] = {}


class Source:
    """A picture as it was before any network. Not a dataclass: it is the frame's own, or built in, so it need not be saved with a trace."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One picture and what is made of it; None where the view or the network has none.

    Args:
        domain: ``a`` or ``b``, what it is taken for.
        frame: it is the panel's frame; else a built-in picture.
        origin: the whole picture; fit: how it became the input.
        fake, cycled, same: (h, w, 3), its translation, that translated back, and what the other generator makes of it (identity).
        cycle_error, identity_error: (h, w), mean absolute difference to it over the channels, scale -1 to 1.
    """

    domain: str
    frame: bool
    origin: Source
    fit: Fit
    fake: Pixels | None = None
    cycled: Pixels | None = None
    same: Pixels | None = None
    cycle_error: Array | None = None
    identity_error: Array | None = None

    @property
    def source(self) -> Pixels:
        """(H, W, 3)"""
        return self.origin.pixels


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A picture before a discriminator.

    Args:
        kind: ``real``, ``fake`` or ``pooled``.
        picture: (h, w, 3) what it was given; scores: (rows, columns), what it says of each patch.
        accepted: the share it takes for real.
        field: of the patches, on the input.
    """

    kind: str
    picture: Pixels
    scores: Array
    accepted: float
    field: ReceptiveField


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What the panel computed.

    Args:
        sides: the frame's, then, where there is one, the other domain's.
        tiles: columns and rows of the tiles, where there are any.
        one_way: the network has one generator only.
        judged: before the chosen discriminator.
        pools: of translations to A and to B.
        terms: the losses of this pair of pictures.
        runs: what is replayed.
        still: kept for the next trace.
    """

    params: Params
    sides: tuple[Side, ...] = ()
    tiles: int = 0
    one_way: bool = False
    judged: tuple[Judged, ...] = ()
    pools: tuple[Pool, Pool] = (Pool(0), Pool(0))
    terms: Terms | None = None
    runs: tuple[Run, ...] = ()
    still: Still | None = None

    @property
    def side(self) -> Side:
        return self.sides[0]


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A picture as the networks get it. ``keep`` keeps what is made of it, by the generators it went through."""

    domain: str
    frame: bool
    source: Pixels
    fit: Fit
    x: Tensor
    keep: Callable[[tuple[str, ...], Callable[[], Tensor]], Tensor]

    def through(self, work: "Work", *generators: str) -> Tensor:
        """What comes out after these generators, one after the other."""
        if not generators:
            return self.x
        *before, last = generators
        return self.keep(generators, lambda: work.translate(last, self.through(work, *before)))


class Work:
    """One computation: the networks, how pictures are passed through, when to stop."""

    def __init__(self, params: Params, context: Context) -> None:
        self.params = params
        self.context = context
        self.translator = Translator.of(context.model(params.network))
        self.tiles = 0

    def translate(self, direction: str, x: Tensor) -> Tensor:
        """(1, 3, h, w) -> the same, whole or in tiles."""
        self.stop_if()
        generator = self.translator.generator(direction)
        with self.context.stage("forward"), torch.inference_mode():
            if not self.params.in_tiles:
                made: Tensor = generator(x)
                return made
            tile = self.params.tile
            return in_tiles(
                generator,
                x,
                tile=tile,
                overlap=tile // 4,
                shared=self.params.statistics == SHARED,
                on_tile=self.on_tile,
            ).to(x.dtype)

    def judge(self, judge: nn.Module, x: Tensor) -> Tensor:
        self.stop_if()
        with self.context.stage("discriminator"), torch.inference_mode():
            scores: Tensor = judge(x).float()
            return scores

    def on_tile(self, done: int, of: int) -> None:
        self.tiles = of
        self.context.progress(done / of, tr("tile {done} of {of}", done=done, of=of))
        self.stop_if()

    def stop_if(self) -> None:
        if self.context.cancelled:
            raise Cancelled


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    """The outputs that the view shows, each generator pass once however many of them need it."""
    before: Trace | None = context.previous
    if params.show not in COMPUTING:
        runs = ablation_runs() if params.show == ABLATION else tuple(filter(None, [replayed(params.run)]))
        return Trace(params, runs=runs, pools=before.pools if before else (Pool(0), Pool(0)))
    work = Work(params, context)
    still = before.still if before is not None else None
    with context.stage("preprocess"):
        first = frame_input(frame, params, context)
        second, still = other_input(first, params, context, still, work.translator.one_way)
    pair: tuple[Input, ...] = (first,) if second is None else (first, second)
    with_back, with_same = params.show != ONE and not work.translator.one_way, params.show not in (ONE, JUDGES)
    translated = pair
    if params.show == JUDGES:  # only what the discriminator is shown
        with_back, translated = (
            False,
            tuple(one for one in pair if len(pair) == 1 or one.domain != judged_domain(params)),
        )
    sides = tuple(side_of(one, work, back=with_back, same=with_same) for one in translated)
    judged: tuple[Judged, ...] = ()
    pools = before.pools if before is not None else (Pool(0), Pool(0))
    terms = None
    if params.show == JUDGES and not work.translator.one_way:
        judged, pools = judged_of(frame, work, pair, pools)
    if params.show == LOSSES:
        # The frame taken for a picture of the other domain is no real one.
        terms = terms_of(work, {one.domain: one for one in (first, *(one for one in pair[1:] if not one.frame))})
    return Trace(params, sides, work.tiles, work.translator.one_way, judged, pools, terms, (), still)


def frame_input(frame: Frame, params: Params, context: Context) -> Input:
    fit = full_fit(frame.size) if params.in_tiles else reduced_fit(frame.size, params.size)
    how = networks.card(params.network).preprocessing
    # A network for one direction leads from its A to its B, whatever the direction chosen.
    domain = "a" if params.direction == A_TO_B or is_one_way(params, context) else "b"
    key = (params.network, fit.input, *((params.tile, params.statistics) if params.in_tiles else ()))
    x = context.once(
        ("cyclegan input", key), lambda: network_input(frame.image, fit, how, context.device).to(context.dtype)
    )
    return Input(domain, True, frame.image, fit, x, lambda way, make: context.once(("cyclegan", key, way), make))


def is_one_way(params: Params, context: Context) -> bool:
    return Translator.of(context.model(params.network)).one_way


def other_input(
    first: Input, params: Params, context: Context, still: Still | None, one_way: bool
) -> tuple[Input | None, Still | None]:
    """The picture of the other domain: a built-in one, or the frame itself taken for one."""
    if params.show == ONE or one_way:
        return None, still
    domain = "b" if first.domain == "a" else "a"
    file = BUILT_IN_PICTURES.get(params.network, {}).get(domain)
    if params.other != BUILT_IN or file is None:
        return Input(domain, True, first.source, first.fit, first.x, first.keep), still
    picture = built_in(file)
    # Never in full size: it is there to compare with, and tiles take their time.
    fit = reduced_fit((picture.shape[1], picture.shape[0]), params.size)
    key = (params.network, networks.version(params.network), file, fit.input, str(context.device), context.dtype)
    if still is None or still.key != key:
        still = Still(key)
    made = still.made
    how = networks.card(params.network).preprocessing

    def keep(way: tuple[str, ...], make: Callable[[], Tensor]) -> Tensor:
        if way not in made:
            made[way] = make()
        return made[way]

    x = keep((), lambda: network_input(picture, fit, how, context.device).to(context.dtype))
    return Input(domain, False, picture, fit, x, keep), still


def side_of(one: Input, work: Work, *, back: bool, same: bool) -> Side:
    """A picture's translation, and what else is shown of it."""
    there, home = ("ab", "ba") if one.domain == "a" else ("ba", "ab")
    fake = one.through(work, there)
    cycled = one.through(work, there, home) if back else None
    kept = one.through(work, home) if same and not work.translator.one_way else None
    wants_errors = work.params.show in (ERRORS, LOSSES)
    with work.context.stage("trace"):
        return Side(
            one.domain, one.frame, Source(one.source), one.fit, as_pixels(fake),
            None if cycled is None else as_pixels(cycled),
            None if kept is None else as_pixels(kept),
            error_map(cycled, one.x) if cycled is not None and wants_errors else None,
            error_map(kept, one.x) if kept is not None and wants_errors else None,
        )  # fmt: skip


def judged_of(
    frame: Frame, work: Work, pair: tuple[Input, ...], pools: tuple[Pool, Pool]
) -> tuple[tuple[Judged, ...], tuple[Pool, Pool]]:
    """A real picture, a translation, and one from the pool, before the chosen discriminator."""
    params = work.params
    wanted = judged_domain(params)
    judge = work.translator.judge_a if wanted == "a" else work.translator.judge_b
    assert judge is not None
    real = next((one for one in pair if one.domain == wanted), None)
    source = next((one for one in pair if one.domain != wanted), pair[0])
    found = []
    if real is not None:
        found.append(judge_one("real", work, judge, real.x, real.through(work)))
    way = "ba" if wanted == "a" else "ab"
    fake = source.through(work, way)
    found.append(judge_one("fake", work, judge, fake, fake))
    place = 0 if wanted == "a" else 1
    pool = pools[place] if pools[place].size == params.pool else Pool(params.pool)
    key = (frame.source, frame.index, frame.time) if source.frame else ("built-in", 0, 0.0)
    pool = pool.after(fake, key)
    assert pool.chosen is not None
    if pool.older:
        x = from_levels(pool.chosen)[None].to(fake.device, fake.dtype)
        found.append(judge_one("pooled", work, judge, x, x))
    else:
        newest = found[-1]
        found.append(Judged("pooled", newest.picture, newest.scores, newest.accepted, newest.field))
    kept = (pool, pools[1]) if place == 0 else (pools[0], pool)
    return tuple(found), kept


def judged_domain(params: Params) -> str:
    return "a" if params.judge == JUDGE_A else "b"


def judge_one(kind: str, work: Work, judge: nn.Module, x: Tensor, shown: Tensor) -> Judged:
    scores = work.judge(judge, x)
    height, width = x.shape[2:]
    return Judged(
        kind,
        as_pixels(shown),
        np.asarray(scores[0, 0].cpu().numpy(), np.float32),
        float(accepted(scores).float().mean()),
        patch_field(judge, height, width),
    )
