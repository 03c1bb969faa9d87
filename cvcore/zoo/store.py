"""Where weights are, and the checksum each had when it was first used."""

import importlib.util
import json
import os
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cvcore.assets import asset
from cvcore.zoo.catalogue import Card, cards
from cvcore.zoo.errors import WeightsError
from cvcore.zoo.folders import changes, folder, note_change, offline_folder, write_file
from cvcore.zoo.licences import needs_acceptance


@dataclass(frozen=True, slots=True)
class Place:
    """How things stand with a card's weights.

    Args:
        state: ``part``: a download was begun; ``locked``: there, but their licence is not accepted.
        path: of the file, where there is one.
        bytes: of the part that is there.
    """

    state: Literal["built in", "there", "locked", "part", "missing"]
    path: Path | None = None
    bytes: int = 0


def find(card: Card) -> Path | None:
    """The file of a card's weights; None if it is not on this computer."""
    if card.built_in:
        return asset("weights") / card.file
    return _find_in(card, _folders())


def _folders() -> tuple[Path, ...]:
    return tuple(one for one in (offline_folder(), folder()) if one is not None)


def _find_in(card: Card, folders: tuple[Path, ...]) -> Path | None:
    for one in folders:
        if os.path.isfile(path := os.path.join(one, card.file)):
            return Path(path)
    return None


def place(card: Card) -> Place:
    """How things stand with a card's weights; looks for files only and reads none."""
    path = find(card)
    if card.built_in:
        return Place("built in", path)
    if path is not None:
        return Place("locked" if needs_acceptance(card) else "there", path)
    part = folder() / (card.file + ".part")
    try:
        size = part.stat().st_size
    except OSError:
        return Place("missing")
    return Place("part", bytes=size) if size else Place("missing")


def state() -> Hashable:
    """Becomes another one when this process gets, takes or removes weights or accepts terms, and when other folders are named.

    Looks at no file: who keeps what :func:`available` said asks this at each use, and :func:`available` anew once it is another.
    """
    return asset("weights"), changes()


def available() -> dict[str, Card]:
    """The cards whose weights can be used now: built in, or there with their licence accepted."""
    folders = _folders()

    def usable(card: Card) -> bool:
        there = card.built_in or _find_in(card, folders) is not None
        return there and (card.built_in or (buildable(card) and not needs_acceptance(card)))

    return {name: card for name, card in cards().items() if usable(card)}


def buildable(card: Card) -> bool:
    """Whether this version of the program has the network of a card."""
    try:
        return importlib.util.find_spec(card.builder.partition(":")[0]) is not None
    except (ImportError, ValueError):
        return False


def remove(card: Card) -> None:
    """Deletes downloaded weights, what was begun of them, and the checksum they had. Built-in ones stay.

    Raises:
        WeightsError: a file cannot be deleted.
    """
    if card.built_in:
        return
    home = folder()
    try:
        for name in (card.file, card.file + ".part", card.file + ".part.json", _record_name(card)):
            (home / name).unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError("The file {path} cannot be deleted: {why}.", path=home / name, why=error.strerror) from error
    finally:
        note_change()


# -- the checksum at the first use


def known_sha256(card: Card) -> str:
    """What the file's checksum has to be: from the card, or recorded at the first use; empty before that."""
    if card.sha256:
        return card.sha256
    try:
        found = json.loads((folder() / _record_name(card)).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def record_sha256(card: Card, sha256: str, origin: str) -> None:
    """Remembers the checksum of weights whose card has none.

    A failure is no harm: it is recorded the next time.
    """
    if not card.sha256:
        with suppress(OSError):
            write_json(folder() / _record_name(card), {"sha256": sha256, "from": origin})


def forget_sha256(card: Card) -> None:
    with suppress(OSError):
        (folder() / _record_name(card)).unlink(missing_ok=True)


def _record_name(card: Card) -> str:
    return f"{card.name}.first-use.json"


def write_json(path: Path, data: Any) -> None:
    """Writes a small file, whole or not at all."""
    write_file(path, lambda file: json.dump(data, file, ensure_ascii=False, indent=1))
