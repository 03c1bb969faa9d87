"""What a training run of the pose network does, as one frozen record: it is written into every checkpoint and into the log."""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

Precision = Literal["float32", "bfloat16"]


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every field is an option of the command line."""

    size: int = field(default=256, metadata=_help("side of the crops in px, a multiple of 8"))
    batch: int = field(default=10, metadata=_help("crops a step"))
    steps: int = field(default=6000, metadata=_help("steps in all"))
    warm_up: int = field(default=200, metadata=_help("steps in which the rates rise to their full height"))
    seed: int = field(default=0, metadata=_help("of the first weights and the crops"))
    learning_rate: float = field(default=2e-3, metadata=_help("of AdamW"))
    weight_decay: float = field(default=1e-4, metadata=_help("of AdamW, decoupled"))
    distilled_share: float = field(
        default=0.7, metadata=_help("share of the crops that --distilled gives, where it is given")
    )
    ema: float = field(default=0.999, metadata=_help("decay of the moving average of the weights"))
    precision: Precision = field(default="float32", metadata=_help("bfloat16: autocast, on GPUs and CPUs that have it"))

    def __post_init__(self) -> None:
        if self.size < 8 or self.size % 8:
            raise ValueError(f"the side of the crops is a multiple of 8, not {self.size}")
        if self.batch < 1 or self.steps < 1 or self.warm_up < 0:
            raise ValueError("batch and steps are 1 or more, and the warm-up is not negative")
        if not 0 <= self.distilled_share <= 1:
            raise ValueError("the share of distilled crops is 0 to 1")
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision is one of {', '.join(get_args(Precision))}, not {self.precision!r}")

    def pace(self, step: int) -> float:
        """What the learning rates are multiplied by in a step, counted from 0: a line up, then half a cosine down to a hundredth."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        share = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, share))) / 2
