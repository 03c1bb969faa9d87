"""One request: a file, or the rest of one, over HTTP or HTTPS.

What the standard library's opener brings is used (certificates, proxies of the environment and of the system); redirects are
followed here, since an address that began with https must not end without.
"""

import http.client
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, cast

from cvcore.download.errors import Refused, Temporary
from cvcore.download.stop import Stop

REDIRECTS = 10
AGENT = "cv-explorer"
CHUNK = 1 << 18
LONGEST_WAIT = 60.0
TRY_AGAIN = {408, 425, 429}


class Reply:
    """What a server answered.

    Attributes:
        start: the first byte that comes.
        total: of the whole file; None where the server does not say.
        validator: an ETag or a date that changes with the file, as If-Range takes it; empty where there is none.
    """

    def __init__(self, response: http.client.HTTPResponse, host: str, asked: int) -> None:
        self._response = response
        self._host = host
        headers = response.headers
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise Refused("{host} sends the file in the form {form}, which was not asked for.", host=host, form=coding)
        if headers.get_content_type() in ("text/html", "application/xhtml+xml") and "Content-Type" in headers:
            raise Refused("{host} sent a web page in place of the file.", host=host)
        self.validator = _validator(headers)
        self.start: int = 0
        self.total: int | None = None
        if response.status == 206:
            self.start, self.total = _content_range(headers, host)
            if not asked or self.start != asked:
                raise Temporary("{host} sent another part of the file than was asked for.", host=host)
        elif response.status == 200:
            self.total = _length(headers, host)
        else:
            raise Refused("{host} does not give the file (HTTP {status}).", host=host, status=response.status)

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come, until the server ends or ``total`` is reached.

        Raises:
            Temporary: nothing came for too long, or the connection broke.
        """
        left = None if self.total is None else self.total - self.start
        while left is None or left > 0:
            try:
                piece = self._response.read1(CHUNK if left is None else min(CHUNK, left))
            except TimeoutError as error:
                raise Temporary("{host} sent nothing for a long time.", host=self._host) from error
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise Temporary("The connection to {host} broke.", host=self._host) from error
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


class PastTheEnd(Temporary):
    """The server has nothing from that byte on (HTTP 416)."""


@contextmanager
def ask(address: str, stop: Stop, seconds: float, *, start: int = 0, validator: str = "") -> Iterator[Reply]:
    """Asks for a file from byte ``start`` on.

    Args:
        seconds: without a connection or a byte after which to give up.
        validator: of what is there already: if the file has changed since, all of the new one comes.

    Raises:
        Temporary, Refused: see the sentences.
    """
    headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    response, host = _follow(address, headers, stop, seconds)
    try:
        with response:
            yield Reply(response, host, start)
    finally:
        stop.watch(None)


def _follow(address: str, headers: dict[str, str], stop: Stop, seconds: float) -> tuple[http.client.HTTPResponse, str]:
    for _ in range(REDIRECTS + 1):
        host = _host(address)
        try:
            response = _opener(stop).open(urllib.request.Request(address, headers=headers), timeout=seconds)
            return cast(http.client.HTTPResponse, response), host
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in (301, 302, 303, 307, 308) or "Location" not in error.headers:
                    raise _status(error, host) from error
                address = _next(address, error.headers["Location"], host)
        except urllib.error.URLError as error:
            raise _unreachable(error.reason, host) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreachable(error, host) from error
    raise Refused("{host} sends from one address to the next without end.", host=host)


def _next(address: str, location: str, host: str) -> str:
    try:
        found = urllib.parse.urljoin(address, location)
        scheme = urllib.parse.urlsplit(found).scheme
    except ValueError as error:
        raise Refused("{host} sends to an address that cannot be read.", host=host) from error
    if scheme not in ("http", "https"):
        raise Refused("{host} sends to an address that is neither http nor https.", host=host)
    if scheme == "http" and address.startswith("https:"):
        raise Refused("{host} sends to an address without encryption, which is not followed.", host=host)
    # A server may put spaces and letters of any language there.
    return urllib.parse.quote(found, safe="%/:=&?~#+!$,;'@()*[]")


def _host(address: str) -> str:
    try:
        parts = urllib.parse.urlsplit(address)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("The address {address} is not that of a file on the web.", address=address)
    return parts.hostname


def _status(error: urllib.error.HTTPError, host: str) -> Temporary | Refused:
    if error.code == 416:
        return PastTheEnd("{host} sent another part of the file than was asked for.", host=host)
    if error.code >= 500 or error.code in TRY_AGAIN:
        after = _retry_after(error.headers.get("Retry-After", ""))
        return Temporary(
            "{host} cannot give the file just now (HTTP {status}).", after=after, host=host, status=error.code
        )
    if error.code in (404, 410):
        return Refused("{host} does not have the file any more (HTTP {status}).", host=host, status=error.code)
    return Refused("{host} does not give the file (HTTP {status}).", host=host, status=error.code)


def _unreachable(error: Any, host: str) -> Temporary | Refused:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refused("{host} cannot prove who it is: {why}.", host=host, why=error.verify_message.rstrip("."))
    if isinstance(error, TimeoutError):
        return Temporary("{host} does not answer.", host=host)
    return Temporary("{host} cannot be reached; is there a connection to the internet?", host=host)


def _retry_after(text: str) -> float:
    return min(float(text), LONGEST_WAIT) if re.fullmatch(r"\d{1,9}", text.strip()) else 0.0


def _validator(headers: Message) -> str:
    """RFC 9110, section 13.1.5: a weak ETag does not say that the bytes are the same; a date does if it was not just now."""
    tag = headers.get("ETag", "").strip()
    if len(tag) > 2 and tag.startswith('"') and tag.endswith('"') and tag.isascii():
        return tag
    changed, now = headers.get("Last-Modified", "").strip(), headers.get("Date", "").strip()
    try:
        strong = (parsedate_to_datetime(now) - parsedate_to_datetime(changed)).total_seconds() >= 1
    except (ValueError, TypeError, IndexError):
        return ""
    return changed if strong and not tag else ""


def _length(headers: Message, host: str) -> int | None:
    text = headers.get("Content-Length")
    if text is None or "chunked" in headers.get("Transfer-Encoding", "").lower():
        return None
    if not re.fullmatch(r"\d{1,18}", text.strip()):
        raise Temporary("{host} says nothing sensible about the file's length.", host=host)
    return int(text)


def _content_range(headers: Message, host: str) -> tuple[int, int]:
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", headers.get("Content-Range", "").strip())
    if found is None:
        raise Temporary("{host} says nothing sensible about the file's length.", host=host)
    start, end, total = (int(number) for number in found.groups())
    if not start <= end < total:
        raise Temporary("{host} says nothing sensible about the file's length.", host=host)
    return start, total


# -- connections that the stop switch can shut


class _Http(http.client.HTTPConnection):
    def __init__(self, *args: Any, stop: Stop, **more: Any) -> None:
        super().__init__(*args, **more)
        self._stop = stop

    def connect(self) -> None:
        super().connect()
        self._stop.watch(self.sock)


class _Https(_Http, http.client.HTTPSConnection):
    """The same over TLS."""


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Http, stop=self._stop), request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, stop: Stop) -> None:
        self._made_context = ssl.create_default_context()
        super().__init__(context=self._made_context)
        self._stop = stop

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Https, stop=self._stop), request, context=self._made_context)


def _opener(stop: Stop) -> urllib.request.OpenerDirector:
    """Without files, FTP and redirects."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _HttpHandler(stop),
        _HttpsHandler(stop),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        made.add_handler(handler)
    return made
