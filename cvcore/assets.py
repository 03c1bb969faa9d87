"""Where the shipped files are: ``assets/`` beside the packages in a checkout, ``cvcore/_assets`` when installed."""

from functools import cache
from pathlib import Path


@cache
def assets_folder() -> Path:
    """The folder of shipped pictures, weights, fonts, icons and translations.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "_assets", here.parent / "assets"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("the assets folder is missing: the installation is incomplete; reinstall cv-explorer")


def asset(*parts: str) -> Path:
    """The path of one shipped file."""
    return assets_folder().joinpath(*parts)
