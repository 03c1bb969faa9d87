"""Videos and streams that cannot be played."""

import socket
import struct
import tempfile
import threading
from pathlib import Path

import numpy as np

from tests.bad_inputs.case import Case, Scene, data, made
from tests.explorer.corpus import box, boxes, edit_mp4, write_video


def mp4() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_video(Path(folder) / "a.mp4", 12).read_bytes()


def without_table() -> bytes:
    """Everything up to the box that says where the frames are, which stands last."""
    return b"".join(box(kind, content) for kind, content in boxes(mp4()) if kind != b"moov")


def without_frames() -> bytes:
    """Tables that list no frame."""
    whole = mp4()
    empty = struct.pack(">II", 0, 0)
    for name, table in {b"stts": empty, b"stsc": empty, b"stco": empty, b"stss": empty}.items():
        path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", name]
        if name in whole:
            whole = edit_mp4(whole, path, lambda _, table=table: table)
    return edit_mp4(
        whole, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"], lambda _: struct.pack(">III", 0, 0, 0)
    )


def sound() -> bytes:
    """A second of silence as WAV (RIFF, 8000 samples a second, 16 bits)."""
    pcm = bytes(16000)
    head = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(pcm)) + b"WAVE" + head + b"data" + struct.pack("<I", len(pcm)) + pcm


def answering(answer: bytes) -> "MakeServer":
    return MakeServer(answer)


class MakeServer:
    """A server on loopback that says this to everybody and hangs up; opened is its address."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def __call__(self, scene: Scene) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=self._serve, args=(server,), name="bad server")
        thread.start()

        def stop() -> None:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()

        scene.open_until_end.callback(stop)
        return f"http://127.0.0.1:{server.getsockname()[1]}/live"

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(1)
                    connection.recv(4096)
                    connection.sendall(self._answer)
                except OSError:
                    continue


def nobody(scene: Scene) -> str:
    """The address of a port that is taken and does not listen."""
    taken = scene.open_until_end.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{taken.getsockname()[1]}/live"


CASES = (
    Case(
        "video",
        "cut.mp4",
        "cut before its table of frames",
        "cut.mp4 is a video that cannot be decoded: it is damaged or its codec is not known.",
        made(without_table),
    ),
    Case("video", "frames.mp4", "lists no frame", "frames.mp4 has no frame that can be decoded.", made(without_frames)),
    Case(
        "video",
        "sound.mp4",
        "sound only",
        "sound.mp4 is neither a picture nor a video that can be read here.",
        made(sound),
    ),
    Case(
        "video",
        "renamed.mp4",
        "a text renamed",
        "renamed.mp4 is neither a picture nor a video that can be read here.",
        data(b"This is no video.\n" * 60),
    ),
    Case(
        "video",
        "noise.avi",
        "random bytes behind the head of an AVI",
        "noise.avi is cut short: its table of frames is missing.",
        made(lambda: b"RIFF\xff\xff\0\0AVI " + np.random.default_rng(1).bytes(5000)),
    ),
    Case(
        "video",
        "head.mkv",
        "four bytes of a Matroska file",
        "head.mkv is a video that cannot be decoded: it is damaged or its codec is not known.",
        data(b"\x1a\x45\xdf\xa3"),
    ),
    Case(
        "video",
        "bones.mp4",
        "an MP4 of empty boxes",
        "bones.mp4 is a video that cannot be decoded: it is damaged or its codec is not known.",
        data(b"\0\0\0\x08free" + bytes(3000)),
    ),
    Case("video", "empty.mp4", "0 bytes", "empty.mp4 is empty.", data(b"")),
    Case("stream", "http", "nobody listens there", "The stream http://127.0.0.1:…/live cannot be reached.", nobody),
    Case(
        "stream",
        "http",
        "the server says 404",
        "The stream http://127.0.0.1:…/live cannot be reached.",
        answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ),
    Case(
        "stream",
        "http",
        "the server speaks no HTTP",
        "The stream http://127.0.0.1:…/live cannot be reached.",
        answering(bytes(range(256)) * 8),
    ),
    Case(
        "stream",
        "http",
        "the server sends a web page",
        "The stream http://127.0.0.1:…/live cannot be reached.",
        answering(
            b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype html><title>Log in</title>" + b" " * 3000
        ),
    ),
    Case(
        "stream",
        "gopher",
        "an address of a kind that is no stream",
        "gopher://127.0.0.1/live is not the address of a stream.",
        lambda scene: "gopher://127.0.0.1/live",
    ),
    Case(
        "stream",
        "rtsp",
        "an address without a host",
        "rtsp:// is not the address of a stream.",
        lambda scene: "rtsp://",
    ),
    Case(
        "stream",
        "moving",
        "a moving picture with 0 frames a second",
        "A moving picture has 1 to 1000 frames a second, not 0.",
        lambda scene: f"moving:{scene.path.parent / 'a.jpg'}?fps=0",
    ),
)
