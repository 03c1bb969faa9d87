"""Files of the program's own that are damaged: settings, records, weight cards, downloaded weights."""

import io
import json
import pickle
import stat
from collections.abc import Callable
from typing import Any

import torch

from cvcore import zoo
from explorer.own_networks.known import OwnModel, remember
from explorer.settings.session import OpenPanel, Settings, save_settings
from tests.bad_inputs.case import Case, Make, Scene, Trap
from tests.bad_inputs.weights import half, safetensors
from tests.weights_for_tests import checkpoint, write_card

DAMAGED = (
    "The settings could not be read; the program starts with new ones and keeps the old file as settings.damaged.json."
)
NO_LIST = "The list of your own networks was damaged; the old one is kept as own_models.damaged.json."
NOT_TRUSTED = (
    "The list of Python files that may run was damaged, so you will be aske"
    "d again; the old one is kept as trusted.damaged.json."
)
GOOD = Settings(language="en", theme="light", threads=2, panels=(OpenPanel("picture", 1),))


def text(content: str | bytes) -> Make:
    """The settings or record with this content."""

    def make(scene: Scene) -> None:
        path = scene.home / scene.path.name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))

    return make


def settings(**values: Any) -> Make:
    """Good settings but for these values."""

    def make(scene: Scene) -> None:
        save_settings(GOOD)
        path = scene.home / "settings.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")

    return make


def pickled(scene: Scene) -> None:
    (scene.home / scene.path.name).write_bytes(pickle.dumps(Trap(scene.trap)))


def folder(scene: Scene) -> None:
    (scene.home / scene.path.name).mkdir()


def forbidden(scene: Scene) -> None:
    """Nobody may read it; the test has a stand-in for an administrator, who may."""
    save_settings(GOOD)
    (scene.home / "settings.json").chmod(0)


def is_forbidden(mode: int) -> bool:
    return not mode & stat.S_IRUSR


def one_bad_entry(scene: Scene) -> None:
    """Two networks, of which one has a size of no kind."""
    for name in ("/a/net.py", "/b/other.py"):
        remember(OwnModel(name, "net"))
    path = scene.home / "own_models.json"
    data = json.loads(path.read_text("utf-8"))
    data["models"][1]["size"] = "large"
    path.write_text(json.dumps(data), "utf-8")


def downloaded(content: Callable[[Scene], Any], **card: Any) -> Make:
    """A weight file of the card ``tiny`` in the program's folder for weights; the card is what is opened."""

    def make(scene: Scene) -> str:
        found = content(scene)
        if not isinstance(found, bytes):
            buffer = io.BytesIO()
            torch.save(found, buffer)
            found = buffer.getvalue()
        write_card(scene.path.parent, file=scene.path.name, **card)
        zoo.folder().mkdir(parents=True, exist_ok=True)
        (zoo.folder() / scene.path.name).write_bytes(found)
        return "tiny"

    return make


def no_card(scene: Scene) -> str:
    write_card(scene.path.parent)
    scene.path.write_text("{", "utf-8")
    return "tiny"


def wrong_card(scene: Scene) -> str:
    write_card(scene.path.parent)
    scene.path.write_text(scene.path.read_text("utf-8").replace('"MIT"', '"MIT", "run": "rm"'), "utf-8")
    return "tiny"


def other_than_first(scene: Scene) -> str:
    downloaded(lambda _: checkpoint(1.0))(scene)
    zoo.load("tiny")
    (zoo.folder() / scene.path.name).write_bytes(checkpoint(2.0))
    return "tiny"


CASES = (
    Case("settings", "settings.json", "0 bytes", DAMAGED, text("")),
    Case("settings", "settings.json", "cut in the middle", DAMAGED, text('{"version": 1, "theme": "li')),
    Case("settings", "settings.json", "random bytes", DAMAGED, text(b"\x00\xff\xfe\x80" * 40)),
    Case("settings", "settings.json", "a list", DAMAGED, text("[]")),
    Case("settings", "settings.json", "a pickle with code", DAMAGED, pickled),
    Case("settings", "settings.json", "a million brackets", DAMAGED, text("[" * 10**6)),
    Case("settings", "settings.json", "20 MB", DAMAGED, text(" " * 20_000_000)),
    Case(
        "settings",
        "settings.json",
        "from a newer version",
        "The settings are from a newer CV Explorer; the program starts with new ones and keeps those as settings.newer.json.",
        settings(version=2, theme="hologram"),
    ),
    Case("settings", "settings.json", "a version of no kind", DAMAGED, settings(version="one")),
    Case("settings", "settings.json", "a look that there is not", DAMAGED, settings(theme="pink")),
    Case("settings", "settings.json", "threads that are a word", DAMAGED, settings(threads="many")),
    Case(
        "settings",
        "settings.json",
        "a panel with the number infinity",
        DAMAGED,
        settings(panels=[{"name": "picture", "id": float("inf"), "fields": {}}]),
    ),
    Case("settings", "settings.json", "panels that are a number", DAMAGED, settings(panels=5)),
    Case("settings", "settings.json", "a folder in its place", DAMAGED, folder),
    Case("settings", "settings.json", "may not be read", DAMAGED, forbidden),
    Case("record", "own_models.json", "random bytes", NO_LIST, text(b"\x00\xff" * 50)),
    Case("record", "own_models.json", "a network with a size of no kind, beside a good one", NO_LIST, one_bad_entry),
    Case("record", "own_models.json", "its networks are no list", NO_LIST, text('{"version": 1, "models": 7}')),
    Case("record", "trusted.json", "cut in the middle", NOT_TRUSTED, text('{"version": 1, "files": {"/a/ne')),
    Case("record", "trusted.json", "a folder in its place", NOT_TRUSTED, folder),
    Case(
        "downloaded weights",
        "tiny.pth",
        "0 bytes",
        "The weight file tiny.pth is damaged or not of its kind.",
        downloaded(lambda _: b""),
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "a web page to log in",
        "The weight file tiny.pth is a web page and holds no weights.",
        downloaded(lambda _: b"<!DOCTYPE html><title>Log in</title>" + bytes(500)),
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "cut in the middle",
        "The weight file tiny.pth is damaged or not of its kind.",
        downloaded(lambda _: half({"weight": torch.ones(2, 3)})),
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "a pickle with code",
        "The weight file tiny.pth holds more than numbers (….open): it is refused, since reading it would run code in it.",
        downloaded(lambda scene: {"weight": torch.ones(2, 3), "bias": Trap(scene.trap)}),
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "another file than its card's",
        "The weight file tiny.pth is damaged: its checksum is not the one on its card.",
        downloaded(lambda _: checkpoint(1.0), sha256="0" * 64),
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "another file than at its first use",
        "The weight file tiny.pth is not the one that was first used (its checksum has changed); delete it and get it anew.",
        other_than_first,
    ),
    Case(
        "downloaded weights",
        "tiny.pth",
        "the weights of another network",
        "The weight file tiny.pth does not fit the network Tiny network.",
        downloaded(lambda _: {"weight": torch.ones(5, 5), "bias": torch.ones(5)}),
    ),
    Case(
        "downloaded weights",
        "tiny.safetensors",
        "a header longer than the file",
        "The weight file tiny.safetensors is damaged or not of its kind.",
        downloaded(lambda _: safetensors({}, length=10**9)),
    ),
    Case("downloaded weights", "tiny.json", "its card is cut short", "The weight card tiny.json is damaged.", no_card),
    Case(
        "downloaded weights",
        "tiny.json",
        "its card says more than cards can",
        "The weight card tiny.json is damaged.",
        wrong_card,
    ),
)
