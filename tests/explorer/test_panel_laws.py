"""What holds for every panel, in every view, in both languages and on odd pictures. The oracles of a panel's numbers are its own tests.

Results come from the program's own Computer. A new panel is tested here without a line, only its snapshot is to be taken; the table below
names what older ones still do, and may only become shorter.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PySide6.QtWidgets import QApplication

from explorer.bundle.check import report_on
from explorer.bundle.format import make_bundle, read_bundle, save_bundle
from explorer.figure import Figure, Handles, Heatmap, Layout, Pane, Text
from explorer.i18n import LANGUAGES, set_language, tr
from explorer.panel import Panel, Task, knobs
from explorer.saving.data import figure_arrays, pane_tables, save_csv, save_npz
from explorer.settings.session import fields_from_json, fields_to_json
from tests.explorer.computing_for_tests import LastingComputer, Shown, computed, panels, pick_at, probe_at, split
from tests.explorer.panel_laws import (
    View,
    all_views,
    difference,
    extremes,
    fast,
    noting_work,
    odd_pictures,
    outside,
    refusal,
    spots,
    views,
    words,
)
from tests.explorer.panel_snapshots import MOST_CHANGED, SNAPSHOTS, changed_part, first_figure, font, taken

PANELS = tuple(panels())
VIEWS = all_views()
SIZE = (320, 240)
"""Of the photograph that every view is drawn on."""
CHINESE = re.compile(r"[\u3400-\u9fff]")
SENTENCE = re.compile(r"\b[A-Za-z]{2,} [a-z]{3,}\b")

COMPUTES_IN_DRAW: dict[str, set[str]] = {
    "nms": {"clamp", "full_like", "ge", "scatter_reduce", "sqrt", "where"},
    "pose": {"full_like"},
    "roi": {
        "_unique2", "add", "div", "floor_divide", "ge", "gt", "index_add", "max", "min", "mul", "new_zeros", "remainder", "repeat",
        "stack", "unique_dim",
    },
}  # fmt: skip
"""By panel, what its draw still computes: operators of torch, functions of OpenCV. To be emptied: compute does it."""

ODD = odd_pictures()
PNG = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()


def on_the_photograph(view: View) -> Shown:
    return computed(view.panel, "ireland", resized=SIZE, **view.fields)


def named(view: Any) -> str:
    return str(view)


@pytest.fixture(scope="module", params=VIEWS, ids=named)
def view(request: pytest.FixtureRequest) -> View:
    """One after the other, each through all its tests: so little has to be remembered."""
    made: View = request.param
    return made


each_panel = pytest.mark.parametrize("name", PANELS)


def odd_cases() -> Iterator[tuple[View, str]]:
    """Every panel on every odd picture, and every view on two of them."""
    pictures = tuple(ODD)
    for panel in panels().values():
        for number, view in enumerate(views(panel)):
            chosen = pictures if number == 0 else (pictures[number % len(pictures)], "37x53")
            yield from ((view, picture) for picture in dict.fromkeys(chosen))


def test_the_laws_know_every_view() -> None:
    """A panel whose views they could not find would be tested in one of them only."""
    for panel in panels().values():
        found = {value for view in views(panel) for _, value in view.values}
        assert found >= panel.views.keys() or len(panel.views) == 1
        assert {view.panel for view in VIEWS} == set(PANELS)


# -- drawing


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_view_is_drawn_in_both_languages(view: View, language: str) -> None:
    set_language(language)
    shown = on_the_photograph(view)
    assert_drawable(shown.figure)
    if language == "en":
        return
    said = [*words(shown.figure), *(word for spot in every_spot(shown, 2) for word in words(probe_at(shown, spot)))]
    assert said
    english = {text for text in said if tr(text) != text or (SENTENCE.search(text) and not CHINESE.search(text))}
    assert not english


@pytest.mark.parametrize(("view", "picture"), tuple(odd_cases()), ids=named)
def test_a_view_is_drawn_on_odd_pictures(view: View, picture: str) -> None:
    set_language("zh_CN" if len(picture) % 2 else "en")
    shown = computed(view.panel, ODD[picture], **view.fields)
    assert_drawable(shown.figure)
    assert_probes(shown)


def assert_drawable(figure: Figure) -> None:
    keys = [pane.key for pane in figure.panes()]
    assert keys
    assert len(set(keys)) == len(keys), f"two panes have one key: {keys}"
    for pane in figure.panes():
        assert pane.title == pane.title.strip()
        assert pane.marks or pane.axes, f"the pane {pane.key} is empty"


def test_draw_is_pure(view: View) -> None:
    shown = on_the_photograph(view)
    assert not difference(shown.figure, shown.looked().figure)
    assert not difference(dict(shown.figure.values), dict(shown.looked().figure.values))


def test_draw_computes_nothing(view: View) -> None:
    assert work_in_draw(view) <= COMPUTES_IN_DRAW.get(view.panel, set())


@pytest.mark.parametrize("name", COMPUTES_IN_DRAW)
def test_what_draw_computes_no_more_is_off_the_table(name: str) -> None:
    assert set().union(*map(work_in_draw, views(panels()[name]))) == COMPUTES_IN_DRAW[name]


def work_in_draw(view: View) -> set[str]:
    shown = on_the_photograph(view)
    with noting_work() as work:
        shown.looked().figure  # noqa: B018  draws
    return work


@pytest.fixture
def same_font(qapp: QApplication) -> Iterator[None]:
    before, sheet = qapp.font(), qapp.styleSheet()
    qapp.setStyleSheet("")  # a window that was there before has dressed the application
    qapp.setFont(font(qapp))
    yield
    qapp.setStyleSheet(sheet)
    qapp.setFont(before)


@pytest.mark.usefixtures("same_font")
@each_panel
def test_the_first_view_looks_as_it_did(name: str, tmp_path: Path) -> None:
    """After a change that is wanted: ``python -m tests.explorer.panel_snapshots PANEL``, and look at the picture."""
    assert (SNAPSHOTS / f"{name}.png").is_file(), f"take its picture: python -m tests.explorer.panel_snapshots {name}"
    with PillowImage.open(SNAPSHOTS / f"{name}.png") as stored:
        now = taken(first_figure(name))
        now.save(tmp_path / f"{name}.png")
        assert changed_part(now, stored) <= MOST_CHANGED, f"see {tmp_path}"


@pytest.mark.usefixtures("same_font")
def test_a_map_that_is_not_drawn_is_seen() -> None:
    figure = first_figure("roi")
    changed = replace(figure, layout=without_maps(figure.layout))
    with PillowImage.open(SNAPSHOTS / "roi.png") as stored:
        assert changed_part(taken(changed), stored) > MOST_CHANGED


def without_maps(layout: Layout) -> Layout:
    if isinstance(layout, Pane):
        return replace(layout, marks=tuple(mark for mark in layout.marks if not isinstance(mark, Heatmap)))
    return replace(layout, children=tuple(map(without_maps, layout.children)))


# -- pointing


def test_probes_and_picks_hold_everywhere(view: View) -> None:
    assert_probes(on_the_photograph(view))


def every_spot(shown: Shown, most: int = 5) -> Iterator[Any]:
    for pane in shown.figure.panes():
        yield from spots(pane, most)


def assert_probes(shown: Shown) -> None:
    """No spot raises; what is lit is in a pane that is there; what a click sets is taken, and can be drawn where that computes nothing."""
    there, seen, absent = set(shown.keys()), set(), set()
    for spot in every_spot(shown):
        probe = probe_at(shown, spot)
        if probe is not None:
            assert probe.text or probe.marks, spot
            absent |= probe.marks.keys() - there
        picked = pick_at(shown, spot)
        if picked is None:
            continue
        assert picked, f"{spot}: None is no click"
        split(shown.panel, shown.fields | picked)
        case = spot.pane, frozenset(picked)
        if case not in seen and picked.keys() <= knobs(shown.view).keys():
            seen.add(case)
            assert_drawable(shown.looked(**picked).figure)
    assert not absent, f"lights panes that are not there: {absent}"


# -- saving


def test_a_figure_is_saved(view: View, tmp_path: Path) -> None:
    figure = on_the_photograph(view).figure
    save_npz(tmp_path / "figure.npz", figure)
    with np.load(tmp_path / "figure.npz", allow_pickle=False) as saved:
        arrays = figure_arrays(figure)
        assert set(saved) == set(arrays)
        assert not difference({name: saved[name] for name in arrays}, arrays)
    save_csv(tmp_path / "figure.csv", figure)
    text = (tmp_path / "figure.csv").read_text("utf-8-sig")
    tables = [pane for pane in figure.panes() if next(iter(pane_tables(pane)), None)]
    assert text
    assert all(pane.title.replace('"', '""') in text for pane in tables) or len(tables) == 1


def test_own_files_and_links(view: View) -> None:
    shown = on_the_photograph(view)
    for name, content in (shown.panel.files(shown.result, shown.view) if shown.panel.files else {}).items():
        assert content, name
        if name.endswith(".json"):
            json.loads(content)
    for link in shown.panel.links(shown.result, shown.view) if shown.panel.links else ():
        assert link.text
        split(panels()[link.panel], link.fields)


def test_a_bundle_computed_again_is_the_same(view: View, tmp_path: Path) -> None:
    shown = computed(view.panel, "ireland", resized=(96, 64), **view.fields)
    save_bundle(tmp_path / "a.cvbundle", make_bundle(shown.panel, shown.result, shown.view, PNG))
    bundle = read_bundle(tmp_path / "a.cvbundle")
    params, look = (fields_from_json(kind, dict(part)) for kind, part in as_read(shown.panel, bundle))
    assert (params, look) == (shown.params, shown.view)
    result = LastingComputer(panels()).compute(bundle.frame, Task(1, view.panel, params))
    assert result is not None
    report = report_on(bundle, result, look)
    assert report.same, report.lines()


def as_read(panel: Panel, bundle: Any) -> tuple[tuple[type, Any], tuple[type, Any]]:
    return (panel.params, bundle.params), (panel.view, bundle.view)


# -- controls


@each_panel
def test_controls_take_their_extremes(name: str) -> None:
    panel = panels()[name]
    for field, value in extremes(panel):
        for one in split(panel, {field: value}):
            again = fields_from_json(type(one), json.loads(json.dumps(fields_to_json(one))))
            assert again == one, f"{field} = {value} is not kept in the settings"


@each_panel
def test_controls_refuse_what_is_outside(name: str) -> None:
    panel = panels()[name]
    taken = {field: value for field, value in outside(panel) if not refusal(panel, field, value)}
    assert not taken


@each_panel
def test_controls_have_words(name: str) -> None:
    """Each label once, so that nobody has to guess which of two is meant."""
    panel = panels()[name]
    for language in LANGUAGES:
        set_language(language)
        for kind in (panel.params, panel.view):
            labels = [tr(knob.label) for _, knob in knobs(kind).values() if knob.label]
            assert len(set(labels)) == len(labels), labels
    assert all(f.name in knobs(panel.params) for f in fields(panel.params))


def test_the_table_names_panels_that_are_there() -> None:
    assert COMPUTES_IN_DRAW.keys() <= set(PANELS)
    assert fast(panels()["layers"]) == {"size": 64}


# -- the laws themselves


def test_work_is_noticed_and_looking_up_is_not() -> None:
    values, image = torch.arange(6.0).reshape(2, 3), np.zeros((4, 4, 3), np.uint8)
    with noting_work() as work:
        values[1, :2].flip(0).double().numpy()
        np.asarray(image)[::2]
    assert work == {"flip"}
    with noting_work() as work:
        values.square()
        cv2.resize(image, (2, 2))
    assert work == {"pow", "cv2.resize"}


def test_a_difference_is_found() -> None:
    shown = computed("picture", "coffee", resized=(40, 30))
    assert not difference(shown.figure, shown.looked().figure)
    assert difference(shown.figure, shown.looked(channel="red").figure)
    assert "picture" not in set(words(shown.figure)), "that is a key"
    assert "Picture" in set(words(shown.figure))


def test_spots_meet_every_mark() -> None:
    shown = computed("layers", "dog", resized=SIZE, **fast(panels()["layers"]))
    for pane in shown.figure.panes():
        met = {spot.mark for spot in spots(pane)}
        assert met >= {mark.key for mark in pane.marks if not isinstance(mark, Text | Handles)}
