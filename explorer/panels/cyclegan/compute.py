"""What the view that is shown needs, and no more: each generator pass once however many of its pictures need it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvcore.assets import asset
from cvcore.image_pool import Pool, from_levels
from cvcore.losses.cyclegan import CYCLE_WEIGHT, IDENTITY_WEIGHT, Terms
from cvcore.losses.gan import Adversarial, accepted, cycle_loss, discriminator_loss, generator_loss, identity_loss
from cvcore.models.cyclegan import CycleGAN
from cvcore.receptive_field import ReceptiveField
from cvcore.receptive_field.patches import patch_field
from cvcore.tiling import in_tiles
from explorer.i18n import tr
from explorer.panel import Context, Frame
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
from explorer.views import networks
from explorer.views.cells import Cells
from explorer.views.fit import Fit, network_input
from explorer.views.replay import Run, recipe_of, replayed, replayed_all
from explorer.views.strips import Worded, at_height

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
STEP = 8
"""Input sides are multiples of it: generators halve twice, discriminators three times."""
LEAST_SIDE = 32
"""A discriminator of three layers gives nothing for less."""
LONGEST = 4096
"""In tiles: the longer side of what is translated, at most, px."""
STRIP = 192
"""Height of the pictures above the losses."""
BUILT_IN_PICTURES: Mapping[str, Mapping[str, str]] = {"cyclegan_ukiyoe": {"a": "koala.jpg", "b": "great_wave.jpg"}}
"""For a network, pictures of its two domains that it did not see (a) and saw (b) in training."""
ABLATIONS = ("full", "no_cycle", "half_cycle", "no_pool")


@dataclass(frozen=True, slots=True, eq=False)
class Translator:
    """The generators and discriminators of a network; None where it has none.

    Args:
        ab, ba: the generators, G and F in the paper.
        judge_a, judge_b: the discriminators.
    """

    ab: nn.Module
    ba: nn.Module | None = None
    judge_a: nn.Module | None = None
    judge_b: nn.Module | None = None

    @classmethod
    def of(cls, network: nn.Module) -> "Translator":
        if isinstance(network, CycleGAN):
            return cls(network.generator_ab, network.generator_ba, network.discriminator_a, network.discriminator_b)
        return cls(network)

    @property
    def one_way(self) -> bool:
        return self.ba is None

    def generator(self, direction: str) -> nn.Module:
        """``ab`` or ``ba``.

        Raises:
            ValueError: there is none, in words for the screen.
        """
        found = self.ab if direction == "ab" else self.ba
        if found is None:
            raise ValueError(tr("This network translates in one direction only."))
        return found


class Original:
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
    origin: Original
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


Origin = Literal["real", "fake", "pooled"]
"""Where a picture before a discriminator comes from."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A picture before a discriminator.

    Args:
        kind: ``fake`` was translated just now, ``pooled`` earlier.
        picture: (h, w, 3) what it was given; scores: (rows, columns), what it says of each patch.
        accepted: the share it takes for real.
        field: of the patches, on the input; grey: (h, w), the picture behind the scores.
    """

    kind: Origin
    picture: Pixels
    scores: Array
    accepted: float
    field: ReceptiveField
    grey: Pixels

    @property
    def cells(self) -> Cells:
        """Where the scores lie on the picture that was judged, in its pixels."""
        size = self.picture.shape[1], self.picture.shape[0]
        return Cells.of(Fit(size, size, False), self.scores.shape[0], self.scores.shape[1], self.field)


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
        strip: the pictures that the losses are of, with their formulas.
        runs: what is replayed.
    """

    params: Params
    sides: tuple[Side, ...] = ()
    tiles: int = 0
    one_way: bool = False
    judged: tuple[Judged, ...] = ()
    pools: tuple[Pool, Pool] = (Pool(0), Pool(0))
    terms: Terms | None = None
    strip: tuple[Worded, ...] = ()
    runs: tuple[Run, ...] = ()

    @property
    def side(self) -> Side:
        return self.sides[0]

    @property
    def sizes(self) -> dict[str, int]:
        checkpoints = len(self.runs[0].checkpoints) if self.runs else 1
        return {"checkpoint": checkpoints, "test picture": max((run.pairs for run in self.runs), default=1)}

    @property
    def shown_sides(self) -> tuple[Side, ...]:
        """Those that the losses are of: the frame twice is one picture."""
        return self.sides if len(self.sides) > 1 and not self.sides[1].frame else self.sides[:1]


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
        self.context.stop_if_cancelled()
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
        self.context.stop_if_cancelled()
        with self.context.stage("discriminator"), torch.inference_mode():
            scores: Tensor = judge(x).float()
            return scores

    def on_tile(self, done: int, of: int) -> None:
        self.tiles = of
        self.context.progress(done / of, tr("tile {done} of {of}", done=done, of=of))
        self.context.stop_if_cancelled()


def compute(frame: Frame, params: Params, context: Context) -> Trace:
    before: Trace | None = context.previous
    pools = before.pools if before is not None else (Pool(0), Pool(0))
    if params.show == ABLATION:
        return Trace(params, runs=replayed_all("cyclegan_ablation", ABLATIONS), pools=pools)
    if params.show not in COMPUTING:
        run = replayed(params.run)
        return Trace(params, runs=() if run is None else (run,), pools=pools)
    work = Work(params, context)
    one_way = work.translator.one_way
    with context.stage("preprocess"):
        first = frame_input(frame, work)
        second = other_input(first, work)
    pair: tuple[Input, ...] = (first,) if second is None else (first, second)
    judging = params.show == JUDGES
    translated = pair
    if judging and len(pair) > 1:  # only what the discriminator is shown
        translated = tuple(one for one in pair if one.domain != judged_domain(params))
    back, same = params.show not in (ONE, JUDGES) and not one_way, params.show not in (ONE, JUDGES)
    sides = tuple(side_of(one, work, back=back, same=same) for one in translated)
    judged: tuple[Judged, ...] = ()
    terms = None
    if judging and not one_way:
        judged, pools = judged_of(frame, work, pair, pools)
    if params.show == LOSSES:
        # The frame taken for a picture of the other domain is no real one.
        terms = terms_of(work, {one.domain: one for one in (first, *(one for one in pair[1:] if not one.frame))})
    trace = Trace(params, sides, work.tiles, one_way, judged, pools, terms)
    if terms is None:
        return trace
    strip = [(name, at_height(pixels, STRIP)) for side in trace.shown_sides for name, pixels in named_pictures(side)]
    return replace(trace, strip=tuple(strip))


def frame_input(frame: Frame, work: Work) -> Input:
    params, context = work.params, work.context
    fit = full_fit(frame.size) if params.in_tiles else reduced_fit(frame.size, params.size)
    how = networks.card(params.network).preprocessing
    # A network for one direction leads from its A to its B, whatever the direction chosen.
    domain = "a" if params.direction == A_TO_B or work.translator.one_way else "b"
    key = (params.network, fit.input, *((params.tile, params.statistics) if params.in_tiles else ()))
    x = context.once(
        ("cyclegan input", key), lambda: network_input(frame.image, fit, how, context.device).to(context.dtype)
    )
    return Input(domain, True, frame.image, fit, x, lambda way, make: context.once(("cyclegan", key, way), make))


def other_input(first: Input, work: Work) -> Input | None:
    """The picture of the other domain: a built-in one, or the frame itself taken for one."""
    params, context = work.params, work.context
    if params.show == ONE or work.translator.one_way:
        return None
    domain = "b" if first.domain == "a" else "a"
    file = BUILT_IN_PICTURES.get(params.network, {}).get(domain)
    if params.other != BUILT_IN or file is None:
        return Input(domain, True, first.source, first.fit, first.x, first.keep)
    picture = built_in(file)
    # Never in full size: it is there to compare with, and tiles take their time.
    fit = reduced_fit((picture.shape[1], picture.shape[0]), params.size)
    key = (params.network, networks.version(params.network), file, fit.input)
    how = networks.card(params.network).preprocessing

    def keep(way: tuple[str, ...], make: Callable[[], Tensor]) -> Tensor:
        return context.kept((key, way), make)

    x = keep((), lambda: network_input(picture, fit, how, context.device).to(context.dtype))
    return Input(domain, False, picture, fit, x, keep)


def side_of(one: Input, work: Work, *, back: bool, same: bool) -> Side:
    """A picture's translation, and what else is shown of it."""
    there, home = ("ab", "ba") if one.domain == "a" else ("ba", "ab")
    fake = one.through(work, there)
    cycled = one.through(work, there, home) if back else None
    kept = one.through(work, home) if same and not work.translator.one_way else None
    wants_errors = work.params.show in (ERRORS, LOSSES)
    with work.context.stage("trace"):
        return Side(
            one.domain, one.frame, Original(one.source), one.fit, as_pixels(fake),
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
    if judge is None:
        return (), pools
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
    if pool.older and pool.chosen is not None:
        x = from_levels(pool.chosen)[None].to(fake.device, fake.dtype)
        found.append(judge_one("pooled", work, judge, x, x))
    else:
        found.append(replace(found[-1], kind="pooled"))
    kept = (pool, pools[1]) if place == 0 else (pools[0], pool)
    return tuple(found), kept


def judged_domain(params: Params) -> str:
    return "a" if params.judge == JUDGE_A else "b"


def judge_one(kind: Origin, work: Work, judge: nn.Module, x: Tensor, shown: Tensor) -> Judged:
    scores = work.judge(judge, x)
    height, width = x.shape[2:]
    picture = as_pixels(shown)
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    values = np.asarray(scores[0, 0].cpu().numpy(), np.float32)
    return Judged(
        kind, picture, values, float(accepted(scores).float().mean()), patch_field(judge, height, width), grey
    )


def named_pictures(side: Side) -> Iterator[Worded]:
    """What there is of a side, each with its formula."""
    there, home = ("G", "F") if side.domain == "a" else ("F", "G")
    letter = side.domain
    for name, pixels in (
        (letter, side.source),
        (f"{there}({letter})", side.fake),
        (f"{home}({there}({letter}))", side.cycled),
        (f"{home}({letter})", side.same),
    ):
        if pixels is not None:
            yield name, pixels


# -- the losses


def terms_of(work: Work, pictures: Mapping[str, Input]) -> Terms:
    """Every term that these pictures allow.

    Args:
        pictures: by domain, real ones.
    """
    recipe = recipe_of(work.params.network)
    kind: Adversarial = recipe.get("adversarial", "least_squares")
    found: dict[str, Any] = {}
    for domain, other, there, home in (("a", "b", "ab", "ba"), ("b", "a", "ba", "ab")):
        one = pictures.get(domain)
        judge, judge_other = _judges(work, domain, other)
        fake = cycled = same = None
        if one is not None and not (work.translator.one_way and domain == "b"):
            fake = one.through(work, there)
            if not work.translator.one_way:
                cycled, same = one.through(work, there, home), one.through(work, home)
        found[f"cycle_{domain}"] = (
            None if one is None or cycled is None else float(cycle_loss(cycled.float(), one.x.float()))
        )
        found[f"identity_{domain}"] = (
            None if one is None or same is None else float(identity_loss(same.float(), one.x.float()))
        )
        scores = None if fake is None or judge_other is None else work.judge(judge_other, fake)
        real = None if one is None or judge is None else work.judge(judge, one.x)
        found[f"adversarial_{there}"] = None if scores is None else float(generator_loss(scores, kind))
        found[f"fake_{other}"] = None if scores is None else float(discriminator_loss(scores, scores, kind).fake)
        found[f"real_{domain}"] = None if real is None else float(discriminator_loss(real, real, kind).real)
    return Terms(
        **found,
        cycle_weight=float(recipe.get("cycle_weight", CYCLE_WEIGHT)),
        identity_weight=float(recipe.get("identity_weight", IDENTITY_WEIGHT)),
        known=bool(recipe),
    )


def _judges(work: Work, domain: str, other: str) -> tuple[Any, Any]:
    judges = {"a": work.translator.judge_a, "b": work.translator.judge_b}
    return judges[domain], judges[other]


# -- pictures on their way into the networks and out of them


def reduced_fit(picture: tuple[int, int], size: int) -> Fit:
    """An input with about as many pixels as a square of side ``size``, in the picture's proportions as far as multiples of 8 allow."""
    width, height = picture
    aspect = width / height
    return _fit(picture, size * aspect**0.5, size / aspect**0.5)


def full_fit(picture: tuple[int, int]) -> Fit:
    """Every pixel of a picture, of one with a longer side than 4096 px as many as fit into that."""
    shrink = min(1.0, LONGEST / max(picture))
    return _fit(picture, picture[0] * shrink, picture[1] * shrink)


def _fit(picture: tuple[int, int], width: float, height: float) -> Fit:
    sides = tuple(max(LEAST_SIDE, round(side / STEP) * STEP) for side in (width, height))
    # What rounding to multiples of 8 changes is not seen.
    pressed = abs(np.log(sides[0] * picture[1] / (sides[1] * picture[0]))) > 0.1
    return Fit(picture, (sides[0], sides[1]), bool(pressed))


@lru_cache(maxsize=4)
def built_in(file: str) -> Pixels:
    """(H, W, 3) RGB"""
    return np.asarray(cv2.imread(str(asset("pictures", file)), cv2.IMREAD_COLOR_RGB), np.uint8)


def as_pixels(x: Tensor) -> Pixels:
    """(1, 3, h, w) from -1 to 1 -> (h, w, 3) from 0 to 255, on the host."""
    levels = x[0].float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def error_map(x: Tensor, wanted: Tensor) -> NDArray[np.float32]:
    """(h, w): the mean over the channels of the absolute difference of two pictures (1, 3, h, w) from -1 to 1."""
    return np.asarray((x.float() - wanted.float()).abs().mean(1)[0].cpu().numpy(), np.float32)
