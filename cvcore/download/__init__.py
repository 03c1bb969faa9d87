"""Downloads that end with the right file or none: resumed, retried, checked, and put in place in one step.

No torch here and no knowledge of weights: :mod:`cvcore.zoo` decides what to fetch and what is right.
"""

from cvcore.download.errors import DownloadError, Stopped
from cvcore.download.fetching import Progress, Timing, fetch
from cvcore.download.stop import Stop

__all__ = ["DownloadError", "Progress", "Stop", "Stopped", "Timing", "fetch"]
