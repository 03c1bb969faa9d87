"""The cards: what is known about each set of weights, from the JSON files in ``assets/weights``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Literal

from cvcore.assets import asset
from cvcore.zoo.errors import WeightsError

SUFFIXES = (".safetensors", ".pt", ".pth")
"""Of the files that are read: safetensors, and PyTorch's own as far as they hold numbers only."""


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
        file: the file beside the card; for weights that are downloaded, their file's own name.
        sha256: of that file, hexadecimal. Empty where nobody has published it: it is then recorded at the first use.
        licence: of the weights, an SPDX expression, with words where parts differ.
        source: where they come from and how they were made.
        preprocessing: what the network expects.
        training_data: what the weights were trained on.
        score: measured by us, with the data it was measured on.
        paper: the network's.
        labels: a JSON file beside the card, a list of ``{"en": ..., "zh_CN": ...}``, one for each class score; empty
            where the network gives none.
        address: where the weights are downloaded from; empty for built-in ones.
        mirrors: other addresses of the same file.
        page: where a person finds them.
        bytes: of the file, exactly; 0 where that is not known.
        about: megabytes (10^6), to be shown where ``bytes`` is not known.
        state_dict: keys, with dots between, that lead to the state_dict in the checkpoint; empty if it is the whole.
        prefix: taken off every key, such as ``module.``.
        mapping: ``package.module:function`` that makes the network's keys from the checkpoint's: a dict of tensors in
            and out.
        terms: what has to be accepted before use; empty where nothing has.
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
    address: str = ""
    mirrors: tuple[str, ...] = ()
    page: str = ""
    bytes: int = 0
    about: float = 0.0
    state_dict: str = ""
    prefix: str = ""
    mapping: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mirrors", tuple(self.mirrors))
        if PurePath(self.file).name != self.file or PurePath(self.file).suffix not in SUFFIXES:
            raise ValueError(f"{self.file} is not the name of a weight file")
        if self.built_in and not self.sha256:
            raise ValueError("built-in weights have a checksum")
        if self.sha256 and (len(self.sha256) != 64 or self.sha256.strip("0123456789abcdef")):
            raise ValueError("the checksum is 64 hexadecimal digits")
        if not all(one.startswith(("https://", "http://")) for one in self.addresses):
            raise ValueError("addresses begin with https:// or http://")
        if self.bytes < 0 or self.about < 0:
            raise ValueError("sizes are not negative")

    @property
    def built_in(self) -> bool:
        """The weights come with the program."""
        return not (self.address or self.page)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that the weights can be downloaded from, the best first."""
        return (self.address, *self.mirrors) if self.address else ()

    @property
    def megabytes(self) -> float:
        """The size to show, in 10^6 bytes; 0 where it is not known."""
        if self.built_in:
            try:
                return (asset("weights") / self.file).stat().st_size / 1e6
            except OSError:
                return 0.0
        return self.bytes / 1e6 or self.about

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
        if "." in path.stem:  # names of classes, an ablation: beside a card, not one
            continue
        made = _read_card(path, path.stat().st_mtime_ns)
        if made.name in found:
            raise WeightsError("Two weight cards are named {name}.", name=made.name)
        found[made.name] = made
    return dict(sorted(found.items()))


def card(name: str) -> Card:
    """One card.

    Raises:
        WeightsError: there is none of that name.
    """
    found = cards()
    if name not in found:
        known = ", ".join(found) or "none"
        raise WeightsError("There are no weights named {name}; there are {known}.", name=name, known=known)
    return found[name]


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
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError("The weight card {file} is damaged.", file=path.name) from error


@cache
def _label_names(file: str, language: str) -> tuple[str, ...]:
    try:
        rows = json.loads((asset("weights") / file).read_text("utf-8"))
        return tuple(str(row.get(language, row["en"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError("The file of class names {file} is missing or damaged.", file=file) from error
