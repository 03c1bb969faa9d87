"""The CBAM panel through the program's own computer: the network is a seeded one, behind a card with as many classes."""

import json
import string
from collections.abc import Callable
from dataclasses import replace
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
from cvcore.nn import cbam_network
from cvcore.nn.cbam import CBAM, CBAMTrace, ChannelTrace, SpatialTrace
from cvcore.nn.cbam_network import AVERAGE_ONLY, CHANGES, PARALLEL
from explorer.engine.compute import Computer
from explorer.figure import Bars, Boxes, Curve, Figure, Heatmap, Lit, Pane, Points, Spot, Table, Text, Tiles
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Result, Task
from explorer.panels import cbam
from explorer.panels.cbam import Params, Trace, View, files
from explorer.views import networks
from explorer.views.fit import network_input
from explorer.views.mosaic import columns_for
from explorer.views.predictions import top_classes

CARD = "mobilenet_v2"
BLOCKS = tuple(f"attention.{i}" for i in range(7))
PANEL = Panel.from_module(cbam)
draw, probe, pick = PANEL.draw, PANEL.probe, PANEL.pick
OVERVIEW, BLOCK, STEPS, VARIANTS, ABLATION = SHOWS = tuple(cbam.VIEWS)


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
FRAME = Frame(PHOTO, source="test")
USUAL = Params(network=CARD, size=96, block="attention.3")
Shown = Result[Trace, Params]


def computed(
    params: Params = USUAL, network: nn.Module = NETWORK, computer: Computer | None = None, frame: Frame = FRAME
) -> Result[Any, Params]:
    """What the program computes where the card's network is this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "load", lambda name, device: network)
        made = (computer or Computer({"cbam": PANEL})).compute(frame, Task(1, "cbam", params))
    assert made is not None
    return made


def run(params: Params = USUAL, network: nn.Module = NETWORK, computer: Computer | None = None) -> Shown:
    result = computed(params, network, computer)
    assert not result.error, result.detail
    return result


def stages(result: Shown, name: str) -> int:
    return sum(stage.name == name for stage in result.stages)


def input_of(result: Shown) -> Tensor:
    return network_input(result.frame.image, result.trace.fit, zoo.card(CARD).preprocessing, torch.device("cpu"))


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


def both(block: CBAMTrace) -> tuple[ChannelTrace, SpatialTrace]:
    assert block.channel is not None
    assert block.spatial is not None
    return block.channel, block.spatial


@pytest.fixture(scope="module")
def usual() -> Shown:
    return run()


@pytest.fixture(scope="module")
def detailed() -> Shown:
    return run(replace(USUAL, show=BLOCK, channel=5))


@pytest.fixture(scope="module")
def stepped() -> Shown:
    return run(replace(USUAL, show=STEPS, channel=5))


@pytest.fixture(scope="module")
def varied() -> Shown:
    return run(replace(USUAL, show=VARIANTS))


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
    made = computed(network=nn.Sequential(nn.Conv2d(3, 4, 3)))
    assert made.error == "The network mobilenet_v2 has no attention blocks."


# -- the numbers


def test_every_block_has_the_papers_numbers(usual: Shown) -> None:
    trace = usual.trace
    found: list[tuple[Tensor, Tensor]] = []

    def weigh(stage: int, x: Tensor, block: CBAM) -> Tensor:
        mc = channel_gate(x, block)
        ms = spatial_gate(x * mc, block)
        found.append((mc, ms))
        return x * mc * ms

    probabilities = by_hand(input_of(usual), weigh)
    assert tuple(trace.blocks) == BLOCKS
    for block, (mc, ms) in zip(trace.blocks.values(), found, strict=True):
        channel, spatial = both(block)
        torch.testing.assert_close(channel.gate[:, :, None, None], mc, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(spatial.gate, ms, atol=1e-4, rtol=1e-4)
        assert block.x.shape[1:] == (mc.shape[1], *ms.shape[2:])
    assert trace.probabilities is not None
    torch.testing.assert_close(torch.from_numpy(trace.probabilities), probabilities, atol=1e-4, rtol=1e-3)
    assert trace.probabilities.max() > 2 / 202  # the network prefers something, so that changes can be seen


@pytest.mark.parametrize(
    ("channel", "spatial", "where"),
    [
        ("off", "on", "all blocks"),
        ("on", "mean", "all blocks"),
        ("mean", "off", "all blocks"),
        ("off", "off", "the chosen block"),
        ("mean", "on", "the chosen block"),
    ],
)
def test_a_switch_is_the_network_with_the_gate_replaced(channel: str, spatial: str, where: str) -> None:
    result = run(replace(USUAL, channel_attention=channel, spatial_attention=spatial, where=where))

    def switched(gate: Tensor, how: str) -> Tensor:
        return {"on": gate, "off": torch.ones_like(gate), "mean": torch.full_like(gate, gate.mean().item())}[how]

    def weigh(stage: int, x: Tensor, block: CBAM) -> Tensor:
        here = where == "all blocks" or stage == 3
        x = x * switched(channel_gate(x, block), channel if here else "on")
        return x * switched(spatial_gate(x, block), spatial if here else "on")

    wanted = by_hand(input_of(result), weigh)
    trace = result.trace
    assert trace.probabilities is not None
    torch.testing.assert_close(torch.from_numpy(trace.probabilities), wanted, atol=1e-4, rtol=1e-3)
    assert trace.switched
    assert trace.unchanged is not None
    assert np.abs(trace.probabilities - trace.unchanged).max() > 1e-4


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
    channel, _ = both(result.trace.block)
    assert channel.weight[0, 7] == pytest.approx(gain * channel.gate[0, 7])


def test_a_network_that_ends_in_its_softmax_has_no_second_one(usual: Shown) -> None:
    ended = nn.Sequential(NETWORK, nn.Softmax(1)).eval()
    for params in (USUAL, replace(USUAL, show=VARIANTS)):
        trace = run(replace(params, block="0.attention.3"), ended).trace
        np.testing.assert_allclose(trace.probabilities, usual.trace.probabilities, rtol=1e-5)
    np.testing.assert_allclose(trace.ways[0].out, usual.trace.probabilities, rtol=1e-5)
    assert sum(trace.ways[1].out) == pytest.approx(1, abs=1e-4)


def test_a_second_pass_runs_only_where_it_is_shown(usual: Shown) -> None:
    assert (stages(usual, "forward"), usual.trace.unchanged) == (1, None)
    alone = run(replace(USUAL, gain=0.0, compare=False))
    assert (stages(alone, "forward"), alone.trace.unchanged) == (1, None)
    beside = run(replace(USUAL, gain=0.0))
    assert stages(beside, "forward") == 2
    np.testing.assert_array_equal(beside.trace.unchanged, usual.trace.probabilities)


def test_on_a_held_picture_the_unchanged_pass_runs_once_and_cells_are_kept() -> None:
    computer = Computer({"cbam": PANEL})
    first = run(USUAL, computer=computer)
    others = [run(replace(USUAL, gain=gain), computer=computer) for gain in (0.0, 3.0)]
    assert [stages(result, "forward") for result in (first, *others)] == [1, 1, 1]
    assert [stages(result, "describe") for result in (first, *others)] == [1, 0, 0]
    assert others[0].trace.cells["attention.3"] is first.trace.cells["attention.3"]
    assert (
        run(replace(USUAL, size=128), computer=computer).trace.cells["attention.3"]
        is not first.trace.cells["attention.3"]
    )


def test_only_the_chosen_block_keeps_its_large_maps_and_only_where_they_are_shown(
    usual: Shown, detailed: Shown
) -> None:
    assert {block.x.shape[0] for block in usual.trace.blocks.values()} == {0}
    assert [name for name, block in detailed.trace.blocks.items() if len(block.x)] == ["attention.3"]


def test_cells_lie_where_the_convolutions_look(usual: Shown) -> None:
    """A 3x3 convolution of stride 2 with padding 1 is centred on every second pixel, however many there are."""
    scale = usual.trace.fit.scale[0]
    for cells, stride in zip(usual.trace.cells.values(), (2, 4, 8, 16, 16, 32, 32), strict=True):
        assert cells.xs[0] == pytest.approx(0.5 * scale)
        assert np.diff(cells.xs) == pytest.approx(stride * scale)


def test_an_unknown_block_gives_one_and_says_so() -> None:
    result = run(replace(USUAL, block="layer1.0.cbam"))
    assert result.trace.name in BLOCKS
    assert "layer1.0.cbam" in draw(result, View()).notes[0].text


# -- Grad-CAM


def test_grad_cam_is_of_the_chosen_block_and_only_when_asked(usual: Shown) -> None:
    assert usual.trace.cam is None
    assert "cam" not in keys(draw(usual, View()))
    names = zoo.card(CARD).label_names()
    result = run(replace(USUAL, grad_cam=True, cam_class=names[11]))
    wanted = grad_cam(NETWORK, "attention.3", input_of(result), 11)
    assert result.trace.cam is not None
    np.testing.assert_allclose(result.trace.cam.map, wanted.map.numpy(), rtol=1e-3, atol=1e-5)
    figure = draw(result, View())
    assert names[11] in pane(figure, "cam").title
    assert mark(figure, "cam", Heatmap).colormap != mark(figure, "gate", Heatmap).colormap
    switched = run(replace(result.params, spatial_attention="off"))
    assert switched.trace.cam is not None
    assert np.abs(result.trace.cam.map - switched.trace.cam.map).max() > 1e-5


@pytest.mark.parametrize("more", [{"grad_cam": True}, {"show": VARIANTS}], ids=str)
def test_what_is_no_longer_wanted_stops(more: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "load", lambda name, device: NETWORK)
        task = Task(1, "cbam", replace(USUAL, **more))
        assert Computer({"cbam": PANEL}).compute(FRAME, task, cancelled=lambda: True, stop=lambda: False) is None


# -- the views


def test_the_overview_shows_every_gate_over_the_picture(usual: Shown) -> None:
    trace = usual.trace
    figure = draw(usual, View(own_range=False, smooth=False))
    shown = mark(figure, "blocks", Heatmap)
    columns = columns_for(8, trace.grey.shape[1] / trace.grey.shape[0])
    rows = -(-8 // columns)
    assert shown.extent == (0, 0, columns * trace.grey.shape[1], rows * trace.grey.shape[0])
    tiles = shown.values.reshape(rows, shown.values.shape[0] // rows, columns, -1)
    assert np.isnan(tiles[0, :, 0]).all()  # the picture itself
    for number, block in enumerate(trace.blocks.values(), 1):
        row, column = divmod(number, columns)
        assert np.isin(tiles[row, :, column], both(block)[1].weight[0, 0].numpy()).all()
    assert mark(figure, "blocks", Boxes, "chosen").xyxy[0].tolist() == [
        4 % columns * trace.grey.shape[1], 4 // columns * trace.grey.shape[0],
        (4 % columns + 1) * trace.grey.shape[1], (4 // columns + 1) * trace.grey.shape[0],
    ]  # fmt: skip


def test_the_chosen_block_has_all_its_numbers(detailed: Shown) -> None:
    figure = draw(detailed, View(tiles=6, smooth=False))
    channel, spatial = both(detailed.trace.block)
    for key, values in (
        ("branch_avg", channel.branches["avg"]), ("branch_max", channel.branches["max"]), ("logits", channel.logits),
        ("channel_gate", channel.gate),
    ):  # fmt: skip
        np.testing.assert_array_equal(mark(figure, key, Bars).values, values[0])
        assert mark(figure, key, Points).xy[0].tolist() == pytest.approx([5.0, values[0, 5].item()])
    for key, wanted in (
        ("map_max", spatial.pooled[:, 0]), ("map_mean", spatial.pooled[:, 1]), ("map_conv", spatial.convolved), ("gate", spatial.gate),
    ):  # fmt: skip
        shown = mark(figure, key, Heatmap).values
        assert shown.min() == pytest.approx(float(wanted.min()))
        assert shown.max() == pytest.approx(float(wanted.max()))
    before, between, after = (mark(figure, key, Tiles).values for key in ("before", "between", "after"))
    order = [int(title) for title in mark(figure, "before", Tiles).titles]
    strength = detailed.trace.block.x[0].abs().mean((1, 2))
    strongest = [i for i in strength.argsort(descending=True).tolist() if i != 5]
    assert order == [5, *strongest[:5]]
    np.testing.assert_allclose(between, before * channel.weight[0, order, None, None].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after, between * spatial.weight[0].numpy(), rtol=1e-5, atol=1e-6)


def test_bars_can_stand_in_order_of_their_weight(detailed: Shown) -> None:
    view = View(order="by weight")
    assert (np.diff(mark(draw(detailed, view), "channel_gate", Bars).values) <= 0).all()
    first = int(both(detailed.trace.block)[0].weight[0].argmax())
    assert pick(detailed, view, Spot("channel_gate", "channels", 0.0, 0.0, 0)) == {"channel": first}


def test_a_switched_gate_shows_what_it_was_and_both_predictions(usual: Shown) -> None:
    result = run(replace(USUAL, channel_attention="off"))
    figure = draw(result, View())
    np.testing.assert_array_equal(mark(figure, "channel_gate", Bars).values, np.ones(64))
    np.testing.assert_array_equal(mark(figure, "channel_gate", Curve).y, both(result.trace.block)[0].gate[0])
    found = probe(result, View(), Spot("channel_gate", "beside", 9.0, 0.5, 9))
    assert found is not None
    assert found.text.startswith("channel 9 ")
    assert [(note.level, note.text) for note in figure.notes] == [
        ("warning", "Switched: channel attention off in all blocks.")
    ]
    now, before = result.trace.probabilities, result.trace.unchanged
    best, bars = top_classes(now, before), mark(figure, "classes", Bars)
    np.testing.assert_allclose(bars.values[0::2], 100 * now[best], rtol=1e-6)
    np.testing.assert_allclose(bars.values[1::2], 100 * before[best], rtol=1e-6)
    assert len(mark(draw(usual, View()), "classes", Bars).values) == 5


# -- step by step


def words_of(result: Shown, operation: str, view: View | None = None) -> str:
    """What stands under the panes of a step."""
    view = View() if view is None else view
    step = result.trace.block.operations.index(operation)  # type: ignore[arg-type]
    figure = draw(result, replace(view, step=step))
    assert operation in pane(figure, "formula").title
    return str(mark(figure, "formula", Text).text)


def test_all_twelve_steps_have_their_names_and_the_chain(stepped: Shown) -> None:
    assert len(stepped.trace.block.operations) == 12
    chains = set()
    for step, operation in enumerate(stepped.trace.block.operations):
        figure = draw(stepped, View(step=step, place=(0.3, 0.6)))
        assert pane(figure, "formula").title == f"Step {step + 1} of 12: {operation}"
        assert len(figure.panes()) >= 3
        (note,) = figure.notes
        assert note.text.count("【") == 1
        chains.add(note.text)
    assert len(chains) == 12


def test_what_a_formula_says_is_what_was_computed(stepped: Shown) -> None:
    trace = stepped.trace
    channel, spatial = both(trace.block)
    row, column = cell = trace.cells[trace.name].at(0.5 * 256, 0.5 * 192)
    said = {operation: words_of(stepped, operation).replace("−", "-") for operation in trace.block.operations}
    for operation, value in (
        ("the map comes in", trace.block.x[0, 5][cell]),
        ("average pooling", trace.block.x[0, 5].mean()),
        ("maximum pooling", trace.block.x[0, 5].max()),
        ("the shared MLP", channel.branches["max"][0, 5]),
        ("the sum", channel.logits[0, 5]),
        ("sigmoid of the channels", channel.gate[0, 5]),
        ("the channels are weighed", trace.block.between[0, 5][cell]),
        ("maximum and mean over the channels", trace.block.between[0, :, row, column].mean()),
        ("the convolution", spatial.convolved[0, 0][cell]),
        ("batch norm", spatial.logits[0, 0][cell]),
        ("sigmoid of the positions", spatial.gate[0, 0][cell]),
        ("the positions are weighed", trace.block.out[0, 5][cell]),
    ):
        assert said[operation].endswith(f"= {float(value):.4g}"), operation
    last = said["the convolution"].rpartition("] = ")[2]
    parts, total = last.split(" = ")
    assert sum(float(part.strip("()")) for part in parts.split(" + ")) == pytest.approx(float(total), abs=2e-3)


def test_a_switched_step_says_both_numbers() -> None:
    result = run(replace(USUAL, show=STEPS, spatial_attention="off"))
    assert "Switched: the weight is 1, the sigmoid gave" in words_of(result, "the positions are weighed")


# -- the paper's variants


def test_the_variants_say_what_they_are(varied: Shown) -> None:
    figure = draw(varied, View(variant=PARALLEL))
    table = mark(figure, "variants", Table)
    assert table.rows[table.selected][0] == PARALLEL
    assert table.rows[0][1:3] == (0.0, 0.0)
    assert len(table.rows) == len(CHANGES) + 2
    assert "not trained that way" in figure.notes[0].text
    for row, wanted in ((2, {"variant": CHANGES[2]}), (0, None), (len(CHANGES), None)):
        assert pick(varied, View(), Spot("variants", "variants", 0, 0, row)) == wanted
    assert pick(varied, View(), Spot("classes", "classes", 1.0, 0.0, 0)) is None
    trained, found = varied.trace.ways[0], varied.trace.ways[1]
    assert found.name == AVERAGE_ONLY
    np.testing.assert_array_equal(trained.out, varied.trace.probabilities)
    torch.testing.assert_close(found.gate, torch.sigmoid(both(varied.trace.block)[0].branches["avg"]))
    shown = draw(varied, View())
    np.testing.assert_array_equal(mark(shown, "gates", Curve, "variant").y, found.gate[0])
    bars, best = mark(shown, "classes", Bars).values, top_classes(found.out, trained.out)
    np.testing.assert_allclose(bars[0::2], 100 * found.out[best], rtol=1e-5)
    np.testing.assert_allclose(bars[1::2], 100 * trained.out[best], rtol=1e-5)


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
        result = run(replace(USUAL, show=show, block="attention", grad_cam=True, channel=2), network)
        block, cell = result.trace.block, result.trace.cells["attention"].at(128, 96)
        if show == STEPS:
            for operation in block.operations:
                said = words_of(result, operation).replace("−", "-")
                if operation == block.operations[-1]:
                    assert said.endswith(f"= {float(block.out[0, 2][cell]):.4g}")
        else:
            assert draw(result, View()).panes()
    values = draw(result, View()).values
    assert ("gate" in values) == (block.channel is not None)
    assert ("map_gate" in values) == (block.spatial is not None)


# -- the pointer


def test_the_pointer_reads_a_cell_and_lights_it_everywhere(detailed: Shown) -> None:
    found = probe(detailed, View(), Spot("map_max", "heatmap", 100.0, 60.0))
    assert found is not None
    _, spatial = both(detailed.trace.block)
    row, column = detailed.trace.cells[detailed.trace.name].at(100.0, 60.0)
    assert f"{spatial.gate[0, 0, row, column]:.4g}" in found.text
    assert f"{spatial.pooled[0, 0, row, column]:.4g}".replace("-", "−") in found.text
    assert {"gate", "map_mean", "before"} <= found.marks.keys()
    lit = found.marks["before"][0]
    assert isinstance(lit, Lit)
    assert (lit.index, lit.x, lit.y) == (0, column + 0.5, row + 0.5)
    assert probe(detailed, View(), Spot("gate", "", -1.0, 5.0)) is None


def test_the_pointer_reads_a_channel(detailed: Shown) -> None:
    found = probe(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 9))
    assert found is not None
    assert found.text.startswith("channel 9 ")
    assert f"{both(detailed.trace.block)[0].gate[0, 9]:.4g}" in found.text
    for key in ("channel_gate", "branch_avg", "logits"):
        (lit,) = found.marks[key]
        assert isinstance(lit, Lit)
        assert (lit.target, lit.index) == ("channels", 9)
    assert pick(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 9)) == {"channel": 9}
    # The dot on the chosen bar is the chosen channel, not the first.
    assert pick(detailed, View(), Spot("logits", "chosen", 5.0, 0.0, 0)) == {"channel": 5}
    assert pick(detailed, View(), Spot("logits", "channels", 9.0, 0.0, 900)) is None


def test_a_tile_of_features_reads_both_and_chooses_the_channel(detailed: Shown) -> None:
    order = [int(title) for title in mark(draw(detailed, View()), "after", Tiles).titles]
    spot = Spot("after", "tiles", 2.5, 1.5, 3)
    found = probe(detailed, View(), spot)
    assert found is not None
    assert f"channel {order[3]} " in found.text
    assert f"{both(detailed.trace.block)[1].gate[0, 0, 1, 2]:.4g}" in found.text
    assert "gate" in found.marks
    assert pick(detailed, View(), spot) == {"channel": order[3]}


def test_a_tile_of_the_overview_chooses_its_block_and_lights_the_place_in_all(usual: Shown) -> None:
    height, width = usual.trace.grey.shape
    row, column = divmod(6, columns_for(8, width / height))  # tile 6 is block 5
    spot = Spot("blocks", "blocks", (column + 0.5) * width, (row + 0.5) * height)
    assert pick(usual, View(), spot) == {"block": "attention.5"}
    found = probe(usual, View(), spot)
    assert found is not None
    cells = usual.trace.cells["attention.5"].at(128.0, 96.0)
    assert found.text.startswith(f"attention.5 · cell ({cells[1]}, {cells[0]})")
    assert f"gate {both(usual.trace.blocks['attention.5'])[1].gate[0, 0][cells]:.4g}" in found.text
    assert len(found.marks["blocks"][0].xyxy) == 7  # type: ignore[union-attr]
    assert pick(usual, View(), Spot("blocks", "picture", 1.0, 1.0)) is None
    picture = probe(usual, View(), Spot("blocks", "picture", 1.0, 1.0))
    assert picture is not None
    assert picture.text == "the picture"


def test_clicks_set_position_and_class(usual: Shown) -> None:
    names = zoo.card(CARD).label_names()
    assert pick(usual, View(), Spot("gate", "heatmap", 64.0, 48.0)) == {"place": (0.25, 0.25)}
    assert pick(usual, View(), Spot("gate", "heatmap", 999.0, 48.0)) is None
    assert usual.trace.probabilities is not None
    second = names[top_classes(usual.trace.probabilities)[1]]
    spot = Spot("classes", "classes", 1.0, 1.0, 1)
    assert pick(usual, View(), spot) == {"grad_cam": True, "cam_class": second}
    said = probe(usual, View(), spot)
    assert said is not None
    assert said.text.startswith(second)


# -- words and files


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("show", SHOWS)
def test_everything_draws_in_both_languages_and_the_explanation_is_filled(language: str, show: str) -> None:
    try:
        set_language(language)
        result = run(replace(USUAL, show=show, channel_attention="mean", gain=2.0, grad_cam=True))
        figure = draw(result, View())
        assert all(p.title for p in figure.panes())
        assert len(set(keys(figure))) == len(keys(figure))
        text = explanation("cbam.md")
        assert not {name for _, name, _, _ in string.Formatter().parse(text) if name} - figure.values.keys()
        assert "None" not in text.format_map(figure.values)
    finally:
        set_language("en")


def test_files_hold_probabilities_and_weights() -> None:
    result = run(replace(USUAL, spatial_attention="off"))
    made = {name: json.loads(content) for name, content in files(result, View()).items()}
    classes, attention = made["classes.json"], made["attention.json"]
    assert len(classes) == 202
    assert sum(row["probability"] for row in classes) == pytest.approx(1, abs=1e-4)
    assert classes[3]["unchanged"] == pytest.approx(float(result.trace.unchanged[3]))  # type: ignore[index]
    assert [block["name"] for block in attention["blocks"]] == list(BLOCKS)
    assert np.array(attention["blocks"][2]["spatial_weight"]).min() == 1
    assert np.array(attention["blocks"][2]["channel_gate"]).shape == (32,)
    assert attention["switched"]["spatial"] == "off"


RUNS = [
    {"attention": "none", "top1": 0.6, "top5": 0.82, "loss": 1.5, "parameters": 2482634},
    {"attention": "both", "top1": 0.65, "top5": 0.85, "loss": 1.3, "parameters": 2502000},
    {"attention": "spatial", "top1": 0.602, "top5": 0.82, "loss": 1.5, "parameters": 2483000},
]


def test_the_ablation_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbam_network, "asset", lambda *parts: tmp_path / parts[-1])
    result = run(replace(USUAL, show=ABLATION))
    assert "not been measured" in mark(draw(result, View()), "ablation", Text).text
    found = {"epochs": 2, "size": 128, "pictures": 2500, "rows": RUNS}
    (tmp_path / cbam_network.FILE).write_text(json.dumps(found), "utf-8")
    figure = draw(result, View())
    rows = mark(figure, "ablation", Table).rows
    assert rows[1][:3] == ("both (CBAM)", 65.0, 85.0)
    assert mark(figure, "top1", Bars).values.tolist() == pytest.approx([60, 65, 60.2])
    words = mark(figure, "words", Text).text
    assert "+5.0 points" in words
    assert "more than two standard errors" in words
    assert "+0.2 points of top-1 against no attention (this may be chance)" in words
    assert "+5.0 points" in str(draw(result, View()).values["ablation"])
    lit = probe(result, View(), Spot("ablation", "runs", 0, 0, 2))
    assert lit is not None
    assert {"top1", "top5"} <= lit.marks.keys()


# -- the built-in network

SHIPPED = "mobilenet_v2_cbam"


@pytest.mark.parametrize(("picture", "name"), [("koala.jpg", "koala"), ("dog.jpg", "German shepherd")])
def test_the_built_in_network_knows_sharp_photographs(picture: str, name: str) -> None:
    frame = Frame(cv2.imread(str(asset("pictures", picture)), cv2.IMREAD_COLOR_RGB), source=picture)
    trace = computed(Params(), zoo.load(SHIPPED), frame=frame).trace
    assert tuple(trace.blocks) == BLOCKS
    names = zoo.card(SHIPPED).label_names()
    assert name in [names[i] for i in top_classes(trace.probabilities)]
