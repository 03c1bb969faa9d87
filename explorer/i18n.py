"""Words in the user's language. The English sentence is the key; ``assets/translations/LANGUAGE.json`` maps it.

No Qt here: panels, sources and the headless export speak through ``tr`` as well.
"""

import json
from typing import Any

from cvcore.assets import asset

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}

_table: dict[str, str] = {}
_language = "en"


def set_language(language: str) -> None:
    """Switches every later ``tr``.

    Raises:
        ValueError: not one of LANGUAGES.
    """
    global _table, _language
    if language not in LANGUAGES:
        raise ValueError(f"unknown language {language!r}; there are {', '.join(LANGUAGES)}")
    _table = {} if language == "en" else json.loads(asset("translations", f"{language}.json").read_text("utf-8"))
    _language = language


def language() -> str:
    return _language


def tr(text: str, /, **values: Any) -> str:
    """``text`` in the language chosen, its ``{names}`` filled from values."""
    said = _table.get(text, text)
    return said.format(**values) if values else said


def said(error: BaseException) -> str:
    """What an exception says, in the language chosen where it keeps its sentences as templates (cvcore's do)."""
    if sentences := getattr(error, "sentences", None):
        return " ".join(tr(text, **values) if values else tr(text) for text, values in sentences)
    return str(error).strip() or type(error).__name__
