"""What the player is doing, as a whole: :class:`PlayerState`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer.panel import Frame
from explorer.sources.base import Kind


@dataclass(frozen=True, slots=True, eq=False)
class PlayerState:
    """What is shown and how it goes on, at one moment.

    Args:
        title: the source's name as a person reads it.
        kind: of the source; None before the first one is open.
        spec, options: what it was opened with (an address in ``spec`` may hold a password: ``public_spec`` shows it).
        playing: frames follow one another. Pictures and folders never do.
        frozen: the frame shown stays, whatever the source does.
        index: of the frame shown, from 0.
        length: frames or pictures in all, None where that is unknown or without end.
        fps: frames a second shown over the last two seconds, 0 while they stand.
        nominal_fps: as the source states it, or None.
        speed: of videos and moving pictures, 1 is normal.
        loop: videos start again at the end.
        size: width and height of the frame shown.
        can_seek: ``seek`` works (videos, folders).
        live: frames come at their own pace (cameras, streams, moving pictures); steps then walk the last frames.
        history: how many of the last frames are kept, at most 64 and 400 MB.
        history_index: where the frame shown is among them, 0 the oldest; -1 without any.
        message: one sentence, or empty: what is wrong, or a note on the frame.
        error: the message says what is wrong.
        opening: the name of what is being opened, or empty.
        frame: the frame shown.
        mirror, rotate: how a camera's or stream's pictures are turned.
    """

    title: str = ""
    kind: Kind | None = None
    spec: Any = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    playing: bool = False
    frozen: bool = False
    index: int = 0
    length: int | None = None
    fps: float = 0.0
    nominal_fps: float | None = None
    speed: float = 1.0
    loop: bool = True
    size: tuple[int, int] | None = None
    can_seek: bool = False
    live: bool = False
    history: int = 0
    history_index: int = -1
    message: str = ""
    error: bool = False
    opening: str = ""
    frame: Frame | None = field(default=None, repr=False)
    mirror: bool = False
    rotate: int = 0
