"""Verified weights: :func:`cards` lists what there is, :func:`load` builds a network and fills it.

A card is a JSON file in ``assets/weights`` beside the safetensors file it vouches for by SHA-256.
"""

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import nn

from cvcore.assets import asset


class WeightsError(RuntimeError):
    """A weight file or its card cannot be used; the message is one sentence for the person at the screen."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the network's input: ``(picture / scale - mean) / std`` on (N, 3, H, W).

    Args:
        size: side in pixels that the weights were made for.
        mean, std: one for each channel, in the units of ``picture / scale``.
        colour: the order of the channels.
        scale: 255 where the network counts from 0 to 1, 1 where from 0 to 255.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    colour: Literal["RGB", "BGR"] = "RGB"
    scale: float = 255.0

    def __post_init__(self) -> None:
        if self.colour not in ("RGB", "BGR"):
            raise ValueError(f"the colour order is RGB or BGR, not {self.colour!r}")
        if self.size < 1 or self.scale <= 0 or min(self.std) <= 0:
            raise ValueError("size, scale and std are positive")
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))


@dataclass(frozen=True, slots=True)
class Card:
    """What is known about a set of weights.

    Args:
        name: for :func:`load`.
        title: as a person reads it.
        task: what the network does, such as ``image classification``.
        builder: ``package.module:function`` that makes the empty network.
        arguments: for the builder.
        file: the safetensors file beside the card.
        sha256: of that file, hexadecimal.
        licence: of the weights, an SPDX expression, with words where parts differ.
        source: where they come from and how they were made.
        preprocessing: what the network expects.
        training_data: what the weights were trained on.
        score: measured by us, with the data it was measured on.
        paper: the network's.
        labels: a JSON file beside the card, a list of ``{"en": ..., "zh_CN": ...}``, one for each class score; empty
            where the network gives none.
    """

    name: str
    title: str
    task: str
    builder: str
    file: str
    sha256: str
    licence: str
    source: str
    preprocessing: Preprocessing
    training_data: str
    score: str
    paper: str
    labels: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def label_names(self, language: str = "en") -> tuple[str, ...]:
        """One name for each class score, in English where the language has none; empty without class scores.

        Raises:
            WeightsError: the file of names is missing or damaged.
        """
        return _label_names(self.labels, language) if self.labels else ()


def cards() -> dict[str, Card]:
    """Every card in ``assets/weights``, by name, sorted.

    Raises:
        WeightsError: a card is damaged, or two have one name.
    """
    found: dict[str, Card] = {}
    for path in sorted(asset("weights").glob("*.json")):
        if path.name.endswith(".labels.json"):
            continue
        made = _read_card(path, path.stat().st_mtime_ns)
        if made.name in found:
            raise WeightsError(f"Two weight cards are named {made.name}.")
        found[made.name] = made
    return dict(sorted(found.items()))


def card(name: str) -> Card:
    """One card.

    Raises:
        WeightsError: there is none of that name.
    """
    found = cards()
    if name not in found:
        raise WeightsError(f"There are no weights named {name}; there are {', '.join(found) or 'none'}.")
    return found[name]


def load(name: str, device: torch.device | str = "cpu") -> nn.Module:
    """A new network with the weights of a card, checked against its SHA-256.

    Weights stored in half precision come back as float32. The network is in eval mode, its parameters need no gradient,
    and it is in channels_last memory format: on a CPU MobileNetV2 then takes 11 ms in place of 14 (2 threads).

    Raises:
        WeightsError: no such card; the file is missing, damaged or does not fit the network.
    """
    made = card(name)
    path = asset("weights") / made.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weight file {path.name} is missing or cannot be read.") from error
    if hashlib.sha256(data).hexdigest() != made.sha256:
        raise WeightsError(f"The weight file {path.name} is damaged: its checksum is not the one on its card.")
    try:
        tensors = {key: t.float() if t.is_floating_point() else t for key, t in parse(data).items()}
        network = _builder(made.builder)(**made.arguments)
        network.load_state_dict(tensors, strict=True)
    except (SafetensorError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        raise WeightsError(f"The weight file {path.name} does not fit the network {made.title}.") from error
    ready: nn.Module = network.requires_grad_(False).eval().to(device=device, memory_format=torch.channels_last)
    return ready


def _builder(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


@cache
def _read_card(path: Path, changed: int) -> Card:
    """A card file; ``changed`` makes the cache forget one that was rewritten."""
    del changed
    try:
        raw = json.loads(path.read_text("utf-8"))
        known = {f.name for f in fields(Card)}
        if raw.keys() - known:
            raise ValueError(f"unknown {raw.keys() - known}")
        raw["preprocessing"] = Preprocessing(**raw["preprocessing"])
        return Card(**raw)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"The weight card {path.name} is damaged.") from error


@cache
def _label_names(file: str, language: str) -> tuple[str, ...]:
    try:
        rows = json.loads((asset("weights") / file).read_text("utf-8"))
        return tuple(str(row.get(language, row["en"])) for row in rows)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"The file of class names {file} is missing or damaged.") from error
