"""Terms that have to be accepted before weights are used: once for each wording, remembered in the weights folder.

One file for each wording, whose name is made from its words: two programs that accept at one moment do not disturb each other,
and other words are asked for anew.
"""

import hashlib
from pathlib import Path

from cvcore.zoo.catalogue import Card
from cvcore.zoo.errors import LicenceNeeded, WeightsError
from cvcore.zoo.folders import folder, note_change, write_file


def needs_acceptance(card: Card) -> bool:
    """Whether the card's terms have still to be accepted."""
    return bool(card.terms) and not _file(card).is_file()


def accept(card: Card) -> None:
    """Remembers that the user accepts the card's terms.

    Raises:
        WeightsError: it cannot be written down.
    """
    if not card.terms:
        return
    path = _file(card)
    try:
        write_file(path, lambda file: file.write(f"{card.terms}\n"))
    except OSError as error:
        raise WeightsError(
            "The file {path} cannot be written: {why}.", path=path, why=error.strerror or str(error)
        ) from error
    note_change()


def demand(card: Card) -> None:
    """Raises LicenceNeeded unless the card's terms are accepted or there are none."""
    if needs_acceptance(card):
        raise LicenceNeeded(
            "The weights “{title}” are used under terms that have to be accepted first: "
            "cv-explorer weights get {name} shows them.",
            title=card.title,
            name=card.name,
        )


def _file(card: Card) -> Path:
    words = hashlib.sha256(" ".join(card.terms.split()).encode("utf-8")).hexdigest()
    return folder() / f"accepted-{words[:32]}.txt"
