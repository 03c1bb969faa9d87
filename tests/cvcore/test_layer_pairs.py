"""Which layers of two networks are compared, how far apart they are, and the states one network can be put into."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvcore.layer_pairs import MEASURES, Pair, Ran, distances, layers_that_ran, matched
from cvcore.reduced import STATES, fitted, in_state
from cvcore.similarity import map_cka


def ran(*rows: tuple[str, tuple[int, ...]]) -> list[Ran]:
    return [Ran(*row) for row in rows]


def test_layers_are_matched_by_name_then_by_shape_then_by_depth() -> None:
    first = ran(("a", (1, 2, 8, 8)), ("b", (1, 4, 4, 4)), ("c", (1, 8, 2, 2)), ("d", (1, 5)))
    by_name = matched(first, [*first[:2], Ran("more", (1, 9, 9, 9)), *first[2:]])
    assert [(p.first.name, p.second.name, p.how) for p in by_name] == [(n, n, "name") for n in "abcd"]
    renamed = [Ran(f"x{layer.name}", layer.shape) for layer in first]
    by_shape = matched(first, [renamed[0], Ran("more", (1, 9, 9, 9)), *renamed[1:]])
    assert [(p.second.name, p.how) for p in by_shape] == [(f"x{n}", "shape") for n in "abcd"]
    assert by_shape[0].name == "a ↔ xa"
    assert all(p.cell_by_cell for p in by_shape)
    others = ran(("x", (1, 3, 7, 7)), ("y", (1, 8, 2, 2)))
    by_depth = matched(first, others)
    assert [(p.first.name, p.second.name, p.how) for p in by_depth] == [
        ("a", "x", "depth"), ("b", "x", "depth"), ("c", "y", "depth"),
    ]  # fmt: skip
    assert not any(p.cell_by_cell for p in by_depth)
    assert matched(first, []) == ()


class Twice(nn.Module):
    """Two parts; a layer inside the second one runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(2, 2, 1)
        self.last = nn.Flatten()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.second(self.second(self.first(x))))
        return out


def test_layers_that_ran_once_are_named_in_their_order() -> None:
    x = torch.rand(1, 1, 6, 5)
    before = x.clone()
    parts = layers_that_ran(Twice().eval(), x, blocks=False)
    assert parts == ran(("first.0", (1, 2, 4, 3)), ("first.1", (1, 2, 4, 3)), ("last", (1, 24)))
    assert torch.equal(x, before)
    many = nn.Sequential(*(nn.Sequential(nn.Identity(), nn.ReLU()) for _ in range(12)))
    assert [layer.name for layer in layers_that_ran(many, x, blocks=True)] == [str(i) for i in range(12)]
    assert len(layers_that_ran(many, x, blocks=False)) == 24


def test_distances_are_their_formulas() -> None:
    a, b = torch.randn(2, 1, 3, 4, 5)
    pairs = [
        Pair(Ran("x", (1, 3, 4, 5)), Ran("y", (1, 3, 4, 5)), "shape"),
        Pair(Ran("x", (1, 3, 4, 5)), Ran("y", (1, 3, 4, 5)), "depth"),
    ]
    found = distances(pairs, {"x": a}, {"y": b}, wholes=False)
    assert tuple(found) == MEASURES
    p, q = a.double().numpy().ravel(), b.double().numpy().ravel()
    wanted = (
        np.linalg.norm(p - q) / np.linalg.norm(p),
        np.abs(p - q).max(),
        np.abs(p - q).mean(),
        p @ q / np.linalg.norm(p) / np.linalg.norm(q),
    )
    assert [found[name][0] for name in MEASURES[:4]] == pytest.approx(wanted, rel=1e-5)
    assert np.isnan([found[name][1] for name in MEASURES[:4]]).all(), "no cell has a partner"
    assert np.isnan(found["CKA"][0])
    assert found["CKA"][1] == map_cka(a, b)
    assert distances(pairs, {"x": a}, {"y": b}, wholes=True)["CKA"][0] == map_cka(a, b)
    assert all(len(values) == 0 for values in distances([], {}, {}, wholes=True).values())


@torch.no_grad()
def test_every_state_is_a_copy_but_as_it_is() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval().requires_grad_(False)
    x = torch.rand(1, 3, 6, 6)
    plain = model(x)
    assert in_state(model, STATES[0]) is model
    errors = {}
    for state in STATES[1:]:
        made = in_state(model, state)
        assert made is not model
        out = made(fitted(x, made))
        assert out.dtype == (getattr(torch, state.split()[2]) if state.startswith("computed") else torch.float32)
        errors[state] = float((out.float() - plain).abs().max())
    assert 0 < errors["float16 weights"] < errors["bfloat16 weights"] < errors["int4 weights"] < errors["untrained"]
    assert errors["int8 weights"] < errors["int4 weights"]
    assert torch.equal(model(x), plain)
    with pytest.raises(ValueError, match="no state 'int3 weights'"):
        in_state(model, "int3 weights")


def test_a_network_without_numbers_takes_any_input() -> None:
    x = torch.rand(1, 2)
    assert fitted(x, nn.ReLU()) is x
