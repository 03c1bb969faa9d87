"""The CBAM panel by calling its functions: no Qt, no engine. The network is a seeded one, behind a card with as many classes."""

import json
import string
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvcore import zoo
from cvcore.assets import asset
from cvcore.attribution import grad_cam
from cvcore.models.mobilenet import MobileNetV2CBAM, mobilenet_v2_cbam
from cvcore.nn.cbam import CBAM
from explorer.figure import Bars, Boxes, Curve, Figure, Heatmap, Lit, Pane, Points, Spot, Table, Text, Tiles
from explorer.i18n import explanation, set_language
from explorer.panel import Cancelled, Frame, Panel, Result, Task, knobs
from explorer.panels import cbam
from explorer.panels.cbam import Params, Trace, View, ablation, compute, draw, files, pick, probe
from explorer.panels.cbam.block import on_host
from explorer.panels.cbam.controls import (
    ABLATION,
    AVERAGE_ONLY,
    BLOCK,
    BY_WEIGHT,
    CHANGES,
    HERE,
    MAP_MEAN,
    PARALLEL,
    SHOWS,
    SMALL_KERNEL,
    SPATIAL_FIRST,
    STEPS,
    VARIANTS,
)
from explorer.panels.cbam.formulas import formula, window_sums
from explorer.panels.cbam.maps import change
from explorer.panels.cbam.overview import FINEST, columns_for, tile_at
from explorer.panels.cbam.selection import top_classes
from explorer.panels.cbam.stages import CONVOLUTION, INPUT, MLP, NORM, SPATIAL_MULTIPLY
from explorer.views.fit import network_input

CARD = "mobilenet_v2"
BLOCKS = tuple(f"attention.{i}" for i in range(7))


@dataclass
class FakeContext:
    """The network is given; ``previous`` is set by hand."""

    network: nn.Module
    previous: Any = None
    cancelled: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    stages: list[str] = field(default_factory=list)
    kept: dict[Hashable, Any] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.stages.append(name)
        yield

    def progress(self, fraction: float, text: str = "") -> None: ...

    def model(self, card: str) -> nn.Module:
        return self.network

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]


def made_network() -> MobileNetV2CBAM:
    """The built-in trunk and head with random attention that chooses a lot: its prediction is sure enough to see changes."""
    torch.manual_seed(3)
    model = mobilenet_v2_cbam(202)
    model.load_state_dict(zoo.load(CARD).state_dict(), strict=False)
    for end, block in zip(model.stage_ends, model.attention, strict=True):
        assert isinstance(block, CBAM)
        assert block.ChannelGate is not None
        assert block.SpatialGate is not None
        nn.init.normal_(block.ChannelGate.mlp[1].weight, 0, 0.2)
        nn.init.normal_(block.ChannelGate.mlp[3].weight, 0, 0.2)
        norm = block.SpatialGate.spatial.bn
        nn.init.constant_(norm.weight, 0.8)
        norm.running_mean.fill_(0.1)
        norm.running_var.fill_(0.5)
        # What the gates take away on the average, the following convolution gives back.
        next(m for m in model.features[end + 1].modules() if isinstance(m, nn.Conv2d)).weight.data /= 0.75
    return model.requires_grad_(False).eval()


NETWORK = made_network()
PHOTO = cv2.resize(cv2.imread(str(asset("pictures", "dog.jpg")), cv2.IMREAD_COLOR_RGB), (256, 192))
USUAL = Params(network=CARD, size=96, block="attention.3")


def run(
    params: Params = USUAL, network: nn.Module = NETWORK, context: FakeContext | None = None, index: int = 0
) -> Result:
    frame = Frame(PHOTO, index=index, source="test")
    return Result(frame, Task(1, "cbam", params), compute(frame, params, context or FakeContext(network)))


def input_of(result: Result) -> Tensor:
    how = zoo.card(CARD).preprocessing
    return network_input(result.frame.image, result.trace.fit, how, torch.device("cpu"))


def by_hand(x: Tensor, weigh: Callable[[int, Tensor, CBAM], Tensor]) -> Tensor:
    """(classes,) probabilities of the network, whose blocks are replaced."""
    stage = 0
    with torch.no_grad():
        for i, layer in enumerate(NETWORK.features):
            x = layer(x)
            if i in NETWORK.stage_ends:
                x = weigh(stage, x, NETWORK.attention[stage])  # type: ignore[arg-type]
                stage += 1
        scores: Tensor = NETWORK.classifier(x.mean((2, 3)))
    return scores[0].softmax(0)


def channel_gate(x: Tensor, block: CBAM) -> Tensor:
    """Equation 2, by matrices."""
    assert block.ChannelGate is not None
    first, last = block.ChannelGate.mlp[1], block.ChannelGate.mlp[3]
    branches = (
        last.weight @ torch.relu(first.weight @ pooled + first.bias) + last.bias
        for pooled in (x[0].flatten(1).mean(1), x[0].flatten(1).max(1).values)
    )
    return torch.sigmoid(sum(branches, torch.zeros(())))[None, :, None, None]


def spatial_gate(x: Tensor, block: CBAM) -> Tensor:
    """Equation 3 with the batch norm written out."""
    assert block.SpatialGate is not None
    conv, norm = block.SpatialGate.spatial.conv, block.SpatialGate.spatial.bn
    pooled = torch.stack((x[0].max(0).values, x[0].mean(0)))[None]
    f = nn.functional.conv2d(pooled, conv.weight, padding=3)
    return torch.sigmoid((f - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias)


def pane(figure: Figure, key: str) -> Pane:
    return next(p for p in figure.panes() if p.key == key)


def mark(figure: Figure, where: str, kind: type, key: str = "") -> Any:
    return next(m for m in pane(figure, where).marks if isinstance(m, kind) and (not key or m.key == key))


def keys(figure: Figure) -> list[str]:
    return [p.key for p in figure.panes()]


@pytest.fixture(scope="module")
def usual() -> Result:
    return run()


@pytest.fixture(scope="module")
def detailed() -> Result:
    return run(replace(USUAL, show=BLOCK, channel=5))


@pytest.fixture(scope="module")
def stepped() -> Result:
    return run(replace(USUAL, show=STEPS, channel=5))


@pytest.fixture(scope="module")
def varied() -> Result:
    return run(replace(USUAL, show=VARIANTS))


# -- the contract


def test_it_is_a_whole_panel() -> None:
    panel = Panel.from_module(cbam)
    assert panel.name == "cbam"
    assert panel.title
    assert panel.paper
    assert panel.probe
    assert panel.pick
    assert panel.files
    assert set(knobs(Params)) == set(Params.__dataclass_fields__)


@pytest.mark.parametrize(
    "wrong",
    [
        {"show": "x"},
        {"where": "x"},
        {"channel_attention": "x"},
        {"size": 8},
        {"gain": -1.0},
        {"channel": -1},
        {"fit": "x"},
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Params(**wrong)


def test_a_network_without_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="mobilenet_v2"):
        run(network=nn.Sequential(nn.Conv2d(3, 4, 3)))


# -- the numbers


def test_every_block_has_the_papers_numbers(usual: Result) -> None:
    trace: Trace = usual.trace
    found: list[tuple[Tensor, Tensor]] = []

    def weigh(stage: int, x: Tensor, block: CBAM) -> Tensor:
        mc = channel_gate(x, block)
        ms = spatial_gate(x * mc, block)
        found.append((mc[0, :, 0, 0], ms[0, 0]))
        return x * mc * ms

    probabilities = by_hand(input_of(usual), weigh)
    assert tuple(block.name for block in trace.blocks) == BLOCKS
    for block, (mc, ms) in zip(trace.blocks, found, strict=True):
        assert block.channels is not None
        assert block.positions is not None
        torch.testing.assert_close(torch.from_numpy(block.channels.gate), mc, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(torch.from_numpy(block.positions.gate), ms, atol=1e-4, rtol=1e-4)
        assert block.shape == (len(mc), *ms.shape)
        np.testing.assert_allclose(
            block.channels.branches["avg"] + block.channels.branches["max"], block.channels.logits, rtol=1e-4, atol=1e-5
        )
    assert trace.probabilities is not None
    torch.testing.assert_close(torch.from_numpy(trace.probabilities), probabilities, atol=1e-4, rtol=1e-3)
    assert trace.probabilities.max() > 2 / 202  # the network prefers something, so that changes can be seen


@pytest.mark.parametrize(
    ("channel", "spatial", "where"),
    [
        ("off", "on", "all blocks"),
        ("on", "mean", "all blocks"),
        ("mean", "off", "all blocks"),
        ("off", "off", HERE),
        ("mean", "on", HERE),
    ],
)
def test_a_switch_is_the_network_with_the_gate_replaced(channel: str, spatial: str, where: str) -> None:
    params = replace(USUAL, channel_attention=channel, spatial_attention=spatial, where=where)
    result = run(params)

    def switched(gate: Tensor, how: str) -> Tensor:
        return {"on": gate, "off": torch.ones_like(gate), "mean": torch.full_like(gate, gate.mean().item())}[how]

    def weigh(stage: int, x: Tensor, block: CBAM) -> Tensor:
        here = where != HERE or stage == 3
        x = x * switched(channel_gate(x, block), channel if here else "on")
        return x * switched(spatial_gate(x, block), spatial if here else "on")

    wanted = by_hand(input_of(result), weigh)
    torch.testing.assert_close(torch.from_numpy(result.trace.probabilities), wanted, atol=1e-4, rtol=1e-3)
    assert result.trace.switched
    assert np.abs(result.trace.probabilities - result.trace.unchanged).max() > 1e-4


@pytest.mark.parametrize("gain", [0.0, 2.5])
def test_a_gain_is_that_channel_multiplied(gain: float) -> None:
    result = run(replace(USUAL, channel=7, gain=gain))

    def weigh(stage: int, x: Tensor, block: CBAM) -> Tensor:
        x = x * channel_gate(x, block)
        if stage == 3:
            x[:, 7] *= gain
        return x * spatial_gate(x, block)

    wanted = by_hand(input_of(result), weigh)
    torch.testing.assert_close(torch.from_numpy(result.trace.probabilities), wanted, atol=1e-4, rtol=1e-3)
    weight, gate = result.trace.block.channels.weight, result.trace.block.channels.gate
    assert weight[7] == pytest.approx(gain * gate[7])


def test_a_second_pass_runs_only_where_it_is_shown(usual: Result) -> None:
    def passes(params: Params) -> tuple[int, Any]:
        context = FakeContext(NETWORK)
        return context.stages.count("forward") if (made := run(params, context=context)) is None else (
            context.stages.count("forward"), made.trace.unchanged
        )  # fmt: skip

    assert passes(USUAL) == (1, None)
    assert passes(replace(USUAL, gain=0.0, compare=False)) == (1, None)
    count, unchanged = passes(replace(USUAL, gain=0.0))
    assert count == 2
    np.testing.assert_array_equal(unchanged, usual.trace.probabilities)


def test_on_a_held_picture_the_unchanged_pass_runs_once() -> None:
    context = FakeContext(NETWORK)
    run(USUAL, context=context)
    run(replace(USUAL, gain=0.0), context=context)
    run(replace(USUAL, gain=3.0), context=context)
    assert context.stages.count("forward") == 3


def test_the_trace_holds_no_copies_of_large_maps() -> None:
    context = FakeContext(NETWORK)
    result = run(replace(USUAL, show=BLOCK), context=context)
    kept = next(value for key, value in context.kept.items() if isinstance(key, tuple) and key[0] == "cbam forward")
    inside = kept.blocks["attention.3"]
    features = result.trace.features
    assert features.before.data_ptr() == inside.x.data_ptr()
    assert features.between.data_ptr() == inside.channel.out.data_ptr()
    assert features.after.data_ptr() == inside.out.data_ptr()
    assert run(USUAL, context=context).trace.features is None


def test_arrays_come_over_together_as_apart() -> None:
    tensors = [torch.randn(1, 5), torch.randn(1, 2, 3, 4), torch.randn(1, 1).half()]
    apart = on_host(tensors)
    for array, tensor in zip(apart, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor[0].float().numpy())
        assert array.dtype == np.float32


def test_cells_lie_where_the_convolutions_look(usual: Result) -> None:
    """A 3x3 convolution of stride 2 with padding 1 is centred on every second pixel, however many there are."""
    trace: Trace = usual.trace
    scale = trace.fit.scale[0]
    for block, stride in zip(trace.blocks, (2, 4, 8, 16, 16, 32, 32), strict=True):
        assert block.cells.xs[0] == pytest.approx(0.5 * scale)
        assert np.diff(block.cells.xs) == pytest.approx(stride * scale)


def test_geometry_is_worked_out_once() -> None:
    context = FakeContext(NETWORK)
    first = run(context=context).trace
    context.previous = first
    assert run(replace(USUAL, gain=0.0), context=context).trace.geometry is first.geometry
    assert context.stages.count("describe") == 1
    assert run(replace(USUAL, size=128), context=context).trace.geometry is not first.geometry


def test_an_unknown_block_gives_one_and_says_so() -> None:
    result = run(replace(USUAL, block="layer1.0.cbam"))
    assert result.trace.block.name in BLOCKS
    assert "layer1.0.cbam" in draw(result, View()).notes[0].text


# -- Grad-CAM


def test_grad_cam_is_of_the_chosen_block_and_only_when_asked(usual: Result) -> None:
    assert usual.trace.cam is None
    assert "cam" not in keys(draw(usual, View()))
    names = zoo.card(CARD).label_names()
    result = run(replace(USUAL, grad_cam=True, cam_class=names[11]))
    wanted = grad_cam(NETWORK, "attention.3", input_of(result), 11)
    np.testing.assert_allclose(result.trace.cam.map, wanted.map.numpy(), rtol=1e-3, atol=1e-5)
    figure = draw(result, View())
    assert names[11] in pane(figure, "cam").title
    assert {"gate", "cam"} <= set(keys(figure))
    assert mark(figure, "cam", Heatmap).colormap != mark(figure, "gate", Heatmap).colormap


def test_grad_cam_asks_the_switched_network() -> None:
    plain = run(replace(USUAL, grad_cam=True, cam_class=zoo.card(CARD).label_names()[11]))
    switched = run(replace(plain.task.params, spatial_attention="off"))
    assert np.abs(plain.trace.cam.map - switched.trace.cam.map).max() > 1e-5


def test_what_is_no_longer_wanted_stops() -> None:
    context = FakeContext(NETWORK, cancelled=True)
    with pytest.raises(Cancelled):
        run(replace(USUAL, grad_cam=True), context=context)
    with pytest.raises(Cancelled):
        run(replace(USUAL, show=VARIANTS), context=context)


# -- the views


def test_the_overview_shows_every_gate_over_the_picture(usual: Result) -> None:
    trace: Trace = usual.trace
    shown = mark(draw(usual, View(own_range=False, smooth=False)), "blocks", Heatmap)
    columns = columns_for(8, trace.grey.shape[1] / trace.grey.shape[0])
    assert shown.extent == (0, 0, columns * trace.grey.shape[1], -(-8 // columns) * trace.grey.shape[0])
    height, width = (side // tiles for side, tiles in zip(shown.values.shape, (-(-8 // columns), columns), strict=True))
    assert np.isnan(shown.values[:height, :width]).all()  # the picture itself
    for number, block in enumerate(trace.blocks, 1):
        row, column = divmod(number, columns)
        tile = shown.values[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert block.positions is not None
        np.testing.assert_array_equal(tile, block.cells.spread(block.positions.weight, smooth=False, finest=FINEST))
    own = mark(draw(usual, View()), "blocks", Heatmap).values
    assert np.nanmin(own) == 0
    assert np.nanmax(own) == 1


@pytest.mark.parametrize("aspect", [0.4, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("count", [2, 8, 17])
def test_the_overviews_tiles_leave_no_row_empty(count: int, aspect: float) -> None:
    columns = columns_for(count, aspect)
    assert 1 <= columns <= count
    assert -(-count // columns) * columns - count < columns


def test_the_chosen_block_has_all_its_numbers(detailed: Result) -> None:
    trace: Trace = detailed.trace
    figure = draw(detailed, View(tiles=6, smooth=False))
    channels, positions = trace.block.channels, trace.block.positions
    assert channels is not None
    assert positions is not None
    for key, values in (
        ("branch_avg", channels.branches["avg"]), ("branch_max", channels.branches["max"]), ("logits", channels.logits),
        ("channel_gate", channels.gate),
    ):  # fmt: skip
        np.testing.assert_array_equal(mark(figure, key, Bars).values, values)
        assert mark(figure, key, Points).xy[0].tolist() == pytest.approx([5.0, values[5]])
    for key, wanted in (
        ("map_max", positions.pooled[0]), ("map_mean", positions.pooled[1]), ("map_conv", positions.convolved), ("gate", positions.gate),
    ):  # fmt: skip
        shown = mark(figure, key, Heatmap).values
        assert shown.min() == pytest.approx(wanted.min())
        assert shown.max() == pytest.approx(wanted.max())
    before, between, after = (mark(figure, key, Tiles).values for key in ("before", "between", "after"))
    order = [int(title) for title in mark(figure, "before", Tiles).titles]
    assert order[0] == 5
    assert len(order) == len(set(order)) == 6
    np.testing.assert_allclose(between, before * channels.weight[order][:, None, None], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after, between * positions.weight, rtol=1e-5, atol=1e-6)


def test_bars_can_stand_in_order_of_their_weight(detailed: Result) -> None:
    figure = draw(detailed, View(order=BY_WEIGHT))
    values = mark(figure, "channel_gate", Bars).values
    assert (np.diff(values) <= 0).all()
    spot = Spot("channel_gate", "channels", 0.0, 0.0, 0)
    assert pick(detailed, View(order=BY_WEIGHT), spot) == {
        "channel": int(detailed.trace.block.channels.weight.argmax())
    }


def test_a_switched_gate_shows_what_it_was() -> None:
    result = run(replace(USUAL, channel_attention="off"))
    figure = draw(result, View())
    np.testing.assert_array_equal(mark(figure, "channel_gate", Bars).values, np.ones(64))
    np.testing.assert_array_equal(mark(figure, "channel_gate", Curve).y, result.trace.block.channels.gate)
    assert figure.notes[0].level == "warning"


def test_both_predictions_stand_side_by_side_with_the_change(usual: Result) -> None:
    result = run(replace(USUAL, channel_attention="off"))
    bars = mark(draw(result, View()), "classes", Bars)
    now, before = result.trace.probabilities, result.trace.unchanged
    best = top_classes(now, before)
    assert int(before.argmax()) in best
    np.testing.assert_allclose(bars.values[0::2], 100 * now[best], rtol=1e-6)
    np.testing.assert_allclose(bars.values[1::2], 100 * before[best], rtol=1e-6)
    assert len(bars.labels) == len(bars.values) == len(bars.colours)
    assert bars.labels[0].endswith(change(100 * float(now[best[0]] - before[best[0]])))
    assert len(mark(draw(usual, View()), "classes", Bars).values) == 5


@pytest.mark.parametrize(
    ("points", "said"), [(0.01, "±0"), (-12.34, "−12.3"), (3.21, "+3.2"), (100.0, "+100"), (-0.06, "−0.1")]
)
def test_changes_have_signs(points: float, said: str) -> None:
    assert change(points) == said


def test_all_twelve_steps_draw_with_their_numbers(stepped: Result) -> None:
    trace: Trace = stepped.trace
    assert len(trace.steps) == 12
    for number, step in enumerate(trace.steps):
        figure = draw(stepped, View(step=number, place=(0.3, 0.6)))
        words = mark(figure, "formula", Text).text
        assert words == formula(stepped, View(place=(0.3, 0.6)), step)
        assert len(figure.panes()) >= 2 + (step != INPUT) * 0
        assert any("【" in note.text for note in figure.notes)


def test_formulas_add_up(stepped: Result) -> None:
    trace: Trace = stepped.trace
    positions, learnt, features = trace.block.positions, trace.learnt, trace.features
    assert positions is not None
    assert learnt is not None
    assert features is not None
    _, rows, columns = trace.block.shape
    for row, column in ((0, 0), (rows // 2, columns // 2), (rows - 1, 0)):
        parts = window_sums(positions.pooled, learnt.kernel, row, column)
        assert sum(parts) == pytest.approx(float(positions.convolved[row, column]), rel=1e-4, abs=1e-5)
        gamma, beta, mean, variance, epsilon = learnt.norm
        normed = gamma * (positions.convolved[row, column] - mean) / (variance + epsilon) ** 0.5 + beta
        assert normed == pytest.approx(float(positions.logits[row, column]), rel=1e-4)
    hidden = np.maximum(learnt.w0 @ trace.block.channels.pooled["avg"] + learnt.b0, 0)
    np.testing.assert_allclose(
        learnt.w1 @ hidden + learnt.b1, trace.block.channels.branches["avg"], rtol=1e-3, atol=1e-4
    )
    # What is said is what was computed.
    cell = trace.block.cells.at(0.5 * 256, 0.5 * 192)
    assert f"= {positions.logits[cell]:.4g}".replace("-", "−") in formula(stepped, View(), NORM)
    assert f"= {positions.convolved[cell]:.4g}".replace("-", "−") in formula(stepped, View(), CONVOLUTION)
    assert f"= {float(features.after[5][cell]):.4g}".replace("-", "−") in formula(stepped, View(), SPATIAL_MULTIPLY)
    assert f"= {trace.block.channels.branches['max'][5]:.4g}".replace("-", "−") in formula(stepped, View(), MLP)


def test_variants_are_the_block_computed_otherwise(varied: Result) -> None:
    found = {variant.name: variant for variant in varied.trace.variants}
    assert tuple(found) == CHANGES
    trained, block = found[CHANGES[0]], varied.trace.block
    np.testing.assert_array_equal(trained.gate, block.channels.gate)
    np.testing.assert_array_equal(trained.probabilities, varied.trace.probabilities)
    np.testing.assert_allclose(found[AVERAGE_ONLY].gate, 1 / (1 + np.exp(-block.channels.branches["avg"])), rtol=1e-4)
    makers: dict[str, Callable[[Tensor, CBAM], Tensor]] = {
        PARALLEL: lambda x, own: x * channel_gate(x, own) * spatial_gate(x, own),
        SPATIAL_FIRST: lambda x, own: (y := x * spatial_gate(x, own)) * channel_gate(y, own),
    }
    for name, maker in makers.items():

        def weigh(stage: int, x: Tensor, own: CBAM, maker: Callable[[Tensor, CBAM], Tensor] = maker) -> Tensor:
            return maker(x, own) if stage == 3 else own(x)

        wanted = by_hand(input_of(varied), weigh)
        torch.testing.assert_close(torch.from_numpy(found[name].probabilities), wanted, atol=1e-4, rtol=1e-3)
    # One map or a smaller kernel changes positions only; the kernel's middle alone differs from both.
    for name in (MAP_MEAN, SMALL_KERNEL):
        np.testing.assert_array_equal(found[name].gate, trained.gate)
        assert np.abs(found[name].map - trained.map).max() > 1e-4


def test_the_variants_say_what_they_are(varied: Result) -> None:
    figure = draw(varied, View(variant=PARALLEL))
    table = mark(figure, "variants", Table)
    assert table.rows[table.selected][0] == PARALLEL
    assert table.rows[0][1:3] == (0.0, 0.0)
    assert "not trained that way" in figure.notes[0].text
    assert pick(varied, View(), Spot("variants", "variants", 0, 0, 2)) == {"variant": CHANGES[2]}
    assert pick(varied, View(), Spot("variants", "variants", 0, 0, len(CHANGES))) is None


# -- other blocks


class Small(nn.Module):
    """Class scores after one attention block of any kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv2d(3, 24, 3, stride=4, padding=1)
        self.attention = CBAM(24, **options)
        self.head = nn.Linear(24, 202)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.attention(self.conv(x)).mean((2, 3)))
        return out


OTHERS: tuple[dict[str, Any], ...] = (
    {"order": "spatial first"}, {"order": "parallel"}, {"channel": False}, {"spatial": False}, {"pools": ("max",)}, {"conv_pool": True},
    {"kernel_size": 3},
)  # fmt: skip


@pytest.mark.parametrize("options", OTHERS, ids=str)
def test_other_blocks_show_what_they_have(options: dict[str, Any]) -> None:
    network = Small(**options).requires_grad_(False).eval()
    for show in SHOWS:
        result = run(replace(USUAL, show=show, block="attention", grad_cam=True), network)
        trace: Trace = result.trace
        for step in range(len(trace.steps) if show == STEPS else 1):
            assert draw(result, View(step=step)).panes()
    assert (MLP in trace.steps) == (trace.block.channels is not None)
    values = draw(result, View()).values
    assert ("gate" in values) == (trace.block.channels is not None)
    assert ("map_gate" in values) == (trace.block.positions is not None)


def test_spatial_first_steps_in_its_own_order() -> None:
    result = run(
        replace(USUAL, show=STEPS, block="attention"), Small(order="spatial first").requires_grad_(False).eval()
    )
    trace: Trace = result.trace
    assert trace.steps.index(CONVOLUTION) < trace.steps.index(MLP)
    features = trace.features
    assert features is not None
    torch.testing.assert_close(features.between, features.before * torch.from_numpy(trace.block.positions.weight))


# -- the pointer


def test_the_pointer_reads_a_cell_and_lights_it_everywhere(detailed: Result) -> None:
    found = probe(detailed, View(), Spot("map_max", "heatmap", 100.0, 60.0))
    assert found is not None
    block = detailed.trace.block
    row, column = block.cells.at(100.0, 60.0)
    assert f"{block.positions.gate[row, column]:.4g}" in found.text
    assert f"{block.positions.pooled[0, row, column]:.4g}".replace("-", "−") in found.text
    assert {"gate", "map_mean", "before"} <= found.marks.keys()
    lit = found.marks["before"][0]
    assert isinstance(lit, Lit)
    assert (lit.index, lit.x, lit.y) == (0, column + 0.5, row + 0.5)
    assert probe(detailed, View(), Spot("gate", "", -1.0, 5.0)) is None


def test_the_pointer_reads_a_channel(detailed: Result) -> None:
    found = probe(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 9))
    assert found is not None
    assert "9" in found.text
    assert f"{detailed.trace.block.channels.gate[9]:.4g}" in found.text
    assert found.marks["channel_gate"] == (found.marks["branch_avg"][0],)
    assert pick(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 9)) == {"channel": 9}
    # The dot on the chosen bar is the chosen channel, not the first.
    assert pick(detailed, View(), Spot("logits", "chosen", 5.0, 0.0, 0)) == {"channel": 5}
    assert pick(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 900)) is None


def test_a_tile_of_features_reads_both(detailed: Result) -> None:
    order = [int(title) for title in mark(draw(detailed, View()), "after", Tiles).titles]
    spot = Spot("after", "tiles", 2.5, 1.5, 3)
    found = probe(detailed, View(), spot)
    assert found is not None
    assert str(order[3]) in found.text
    assert f"{detailed.trace.block.positions.gate[1, 2]:.4g}" in found.text
    assert pick(detailed, View(), spot) == {"channel": order[3]}


def test_a_tile_of_the_overview_chooses_its_block_and_lights_the_place_in_all(usual: Result) -> None:
    trace: Trace = usual.trace
    height, width = trace.grey.shape
    columns = columns_for(8, width / height)
    row, column = divmod(6, columns)  # tile 6 is block 5
    spot = Spot("blocks", "blocks", (column + 0.5) * width, (row + 0.5) * height)
    assert pick(usual, View(), spot) == {"block": "attention.5"}
    assert tile_at(trace, spot.x, spot.y) == (5, 0.5, 0.5)
    found = probe(usual, View(), spot)
    assert found is not None
    assert "attention.5" in found.text
    boxes = found.marks["blocks"][0]
    assert isinstance(boxes, Boxes)
    assert len(boxes.xyxy) == 7
    x0, y0, x1, y1 = boxes.xyxy[5]
    assert x0 <= spot.x <= x1
    assert y0 <= spot.y <= y1
    assert pick(usual, View(), Spot("blocks", "picture", 1.0, 1.0)) is None
    assert tile_at(trace, -1.0, 5.0) is None
    assert tile_at(trace, 5.0, 1e6) is None


def test_clicks_set_position_and_class(usual: Result) -> None:
    names = zoo.card(CARD).label_names()
    best = top_classes(usual.trace.probabilities)
    assert pick(usual, View(), Spot("gate", "heatmap", 64.0, 48.0)) == {"place": (0.25, 0.25)}
    assert pick(usual, View(), Spot("gate", "heatmap", 999.0, 48.0)) is None
    assert pick(usual, View(), Spot("classes", "classes", 1.0, 1.0, 1)) == {
        "grad_cam": True,
        "cam_class": names[best[1]],
    }
    assert pick(usual, View(), Spot("classes", "classes", 1.0, 1.0, 99)) is None
    switched = run(replace(USUAL, gain=0.0))
    best = top_classes(switched.trace.probabilities, switched.trace.unchanged)
    assert pick(switched, View(), Spot("classes", "classes", 1.0, 1.0, 3)) == {
        "grad_cam": True,
        "cam_class": names[best[1]],
    }


# -- words and files


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("show", SHOWS)
def test_everything_draws_in_both_languages(language: str, show: str) -> None:
    try:
        set_language(language)
        result = run(replace(USUAL, show=show, channel_attention="mean", gain=2.0, grad_cam=True))
        figure = draw(result, View())
        assert all(p.title for p in figure.panes())
        assert len(set(keys(figure))) == len(keys(figure))
    finally:
        set_language("en")


def test_the_explanation_is_filled(usual: Result) -> None:
    wanted = {name for _, name, _, _ in string.Formatter().parse(explanation("cbam.md")) if name}
    given = draw(usual, View()).values
    assert not wanted - given.keys()
    assert "None" not in explanation("cbam.md").format_map(given)


def test_files_hold_probabilities_and_weights() -> None:
    result = run(replace(USUAL, spatial_attention="off"))
    made = {name: json.loads(content) for name, content in files(result, View()).items()}
    classes, attention = made["classes.json"], made["attention.json"]
    assert len(classes) == 202
    assert sum(row["probability"] for row in classes) == pytest.approx(1, abs=1e-4)
    assert classes[3]["unchanged"] == pytest.approx(float(result.trace.unchanged[3]))
    assert [block["name"] for block in attention["blocks"]] == list(BLOCKS)
    assert np.array(attention["blocks"][2]["spatial_weight"]).min() == 1
    assert np.array(attention["blocks"][2]["channel_gate"]).shape == (32,)
    assert attention["switched"]["spatial"] == "off"


RUNS = [
    {"attention": "none", "top1": 0.6, "top5": 0.82, "loss": 1.5, "parameters": 2482634},
    {"attention": "both", "top1": 0.65, "top5": 0.85, "loss": 1.3, "parameters": 2502000},
    {"attention": "spatial", "top1": 0.602, "top5": 0.82, "loss": 1.5, "parameters": 2483000},
]


def test_the_ablation_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: Result) -> None:
    monkeypatch.setattr(ablation, "asset", lambda *parts: tmp_path / parts[-1])
    result = run(replace(USUAL, show=ABLATION))
    assert "not been measured" in mark(draw(result, View()), "ablation", Text).text
    (tmp_path / ablation.FILE).write_text(
        json.dumps({"epochs": 2, "size": 128, "pictures": 2500, "rows": RUNS}), "utf-8"
    )
    figure = draw(result, View())
    rows = mark(figure, "ablation", Table).rows
    assert rows[1][:3] == ("both (CBAM)", 65.0, 85.0)
    words = mark(figure, "words", Text).text
    assert "+5.0 points" in words
    assert "more than two standard errors" in words
    assert "+0.2 points of top-1 against no attention (this may be chance)" in words
    assert "+5.0 points" in str(draw(result, View()).values["ablation"])
    (tmp_path / ablation.FILE).write_text("{", "utf-8")
    assert ablation.ablation() is None


# -- the built-in network

SHIPPED = "mobilenet_v2_cbam"


@pytest.mark.parametrize(("picture", "name"), [("koala.jpg", "koala"), ("dog.jpg", "German shepherd")])
def test_the_built_in_network_knows_sharp_photographs(picture: str, name: str) -> None:
    frame = Frame(cv2.imread(str(asset("pictures", picture)), cv2.IMREAD_COLOR_RGB), source=picture)
    trace = compute(frame, Params(), FakeContext(zoo.load(SHIPPED)))
    assert [block.name for block in trace.blocks] == list(BLOCKS)
    assert trace.probabilities is not None
    names = zoo.card(SHIPPED).label_names()
    assert name in [names[i] for i in top_classes(trace.probabilities)]
