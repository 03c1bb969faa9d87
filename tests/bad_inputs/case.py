"""What a bad input is: how it is made, what is wrong with it, and the sentence that the program says."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "picture", "video", "folder", "stream", "bundle", "network", "weights", "downloaded weights", "settings", "record"
]
ANY = "…"
"""In an expected sentence: whatever stands there, such as a port or a version."""


@dataclass(slots=True)
class Scene:
    """Where a bad input is made.

    Args:
        path: where the file belongs; its folder is empty.
        home: the program's folder of settings.
        trap: a file that code in an input would make: it must not appear.
        open_until_end: what must stay open, such as a server.
    """

    path: Path
    home: Path
    trap: Path
    open_until_end: ExitStack = field(default_factory=ExitStack)


Make = Callable[[Scene], Any]
"""Makes the input; returns what is opened where that is not the path."""


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input.

    Args:
        file: its name.
        wrong: what is wrong with it, for the table.
        says: the whole sentence that the user sees, in English; ``…`` stands for anything.
        make: writes it.
    """

    kind: Kind
    file: str
    wrong: str
    says: str
    make: Make

    @property
    def id(self) -> str:
        return f"{self.kind} {self.file}: {self.wrong}"

    def is_said(self, sentence: str) -> bool:
        pattern = ".+".join(re.escape(part) for part in self.says.split(ANY))
        return re.fullmatch(pattern, sentence) is not None


class Trap:
    """Unpickling it makes the file ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.open, (str(self.path), os.O_CREAT | os.O_WRONLY)


def data(content: bytes) -> Make:
    """A file with this content."""
    return lambda scene: scene.path.write_bytes(content) and None


def made(content: Callable[[], bytes]) -> Make:
    """A file whose content is made when it is needed."""
    return lambda scene: scene.path.write_bytes(content()) and None


def part(content: Callable[[], bytes], share: float) -> Make:
    """A file cut short."""

    def make(scene: Scene) -> None:
        whole = content()
        scene.path.write_bytes(whole[: int(len(whole) * share)])

    return make
