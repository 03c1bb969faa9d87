"""The whole download: tries, waits, other addresses, the check at the end. One at a time for a file, over all processes."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from cvcore.download.errors import DownloadError, Refused, Stopped, Temporary, WrongFile
from cvcore.download.http import PastTheEnd, Reply, ask
from cvcore.download.part import Origin, Part, cannot_write
from cvcore.download.stop import Stop

LARGEST = 8 << 30
"""Bytes after which a server that does not say how long its file is is believed no more."""
WORTH = 1 << 16
"""So many new bytes make a try a success, after which the count of failures begins anew."""
LOCK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Args:
        done: bytes that are there.
        total: of the whole file; None as long as nobody knows.
        state: ``waiting`` is for the next try, ``locked`` for another program that downloads the same file.
        seconds: until the next try.
        why: what went wrong with the last one.
    """

    done: int
    total: int | None
    state: Literal["connecting", "downloading", "waiting", "locked", "checking"]
    seconds: float = 0.0
    why: DownloadError | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient to be.

    Args:
        silence: seconds without a byte, or without a connection.
        retries: in a row at one address without getting further.
        first_wait: seconds before the first retry; each further wait is twice as long, at most ``longest_wait``. Up to
            a quarter is added by chance, so that many programs do not come back at one moment.
        wait: waits so many seconds and says whether to stop; None waits on the stop switch.
    """

    silence: float = 20.0
    retries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    wait: Callable[[float], bool] | None = None


def fetch(
    addresses: Sequence[str],
    target: Path,
    *,
    size: int | None = None,
    sha256: str = "",
    check: Callable[[Path], None] | None = None,
    replace_old: bool = False,
    stop: Stop | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    timing: Timing | None = None,
) -> str:
    """Downloads a file, going on where an earlier download ended.

    Args:
        addresses: tried in this order.
        target: where the file appears, whole and checked or not at all. A file there already is left (if it has the
            SHA-256, or none is known), unless ``replace_old``.
        size, sha256: of the right file, where known.
        check: looks at the file before it is put in place, and raises WrongFile if it cannot be right.
        on_progress: called often, in this thread.

    Returns:
        The SHA-256 of the file, hexadecimal.

    Raises:
        Stopped: the switch was pressed.
        DownloadError: no address gave the right file; the sentence is about the last one.
    """
    fetching = _Fetching(addresses, target, size, sha256, check, stop or Stop(), on_progress, timing or Timing())
    return fetching.run(replace_old)


class _Fetching:
    def __init__(
        self,
        addresses: Sequence[str],
        target: Path,
        size: int | None,
        sha256: str,
        check: Callable[[Path], None] | None,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        timing: Timing,
    ) -> None:
        self.addresses = addresses
        self.target = target
        self.size = size
        self.sha256 = sha256
        self.check = check
        self.stop = stop
        self.say = on_progress
        self.timing = timing

    def run(self, replace_old: bool) -> str:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.target, error) from error
        with self._locked(), Part(self.target) as part:
            if self.target.is_file() and not replace_old:
                found = file_sha256(self.target)
                if not self.sha256 or found == self.sha256:
                    return found
            last: DownloadError = Refused("There is no address to get {name} from.", name=self.target.name)
            for address in self.addresses:
                try:
                    return self._from(address, part)
                except (Temporary, Refused, WrongFile) as error:
                    last = error
            raise last

    def _from(self, address: str, part: Part) -> str:
        """Tries one address until it gives the file or there is no hope."""
        failures = wrong = 0
        furthest = part.size
        while True:
            self._look_at_switch()
            try:
                if not self._whole(part):
                    self._get(address, part)
                return self._accept(part)
            except WrongFile as error:
                part.drop()
                wrong += 1
                if wrong > 1:
                    raise
                failure: DownloadError = error
            except Temporary as error:
                failure = error
            self._look_at_switch()
            if part.size >= furthest + WORTH:
                failures, furthest = 0, part.size
            failures += 1
            if failures > self.timing.retries:
                raise failure
            self._wait(failures, failure, part)

    def _wait(self, failures: int, failure: DownloadError, part: Part) -> None:
        seconds = self.timing.first_wait * 2 ** (failures - 1) * (1 + random.random() / 4)
        if isinstance(failure, Temporary):
            seconds = max(seconds, failure.after)
        seconds = min(seconds, self.timing.longest_wait)
        self.say(Progress(part.size, self._total(part), "waiting", seconds, failure))
        if (self.timing.wait or self.stop.wait)(seconds):
            raise Stopped

    def _look_at_switch(self) -> None:
        if self.stop.pressed:
            raise Stopped

    def _total(self, part: Part) -> int | None:
        return self.size or part.origin.total

    def _whole(self, part: Part) -> bool:
        """A part can be whole without having been accepted when the program was killed just then."""
        return part.size > 0 and part.size == self._total(part)

    def _get(self, address: str, part: Part) -> None:
        """Gets the rest of the file, or all of it."""
        known = part.origin
        # Without something that tells whether the file is still the same, only its checksum could: it has to be known.
        if part.size and not (known.address == address and known.validator) and not self.sha256:
            part.drop()
        validator = known.validator if known.address == address else ""
        self.say(Progress(part.size, self._total(part), "connecting"))
        try:
            with ask(address, self.stop, self.timing.silence, start=part.size, validator=validator) as reply:
                self._take(reply, address, validator, part)
        except PastTheEnd:
            part.drop()
            raise
        finally:
            part.close()

    def _take(self, reply: Reply, address: str, validator: str, part: Part) -> None:
        if self.size is not None and reply.total is not None and reply.total != self.size:
            raise Refused(
                "The file at {address} has {found} bytes, and not {size}.",
                address=address,
                found=reply.total,
                size=self.size,
            )
        origin = Origin(address, reply.validator, reply.total)
        if reply.start:
            before = part.origin
            other = before.address == address and before.validator and reply.validator not in ("", before.validator)
            if other or before.total not in (None, reply.total):
                part.drop()
                raise Temporary("The file at {address} has just been changed.", address=address)
            part.go_on(replace(origin, validator=reply.validator or validator))
        else:
            part.begin(origin)
        limit = self.size or reply.total or LARGEST
        self.say(Progress(part.size, self._total(part), "downloading"))
        for piece in reply.pieces():
            if part.size + len(piece) > limit:
                raise WrongFile("The file at {address} is longer than it should be.", address=address)
            part.add(piece)
            self.say(Progress(part.size, self._total(part), "downloading"))
            self._look_at_switch()
        if part.size < (self._total(part) or 0) or not part.size:
            raise Temporary("The file at {address} broke off before its end.", address=address)

    def _accept(self, part: Part) -> str:
        self.say(Progress(part.size, part.size, "checking"))
        found = part.sha256()
        if self.sha256 and found != self.sha256:
            raise WrongFile(
                "The file at {address} is not the right one (its checksum is another); it was thrown away.",
                address=part.origin.address,
            )
        if self.check is not None:
            self.check(part.path)
        self._look_at_switch()
        part.finish()
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.target.with_name(f".{self.target.name}.lock"))
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                self.say(Progress(0, self.size, "locked"))
                if self.stop.wait(LOCK_SECONDS):
                    raise Stopped from None
            except OSError as error:
                raise cannot_write(self.target, error) from error
        try:
            yield
        finally:
            lock.release()


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DownloadError(
            "The file {path} cannot be read: {why}.", path=path, why=error.strerror or str(error)
        ) from error
