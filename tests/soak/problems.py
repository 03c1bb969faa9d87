"""Everything that should not happen during a soak: errors in the log, uncaught exceptions, Qt's and Python's warnings, connections."""

import logging
import re
import socket
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import polib
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from cvcore.sentence import SentenceError
from explorer.i18n import catalogue_files

QUIET = (
    "This plugin does not support propagateSizeHints",  # the offscreen platform says so of every call it does not have
    "This plugin does not support raise",
)


class Problems:
    """Collects them, each with how often it came; use as ``with Problems() as problems``.

    Args:
        doing: tells what the soak is doing, for the report.
    """

    def __init__(self, doing: Callable[[], str]) -> None:
        self.found: Counter[str] = Counter()
        self.expected: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self._doing = doing
        self._sentences = known_sentences()
        self._handler = _Handler(self)
        self._lock = threading.Lock()

    def add(self, what: str, detail: str = "") -> None:
        with self._lock:
            self.found[what] += 1
            if what not in self.first:
                self.first[what] = f"{self._doing()}\n{detail}".strip()
                print(f"PROBLEM: {what}\n{self.first[what]}", file=sys.stderr, flush=True)

    def said(self, sentence: str, where: str) -> None:
        """The program told the user about an error: a problem, unless it is a sentence that it has."""
        if self._sentences.fullmatch(sentence):
            self.expected[sentence] += 1
        else:
            self.add(f"{where} says: {sentence}")

    @property
    def count(self) -> int:
        return sum(self.found.values())

    def __enter__(self) -> "Problems":
        logging.getLogger().addHandler(self._handler)
        logging.captureWarnings(True)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("default")
        self._qt = qInstallMessageHandler(self._qt_says)
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        sys.excepthook = self._uncaught
        threading.excepthook = lambda args: self._uncaught(args.exc_type, args.exc_value, args.exc_traceback)
        sys.unraisablehook = lambda args: self.add(f"unraisable: {args.exc_value!r}", str(args.object))
        self._connect = socket.socket.connect
        socket.socket.connect = self._connecting()  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        logging.captureWarnings(False)
        self._warnings.__exit__(None, None, None)
        qInstallMessageHandler(self._qt)
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        socket.socket.connect = self._connect  # type: ignore[method-assign]

    def _uncaught(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        logging.getLogger("soak").error("uncaught: %r", error, exc_info=(kind, error or kind(), trace))

    def _qt_says(self, kind: QtMsgType, _: QMessageLogContext, message: str | None) -> None:
        message = message or ""
        if kind in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg) or message.startswith(QUIET):
            return
        self.add(f"Qt: {message}")

    def _connecting(self) -> Callable[[socket.socket, Any], None]:
        before, add = self._connect, self.add

        def connect(self: socket.socket, address: Any) -> None:
            if self.family != getattr(socket, "AF_UNIX", None):
                add(f"connected to {address}")
                raise OSError("a soak uses no network")
            before(self, address)

        return connect


class _Handler(logging.Handler):
    def __init__(self, problems: Problems) -> None:
        super().__init__(logging.WARNING)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno < logging.ERROR and record.name != "py.warnings":
            return
        if isinstance(error, SentenceError | ValueError) and record.name.startswith("explorer."):
            self._problems.said(str(error), record.getMessage())
            return
        text = logging.Formatter().format(record)
        self._problems.add(f"{record.levelname} {record.name}: {record.getMessage()}"[:300], text)


def known_sentences() -> re.Pattern[str]:
    """Matches every sentence the program has, in both languages, with anything in its {places}."""
    entries = [entry for path in catalogue_files("zh_CN") for entry in polib.pofile(str(path))]
    words = [
        one
        for entry in entries
        for one in (entry.msgid, entry.msgid_plural, entry.msgstr, *entry.msgstr_plural.values())
    ]
    sentences = [one for one in words if one.rstrip().endswith((".", "。"))]
    # A place may be empty of nothing, but not all there is: "{why}." would match any sentence.
    long = [one for one in sentences if len(re.sub(r"\{[^}]*\}", "", one)) > 4]
    return re.compile("|".join(re.sub(r"\\\{.*?\\\}", ".+?", re.escape(one)) for one in long), re.DOTALL)
