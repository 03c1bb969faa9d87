"""The four losses of one pair of pictures, term by term."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvcore.losses.gan import Adversarial, cycle_loss, discriminator_loss, generator_loss, identity_loss
from explorer.panels.cyclegan.runs import recipe_of

if TYPE_CHECKING:
    from explorer.panels.cyclegan.trace import Input, Work

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


def terms_of(work: "Work", pictures: Mapping[str, "Input"]) -> Terms:
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


def _judges(work: "Work", domain: str, other: str) -> tuple[Any, Any]:
    judges = {"a": work.translator.judge_a, "b": work.translator.judge_b}
    return judges[domain], judges[other]
