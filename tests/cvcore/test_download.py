"""Downloads from a server that misbehaves: whatever it does, the file is right or absent."""

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvcore.download import DownloadError, Progress, Stop, Stopped, Timing, fetch
from cvcore.download import part as part_module
from cvcore.download.errors import Refused, Temporary, WrongFile
from cvcore.download.http import _next
from tests import file_server as fs
from tests.file_server import FileServer


def made_file(seed: int, size: int = 300_000) -> bytes:
    """Bytes that end with their own checksum, so that a damaged file can be told from a whole one."""
    body = random.Random(seed).randbytes(size - 4)
    return body + zlib.crc32(body).to_bytes(4, "big")


def whole(path: Path) -> None:
    data = path.read_bytes()
    if len(data) < 5 or zlib.crc32(data[:-4]).to_bytes(4, "big") != data[-4:]:
        raise WrongFile("The file is damaged.")


DATA, OTHER = made_file(1), made_file(2)
SHA, OTHER_SHA = (hashlib.sha256(data).hexdigest() for data in (DATA, OTHER))


class Waits:
    """A clock that never waits."""

    def __init__(self, stop_at: int = 0) -> None:
        self.seconds: list[float] = []
        self.stop_at = stop_at

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return len(self.seconds) == self.stop_at


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(DATA) as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "file.pth"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def get(server: FileServer, target: Path, waits: Waits | None = None, **how: Any) -> str:
    how = {"sha256": SHA, "timing": Timing(silence=10, wait=waits or Waits()), **how}
    return fetch([server.address()], target, **how)


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if not path.name.endswith(".lock"))


def sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    said = str(error.value)
    assert said[0].isupper() or said.startswith(("127.0.0.1", "localhost"))
    assert said.endswith((".", "?"))
    assert "\n" not in said
    assert "{" not in said
    return said


def test_a_good_server(server: FileServer, target: Path) -> None:
    said: list[Progress] = []
    assert get(server, target, on_progress=said.append) == SHA
    assert target.read_bytes() == DATA
    assert left(target) == ["file.pth"]
    states = [one.state for one in said]
    assert states[0] == "connecting"
    assert states[-1] == "checking"
    done = [one.done for one in said if one.state == "downloading"]
    assert done == sorted(done)
    assert (done[0], done[-1], said[2].total) == (0, len(DATA), len(DATA))
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_a_file_that_is_there_is_not_asked_for_again(server: FileServer, target: Path) -> None:
    get(server, target)
    assert get(server, target) == SHA
    assert get(server, target, sha256="") == SHA
    assert len(server.requests) == 1
    server.data, server.etag = OTHER, '"two"'
    assert get(server, target, sha256="", replace_old=True) == OTHER_SHA
    assert target.read_bytes() == OTHER


def test_a_wrong_file_that_is_there_is_replaced(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"something else")
    assert get(server, target) == SHA
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("sha256", [SHA, ""])
def test_a_cut_download_goes_on_where_it_ended(server: FileServer, target: Path, sha256: str) -> None:
    server.script = [fs.cut(100_000), fs.cut(100_000)]
    waits = Waits()
    assert get(server, target, waits, sha256=sha256, check=whole) == SHA
    assert [request.start for request in server.requests] == [None, 100_000, 200_000]
    assert server.requests[1].headers["if-range"] == '"one"'
    assert len(waits.seconds) == 2


def test_a_stall_is_given_up_and_gone_on_from(server: FileServer, target: Path) -> None:
    server.script = [fs.stall(100_000), fs.silent]
    assert get(server, target, timing=Timing(silence=1.5, wait=Waits())) == SHA
    assert [request.start for request in server.requests] == [None, 100_000, 100_000]


def test_a_server_that_refuses_ranges(server: FileServer, target: Path) -> None:
    server.script = [fs.cut(100_000), fs.no_ranges]
    assert get(server, target) == SHA
    assert [request.start for request in server.requests] == [None, 100_000]


def test_without_a_validator_nothing_is_gone_on_from_unless_the_checksum_is_known(
    server: FileServer, target: Path
) -> None:
    for sha256, starts in ((SHA, [None, 100_000]), ("", [None, None])):
        server.requests.clear()
        server.script = [fs.cut(100_000, etag=""), fs.no_etag]
        assert get(server, target, sha256=sha256, check=whole) == SHA
        assert [request.start for request in server.requests] == starts
        assert "if-range" not in server.requests[1].headers
        target.unlink()


@pytest.mark.parametrize("etag", ['W/"weak"', "unquoted"])
def test_a_weak_etag_is_no_validator(server: FileServer, target: Path, etag: str) -> None:
    server.etag = etag
    server.script = [fs.cut(100_000)]
    assert get(server, target, sha256="", check=whole) == SHA
    assert [request.start for request in server.requests] == [None, None]


def test_a_date_is_a_validator_if_it_is_not_just_now(server: FileServer, target: Path) -> None:
    now = "Date: Sun, 22 Nov 2026 10:00:00 GMT"
    for changed, starts in (("21 Nov 2026 10:00:00", [None, 100_000]), ("22 Nov 2026 10:00:00", [None, None])):
        server.requests.clear()
        more = (now, f"Last-Modified: Sun, {changed} GMT")
        server.script = [fs.cut(100_000, etag="", more=more), fs.cut(10**9, etag="", honour=False, more=more)]
        assert get(server, target, sha256="", check=whole) == SHA
        assert [request.start for request in server.requests] == starts
        target.unlink()


@pytest.mark.parametrize("honour", [True, False])
def test_the_file_changes_between_two_ranges(server: FileServer, target: Path, honour: bool) -> None:
    server.script = [fs.cut(100_000), fs.changed(OTHER, '"two"', honour=honour)]
    assert get(server, target, sha256="", check=whole) == OTHER_SHA
    assert target.read_bytes() == OTHER


def test_a_change_in_secret_is_found_by_the_checksum(server: FileServer, target: Path) -> None:
    server.script = [fs.cut(100_000), fs.other_part_in_secret]
    assert get(server, target) == SHA
    assert [request.start for request in server.requests] == [None, 100_000, None]


def test_another_part_than_was_asked_for(server: FileServer, target: Path) -> None:
    server.script = [fs.cut(100_000), fs.other_part(7)]
    assert get(server, target) == SHA


@pytest.mark.parametrize(
    "script", [[fs.chunked(7)], [fs.no_length], [fs.slow(20)], [fs.chunked(8, end=False)], [fs.hang_up, fs.nonsense]]
)
def test_other_ways_to_send_it(server: FileServer, target: Path, script: list[fs.Behaviour]) -> None:
    server.script = script
    assert get(server, target) == SHA


def test_five_retries_with_longer_and_longer_waits(server: FileServer, target: Path) -> None:
    server.otherwise = fs.status("500 Internal Server Error")
    waits = Waits()
    with pytest.raises(Temporary) as error:
        get(server, target, waits)
    assert sentence(error) == "127.0.0.1 cannot give the file just now (HTTP 500)."
    assert len(server.requests) == 6
    assert len(waits.seconds) == 5
    for number, seconds in enumerate(waits.seconds):
        assert 2**number <= seconds <= 1.25 * 2**number
    assert left(target) == []


def test_getting_further_makes_the_count_begin_anew(server: FileServer, target: Path) -> None:
    bad = [fs.hang_up] * 5
    server.script = [*bad, fs.cut(100_000), *bad[:4], fs.cut(100_000), *bad[:4]]
    assert get(server, target) == SHA
    server.script = [*bad, fs.cut(100), *bad]
    target.unlink()
    with pytest.raises(Temporary):
        get(server, target)


def test_the_server_may_ask_for_a_longer_wait(server: FileServer, target: Path) -> None:
    server.script = [fs.status("503 Busy", "Retry-After: 17"), fs.status("429 Slowly", "Retry-After: 99999")]
    waits = Waits()
    assert get(server, target, waits) == SHA
    assert waits.seconds == [17.0, 60.0]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (fs.status("404 Not Found"), "does not have the file any more (HTTP 404)"),
        (fs.status("403 Forbidden"), "does not give the file (HTTP 403)"),
        (fs.status("204 No Content"), "does not give the file (HTTP 204)"),
        (fs.status("302 Found"), "does not give the file (HTTP 302)"),
        (fs.web_page, "a web page in place of the file"),
        (fs.zipped, "in the form gzip"),
        (fs.redirect("/again"), "from one address to the next without end"),
        (fs.redirect("ftp://127.0.0.1/file"), "neither http nor https"),
        (fs.redirect("file:///etc/passwd"), "neither http nor https"),
        (fs.redirect("http://[bad"), "cannot be read"),
        (fs.longer(5), f"has {len(DATA) + 5} bytes, and not {len(DATA)}"),
        (fs.says_shorter(5), f"has {len(DATA) - 5} bytes, and not {len(DATA)}"),
    ],
)
def test_what_trying_again_would_not_help(server: FileServer, target: Path, behaviour: fs.Behaviour, said: str) -> None:
    server.otherwise = behaviour
    waits = Waits()
    with pytest.raises(Refused) as error:
        get(server, target, waits, size=len(DATA))
    assert said in sentence(error)
    assert waits.seconds == []
    assert left(target) == []


@pytest.mark.parametrize(
    "behaviour",
    [fs.wrong_bytes, fs.says_shorter(5), fs.longer(9), fs.cut(0), fs.bad_length("many"), fs.bad_length("-3")],
)
def test_a_server_that_is_always_wrong_leaves_no_file(
    server: FileServer, target: Path, behaviour: fs.Behaviour
) -> None:
    server.otherwise = behaviour
    with pytest.raises(DownloadError) as error:
        get(server, target)
    sentence(error)
    assert "file.pth" not in left(target)


def test_wrong_bytes_are_thrown_away_and_said(server: FileServer, target: Path) -> None:
    server.otherwise = fs.wrong_bytes
    with pytest.raises(WrongFile) as error:
        get(server, target)
    assert "is not the right one (its checksum is another)" in sentence(error)
    assert left(target) == []
    assert len(server.requests) == 2  # once more, since a line may have been bad


def test_more_than_was_said_is_not_taken(server: FileServer, target: Path) -> None:
    def endless(server: FileServer, request: fs.Request) -> None:
        request.head("200 OK")
        while not server.closing.is_set():
            request.send(bytes(65536))

    server.otherwise = endless
    with pytest.raises(WrongFile) as error:
        get(server, target, size=len(DATA))
    assert "longer than it should be" in sentence(error)
    assert left(target) == []


def test_redirects_are_followed_with_the_range(server: FileServer, target: Path) -> None:
    server.script = [
        fs.redirect("/a b?x=ü"),
        fs.redirect(server.address("/there"), 308),
        fs.cut(100_000),
        fs.redirect("/c"),
    ]
    assert get(server, target) == SHA
    assert [request.path for request in server.requests] == [
        "/file.pth",
        "/a%20b?x=%C3%BC",
        "/there",
        "/file.pth",
        "/c",
    ]
    assert [request.start for request in server.requests] == [None, None, None, 100_000, 100_000]


def test_a_redirect_never_takes_the_encryption_away() -> None:
    with pytest.raises(Refused) as error:
        _next("https://a.example/x", "http://b.example/x", "a.example")
    assert str(error.value) == "a.example sends to an address without encryption, which is not followed."
    assert _next("http://a.example/x", "https://b.example/y", "a.example") == "https://b.example/y"
    assert _next("https://a.example/x/y", "//b.example/z", "a.example") == "https://b.example/z"


def test_a_certificate_that_proves_nothing(server: FileServer, target: Path) -> None:
    """TLS is spoken to a server that has none: no fallback to plain HTTP."""
    with pytest.raises(DownloadError) as error:
        fetch([f"https://127.0.0.1:{server.port}/x"], target, timing=Timing(silence=0.5, retries=1, wait=Waits()))
    assert "cannot be reached" in sentence(error) or "does not answer" in sentence(error)
    assert left(target) == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_encryption_is_checked_and_kept(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is refused; one that is known is taken; a redirect out of TLS is not followed."""
    key, certificate = target.with_name("key.pem"), target.with_name("certificate.pem")
    target.parent.mkdir()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("no_proxy", "localhost")
    with FileServer(DATA, context=context) as secret:
        address = f"https://localhost:{secret.port}/file.pth"
        waits = Waits()
        with pytest.raises(Refused) as error:
            fetch([address], target, timing=Timing(wait=waits))
        assert sentence(error) == "localhost cannot prove who it is: self-signed certificate."
        assert waits.seconds == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        secret.script = [fs.redirect(server.address())]
        with pytest.raises(Refused) as error:
            fetch([address], target)
        assert sentence(error) == "localhost sends to an address without encryption, which is not followed."
        assert server.requests == []
        server.otherwise = fs.redirect(address)
        secret.script = [fs.cut(100_000)]
        assert fetch([server.address()], target, sha256=SHA, timing=Timing(wait=waits)) == SHA
        assert secret.requests[-1].start == 100_000


def test_mirrors(server: FileServer, target: Path) -> None:
    with FileServer(DATA, otherwise=fs.status("404 Not Found")) as gone:
        assert fetch([gone.address(), server.address()], target, sha256=SHA) == SHA
        assert len(gone.requests) == len(server.requests) == 1


@pytest.mark.parametrize(("sha256", "start"), [(SHA, 100_000), ("", None)])
def test_a_mirror_goes_on_only_if_the_checksum_will_tell(
    server: FileServer, target: Path, sha256: str, start: int | None
) -> None:
    with FileServer(DATA, script=[fs.cut(100_000)], otherwise=fs.hang_up) as first:
        timing = Timing(retries=1, wait=Waits())
        assert fetch([first.address(), server.address()], target, sha256=sha256, check=whole, timing=timing) == SHA
        assert [request.start for request in server.requests] == [start]
        assert "if-range" not in server.requests[0].headers


def test_an_address_that_is_none(target: Path) -> None:
    for address in ("file:///etc/passwd", "http://", "http://[", "nothing"):
        with pytest.raises(Refused) as error:
            fetch([address], target)
        assert "is not that of a file on the web" in sentence(error)
    with pytest.raises(Refused, match="no address"):
        fetch([], target)


def test_nobody_there(target: Path) -> None:
    with FileServer(DATA) as server:
        address = server.address()
    with pytest.raises(Temporary) as error:
        fetch([address], target, timing=Timing(retries=1, wait=Waits()))
    assert "cannot be reached" in sentence(error)


# -- stopping and going on


@pytest.mark.parametrize("behaviour", [fs.stall(100_000), fs.silent, fs.slow(3000)])
def test_stopping_while_the_server_is_slow(server: FileServer, target: Path, behaviour: fs.Behaviour) -> None:
    """With a patience of a minute: stopping does not wait for it."""
    server.otherwise = behaviour
    stop = Stop()
    outcome: list[BaseException] = []

    def work() -> None:
        try:
            get(server, target, stop=stop, timing=Timing(silence=60))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    part = target.with_name("file.pth.part")
    wanted = 0 if behaviour is fs.silent else 1
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (server.requests and (not wanted or part.exists())):
        time.sleep(0.005)
    stop.press()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(outcome[0], Stopped)
    assert not target.exists()


def test_stopping_between_two_tries_and_before_the_first(server: FileServer, target: Path) -> None:
    server.otherwise = fs.hang_up
    with pytest.raises(Stopped):
        get(server, target, Waits(stop_at=2))
    assert len(server.requests) == 2
    stop = Stop()
    stop.press()
    with pytest.raises(Stopped):
        get(server, target, stop=stop)
    assert len(server.requests) == 2


def test_a_stopped_download_goes_on_later(server: FileServer, target: Path) -> None:
    stop = Stop()

    def press(progress: Progress) -> None:
        if progress.done >= 100_000:
            stop.press()

    server.script = [fs.slow(20)]
    with pytest.raises(Stopped) as error:
        get(server, target, stop=stop, on_progress=press, sha256="")
    assert "goes on from there" in sentence(error)
    assert left(target) == ["file.pth.part", "file.pth.part.json"]
    kept = target.with_name("file.pth.part").stat().st_size
    assert 100_000 <= kept < len(DATA)
    assert get(server, target, sha256="", check=whole) == SHA
    assert server.requests[1].start == kept


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[]",
        "{}",
        '{"address": 3, "validator": "", "total": null, "kept": 5}',
        '{"address": "x", "validator": "", "total": "many", "kept": 5}',
        '{"address": "x", "validator": "", "total": 9, "kept": -5}',
        '{"address": "x", "validator": "", "total": 9, "kept": 5000000}',
        None,
    ],
)
def test_a_part_without_a_sensible_note_is_not_gone_on_from(server: FileServer, target: Path, note: str | None) -> None:
    target.parent.mkdir()
    target.with_name("file.pth.part").write_bytes(OTHER[:50_000])
    if note is not None:
        target.with_name("file.pth.part.json").write_text(note)
    assert get(server, target, sha256="", check=whole) == SHA
    assert left(target) == ["file.pth"]


def test_bytes_that_were_not_surely_written_are_got_again(server: FileServer, target: Path) -> None:
    server.script = [fs.cut(100_000)]
    with pytest.raises(Stopped):
        get(server, target, Waits(stop_at=1))
    note = target.with_name("file.pth.part.json")
    origin = json.loads(note.read_text())
    note.write_text(json.dumps({**origin, "kept": 60_000}))
    assert get(server, target) == SHA
    assert server.requests[1].start == 60_000


def test_a_part_that_is_whole_needs_no_server(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.pth.part").write_bytes(DATA)
    origin = {"address": server.address(), "validator": '"one"', "total": len(DATA), "kept": len(DATA)}
    target.with_name("file.pth.part.json").write_text(json.dumps(origin))
    assert get(server, target) == SHA
    assert server.requests == []


def test_a_part_longer_than_the_servers_file(server: FileServer, target: Path) -> None:
    """The server answers 416: what is there is thrown away."""
    target.parent.mkdir()
    target.with_name("file.pth.part").write_bytes(DATA + bytes(100))
    origin = {"address": server.address(), "validator": '"one"', "total": None, "kept": len(DATA) + 100}
    target.with_name("file.pth.part.json").write_text(json.dumps(origin))
    assert get(server, target) == SHA
    assert [request.start for request in server.requests] == [len(DATA) + 100, None]


def test_a_full_disk(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = part_module.Part._add

    def full(self: part_module.Part, piece: bytes) -> None:
        if self.size > 100_000:
            raise OSError(28, "No space left on device")
        real(self, piece)

    monkeypatch.setattr(part_module.Part, "_add", full)
    server.script = [fs.slow(20)]
    with pytest.raises(DownloadError) as error:
        get(server, target)
    assert "The disk is full" in sentence(error)
    assert "file.pth" not in left(target)
    monkeypatch.setattr(part_module.Part, "_add", real)
    assert get(server, target) == SHA
    assert server.requests[1].start is not None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.parent.chmod(0o500)
    with pytest.raises(DownloadError) as error:
        get(server, target)
    assert "cannot be written" in sentence(error)


def test_a_folder_that_is_a_file(server: FileServer, target: Path) -> None:
    target.parent.write_bytes(b"")
    with pytest.raises(DownloadError) as error:
        get(server, target)
    assert "cannot be written" in sentence(error)


# -- two at a time


def test_two_threads_download_it_once(server: FileServer, target: Path) -> None:
    server.otherwise = fs.slow(20)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(get(server, target, timing=Timing()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [SHA] * 3
    assert len(server.requests) == 1


def _get_in_process(address: str, target: str) -> None:
    os.environ["no_proxy"] = "127.0.0.1"
    fetch([address], Path(target), sha256=SHA)


def _start(server: FileServer, target: Path) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_get_in_process, args=(server.address(), str(target)))
    process.start()
    return process


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_process_leaves_a_part_and_no_lock(
    server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [fs.stall(200_000)]
    process = _start(server, target)
    _until(lambda: target.with_name("file.pth.part").exists())
    said: list[str] = []
    stop = Stop()

    def press(progress: Progress) -> None:
        said.append(progress.state)
        stop.press()

    with pytest.raises(Stopped):
        get(server, target, stop=stop, on_progress=press)
    assert said == ["locked"]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    process.close()
    assert not target.exists()
    assert get(server, target) == SHA


# -- whatever it does

SIZES = st.integers(0, len(DATA))
BEHAVIOURS = st.one_of(
    st.just(fs.good),
    SIZES.map(fs.cut),
    SIZES.map(fs.says_longer),
    SIZES.map(fs.says_shorter),
    st.integers(1, 10_000).map(fs.longer),
    st.integers(1, 10_000).map(fs.other_part),
    st.integers(1, 9).map(fs.chunked),
    st.sampled_from([500, 503, 404, 416, 429, 206, 204]).map(lambda code: fs.status(f"{code} Something")),
    st.sampled_from(
        [
            fs.no_ranges,
            fs.no_etag,
            fs.no_length,
            fs.wrong_bytes,
            fs.other_part_in_secret,
            fs.hang_up,
            fs.nonsense,
            fs.web_page,
            fs.zipped,
            fs.endless_head,
            fs.chunked(5, end=False),
            fs.redirect("/elsewhere"),
            fs.bad_length("3, 4"),
            fs.changed(OTHER, '"two"'),
            fs.changed(OTHER, '"two"', honour=False),
            fs.changed(OTHER, '"one"'),
            fs.changed(DATA, '"one"'),
            fs.stall(70_000),
        ]
    ),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=st.lists(BEHAVIOURS, max_size=7), known=st.booleans(), mirror=st.booleans())
def test_whatever_the_server_does_the_file_is_right_or_absent(
    script: list[fs.Behaviour], known: bool, mirror: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Right is the file with the checksum, or, where that is not known, a version that the server had as a whole."""
    target = tmp_path_factory.mktemp("any") / "file.pth"
    right = {DATA} if known else {DATA, OTHER}
    with FileServer(DATA, script=list(script)) as server:
        addresses = [server.address(), server.address("/mirror")][: 1 + mirror]
        timing = Timing(silence=0.2, retries=2, wait=Waits())
        for _ in range(2):
            try:
                found = fetch(addresses, target, sha256=SHA if known else "", check=whole, timing=timing)
            except DownloadError:
                assert not target.exists()
            else:
                assert target.read_bytes() in right
                assert found == hashlib.sha256(target.read_bytes()).hexdigest()
        # A server that behaves then gives the file, whatever part is there.
        server.script, server.data, server.etag = [], DATA, '"three"'
        if not target.exists():
            patient = Timing(silence=20, wait=Waits())
            fetch(addresses, target, sha256=SHA if known else "", check=whole, timing=patient)
        assert target.read_bytes() in right
        assert left(target) == ["file.pth"]
