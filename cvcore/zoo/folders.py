"""The folders of weights that are not built in. Looked up at each call, since they are named by the environment."""

import os
from pathlib import Path

from platformdirs import PlatformDirs


def folder() -> Path:
    """Where downloaded weights are kept: in the user's data folder, or under ``CV_EXPLORER_HOME`` where that is set."""
    if home := os.environ.get("CV_EXPLORER_HOME"):
        return Path(home) / "weights"
    return Path(PlatformDirs("cv-explorer", appauthor=False).user_data_dir) / "weights"


def offline_folder() -> Path | None:
    """``CV_EXPLORER_WEIGHTS``: a folder of checkpoints under their own names, read before any other and never written."""
    named = os.environ.get("CV_EXPLORER_WEIGHTS")
    return Path(named) if named else None
