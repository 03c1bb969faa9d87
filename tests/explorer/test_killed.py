"""SIGKILL at any moment: every file that is being saved over and over is the old one or the new one, whole."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from explorer.bundle.format import read_bundle
from explorer.files.stored import read_stored
from explorer.own_networks.known import own_models
from explorer.settings.session import load_settings

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
from explorer.engine.compute import Computer
from explorer.figure import Figure, Heatmap, Pane
from explorer.panel import Frame, Task
from explorer.saving.data import save_npz, save_picture
from cvcore import zoo
from cvcore.zoo import licences
from cvcore.zoo.store import record_sha256
from explorer.own_networks.known import OwnModel, remember
from explorer.settings.session import Settings, save_settings
from explorer.own_networks.trust import trust
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
    remember(OwnModel("/a/net.py", "net", size=8 + value, labels=f"{{value}}" * 500))
    trust(Path(f"/a/{{value}}.py"), f"{{value:064}}")
    card = zoo.card("light_openpose")
    record_sha256(card, f"{{value:064}}", "x" * 5000)
    licences.accept(type(card)(**{{**{{name: getattr(card, name) for name in card.__slots__}}, "terms": "all of it " * 900}}))
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
        (own,) = own_models().values()
        assert own.labels == str(own.size - 8) * 500
        trusted = read_stored("trusted")["files"]
        assert {path: int(digest) for path, digest in trusted.items()} == {
            f"/a/{int(d)}.py": int(d) for d in trusted.values()
        }
        first_use = json.loads((own_home / "weights" / "light_openpose.first-use.json").read_text("utf-8"))
        assert len(first_use["from"]) == 5000
        (accepted,) = (own_home / "weights").glob("accepted-*.txt")
        assert accepted.read_text("utf-8") == "all of it " * 900 + "\n"
        assert not list(own_home.glob("*damaged*"))
        names = {one.name for one in tmp_path.iterdir() if not one.name.endswith(".part")}
        assert names == {"figure.npz", "frame.png", "all.cvbundle"}
    assert rounds > ROUNDS
