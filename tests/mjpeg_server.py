"""An MJPEG camera on loopback, to stop, stall and restart: ``multipart/x-mixed-replace`` over HTTP.

Every frame shows its number as 16 bits, light for 1 (:func:`read_number`), so that a test can tell which one arrived.

From a test::

    with MjpegServer() as server:
        player.open(server.url)
        server.stall()      # keeps the connections, sends nothing
        server.resume()
        server.stop()       # closes them and the port
        server.start()      # the same port again

By hand: ``python tests/mjpeg_server.py --port 8090 --fps 30``; in its terminal, Enter stalls and resumes it, Ctrl+C ends it.
"""

import argparse
import base64
import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 16
BOUNDARY = "frame"


def numbered_picture(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A grey ramp (H, W, 3) uint8 whose upper half holds ``number`` as 16 vertical bars, the highest bit first."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(60, 190, width, dtype=np.uint8)[None, :, None]
    bars = [220 if number >> bit & 1 else 30 for bit in reversed(range(BITS))]
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for left, right, value in zip(edges, edges[1:], bars, strict=False):
        image[: height // 2, left:right] = value
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    """The number that :func:`numbered_picture` drew, after lossy compression too."""
    height, width = image.shape[:2]
    edges = np.linspace(0, width, BITS + 1).astype(int)
    middle = image[height // 8 : height // 3]
    number = 0
    for left, right in pairwise(edges):
        inset = max(1, (right - left) // 4)
        number = number << 1 | int(middle[:, left + inset : right - inset].mean() > 125)
    return number


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: "MjpegServer"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        owner = self.server.owner
        wanted = "Basic " + base64.b64encode(owner.account.encode()).decode() if owner.account else None
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        with owner.connected(self.connection):
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.end_headers()
            while (jpeg := owner.next_jpeg()) is not None:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Connected:
    def __init__(self, owner: "MjpegServer", connection: socket.socket) -> None:
        self.owner, self.connection = owner, connection

    def __enter__(self) -> None:
        with self.owner.change:
            self.owner.connections.add(self.connection)
            self.owner.accepted += 1
            self.owner.change.notify_all()

    def __exit__(self, *failure: object) -> None:
        with self.owner.change:
            self.owner.connections.discard(self.connection)
            self.owner.change.notify_all()


class MjpegServer:
    """Serves numbered pictures at ``url``.

    Args:
        port: 0 takes a free one, kept over restarts.
        fps: frames a second.
        size: width and height.
        account: ``user:password``; empty asks for none.
    """

    def __init__(
        self, port: int = 0, *, fps: float = 30, size: tuple[int, int] = (320, 240), account: str = ""
    ) -> None:
        self.port = port
        self.fps = fps
        self.size = size
        self.account = account
        self.number = 0
        self.accepted = 0
        self.connections: set[socket.socket] = set()
        self.change = threading.Condition()
        self._stalled = False
        self._running = False
        self._server: _Server | None = None
        self._threads: list[threading.Thread] = []
        self._jpeg = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def start(self) -> None:
        """Listens on the port and sends frames.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.owner = self
        self.port = self._server.server_address[1]
        self._running = True
        self._stalled = False
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.02,), name="mjpeg-server", daemon=True),
            threading.Thread(target=self._draw, name="mjpeg-frames", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Closes every connection and the port; ``start`` opens the same one again."""
        server, self._server = self._server, None
        if server is None:
            return
        with self.change:
            self._running = False
            self.change.notify_all()
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        server.shutdown()
        server.server_close()
        for thread in self._threads:
            thread.join()
        with self.change:
            self.change.wait_for(lambda: not self.connections, timeout=5)

    def stall(self) -> None:
        """Keeps the connections (and accepts new ones) but sends no frame."""
        with self.change:
            self._stalled = True

    def resume(self) -> None:
        with self.change:
            self._stalled = False
            self.change.notify_all()

    @property
    def stalled(self) -> bool:
        return self._stalled

    def connected(self, connection: socket.socket) -> _Connected:
        return _Connected(self, connection)

    def next_jpeg(self) -> bytes | None:
        """Waits for the next frame; None once the server stops."""
        with self.change:
            last = self.number
            self.change.wait_for(lambda: not self._running or self.number != last)
            return self._jpeg if self._running else None

    def _draw(self) -> None:
        """Makes a frame every 1 / fps seconds."""
        with self.change:
            while self._running:
                self.change.wait_for(lambda: not self._running, timeout=1 / self.fps)
                if self._running and not self._stalled:
                    self.number = (self.number + 1) % (1 << BITS)
                    made, data = cv2.imencode(".jpg", numbered_picture(self.number, *self.size))
                    assert made
                    self._jpeg = data.tobytes()
                    self.change.notify_all()

    def __enter__(self) -> "MjpegServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT")
    parser.add_argument("--account", default="", help="user:password asked for")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    with MjpegServer(options.port, fps=options.fps, size=(width, height), account=options.account) as server:
        print(server.url, flush=True)
        try:
            while True:
                try:
                    input()
                except EOFError:  # no terminal: serve until ended
                    threading.Event().wait()
                if server.stalled:
                    server.resume()
                else:
                    server.stall()
                print("stalled" if server.stalled else "sending", flush=True)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
