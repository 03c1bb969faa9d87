"""The user's own networks: what is remembered, what may run, and that the Layers panel and the export show them."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvcore.foreign import Given, ModelError, fingerprint
from cvcore.zoo import WeightsError
from explorer.bundle.check import main as check_bundle
from explorer.engine.compute import Computer
from explorer.files import stored
from explorer.own_networks import known as own_models
from explorer.own_networks.known import OwnModel, check_labels, read_labels, remember
from explorer.own_networks.trial import guess, try_own
from explorer.own_networks.trust import is_trusted, trust
from explorer.panel import Frame, Panel, Task
from explorer.panels import layers
from explorer.panels.layers import Params
from explorer.saving.export import main
from explorer.views import networks
from tests.cvcore.foreign_for_tests import PYTHON, save_exported, save_onnx, small
from tests.explorer.test_export import COFFEE

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_models, "_for_now", {})
    own_models._note_change()


@pytest.fixture(autouse=True)
def none_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test opened until the program ends is not there in the next."""
    nothing_open(monkeypatch)


def python_file(folder: Path, text: str = PYTHON, *, trusted: bool = True) -> Path:
    path = folder / "net.py"
    path.write_text(text, "utf-8")
    if trusted:
        trust(path, fingerprint(path))
    return path


# -- remembered


def test_a_network_is_remembered_per_file_and_named() -> None:
    first = remember(OwnModel("/a/net.py", "small", size=96, colour="BGR"))
    assert first.name == "net.py:small"
    assert own_models.own_models() == {"net.py:small": first}
    again = remember(replace(first, name="", size=128))
    assert again.name == "net.py:small"
    assert [one.size for one in own_models.own_models().values()] == [128]
    other = remember(OwnModel("/b/net.py", "small"))
    assert other.name == "net.py:small (b)"
    weighted = remember(OwnModel("/a/net.py", "small", "/w/best.pth"))
    assert weighted.name == "net.py:small + best.pth"
    assert networks.names()[-3:] == ("net.py:small", "net.py:small (b)", "net.py:small + best.pth")
    own_models.forget(other.name)
    assert other.name not in networks.names()


def test_what_was_last_set_is_guessed_again(tmp_path: Path) -> None:
    path = python_file(tmp_path)
    assert guess(str(path)).size == 224
    remember(OwnModel(str(path), "small", size=96, mean=(0.5, 0.5, 0.5)))
    assert guess(f"{path}:small").size == 96
    assert guess(str(path)).mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("text", ["", "garbage", "[]", "{}", '{"version": 99, "models": []}', "\x00", '{"version": 1'])
def test_a_damaged_list_is_set_aside(text: str, own_home: Path) -> None:
    (own_home / "own_models.json").write_text(text, "utf-8")
    assert dict(own_models.own_models()) == {}
    assert (own_home / "own_models.damaged.json").read_text("utf-8") == text
    remember(OwnModel("/a/net.onnx"))
    assert list(own_models.own_models()) == ["net.onnx"]


def test_one_damaged_entry_leaves_the_others(own_home: Path) -> None:
    remember(OwnModel("/a/net.onnx"))
    path = own_home / "own_models.json"
    data = json.loads(path.read_text("utf-8"))
    good = data["models"][0]
    bad: list[Any] = [5, None, {}, {**good, "size": "x"}, {**good, "mean": [1, 2]}, {**good, "std": [0, 0, 0]}]
    bad += [{**good, "colour": "XYZ"}, {**good, "size": 10**9}, {**good, "name": ""}, {**good, "scale": -1}]
    data["models"] = [*bad, {**good, "from a newer version": 1, "name": "kept"}]
    path.write_text(json.dumps(data), "utf-8")
    assert list(own_models.own_models()) == ["kept"]


def test_a_folder_that_cannot_be_written_loses_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored, "write_whole", full)
    assert remember(OwnModel("/a/net.onnx")).name == "net.onnx"


# -- what may run


def test_a_file_runs_only_after_a_yes_to_its_path_and_content(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    text = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n" + PYTHON
    path = python_file(tmp_path, text, trusted=False)
    own = OwnModel(str(path), "small", size=64)
    with pytest.raises(ModelError, match=r"net\.py was not run"):
        try_own(own, IMAGE)
    assert not ran.exists()
    trust(path, fingerprint(path))
    found, trial = try_own(own, IMAGE)
    assert ran.exists()
    assert (found.classes, found.layer) == (10, "stem")
    assert trial.input == (1, 3, 64, 64)
    path.write_text(text + "\n", "utf-8")
    assert not is_trusted(path)
    copy = tmp_path / "copy.py"
    copy.write_text(text, "utf-8")
    assert not is_trusted(copy)


def test_a_yes_is_remembered_or_only_for_this_time(tmp_path: Path, own_home: Path) -> None:
    path = python_file(tmp_path, trusted=False)
    trust(path, fingerprint(path), remember=False)
    assert is_trusted(path)
    assert not (own_home / "trusted.json").exists()
    trust(path, fingerprint(path))
    assert json.loads((own_home / "trusted.json").read_text("utf-8"))["files"] == {str(path): fingerprint(path)}


# -- class names


def test_class_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("﻿cat\r\n狗\n\ncat\n\n\n".encode())
    assert read_labels(path) == ("cat", "狗", "2", "cat (3)")
    check_labels(str(path), 4)
    with pytest.raises(ModelError, match=r"labels\.txt has 4 class names; the network gives 10 class scores"):
        check_labels(str(path), 10)
    with pytest.raises(ModelError, match="gives no class scores"):
        check_labels(str(path), 0)
    for data in (b"", b"\n\n", b"\xff\xfe\x00", b"a\0b"):
        path.write_bytes(data)
        with pytest.raises(ModelError, match=r"no list of class names|no text in UTF-8"):
            read_labels(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_labels(tmp_path / "absent.txt")


def test_files_beside_a_network_are_guessed(tmp_path: Path) -> None:
    path = python_file(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb", "utf-8")
    (tmp_path / "net.pth").write_bytes(b"")
    assert guess(str(path)).labels == str(tmp_path / "labels.txt")
    assert guess(str(path)).weights == str(tmp_path / "net.pth")


def test_the_size_is_read_from_the_file(tmp_path: Path) -> None:
    save_exported(tmp_path / "net.pt2", 96)
    assert guess(str(tmp_path / "net.pt2")).input == (96, 96)
    assert guess(str(tmp_path / "net.pt2")).size == 96
    save_onnx(tmp_path / "net.onnx", [1, 3, 64, 128])
    assert guess(str(tmp_path / "net.onnx")).input == (128, 64)
    save_onnx(tmp_path / "net.onnx")
    assert guess(str(tmp_path / "net.onnx")).input == ()


# -- in the panel


def shown(own: OwnModel, **params: Any) -> Any:
    """The Layers panel's result on a network, through the engine's own computer."""
    found, _ = try_own(own, IMAGE)
    named = remember(found)
    task = Task(1, "layers", Params(network=named.name, **({"layer": named.layer} | params)))
    computer = Computer({"layers": Panel.from_module(layers)})
    result = computer.compute(Frame(IMAGE), task)
    assert result is not None
    assert not result.error, result.detail
    for module in computer.model(named.name, torch.device("cpu"), "float32").modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    Panel.from_module(layers).draw(result, layers.View())
    return result.trace


def test_the_panel_shows_a_python_network_that_works_in_place(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(f"thing {i}" for i in range(10)), "utf-8")
    own = replace(guess(str(python_file(tmp_path))), function="small", size=64)
    trace = shown(own, layer="stem", size=64, grad_cam=True, position=(40.0, 30.0), time_layers=True)
    assert trace.layer == "stem"
    assert (trace.maps < 0).any()
    assert trace.probabilities is not None
    assert trace.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert trace.cam is not None
    assert trace.position is not None
    assert trace.position.size == (3, 3)
    assert networks.card("net.py:small").label_names()[3] == "thing 3"


def test_the_panel_shows_an_exported_network_at_its_only_size(tmp_path: Path) -> None:
    save_exported(tmp_path / "net.pt2", 96)
    trace = shown(guess(str(tmp_path / "net.pt2")), layer="layer1.0.conv", grad_cam=True, position=(40.0, 30.0))
    assert trace.fit.input == (96, 96)
    assert trace.maps.shape == (8, 48, 48)
    assert trace.cam is not None
    assert trace.position.effective is not None
    assert trace.position.size is not None


def test_the_panel_shows_an_onnx_network_also_where_no_gradient_passes(tmp_path: Path) -> None:
    save_onnx(tmp_path / "net.onnx")
    own = guess(str(tmp_path / "net.onnx"))
    before = shown(own, layer="layer1.0.Add", grad_cam=True, position=(40.0, 30.0))
    assert before.position.size is not None
    assert before.position.effective is not None
    assert before.cam is None  # Pad is the runtime's
    after = shown(own, layer="layer1.Pad", grad_cam=True, position=(40.0, 30.0))
    assert after.cam is not None
    assert after.position.effective is None
    assert not after.position.gradient


def test_weights_written_anew_are_read_anew(tmp_path: Path) -> None:
    path, weights = python_file(tmp_path), tmp_path / "w.pth"
    exec_globals: dict[str, Any] = {"__name__": "net"}
    exec(compile(PYTHON.replace("@dataclass", ""), str(path), "exec"), exec_globals)
    state = exec_globals["Net"]().state_dict()
    torch.save(state, weights)
    own = remember(OwnModel(str(path), "small", str(weights)))
    computer = Computer({})
    cpu = torch.device("cpu")
    first = computer.model(own.name, cpu, "float32")
    assert computer.model(own.name, cpu, "float32") is first
    torch.save({key: value + 1 for key, value in state.items()}, weights)
    os.utime(weights, ns=(1, 1))
    second = computer.model(own.name, cpu, "float32")
    assert torch.allclose(second.state_dict()["stem.bias"], first.state_dict()["stem.bias"] + 1)


def test_an_error_in_the_users_code_is_said_with_its_line(tmp_path: Path) -> None:
    text = (
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 3)\n\n    def forward(self, x):\n        x = self.conv(x)\n"
        "        if x.shape[2] > 100:\n            raise ValueError('too large for me')\n        return x\n"
    )
    own, _ = try_own(replace(guess(str(python_file(tmp_path, text))), size=64), IMAGE)
    named = remember(replace(own, input=()))
    computer = Computer({"layers": Panel.from_module(layers)})
    task = Task(1, "layers", Params(network=named.name, size=224))
    result = computer.compute(Frame(IMAGE), task)
    assert result is not None
    assert result.error == "net.py, line 12: ValueError: too large for me"
    fine = computer.compute(Frame(IMAGE), replace(task, params=replace(task.params, size=64)))
    assert fine is not None
    assert not fine.error


def test_a_network_that_is_gone_is_said() -> None:
    with pytest.raises(WeightsError, match="no weights named net"):
        networks.card("net.py:small")


# -- headless


def run(tmp_path: Path, *words: str) -> int:
    out = ("--out", str(tmp_path / "out"), "--format", "npz", "--quiet", "--threads", "1", "--device", "cpu")
    return main([COFFEE, "--panel", "layers", *out, *words])


def test_export_with_a_network_of_ones_own(tmp_path: Path, qapp: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = python_file(tmp_path, trusted=False)
    torch.save({"state_dict": {}, "epoch": 1}, tmp_path / "none.pth")
    assert run(tmp_path, "--model", f"{path}:small", "--input-size", "64") == 2
    assert "net.py is a program and would be run; say --trust if you trust it." in capsys.readouterr().err
    words = ("--model", f"{path}:small", "--input-size", "64", "--trust", "--set", "layer=stem")
    assert run(tmp_path, *words, "--mean", "0.5", "--std", "0.5,0.5,0.5", "--colour", "BGR") == 0
    with np.load(tmp_path / "out" / "layers-000000.npz") as data:
        assert data["values.network"] == "net.py:small"
        assert data["values.layer"] == "stem"
    assert networks.names()[-1] == "net.py:small"
    assert "net.py:small" not in own_models.remembered()
    assert run(tmp_path, *words, "--weights", str(tmp_path / "none.pth")) == 2
    assert "none.pth holds no tensors." in capsys.readouterr().err


def test_export_says_and_applies_a_hint(tmp_path: Path, qapp: object, capsys: pytest.CaptureFixture[str]) -> None:
    save_exported(tmp_path / "net.pt2")
    torch.save({f"module.{k}": v for k, v in small().state_dict().items()}, tmp_path / "w.pth")
    words = ("--model", str(tmp_path / "net.pt2"), "--weights", str(tmp_path / "w.pth"))
    assert run(tmp_path, *words) == 2
    assert "Take “module.” off the file’s keys." in capsys.readouterr().err
    assert run(tmp_path, *words, "--fix-keys") == 0


def test_export_refuses_weights_with_code(tmp_path: Path, qapp: object, capsys: pytest.CaptureFixture[str]) -> None:
    save_onnx(tmp_path / "net.onnx")
    save_exported(tmp_path / "net.pt2")
    (tmp_path / "w.pth").write_bytes(pickle.dumps(os.getcwd))
    assert run(tmp_path, "--model", str(tmp_path / "net.pt2"), "--weights", str(tmp_path / "w.pth")) == 2
    assert "w.pth" in capsys.readouterr().err
    (tmp_path / "labels.csv").write_text("a\nb\n", "utf-8")
    assert run(tmp_path, "--model", str(tmp_path / "net.onnx"), "--labels", str(tmp_path / "labels.csv")) == 2
    assert "labels.csv has 2 class names; the network gives 10 class scores." in capsys.readouterr().err
    assert run(tmp_path, "--model", str(tmp_path / "net.onnx")) == 0


# -- more than a picture, and bundles


TOKENS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.rows, self.fc = nn.Embedding(100, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, ids, mask=None):
        return self.fc(self.rows(self.embedding(ids))[0])[:, -1]
"""


def test_the_panel_shows_a_network_that_takes_no_picture(tmp_path: Path) -> None:
    own = OwnModel(str(python_file(tmp_path, TOKENS)), size=64, inputs=(("ids", "value", "[[5, 6, 7]]"),))
    found, trial = try_own(own, IMAGE)
    assert (trial.classes, trial.maps) == (5, ())
    assert found.layer in ("embedding", "rows", "fc")
    named = remember(found)
    assert own_models.own_models()[named.name].given == (Given("ids", "value", "[[5, 6, 7]]"),)
    for layer in ("", "embedding", "rows", "fc"):
        computer = Computer({"layers": Panel.from_module(layers)})
        result = computer.compute(
            Frame(IMAGE), Task(1, "layers", Params(network=named.name, layer=layer, grad_cam=True))
        )
        assert result is not None
        assert not result.error, result.detail
        assert result.trace.probabilities.shape == (5,)
        Panel.from_module(layers).draw(result, layers.View())


def test_further_inputs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = python_file(tmp_path, TOKENS, trusted=False)
    command = [
        str(COFFEE),
        "--panel",
        "layers",
        "--model",
        str(path),
        "--trust",
        "--out",
        str(tmp_path / "out"),
        "--format",
        "npz",
    ]
    assert main([*command, "--quiet", "--input", "ids=value:[[1, 2]]"]) == 0
    assert main([*command, "--quiet", "--input", "ids=photo"]) == 2
    assert "An input is NAME=KIND" in capsys.readouterr().err
    assert main([*command, "--quiet", "--input", "other=value:1"]) == 2
    assert "The network has no input other; it has ids, mask." in capsys.readouterr().err


def test_the_size_that_is_asked_for_is_shown_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_onnx(tmp_path / "net.onnx")
    command = [
        str(COFFEE),
        "--panel",
        "layers",
        "--model",
        str(tmp_path / "net.onnx"),
        "--out",
        str(tmp_path / "out"),
        "--quiet",
    ]
    assert main([*command, "--input-size", "2048", "--format", "npz"]) == 2
    assert "Inputs of 32 to 1024 px are shown, not 2048." in capsys.readouterr().err


def test_a_bundle_of_an_own_network_is_checked_with_that_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_onnx(tmp_path / "net.onnx")
    model = ["--model", str(tmp_path / "net.onnx"), "--input-size", "64"]
    assert (
        main([str(COFFEE), "--panel", "layers", *model, "--out", str(tmp_path), "--quiet", "--format", "bundle"]) == 0
    )
    (bundle,) = tmp_path.glob("*.cvbundle")
    nothing_open(monkeypatch)
    assert check_bundle([str(bundle)]) == 2
    said = capsys.readouterr().err
    assert "It was made with the network net.onnx, which bundles do not hold: name its file with --model." in said
    assert check_bundle([str(bundle), *model]) == 0
    assert "the same, bit for bit" in capsys.readouterr().out
    nothing_open(monkeypatch)
    assert check_bundle([str(bundle), "--model", str(tmp_path / "gone.onnx")]) == 2
    assert "The file gone.onnx does not exist." in capsys.readouterr().err
