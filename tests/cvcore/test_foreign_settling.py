"""What a network needs once it is built: eval mode in its own way, shapes for lazy layers; and what packages may not do."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvcore.attribution import grad_cam
from cvcore.copying import copied
from cvcore.foreign import ModelError, Source, in_precision, load_network, try_network
from cvcore.foreign.settling import is_settled
from cvcore.record import describe, record

X = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
HEAD = "import torch\nfrom torch import nn\n"

NETWORKS = {
    "a table worked out in train(False)": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(3, 4, 3), nn.Parameter(torch.tensor(2.0))
    def train(self, mode=True):
        super().train(mode)
        self.kept = None if mode else self.scale.detach() * 3
        return self
    def forward(self, x):
        return self.conv(x) * (self.scale * 3 if self.training else self.kept)
""",
    "a structure that only eval() makes": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fused = nn.Conv2d(3, 4, 3), None
    def train(self, mode=True):
        super().train(mode)
        self.fused = None if mode else self.conv
        return self
    def forward(self, x):
        return self.fused(x)
""",
    "an eval() of its own": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.ready = nn.Conv2d(3, 4, 3), False
    def eval(self):
        self.ready = True
        return super().eval()
    def forward(self, x):
        assert self.ready
        return self.conv(x)
""",
    "an eval() of a part": """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.one = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), None
    @torch.no_grad()
    def eval(self):
        if self.one is None:
            self.one = nn.Conv2d(3, 4, 1)
            self.one.weight.copy_(self.a.weight + self.b.weight)
            self.one.bias.copy_(self.a.bias + self.b.bias)
        return super().eval()
    def forward(self, x):
        return self.one(x) if self.one is not None else self.a(x) + self.b(x)

def Net():
    return nn.Sequential(Part(), nn.ReLU())
""",
    "parts that the whole puts into eval()": """
class Part(nn.Conv2d):
    calls = 0
    def eval(self):
        self.calls += 1
        assert self.calls == 1
        return super().eval()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part(3, 4, 3)
    def eval(self):
        self.part.eval()
        return self
    def forward(self, x):
        return self.part(x)
""",
    "dropout and batch norm": """
def Net():
    return nn.Sequential(nn.Dropout(0.9), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
""",
}  # fmt: skip


def python_file(folder: Path, text: str) -> Path:
    path = folder / "net.py"
    path.write_text(HEAD + text)
    return path


def built(text: str) -> nn.Module:
    names: dict[str, Any] = {"__name__": "built"}
    exec(HEAD + text, names)
    made: nn.Module = names["Net"]()
    return made


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_network_is_what_its_own_eval_makes(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    wanted = built(NETWORKS[kind]).eval()
    torch.manual_seed(0)
    made = load_network(Source(str(python_file(tmp_path, NETWORKS[kind])), "Net"))
    assert not any(module.training for module in made.modules())
    with torch.no_grad():
        assert torch.allclose(made(X), wanted(X), atol=1e-6)
    if kind == "an eval() of a part":
        assert made[0].one is not None


def test_weights_come_before_eval(tmp_path: Path) -> None:
    text = NETWORKS["a table worked out in train(False)"]
    given = built(text)
    nn.init.constant_(given.scale, 5.0)
    torch.save(given.state_dict(), tmp_path / "w.pth")
    made = load_network(Source(str(python_file(tmp_path, text)), "Net", str(tmp_path / "w.pth")))
    assert made.kept.item() == 15
    in_precision(made, torch.bfloat16)
    assert made.kept.dtype == torch.bfloat16


def test_what_fails_in_eval_is_said_with_its_line(tmp_path: Path) -> None:
    text = "class Net(nn.Module):\n    def eval(self):\n        raise KeyError('table')\n"
    with pytest.raises(ModelError, match=r"^net\.py, line 5: KeyError: 'table'"):
        load_network(Source(str(python_file(tmp_path, text)), "Net"))


def test_half_double_and_complex_networks_stay_so_in_float32() -> None:
    for dtype in (torch.float16, torch.float64):
        assert in_precision(nn.Conv2d(3, 4, 3).to(dtype), torch.float32).weight.dtype == dtype

    class Complex(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.tensor([1 + 2j]))
            self.b = nn.Parameter(torch.tensor([1.0]))

    for dtype in (torch.float32, torch.bfloat16):
        made = in_precision(Complex(), dtype)
        assert made.a.tolist() == [1 + 2j]
        assert made.b.dtype == dtype


def test_lazy_layers_take_their_shapes_from_the_first_pass(tmp_path: Path) -> None:
    text = "def Net():\n    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))\n"
    network = load_network(Source(str(python_file(tmp_path, text)), "Net"))
    assert not is_settled(network)
    trial = try_network(network, X.clone())
    assert is_settled(network)
    assert (trial.classes, trial.fixed) == (5, True)
    assert not any(parameter.requires_grad or parameter.is_inference() for parameter in network.parameters())


def test_a_network_without_numbers_is_said(tmp_path: Path) -> None:
    text = "def Net():\n    with torch.device('meta'):\n        return nn.Conv2d(3, 4, 3)\n"
    path = python_file(tmp_path, text)
    with pytest.raises(ModelError, match="has no numbers"):
        load_network(Source(str(path), "Net"))
    torch.save(nn.Conv2d(3, 4, 3).state_dict(), tmp_path / "w.pth")
    assert load_network(Source(str(path), "Net", str(tmp_path / "w.pth")))(X).shape == (1, 4, 14, 14)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", ["script(made)", "trace(made, torch.zeros(1, 3, 8, 8))"])
def test_a_torchscript_network_is_said(tmp_path: Path, way: str) -> None:
    text = f"def Net():\n    made = nn.Sequential(nn.Conv2d(3, 4, 3))\n    return torch.jit.{way}\n"
    with pytest.raises(ModelError, match=r"Net in net\.py gives a TorchScript program"):
        load_network(Source(str(python_file(tmp_path, text)), "Net"))


# -- packages


class Torchvision(types.ModuleType):
    """Builders as torchvision's: some know ``weights_backbone``, and load it unless told not to; others refuse it."""

    def __init__(self) -> None:
        super().__init__("torchvision")
        self.asked: list[str] = []
        self.models = self

    def get_model(self, name: str, **given: Any) -> nn.Module:
        if name == "sly":
            torch.hub.load_state_dict_from_url("https://example.com/sly.pth")
        if name.startswith("detector"):
            if given.get("weights_backbone", "DEFAULT") is not None:
                self.asked.append("backbone")
        elif "weights_backbone" in given:
            raise TypeError("Net.__init__() got an unexpected keyword argument 'weights_backbone'")
        if given["weights"] is not None:
            self.asked.append("weights")
        return nn.Conv2d(3, 4, 3)


def test_no_name_of_a_package_downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = Torchvision()
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for name in ("detector", "classifier"):
        load_network(Source(f"torchvision:{name}"))
    assert package.asked == []
    with pytest.raises(
        ModelError, match=r"torchvision wants to download https://example\.com/sly\.pth; that was not asked for"
    ):
        load_network(Source("torchvision:sly"))
    assert torch.hub.download_url_to_file.__module__ == "torch.hub"


@pytest.mark.parametrize(
    "name", ["hf-hub:somebody/net", "hf_hub:somebody/net", "https://example.com/net", "local-dir:/tmp/net"]
)
def test_a_name_that_is_an_address_is_not_followed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def make(name: str, pretrained: bool) -> nn.Module:
        raise AssertionError("asked for")

    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=make))
    with pytest.raises(ModelError, match="would be downloaded"):
        load_network(Source(f"timm:{name}"))


def test_another_error_of_a_builder_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def make(name: str, **given: Any) -> nn.Module:
        calls.append(name)
        raise TypeError("something else")

    models: Callable[..., Any] = types.SimpleNamespace(get_model=make)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(models=models))
    with pytest.raises(ModelError, match="torchvision makes no net: TypeError: something else"):
        load_network(Source("torchvision:net"))
    assert calls == ["net"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_parts_of_a_network_can_be_looked_at(tmp_path: Path) -> None:
    part = "torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU()))"
    text = f"def Net():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), {part}, nn.Conv2d(4, 2, 1))\n"
    path = python_file(tmp_path, text)
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, 2, 1)
    )
    torch.save(plain.state_dict(), tmp_path / "w.pth")
    network = load_network(Source(str(path), "Net", str(tmp_path / "w.pth")))
    for made in (network, copied(network)):
        assert try_network(made, X).maps == ("0", "1", "2")
        with record(made, "1") as kept, record(plain.eval(), "1") as wanted, torch.no_grad():
            made(X), plain(X)
        assert torch.allclose(kept["1"], wanted["1"], atol=1e-6)
        assert next(one for one in describe(made, X) if one.name == "1").parameters == 4 * 4 + 4 + 8
    assert grad_cam(network.append(nn.AdaptiveAvgPool2d(1)).append(nn.Flatten()), "0", X).map.shape == (14, 14)
    assert in_precision(network, torch.bfloat16)(X.bfloat16()).dtype == torch.bfloat16
