"""Looks at the small files of records when the program starts: what is not understood is set aside, and told once. No Qt."""

from pathlib import Path

from explorer.files.stored import read_or_set_aside, stored, write_stored
from explorer.files.whole import set_aside
from explorer.i18n import tr
from explorer.own_networks import known as own_models
from explorer.own_networks import trust


def check_records() -> tuple[str, ...]:
    """A sentence for each file that could not be read, or of which a part was left out. To be called before they are used."""
    said = []
    if aside := _check_own_models():
        said.append(tr("The list of your own networks was damaged; the old one is kept as {file}.", file=aside.name))
    if aside := read_or_set_aside(trust.NAME)[1]:
        said.append(
            tr(
                "The list of Python files that may run was damaged, so you will be asked again; the old one is kept as {file}.",
                file=aside.name,
            )
        )
    return tuple(said)


def _check_own_models() -> Path | None:
    """Networks that are understood stay in the list when others are not."""
    data, aside = read_or_set_aside(own_models.NAME)
    listed = data.get("models")
    if aside is not None or listed is None:
        return aside
    entries = listed if isinstance(listed, list) else []
    good = [entry for entry in entries if own_models.is_understood(entry)]
    if isinstance(listed, list) and len(good) == len(entries):
        return None
    aside = set_aside(stored(own_models.NAME))
    if aside is not None:
        write_stored(own_models.NAME, {"models": good})
    return aside
