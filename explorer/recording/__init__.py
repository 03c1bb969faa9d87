"""Recording what is seen to a video that can be played however the program ends, with parameters and times beside it."""

from datetime import datetime
from pathlib import Path

ENDING = ".mkv"


def default_folder() -> Path:
    """Where recordings go as long as no folder is chosen; ``CV_EXPLORER_HOME`` keeps them with the settings."""
    import os

    from platformdirs import user_videos_dir

    if own := os.environ.get("CV_EXPLORER_HOME"):
        return Path(own) / "recordings"
    return Path(user_videos_dir())


def free_name(folder: Path, now: datetime) -> Path:
    """A file named by the time that is not there yet, nor the list beside it."""
    stem = f"cv-explorer-{now:%Y-%m-%d-%H%M%S}"
    for number in range(1, 1000):
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{ENDING}"
        if not path.exists() and not path.with_suffix(".jsonl").exists():
            return path
    return path
