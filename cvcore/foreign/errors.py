"""What is said when a network of the user's cannot be had."""

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cvcore.sentence import SentenceError


class ModelError(SentenceError):
    """A network cannot be loaded or run.

    Args:
        text: an English sentence, with ``{names}`` where values go.
        more: sentences that follow.
        values: what fills the names.
    """

    def __init__(self, text: str, /, *more: "ModelError", **values: Any) -> None:
        super().__init__(text, **values)
        self._more = more
        self.args = (" ".join((str(self), *(str(one) for one in more))),)

    @property
    def sentences(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        return (*super().sentences, *(part for one in self._more for part in one.sentences))


def error_in(error: BaseException, places: Iterable[Path]) -> ModelError | None:
    """What went wrong as ``FILE, line N: MESSAGE``, for the innermost line in one of these files and folders.

    Returns:
        None if no line of theirs took part.
    """
    found = None
    roots = [place.resolve() for place in places]
    for step in traceback.extract_tb(error.__traceback__):
        if step.filename.startswith("<"):
            continue
        path = Path(step.filename).resolve()
        if any(path == root or root in path.parents for root in roots):
            found = (path, step.lineno)
    if isinstance(error, SyntaxError) and error.filename:
        path = Path(error.filename).resolve()
        if any(path == root or root in path.parents for root in roots):
            found = (path, error.lineno)
    if found is None:
        return None
    return ModelError("{file}, line {line}: {what}", file=found[0].name, line=found[1] or 0, what=short(error))


def short(error: BaseException) -> str:
    """The first line of what an exception says, with its kind where that alone would not be understood."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    kind = type(error).__name__
    line = line if len(line) <= 300 else line[:299] + "…"
    return f"{kind}: {line}" if line else kind
