"""What a network can do: both directions and both discriminators, or one generator."""

from dataclasses import dataclass

from torch import nn

from cvcore.models.cyclegan import CycleGAN
from explorer.i18n import tr
from explorer.views import networks


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


def title_of(network: str) -> str:
    return networks.card(network).title
