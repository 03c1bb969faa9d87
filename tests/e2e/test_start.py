"""Starting where a window is impossible: one sentence, exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.skipif(sys.platform != "linux", reason="about displays as Linux has them")
@pytest.mark.parametrize("display", [None, ":986"], ids=["none", "unreachable"])
def test_without_a_display_one_sentence_names_the_export(display: str | None, own_home: Path) -> None:
    dropped = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"CV_EXPLORER_HOME": str(own_home)} | ({"DISPLAY": display} if display else {})
    command = [sys.executable, "-m", "explorer"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "cv-explorer export" in run.stderr
