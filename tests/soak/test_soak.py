"""The soak itself: some seconds of it, and whether its verdict can tell a leak from noise."""

import gc
import json
import logging
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QAbstractItemModel, QObject, Qt, qWarning
from PySide6.QtWidgets import QComboBox, QDockWidget, QMainWindow, QTabBar, QWidget
from pytestqt.qtbot import QtBot

from explorer.engine.memory import give_back
from explorer.panel import knob, knobs
from tests.soak import figures
from tests.soak.figures import Sample
from tests.soak.problems import Problems, known_sentences
from tests.soak.values import every, random_value
from tests.soak.verdict import growths

ROOT = Path(__file__).resolve().parents[2]


def test_some_seconds_of_it(tmp_path: Path) -> None:
    """In a process of its own, since it looks at everything that its process has."""
    command = [sys.executable, "-m", "tests.soak", "--offscreen", "--actions", "60", "--seed", "7"]
    command += ["--folder", str(tmp_path), "--size", "320x180"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("PASSED\n")
    outcome = json.loads((tmp_path / "verdict.json").read_text("utf-8"))
    assert outcome["actions"] >= 60
    assert outcome["frames"] > 3
    assert {"layers", "nms", "roi", "losses", "picture"} <= set(outcome["panels"])
    assert len((tmp_path / "actions.jsonl").read_text("utf-8").splitlines()) == outcome["actions"]
    assert len((tmp_path / "samples.csv").read_text("utf-8").splitlines()) > 2


def test_counting_leaves_nothing_behind(qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    bars = QMainWindow()
    qtbot.addWidget(bars)
    gc.collect()  # windows that earlier tests left behind go now, not in the middle of counting
    before, stale = figures.qobjects(), {id(one) for one in deleted_views()}
    box = QComboBox(window)
    with_box = figures.qobjects()
    assert with_box > before + 1, "its lists and models count as well"
    box.addItem("one")
    shiboken6.delete(box)
    del box
    gc.collect()
    assert figures.qobjects() == before
    assert not [one for one in deleted_views() if id(one) not in stale]


def deleted_views() -> list[QWidget | QAbstractItemModel]:
    """What Python still holds of widgets and models that are gone."""
    objects = [one for one in gc.get_objects() if issubclass(type(one), QObject)]  # isinstance would wake lazy modules
    gone = [one for one in objects if not shiboken6.isValid(one)]
    return [one for one in gone if isinstance(one, QWidget | QAbstractItemModel)]


def test_tab_bars_between_docks_do_not_count(qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    docks = [QDockWidget(name, window) for name in "ab"]
    for dock in docks:
        window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    others = figures.qobjects() - 1 - len(window.findChildren(QObject))
    window.tabifyDockWidget(*docks)
    qtbot.waitUntil(lambda: bool(window.findChildren(QTabBar)))
    counted = [one for one in (window, *window.findChildren(QObject)) if not figures._is_of_a_tab_bar(one)]
    assert len(counted) <= len(window.findChildren(QObject))
    assert figures.qobjects() - others == len(counted)


def samples(memory: list[float], **more: int) -> list[Sample]:
    counts = {"threads": 20, "handles": 30, "widgets": 100, "objects": 500, "python": 10**6} | more
    return [Sample(60.0 * i, True, one, one, one, *counts.values(), 0, 0, 0) for i, one in enumerate(memory)]


@pytest.mark.parametrize(
    ("memory", "grown"),
    [
        pytest.param([500.0] * 60, False, id="flat"),
        pytest.param([500 + 30 * random.Random(i).random() for i in range(60)], False, id="noise"),
        pytest.param([500 + (i % 7 == 0) * 400 for i in range(60)], False, id="outliers"),
        pytest.param([500 - i for i in range(60)], False, id="falls"),
        pytest.param([500 + 60 * (i > 15) for i in range(60)], False, id="one step"),
        pytest.param([500 + 300 * (i > 15) + i / 10 for i in range(60)], False, id="one step, then hardly any more"),
        pytest.param([500 + 2.0 * i for i in range(60)], True, id="2 MB a minute"),
        pytest.param([500 + 2.0 * i + 30 * random.Random(i).random() for i in range(60)], True, id="a leak in noise"),
    ],
)
def test_a_leak_is_told_from_noise(memory: list[float], grown: bool) -> None:
    found = {one.figure: one for one in growths(samples(memory), 0)}
    for figure in ("own", "held"):
        assert found[figure].grown is grown, str(found[figure])
    assert not any(one.grown for one in found.values() if one.figure not in ("own", "held"))


def test_what_the_program_holds_is_judged_more_strictly_than_what_the_allocator_keeps() -> None:
    found = {one.figure: one.grown for one in growths(samples([500 + 0.5 * i for i in range(60)]), 0)}
    assert found["held"]
    assert not found["own"]


@pytest.mark.skipif(figures.held() == 0.0, reason="the C library does not tell")
def test_memory_that_is_held_and_memory_that_was_freed() -> None:
    gc.collect()
    give_back()  # else the blocks may lie in memory that earlier tests have freed
    own, held = figures.own(), figures.held()
    kept = [bytearray(b"x") * 5_000_000 for _ in range(10)]
    assert figures.held() - held == pytest.approx(50, abs=5)
    assert figures.own() - own > 40
    kept.clear()
    assert figures.held() - held == pytest.approx(0, abs=5)


def test_one_handle_more_now_and_then_is_a_leak() -> None:
    leaking = [one for i in range(24) for one in samples([500.0], handles=30 + i // 8)]
    leaking = [Sample(60.0 * i, *list(_values(one))[1:]) for i, one in enumerate(leaking)]
    assert [one.figure for one in growths(leaking, 0) if one.grown] == ["handles"]


def _values(sample: Sample) -> list[float]:
    return [getattr(sample, name) for name in Sample.__slots__]


def test_the_warm_up_does_not_count_and_few_samples_say_nothing() -> None:
    rising = samples([float(i * 10) for i in range(60)] + [600.0] * 30)
    assert not any(one.grown for one in growths(rising, 60 * 60))
    assert growths(rising[:11], 0) == ()


def test_what_is_a_problem() -> None:
    log = logging.getLogger("explorer.test")
    with Problems(lambda: "something") as problems:
        qWarning("a bad thing")
        log.error("broken")
        with pytest.raises(OSError, match="no network"):
            socket.create_connection(("127.0.0.1", 9))
        try:
            raise KeyError("lost")
        except KeyError:
            log.exception("the panel failed")
        try:
            raise ValueError("There is no panel named ghost.")
        except ValueError:
            log.exception("the panel failed")
    assert [what.partition("(")[0] for what in problems.found] == [
        "Qt: a bad thing",
        "ERROR explorer.test: broken",
        "connected to ",
        "ERROR explorer.test: the panel failed",
    ]
    assert dict(problems.expected) == {"There is no panel named ghost.": 1}


def test_only_the_programs_own_sentences_are_expected() -> None:
    known = known_sentences()
    assert known.fullmatch("x.png was not saved: the disk is full.")
    assert not known.fullmatch("list index out of range")
    assert not known.fullmatch("Tensors must have same number of dimensions: got 3 and 4")


def test_values_fit_their_knobs() -> None:
    from dataclasses import make_dataclass

    kinds = {
        "count": knob(3, 1, 9, step=2),
        "share": knob(0.5, 0.0, 1.0),
        "large": knob(10, 1, 4096, log=True),
        "word": knob("a", choices=("a", "b")),
        "flag": knob(False),
    }
    made = make_dataclass(
        "Params", [(name, type(field.default), field) for name, field in kinds.items()], frozen=True
    )()
    found = {name: one for name, (_, one) in knobs(made).items()}
    chance = random.Random(0)
    drawn = {
        name: {random_value(one, getattr(made, name), None, chance) for _ in range(300)} for name, one in found.items()
    }
    assert drawn["count"] == {1, 3, 5, 7, 9}
    assert min(drawn["share"]) == 0.0
    assert max(drawn["share"]) == 1.0
    assert min(drawn["large"]) == 1
    assert max(drawn["large"]) == 4096
    assert drawn["word"] == {"a", "b"} == set(every(found["word"], None))
    assert drawn["flag"] == {True, False}
