"""The log file, what happens with errors nobody caught, and the text that goes into a bug report."""

import logging
import logging.handlers
import os
import platform
import sys
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

from explorer.files.stored import home

PACKAGES = ("cv-explorer", "torch", "PySide6-Essentials", "pyqtgraph", "opencv-python", "numpy", "numba")
log = logging.getLogger(__name__)


class _Sentence(logging.Formatter):
    """One line for the terminal; the traceback is in the log file."""

    def format(self, record: logging.LogRecord) -> str:
        return f"cv-explorer: {record.getMessage()}"


def log_file() -> Path:
    return home()[1] / "explorer.log"


def start_log(verbose: bool = False) -> None:
    """Sends the log to its file (three files of 1 MB at most), warnings to the terminal too, and uncaught errors to both."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO if verbose else logging.WARNING)
    terminal.setFormatter(_Sentence())
    root.addHandler(terminal)
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(log_file(), maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    except OSError as error:
        log.warning("there is no log file: %s", error)
    else:
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
        root.addHandler(file)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.error("uncaught: %s", error, exc_info=(kind, error, trace))


def describe(**facts: object) -> str:
    """What a bug report needs: versions, the machine, the facts given, and the end of the log."""
    lines = [f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    if (torch := sys.modules.get("torch")) is not None and hasattr(torch, "cuda"):
        lines.append(f"CUDA {torch.version.cuda or 'not in this build'}; threads {torch.get_num_threads()}")
        lines += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in facts.items()]
    try:
        tail = log_file().read_text("utf-8", errors="replace").splitlines()[-60:]
    except OSError:
        tail = []
    return "\n".join([*lines, "", "log:", *tail])
