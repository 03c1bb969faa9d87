"""``cv-explorer weights`` with a server on loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvcore import zoo
from cvcore.download import Timing
from explorer.__main__ import main as program
from explorer.weights.command import main
from tests import file_server as fs
from tests.file_server import FileServer
from tests.weights_for_tests import checkpoint, use_cards, write_card

FAST = Timing(silence=10, retries=1, wait=lambda seconds: False)
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cards"
    use_cards(monkeypatch, folder)
    return folder


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(checkpoint()) as made:
        yield made


def test_the_list_of_the_shipped_cards(capsys: Captured) -> None:
    assert program(["weights", "list"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert set(zoo.cards()) <= set(lines)
    assert "built in" in lines["mobilenet_v2"]
    assert "to download" in lines["openpose_body"]
    assert "209 MB" in lines["openpose_body"]
    assert "non-commercial research only" in lines["openpose_body"]
    assert main(["--language", "zh_CN", "list"]) == 0
    assert "内置" in capsys.readouterr().out


def test_get_and_check(cards: Path, server: FileServer, capsys: Captured) -> None:
    write_card(cards, address=server.address())
    server.script = [fs.cut(500)]
    assert main(["get", "tiny"], FAST) == 0
    said = capsys.readouterr()
    assert said.out == f"tiny: {zoo.folder() / 'tiny.pth'}\n"
    assert "broke off before its end. (tries again in" in said.err
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "tiny: good\n"
    (zoo.folder() / "tiny.pth").write_bytes(checkpoint(2.0))
    assert main(["check", "tiny"]) == 1
    assert "is not the one that was first used" in capsys.readouterr().out
    server.data = checkpoint(2.0)
    assert main(["get", "--again", "--quiet", "tiny"], FAST) == 0
    assert main(["check"]) == 0
    assert capsys.readouterr().err == ""


def test_terms_have_to_be_accepted(
    cards: Path, server: FileServer, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_card(cards, address=server.address(), terms="For study only.")
    assert main(["get", "tiny"], FAST) == 2
    said = capsys.readouterr().err
    assert "For study only." in said
    assert "--accept-licence" in said
    assert server.requests == []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, code in (("no\n", 2), ("\n", 2), ("yes\n", 0)):
        monkeypatch.setattr("sys.stdin", Answers(answer))
        assert main(["get", "--quiet", "tiny"], FAST) == code
    capsys.readouterr()
    assert main(["get", "--quiet", "tiny"], FAST) == 0
    assert "For study only." not in capsys.readouterr().err


class Answers:
    def __init__(self, text: str) -> None:
        self.text = text

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.text


def test_a_script_accepts_with_an_option(cards: Path, server: FileServer, capsys: Captured) -> None:
    write_card(cards, address=server.address(), terms="For study only.")
    assert main(["get", "--accept-licence", "--quiet", "tiny"], FAST) == 0
    assert "For study only." in capsys.readouterr().err


def test_a_file_of_the_users(cards: Path, tmp_path: Path, capsys: Captured) -> None:
    write_card(cards)
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"no")
    assert main(["get", "tiny", "--file", str(mine)]) == 2
    assert "damaged or not of its kind" in capsys.readouterr().err
    mine.write_bytes(checkpoint())
    assert main(["get", "tiny", "--file", str(mine)]) == 0
    assert main(["get", "tiny", "other", "--file", str(mine)]) == 2


def test_what_goes_wrong_is_one_sentence(cards: Path, server: FileServer, capsys: Captured) -> None:
    write_card(cards, address=server.address())
    server.otherwise = fs.status("404 Not Found")
    assert main(["get", "--quiet", "tiny"], FAST) == 2
    assert capsys.readouterr().err == ("cv-explorer weights: 127.0.0.1 does not have the file any more (HTTP 404).\n")
    assert main(["get", "nothing"]) == 2
    assert capsys.readouterr().err == "cv-explorer weights: There are no weights named nothing; there are tiny.\n"


PROGRAM = """
import sys
from pathlib import Path
from cvcore.zoo import catalogue, store
for module in (catalogue, store):
    module.asset = lambda *parts: Path(sys.argv[1]).joinpath(*parts[1:])
from explorer.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is a signal there")
def test_ctrl_c_leaves_a_part_that_the_next_one_goes_on_from(cards: Path, server: FileServer, capsys: Captured) -> None:
    card = write_card(cards, address=server.address())
    server.script = [fs.stall(1000)]
    command = [sys.executable, "-c", PROGRAM, str(cards), "weights", "get", "tiny"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not zoo.folder().joinpath("tiny.pth.part").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The download was stopped; the next one goes on from there." in error
    assert "Traceback" not in error
    assert not (zoo.folder() / "tiny.pth").exists()
    assert main(["get", "--quiet", "tiny"], FAST) == 0
    assert zoo.place(card).state == "there"
