"""The sums that CycleGAN's two discriminators and two generators lower: Zhu et al., ICCV 2017, https://arxiv.org/abs/1703.10593 ,
section 3, with the identity loss of section 5.2. The terms themselves are in :mod:`cvcore.losses.gan`.
"""

from dataclasses import dataclass

CYCLE_WEIGHT, IDENTITY_WEIGHT = 10.0, 5.0
"""The authors' (identity: 0.5 times the cycle weight), for networks whose training is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The terms, means over pixels or patches; None where a picture or a network for it is missing.

    Args:
        real_a, real_b, fake_a, fake_b: (D(x) - 1)^2 of real pictures and D(x)^2 of translations, of both discriminators.
        adversarial_ab, adversarial_ba: (D(G(x)) - 1)^2 of the generators' translations.
        cycle_a, cycle_b, identity_a, identity_b: mean absolute differences, scale -1 to 1.
        cycle_weight, identity_weight: what they are multiplied by in the sum.
        known: whether the weights are those the network was trained with.
    """

    real_a: float | None
    real_b: float | None
    fake_a: float | None
    fake_b: float | None
    adversarial_ab: float | None
    adversarial_ba: float | None
    cycle_a: float | None
    cycle_b: float | None
    identity_a: float | None
    identity_b: float | None
    cycle_weight: float
    identity_weight: float
    known: bool

    def discriminator(self, domain: str) -> float | None:
        """Half the sum of both terms."""
        real, fake = (self.real_a, self.fake_a) if domain == "a" else (self.real_b, self.fake_b)
        return None if real is None or fake is None else (real + fake) / 2

    def generator(self, way: str) -> float | None:
        """The weighed sum of what a generator is to lower: it takes part in both cycles."""
        adversarial, identity = (
            (self.adversarial_ab, self.identity_b) if way == "ab" else (self.adversarial_ba, self.identity_a)
        )
        parts = (adversarial, self.cycle_a, self.cycle_b, identity)
        if any(part is None for part in parts):
            return None
        weights = (1.0, self.cycle_weight, self.cycle_weight, self.identity_weight)
        return sum(w * part for w, part in zip(weights, parts, strict=True) if part is not None)
