"""Networks of the user's own: every kind of file, weights that fit or do not, and files that would run code."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cvcore.foreign import (
    ModelError,
    Source,
    builders,
    input_shape,
    load_network,
    try_network,
)
from cvcore.record import describe, record
from tests.cvcore.foreign_for_tests import PYTHON, Small, save_exported, small

X = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)


class Evil:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def python_file(folder: Path, text: str = PYTHON, name: str = "net.py") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


# -- Python files


def test_a_python_file(tmp_path: Path) -> None:
    path = python_file(tmp_path)
    assert builders(path) == ("text", "small", "Net")
    network = load_network(Source(str(path), "small"))
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    trial = try_network(network, X.clone(), [tmp_path])
    assert trial.classes == 10
    assert trial.outputs == ((1, 10),)
    assert trial.maps == ("stem", "relu")
    assert not trial.fixed
    assert not (tmp_path / "__pycache__").exists()
    assert str(tmp_path) not in sys.path


def test_a_network_that_works_in_place_leaves_its_input(tmp_path: Path) -> None:
    network, x = load_network(Source(str(python_file(tmp_path)), "small")), X.clone()
    describe(network, x)
    assert torch.equal(x, X)


def test_the_outputs_of_a_dataclass_are_recorded_and_cloned(tmp_path: Path) -> None:
    network = load_network(Source(str(python_file(tmp_path)), "small"))
    with record(network, ["", "stem"]) as recording:
        given = network(X.clone())
    kept = recording[""]
    assert type(kept) is type(given)
    assert kept.note == "fine"
    assert torch.equal(kept.logits, given.logits)
    assert kept.logits is not given.logits
    assert bool((recording["stem"] < 0).any())  # before the ReLU that works in place


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("needs", "needs in net.py needs arguments (classes)"),
        ("text", "text in net.py gives str, not a network"),
        ("absent", "net.py has no absent; it has text, small, Net"),
    ],
)
def test_a_function_that_will_not_do(tmp_path: Path, function: str, sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_network(Source(str(python_file(tmp_path)), function))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import torch\n\ndef net():\n    return 1 / 0\n", "net.py, line 4: ZeroDivisionError: division by zero"),
        ("def net(:\n", "net.py, line 1: SyntaxError"),
        ("import no_such_package_anywhere\ndef net(): ...\n", "net.py, line 1: ModuleNotFoundError"),
        ("import sys\ndef net():\n    sys.exit(3)\n", "net.py, line 3: SystemExit: 3"),
        ("x = 1\n", "net.py has no function that makes a network without arguments."),
    ],
)
def test_what_fails_in_the_file_is_said_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_network(Source(str(python_file(tmp_path, text))))
    assert str(caught.value).startswith(sentence)


def test_what_fails_in_a_pass_is_said_with_its_line(tmp_path: Path) -> None:
    text = "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return x.nothing\n"
    network = load_network(Source(str(python_file(tmp_path, text))))
    with pytest.raises(ModelError, match=r"^net\.py, line 4: AttributeError"):
        try_network(network, X, [tmp_path])
    assert not network._forward_hooks


def test_two_files_of_one_name_have_their_own_neighbours(tmp_path: Path) -> None:
    for name, channels in (("one", 4), ("two", 6)):
        folder = tmp_path / name
        folder.mkdir()
        python_file(folder, f"WIDTH = {channels}\n", "parts.py")
        python_file(folder, "import parts\nfrom torch import nn\ndef net():\n    return nn.Conv2d(3, parts.WIDTH, 1)\n")
    widths = [load_network(Source(str(tmp_path / name / "net.py")))(X).shape[1] for name in ("one", "two", "one")]
    assert widths == [4, 6, 4]
    assert "parts" not in sys.modules


def test_a_file_in_a_package_imports_relatively(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    python_file(package, "", "__init__.py")
    python_file(package, "from torch import nn\nclass Layer(nn.Conv2d):\n    pass\n", "layers.py")
    path = python_file(package, "from .layers import Layer\ndef net():\n    return Layer(3, 5, 1)\n")
    assert load_network(Source(str(path)))(X).shape[1] == 5


def test_a_network_held_under_a_name(tmp_path: Path) -> None:
    path = python_file(tmp_path, "from torch import nn\nmodel = nn.Conv2d(3, 7, 1)\n")
    assert load_network(Source.parse(f"{path}:model"))(X).shape[1] == 7


def test_too_few_channels_are_said(tmp_path: Path) -> None:
    path = python_file(tmp_path, "from torch import nn\nmodel = nn.Sequential(nn.Conv2d(1, 7, 1))\n")
    with pytest.raises(ModelError, match="takes 1 channels; a picture has 3"):
        try_network(load_network(Source(str(path), "model")), X, [tmp_path])


def test_a_size_that_only_the_code_demands_is_found(tmp_path: Path) -> None:
    text = (
        "from torch import nn\n"
        "def net():\n    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 64 * 64, 4))\n"
    )
    trial = try_network(load_network(Source(str(python_file(tmp_path, text)))), X, [tmp_path])
    assert trial.fixed
    assert trial.classes == 4


def test_shared_modules_and_odd_outputs() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.again = self.conv
            self.none = nn.Identity()

        def forward(self, x: torch.Tensor) -> Any:
            for _ in range(2 if x.mean() > 5 else 3):
                x = self.again(x)
            return {"all": (None, [x, 3]), "best": torch.max(x, 1)}

    trial = try_network(Odd().eval(), X)
    assert trial.maps == ("conv",)
    assert trial.outputs[0] == (1, 3, 64, 64)
    assert next(one for one in describe(Odd(), X) if one.name == "conv").calls == 3


# -- torch.export


def test_an_exported_file_keeps_its_layers(tmp_path: Path) -> None:
    network = save_exported(tmp_path / "net.pt2")
    made = load_network(Source(str(tmp_path / "net.pt2")))
    assert input_shape(made) == (1, 3, 64, 64)
    assert torch.allclose(made(X), network(X), atol=1e-5)
    layers = {one.name: one for one in describe(made, X)}
    assert layers["layer1.0.conv"].type == "Conv2d"
    assert layers["layer1.0"].type == "Block"
    assert layers["layer1.0"].shapes == ((1, 8, 32, 32),)
    with record(made, "layer1.0.conv") as kept, record(network, "layer1.0.conv") as wanted:
        made(X), network(X)
    assert torch.allclose(kept["layer1.0.conv"], wanted["layer1.0.conv"], atol=1e-5)
    assert try_network(made, X).fixed
    with pytest.raises(ModelError, match="takes only 64 × 64 px"):
        try_network(made, torch.zeros(1, 3, 96, 96))


def test_an_exported_file_for_any_size(tmp_path: Path) -> None:
    network = save_exported(tmp_path / "net.pt2", any_size=True)
    made = load_network(Source(str(tmp_path / "net.pt2")))
    assert input_shape(made) == (1, 3, None, None)
    x = torch.rand(1, 3, 96, 64)
    assert torch.allclose(made(x), network(x), atol=1e-5)
    assert not try_network(made, x).fixed


def test_weights_for_an_exported_file(tmp_path: Path) -> None:
    save_exported(tmp_path / "net.pt2")
    torch.manual_seed(1)
    other = Small().eval()
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    made = load_network(Source(str(tmp_path / "net.pt2"), weights=str(tmp_path / "w.safetensors")))
    assert torch.allclose(made(X), other(X), atol=1e-5)


@pytest.mark.parametrize("name", ["net.pt2", "net.onnx"])
def test_garbage_is_said_to_be_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"is damaged, or no"):
        load_network(Source(str(path)))
    path.unlink()
    with pytest.raises(ModelError, match="does not exist"):
        load_network(Source(str(path)))


# -- packages


@pytest.mark.parametrize("package", ["torchvision", "timm"])
def test_a_package_that_is_not_there_is_said(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=f"The package {package} is not installed here: pip install {package}."):
        load_network(Source(f"{package}:resnet18"))


def test_a_network_of_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Timm:
        @staticmethod
        def create_model(name: str, pretrained: bool) -> nn.Module:
            assert not pretrained
            if name != "small":
                raise RuntimeError(f"Unknown model ({name})")
            return small()

    monkeypatch.setitem(sys.modules, "timm", Timm)  # type: ignore[arg-type]
    assert isinstance(load_network(Source("timm:small")), Small)
    with pytest.raises(ModelError, match="timm makes no large: RuntimeError: Unknown model"):
        load_network(Source("timm:large"))


def test_something_else_is_no_network() -> None:
    with pytest.raises(ModelError, match=r"cat\.jpg is no network"):
        load_network(Source("cat.jpg"))
