"""The list of panels: read from their sources without importing them, imported when used, failures told."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from explorer import registry as registry_module
from explorer.registry import CHAPTERS, Entry, Registry, entry_of, find_panels, first_sentence, words_of
from tests.explorer.panels_for_tests import make_panel

PANEL = '''
"""Edges: where brightness changes. More words."""

from explorer.figure import Figure, Pane

{loud}
TITLE = "Edges of things"
CHAPTER: str = "12 My panels"
PAPER = (
    "Sobel, "
    "1968"
)


def compute(frame, params, context):
    return 1


def draw(result, view):
    return Figure(Pane("p", "P", ()))
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that can be imported, and says so when it is."""
    folder = tmp_path / "panels_of_mine"
    folder.mkdir()
    (folder / "__init__.py").write_text("import builtins\nbuiltins.seen_importing = True\n")
    (folder / "edges.py").write_text(PANEL.format(loud=""))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delattr("builtins.seen_importing", raising=False)
    yield folder
    for name in [name for name in sys.modules if name.startswith("panels_of_mine")]:
        del sys.modules[name]


def installed(monkeypatch: pytest.MonkeyPatch, **modules: str) -> Registry:
    points = EntryPoints(EntryPoint(name, module, registry_module.GROUP) for name, module in modules.items())
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    return find_panels()


def test_what_is_read_from_the_source_is_what_the_panel_says() -> None:
    registry = find_panels()
    assert registry.entries
    for name, entry in registry.entries.items():
        panel = registry.load(name)
        assert panel is not None, registry.failures
        assert (entry.name, entry.title, entry.chapter, entry.paper) == (
            panel.name,
            panel.title,
            panel.chapter,
            panel.paper,
        )
        if entry.own:
            assert entry.chapter in CHAPTERS
            assert 20 < len(entry.about) < 140, "a card has room for one sentence"
            assert entry.about.endswith((".", "?"))
    places = [entry.place for entry in registry.entries.values()]
    assert places == sorted(places)


def test_listing_the_panels_imports_none_of_them() -> None:
    code = """
        import sys
        from explorer.registry import find_panels
        registry = find_panels()
        assert len(registry.panels) >= 9
        print([name for name in sys.modules if name.startswith("explorer.panels.") or name in ("torch", "cv2", "numba")])
    """
    run = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_panel_of_another_package_is_read_where_it_lies(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    registry = installed(monkeypatch, edges="panels_of_mine.edges")
    assert "edges" not in registry.entries, "packages are looked through when all panels are asked for"
    assert list(registry.panels)[-1] == "edges"
    entry = registry.entries["edges"]
    assert entry == Entry(
        "edges",
        "Edges of things",
        "12 My panels",
        "Sobel, 1968",
        "Edges: where brightness changes.",
        "panels_of_mine.edges",
        own=False,
    )
    assert not hasattr(builtins, "seen_importing")
    assert registry.loaded("edges") is None
    panel = registry.panels["edges"]
    assert (panel.title, panel.chapter, panel.paper) == (entry.title, entry.chapter, entry.paper)
    assert registry.loaded("edges") is panel
    assert registry.load("edges") is panel
    assert builtins.seen_importing


def test_what_cannot_be_imported_is_told_and_left_out(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package / "loud.py").write_text(PANEL.format(loud='raise RuntimeError("no such camera")'))
    (package / "cut.py").write_text('TITLE = "Cut\n')
    registry = installed(
        monkeypatch,
        loud="panels_of_mine.loud",
        cut="panels_of_mine.cut",
        gone="panels_of_mine.gone",
        picture="panels_of_mine.picture",
    )
    panels = registry.panels
    assert registry.entries["loud"].title == "Edges of things"
    assert (registry.entries["cut"].title, registry.entries["gone"].title) == ("Cut", "Gone")
    assert {"loud", "cut", "gone"} <= set(panels)
    for name in ("loud", "cut", "gone", "nothing"):
        assert panels.get(name) is None
        assert name not in panels
    assert registry.failures["loud"] == "no such camera"
    assert "panels_of_mine.gone" in registry.failures["gone"]
    assert "already a panel" in registry.failures["panels_of_mine.picture"]
    assert "nothing" not in registry.failures
    assert panels["picture"].compute.__module__ == "explorer.panels.picture"


def test_panels_that_are_there_already_are_listed_too() -> None:
    panel = make_panel()
    registry = Registry({"probe": panel}, {"lost": "no such module"})
    assert registry.entries["probe"].title == "Probe"
    assert dict(registry.panels) == {"probe": panel}
    assert registry.failures == {"lost": "no such module"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("", {"": ""}),
        ('"""One. Two."""\nTITLE = "A"\n', {"": "One. Two.", "TITLE": "A"}),
        ('TITLE = name()\nCHAPTER = "2 B"\n', {"": "", "CHAPTER": "2 B"}),
        ('TITLE = f"{1}"\n', {"": ""}),
        ("TITLE = 5\n", {"": ""}),
        ('"""x\nclass y\n"""\nTITLE = "behind what looks like code"\n', {"TITLE": "behind what looks like code"}),
        ('def f():\n    return 1\n\n\nTITLE = "below"\n', {"": "", "TITLE": "below"}),
        ("def (", {"": ""}),
        ("\0", {}),
    ],
)
def test_words_of_a_source(source: str, found: dict[str, Any]) -> None:
    said = words_of(source)
    assert found.items() <= said.items()
    assert set(said) <= set(found) | {""}


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("NMS: seven\n    ways. More.", "Seven ways."),
        ("Where do 3.5 boxes go? There.", "Where do 3.5 boxes go?"),
        ("No full stop", "No full stop"),
        ("", ""),
    ],
)
def test_the_first_sentence_is_what_the_panel_is_about(docstring: str, sentence: str) -> None:
    assert first_sentence(docstring, "NMS") == sentence


def test_a_module_without_a_source_has_its_name_for_a_title() -> None:
    assert entry_of("math", own=False) == Entry("math", "Math", module="math", own=False)
