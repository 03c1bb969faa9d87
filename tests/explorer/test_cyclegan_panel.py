"""The CycleGAN panel by calling its functions: no Qt, no engine. The networks are small seeded ones behind the built-in card."""

import json
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from bench_cyclegan import measure_generators
from torch import Tensor, nn

from cvcore import zoo
from cvcore.assets import asset
from cvcore.models.cyclegan import CycleGAN, ResnetGenerator
from explorer.bundle.leaves import take_apart
from explorer.bundle.restore import restore
from explorer.engine.compute import Computer
from explorer.figure import Boxes, Curve, Figure, Handles, Heatmap, Image, Pane, Spot, Table, Text
from explorer.i18n import explanation, set_language
from explorer.panel import Frame, Panel, Result, Task, knobs
from explorer.panels import cyclegan
from explorer.panels.cyclegan import Params, Trace, View, files, links
from explorer.panels.cyclegan.compute import BUILT_IN_PICTURES, as_pixels, built_in, full_fit, reduced_fit
from explorer.panels.cyclegan.controls import (
    ABLATION,
    B_TO_A,
    BOTH,
    ERRORS,
    JUDGE_A,
    JUDGES,
    LOSSES,
    OWN,
    SAME,
    SHOWS,
    SWIPE,
    TILES,
    TRAINING,
)
from explorer.views import networks, replay
from explorer.views.fit import network_input
from explorer.views.replay import smoothed

CARD = "cyclegan_ukiyoe"
PANEL = Panel.from_module(cyclegan)
draw, pick, probe = PANEL.draw, PANEL.pick, PANEL.probe


def made_network() -> CycleGAN:
    torch.manual_seed(5)
    small = {"filters": 8, "blocks": 1, "upsample": "resize", "norm": "instance_affine", "norm_ends": False}
    return CycleGAN(small, {"filters": 8}).requires_grad_(False).eval()


NETWORK = made_network()
ONE_WAY = ResnetGenerator(filters=8, blocks=1).requires_grad_(False).eval()
PHOTO = cv2.resize(cv2.imread(str(asset("pictures", "dog.jpg")), cv2.IMREAD_COLOR_RGB), (240, 160))
USUAL = Params(size=128)


class Given(Computer):
    """The real computer with a network of the test's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__({"cyclegan": PANEL})
        self._models[CARD, "cpu", "float32"] = networks.version(CARD), network


def run(
    params: Params = USUAL,
    network: nn.Module = NETWORK,
    computer: Computer | None = None,
    index: int = 0,
    image: Any = PHOTO,
) -> Result[Trace, Params]:
    frame = Frame(image, index=index, source="test")
    result = (computer or Given(network)).compute(frame, Task(1, "cyclegan", params))
    assert result is not None
    assert not result.error, result.detail
    return result


def input_of(image: Any, size: int = 128) -> Tensor:
    fit = reduced_fit((image.shape[1], image.shape[0]), size)
    return network_input(image, fit, zoo.card(CARD).preprocessing, torch.device("cpu"))


def other_of(domain: str, size: int = 128) -> Tensor:
    return input_of(built_in(BUILT_IN_PICTURES[CARD][domain]), size)


def pane(figure: Figure, key: str) -> Pane:
    return next(p for p in figure.panes() if p.key == key)


def mark(figure: Figure, where: str, kind: type, key: str = "") -> Any:
    return next(m for m in pane(figure, where).marks if isinstance(m, kind) and (not key or m.key == key))


def assert_same(made: Any, wanted: Any) -> None:
    """Pixels but for rounding: without gradients instance norm is worked out in another order."""
    np.testing.assert_allclose(made.astype(int), wanted.astype(int), atol=1)


def keys(figure: Figure) -> list[str]:
    return [p.key for p in figure.panes()]


# -- the contract


def test_it_is_a_whole_panel() -> None:
    assert PANEL.name == "cyclegan"
    assert PANEL.title
    assert PANEL.paper
    assert PANEL.files
    assert PANEL.links
    assert set(knobs(Params)) == set(Params.__dataclass_fields__)


@pytest.mark.parametrize(
    "wrong",
    [
        {"show": "x"},
        {"direction": "C"},
        {"size": 8},
        {"size": 5000},
        {"tile": 130},
        {"tile": 64},
        {"pool": 51},
        {"area": ""},
    ],
)
def test_wrong_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Params(**wrong)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("network", [NETWORK, ONE_WAY], ids=["four networks", "one way"])
def test_every_view_draws_and_explains(show: str, language: str, network: nn.Module) -> None:
    set_language(language)
    result = run(replace(USUAL, show=show), network)
    figure = draw(result, View())
    every = keys(figure)
    assert len(set(every)) == len(every)
    wanted = {name for _, name, _, _ in string.Formatter().parse(explanation("cyclegan.md")) if name}
    assert not wanted - figure.values.keys() - {"cycle"}
    for one in figure.panes():
        found = probe(result, View(), Spot(one.key, "", 3.0, 3.0))
        assert found is None or found.text
        assert probe(result, View(), Spot(one.key, "", -3.0, -3.0)) is None or one.axes is not None
    files(result, View())


# -- the numbers


def test_one_translation_runs_one_generator_and_no_other() -> None:
    ran: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda m, a, name=name: ran.append(name))
        for name, module in NETWORK.named_children()
    ]
    try:
        result = run()
        assert ran == ["generator_ab"]
        ran.clear()
        run(replace(USUAL, show=BOTH, other=SAME))
        assert sorted(ran) == ["generator_ab"] * 2 + ["generator_ba"] * 2, "four passes make six pictures"
        ran.clear()
        run(replace(USUAL, show=JUDGES))
        assert sorted(ran) == ["discriminator_b"] * 2 + ["generator_ab"]
    finally:
        for handle in handles:
            handle.remove()
    side = result.trace.side
    assert side.cycled is side.same is None
    x = input_of(PHOTO)
    assert_same(side.fake, as_pixels(NETWORK.generator_ab(x)))


@pytest.mark.parametrize("direction", ["A to B", B_TO_A])
@pytest.mark.parametrize("other", ["a built-in picture", SAME])
def test_both_directions_are_the_generators_passes(direction: str, other: str) -> None:
    result = run(replace(USUAL, show=BOTH, direction=direction, other=other))
    first, second = result.trace.sides
    x = input_of(PHOTO)
    mine, theirs = ("a", "b") if direction == "A to B" else ("b", "a")
    y = x if other == SAME else other_of(theirs)
    g, f = NETWORK.generator_ab, NETWORK.generator_ba
    for side, domain, picture in ((first, mine, x), (second, theirs, y)):
        there, home = (g, f) if domain == "a" else (f, g)
        assert side.domain == domain
        assert_same(side.fake, as_pixels(there(picture)))
        assert_same(side.cycled, as_pixels(home(there(picture))))
        assert_same(side.same, as_pixels(home(picture)))
    assert second.frame == (other == SAME)
    assert keys(draw(result, View()))[:4] == ["source 0", "fake 0", "cycled 0", "same 0"]


def test_errors_are_mean_absolute_differences() -> None:
    result = run(replace(USUAL, show=ERRORS))
    x = input_of(PHOTO)
    g, f = NETWORK.generator_ab, NETWORK.generator_ba
    side = result.trace.side
    np.testing.assert_allclose(side.cycle_error, (f(g(x)) - x)[0].abs().mean(0).numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(side.identity_error, (f(x) - x)[0].abs().mean(0).numpy(), rtol=1e-5, atol=1e-6)
    figure = draw(result, View())
    assert f"mean {side.cycle_error.mean():.3f}" in pane(figure, "cycle 0").title
    highs = {mark(figure, key, Heatmap).high for key in keys(figure) if not key.startswith("source")}
    assert len(highs) == 1
    assert len({mark(draw(result, View(one_range=False)), key, Heatmap).high for key in ("cycle 0", "identity 0")}) == 2
    found = probe(result, View(), Spot("cycle 0", "error", 100.0, 50.0))
    assert found is not None
    height, width = side.cycle_error.shape
    value = side.cycle_error[int(50 / 160 * height), int(100 / 240 * width)]
    assert f"cycle error {value:.3f}" in found.text
    assert {"source 0", "cycle 0", "identity 0"} <= found.marks.keys()


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (1280, 720), (300, 900), (33, 1000), (10, 10)])
def test_proportions_are_kept(size: tuple[int, int]) -> None:
    for fit in (reduced_fit(size, 256), full_fit(size)):
        assert all(side % 8 == 0 and side >= 32 for side in fit.input)
        if not fit.pressed:
            assert fit.input[0] / fit.input[1] == pytest.approx(size[0] / size[1], rel=0.11)
    ordinary = max(size) / min(size) < 4 and min(size) > 100
    assert ordinary != reduced_fit(size, 256).pressed or min(size) <= 100
    if ordinary:
        assert reduced_fit(size, 256).input[0] * reduced_fit(size, 256).input[1] == pytest.approx(256**2, rel=0.05)


def test_losses_are_the_papers_formulas() -> None:
    trace: Trace = run(replace(USUAL, show=LOSSES)).trace
    a, b = input_of(PHOTO), other_of("b")
    g, f, d_a, d_b = NETWORK.generator_ab, NETWORK.generator_ba, NETWORK.discriminator_a, NETWORK.discriminator_b
    t = trace.terms
    assert t is not None
    assert t.cycle_a == pytest.approx(float((f(g(a)) - a).abs().mean()), rel=1e-5)
    assert t.cycle_b == pytest.approx(float((g(f(b)) - b).abs().mean()), rel=1e-5)
    discriminator_b = 0.5 * ((d_b(b) - 1) ** 2).mean() + 0.5 * (d_b(g(a)) ** 2).mean()
    discriminator_a = 0.5 * ((d_a(a) - 1) ** 2).mean() + 0.5 * (d_a(f(b)) ** 2).mean()
    assert t.discriminator("b") == pytest.approx(float(discriminator_b), rel=1e-4)
    assert t.discriminator("a") == pytest.approx(float(discriminator_a), rel=1e-4)
    cycles = t.cycle_weight * ((f(g(a)) - a).abs().mean() + (g(f(b)) - b).abs().mean())
    ab = ((d_b(g(a)) - 1) ** 2).mean() + cycles + t.identity_weight * (g(b) - b).abs().mean()
    ba = ((d_a(f(b)) - 1) ** 2).mean() + cycles + t.identity_weight * (f(a) - a).abs().mean()
    assert t.generator("ab") == pytest.approx(float(ab), rel=1e-4)
    assert t.generator("ba") == pytest.approx(float(ba), rel=1e-4)
    table = mark(draw(run(replace(USUAL, show=LOSSES)), View()), "generator ab", Table)
    assert table.rows[-1][-1] == pytest.approx(float(ab), rel=1e-4)
    assert sum(row[-1] for row in table.rows[:-1]) == pytest.approx(table.rows[-1][-1])


def test_one_picture_is_not_enough_for_every_loss() -> None:
    result = run(replace(USUAL, show=LOSSES, other=SAME))
    t = result.trace.terms
    assert t is not None
    assert t.real_b is t.fake_a is t.cycle_b is t.identity_b is None
    assert t.generator("ab") is t.discriminator("b") is None
    assert t.cycle_a is not None
    figure = draw(result, View())
    assert mark(figure, "discriminator b", Table).rows[-1][-1] == "–"
    assert any("need a real picture of B" in note.text for note in figure.notes)


# -- discriminators


def test_a_discriminator_judges_patch_by_patch() -> None:
    result = run(replace(USUAL, show=JUDGES))
    real, fake, pooled = result.trace.judged
    g, d = NETWORK.generator_ab, NETWORK.discriminator_b
    scores = d(other_of("b"))
    np.testing.assert_allclose(real.scores, scores[0, 0].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fake.scores, d(g(input_of(PHOTO)))[0, 0].numpy(), rtol=1e-4, atol=1e-5)
    assert real.accepted == pytest.approx(float((scores > 0.5).float().mean()))
    assert pooled.scores is fake.scores, "the first one comes back itself"
    heat = mark(draw(result, View()), "judge fake", Heatmap)
    row, column = fake.cells.at(60.5, 40.5)
    height, width = heat.values.shape
    at = heat.values[int(40.5 / fake.picture.shape[0] * height), int(60.5 / fake.picture.shape[1] * width)]
    assert at == pytest.approx(fake.scores[row, column] - 0.5)
    assert heat.low == -heat.high
    other = run(replace(USUAL, show=JUDGES, judge=JUDGE_A)).trace.judged
    np.testing.assert_allclose(
        other[0].scores, NETWORK.discriminator_a(input_of(PHOTO))[0, 0].numpy(), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        other[1].scores,
        NETWORK.discriminator_a(NETWORK.generator_ba(other_of("b")))[0, 0].numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_pointing_and_clicking_draw_the_patch() -> None:
    result = run(replace(USUAL, show=JUDGES))
    one = result.trace.judged[1]
    found = probe(result, View(), Spot("judge fake", "scores", 80.0, 60.0))
    assert found is not None
    row, column = one.cells.at(80.0, 60.0)
    assert f"{one.scores[row, column]:.3f}" in found.text
    box = next(m for m in found.marks["judge fake"] if isinstance(m, Boxes) and m.key == "patch")
    np.testing.assert_array_equal(box.xyxy[0], one.field.box(row, column))
    assert "70 × 70" in box.labels[0]
    picked = pick(result, View(), Spot("judge fake", "scores", 80.0, 60.0))
    assert picked is not None
    figure = draw(result, View(**picked))
    drawn = mark(figure, "judge fake", Boxes, "patch")
    np.testing.assert_array_equal(drawn.xyxy, box.xyxy)
    assert pick(result, View(), Spot("judge fake", "", -5.0, 60.0)) is None


def test_the_pool_goes_from_frame_to_frame_and_through_a_bundle() -> None:
    params = replace(USUAL, show=JUDGES, pool=2, size=64)
    computer = Given(NETWORK)
    for index in range(6):
        picture = np.ascontiguousarray(np.roll(PHOTO, 10 * index, 1))
        result = run(params, computer=computer, index=index, image=picture)
        opened = restore(take_apart(result.trace), result.trace)
        assert take_apart(opened).keys() == take_apart(result.trace).keys()
    again = run(params, computer=computer, index=5, image=picture)
    np.testing.assert_array_equal(again.trace.judged[2].scores, result.trace.judged[2].scores)
    assert len(again.trace.pools[1].images) == 2
    assert again.trace.pools[1].seen == 6, "a frame goes in once"
    changed = run(replace(params, size=96), computer=computer, index=6).trace
    assert len(changed.pools[1].images) == 1, "pictures of another size begin a new pool"


# -- tiles, still pictures, stopping


class Told(Given):
    """Hears how far it is."""

    def __init__(self) -> None:
        self.fractions: list[float] = []
        super().__init__(NETWORK)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "progress" and value is not None:
            self.fractions.append(value.fraction)


def test_tiles_translate_every_pixel() -> None:
    told = Told()
    params = replace(USUAL, area=TILES, tile=128)
    result = run(params, computer=told)
    trace: Trace = result.trace
    assert trace.side.fake is not None
    assert trace.side.fake.shape == (160, 240, 3)
    assert trace.tiles == len(told.fractions) == 6
    x = network_input(PHOTO, full_fit((240, 160)), zoo.card(CARD).preprocessing, torch.device("cpu"))
    whole = as_pixels(NETWORK.generator_ab(x)).astype(float)
    own = run(replace(params, statistics=OWN)).trace.side.fake
    assert np.abs(trace.side.fake - whole).mean() < np.abs(own - whole).mean()
    assert any("tiles of 240 × 160" in note.text for note in draw(result, View()).notes)
    assert run(replace(params, show=JUDGES)).trace.tiles == 0


def test_a_built_in_picture_is_translated_once() -> None:
    ran = []
    handle = NETWORK.generator_ba.register_forward_pre_hook(lambda m, a: ran.append(a[0].shape))
    computer = Given(NETWORK)
    try:
        first = run(replace(USUAL, show=BOTH), computer=computer)
        mine = len(ran)
        second = run(replace(USUAL, show=BOTH), computer=computer, index=1)
    finally:
        handle.remove()
    assert len(ran) - mine == 2, "F(G(a)) and F(a), no longer F(b)"
    np.testing.assert_array_equal(first.trace.sides[1].fake, second.trace.sides[1].fake)


def test_it_stops_when_the_result_is_no_longer_wanted() -> None:
    task = Task(1, "cyclegan", USUAL)
    assert Given(NETWORK).compute(Frame(PHOTO), task, cancelled=lambda: True, stop=lambda: False) is None


# -- the swipe line


def test_the_swipe_line_divides_source_and_translation() -> None:
    result = run()
    figure = draw(result, View(compare=SWIPE, swipe=(100.4, 30.0)))
    assert keys(figure) == ["swipe"]
    handle = mark(figure, "swipe", Handles)
    assert (handle.field, handle.value) == ("swipe", (100.4, 30.0))
    left = mark(figure, "swipe", Image, "left")
    np.testing.assert_array_equal(left.pixels, PHOTO[:, :100])
    assert left.extent == (0.0, 0.0, 100.0, 160.0)
    assert mark(figure, "swipe", Image, "image").pixels is result.trace.side.fake
    assert pick(result, View(compare=SWIPE), Spot("swipe", "image", 12.0, 8.0)) == {"swipe": (12.0, 8.0)}
    edge = draw(result, View(compare=SWIPE, swipe=(-50.0, 0.0)))
    assert [m.key for m in pane(edge, "swipe").marks if isinstance(m, Image)] == ["image"]


def test_the_pointer_reads_all_pictures() -> None:
    result = run()
    found = probe(result, View(), Spot("fake", "image", 120.0, 80.0))
    assert found is not None
    assert "source (" + ", ".join(str(v) for v in PHOTO[80, 120]) + ")" in found.text
    assert probe(result, View(), Spot("fake", "image", 500.0, 80.0)) is None


# -- networks for one direction, and the Layers panel


def test_a_network_for_one_direction_says_what_it_cannot_show() -> None:
    result = run(replace(USUAL, show=BOTH, direction=B_TO_A), ONE_WAY)
    assert result.trace.one_way
    figure = draw(result, View())
    assert keys(figure) == ["source 0", "fake 0"]
    words = " ".join(note.text for note in figure.notes)
    assert "no way back" in words
    assert "one direction only" in words
    assert_same(result.trace.side.fake, as_pixels(ONE_WAY(input_of(PHOTO))))
    judges = draw(run(replace(USUAL, show=JUDGES), ONE_WAY), View())
    assert "without discriminators" in mark(judges, "judges", Text).text
    assert [link.fields["network"] for link in links(result, View())] == [CARD]


def test_links_lead_to_networks_that_the_layers_panel_can_open() -> None:
    for link in links(run(), View()):
        name = link.fields["network"]
        assert link.panel == "layers"
        assert name in networks.names()
        assert networks.card(name).preprocessing.mean == (0.5, 0.5, 0.5)
        assert not networks.card(name).label_names()
    assert CARD not in networks.names(), "four networks in one have no one input"
    whole, part = zoo.load(CARD), networks.load(f"{CARD}/generator_ba")
    for key, tensor in whole.generator_ba.state_dict().items():
        assert torch.equal(part.state_dict()[key], tensor)
    assert not links(run(replace(USUAL, show=TRAINING)), View())


def test_the_layers_panel_opens_a_generator() -> None:
    from explorer.panels import layers

    name = f"{CARD}/generator_ab"
    params = layers.Params(network=name, layer="model.0", size=64)
    computer = Computer({"layers": Panel.from_module(layers)})
    result = computer.compute(Frame(PHOTO, source="t"), Task(1, "layers", params))
    assert result is not None
    assert not result.error
    assert result.trace.probabilities is None
    assert any(layer.type == "ResnetBlock" for layer in result.trace.network.layers.values())
    Panel.from_module(layers).draw(result, layers.View())


# -- replayed runs


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two checkpoints of flat colours, 60 rows of losses; and two runs of an ablation."""
    monkeypatch.setattr(replay, "asset", lambda *parts: tmp_path.joinpath(*parts[1:]))
    for name, steps in ((CARD, (100, 600)), ("cyclegan_ablation/full", (50,)), ("cyclegan_ablation/no_cycle", (50,))):
        folder = tmp_path / name
        (folder / "pictures").mkdir(parents=True)
        rows: list[dict[str, Any]] = [
            {"step": 0, "recipe": {"steps": 600, "size": 64, "cycle_weight": 7.0, "identity_weight": 3.0, "pool": 50}},
            {"step": 0, "replay": {"cell": 16, "domains": ["a", "a", "b"]}},
        ]
        for i in range(60):
            loss = {"generator_ab": i / 60, "generator_ba": 0.5, "cycle_a": 0.1, "discriminator_a_real": 0.25}
            if "no_cycle" in name:
                del loss["cycle_a"]
            rows.append({"step": 10 * (i + 1), "loss": loss})
        for step in steps:
            # Columns of one grey value each, rows brighter: what is cut out can be told.
            grid = np.zeros((48, 48, 3), np.uint8)
            for row in range(3):
                for column in range(3):
                    grid[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 60 * row + 20 * column + step // 20
            assert cv2.imwrite(str(folder / "pictures" / f"{step:06d}.jpg"), grid, [cv2.IMWRITE_JPEG_QUALITY, 100])
            rows.append({"step": step, "pictures": f"pictures/{step:06d}.jpg"})
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path


def levels(figure: Figure, key: str) -> list[list[int]]:
    """The red in the middle of each picture of a pane, row by row from left to right."""
    found: dict[float, list[int]] = {}
    for one in pane(figure, key).marks:
        if isinstance(one, Image):
            assert one.extent is not None
            assert one.extent[0] == 16 * len(found.get(one.extent[1], ()))
            found.setdefault(one.extent[1], []).append(int(one.pixels[8, 8, 0]))
    return list(found.values())


def test_the_training_view_replays_log_and_pictures(training: Path) -> None:
    result = run(replace(USUAL, show=TRAINING))
    figure = draw(result, View(checkpoint=1, smoothing=1))
    assert keys(figure) == ["grid", "adversarial", "cycle", "judges"]
    curve = mark(figure, "adversarial", Curve, "generator_ab")
    np.testing.assert_allclose(curve.y, np.arange(60) / 60)
    np.testing.assert_allclose(curve.x, 10 * np.arange(1, 61))
    cursor = mark(figure, "adversarial", Curve, "cursor")
    assert list(cursor.x) == [600, 600]
    above, below = levels(figure, "grid")
    np.testing.assert_allclose(above, [30, 90, 150, 50, 110, 170], atol=2)  # two photographs: source, translation, back
    np.testing.assert_allclose(below, [70, 130, 190], atol=2)  # nothing beside the third
    assert "600" in pane(figure, "grid").title
    assert pick(result, View(), Spot("cycle", "cycle_a", 180.0, 0.1)) == {"checkpoint": 0}
    found = probe(result, View(), Spot("adversarial", "generator_ab", 203.0, 0.1))
    assert found is not None
    assert "step 200" in found.text
    assert f"{19 / 60:.3f}" in found.text
    smooth = mark(draw(result, View(smoothing=9)), "adversarial", Curve, "generator_ba")
    np.testing.assert_allclose(smooth.y, 0.5)


def test_the_ablation_view_sets_the_runs_beside_each_other(training: Path) -> None:
    result = run(replace(USUAL, show=ABLATION))
    figure = draw(result, View(test_picture=1))
    np.testing.assert_allclose(levels(figure, "pictures")[0], [22, 82, 142, 42, 102, 162], atol=2)
    rows = mark(figure, "final", Table).rows
    assert [row[0] for row in rows] == ["everything", "without the cycle loss"]
    assert rows[0][1] == pytest.approx(np.mean(np.arange(54, 60) / 60))
    assert rows[1][3] == "–"
    found = probe(result, View(), Spot("pictures", "image", 5.0, 20.0))
    assert found is not None
    assert found.text == "without the cycle loss"


def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "asset", lambda *parts: tmp_path.joinpath(*parts[1:]))
    assert "no replayed" in mark(draw(run(replace(USUAL, show=TRAINING)), View()), "training", Text).text
    assert "have not been made" in mark(draw(run(replace(USUAL, show=ABLATION)), View()), "ablation", Text).text
    (tmp_path / CARD).mkdir()
    (tmp_path / CARD / "log.jsonl").write_text("{", "utf-8")
    assert replay.replayed(CARD) is None


def test_moving_averages_are_means_around() -> None:
    values = np.array([1.0, 5.0, 3.0, 7.0])
    np.testing.assert_allclose(smoothed(values, 3), [3.0, 3.0, 5.0, 5.0])
    np.testing.assert_allclose(smoothed(values, 1), values)
    assert len(smoothed(np.zeros(0), 5)) == 0


# -- saving


def test_files_hold_pictures_and_numbers() -> None:
    result = run(replace(USUAL, show=LOSSES))
    made = files(result, View())
    numbers = json.loads(made["cyclegan.json"])
    assert numbers["losses"]["generator_ab"] == pytest.approx(result.trace.terms.generator("ab"))
    decoded = cv2.imdecode(np.frombuffer(made["a_back.png"], np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decoded, result.trace.side.cycled)
    judged = json.loads(files(run(replace(USUAL, show=JUDGES)), View())["cyclegan.json"])
    assert [one["kind"] for one in judged["judged"]] == ["real", "fake", "pooled"]
    assert files(run(replace(USUAL, show=TRAINING)), View()) == {}


# -- the benchmark


def test_the_benchmark_measures_what_it_says() -> None:
    rows = measure_generators(rounds=1, size=64)
    assert len(rows) == 4
    assert all(row.value > 0 for row in rows)
    assert [row.most for row in rows] == [None, None, None, 419]


# -- the built-in network


def test_the_built_in_networks_find_the_way_back() -> None:
    result = run(Params(show=ERRORS, size=128), zoo.load(CARD))
    side = result.trace.side
    x = input_of(PHOTO).numpy()
    assert side.cycle_error is not None
    # Far better than the mean colour would do.
    assert side.cycle_error.mean() < 0.6 * np.abs(x - x.mean((2, 3), keepdims=True)).mean()
    assert np.abs(side.fake.astype(float) - as_pixels(input_of(PHOTO))).mean() > 10, "it does something"
