"""Small JSON files in the settings' folder, written whole or not at all; a damaged one is set aside, never lost."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from explorer.save import SaveError, write_whole
from explorer.session import home

log = logging.getLogger(__name__)
VERSION = 1


def stored(name: str) -> Path:
    """Where the file of that name is."""
    return home()[0] / f"{name}.json"


def read_stored(name: str) -> dict[str, Any]:
    """What :func:`write_stored` wrote; empty where there is nothing.

    What cannot be read, or is from a newer version, is kept beside as ``NAME.damaged.json``.
    """
    path = stored(name)
    try:
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError("of another version")
        return data
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s was not read: %s", path, error)
        try:
            os.replace(path, path.with_name(f"{name}.damaged.json"))
        except OSError:
            log.warning("%s could not be set aside", path)
        return {}


def write_stored(name: str, data: dict[str, Any]) -> None:
    """Writes the file; a failure is logged, never raised: the program goes on with what it has."""
    path = stored(name)
    text = json.dumps({"version": VERSION, **data}, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(text.encode("utf-8")))
    except (OSError, SaveError) as error:
        log.warning("%s was not written: %s", path, error)
