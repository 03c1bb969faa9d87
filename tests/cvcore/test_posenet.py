"""PoseNet against the original graph run node by node, and its decoding against people made up."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore.models.posenet import EDGES, PoseNet, PoseNetMaps, decode_posenet
from cvcore.ops.paf import COCO_17_NAMES, to_coco
from cvcore.train.convert_posenet import convert, differences
from cvcore.train.tfjs_graph import Graph, read_graph
from tests.cvcore.people_for_tests import HEIGHT, WIDTH, maps_of, standing

TOPOLOGY = Path(__file__).parents[1] / "goldens" / "posenet_graph.json"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The original graph; its weights are noise of such a size that values neither vanish nor stick at the 6 of ReLU6."""
    folder = tmp_path_factory.mktemp("posenet")
    model = json.loads(TOPOLOGY.read_text("utf-8"))
    g, buffer = np.random.default_rng(0), b""
    for entry in model["weightsManifest"][0]["weights"]:
        shape = entry["shape"]
        scale = 0.3 if len(shape) == 1 else (2 / np.prod(shape[:2] if shape[3] == 1 else shape[:3])) ** 0.5
        buffer += (g.standard_normal(shape) * scale).astype(np.float32).tobytes()
    (folder / "posenet.json").write_text(json.dumps(model), encoding="utf-8")
    for part in model["weightsManifest"][0]["paths"]:
        (folder / part).write_bytes(buffer)
    return read_graph(folder / "posenet.json")


def test_agrees_with_the_original_graph_run_node_by_node(graph: Graph) -> None:
    model = PoseNet().eval()
    model.load_state_dict(convert(graph))
    frame = np.random.default_rng(1).integers(0, 255, (90, 130, 3), np.uint8)
    x, transform = model.preprocess(frame, 49)
    assert x.shape == (1, 3, 49, 65)
    assert transform.scale == (49 / 90, 65 / 130)
    worst = differences(model, graph, frame, 49)
    assert set(worst) == {"heatmaps", "offsets", "forward", "backward"}
    assert max(worst.values()) < 1e-3
    with torch.no_grad():
        found = model(x)
    assert found.heatmaps.shape == (1, 17, 4, 5)
    assert found.backward.shape == (1, 32, 4, 5)
    assert found.heatmaps.std() > 0.1, "the comparison is of something"


def test_another_network_is_refused(graph: Graph) -> None:
    nodes = {name: node for name, node in graph.nodes.items() if "Conv2d_5" not in name}
    with pytest.raises(ValueError, match="not those of PoseNet"):
        convert(Graph(nodes, graph.constants, graph.inputs, graph.outputs))


def test_the_short_side_is_one_more_than_a_multiple_of_16() -> None:
    model = PoseNet()
    x, _ = model.preprocess(np.full((480, 640, 3), 255, np.uint8), 129)
    assert x.shape == (1, 3, 129, 177)
    assert (x == 1).all()
    assert model.preprocess(torch.zeros(3, 640, 480), 129)[0].shape == (1, 3, 177, 129)
    with pytest.raises(ValueError, match="16 k"):
        model.preprocess(np.zeros((64, 64, 3), np.uint8), 128)


def test_the_tree_reaches_every_keypoint_once() -> None:
    assert sorted(child for _, child in EDGES) == list(range(1, 17))
    reached = {0}
    for parent, child in EDGES:
        assert parent in reached
        reached.add(child)
    assert {(COCO_17_NAMES[a], COCO_17_NAMES[b]) for a, b in EDGES} >= {
        ("left knee", "left ankle"),
        ("nose", "left eye"),
    }


@pytest.fixture
def two() -> Tensor:
    return torch.cat([to_coco(standing(x, 150, 28)[None])[..., :2] for x in (140.0, 390.0)])


def test_perfect_maps_give_the_people_back(two: Tensor) -> None:
    people, scores = decode_posenet(maps_of(two, torch.full((2, 17), 0.99)))
    assert people.shape == (2, 17, 3)
    order = people[:, 0, 0].argsort()
    torch.testing.assert_close(people[order][..., :2], two, atol=1e-3, rtol=0)
    assert (scores > 0.8).all()
    assert (scores.diff() <= 0).all()


def test_a_start_reaches_both_ways_along_the_tree(two: Tensor) -> None:
    """Only one wrist is sure enough to start: the nose is reached from it backward, the rest forward."""
    seen = torch.full((2, 17), 0.4)
    seen[0, 9] = 0.99
    people, scores = decode_posenet(maps_of(two, seen), min_score=0.1)
    assert len(people) == 1
    torch.testing.assert_close(people[0, :, :2], two[0], atol=1e-3, rtol=0)
    assert decode_posenet(maps_of(two, seen), min_score=0.9)[0].shape == (0, 17, 3)
    assert scores.shape == (1,)


def test_limits_and_nobody(two: Tensor) -> None:
    maps = maps_of(two, torch.full((2, 17), 0.99))
    assert len(decode_posenet(maps, max_people=1)[0]) == 1
    nobody = PoseNetMaps(maps.heatmaps - 100, maps.offsets, maps.forward, maps.backward)
    people, scores = decode_posenet(nobody)
    assert people.shape == (0, 17, 3)
    assert scores.shape == (0,)
    pair = PoseNetMaps(*(torch.cat((t, t)) for t in (maps.heatmaps, maps.offsets, maps.forward, maps.backward)))
    with pytest.raises(ValueError, match="one picture"):
        decode_posenet(pair)


def test_people_come_back_in_the_pictures_own_pixels(two: Tensor) -> None:
    class Certain(PoseNet):
        def forward(self, x: Tensor) -> PoseNetMaps:
            return maps_of(two, torch.full((2, 17), 0.99))

    frame = np.zeros((2 * (16 * HEIGHT - 15), 2 * (16 * WIDTH - 15), 3), np.uint8)
    people, _ = Certain().people(frame, 16 * HEIGHT - 15)
    order = people[:, 0, 0].argsort()
    torch.testing.assert_close(people[order][..., :2], 2 * (two + 0.5), atol=1e-2, rtol=0)
