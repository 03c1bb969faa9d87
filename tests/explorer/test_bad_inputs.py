"""Every bad input is refused with its sentence: nothing crashes or runs, what was there stays, and no file is left behind."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from cvcore.assets import asset
from explorer.own_networks import known as own_models
from explorer.registry import Registry
from explorer.settings.session import OpenPanel, Settings
from explorer.window import desk as desk_module
from explorer.window.main import MainWindow
from tests.bad_inputs import CASES
from tests.bad_inputs.case import Case, Scene, Trap
from tests.bad_inputs.opening import (
    Window,
    files,
    load_weights,
    open_network,
    start_with_record,
    start_with_settings,
)
from tests.explorer.panels_for_tests import make_panel
from tests.weights_for_tests import use_cards
from tools.bad_inputs import DOCUMENT, table

WAIT = 30_000
WINDOW = ("picture", "folder", "video", "stream", "bundle")
OPENERS = {
    "network": open_network,
    "weights": open_network,
    "downloaded weights": load_weights,
    "settings": start_with_settings,
    "record": start_with_record,
}


@pytest.fixture(scope="module", autouse=True)
def window(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainWindow]:
    """One window for all: it has to be the same after each. It is hidden, since each test has to leave no window open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CV_EXPLORER_HOME", str(tmp_path_factory.mktemp("window")))
        registry = Registry({"probe": make_panel()}, {})
        patch.setattr(desk_module, "find_panels", lambda: registry)
        made = MainWindow(
            Settings(language="en", panels=(OpenPanel("probe", 1),)), str(asset("pictures", "coffee.jpg"))
        )
        made.show()
        made.start()
        for _ in range(WAIT // 20):
            if made.desk.docks[0].result is not None:
                break
            qapp.processEvents()
            qapp.thread().msleep(20)
        assert made.desk.docks[0].result is not None
        made.hide()
        yield made
        made.close()


@pytest.fixture
def opened(window: MainWindow, qtbot: QtBot) -> Window:
    return Window(window, lambda condition: qtbot.waitUntil(condition, timeout=WAIT))


@pytest.fixture
def scene(tmp_path: Path, own_home: Path) -> Iterator[Callable[[Case], Scene]]:
    scenes: list[Scene] = []

    def make(case: Case) -> Scene:
        folder = tmp_path / "in"
        folder.mkdir()
        scenes.append(Scene(folder / case.file, own_home, tmp_path / "trap"))
        return scenes[-1]

    yield make
    for one in scenes:
        one.open_until_end.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, while it makes a file of torch.export
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_is_refused(
    case: Case,
    scene: Callable[[Case], Scene],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place = scene(case)
    monkeypatch.setattr(own_models, "_for_now", {})
    if case.kind == "downloaded weights":
        use_cards(monkeypatch, place.path.parent)
    monkeypatch.chdir(place.path.parent)
    made = case.make(place) or place.path
    before = files(place.path.parent) if case.kind != "picture" or not place.path.is_fifo() else {}
    if case.kind in WINDOW:
        sentence = request.getfixturevalue("opened").open(case, place, made)
    else:
        sentence = OPENERS[case.kind](case, place, made)
    assert case.is_said(sentence), sentence
    assert "\n" not in sentence
    assert not place.trap.exists()
    assert before == {} or files(place.path.parent) == before
    assert "Traceback" not in capfd.readouterr().err


def test_the_trap_works(tmp_path: Path) -> None:
    """What the tests above lean on."""
    import pickle

    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").exists()


def test_there_are_enough_of_each_kind() -> None:
    assert len(CASES) >= 40
    kinds = Counter(case.kind for case in CASES)
    assert min(kinds[kind] for kind in ("picture", "video", "stream", "bundle", "network", "weights", "settings")) >= 5
    assert max(Counter(case.id for case in CASES).values()) == 1


def test_the_table_in_the_documents_is_the_newest() -> None:
    assert DOCUMENT.read_text("utf-8") == table(), "run python tools/bad_inputs.py"
