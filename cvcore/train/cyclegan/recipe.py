"""What a training run does, as one frozen record: it is written into every checkpoint and into the log."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cvcore.losses.gan import Adversarial

Ablation = Literal["no-cycle", "half-cycle", "no-pool"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Section 4 and appendix 7.1 of the paper, with our widths. Every field is an option of the command line."""

    size: int = field(default=128, metadata=_help("side of the crops in px, a multiple of 8"))
    batch: int = field(default=1, metadata=_help("pairs a step"))
    steps: int = field(default=16000, metadata=_help("steps in all"))
    decay_from: int = field(
        default=8000, metadata=_help("the step from which the learning rates fall linearly to 0 at the last step")
    )
    seed: int = field(default=0, metadata=_help("of the first weights, the crops and the image pool"))
    filters: int = field(default=32, metadata=_help("of a generator's first convolution"))
    blocks: int = field(default=6, metadata=_help("residual blocks"))
    trunk: int = field(default=128, metadata=_help("channels of the residual blocks"))
    discriminator_filters: int = field(default=64, metadata=_help("of a discriminator's first convolution"))
    learning_rate: float = field(default=2e-4, metadata=_help("of the generators (Adam, betas 0.5 and 0.999)"))
    discriminator_learning_rate: float = field(default=2e-4, metadata=_help("of the discriminators"))
    adversarial: Adversarial = field(default="least_squares", metadata=_help("the adversarial loss"))
    adversarial_weight: float = field(default=1.0, metadata=_help("of the generators' adversarial losses"))
    cycle_weight: float = field(default=10.0, metadata=_help("of both cycle losses"))
    cycle_weight_end: float = field(
        default=10.0, metadata=_help("what the cycle weight falls or rises to, linearly, at the last step")
    )
    identity_weight: float = field(default=5.0, metadata=_help("of both identity losses"))
    pool: int = field(default=50, metadata=_help("pictures in each image pool"))
    ema: float = field(default=0.999, metadata=_help("decay of the moving average of the generators' weights"))
    precision: Precision = field(default="float32", metadata=_help("bfloat16: autocast, on GPUs and CPUs that have it"))
    ablate: tuple[Ablation, ...] = field(
        default=(), metadata=_help("no-cycle, half-cycle (only photo -> painting -> photo), no-pool")
    )

    def __post_init__(self) -> None:
        if self.size < 32 or self.size % 8:
            raise ValueError(f"the side of the crops is a multiple of 8 from 32 px on, not {self.size}")
        if self.batch < 1 or self.steps < 1 or not 0 <= self.decay_from <= self.steps:
            raise ValueError("batch and steps are 1 or more, and the decay starts within the steps")
        for name, allowed in (("precision", PRECISIONS), ("adversarial", get_args(Adversarial))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if unknown := set(self.ablate) - set(ABLATIONS):
            raise ValueError(f"what can be left out is {', '.join(ABLATIONS)}, not {', '.join(sorted(unknown))}")
        if {"no-cycle", "half-cycle"} <= set(self.ablate):
            raise ValueError("no-cycle and half-cycle exclude each other")

    @property
    def cycles_a(self) -> bool:
        """Whether a -> b -> a counts."""
        return "no-cycle" not in self.ablate

    @property
    def cycles_b(self) -> bool:
        """Whether b -> a -> b counts."""
        return self.cycles_a and "half-cycle" not in self.ablate

    @property
    def pool_size(self) -> int:
        return 0 if "no-pool" in self.ablate else self.pool

    def pace(self, step: int) -> float:
        """What the learning rates are multiplied by in a step, counted from 0: 1, then a line down to 0 (appendix 7.1)."""
        return 1.0 if step < self.decay_from else (self.steps - step) / (self.steps - self.decay_from)

    def cycle_weight_at(self, step: int) -> float:
        """Lambda of equation 3 in a step, counted from 0."""
        return self.cycle_weight + (self.cycle_weight_end - self.cycle_weight) * step / self.steps

    def networks(self) -> dict[str, Any]:
        """Arguments of :class:`cvcore.models.cyclegan.CycleGAN`."""
        return {
            "generator": {
                "filters": self.filters,
                "blocks": self.blocks,
                "upsample": "resize",
                "separable": True,
                "norm": "instance_affine",
                "norm_ends": False,
                "trunk": self.trunk,
            },
            "discriminator": {"filters": self.discriminator_filters},
        }
