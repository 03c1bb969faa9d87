"""``cv-explorer weights``: lists, gets and checks weights without a window."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, assert_never

from cvcore import zoo
from cvcore.download import DownloadError, Progress, Stop, Stopped, Timing
from explorer.i18n import LANGUAGES, said, set_language, tr
from explorer.weights.downloads import size_words, state_words

STOPPED = 130


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cv-explorer weights",
        description="Lists the weights that the program knows, downloads those that are not built in, and checks them.",
        epilog="Downloaded weights are kept in the user's data folder (under CV_EXPLORER_HOME where that is set). "
        "CV_EXPLORER_WEIGHTS names a folder of checkpoints that are there already, under their own names.",
    )
    parser.add_argument("--language", choices=tuple(LANGUAGES), default="en", help="of the words")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every set of weights: size, state, licence")
    get = commands.add_parser("get", help="download weights, going on where an earlier download ended")
    get.add_argument("names", nargs="+", metavar="NAME", help="as the list has it")
    get.add_argument("--file", type=Path, help="take this file instead of downloading it")
    get.add_argument("--again", action="store_true", help="download anew, and forget the checksum of the first use")
    get.add_argument(
        "--accept-licence", action="store_true", help="accept the terms of these weights without being asked"
    )
    get.add_argument("--quiet", action="store_true", help="no progress bar")
    check = commands.add_parser("check", help="whether the weights that are there are whole, unchanged and fit")
    check.add_argument("names", nargs="*", metavar="NAME", help="all that are there, if none is named")
    return parser


def main(arguments: Sequence[str], timing: Timing | None = None) -> int:
    """Runs the command; 0 when all went well, 1 when some weights are not, 2 when it cannot be carried out, 130 when stopped."""
    wanted = make_parser().parse_args(arguments)
    set_language(wanted.language)
    try:
        if wanted.command == "list":
            return list_all()
        if wanted.command == "check":
            return check(wanted.names)
        return get_all(wanted, timing)
    except (zoo.WeightsError, DownloadError) as error:
        print(f"cv-explorer weights: {said(error)}", file=sys.stderr)
        return STOPPED if isinstance(error, Stopped) else 2
    except KeyboardInterrupt:
        return STOPPED


def list_all() -> int:
    rows = [
        (card.name, size_words(card.megabytes) or "?", state_words(card, zoo.place(card), None), tr(card.licence))
        for card in zoo.cards().values()
    ]
    rows.insert(0, (tr("Name"), tr("Size"), tr("State"), tr("Licence")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]]))
    print(tr("Downloaded weights are kept in {folder}.", folder=zoo.folder()), file=sys.stderr)
    return 0


def check(names: Sequence[str]) -> int:
    """Reads, compares the checksum and fills the network."""
    cards = [zoo.card(name) for name in names] or [card for card in zoo.cards().values() if zoo.find(card) is not None]
    wrong = 0
    for card in cards:
        try:
            zoo.load(card.name)
            print(f"{card.name}: {tr('good')}")
        except zoo.WeightsError as error:
            wrong += 1
            print(f"{card.name}: {said(error)}")
    return 1 if wrong else 0


def get_all(wanted: argparse.Namespace, timing: Timing | None) -> int:
    if wanted.file is not None and len(wanted.names) > 1:
        print(tr("--file is for one set of weights."), file=sys.stderr)
        return 2
    for card in [zoo.card(name) for name in wanted.names]:
        if zoo.needs_acceptance(card) and not agreed(card, wanted.accept_licence):
            print(tr("The terms were not accepted; nothing was downloaded."), file=sys.stderr)
            return 2
        if wanted.file is not None:
            path = zoo.bring(card, wanted.file)
        else:
            with Bar(card, quiet=wanted.quiet) as bar, Interrupted() as stop:
                path = zoo.get(card, again=wanted.again, stop=stop, on_progress=bar.show, timing=timing)
        print(f"{card.name}: {path}")
    return 0


def agreed(card: zoo.Card, without_asking: bool) -> bool:
    """Shows the terms and asks; remembers a yes."""
    print(f"{tr(card.title)}\n{tr(card.terms)}", file=sys.stderr)
    if not without_asking:
        if not sys.stdin.isatty():
            print(tr("Accept them with --accept-licence."), file=sys.stderr)
            return False
        print(tr("Do you accept these terms? Type yes:"), file=sys.stderr, end=" ", flush=True)
        if sys.stdin.readline().strip().lower() not in ("yes", "y", "是"):
            return False
    zoo.accept(card)
    return True


class Interrupted:
    """While it lasts, Ctrl+C and a polite end stop the download, which leaves a part to go on from."""

    def __enter__(self) -> Stop:
        self._stop = Stop()
        self._before: list[tuple[int, Any]] = []
        for which in (signal.SIGINT, signal.SIGTERM):
            self._before.append((which, signal.signal(which, self._press)))
        return self._stop

    def __exit__(self, *_: object) -> None:
        for which, handler in self._before:
            signal.signal(which, handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._stop.press()


class Bar:
    """A progress bar in the terminal."""

    def __init__(self, card: zoo.Card, *, quiet: bool) -> None:
        from tqdm import tqdm

        make: Callable[..., Any] = tqdm
        self._bar = make(unit="B", unit_scale=True, disable=quiet, desc=card.name, total=card.bytes or None)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        if self._bar.disable:
            return
        if progress.total and self._bar.total != progress.total:
            self._bar.total = progress.total
        match progress.state:
            case "downloading":
                if progress.done < self._bar.n or (self._bar.n == 0 and progress.done):
                    # Gone on from a part, or begun anew: that is no speed.
                    self._bar.n = self._bar.initial = self._bar.last_print_n = progress.done
                    self._bar.refresh()
                self._bar.update(progress.done - self._bar.n)
            case "waiting":
                again = tr("tries again in {seconds:.0f} s", seconds=progress.seconds)
                if progress.why is not None:
                    self._bar.write(f"{said(progress.why)} ({again})", file=sys.stderr)
            case "locked":
                self._bar.set_postfix_str(tr("another program downloads it"))
            case "connecting" | "checking":
                pass
            case _:
                assert_never(progress.state)
