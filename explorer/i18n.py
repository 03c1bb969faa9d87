"""Words in the user's language: .po files as gettext's tools know them, and a Markdown file for each panel's explanation.

The English sentence is the key. ``assets/translations/LANGUAGE/LC_MESSAGES`` holds ``shell.po`` for the program and one file for each
panel; ``tr`` finds a word in whichever it is. They are read as they are, so that nothing compiled can be stale
(docs/adr/0009-words.md). ``python -m tools.words`` keeps them.

No Qt here: panels, sources and the headless export speak through ``tr`` as well.
"""

import math
import re
import threading
import unicodedata
from functools import cache
from gettext import c2py
from pathlib import Path
from typing import Any

from cvcore.assets import asset

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
SHELL = "shell"
"""The domain of the words that belong to no panel alone."""

_ENTRY = re.compile(r'\nmsgid "(.*)"\nmsgstr "(.+)"')
_PLURAL = re.compile(r'\nmsgid "(.*)"\nmsgid_plural ".*"\n((?:msgstr\[\d+\] ".+"\n?)+)')
_FORM = re.compile(r'msgstr\[\d+\] "(.*)"')
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Catalogue:
    """The words of one language. A panel's file is read when a word is asked for that those before do not have.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """

    def __init__(self, language: str) -> None:
        self._words: dict[str, str] = {}
        self._plurals: dict[str, list[str]] = {}
        files = sorted(catalogue_files(language), key=lambda path: path.stem == SHELL)
        header = self._read(files.pop())
        rule = re.search(r"plural=([^;]+)", header)
        self._rule = c2py(rule[1] if rule else "n != 1")
        self._unread = files
        self._reading = threading.Lock()

    def gettext(self, text: str) -> str:
        """The translation, or the text itself where there is none."""
        if text not in self._words:
            self._read_until(self._words, text)
        return self._words.get(text, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The translation that the language has for this number of things."""
        if one not in self._plurals:
            self._read_until(self._plurals, one)
        forms = self._plurals.get(one)
        return forms[self._rule(n)] if forms is not None else one if n == 1 else many

    def _read_until(self, known: dict[str, Any], text: str) -> None:
        if self._unread:
            with self._reading:  # a second thread waits, or it would take the file being read for one without the word
                while self._unread and text not in known:
                    self._read(self._unread[-1])
                    self._unread.pop()

    def _read(self, path: Path) -> str:
        """Adds a file's words; what is empty stays English. Returns its header."""
        text = path.read_text("utf-8").replace('"\n"', "")  # a long text may go on in the next lines
        words = {_plain(key): _plain(said) for key, said in _ENTRY.findall("\n" + text)}
        header = words.pop("", "")
        self._words |= words
        self._plurals |= {
            _plain(key): [_plain(f) for f in _FORM.findall(forms)] for key, forms in _PLURAL.findall(text)
        }
        return header


def catalogue_files(language: str) -> list[Path]:
    """The .po files of a language."""
    return sorted(asset("translations", language, "LC_MESSAGES").glob("*.po"))


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), text) if "\\" in text else text


_catalogue: Catalogue | None = None
_language = "en"


def set_language(language: str) -> None:
    """Switches every later ``tr``.

    Raises:
        ValueError: not one of LANGUAGES.
    """
    global _catalogue, _language
    if language not in LANGUAGES:
        raise ValueError(f"unknown language {language!r}; there are {', '.join(LANGUAGES)}")
    _catalogue = None if language == "en" else Catalogue(language)
    _language = language


def language() -> str:
    return _language


def tr(text: str, /, **values: Any) -> str:
    """``text`` in the language chosen, its ``{names}`` filled from values."""
    catalogue = _catalogue
    said = text if catalogue is None else catalogue.gettext(text)
    return said.format(**values) if values else said


def translated(text: str, language: str) -> str:
    """``text`` in one of LANGUAGES, whichever is chosen."""
    if language == "en" or not text:
        return text
    return (_catalogue if language == _language and _catalogue is not None else _other_catalogue(language)).gettext(
        text
    )


@cache
def _other_catalogue(language: str) -> Catalogue:
    return Catalogue(language)


def tr_n(one: str, many: str, n: int, /, **values: Any) -> str:
    """``tr`` for a number of things: ``tr_n("{n} box", "{n} boxes", len(boxes))``. ``{n}`` is filled in as well."""
    catalogue = _catalogue
    said = (one if n == 1 else many) if catalogue is None else catalogue.ngettext(one, many, n)
    return said.format(n=n, **values)


def said(error: BaseException) -> str:
    """What an exception says, in the language chosen where it keeps its sentences as templates (cvcore's do)."""
    if sentences := getattr(error, "sentences", None):
        return " ".join(tr(text, **values) if values else tr(text) for text, values in sentences)
    return str(error).strip() or type(error).__name__


# -- numbers as people everywhere type them

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−\ufe63－‐‑–", "-"),
        **dict.fromkeys("\ufe62＋", "+"),
        **dict.fromkeys(",，\ufe50\u066b．。", "."),
        **dict.fromkeys("\u200e\u200f\u061c\u202a\u202c", ""),  # they turn the direction of writing and are not seen
    }
)
_BREAKS = str.maketrans("，\ufe50；\ufe54、\u061b\u060c\u3000", ",,;;;;; ")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def typed_number(text: str) -> float:
    """``0.25`` and ``0,25`` are a quarter, in the digits of any script. There is nothing between thousands.

    Raises:
        ValueError: it is no number, not a finite one, or has two signs that may be the decimal one.
    """
    plain = _plain_digits(text)
    value = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value


def typed_whole(text: str) -> int:
    """A whole number, in the digits of any script.

    Raises:
        ValueError: it is none, or has a decimal sign, which may be meant to stand between thousands.
    """
    plain = _plain_digits(text)
    if not _WHOLE.fullmatch(plain):
        raise ValueError(f"{text!r} is no whole number")
    return int(plain)


def typed_numbers(text: str) -> list[float]:
    """Several numbers: ``0.5, 0.4``, ``0,5; 0,4``, ``0,5 0,4``, ``0.5,0.4`` or ``1,2,3``. ``0,5`` alone is a half.

    Between numbers stands a semicolon, a space, or a comma. A comma with nothing but digits around it is the decimal sign where
    points cannot be: among numbers that are set apart otherwise, and where there is only one.

    Raises:
        ValueError: there is none, or one of them is no number.
    """
    parts = [part for part in re.split(r"\s*;\s*|,?\s+", text.translate(_BREAKS).strip()) if part]
    if len(parts) == 1 and (parts[0].count(",") > 1 or "." in parts[0]):
        parts = parts[0].split(",")
    if not parts:
        raise ValueError("there is no number")
    return [typed_number(part) for part in parts]


def _plain_digits(text: str) -> str:
    """ASCII digits, ``-`` and ``.``."""
    digits = (str(unicodedata.decimal(letter, letter)) for letter in text.translate(_SIGNS).strip())
    return "".join(digits)


def explanation(name: str, folder: Path | None = None, language: str = "") -> str:
    """An explanation's Markdown with its ``{names}`` still to be filled; empty where there is no such file.

    Args:
        name: of the file, such as ``roi.md``. It lies in a folder named like the language, in ``assets/explanations``.
        folder: where else such folders are, for a panel of an installed package.
        language: one of LANGUAGES instead of the one chosen. What it lacks is given in English.
    """
    return _explanation(name, folder, language or _language)


@cache
def _explanation(name: str, folder: Path | None, language: str) -> str:
    for place in (asset("explanations"), folder):
        for spoken in (language, "en"):
            if place is not None and (path := place / spoken / name).is_file():
                return path.read_text("utf-8")
    return ""
