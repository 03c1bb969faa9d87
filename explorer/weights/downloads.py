"""Downloads of weights under way, and what is said about them. No Qt."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, assert_never

from cvcore import zoo
from cvcore.download import DownloadError, Progress, Stop, Stopped, Timing
from explorer.i18n import tr

log = logging.getLogger(__name__)
CLOSE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Job:
    """One download as it stands.

    Args:
        speed: bytes a second since it began; 0 before there is any.
        error: why it failed.
    """

    state: Literal["running", "stopped", "failed", "done"] = "running"
    progress: Progress | None = None
    speed: float = 0.0
    error: Exception | None = None


class Downloads:
    """Each in a thread of its own; the window may close meanwhile.

    Args:
        on_finished: called without data, from the thread of a download that has ended, however it did.
        timing: how patient to be.
    """

    def __init__(self, on_finished: Callable[[], None], timing: Timing | None = None) -> None:
        self._on_finished = on_finished
        self._timing = timing
        self._jobs: dict[str, Job] = {}
        self._stops: dict[str, Stop] = {}
        self._threads: list[threading.Thread] = []

    @property
    def jobs(self) -> Mapping[str, Job]:
        """By the card's name, running ones and those that ended. Frozen parts: may be read from any thread."""
        return dict(self._jobs)

    def start(self, card: zoo.Card, source: Path | None = None) -> None:
        """Begins to download, or to take the user's own file; does nothing where that is under way."""
        if (job := self._jobs.get(card.name)) is not None and job.state == "running":
            return
        self._jobs[card.name] = Job()
        self._stops[card.name] = Stop()
        thread = threading.Thread(target=self._run, args=(card, source), name=f"weights {card.name}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def cancel(self, name: str) -> None:
        """Stops a download; what came is kept."""
        if name in self._stops:
            self._stops[name].press()

    def forget(self, name: str) -> None:
        """No more word of a download that ended."""
        if name in self._jobs and self._jobs[name].state != "running":
            del self._jobs[name]

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Stops all of them and waits a little; what does not stop in time ends with the program."""
        for stop in self._stops.values():
            stop.press()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, card: zoo.Card, source: Path | None) -> None:
        began = time.perf_counter()
        first: list[int] = []

        def note(progress: Progress) -> None:
            speed = 0.0
            if progress.state == "downloading":
                first.append(progress.done) if not first else None
                speed = max(0.0, (progress.done - first[0]) / max(time.perf_counter() - began, 1e-3))
            self._jobs[card.name] = Job("running", progress, speed)

        try:
            if source is not None:
                zoo.bring(card, source)
            else:
                zoo.get(card, stop=self._stops[card.name], on_progress=note, timing=self._timing)
            ended = Job("done")
        except Stopped:
            ended = replace(self._jobs[card.name], state="stopped")
        except (DownloadError, zoo.WeightsError) as error:
            ended = Job("failed", error=error)
        except Exception as error:
            log.exception("getting the weights %s failed", card.name)
            ended = Job("failed", error=error)
        self._jobs[card.name] = ended
        self._on_finished()


def size_words(megabytes: float) -> str:
    """``45.6 MB``; empty where the size is not known."""
    if megabytes <= 0:
        return ""
    return f"{megabytes:.1f} MB" if megabytes < 100 else f"{megabytes:.0f} MB"


def state_words(card: zoo.Card, place: zoo.Place, job: Job | None) -> str:
    """How things stand, in few words."""
    if job is not None and job.state == "running":
        return running_words(job)
    if job is not None and job.state == "failed":
        return tr("failed")
    match place.state:
        case "built in":
            return tr("built in")
        case "there":
            return tr("ready")
        case "locked":
            return tr("ready once its terms are accepted")
        case "part":
            return tr("{size} there, to go on", size=size_words(place.bytes / 1e6))
        case "missing":
            return tr("to download") if card.addresses else tr("to bring")
        case _:
            assert_never(place.state)


def running_words(job: Job) -> str:
    """What a download does now."""
    now = job.progress
    if now is None:
        return tr("beginning")
    match now.state:
        case "connecting":
            return tr("connecting")
        case "checking":
            return tr("checking")
        case "locked":
            return tr("another program downloads it")
        case "waiting":
            return tr("tries again in {seconds:.0f} s", seconds=now.seconds)
        case "downloading":
            done, speed = now.done / 1e6, job.speed / 1e6
            if not now.total:
                return tr("{done:.1f} MB, {speed:.1f} MB/s", done=done, speed=speed)
            return tr("{done:.1f} of {total:.1f} MB, {speed:.1f} MB/s", done=done, total=now.total / 1e6, speed=speed)
        case _:
            assert_never(now.state)
