"""SIGKILL at any moment: every file that is being saved over and over is the old one or the new one, whole."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from explorer.bundle.format import read_bundle
from explorer.session import load_settings

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 6

WRITER = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from explorer.bundle.format import make_bundle, save_bundle
from explorer.compute import Computer
from explorer.figure import Figure, Heatmap, Pane
from explorer.panel import Frame, Task
from explorer.save import save_npz, save_picture
from explorer.session import Settings, save_settings
from tests.explorer.panels_for_tests import Params, View, make_panel
from tests.explorer.test_bundle_files import tiny_png

folder = Path(sys.argv[1])
panel = make_panel()
computer = Computer({{"probe": panel}})
for round in range(1, 10**6):
    value = round % 200
    frame = Frame(np.full((60, 80, 3), value, np.uint8), index=value)
    save_settings(Settings(threads=value, recent=tuple(f"{{value}}-{{i}}" for i in range(200))))
    save_npz(folder / "figure.npz", Figure(Pane("p", "", (Heatmap(np.full((90, 90), value)),))))
    save_picture(folder / "frame.png", frame)
    result = computer.compute(frame, Task(1, "probe", Params()))
    save_bundle(folder / "all.cvbundle", make_bundle(panel, result, View(), tiny_png()))
    print(round, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_every_file_is_the_old_or_the_new_one(tmp_path: Path, own_home: Path) -> None:
    chance = random.Random(20261122)
    rounds = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=str(ROOT)), str(tmp_path)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline(), "the child wrote nothing"
        time.sleep(chance.uniform(0, 0.3))  # the moment of the kill is what is random
        child.kill()
        rounds += 1 + len(child.stdout.read().splitlines())
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL

        settings, message = load_settings()
        assert message == ""
        assert settings.recent == tuple(f"{settings.threads}-{i}" for i in range(200))
        with np.load(tmp_path / "figure.npz", allow_pickle=False) as data:
            values = data["p.heatmap.values"]
            assert values.shape == (90, 90)
            assert values.min() == values.max()
        bundle = read_bundle(tmp_path / "all.cvbundle")
        assert int(bundle.frame.image.min()) == int(bundle.frame.image.max()) == bundle.frame.index
        names = {one.name for one in tmp_path.iterdir() if not one.name.endswith(".part")}
        assert names == {"figure.npz", "frame.png", "all.cvbundle"}
    assert rounds > ROUNDS
