"""Getting a card's weights: from the web, or from a file that the user has."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from cvcore.download import DownloadError, Progress, Stop, Timing, fetch
from cvcore.download.errors import WrongFile
from cvcore.download.fetching import file_sha256
from cvcore.download.part import cannot_write, sync_folder
from cvcore.zoo.catalogue import SUFFIXES, Card
from cvcore.zoo.errors import WeightsError
from cvcore.zoo.folders import folder, note_change
from cvcore.zoo.licences import demand
from cvcore.zoo.store import find, forget_sha256, known_sha256, record_sha256


def get(
    card: Card,
    *,
    again: bool = False,
    stop: Stop | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    timing: Timing | None = None,
) -> Path:
    """Downloads a card's weights, going on where an earlier download ended; where they are then.

    Weights that are there are left as they are.

    Args:
        again: downloads them anew in any case, and forgets the checksum of the first use.

    Raises:
        LicenceNeeded: the card's terms are not accepted.
        WeightsError: the card has no address.
        cvcore.download.Stopped: the switch was pressed.
        cvcore.download.DownloadError: it did not work.
    """
    path = find(card)
    if card.built_in or (path is not None and not again):
        demand(card)
        assert path is not None
        return path
    if not card.addresses:
        raise WeightsError(
            "The weights “{title}” cannot be downloaded by the program: get {file} from {page} and choose that file.",
            title=card.title,
            file=card.file,
            page=card.page,
        )
    demand(card)
    if again:
        forget_sha256(card)
    target = folder() / card.file
    found = fetch(
        card.addresses,
        target,
        size=card.bytes or None,
        sha256=known_sha256(card),
        check=lambda part: check_file(card, part),
        replace_old=again,
        stop=stop,
        on_progress=on_progress,
        timing=timing,
    )
    record_sha256(card, found, card.address)
    note_change()
    return target


def bring(card: Card, source: Path) -> Path:
    """Copies a file of the user's to where the card's weights are kept, after checking it; where they are then.

    Raises:
        LicenceNeeded: the card's terms are not accepted.
        WeightsError: it is not the file of this card.
        cvcore.download.DownloadError: it cannot be read or written.
    """
    demand(card)
    if not source.is_file():
        raise WeightsError("There is no file {path}.", path=source)
    if source.suffix.lower() in SUFFIXES and (source.suffix.lower() == ".safetensors") != (
        card.file.endswith(".safetensors")
    ):
        raise WeightsError(
            "The file {path} is not that of the weights “{title}”, which is named {file}.",
            path=source,
            title=card.title,
            file=card.file,
        )
    target = folder() / card.file
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(source, beside)
            found = file_sha256(beside)
            if card.sha256 and found != card.sha256:
                raise WeightsError(
                    "The file {path} is not that of the weights “{title}”: its checksum is another.",
                    path=source,
                    title=card.title,
                )
            check_file(card, beside, source.name)
            with beside.open("r+b") as file:
                os.fsync(file.fileno())
            os.replace(beside, target)
            sync_folder(target.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    forget_sha256(card)
    record_sha256(card, found, str(source))
    note_change()
    return target


def check_file(card: Card, path: Path, file: str = "") -> None:
    """Whether a file can be read and has weights where the card says.

    Raises:
        WrongFile: it cannot or has not.
    """
    from cvcore.zoo.checkpoints import state_dict_of

    try:
        state_dict_of(card, path.read_bytes(), file or card.file)
    except OSError as error:
        raise DownloadError(
            "The file {path} cannot be read: {why}.", path=path, why=error.strerror or str(error)
        ) from error
    except WeightsError as error:
        raise WrongFile(error.text, **error.values) from error
