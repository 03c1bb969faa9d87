"""A card's network, filled with its weights."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from cvcore.zoo.catalogue import Card
from cvcore.zoo.checkpoints import by_name, mapped, state_dict_of
from cvcore.zoo.errors import WeightsError, WeightsMissing
from cvcore.zoo.licences import demand
from cvcore.zoo.store import find, forget_sha256, known_sha256, record_sha256


def load_network(card: Card, device: torch.device | str = "cpu") -> nn.Module:
    """See :func:`cvcore.zoo.load`."""
    path = find(card)
    if path is None:
        raise WeightsMissing(
            "The weights “{title}” are not on this computer yet: cv-explorer weights get {name} gets them.",
            title=card.title,
            name=card.name,
        )
    demand(card)
    first = not known_sha256(card)
    data = read_checked(card, path)
    tensors = state_dict_of(card, data, path.name)
    del data
    try:
        network: nn.Module = by_name(card.builder)(**card.arguments)
        network.load_state_dict(mapped(card, tensors), strict=True)
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, ImportError) as error:
        if first:
            forget_sha256(card)  # the right file is another one
        raise WeightsError(
            "The weight file {file} does not fit the network {title}.", file=path.name, title=card.title
        ) from error
    # torch's stubs leave out the overload with a memory format.
    ready: nn.Module = network.requires_grad_(False).eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def read_checked(card: Card, path: Path) -> bytes:
    """The bytes of a weight file whose checksum is right, or becomes the right one now.

    Raises:
        WeightsError: it cannot be read, is damaged, or is another one than at its first use.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError("The weight file {file} is missing or cannot be read.", file=path.name) from error
    found, known = hashlib.sha256(data).hexdigest(), known_sha256(card)
    if card.sha256 and found != card.sha256:
        raise WeightsError(
            "The weight file {file} is damaged: its checksum is not the one on its card.", file=path.name
        )
    if known and found != known:
        raise WeightsError(
            "The weight file {file} is not the one that was first used (its checksum has changed); "
            "delete it and get it anew.",
            file=path.name,
        )
    if not known:
        state_dict_of(card, data, path.name)  # what cannot be read is not what later files have to be like
        record_sha256(card, found, str(path))
    return data
