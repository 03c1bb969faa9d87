"""Opens a bad input as the program does, and looks whether the last good state is still there."""

import copy
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from cvcore import zoo
from cvcore.foreign import fingerprint
from explorer.i18n import said
from explorer.own_networks import known as own_models
from explorer.own_networks.damaged import check_records
from explorer.own_networks.known import OwnModel, remember
from explorer.own_networks.trial import guess, try_own
from explorer.own_networks.trust import trust
from explorer.settings.session import load_settings, save_settings
from explorer.views import networks
from explorer.views.networks import sentence_of
from tests.bad_inputs.case import Case, Scene
from tests.bad_inputs.kept import GOOD, is_forbidden

IMAGE = np.zeros((40, 40, 3), np.uint8)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def open_network(case: Case, scene: Scene, made: Any) -> str:
    """As the dialog for networks of the user's own does, after the user said yes to the file."""
    place, weights = made if isinstance(made, tuple) else (made, "")
    kept = remember(OwnModel("/somewhere/good.py", "net"))
    before, known = files(scene.home), networks.names()
    sentence = ""
    try:
        own = replace(guess(str(place)), weights=str(weights), size=32)
        if place.suffix == ".py":
            trust(place, fingerprint(place), remember=False)
        try_own(own, IMAGE)
    except Exception as error:
        sentence = said(error)
    assert files(scene.home) == before
    assert networks.names() == known
    assert own_models.own_models()[kept.name] == kept
    return sentence


def load_weights(case: Case, scene: Scene, made: str) -> str:
    before = files(scene.home)
    sentence = ""
    try:
        zoo.load(made)
    except Exception as error:
        sentence = sentence_of(error)
    assert files(scene.home) == before
    return sentence


def start_with_settings(case: Case, scene: Scene, made: Any) -> str:
    """Starts twice: the file is kept aside, nothing takes its place, and the second start says nothing."""
    path = scene.home / "settings.json"
    with readable_only_by_mode():
        content = None if path.is_dir() or is_forbidden(path.stat().st_mode) else path.read_bytes()
        found, sentence = load_settings()
        assert found == type(GOOD)()
        asides = [one for one in scene.home.iterdir() if one != path]
        assert len(asides) == 1
        assert content is None or asides[0].read_bytes() == content
        save_settings(found)
        assert load_settings() == (found, "")
    assert [one for one in scene.home.iterdir() if one != path] == asides
    assert asides[0].name in sentence
    return sentence


@contextmanager
def readable_only_by_mode() -> Iterator[None]:
    """Whoever runs the tests may read only what its mode permits, an administrator too."""
    read_text: Callable[..., str] = Path.read_text

    def checked(path: Path, *arguments: Any, **more: Any) -> str:
        if stat.S_ISREG(path.stat().st_mode) and is_forbidden(path.stat().st_mode):
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *arguments, **more)

    with patch.object(Path, "read_text", checked):
        yield


def start_with_record(case: Case, scene: Scene, made: Any) -> str:
    """Starts twice, as with settings; entries that are understood are still there."""
    path = scene.home / case.file
    content = path.read_bytes() if path.is_file() else None
    said = check_records()
    assert len(said) == 1
    asides = [one for one in scene.home.iterdir() if one != path]
    assert len(asides) == 1
    assert content is None or asides[0].read_bytes() == content
    assert check_records() == ()
    if "a good one" in case.wrong:
        assert [one["place"] for one in json.loads(path.read_text("utf-8"))["models"]] == ["/a/net.py"]
        assert [one.place for one in own_models.remembered().values()] == ["/a/net.py"]
    return said[0]


class Window:
    """The program's window with a photograph and a panel in it: what the user sees when something cannot be opened."""

    def __init__(self, window: Any, wait: Callable[[Callable[[], bool]], None]) -> None:
        self.window = window
        self._wait = wait

    def open(self, case: Case, scene: Scene, made: Any) -> str:
        window = self.window
        dock = window.desk.docks[0]
        frame, result, params = window.player.state.frame, dock.result, copy.copy(dock.params)
        docks, home = len(window.desk.docks), files(scene.home)
        window.announce("")
        before = window._banner.text()
        assert before == "", before
        window.opener.open(str(made))
        self._wait(self._is_told)
        sentence = str(window._banner.text())
        assert not window._banner.isHidden()
        assert window.player.state.frame is frame
        assert dock.result is result
        assert (dock.error, dock.params) == ("", params)
        assert len(window.desk.docks) == docks
        assert files(scene.home) == home
        window.player.play()  # a command takes the sentence away, as it does for a user
        self._wait(lambda: window.player.state.message == "")
        return sentence

    def _is_told(self) -> bool:
        state = self.window.player.state
        now = f"{state.message} {self.window._message}".strip()
        return now != "" and not state.opening and self.window._banner.text() == now
