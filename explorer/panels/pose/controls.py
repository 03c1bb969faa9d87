"""The controls: thresholds of the decoding, figures to label, and what is drawn of all that."""

from dataclasses import dataclass
from typing import Any

from cvcore.ops.paf import OPENPOSE_18, Thresholds
from cvcore.ops.paf.decoding import MAX_PEAKS, MIN_DOT, MIN_FRACTION, MIN_KEYPOINTS, MIN_SCORE, PEAK_THRESHOLD, SAMPLES
from cvcore.ops.paf.targets import LIMB_WIDTH, SIGMA
from explorer.panel import check, knob
from explorer.views import networks
from explorer.views.knobs import network_knob, opacity_knob, step_knob, views_knob

Place = tuple[float, float]
SKELETON = OPENPOSE_18
K, L = len(SKELETON.names), len(SKELETON.limbs)
EVERYTHING = "all keypoints and limbs"
LIMB_NAMES = tuple(SKELETON.limb_name(limb) for limb in range(L))
PARTS = (EVERYTHING, *SKELETON.names, *LIMB_NAMES)

PEOPLE, STEPS, STAGES, TARGETS = SHOWS = ("people", "step by step", "stages of refinement", "targets of training")
BY_LIMB, BY_PERSON = COLOURINGS = ("by limb", "by person")
CROSSING, ALONE, FOUND = FIGURES = ("two people crossing", "one person", "the people found")
ONCE, THREE, MIRRORED = LOOKS = ("once", "at three sizes", "at three sizes, also mirrored")
FIGURES_SHOWN, KEYPOINTS = 2, K
JOINTS = FIGURES_SHOWN * KEYPOINTS
BUILDERS = "cvcore.models.openpose:"
WEAK_THRESHOLD = 0.05
"""Above the 0.02 of `PoseNetwork.people`: here a guess is seen, not only scored."""
LAST = 1_000_000
"""A step beyond every end: what is shown until a step is chosen."""


def finds_people(network: str) -> bool:
    """Whether a network gives heat maps and PAFs."""
    return networks.card(network).builder.startswith(BUILDERS)


def is_stepping(params: Any) -> bool:
    return bool(params.show == STEPS)


def is_live(params: Any) -> bool:
    return bool(params.show == PEOPLE)


def has_targets(params: Any) -> bool:
    return bool(params.show == TARGETS)


def has_skeletons(params: Any) -> bool:
    return params.show in (PEOPLE, STAGES)


def not_stepping(params: Any) -> bool:
    return not is_stepping(params)


def not_targets(params: Any) -> bool:
    return not has_targets(params)


@dataclass(frozen=True)
class Params:
    """``joints`` are those that were dragged, in pixels of the picture, else None: for each of :data:`FIGURES` two people. ``mask``
    is a box in pixels."""

    show: str = views_knob(SHOWS)
    figures: str = knob(
        CROSSING,
        choices=FIGURES,
        label="Figures",
        help="Who is labelled: drawn people, or the two best of those found. Drag their keypoints in the picture.",
        when=has_targets,
    )
    dragged: bool = knob(True, label="Keypoints as dragged", help="Off: where they were first.", when=has_targets)
    sigma: float = knob(
        SIGMA,
        0.5,
        5.0,
        step=0.05,
        unit="cells",
        label="σ of the heat maps",
        help="How wide a peak is.",
        when=has_targets,
    )
    limb_width: float = knob(
        LIMB_WIDTH,
        0.5,
        5.0,
        step=0.05,
        unit="cells",
        label="Limb width",
        help="How far from the line between two keypoints a cell still belongs to the limb.",
        when=has_targets,
    )
    masked: bool = knob(
        True,
        label="Mask W(p)",
        help="Inside the box the loss does not count: there are people whom nobody labelled. Drag the box in the picture.",
        when=has_targets,
    )
    peak_threshold: float = knob(
        PEAK_THRESHOLD,
        0.0,
        0.9,
        label="Peak: least value",
        help="A local maximum of a heat map is a candidate if it is above this.",
        when=not_targets,
    )
    min_dot: float = knob(
        MIN_DOT,
        0.0,
        0.9,
        label="Point: least dot product",
        help="A point between two candidates agrees if the PAF there points along the line by more than this.",
        when=not_targets,
    )
    min_fraction: float = knob(
        MIN_FRACTION,
        0.0,
        1.0,
        label="Pair: least part of points that agree",
        help="A pair of candidates can be a limb only if so many of its points agree.",
        when=not_targets,
    )
    samples: int = knob(SAMPLES, 2, 40, label="Points along a pair", when=not_targets)
    min_keypoints: int = knob(MIN_KEYPOINTS, 1, KEYPOINTS, label="Person: least keypoints", when=not_targets)
    min_score: float = knob(
        MIN_SCORE,
        0.0,
        2.0,
        label="Person: least score",
        help="The scores of keypoints and limbs together, divided by the number of keypoints.",
        when=not_targets,
    )
    complete: bool = knob(
        True,
        label="Complete people",
        help="A keypoint that a person lacks is looked for among weak peaks, where one of the person’s own limbs leads to. "
        "Off: as in the paper.",
        when=not_targets,
    )
    weak_threshold: float = knob(
        WEAK_THRESHOLD,
        0.0,
        0.3,
        step=0.005,
        label="Weak peak: least value",
        help="Of the peaks that complete a person.",
        when=lambda params: params.show != TARGETS and params.complete,
    )
    max_peaks: int = knob(
        MAX_PEAKS,
        1,
        512,
        log=True,
        label="Peaks of one keypoint at most",
        help="The highest are kept. It bounds the work, which grows with its square; when it is reached, the panel says so.",
        when=not_targets,
    )
    follow: bool = knob(
        True,
        label="Keep numbers from frame to frame",
        help="Each person found goes to the number whose expected place it is most like (OKS). A person hidden for up to 45 frames "
        "gets the same number again.",
        when=is_live,
    )
    smooth_motion: bool = knob(
        False,
        label="Smooth the motion",
        help="One Euro filter: a low-pass filter that opens with speed. Needs the numbers.",
        when=is_live,
    )
    min_cutoff: float = knob(
        1.0,
        0.1,
        10.0,
        log=True,
        unit="Hz",
        label="Cut-off at rest",
        help="Lower: a still body trembles less.",
        when=lambda params: params.show == PEOPLE and params.smooth_motion,
    )
    beta: float = knob(
        2.0,
        0.0,
        10.0,
        label="Cut-off rises with speed by",
        help="Higher: a fast body lags less.",
        when=lambda params: params.show == PEOPLE and params.smooth_motion,
    )
    network: str = network_knob("pose_small", finds_people)
    height: int = knob(
        256,
        128,
        640,
        step=16,
        unit="px",
        label="Input height",
        help="The picture is resized to this height. Higher finds smaller people and takes longer.",
    )
    looks: str = knob(
        ONCE,
        choices=LOOKS,
        label="Looks at the picture",
        help="Three sizes: also at 1.5 and 2 times the height, and the maps averaged. It finds more, in seven times the time; "
        "mirrored too, in fourteen.",
    )
    joints: tuple[Place | None, ...] = knob((), kind="hidden")
    mask: tuple[float, float, float, float] | None = knob(None, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
        wanted = JOINTS * len(FIGURES)
        joints = (*(None if one is None else (float(one[0]), float(one[1])) for one in self.joints), *[None] * wanted)
        object.__setattr__(self, "joints", joints[:wanted])
        if self.mask is not None:
            x0, y0, x1, y1 = (float(v) for v in self.mask)
            object.__setattr__(self, "mask", (x0, y0, x1, y1))
        self.thresholds  # noqa: B018  raises what does not fit

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(
            self.peak_threshold,
            self.max_peaks,
            self.samples,
            self.min_dot,
            self.min_fraction,
            self.min_keypoints,
            self.min_score,
            self.weak_threshold if self.complete else None,
        )

    @property
    def input_height(self) -> int:
        """A multiple of the stride."""
        return max(8, round(self.height / 8) * 8)

    @property
    def first_joint(self) -> int:
        """Where the chosen figures begin among ``joints``."""
        return FIGURES.index(self.figures) * JOINTS


@dataclass(frozen=True)
class View:
    """``pair`` is a candidate that was clicked, ``person`` a number."""

    step: int = step_knob(
        "The decisions in their order: peaks, then for each limb candidates, scores and matching, then people growing.",
        default=LAST,
        when=is_stepping,
        keys=(",", "."),
    )
    picture: bool = knob(True, label="Picture", keys=("1",), first=True)
    heatmaps: bool = knob(False, label="Heat maps", keys=("2",), when=is_live, first=True)
    pafs: bool = knob(
        False,
        label="PAFs",
        help="Part affinity fields: an arrow’s colour is its direction, its length the strength.",
        keys=("3",),
        when=is_live,
        first=True,
    )
    skeletons: bool = knob(True, label="Skeletons", keys=("4",), when=has_skeletons, first=True)
    part: str = knob(
        EVERYTHING,
        choices=PARTS,
        label="Keypoint or limb",
        help="Whose heat map and PAF is shown. A keypoint shows the PAFs of its limbs, a limb the heat maps of its two ends.",
        when=not_stepping,
        keys=(",", "."),
        first=True,
    )
    colouring: str = knob(BY_LIMB, choices=COLOURINGS, label="Colours of the limbs", when=has_skeletons)
    smooth: bool = knob(True, label="Smooth maps", help="Interpolates between cells instead of showing each.")
    opacity: float = opacity_knob("Opacity of the heat maps")
    least_strength: float = knob(
        0.15, 0.0, 0.9, label="Arrows from this strength", help="Weaker vectors of the PAF are left out."
    )
    pair: int = knob(-1, kind="hidden")
    person: int = knob(0, kind="hidden")

    def __post_init__(self) -> None:
        check(self)
