"""Weights with their papers: :func:`cards` lists what there is, :func:`load` builds a network and fills it.

A card is a JSON file in ``assets/weights``. The weights are beside it (built in), or in a folder of the user's: those that
``CV_EXPLORER_WEIGHTS`` names, or downloaded ones. Importing this module does not import torch; :func:`load` does.
"""

from typing import TYPE_CHECKING

from cvcore.zoo.catalogue import Card, Preprocessing, card, cards
from cvcore.zoo.errors import LicenceNeeded, WeightsError, WeightsMissing
from cvcore.zoo.folders import folder, offline_folder
from cvcore.zoo.getting import bring, get
from cvcore.zoo.licences import accept, needs_acceptance
from cvcore.zoo.store import Place, available, find, known_sha256, place, remove, state

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "Card",
    "LicenceNeeded",
    "Place",
    "Preprocessing",
    "WeightsError",
    "WeightsMissing",
    "accept",
    "available",
    "bring",
    "card",
    "cards",
    "find",
    "folder",
    "get",
    "known_sha256",
    "load",
    "needs_acceptance",
    "offline_folder",
    "place",
    "remove",
    "state",
]


def load(name: str, device: "torch.device | str" = "cpu") -> "nn.Module":
    """A new network with the weights of a card, checked against their SHA-256.

    Weights stored in half precision come back as float32. The network is in eval mode, its parameters need no gradient,
    and it is in channels_last memory format: on a CPU MobileNetV2 then takes 11 ms in place of 14 (2 threads).

    Raises:
        WeightsMissing: they have to be downloaded first.
        LicenceNeeded: they are there, but their licence has not been accepted.
        WeightsError: no such card; the file is missing, damaged, another than the one first used, holds more than
            numbers, or does not fit the network.
    """
    from cvcore.zoo.loading import load_network

    return load_network(card(name), device)
