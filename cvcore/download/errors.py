"""What can go wrong with a download, each as one sentence."""

from typing import Any

from cvcore.sentence import SentenceError


class DownloadError(SentenceError):
    """The file could not be had; nothing wrong was put in its place."""


class Stopped(DownloadError):
    """The user stopped it; what came so far is kept."""

    def __init__(self) -> None:
        super().__init__("The download was stopped; the next one goes on from there.")


class Temporary(DownloadError):
    """Worth another try at the same address.

    Args:
        after: seconds that the server asks to be left alone; 0 where it does not.
    """

    def __init__(self, text: str, /, *, after: float = 0.0, **values: Any) -> None:
        super().__init__(text, **values)
        self.after = after


class Refused(DownloadError):
    """Trying this address again would not help; another one may."""


class WrongFile(DownloadError):
    """All of it came, and it is not the file that was wanted."""
