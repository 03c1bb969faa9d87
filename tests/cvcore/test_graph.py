"""Graphs of hand-made networks whose edges are known, of random ones, and where their boxes and lines lie."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cvcore.graph import Edge, Graph, Node, Placed, deepest, execute, graph, layout, node_seconds, operation_seconds
from cvcore.graph.rows import spaced
from cvcore.models.mobilenet import mobilenet_v2

Pairs = set[tuple[str, str]]


def pairs(shown: Graph) -> Pairs:
    """The edges by the nodes' keys."""
    return {(shown.nodes[edge.source].key, shown.nodes[edge.target].key) for edge in shown.edges}


def edges_of(model: nn.Module, *inputs: Any, depth: int = 99, opened: tuple[str, ...] = ()) -> Pairs:
    found = pairs(graph(execute(model, *inputs), depth, opened))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return found


X = torch.randn(1, 4, 6, 6)


def conv(inside: int = 4, out: int = 4) -> nn.Conv2d:
    return nn.Conv2d(inside, out, 3, padding=1)


class Residual(nn.Module):
    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.conv, self.relu, self.inplace = conv(), nn.ReLU(inplace=inplace), inplace

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.conv(x))
        if self.inplace:
            out += x
            return out
        return out + x


@pytest.mark.parametrize("inplace", [False, True])
def test_a_residual_block_joins_its_input(inplace: bool) -> None:
    expected = {("/input", "conv"), ("conv", "relu"), ("relu", "/add"), ("/input", "/add"), ("/add", "/output")}
    assert edges_of(Residual(inplace=inplace).eval(), X) == expected


def test_work_in_place_is_seen_by_all_who_hold_the_tensor() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = conv(), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            kept = self.conv(x)
            flat = kept.view(1, -1)
            self.relu(kept)  # rewrites what kept and flat show
            return flat.sum() + kept.mean()

    found = edges_of(Shared(), X)
    assert ("conv", "relu") in found
    assert {("relu", "/sum"), ("relu", "/mean")} <= found
    assert not any(source == "conv" and target != "relu" for source, target in found)


def test_halves_of_a_tensor_are_told_apart() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.ReLU(inplace=True), conv(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            a, b = (2 * x).chunk(2, dim=1)
            self.left(a)
            return torch.cat([a, self.right(b)], 1)

    expected = {
        ("/input", "/mul"), ("/mul", "left"), ("/mul", "right"), ("left", "/cat"), ("right", "/cat"), ("/cat", "/output"),
    }  # fmt: skip
    assert edges_of(Halves(), X) == expected


def test_a_dense_block_concatenates_all_that_came_before() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(conv(4 * (i + 1)) for i in range(3))

        def forward(self, x: Tensor) -> Tensor:
            found = [x]
            for layer in self.layers:
                found.append(layer(torch.cat(found, 1)))
            return torch.cat(found, 1)

    found = edges_of(Dense(), X)
    assert {("/input", "/cat"), ("layers.0", "/cat#1"), ("layers.0", "/cat#2"), ("layers.0", "/cat#3")} <= found
    assert {source for source, target in found if target == "/cat#3"} == {"/input", "layers.0", "layers.1", "layers.2"}


def test_calls_of_a_shared_module_are_nodes_of_their_own() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = conv()
            self.same = self.one

        def forward(self, x: Tensor) -> Tensor:
            return self.same(self.one(x))

    model = Twice()
    assert edges_of(model, X) == {("/input", "one"), ("one", "one#1"), ("one#1", "/output")}
    assert [node.turn for node in graph(execute(model, X)).nodes if node.name == "one"] == [0, 1]


def test_outputs_are_named_by_where_they_stand() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(), conv()

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"first": self.a(x), "more": (self.b(x), torch.ones(3)), "count": 5}

    shown = graph(execute(Heads(), X))
    assert {node.label for node in shown.nodes if node.kind == "output"} == {
        "first",
        "more.0",
    }  # a constant hangs on nothing
    assert ("a", "/output") in pairs(shown)


def test_control_flow_is_followed_as_it_went() -> None:
    class Choosing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = conv(), conv()

        def forward(self, x: Tensor) -> Tensor:
            return self.up(x) if x.sum() > 0 else self.down(x)

    # The sum that only decided is left out.
    assert edges_of(Choosing(), X.abs()) == {("/input", "up"), ("up", "/output")}
    assert edges_of(Choosing(), -X.abs()) == {("/input", "down"), ("down", "/output")}


def test_modules_that_hand_back_their_input_stand_in_the_way_of_one_branch_only() -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skip, self.drop, self.conv = nn.Identity(), nn.Dropout(), conv()

        def forward(self, x: Tensor) -> Tensor:
            skipped = self.drop(self.skip(x))
            return self.conv(x) + skipped

    expected = {
        ("/input", "skip"), ("skip", "drop"), ("/input", "conv"), ("conv", "/add"), ("drop", "/add"), ("/add", "/output"),
    }  # fmt: skip
    assert edges_of(Branch().eval(), X) == expected


def test_reshaping_is_no_node_but_its_shape_is_on_the_edge() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(144, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.permute(0, 2, 3, 1).contiguous().flatten(1))

    shown = graph(execute(Flat(), X))
    assert pairs(shown) == {("/input", "linear"), ("linear", "/output")}
    assert shown.edges[0].shapes == ((1, 144),)


def test_functions_are_one_node_each_and_have_their_own_names() -> None:
    class Functions(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = F.interpolate(F.relu(x), scale_factor=2.0)
            return F.normalize(F.max_pool2d(x, 2)).flatten(1).softmax(1)

    shown = graph(execute(Functions(), X))
    assert [n.type for n in shown.nodes] == [
        "input",
        "relu",
        "interpolate",
        "max_pool2d",
        "normalize",
        "softmax",
        "output",
    ]


def test_custom_gradients_and_scripts_do_not_cut_the_line() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = conv(), conv()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(Double.apply(self.conv(x)))

    assert {("conv", "/mul"), ("/mul", "last")} <= edges_of(Model(), X)


def test_a_module_that_leaves_torch_is_a_node_all_the_same() -> None:
    class Numpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(x.numpy().copy() + 1)

    model = nn.Sequential(conv(), Numpy(), nn.ReLU())
    assert edges_of(model.requires_grad_(False), X) == {("/input", "0"), ("0", "1"), ("1", "2"), ("2", "/output")}


def test_results_are_the_networks_own_and_hooks_go_also_after_an_error() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv()

        def forward(self, x: Tensor) -> Tensor:
            self.conv(x)
            raise RuntimeError("broken")

    model = Failing()
    with pytest.raises(RuntimeError, match="broken"):
        execute(model, X)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with torch.inference_mode():
        made_there = torch.randn(1, 4, 6, 6)
        assert graph(execute(Residual(), made_there)).edges
    torch.nn.Linear(2, 2)(torch.ones(1, 2))  # no mode stays behind


def test_memory_counts_new_tensors_once() -> None:
    shown = graph(execute(nn.Sequential(conv(), nn.ReLU(inplace=True), nn.Flatten()), X))
    by_name = {node.name: node for node in shown.nodes if node.kind == "module"}
    assert by_name["0"].bytes == 4 * 4 * 36
    assert by_name["1"].bytes == by_name["2"].bytes == 0
    assert by_name["1"].inplace


# -- depth


@pytest.fixture(scope="module")
def mobilenet() -> tuple[nn.Module, Any]:
    model = mobilenet_v2(10).eval()
    return model, execute(model, torch.randn(1, 3, 64, 64))


def test_mobilenet_reads_as_nineteen_blocks(mobilenet: tuple[nn.Module, Any]) -> None:
    shown = graph(mobilenet[1])
    names = [node.name for node in shown.nodes if node.kind == "module"]
    assert names == [*(f"features.{i}" for i in range(19)), "classifier.0", "classifier.1"]
    assert shown.depth == 2
    assert all(node.inside for node in shown.nodes if node.name.startswith("features"))


def test_one_block_can_be_opened(mobilenet: tuple[nn.Module, Any]) -> None:
    shown = graph(mobilenet[1], 2, ("features.3",))
    frame = next(i for i, node in enumerate(shown.nodes) if node.open)
    inside = [node.key for node in shown.nodes if node.parent == frame]
    # The only child, features.3.conv, is opened with it.
    assert inside == [*(f"features.3.conv.{i}" for i in range(4)), "features.3/add"]
    found = pairs(shown)
    assert {
        ("features.2", "features.3.conv.0"),
        ("features.2", "features.3/add"),
        ("features.3/add", "features.4"),
    } <= found
    assert not any("features.3" in pair for pair in found)


def test_the_greatest_depth_shows_every_layer_that_ran(mobilenet: tuple[nn.Module, Any]) -> None:
    model, execution = mobilenet
    shown = graph(execution, deepest(execution))
    leaves = [name for name, module in model.named_modules() if not list(module.children())]
    assert [node.name for node in shown.nodes if node.kind == "module"] == leaves
    assert sum(node.type == "add" for node in shown.nodes) == 10
    with pytest.raises(ValueError, match="depth"):
        graph(execution, -1)


def test_times_belong_to_the_operations(mobilenet: tuple[nn.Module, Any]) -> None:
    model, execution = mobilenet
    seconds = operation_seconds(model, execution, torch.randn(1, 3, 64, 64), repeats=2)
    assert len(seconds) == len(execution.operations)
    per_node = node_seconds(graph(execution), seconds)
    assert sum(per_node) == pytest.approx(sum(seconds))
    assert min(s for node, s in zip(graph(execution).nodes, per_node, strict=True) if node.name == "features.2") > 0
    assert operation_seconds(model, execution, X, cancelled=lambda: True) == ()
    with pytest.raises(ValueError, match="another way"):
        operation_seconds(Residual(), execution, X)


class Random(nn.Module):
    """A network that follows a plan: each step takes earlier results and makes one more."""

    def __init__(self, plan: list[tuple[str, tuple[int, ...]]]) -> None:
        super().__init__()
        self.plan = plan
        self.layers = nn.ModuleList(nn.Conv2d(2, 2, 1) for _ in plan)

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for number, (kind, used) in enumerate(self.plan):
            parts = [made[i % len(made)] for i in used]
            if kind == "add":
                made.append(sum(parts[1:], parts[0]) if len(parts) > 1 else parts[0] + parts[0])
            else:
                made.append(self.layers[number](parts[0]))
        return torch.cat(made, 1)


PLANS = st.lists(
    st.tuples(st.sampled_from(["add", "layer"]), st.lists(st.integers(0, 20), min_size=1, max_size=2).map(tuple)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(PLANS)
def test_random_networks_have_the_edges_of_their_plans(plan: list[tuple[str, tuple[int, ...]]]) -> None:
    shown = graph(execute(Random(plan), torch.randn(1, 2, 2, 2)), 99)
    order = [i for i, node in enumerate(shown.nodes) if node.kind != "output" and node.type != "cat"]
    assert len(order) == len(plan) + 1
    expected = set()
    for number, (kind, used) in enumerate(plan):
        parts = [i % (number + 1) for i in used] if kind == "add" else [used[0] % (number + 1)]
        expected |= {(order[part], order[number + 1]) for part in parts}
    cat = next(i for i, node in enumerate(shown.nodes) if node.type == "cat")
    assert {(e.source, e.target) for e in shown.edges if e.target < cat} == expected
    assert {e.source for e in shown.edges if e.target == cat} == set(order)


# -- layout


def sound(shown: Graph, placed: Placed) -> None:
    """No boxes overlap, members are in their frames, lines join what they should and lead from left to right."""
    width, height = placed.size
    for i, (x0, y0, x1, y1) in enumerate(placed.boxes):
        assert -1e-6 <= x0 < x1 <= width + 1e-6
        assert -1e-6 <= y0 < y1 <= height + 1e-6
        parent = shown.nodes[i].parent
        if parent >= 0:
            fx0, fy0, fx1, fy1 = placed.boxes[parent]
            assert fx0 < x0 < x1 < fx1
            assert fy0 < y0 < y1 < fy1
    for i, j in itertools.combinations(range(len(placed.boxes)), 2):
        if shown.nodes[i].parent == shown.nodes[j].parent:
            a, b = placed.boxes[i], placed.boxes[j]
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for edge, line in zip(shown.edges, placed.lines, strict=True):
        source, target = placed.boxes[edge.source], placed.boxes[edge.target]
        assert line[0][0] == pytest.approx(source[2])
        assert source[1] <= line[0][1] <= source[3]
        assert line[-1][0] == pytest.approx(target[0])
        assert target[1] <= line[-1][1] <= target[3]
        for (x0, y0), (x1, y1) in itertools.pairwise(line):
            # Back to the left only in the lanes between rows, level and below or above everything at that place.
            assert x1 >= x0 - 1e-6 or y0 == pytest.approx(y1)


def made_of(sizes: list[tuple[float, float]], edges: list[tuple[int, int]]) -> Graph:
    nodes = tuple(Node(str(i), "module", str(i), "T", (), 0, 0, ()) for i in range(len(sizes)))
    return Graph(nodes, tuple(Edge(a, b, ()) for a, b in edges), 1)


GRAPHS = st.integers(1, 25).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.floats(10, 130), st.floats(10, 60)), min_size=n, max_size=n),
        st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1]), max_size=40)
        if n > 1
        else st.just(set()),
    )
)


@settings(max_examples=60, deadline=None)
@given(GRAPHS, st.floats(0.3, 6.0))
def test_any_graph_is_laid_out_soundly(
    made: tuple[list[tuple[float, float]], set[tuple[int, int]]], aspect: float
) -> None:
    shown = made_of(made[0], sorted(made[1]))
    placed = layout(shown, made[0], aspect=aspect)
    sound(shown, placed)
    assert placed == layout(shown, made[0], aspect=aspect)


@pytest.mark.parametrize("opened", [(), ("features.3",), ("features.3", "features.3.conv.1", "features.9")])
@pytest.mark.parametrize("depth", [0, 3, 5])
def test_a_networks_graph_is_laid_out_soundly(
    mobilenet: tuple[nn.Module, Any], depth: int, opened: tuple[str, ...]
) -> None:
    shown = graph(mobilenet[1], depth, opened)
    sound(shown, layout(shown, [(100.0, 40.0)] * len(shown.nodes)))


def test_a_long_chain_is_wrapped_into_rows_and_a_shortcut_leads_around() -> None:
    chain = made_of([(100.0, 40.0)] * 40, [(i, i + 1) for i in range(39)])
    placed = layout(chain, [(100.0, 40.0)] * 40)
    assert 1.2 < placed.size[0] / placed.size[1] < 6
    short = made_of([(100.0, 40.0)] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    placed = layout(short, [(100.0, 40.0)] * 4, aspect=50.0)
    around = placed.lines[3]
    for box in placed.boxes[1:3]:
        beside = [y for x, y in around if box[0] - 1 <= x <= box[2] + 1]
        assert beside
        assert all(y < box[1] or y > box[3] for y in beside)


def test_nothing_is_laid_out_as_nothing_and_nonsense_is_refused() -> None:
    assert layout(Graph((), (), 1), []) == Placed((), (), (0.0, 0.0))
    with pytest.raises(ValueError, match="sizes"):
        layout(made_of([(1.0, 1.0)], []), [])
    with pytest.raises(ValueError, match="earlier"):
        layout(made_of([(1.0, 1.0)] * 2, [(1, 0)]), [(1.0, 1.0)] * 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 5), st.floats(0, 20)), min_size=1, max_size=8))
def test_spacing_is_the_least_squares_one(rows: list[tuple[float, float, float]]) -> None:
    wanted, weights, apart = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows][1:]
    found = spaced(wanted, weights, apart)

    def cost(places: list[float]) -> float:
        return sum(w * (p - want) ** 2 for p, want, w in zip(places, wanted, weights, strict=True))

    assert all(b - a >= gap - 1e-6 for a, b, gap in zip(found, found[1:], apart, strict=False))
    for i in range(len(found)):
        for step in (-0.01, 0.01):
            other = [*found[:i], found[i] + step, *found[i + 1 :]]
            if all(b - a >= gap for a, b, gap in zip(other, other[1:], apart, strict=False)):
                assert cost(other) >= cost(found) - 1e-6
