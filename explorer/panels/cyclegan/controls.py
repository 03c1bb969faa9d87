"""The controls: what is shown, which way, how large or in which tiles, and which training is replayed."""

from dataclasses import dataclass

from explorer.i18n import tr
from explorer.panel import Result, check, knob
from explorer.views import networks
from explorer.views.knobs import MOST, dim_knob, views_knob
from explorer.views.replay import replayed_runs

TASK = "image translation"
ONE, BOTH, ERRORS, JUDGES, LOSSES, TRAINING, ABLATION = SHOWS = (
    "one translation",
    "both directions and back",
    "cycle and identity errors",
    "discriminators",
    "the four losses",
    "training",
    "trained without a part",
)
A_TO_B, B_TO_A = DIRECTIONS = ("A to B", "B to A")
BUILT_IN, SAME = OTHERS = ("a built-in picture", "the same picture")
WHOLE, TILES = AREAS = ("whole, reduced", "full size, in tiles")
SHARED, OWN = STATISTICS = ("shared by all tiles", "each tile its own")
JUDGE_B, JUDGE_A = JUDGED = ("discriminator B", "discriminator A")
SIDE_BY_SIDE, SWIPE = COMPARISONS = ("side by side", "with a swipe line")
TRANSLATING = (ONE, BOTH, ERRORS)
"""The views that know tiles."""
COMPUTING = (*TRANSLATING, JUDGES, LOSSES)
"""The views that run networks on the picture."""
TILE_LEAST, TILE_MOST = 128, 512
POOL_MOST = 50


def network_names(result: Result) -> tuple[str, ...]:
    """Whole networks: unlike elsewhere, those with several in one file count as one."""
    return tuple(name for name, card in networks.available().items() if card.task == TASK)


@dataclass(frozen=True)
class Params:
    show: str = views_knob(SHOWS, keys=("b", "n"))
    direction: str = knob(
        A_TO_B,
        choices=DIRECTIONS,
        label="Direction",
        help="What your picture is taken for. A to B: it is one of A (a photograph) and becomes one of B. B to A: the other way round.",
        keys=("d",),
        when=lambda params: params.show in COMPUTING,
    )
    judge: str = knob(
        JUDGE_B,
        choices=JUDGED,
        label="Who judges",
        help="Discriminator B tells real pictures of B from translations of A; discriminator A the other way round.",
        when=lambda params: params.show == JUDGES,
    )
    pool: int = knob(
        POOL_MOST,
        0,
        POOL_MOST,
        label="Pictures in the pool",
        help="Earlier translations that are kept, one for each frame. 0: none, the newest is judged.",
        when=lambda params: params.show == JUDGES,
    )
    other: str = knob(
        BUILT_IN,
        choices=OTHERS,
        label="Picture of the other domain",
        help="A built-in one that belongs there, or your own picture, taken for one of the other domain.",
        when=lambda params: params.show in COMPUTING and params.show != ONE,
    )
    area: str = knob(
        WHOLE,
        choices=AREAS,
        label="What is translated",
        help="Reduced: the whole picture at the working resolution, fast. Tiles: every pixel, in overlapping tiles; that takes its time.",
        when=lambda params: params.show in TRANSLATING,
    )
    size: int = knob(
        256,
        64,
        MOST,
        step=32,
        unit="px",
        label="Working resolution",
        help="The picture gets about as many pixels as a square of this side has; its proportions stay. Half the side is four times as "
        "fast.",
        when=lambda params: params.show in COMPUTING and (params.show not in TRANSLATING or params.area == WHOLE),
    )
    tile: int = knob(
        256,
        TILE_LEAST,
        TILE_MOST,
        step=32,
        unit="px",
        label="Side of a tile",
        help="Tiles overlap by a quarter of their side.",
        when=lambda params: params.show in TRANSLATING and params.area == TILES,
    )
    statistics: str = knob(
        SHARED,
        choices=STATISTICS,
        label="Mean and variance",
        help="Instance norm takes them from what it is given. Let each tile have its own, and you see the seams.",
        when=lambda params: params.show in TRANSLATING and params.area == TILES,
    )
    network: str = knob(
        "cyclegan_ukiyoe",
        kind="choice",
        choices=network_names,
        label="Network",
        when=lambda params: params.show in COMPUTING,
    )
    run: str = knob(
        "cyclegan_ukiyoe",
        kind="choice",
        choices=lambda result: replayed_runs() or ("cyclegan_ukiyoe",),
        label="Training run",
        when=lambda params: params.show == TRAINING,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.tile % 4:
            raise ValueError(tr("The side of a tile is a multiple of 4."))

    @property
    def in_tiles(self) -> bool:
        return self.area == TILES and self.show in TRANSLATING


@dataclass(frozen=True)
class View:
    """``swipe`` is where the line stands, in pixels of the picture; ``place`` what was clicked, in parts of its width and height."""

    compare: str = knob(
        SIDE_BY_SIDE,
        choices=COMPARISONS,
        label="Compare",
        help="With a swipe line both lie on each other: drag the ring to the left and to the right.",
        keys=("s",),
        when=lambda params: params.show == ONE,
    )
    checkpoint: int = dim_knob(
        "checkpoint",
        label="Checkpoint",
        help="The networks as they were then, on the same pictures. Or click on a curve.",
        play=True,
        keys=(",", "."),
        when=lambda params: params.show == TRAINING,
    )
    smoothing: int = knob(
        15,
        1,
        101,
        label="Moving average",
        help="Each point of a curve is the mean of so many points of the log around it: single steps differ a lot.",
        when=lambda params: params.show in (TRAINING, ABLATION),
    )
    test_picture: int = dim_knob(
        "test picture", label="Test picture", keys=(",", "."), when=lambda params: params.show == ABLATION
    )
    one_range: bool = knob(
        True,
        label="One range for all maps",
        help="On: equal colours mean equal numbers in every map. Off: each map has its own.",
        when=lambda params: params.show in (ERRORS, JUDGES),
    )
    opacity: float = knob(
        0.5, 0.0, 1.0, label="Opacity of the maps on the picture", when=lambda params: params.show == JUDGES
    )
    swipe: tuple[float, float] | None = knob(None, kind="hidden")
    place: tuple[float, float] | None = knob(None, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
