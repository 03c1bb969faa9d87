"""Networks with CBAM blocks: variants of a block against the equations written out, switches, the four networks as measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvcore.attribution import grad_cam
from cvcore.nn import cbam_network
from cvcore.nn.cbam import CBAM, Switch
from cvcore.nn.cbam_network import CHANGES, Switched, Variant, measured, switches_of, trace_attention, variants
from tests.cvcore.golden_fill import fill


class Small(nn.Module):
    """Class scores behind one attention block of any kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, stride=2, padding=1)
        self.attention = CBAM(12, 2, **options)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.attention(self.conv(x)))

    def after(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(x.mean((2, 3)))
        return out


X = torch.randn(1, 3, 18, 14, generator=torch.Generator().manual_seed(4))


def made(**options: Any) -> tuple[Small, dict[str, Variant]]:
    network = fill(Small(**options)).eval()
    with torch.no_grad():
        found = variants(network, "attention", X, trace_attention(network, X))
    return network, {variant.name: variant for variant in found}


def of_channels(x: Tensor, block: CBAM, pools: str = "avg max") -> Tensor:
    """Equation 2 by matrices: (1, C, 1, 1)."""
    first, last = block.ChannelGate.mlp[1], block.ChannelGate.mlp[3]
    pooled = {"avg": x[0].flatten(1).mean(1), "max": x[0].flatten(1).amax(1)}
    branches = [
        last.weight @ torch.relu(first.weight @ pooled[pool] + first.bias) + last.bias for pool in pools.split()
    ]
    return torch.sigmoid(sum(branches, torch.zeros(())))[None, :, None, None]


def of_positions(x: Tensor, block: CBAM, maps: tuple[int, ...] = (0, 1), side: int = 7) -> Tensor:
    """Equation 3 with the batch norm written out and some of the maps and of the kernel: (1, 1, H, W)."""
    conv, norm = block.SpatialGate.spatial.conv, block.SpatialGate.spatial.bn
    pooled = torch.stack((x[0].amax(0), x[0].mean(0)))[list(maps)]
    cut = (7 - side) // 2
    kernel = conv.weight[:, list(maps), cut : 7 - cut, cut : 7 - cut]
    f = F.conv2d(pooled[None], kernel, padding=side // 2)
    return torch.sigmoid((f - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias)


Equations = Callable[[Tensor, CBAM], tuple[Tensor, Tensor]]


def one_after_the_other(channels: dict[str, Any], positions: dict[str, Any]) -> Equations:
    def gates(x: Tensor, block: CBAM) -> tuple[Tensor, Tensor]:
        gate = of_channels(x, block, **channels)
        return gate, of_positions(x * gate, block, **positions)

    return gates


def turned(x: Tensor, block: CBAM) -> tuple[Tensor, Tensor]:
    where = of_positions(x, block)
    return of_channels(x * where, block), where


EQUATIONS: tuple[Equations, ...] = (
    one_after_the_other({}, {}),
    one_after_the_other({"pools": "avg"}, {}),
    one_after_the_other({"pools": "max"}, {}),
    one_after_the_other({}, {"maps": (0,)}),
    one_after_the_other({}, {"maps": (1,)}),
    one_after_the_other({}, {"side": 3}),
    turned,
    lambda x, block: (of_channels(x, block), of_positions(x, block)),
)


@pytest.mark.parametrize(("name", "equations"), list(zip(CHANGES, EQUATIONS, strict=True)))
@torch.no_grad()
def test_a_variant_is_its_equations(name: str, equations: Equations) -> None:
    network, found = made()
    x = network.conv(X)
    gate, where = equations(x, network.attention)
    variant, trained = found[name], found["as trained"]
    torch.testing.assert_close(variant.gate[:, :, None, None], gate)
    torch.testing.assert_close(variant.map, where)
    torch.testing.assert_close(variant.out, network.after(x * gate * where))
    assert variant.gate_change == pytest.approx(float((variant.gate - trained.gate).abs().mean()))
    assert variant.map_change == pytest.approx(float((variant.map - trained.map).abs().mean()))
    assert (variant.gate_change + variant.map_change > 1e-4) == (name != "as trained")


@torch.no_grad()
def test_where_positions_come_first_a_changed_map_changes_the_channels() -> None:
    network, found = made(order="spatial first")
    assert "spatial first" not in found
    x = network.conv(X)
    where = of_positions(x, network.attention, maps=(1,))
    variant = found["positions: mean map only"]
    torch.testing.assert_close(variant.map, where)
    torch.testing.assert_close(variant.gate[:, :, None, None], of_channels(x * where, network.attention))
    torch.testing.assert_close(
        found["channels: maximum only"].gate[:, :, None, None],
        of_channels(x * of_positions(x, network.attention), network.attention, "max"),
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"channel": False}, {0, 3, 4, 5}),
        ({"spatial": False}, {0, 1, 2}),
        ({"pools": ("max",)}, {0, 3, 4, 5, 6, 7}),
        ({"conv_pool": True}, {0, 1, 2, 6, 7}),
        ({"order": "parallel"}, {0, 1, 2, 3, 4, 5}),
        ({"kernel_size": 1}, {0, 1, 2, 3, 4, 5, 6, 7}),
    ],
    ids=str,
)
def test_a_block_has_the_variants_that_say_something_of_it(options: dict[str, Any], names: set[int]) -> None:
    network, found = made(**options)
    assert list(found) == [CHANGES[i] for i in sorted(names)]
    for variant in found.values():
        assert (variant.gate is None) == (network.attention.ChannelGate is None)
        assert (variant.map is None) == (network.attention.SpatialGate is None)


def test_it_can_be_stopped_before_each_pass_of_the_network() -> None:
    class Stopped(Exception): ...

    def stop() -> None:
        raise Stopped

    network = fill(Small()).eval()
    with torch.no_grad(), pytest.raises(Stopped):
        variants(network, "attention", X, trace_attention(network, X), stop)


def test_a_switched_network_is_one_that_grad_cam_can_be_asked_of() -> None:
    network = fill(Small()).eval()
    switches = {"attention": Switch("off", "mean")}
    switched = Switched(network, switches)
    with torch.no_grad():
        torch.testing.assert_close(switched(X), trace_attention(network, X, switches).out)
    plain, made = grad_cam(network, "attention", X, 2), grad_cam(switched, "network.attention", X, 2)
    assert plain.map.shape == made.map.shape
    assert not torch.allclose(plain.map, made.map)


def test_switches_name_what_is_changed_and_nothing_else() -> None:
    blocks = {"a": CBAM(4), "b": CBAM(6), "c": CBAM(6, channel=False)}
    assert switches_of(blocks, "on", "on", blocks) == {}
    assert switches_of(blocks, "off", "mean", {"b"}) == {"b": Switch("off", "mean")}
    assert switches_of(blocks, "on", "off", blocks, {"a": (2, 0.0)}) == {
        "a": Switch("on", "off", ((2, 0.0),)),
        "b": Switch("on", "off"),
        "c": Switch("on", "off"),
    }
    assert switches_of(blocks, "on", "on", (), {"b": (99, 2.0)}) == {"b": Switch(gains=((5, 2.0),))}
    assert switches_of(blocks, "on", "on", (), {"c": (0, 2.0)}) == {}, "it weighs no channel"


RUNS = [
    {"attention": "none", "top1": 0.6, "top5": 0.82, "loss": 1.5, "parameters": 2482634},
    {"attention": "both", "top1": 0.64, "top5": 0.85, "loss": 1.3, "parameters": 2502000},
]


def test_what_was_measured_is_read_and_a_broken_file_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbam_network, "asset", lambda *parts: tmp_path / parts[-1])
    file = tmp_path / cbam_network.FILE
    assert measured() is None
    file.write_text(json.dumps({"epochs": 2, "size": 128, "pictures": 2304, "rows": RUNS}), "utf-8")
    found = measured()
    assert found is not None
    assert found.run("both") == found.runs[1]
    assert found.run("channel") is None
    assert found.standard_error() == pytest.approx(0.48 / 48)  # sqrt(0.64 * 0.36 / 2304)
    for broken in ("{", json.dumps({"epochs": 2, "size": 128, "pictures": 2304, "rows": []}), "[]"):
        file.write_text(broken, "utf-8")
        assert measured() is None


def test_ours_is_there() -> None:
    found = measured()
    assert found is not None
    assert {run.attention for run in found.runs} == {"none", "channel", "spatial", "both"}
