"""What README.md promises holds: its panel runs, its links and commands exist."""

import re
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from explorer.engine.compute import Computer
from explorer.figure import Boxes, Heatmap, Spot
from explorer.panel import Frame, Panel, Task

ROOT = Path(__file__).resolve().parent.parent.parent
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = TEXTS[0].read_text("utf-8")


@pytest.fixture(scope="module")
def example() -> Panel:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    module = ModuleType("edges")
    exec(compile(code, "README.md", "exec"), module.__dict__)
    return Panel.from_module(module)


def test_the_panel_of_the_readme_finds_an_edge(example: Panel) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 255
    result = Computer({"edges": example}).compute(Frame(image), Task(1, "edges", example.params()))
    assert result is not None
    assert result.error == ""
    assert [stage.name for stage in result.stages] == ["capture", "wait", "forward"]
    figure = example.draw(result, example.view())
    heat = next(mark for pane in figure.panes() for mark in pane.marks if isinstance(mark, Heatmap))
    rows, columns = np.nonzero(heat.values[10:30] > 0.9 * heat.values[10:30].max())
    assert set(columns) == {29, 30}
    assert len(set(rows)) == 20
    # The central difference over a step that a mean over three pixels made a ramp.
    assert heat.values[20].max() == pytest.approx(1 / 3, abs=1e-5)
    assert example.explanation.format(**figure.values)


def test_the_panel_of_the_readme_probes(example: Panel) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 255
    result = Computer({"edges": example}).compute(Frame(image), Task(1, "edges", example.params()))
    assert result is not None
    probe = example.probe(result, example.view(), Spot("picture", "image", 10.5, 20.5))
    assert probe is not None
    assert probe.text == "cell (10, 20)"
    boxes = {key: mark.xyxy.tolist() for key, (mark,) in probe.marks.items() if isinstance(mark, Boxes)}
    assert boxes == {"picture": [[10, 20, 11, 21]], "edges": [[10, 20, 11, 21]]}
    assert example.probe(result, example.view(), Spot("picture", "image", -3, 20)) is None


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_named_exist(path: Path) -> None:
    names = re.findall(r"`((?:cvcore|explorer|assets|docs|tools|tests)/[\w./-]*)`", path.read_text("utf-8"))
    made_later = {"explorer/panels/edges.py", "tests/e2e/out/failed/"}
    assert [name for name in names if name not in made_later and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_make_targets_named_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    rules = re.findall(r"^([a-z0-9 ]+):", makefile, re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    assert set(re.findall(r"`?make ([a-z]+)(?:`|  +#| ARGS)", path.read_text("utf-8"))) <= targets


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{version}]" in changelog
