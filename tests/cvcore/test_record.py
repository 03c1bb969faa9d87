"""record, replay, describe and layer_seconds on networks small enough to know by heart."""

import threading
from collections import namedtuple

import pytest
import torch
from torch import Tensor, nn

from cvcore.models.mobilenet import mobilenet_v2
from cvcore.record import describe, layer_seconds, record, replay, submodule
from cvcore.zoo import load

Pair = namedtuple("Pair", "first second")


class Branching(nn.Module):
    """Gives tensors in every container, calls one layer twice, goes around another."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4)
        self.forked = Forked()
        self.unused = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.twice(self.twice(x))
        parts = self.forked(y)
        return parts["pair"].first + parts["pair"].second + x


class Forked(nn.Module):
    def forward(self, x: Tensor) -> dict[str, object]:
        return {"pair": Pair(x * 2, x * 3), "list": [x, "word"], "tuple": (x,)}


def hooks_left(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_captures_only_what_was_asked_and_removes_its_hooks() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    with record(model, ["0", "1"]) as recording:
        out = model(x)
        assert hooks_left(model) == 2
    assert hooks_left(model) == 0
    assert list(recording) == ["0", "1"]
    torch.testing.assert_close(recording["1"], torch.tanh(recording["0"]))
    torch.testing.assert_close(model[2](recording["1"]), out)


def test_a_later_in_place_layer_does_not_rewrite_what_was_captured() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    x = torch.tensor([[-1.0, 2.0]])
    with record(model, "0") as recording:
        model(x.clone())
    assert recording["0"].tolist() == [[-1.0, 2.0]]


def test_clones_can_be_had_in_plain_memory() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1)).to(memory_format=torch.channels_last)
    x = torch.randn(1, 3, 5, 6).to(memory_format=torch.channels_last)
    with record(model, "0") as as_it_is:
        out = model(x)
    with record(model, "0", memory_format=torch.contiguous_format) as plain:
        model(x)
    assert as_it_is["0"].stride() == out.stride()
    assert plain["0"].is_contiguous()
    torch.testing.assert_close(plain["0"], out)


def test_the_network_itself_is_the_empty_name() -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    with record(model, "") as recording:
        out = model(torch.ones(1, 3))
    torch.testing.assert_close(recording[""], out)


def test_a_layer_called_twice_keeps_both_outputs_and_gives_the_newest() -> None:
    model = Branching()
    x = torch.randn(2, 4)
    with record(model, "twice") as recording:
        model(x)
    first, second = recording.calls("twice")
    torch.testing.assert_close(first, model.twice(x))
    torch.testing.assert_close(second, model.twice(first))
    assert recording["twice"] is second


def test_containers_keep_their_form_and_their_tensors_are_cloned() -> None:
    model = Branching()
    given: list[dict[str, object]] = []
    handle = model.forked.register_forward_hook(lambda m, a, output: given.append(output))
    with record(model, "forked") as recording:
        model(torch.randn(2, 4))
    handle.remove()
    kept = recording["forked"]
    assert isinstance(kept["pair"], Pair)
    assert kept["list"][1] == "word"
    assert isinstance(kept["tuple"], tuple)
    torch.testing.assert_close(kept["pair"].second, given[0]["pair"].second)  # type: ignore[attr-defined]
    assert kept["pair"].second.data_ptr() != given[0]["pair"].second.data_ptr()  # type: ignore[attr-defined]


def test_a_layer_that_has_not_run_is_absent() -> None:
    model = Branching()
    with record(model, ["unused", "twice"]) as recording:
        model(torch.randn(1, 4))
    assert list(recording) == ["twice"]
    assert recording.calls("unused") == ()
    with pytest.raises(KeyError, match="has not run"):
        recording["unused"]


def test_hooks_go_when_the_network_raises() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 2))
    with pytest.raises(RuntimeError), record(model, ["0", "1"]) as recording:
        model(torch.ones(1, 3))
    assert hooks_left(model) == 0
    assert recording["0"].shape == (1, 4)


def test_an_unknown_name_leaves_no_hook_and_names_similar_ones() -> None:
    model = mobilenet_v2(2)
    with (
        pytest.raises(ValueError, match=r"no layer 'features\.77'; did you mean features"),
        record(model, ["features.1", "features.77"]),
    ):
        pass
    assert hooks_left(model) == 0
    assert submodule(model, "features.1") is model.features[1]


def test_gradients_flow_through_what_was_captured() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True))
    x = torch.randn(1, 3, requires_grad=True)
    with record(model, "0") as recording:
        model(x)
    recording["0"].sum().backward()
    torch.testing.assert_close(x.grad, model[0].weight.sum(0, keepdim=True))


def test_another_thread_s_forward_pass_is_not_captured() -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    with record(model, "0") as recording:
        other = threading.Thread(target=model, args=(torch.zeros(7, 3),))
        other.start()
        other.join()
        model(torch.zeros(2, 3))
    assert [tuple(o.shape) for o in recording.calls("0")] == [(2, 4)]


@pytest.mark.parametrize("name", ["features.0.0", "features.0.1", "features.4", "features.18", "classifier.0"])
@pytest.mark.parametrize("with_inputs", [False, True])
def test_replay_runs_on_from_a_layer(name: str, with_inputs: bool) -> None:
    model = load("mobilenet_v2")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad(), record(model, name) as recording:
        out = model(x)
    given = recording[name]
    before = given.clone()
    inputs = [torch.randn(2, 3, 64, 64)] if with_inputs else None
    with torch.no_grad():
        torch.testing.assert_close(replay(model, name, given, inputs), out)
        assert not torch.allclose(replay(model, name, given * 0.5, inputs), out)
    torch.testing.assert_close(given, before, msg="the given output was changed")
    assert hooks_left(model) == 0


def test_replay_around_a_skip_connection_needs_the_inputs() -> None:
    model = load("mobilenet_v2")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), record(model, "features.3.conv") as recording:
        out = model(x)
    with pytest.raises(ValueError, match="a path leads around"):
        replay(model, "features.3.conv", recording["features.3.conv"])
    with torch.no_grad():
        torch.testing.assert_close(replay(model, "features.3.conv", recording["features.3.conv"], [x]), out)


def test_replay_lets_gradients_back() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 1)).eval()
    given = torch.tensor([[1.0, -1.0, 2.0, -2.0]], requires_grad=True)
    replay(model, "0", given).sum().backward()
    expected = model[2].weight[0] * torch.tensor([1.0, 0.0, 1.0, 0.0])
    torch.testing.assert_close(given.grad, expected[None])


def test_replay_says_why_it_cannot_cut() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if x.sum() > 0 else x

    with pytest.raises(ValueError, match="cannot be cut at 'layer'; give its inputs too"):
        replay(Branches(), "layer", torch.ones(1, 2))
    with pytest.raises(ValueError, match="does not run"):
        replay(Branching(), "unused", torch.ones(1, 4))


def test_describe_gives_every_layer_with_shapes_and_parameters() -> None:
    model = mobilenet_v2(1000).eval()
    layers = {layer.name: layer for layer in describe(model, torch.zeros(1, 3, 224, 224))}
    assert list(layers) == [name for name, _ in model.named_modules()]
    assert layers[""].parameters == 3_504_872  # as torchvision states for mobilenet_v2
    assert layers[""].shapes == ((1, 1000),)
    assert layers["features.18"].shapes == ((1, 1280, 7, 7),)
    assert layers["features.0.0"].parameters == 3 * 32 * 9
    assert layers["features.0.0"].leaf
    assert not layers["features.0"].leaf
    assert layers["features.2.conv.1.0"].depth == 5
    assert hooks_left(model) == 0


def test_describe_counts_calls_and_names_what_did_not_run() -> None:
    layers = {layer.name: layer for layer in describe(Branching(), torch.zeros(1, 4))}
    assert layers["twice"].calls == 2
    assert layers["unused"].calls == 0
    assert layers["unused"].shapes == ()
    assert layers["forked"].shapes == ((1, 4),) * 4


def test_layer_seconds_times_every_layer_that_runs_and_parents_include_children() -> None:
    model = Branching()
    seconds = layer_seconds(model, torch.zeros(1, 4), repeats=3)
    assert set(seconds) == {"", "twice", "forked"}
    assert all(value > 0 for value in seconds.values())
    assert seconds[""] > seconds["twice"]
    assert hooks_left(model) == 0


def test_layer_seconds_stops_when_cancelled() -> None:
    calls = 0

    def cancelled() -> bool:
        nonlocal calls
        calls += 1
        return calls > 2

    assert layer_seconds(nn.Sequential(nn.Linear(2, 2)), torch.zeros(1, 2), repeats=1000, cancelled=cancelled)
    assert calls == 3
