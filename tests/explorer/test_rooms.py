"""The rooms that the code lives in: no two files import each other in a circle, and every room has its floor."""

import tomllib
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("cvcore", "explorer", cache_dir=None, exclude_type_checking_imports=True)


def test_no_files_import_each_other_in_a_circle(imports: grimp.ImportGraph) -> None:
    graph = networkx.DiGraph()
    for module in imports.modules:
        graph.add_edges_from((module, used) for used in imports.find_modules_directly_imported_by(module))
    assert graph.number_of_edges() > 500
    assert [sorted(circle) for circle in networkx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_every_room_has_its_floor(imports: grimp.ImportGraph) -> None:
    """import-linter holds what the contract names, and says nothing of what it does not."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (floors,) = [
        contract["layers"]
        for contract in contracts
        if contract["type"] == "layers" and "explorer.__main__" in contract["layers"]
    ]
    named = {module.strip() for floor in floors for module in floor.split("|")}
    assert named <= imports.modules
    for room in imports.find_children("explorer"):
        inner = imports.find_children(room)
        assert room in named or inner <= named, f"{room}, or every file in it, stands on no floor"
