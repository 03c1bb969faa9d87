"""A web server on loopback that gives one file, and misbehaves on demand."""

import gzip
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

Behaviour = Callable[["FileServer", "Request"], None]


@dataclass
class Request:
    """What a client asked, and the connection to answer on."""

    path: str
    headers: dict[str, str]
    connection: socket.socket

    @property
    def start(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found.group(1)) if found else None

    def head(self, status: str, *lines: str) -> None:
        self.send("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)


@dataclass
class FileServer:
    """Answers each request with the next of ``script``, and with ``good`` when that is used up."""

    data: bytes = field(repr=False)
    etag: str = '"one"'
    script: list[Behaviour] = field(default_factory=list)
    otherwise: Behaviour | None = None
    context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.paused = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="file server")]
        self._threads[0].start()

    def address(self, path: str = "/file.pth") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> "FileServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        for thread in self._threads:
            thread.join(5)
        self._socket.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), name="file server connection")
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                if self.context is not None:
                    with self.context.wrap_socket(connection, server_side=True) as secret:
                        self._talk(secret)
                else:
                    self._talk(connection)
            except OSError:
                pass

    def _talk(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        first, *lines = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        request = Request(first.split(" ")[1], headers, connection)
        self.requests.append(request)
        act = self.script.pop(0) if self.script else self.otherwise or good
        act(self, request)

    def wait_gone(self, connection: socket.socket) -> None:
        """Until the client hangs up or the server closes."""
        while not self.closing.is_set():
            if select.select([connection], [], [], 0.02)[0]:
                return


def _answer(
    server: FileServer,
    request: Request,
    *,
    data: bytes | None = None,
    etag: str | None = None,
    ranges: bool = True,
    honour: bool = True,
    more: tuple[str, ...] = (),
    length: int = 0,
    shift: int = 0,
) -> bytes:
    """Sends the head of a good answer (but for what the arguments change) and gives the body to send."""
    data = server.data if data is None else data
    etag = server.etag if etag is None else etag
    lines = (
        *((f"ETag: {etag}",) if etag else ()),
        "Content-Type: application/octet-stream",
        "Connection: close",
        *more,
    )
    start = request.start if ranges else None
    wanted = request.headers.get("if-range")
    if start is not None and honour and wanted is not None and wanted != etag:
        start = None
    if start is None:
        request.head("200 OK", f"Content-Length: {len(data) + length}", *lines)
        return data
    if start >= len(data):
        request.head("416 Range Not Satisfiable", f"Content-Range: bytes */{len(data)}", "Content-Length: 0")
        return b""
    start = min(start + shift, len(data) - 1)
    body = data[start:]
    request.head(
        "206 Partial Content",
        f"Content-Length: {len(body) + length}",
        f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}",
        *lines,
    )
    return body


def good(server: FileServer, request: Request) -> None:
    request.send(_answer(server, request))


def no_ranges(server: FileServer, request: Request) -> None:
    request.send(_answer(server, request, ranges=False))


def no_etag(server: FileServer, request: Request) -> None:
    request.send(_answer(server, request, etag=""))


def cut(after: int, **how: object) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request, **how)[:after])  # type: ignore[arg-type]

    return act


def stall(after: int) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request)[:after])
        server.wait_gone(request.connection)

    return act


def silent(server: FileServer, request: Request) -> None:
    server.wait_gone(request.connection)


def hang_up(server: FileServer, request: Request) -> None:
    del server, request


def slow(pieces: int) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        body = _answer(server, request)
        step = max(1, len(body) // pieces)
        for start in range(0, len(body), step):
            request.send(body[start : start + step])
            if server.closing.wait(0.01):
                return

    return act


def says_longer(by: int) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request, length=by))

    return act


def says_shorter(by: int) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request, length=-min(by, len(server.data) - (request.start or 0))))

    return act


def longer(by: int) -> Behaviour:
    """More bytes than the head said: honest about it or not makes no difference to the file."""

    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request, data=server.data + bytes(by)))

    return act


def wrong_bytes(server: FileServer, request: Request) -> None:
    request.send(_answer(server, request, data=server.data[::-1]))


def other_part(shift: int) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.send(_answer(server, request, shift=shift))

    return act


def other_part_in_secret(server: FileServer, request: Request) -> None:
    """Says the right range and sends other bytes."""
    body = _answer(server, request)
    request.send(body[::-1])


def changed(data: bytes, etag: str, *, honour: bool = True) -> Behaviour:
    """From now on the file is another; ``honour`` is whether If-Range is heeded."""

    def act(server: FileServer, request: Request) -> None:
        server.data, server.etag = data, etag
        request.send(_answer(server, request, honour=honour))

    return act


def status(line: str, *headers: str, body: bytes = b"") -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        del server
        request.head(line, f"Content-Length: {len(body)}", *headers)
        request.send(body)

    return act


def redirect(to: str, code: int = 302) -> Behaviour:
    return status(f"{code} Elsewhere", f"Location: {to}")


def web_page(server: FileServer, request: Request) -> None:
    del server
    page = b"<!doctype html><title>Please log in</title>"
    request.head("200 OK", "Content-Type: text/html; charset=utf-8", f"Content-Length: {len(page)}")
    request.send(page)


def zipped(server: FileServer, request: Request) -> None:
    body = gzip.compress(server.data)
    request.head("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(body)}")
    request.send(body)


def chunked(pieces: int, *, end: bool = True) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.head("200 OK", "Transfer-Encoding: chunked", f"ETag: {server.etag}")
        step = max(1, len(server.data) // pieces)
        starts = list(range(0, len(server.data), step))
        for start in starts if end else starts[: len(starts) // 2]:
            piece = server.data[start : start + step]
            request.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if end:
            request.send(b"0\r\n\r\n")

    return act


def no_length(server: FileServer, request: Request) -> None:
    """The end of the connection is the end of the file."""
    request.head("200 OK", f"ETag: {server.etag}", "Connection: close")
    request.send(server.data)


def endless_head(server: FileServer, request: Request) -> None:
    request.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500)
    server.wait_gone(request.connection)


def nonsense(server: FileServer, request: Request) -> None:
    del server
    request.send(b"\x00\xff what is HTTP\r\n\r\n")


def bad_length(text: str) -> Behaviour:
    def act(server: FileServer, request: Request) -> None:
        request.head("200 OK", f"Content-Length: {text}")
        request.send(server.data)

    return act
