"""Small JSON files in the settings' folder, written whole or not at all; a damaged one is set aside, never lost."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from explorer.files.whole import SaveError, set_aside, write_whole

log = logging.getLogger(__name__)
VERSION = 1
MOST_BYTES = 16_000_000
"""A larger file is none of the program's."""


def home() -> tuple[Path, Path]:
    """The folders of settings and of logs; ``CV_EXPLORER_HOME`` puts both in one place."""
    if own := os.environ.get("CV_EXPLORER_HOME"):
        return Path(own), Path(own)
    dirs = PlatformDirs("cv-explorer", appauthor=False)
    return Path(dirs.user_config_dir), Path(dirs.user_log_dir)


def stored(name: str) -> Path:
    """Where the file of that name is."""
    return home()[0] / f"{name}.json"


def read_stored(name: str) -> dict[str, Any]:
    """What :func:`write_stored` wrote; empty where there is nothing.

    What cannot be read, or is from a newer version, is kept beside as ``NAME.damaged.json``.
    """
    return read_or_set_aside(name)[0]


def read_or_set_aside(name: str) -> tuple[dict[str, Any], Path | None]:
    """The same, and where a file is now that was not understood."""
    path = stored(name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        data = json.loads(path.read_text("utf-8"))
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise ValueError("of another version")
        return data, None
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s was not read: %s", path, error)
        aside = set_aside(path)
        if aside is None:
            log.warning("%s could not be set aside", path)
        return {}, aside


def write_stored(name: str, data: dict[str, Any]) -> None:
    """Writes the file; a failure is logged, never raised: the program goes on with what it has."""
    path = stored(name)
    text = json.dumps({"version": VERSION, **data}, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(text.encode("utf-8")))
    except (OSError, SaveError) as error:
        log.warning("%s was not written: %s", path, error)
