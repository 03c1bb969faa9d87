"""A network stream: RTSP, or MJPEG and other video over HTTP, through FFmpeg."""

from typing import Any

from explorer.i18n import tr
from explorer.sources.address import is_stream, public_address
from explorer.sources.base import SourceError
from explorer.sources.live import Capture, LiveSource
from explorer.sources.opencv import cv2

OPEN_TIMEOUT = 5.0
READ_TIMEOUT = 4.0
"""Seconds. A stall is noticed long before, by the lack of frames; only then is the connection given up and made anew."""


class StreamSource(LiveSource):
    """The newest frame of a stream; one that stalls or ends is tried again and resumes by itself.

    Args:
        url: with user and password where asked for (``rtsp://user:password@host/path``); they are never shown.
        options: see :class:`live.LiveSource`.

    Raises:
        SourceError: the address is not one; (``read``) it does not answer at all.
    """

    kind = "stream"

    def __init__(self, url: str, **options: Any) -> None:
        if not is_stream(url):
            raise SourceError(tr("{address} is not the address of a stream.", address=public_address(url)))
        self.url = url
        self._address = public_address(url)
        super().__init__(self._address, **options)

    def connect(self) -> Capture:
        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            int(OPEN_TIMEOUT * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(READ_TIMEOUT * 1000),
        ]
        capture = cv2.VideoCapture(self.url, cv2.CAP_FFMPEG, timeouts)
        if not capture.isOpened():
            capture.release()
            raise SourceError(self.failed_sentence())
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0.1 <= rate <= 1000 else None
        return capture

    def failed_sentence(self) -> str:
        return tr("The stream {address} cannot be reached.", address=self._address)

    def lost_sentence(self) -> str:
        return tr("The stream {address} ended; trying again.", address=self._address)

    def stalled_sentence(self) -> str:
        return tr("The stream {address} stalled; trying again.", address=self._address)
