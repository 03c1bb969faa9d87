"""What names a source in one line: a path, ``camera:0``, an address, ``moving:photo.jpg?fps=60``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

from explorer.i18n import tr, typed_number
from explorer.sources.base import SourceError


def parse_size(text: str) -> tuple[int, int]:
    """``1280x720`` -> (1280, 720)."""
    width, height = text.lower().replace("×", "x").split("x")
    return int(width), int(height)


def parse_flag(text: str) -> bool:
    """``1``, ``true``, ``yes``, ``on`` or the opposite."""
    if text.lower() not in ("0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ValueError(text)
    return text.lower() in ("1", "true", "yes", "on")


Scheme = Literal["camera", "moving"]

OPTIONS: dict[Scheme, dict[str, Callable[[str], Any]]] = {
    "camera": {"size": parse_size, "fps": typed_number, "mirror": parse_flag, "rotate": int},
    "moving": {"size": parse_size, "fps": typed_number},
}


def split_spec(spec: str) -> tuple[Scheme | None, str, dict[str, Any]]:
    """``camera:0?fps=15`` -> ("camera", "0", {"fps": 15.0}); anything else -> (None, spec, {}).

    A question mark belongs to the name unless all behind it reads as options.

    Raises:
        SourceError: an option's value cannot be understood.
    """
    begin, colon, rest = spec.partition(":")
    kind = next((known for known in OPTIONS if known == begin), None)
    if not colon or kind is None:
        return None, spec, {}
    name, mark, query = rest.rpartition("?")
    known = OPTIONS[kind]
    pairs = parse_qsl(query, keep_blank_values=True) if mark else []
    if not pairs or not all(key in known for key, _ in pairs) or (kind == "moving" and Path(rest).exists()):
        return kind, rest, {}
    options: dict[str, Any] = {}
    for key, value in pairs:
        try:
            options[key] = known[key](value)
        except ValueError:
            raise SourceError(tr("{value} is not understood as {option}.", value=value or "?", option=key)) from None
    return kind, name, options
