"""A Matroska file of JPEG pictures that can be played at any moment, however its writer ends (RFC 9559, over EBML, RFC 8794).

Each frame is a cluster of its own, handed to the system in one piece: a program that is killed loses the frame it was writing and
no other. Every frame carries its own time, so that frames that were dropped leave no trace in the pace. What
:meth:`MatroskaWriter.close` adds (the duration, the table for seeking) is a convenience that players do without.

Neither OpenCV's writer nor PyAV would do: see docs/adr/0006-recording-and-bundles.md.
"""

import os
import struct
from pathlib import Path

EBML, SEGMENT, INFO, TRACKS, CLUSTER, CUES = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B
SEEK_HEAD, SEEK, SEEK_ID, SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
VOID, DURATION, TIMESTAMP, SIMPLE_BLOCK = 0xEC, 0x4489, 0xE7, 0xA3
CUE_POINT, CUE_TIME, CUE_POSITIONS, CUE_TRACK, CUE_CLUSTER = 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
UNKNOWN = b"\x01" + b"\xff" * 7
"""The size of a segment that is still being written."""
HEAD_ROOM = 64
KEY_FRAME = 0x80
NOMINAL_RATE = 30
"""Frames a second as the file states them; each frame's own time is what counts."""
CUE_EVERY = 500
"""Milliseconds from one entry of the table for seeking to the next, at least."""


class MatroskaWriter:
    """Writes one video track of JPEG pictures; not buffered.

    Args:
        path: must not exist yet.
        size: width and height in pixels.
        application: the name of the program.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], application: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        self._last = -1
        self._cues: list[tuple[int, int]] = []
        self.frames = 0
        self.bytes = 0
        head = element(
            EBML,
            *(number(0x4286, 1), number(0x42F7, 1), number(0x42F2, 4), number(0x42F3, 8)),
            *(text(0x4282, "matroska"), number(0x4287, 4), number(0x4285, 2)),
        )
        self._segment = len(head) + 4 + len(UNKNOWN)
        info = element(
            INFO,
            number(0x2AD7B1, 1_000_000),  # time stamps count milliseconds
            text(0x4D80, application),
            text(0x5741, application),
            _void(3 + 8),  # where the duration goes
        )
        width, height = size
        video = element(0xE0, number(0x9A, 2), number(0xB0, width), number(0xBA, height))
        track = element(
            0xAE,
            *(number(0xD7, 1), number(0x73C5, 1), number(0x83, 1), number(0x9C, 0)),
            *(number(0x23E383, 1_000_000_000 // NOMINAL_RATE), text(0x86, "V_MJPEG"), video),
        )
        self._head_room = self._segment
        self._duration = self._segment + HEAD_ROOM + len(info) - 11
        try:
            self._append(head + SEGMENT.to_bytes(4, "big") + UNKNOWN + _void(HEAD_ROOM) + info + element(TRACKS, track))
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    def write(self, jpeg: bytes, milliseconds: int) -> int:
        """Adds a frame; returns the time it got, which is later than the one before.

        Raises:
            OSError: it cannot be written, for a full disk say; the file then ends with the frame before.
        """
        time = max(milliseconds, self._last + 1)
        block = element(SIMPLE_BLOCK, b"\x81" + struct.pack(">hB", 0, KEY_FRAME), jpeg)
        position = self.bytes - self._segment
        self._append(element(CLUSTER, number(TIMESTAMP, time), block))
        if not self._cues or time - self._cues[-1][0] >= CUE_EVERY:
            self._cues.append((time, position))
        self._last = time
        self.frames += 1
        return time

    def close(self) -> None:
        """Adds what makes seeking quick, as far as there is room for it."""
        try:
            self._finish()
        except OSError:
            pass  # the frames are all there
        finally:
            os.close(self._file)

    def _finish(self) -> None:
        if self.frames:
            position = self.bytes - self._segment
            points = [
                element(
                    CUE_POINT,
                    number(CUE_TIME, time),
                    element(CUE_POSITIONS, number(CUE_TRACK, 1), number(CUE_CLUSTER, at)),
                )
                for time, at in self._cues
            ]
            self._append(element(CUES, *points))
            seek = element(
                SEEK_HEAD, element(SEEK, element(SEEK_ID, CUES.to_bytes(4, "big")), number(SEEK_POSITION, position))
            )
            self._patch(self._head_room, seek + _void(HEAD_ROOM - len(seek)))
            self._patch(self._duration, element(DURATION, struct.pack(">d", self._last + 1000 / NOMINAL_RATE)))
        self._patch(self._segment - 8, b"\x01" + (self.bytes - self._segment).to_bytes(7, "big"))
        os.fsync(self._file)

    def _append(self, data: bytes) -> None:
        """Writes at the end, all or nothing."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self.bytes)
            os.lseek(self._file, self.bytes, os.SEEK_SET)
            raise
        self.bytes += len(data)

    def _patch(self, place: int, data: bytes) -> None:
        os.lseek(self._file, place, os.SEEK_SET)
        os.write(self._file, data)


def element(identifier: int, *parts: bytes) -> bytes:
    """An EBML element: identifier, size, contents."""
    content = b"".join(parts)
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + size_of(len(content)) + content


def size_of(length: int) -> bytes:
    """An EBML size of as few bytes as hold it (RFC 8794, section 4)."""
    width = next(width for width in range(1, 9) if length < (1 << 7 * width) - 1)
    return (length | 1 << 7 * width).to_bytes(width, "big")


def number(identifier: int, value: int) -> bytes:
    return element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def text(identifier: int, words: str) -> bytes:
    return element(identifier, words.encode("utf-8"))


def _void(length: int) -> bytes:
    """Room of so many bytes in all, from 2 to 128, to be written over later."""
    return bytes((VOID, 0x80 | (length - 2))) + bytes(length - 2)
