"""The pose networks against their authors' code, and our own small one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvcore.models.openpose import (
    Pixels,
    PoseMaps,
    PoseNetwork,
    PoseSmall,
    from_official,
    light_openpose,
    openpose_body,
    pose_small,
    to_picture,
)
from cvcore.models.openpose.small import doubled
from cvcore.models.openpose.votes import drawn, votes
from cvcore.models.posenet import PoseNet
from cvcore.ops import paf
from cvcore.ops.paf import OPENPOSE_18
from tests.cvcore.golden_fill import fill
from tests.cvcore.people_for_tests import standing

GOLDENS = Path(__file__).parents[1] / "goldens"
BUILDERS = {"openpose_body": openpose_body, "light_openpose": light_openpose}


@pytest.fixture(scope="module")
def official() -> nn.Module:
    return fill(openpose_body())


def agree(found: list[Tensor], name: str) -> None:
    golden = json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))
    with np.load(GOLDENS / f"{name}.npz") as arrays:
        assert len(arrays.files) == 2 * len(found)
        for i, maps in enumerate(found):
            expected, (mean, std, largest) = arrays[f"out.{i}"], arrays[f"out.{i}.stats"]
            assert list(maps.shape) == golden["outputs"][f"out.{i}"]
            np.testing.assert_allclose(maps, expected, atol=1e-4 * largest, rtol=0)
            assert [float(maps.mean()), float(maps.std())] == pytest.approx([mean, std], abs=1e-3 * largest)


def golden_input(name: str) -> Tensor:
    golden = json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))
    return torch.randn(golden["input"], generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("name", BUILDERS)
def test_keys_and_shapes_are_the_authors(name: str) -> None:
    golden = json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))
    with torch.device("meta"):
        network = BUILDERS[name]()
    assert {key: list(t.shape) for key, t in network.state_dict().items()} == golden["state_dict"]


@torch.no_grad()
def test_the_papers_network_agrees_with_pytorch_openpose(official: PoseNetwork) -> None:
    agree(list(official(golden_input("openpose_body"))), "openpose_body")


@torch.no_grad()
def test_lightweight_openpose_agrees_with_the_authors_code() -> None:
    agree(fill(light_openpose())(golden_input("light_openpose")), "light_openpose")


@torch.no_grad()
def test_without_the_relu_only_what_is_below_zero_differs(official: PoseNetwork) -> None:
    x = torch.randn(1, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    with torch.device("meta"):
        plain = openpose_body(rectified=False)
    plain.load_state_dict(official.state_dict(), assign=True)
    (pafs, heatmaps), (pafs_, heatmaps_) = official(x), plain(x)
    assert torch.equal(pafs, pafs_)
    assert heatmaps_.min() < 0
    assert torch.equal(heatmaps, heatmaps_.relu())
    stages = official.stages(x)  # type: ignore[attr-defined]
    assert len(stages) == 6
    assert {tuple(s.heatmaps.shape) for s in stages} == {(1, 19, 4, 5)}
    assert torch.equal(stages[-1].heatmaps, heatmaps)


def test_the_public_checkpoints_keys_are_mapped() -> None:
    with torch.device("meta"):
        state = openpose_body().state_dict()
    bare = {key.partition(".")[2]: t for key, t in state.items()}
    assert "Mconv7_stage6_L1.weight" in bare
    assert "conv5_1_CPM_L2.bias" in bare
    mapped = from_official(bare)
    assert {key: t.shape for key, t in mapped.items()} == {key: t.shape for key, t in state.items()}
    assert all(mapped[key] is bare[key.partition(".")[2]] for key in mapped)
    assert list(from_official(mapped)) == list(mapped)
    assert list(from_official({"extra.weight": torch.zeros(1)})) == ["extra.weight"]


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_lightweight_openpose_of_more_stages(stages: int) -> None:
    with torch.device("meta"):
        network = light_openpose(stages)
        out = network(torch.zeros(1, 3, 32, 40))
    assert [t.shape[1] for t in out] == [19, 38] * (stages + 1)
    with pytest.raises(ValueError):
        light_openpose(-1)


def test_our_network_is_small_and_holds_posenet() -> None:
    network = pose_small()
    assert sum(p.numel() for p in network.parameters()) < 4_000_000
    assert len(network.refinement_stages) >= 2
    network.posenet.load_state_dict(PoseNet().state_dict())
    with pytest.raises(ValueError):
        PoseSmall(stages=1)


@pytest.mark.parametrize("size", [(8, 8), (64, 88), (50, 71)])
def test_our_network_gives_every_stage(size: tuple[int, int]) -> None:
    network = PoseSmall(channels=8, blocks=1).eval()
    out = network(torch.rand(2, 3, *size) * 2 - 1)
    cells = [-(-side // 8) for side in size]
    assert [list(t.shape) for t in out] == [[2, 19, *cells], [2, 38, *cells]] * 3
    sum(t.square().mean() for t in out).backward()
    without = [key for key, p in network.named_parameters() if p.grad is None]
    heads = ("heatmap", "offset", "displacement_fwd", "displacement_bwd")  # votes cannot be learnt through
    assert without == [f"posenet.{head}.{name}" for head in heads for name in ("weight", "bias")]


def test_the_first_stage_is_posenets_votes_whatever_the_batch() -> None:
    torch.manual_seed(0)
    network = PoseSmall(channels=8, blocks=1).eval()
    nn.init.normal_(network.posenet.heatmap.weight, 0, 0.5)
    x = torch.rand(2, 3, 64, 72) * 2 - 1
    with torch.no_grad():
        both = network.stages(x)[0]
        assert both.heatmaps[:, :-1].amax() > 0
        for i in (0, 1):
            maps = network.posenet(torch.nn.functional.pad(x[i : i + 1], (0, 1, 0, 1), mode="replicate"))
            alone = drawn(votes(maps, 8, 9))
            torch.testing.assert_close(both.heatmaps[i : i + 1], alone.heatmaps, atol=1e-4, rtol=1e-3)
            torch.testing.assert_close(both.pafs[i : i + 1], alone.pafs, atol=1e-3, rtol=1e-3)


def test_cells_of_stride_16_lie_on_every_other_cell_of_stride_8() -> None:
    coarse = torch.arange(3.0)[None, None, :, None] * 10 + torch.arange(2.0)
    for size in ((5, 3), (5, 2)):
        fine = doubled(coarse, torch.zeros(1, 1, *size))
        assert fine.shape[-2:] == size
        assert torch.equal(fine[..., ::2, ::2], coarse[..., : (size[1] + 1) // 2])
        assert fine[0, 0, 1, 1] == 5.5


def test_people_come_back_in_the_pictures_own_pixels() -> None:
    """A network that says where people are, whatever it sees: cells of 8 pixels of a picture scaled to half."""

    class Certain(PoseSmall):
        def stages(self, x: Tensor) -> tuple[object, ...]:  # type: ignore[override]
            person = standing(20, 12, 2)[None]
            h, w = x.shape[-2] // 8, x.shape[-1] // 8
            return (PoseMaps(paf.heatmap_targets(person, h, w)[None], paf.paf_targets(person, h, w)[None]),)

    frame = np.zeros((400, 640, 3), np.uint8)
    network = Certain(channels=8, blocks=1)
    people = network.people(frame, 200)
    expected = (standing(20, 12, 2)[:, :2] + 0.5) * 8 * 2
    assert people.shape == (1, 18, 3)
    torch.testing.assert_close(people[0, :, :2], expected, atol=8, rtol=0)
    x, transform = network.preprocess(frame, 200)
    assert x.shape == (1, 3, 200, 320)
    assert (x == -1).all()
    nobody = torch.zeros(1, 18, 3)
    assert torch.equal(to_picture(nobody, transform), nobody)


class Sized(PoseNetwork):
    """Believes the shape of its input, and how bright its left half is."""

    pixels = Pixels(scale=255, mean=0, std=1, bgr=False)
    short_side = 40

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        h, w = x.shape[-2] // 8, x.shape[-1] // 8
        left = x[..., : x.shape[-1] // 2].mean()
        maps = PoseMaps(torch.full((1, 19, h, w), float(h)), torch.full((1, 38, h, w), float(left)))
        return maps, maps


def test_several_looks_are_averaged_on_the_cells_of_the_first_height() -> None:
    frame = np.zeros((400, 640, 3), np.uint8)
    frame[:, :320] = 255
    network = Sized()
    (first, last), transform = network.look(frame, 200, (1.0, 1.5, 2.0), mirrored=True)
    assert last.heatmaps.shape == (1, 19, 25, 40)
    assert transform.size == (200, 320)
    mean = (25 + 38 + 50) / 3  # 1.5 x 25 rows are 37.5
    assert first.heatmaps.mean() == pytest.approx(mean, rel=1e-4)
    x_channel, _ = OPENPOSE_18.paf_channels[0]
    assert last.pafs[0, x_channel].mean() == pytest.approx(0.5, abs=0.02)  # 1, and 0 in the mirror
    once, _ = network.look(frame, 200)
    assert once[1].pafs.mean() == pytest.approx(1, abs=0.02)
    single, _ = network.look(frame, 200, (2.0,))
    assert single[0].heatmaps.shape == (1, 19, 25, 40)
    assert single[0].heatmaps.mean() == 50
    assert network.look(frame.transpose(1, 0, 2))[0][0].heatmaps.shape == (1, 19, 8, 5)  # the shorter side 40 px
    with pytest.raises(ValueError, match="no size"):
        network.look(frame, 200, ())


def test_pixels_go_in_as_the_network_was_trained() -> None:
    frame = np.zeros((16, 24, 3), np.uint8)
    frame[..., 0] = 64  # red
    with torch.device("meta"):
        body = openpose_body()
    body.model0.conv1_1 = nn.Conv2d(3, 64, 3, padding=1)
    x, transform = body.preprocess(frame, 16)
    assert x[0, :, 0, 0].tolist() == [-0.5, -0.5, 64 / 256 - 0.5]
    assert transform.size == (16, 24)
    same, _ = body.preprocess(torch.from_numpy(frame).permute(2, 0, 1).float() / 255, 16)
    torch.testing.assert_close(same, x)
    with pytest.raises(ValueError, match="multiple of 8"):
        body.preprocess(frame, 20)
    with pytest.raises(ValueError, match="positive"):
        body.preprocess(frame, 0)
