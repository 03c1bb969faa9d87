"""Compiled loops: none outlives a change of the sources it was made from, and none stops Python for long."""

import gc
import os
from pathlib import Path

from cvcore.ops import warm_up
from cvcore.ops.compiling import forget_stale, without_full_collections


def test_loops_older_than_a_source_are_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, age in (("new.nbi", 10), ("old.nbi", 30), ("old.pyc", 30)):
        (cache / name).touch()
        os.utime(cache / name, (1000 - age, 1000 - age))
    source = tmp_path / "inner.py"
    source.touch()
    os.utime(source, (1000 - 20, 1000 - 20))
    forget_stale(tmp_path)
    assert {path.name for path in cache.iterdir()} == {"new.nbi", "old.pyc"}
    forget_stale(tmp_path / "missing")  # nothing to forget
    shared = tmp_path / "shared.txt"
    shared.touch()
    forget_stale(tmp_path, shared)
    assert {path.name for path in cache.iterdir()} == {"old.pyc"}


def test_full_collections_wait_and_come_back() -> None:
    before = gc.get_threshold()
    with without_full_collections():
        assert gc.get_threshold()[:2] == before[:2]
        assert gc.get_threshold()[2] > 1e6
        assert gc.isenabled()
    assert gc.get_threshold() == before


def test_all_loops_warm_up() -> None:
    warm_up()
