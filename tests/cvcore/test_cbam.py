"""CBAM against the equations written out, the authors' numbers, and its switches against networks changed by hand."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cvcore.models.cbam_resnet import cbam_resnet18, cbam_resnet50, from_authors
from cvcore.models.mobilenet import mobilenet_v2, mobilenet_v2_cbam
from cvcore.nn.cbam import CBAM, ChannelAttention, SpatialAttention, Switch
from cvcore.nn.cbam_network import attention_blocks, trace_attention
from tests.cvcore.golden_fill import fill

GOLDENS = Path(__file__).parents[1] / "goldens"


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def channel_gate(attention: ChannelAttention, x: Tensor) -> list[float]:
    """Equation 2, number by number, for one map (C, H, W)."""
    first, second = attention.mlp[1], attention.mlp[3]
    total = [0.0] * len(x)
    for pool in attention.pools:
        pooled = [
            max(m.flatten().tolist()) if pool == "max" else math.fsum(m.flatten().tolist()) / m.numel() for m in x
        ]
        hidden = [
            max(0.0, sum(w * p for w, p in zip(row.tolist(), pooled, strict=True)) + bias.item())
            for row, bias in zip(first.weight, first.bias, strict=True)
        ]
        for c, (row, bias) in enumerate(zip(second.weight, second.bias, strict=True)):
            total[c] += sum(w * h for w, h in zip(row.tolist(), hidden, strict=True)) + bias.item()
    return [sigmoid(t) for t in total]


def spatial_gate(attention: SpatialAttention, x: Tensor) -> list[list[float]]:
    """Equation 3, number by number, for one map (C, H, W), in eval mode."""
    _, height, width = x.shape
    kernel, bn = attention.spatial.conv.weight[0], attention.spatial.bn
    reach = kernel.shape[-1] // 2
    maps = [
        [[max(x[:, i, j].tolist()) for j in range(width)] for i in range(height)],
        [[sum(x[:, i, j].tolist()) / len(x) for j in range(width)] for i in range(height)],
    ]
    gate = []
    for i in range(height):
        row = []
        for j in range(width):
            total = 0.0
            for m in range(2):
                for di in range(-reach, reach + 1):
                    for dj in range(-reach, reach + 1):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            total += kernel[m, di + reach, dj + reach].item() * maps[m][i + di][j + dj]
            total = (total - bn.running_mean.item()) / math.sqrt(bn.running_var.item() + bn.eps)
            row.append(sigmoid(total * bn.weight.item() + bn.bias.item()))
        gate.append(row)
    return gate


@given(
    channels=st.integers(1, 12),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    kernel=st.sampled_from((1, 3, 7)),
    pools=st.sampled_from((("avg", "max"), ("avg",), ("max",))),
    seed=st.integers(0, 1000),
)
@torch.no_grad()
def test_the_gates_are_the_equations(
    channels: int, height: int, width: int, kernel: int, pools: tuple[str, ...], seed: int
) -> None:
    torch.manual_seed(seed)
    block = fill(CBAM(channels, 4, kernel, pools=pools))  # type: ignore[arg-type]
    x = torch.randn(2, channels, height, width)
    trace = block.trace(x)
    assert trace.channel is not None
    assert trace.spatial is not None
    for n in range(2):
        np.testing.assert_allclose(trace.channel.gate[n].numpy(), channel_gate(block.ChannelGate, x[n]), atol=1e-5)
        between = x[n] * trace.channel.gate[n][:, None, None]
        np.testing.assert_allclose(trace.channel.out[n].numpy(), between.numpy(), atol=1e-6)
        expected = np.array(spatial_gate(block.SpatialGate, between))
        np.testing.assert_allclose(trace.spatial.gate[n, 0].numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(trace.out[n].numpy(), between.numpy() * expected, atol=1e-4)
    assert torch.equal(block(x), trace.out)


@torch.no_grad()
def test_agrees_with_the_authors_code_and_takes_its_checkpoint() -> None:
    golden = json.loads((GOLDENS / "cbam_resnet50.json").read_text("utf-8"))
    network = fill(cbam_resnet50())
    assert {key: list(t.shape) for key, t in network.state_dict().items()} == golden["state_dict"]
    with np.load(GOLDENS / "cbam_resnet50.npz") as arrays:
        expected, largest = arrays["out"], arrays["out.stats"][2]
    x = torch.randn(golden["input"], generator=torch.Generator().manual_seed(7))
    np.testing.assert_allclose(network(x).numpy(), expected, atol=1e-4 * largest, rtol=0)
    small = cbam_resnet18(7)
    parallel = {f"module.{key}": value for key, value in small.state_dict().items()}
    small.load_state_dict(from_authors(parallel), strict=True)


def test_a_thin_map_keeps_eight_hidden_units_and_a_wide_one_a_sixteenth() -> None:
    assert CBAM(16).ChannelGate.mlp[1].out_features == 8
    assert CBAM(320).ChannelGate.mlp[1].out_features == 20


@torch.no_grad()
def test_the_variants_of_the_paper() -> None:
    x = torch.randn(1, 6, 5, 4)
    first, last, both = (
        fill(CBAM(6, 2, 3, order=order)).trace(x) for order in ("spatial first", "channel first", "parallel")
    )
    assert torch.equal(both.spatial.gate, first.spatial.gate), "parallel: each sees what came in"
    assert torch.equal(both.channel.gate, last.channel.gate)
    torch.testing.assert_close(first.channel.out, first.out)
    torch.testing.assert_close(both.out, x * both.channel.gate[:, :, None, None] * both.spatial.gate)
    assert not torch.allclose(first.out, last.out)
    pooled = fill(CBAM(6, conv_pool=True))
    trace = pooled.trace(x)
    torch.testing.assert_close(trace.spatial.pooled, pooled.SpatialGate.compress(trace.channel.out))
    assert trace.spatial.pooled.shape == (1, 1, 5, 4)
    only = CBAM(6, channel=False)
    assert only.trace(x).channel is None
    assert only.ChannelGate is None


@pytest.mark.parametrize("order", ["channel first", "spatial first", "parallel"])
@torch.no_grad()
def test_a_trace_says_what_each_attention_looks_at_and_in_which_order(order: str) -> None:
    block = fill(CBAM(6, 2, 3, order=order))  # type: ignore[arg-type]
    trace = block.trace(torch.randn(1, 6, 5, 4))
    torch.testing.assert_close(trace.channel.pooled["max"], trace.channel_source.amax((2, 3)))
    torch.testing.assert_close(trace.spatial.pooled[:, 1], trace.spatial_source.mean(1))
    last = trace.channel.weight[:, :, None, None] if order == "spatial first" else trace.spatial.weight
    torch.testing.assert_close(trace.out, trace.between * last)
    operations = trace.operations
    assert len(operations) == len(set(operations)) == 12
    assert operations[0] == "the map comes in"
    first, second = operations.index("the shared MLP"), operations.index("the convolution")
    assert (second < first) == (order == "spatial first")


@torch.no_grad()
def test_a_part_that_is_missing_has_no_operations() -> None:
    x = torch.randn(1, 6, 5, 4)
    only = CBAM(6, spatial=False, pools=("max",)).trace(x)
    assert only.operations == (
        "the map comes in", "maximum pooling", "the shared MLP", "sigmoid of the channels", "the channels are weighed"
    )  # fmt: skip
    assert only.between is only.x
    assert CBAM(6, channel=False).trace(x).operations[1:] == (
        "maximum and mean over the channels", "the convolution", "batch norm", "sigmoid of the positions", "the positions are weighed"
    )  # fmt: skip


@torch.no_grad()
def test_without_maps_only_the_shape_of_large_maps_stays() -> None:
    trace = fill(CBAM(6, order="spatial first")).trace(torch.randn(1, 6, 5, 4))
    small = trace.without_maps()
    for emptied in (small.x, small.out, small.between, small.channel.out):
        assert emptied.shape == (0, 6, 5, 4)
        assert emptied.untyped_storage().nbytes() == 0
    assert small.channel.gate is trace.channel.gate
    assert small.spatial.pooled is trace.spatial.pooled
    assert small.operations == trace.operations
    assert CBAM(6, channel=False).trace(torch.randn(1, 6, 5, 4)).without_maps().channel is None


@pytest.mark.parametrize("options", [{}, {"kernel_size": 3}, {"conv_pool": True}], ids=str)
@torch.no_grad()
def test_the_convolution_and_its_norm_come_apart(options: dict[str, object]) -> None:
    block = fill(CBAM(6, 2, **options)).eval()  # type: ignore[arg-type]
    trace = block.trace(torch.randn(1, 6, 5, 4)).spatial
    learnt = block.SpatialGate.learnt(trace.pooled)
    torch.testing.assert_close(learnt.parts.sum(1, keepdim=True), trace.convolved)
    kernel, reach = learnt.kernel, learnt.kernel.shape[-1] // 2
    for m, i, j in ((0, 0, 0), (len(kernel) - 1, 4, 1)):
        wanted = sum(
            float(kernel[m, di + reach, dj + reach] * trace.pooled[0, m, i + di, j + dj])
            for di in range(-reach, reach + 1)
            for dj in range(-reach, reach + 1)
            if 0 <= i + di < 5 and 0 <= j + dj < 4
        )
        assert float(learnt.parts[0, m, i, j]) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    n = learnt.norm
    torch.testing.assert_close(
        n.gamma * (trace.convolved - n.mean) / math.sqrt(n.variance + n.epsilon) + n.beta, trace.logits
    )


@torch.no_grad()
def test_the_last_layer_of_the_mlp_makes_a_channels_branch() -> None:
    block = fill(CBAM(6, 2)).eval()
    trace = block.trace(torch.randn(1, 6, 5, 4)).channel
    learnt = block.ChannelGate.learnt(4)
    for pool, hidden in trace.hidden.items():
        torch.testing.assert_close(learnt.weights @ hidden[0] + learnt.bias, trace.branches[pool][0, 4])


@pytest.mark.parametrize(
    "build",
    [
        lambda: CBAM(8, channel=False, spatial=False),
        lambda: CBAM(8, order="twice"),  # type: ignore[arg-type]
        lambda: CBAM(8, kernel_size=4),
        lambda: CBAM(0),
        lambda: ChannelAttention(8, pools=("median",)),  # type: ignore[arg-type]
        lambda: Switch(channel="maybe"),  # type: ignore[arg-type]
        lambda: Switch(gains=((-1, 0.0),)),
        lambda: Switch(gains=((0, math.nan),)),
    ],
)
def test_bad_arguments_are_refused(build) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        build()


@torch.no_grad()
def test_switches_change_the_chosen_block_and_nothing_stays_behind() -> None:
    model = fill(mobilenet_v2_cbam(5))
    x = torch.randn(1, 3, 64, 64)
    plain = trace_attention(model, x)
    assert torch.equal(plain.out, model(x))
    assert list(plain.blocks) == [f"attention.{k}" for k in range(7)] == list(attention_blocks(model))
    off = trace_attention(model, x, {"attention.2": Switch("off", "off")})
    assert torch.equal(off.blocks["attention.1"].out, plain.blocks["attention.1"].out)
    assert torch.equal(off.blocks["attention.2"].out, off.blocks["attention.2"].x)
    assert torch.equal(off.blocks["attention.2"].channel.gate, plain.blocks["attention.2"].channel.gate)
    assert not torch.allclose(off.out, plain.out)

    class Same(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    kept, model.attention[2] = model.attention[2], Same()
    torch.testing.assert_close(model(x), off.out)
    model.attention[2] = kept
    assert torch.equal(model(x), plain.out)


@torch.no_grad()
def test_the_mean_keeps_the_size_and_a_gain_moves_one_channel() -> None:
    block = fill(CBAM(6, 2))
    x = torch.rand(2, 6, 4, 4)
    plain, mean = block.trace(x), block.trace(x, Switch("mean", "mean"))
    torch.testing.assert_close(mean.channel.weight, plain.channel.gate.mean(1, keepdim=True).expand(2, 6))
    torch.testing.assert_close(
        mean.spatial.weight, mean.spatial.gate.mean((1, 2, 3), keepdim=True).expand_as(mean.spatial.gate)
    )
    muted = block.trace(x, Switch(gains=((3, 0.0), (1, 2.0))))
    assert muted.out[:, 3].abs().max() == 0
    torch.testing.assert_close(muted.channel.out[:, 1], 2 * plain.channel.out[:, 1])
    assert torch.equal(muted.channel.out[:, 0], plain.channel.out[:, 0])
    assert torch.equal(muted.channel.gate, plain.channel.gate)
    with pytest.raises(ValueError, match="no channel 6"):
        block.trace(x, Switch(gains=((6, 0.0),)))


def test_unknown_blocks_are_named() -> None:
    with pytest.raises(ValueError, match=r"no attention block 'layer1'; it has attention\.0"):
        trace_attention(mobilenet_v2_cbam(3), torch.zeros(1, 3, 32, 32), {"layer1": Switch()})
    with pytest.raises(ValueError, match="it has none"):
        trace_attention(mobilenet_v2(3), torch.zeros(1, 3, 32, 32), {"attention.0": Switch()})


@torch.no_grad()
def test_another_thread_sees_the_network_as_trained() -> None:
    model = fill(mobilenet_v2_cbam(3))
    x = torch.randn(1, 3, 32, 32)
    plain, seen = model(x), []

    def look(module: nn.Module, args: object) -> None:
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: seen.append(model(x)))
            other.start()
            other.join()

    handle = model.attention[3].register_forward_pre_hook(look)
    switched = trace_attention(model, x, {f"attention.{k}": Switch("off", "off") for k in range(7)})
    handle.remove()
    torch.testing.assert_close(seen[0], plain)
    assert not torch.allclose(switched.out, plain)


@torch.no_grad()
def test_mobilenet_keeps_torchvision_s_names_and_adds_attention() -> None:
    plain, cbam = mobilenet_v2(5), mobilenet_v2_cbam(5)
    extra = cbam.state_dict().keys() - plain.state_dict().keys()
    assert plain.state_dict().keys() < cbam.state_dict().keys()
    assert {key.split(".")[0] for key in extra} == {"attention"}
    assert mobilenet_v2_cbam(5, "channel").attention[0].SpatialGate is None
    assert mobilenet_v2_cbam(5, "spatial").attention[0].ChannelGate is None
    trace = trace_attention(cbam.eval(), torch.zeros(1, 3, 224, 224))
    shapes = [tuple(block.out.shape[1:]) for block in trace.blocks.values()]
    assert shapes == [
        (16, 112, 112), (24, 56, 56), (32, 28, 28), (64, 14, 14), (96, 14, 14), (160, 7, 7), (320, 7, 7)
    ]  # fmt: skip


def test_gradients_flow_through_a_trace() -> None:
    block = CBAM(4)
    x = torch.randn(1, 4, 5, 5, requires_grad=True)
    block.trace(x).out.sum().backward()
    assert x.grad is not None
    assert all(p.grad is not None for p in block.parameters())


@torch.no_grad()
def test_an_empty_batch_and_a_single_pixel_pass() -> None:
    block = fill(CBAM(4))
    assert block(torch.zeros(0, 4, 3, 3)).shape == (0, 4, 3, 3)
    assert block(torch.ones(1, 4, 1, 1)).shape == (1, 4, 1, 1)
