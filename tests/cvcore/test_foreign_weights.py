"""Weights for networks of the user's own: what load_state_dict takes is taken, the rest is said in true sentences, and no code runs."""

import argparse
import datetime
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file, save_model
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from cvcore.foreign import ModelError, Source, WeightsMisfitError, load_network, load_weights
from cvcore.foreign.checkpoint import read_checkpoint
from tests.cvcore.foreign_for_tests import Small, small

pytestmark = pytest.mark.filterwarnings(  # torch's, of what is old or new
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:torch.quantize_per",
    "ignore:Complex modules",
)


class Evil:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".safetensors"])
def test_weights_that_fit(tmp_path: Path, ending: str) -> None:
    torch.manual_seed(1)
    given, network = Small(), small()
    path = tmp_path / f"w{ending}"
    state = {k: v for k, v in given.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    assert load_weights(network, path) is None
    assert torch.equal(network.fc.weight, given.fc.weight)


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.body."])
@pytest.mark.parametrize("wrapper", ["", "state_dict", "ema"])
def test_a_prefix_or_wrapper_is_found_and_applied(tmp_path: Path, prefix: str, wrapper: str) -> None:
    torch.manual_seed(1)
    given, network = Small(), small()
    before = network.fc.weight.clone()
    state = {prefix + k: v for k, v in given.state_dict().items()}
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3, wrapper: state} if wrapper else state, path)
    with pytest.raises(WeightsMisfitError) as caught:
        load_weights(network, path)
    sentence, hint = str(caught.value), caught.value.misfit.hint
    assert f"Take “{prefix}” off the file’s keys." in sentence
    assert ("The weights lie under" in sentence) == bool(wrapper)
    assert hint is not None
    assert (hint.remove, hint.wrapper) == (prefix, wrapper)
    assert torch.equal(network.fc.weight, before)
    assert load_weights(network, path, fix_keys=True) == hint
    assert torch.equal(network.fc.weight, given.fc.weight)


def test_a_prefix_that_the_file_lacks(tmp_path: Path) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = small()

    path, network = tmp_path / "w.pth", Whole()
    torch.save(small().state_dict(), path)
    with pytest.raises(WeightsMisfitError, match=r"Put “backbone\.” before the file’s keys"):
        load_weights(network, path)
    hint = load_weights(network, path, fix_keys=True)
    assert hint is not None
    assert hint.add == "backbone."


def test_the_first_differing_keys_are_said_with_both_shapes(tmp_path: Path) -> None:
    state = small().state_dict()
    state["fc.weight"] = torch.zeros(5, 8)
    del state["stem.bias"]
    state["head.bias"] = torch.zeros(2)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsMisfitError) as caught:
        load_weights(small(), tmp_path / "w.pth", fix_keys=True)
    sentence = str(caught.value)
    assert "w.pth does not fit the network: 16 of 18 keys do." in sentence
    assert "fc.weight is (5, 8) in the file, (10, 8) in the network." in sentence
    assert "Missing in the file: stem.bias." in sentence
    assert "Only in the file: head.bias." in sentence
    assert caught.value.misfit.hint is None


@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_with_code_is_refused_before_it_runs(tmp_path: Path, new: bool) -> None:
    path, made = tmp_path / "w.pth", tmp_path / "was here"
    torch.save({"weight": torch.zeros(1), "x": Evil(made)}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match="holds Python code, which was not run"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil(made)))
    with pytest.raises(ModelError):
        read_checkpoint(path)
    assert not made.exists()


def test_a_whole_network_in_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="holds Python code"):
        load_weights(small(), tmp_path / "w.pt")


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_damaged_weights(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w{ending}"
    with pytest.raises(ModelError, match="does not exist"):
        read_checkpoint(path)
    for data in (b"", b"garbage", b"\x80\x02garbage", b"PK\x03\x04" + b"\0" * 40):
        path.write_bytes(data)
        with pytest.raises(ModelError, match="is damaged, or no file of weights"):
            read_checkpoint(path)
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(ModelError, match="holds list"):
        read_checkpoint(tmp_path / "list.pt")
    torch.save({"epoch": 1}, tmp_path / "none.pt")
    with pytest.raises(WeightsMisfitError, match="holds no tensors"):
        load_weights(small(), tmp_path / "none.pt")


# -- whatever torch takes


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight


class Untied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)


class Extra(nn.Linear):
    scale = 1

    def get_extra_state(self) -> Any:
        return {"scale": self.scale}

    def set_extra_state(self, state: Any) -> None:
        self.scale = state["scale"]


class Renaming(nn.Module):
    """Takes the keys of its older version, in its hook, or in the way it loads."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.how = how
        if how == "pre-hook":
            self._register_load_state_dict_pre_hook(self._older)
        if how == "new pre-hook":
            self.register_load_state_dict_pre_hook(lambda module, *args: self._older(*args))

    def _older(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for key in [key for key in state if key.startswith(prefix + "conv1.")]:
            state[prefix + "stem." + key[len(prefix) + 6 :]] = state.pop(key)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *more: Any) -> None:
        if self.how == "load":
            self._older(state, prefix)
        super()._load_from_state_dict(state, prefix, *more)

    def load_state_dict(self, state: Any, *args: Any, **more: Any) -> Any:
        state = OrderedDict(state)
        if self.how == "whole":
            self._older(state, "")
        return super().load_state_dict(state, *args, **more)


class Scalar(nn.Module):
    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.rand(shape))


def renamed(how: str) -> tuple[nn.Module, nn.Module, dict[str, Any]]:
    given = Renaming("")
    return Renaming(how), given, {key.replace("stem", "conv1"): value for key, value in given.state_dict().items()}


def seen(make: Callable[[], nn.Module]) -> nn.Module:
    """A lazy network that has run."""
    made = make()
    made(torch.rand(1, 3, 8, 8))
    return made


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def pruned() -> nn.Module:
    made = nn.Sequential(nn.Linear(4, 4))
    prune.random_unstructured(made[0], "weight", 0.5)
    return made


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear}, dtype=torch.qint8)


def without_numbers(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


def alike(make: Callable[[], nn.Module]) -> Callable[[], tuple[nn.Module, nn.Module, dict[str, Any]]]:
    def pair() -> tuple[nn.Module, nn.Module, dict[str, Any]]:
        given = make()
        return make(), given, given.state_dict()

    return pair


def from_to(given: Callable[[], nn.Module], network: Callable[[], nn.Module]) -> Any:
    def pair() -> tuple[nn.Module, nn.Module, dict[str, Any]]:
        made = given()
        return network(), made, made.state_dict()

    return pair


def linear(wrap: Callable[[nn.Module], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(wrap(nn.Linear(4, 4)))


def scalar() -> tuple[nn.Module, nn.Module, dict[str, Any]]:
    given = Scalar()
    return Scalar(), given, {"s": given.s.detach()[None]}


TAKEN: dict[str, Callable[[], tuple[nn.Module, nn.Module, dict[str, Any]]]] = {
    "tied": alike(Tied),
    "untied into tied": lambda: (
        Tied(),
        (tied := Tied()),
        {k: v for k, v in tied.state_dict().items() if k != "b.weight"},
    ),
    "extra state": alike(lambda: nn.Sequential(Extra(4, 4))),
    "pre-hook": lambda: renamed("pre-hook"),
    "new pre-hook": lambda: renamed("new pre-hook"),
    "way of loading": lambda: renamed("load"),
    "way of loading the whole": lambda: renamed("whole"),
    "(1,) for ()": scalar,
    "weight_norm": alike(linear(parametrizations.weight_norm)),
    "old weight_norm": alike(linear(nn.utils.weight_norm)),
    "old weight_norm into new": from_to(linear(nn.utils.weight_norm), linear(parametrizations.weight_norm)),
    "spectral_norm": alike(linear(parametrizations.spectral_norm)),
    "old spectral_norm": alike(linear(nn.utils.spectral_norm)),
    "orthogonal": alike(linear(parametrizations.orthogonal)),
    "pruned": alike(pruned),
    "dynamically quantised": alike(quantised),
    "lazy": from_to(lambda: seen(lazy), lazy),
    "made on the meta device": from_to(small, lambda: without_numbers(Small)),
    "half into float": from_to(lambda: small().half(), small),
    "bfloat16": alike(lambda: small().bfloat16()),
    "double into float": from_to(lambda: small().double(), small),
    "complex": alike(lambda: nn.Sequential(nn.Linear(4, 4).to(torch.complex64))),
    "real into complex": from_to(linear(lambda one: one), lambda: nn.Sequential(nn.Linear(4, 4).to(torch.complex64))),
    "sparse": lambda: (Untied(), (given := Untied()), {k: v.to_sparse() for k, v in given.state_dict().items()}),
    "an imaginary part of 0": lambda: (
        Untied(),
        (given := Untied()),
        {k: v + 0j for k, v in given.state_dict().items()},
    ),
    "DataParallel": alike(lambda: nn.DataParallel(Untied())),
    "parameters": lambda: (Untied(), (given := Untied()), dict(given.named_parameters())),
    "shared memory": lambda: (
        Untied(),
        (given := Untied()),
        {k: v.expand_as(v) for k, v in given.state_dict().items()},
    ),
    "instance norm with its counters": alike(lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True)),
}


def same_state(network: nn.Module, given: nn.Module) -> bool:
    def same(a: Any, b: Any) -> bool:
        if isinstance(a, Tensor):
            a, b = (t.dequantize() if t.is_quantized else t for t in (a, b))
            return bool(torch.equal(a, b.to(a.dtype)))
        return all(map(same, a, b)) if isinstance(a, tuple) else bool(a == b)

    a, b = network.state_dict(), given.state_dict()
    return all(same(value, b[key]) for key, value in a.items() if not key.endswith(("weight_g", "weight_v")))


@pytest.mark.parametrize("kind", TAKEN)
def test_what_load_state_dict_takes_is_taken_with_the_values_of_the_file(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    network, given, state = TAKEN[kind]()
    torch.save(state, tmp_path / "w.pth")
    assert load_weights(network, tmp_path / "w.pth") is None
    if kind == "old weight_norm into new":
        x = torch.rand(1, 4)
        assert torch.allclose(network(x), given(x))
    else:
        assert same_state(network, given)


@pytest.mark.parametrize("prefix", ["", "module.", "net.backbone."])
@pytest.mark.parametrize("kind", ["tied", "extra state", "dynamically quantised", "lazy", "old weight_norm into new"])
def test_the_same_under_a_key_and_behind_a_prefix(tmp_path: Path, kind: str, prefix: str) -> None:
    network, given, state = TAKEN[kind]()
    kept = OrderedDict((prefix + key, value) for key, value in state.items())
    if hasattr(state, "_metadata"):
        kept._metadata = {(prefix + k).removesuffix("."): v for k, v in state._metadata.items()}  # type: ignore[attr-defined]
    torch.save(
        {"epoch": 3, "state_dict": kept, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}}, tmp_path / "w.ckpt"
    )
    if kind != "old weight_norm into new" or not prefix:
        hint = load_weights(network, tmp_path / "w.ckpt", fix_keys=True)
        assert hint is not None
        assert (hint.wrapper, hint.remove) == ("state_dict", prefix)
        assert kind == "old weight_norm into new" or same_state(network, given)


@pytest.mark.parametrize("network", [Tied, Untied])
def test_aliases_that_safetensors_notes_are_the_weights_they_stand_for(
    tmp_path: Path, network: Callable[[], nn.Module]
) -> None:
    given = Tied()
    save_model(given, str(tmp_path / "w.safetensors"))
    made = network()
    assert load_weights(made, tmp_path / "w.safetensors") is None
    assert same_state(made, given)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8])
@pytest.mark.parametrize("channels", [False, True])
def test_quantised_tensors_are_the_numbers_they_stand_for(tmp_path: Path, dtype: torch.dtype, channels: bool) -> None:
    given, state = Untied(), {}
    for key, value in given.state_dict().items():
        scales = torch.full(value.shape[:1], 0.01)
        state[key] = (
            torch.quantize_per_channel(value, scales, torch.zeros(len(scales)), 0, dtype)
            if channels
            else torch.quantize_per_tensor(value, 0.01, 3, dtype)
        )
    torch.save(state, tmp_path / "w.pth")
    network = Untied()
    load_weights(network, tmp_path / "w.pth")
    assert all(torch.equal(value, state[key].dequantize()) for key, value in network.state_dict().items())


def test_module_in_the_middle_of_keys(tmp_path: Path) -> None:
    """A part that was wrapped by DataParallel, or compiled, on its own."""
    given, network = small(), small()
    for part in ("module.", "_orig_mod."):
        state = {key.replace("layer1.", f"layer1.{part}"): value + 1 for key, value in given.state_dict().items()}
        torch.save(state, tmp_path / "w.pth")
        hint = load_weights(network, tmp_path / "w.pth", fix_keys=True)
        assert hint is not None
        assert (hint.remove, hint.everywhere) == (part, True)
        assert torch.equal(network.fc.weight, given.fc.weight + 1)


def test_keys_that_only_the_file_has_are_left_out_after_a_yes(tmp_path: Path) -> None:
    given, network = small(), small()
    state = {"model." + key: value for key, value in given.state_dict().items()}
    torch.save({"state_dict": {**state, "criterion.weight": torch.ones(5)}, "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(WeightsMisfitError) as caught:
        load_weights(network, tmp_path / "w.pth")
    assert str(caught.value).endswith("Leave out what only the file has. Then 18 of 18 keys fit.")
    assert "Only in the file: criterion.weight." in str(caught.value)
    hint = load_weights(network, tmp_path / "w.pth", fix_keys=True)
    assert hint is not None
    assert hint.leave_out
    assert torch.equal(network.fc.weight, given.fc.weight)


def test_a_hint_that_is_no_help_is_not_told_again(tmp_path: Path) -> None:
    state = {"model." + key: value for key, value in small().state_dict().items()}
    state["model.fc.weight"] = torch.zeros(5, 8)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(
        WeightsMisfitError, match=r"Take “model\.” off the file’s keys\. Then 17 of 18 keys fit\."
    ) as first:
        load_weights(small(), tmp_path / "w.pth")
    assert first.value.misfit.hint is not None
    with pytest.raises(WeightsMisfitError) as second:
        load_weights(small(), tmp_path / "w.pth", fix_keys=True)
    assert str(second.value) == (
        "w.pth does not fit the network: 17 of 18 keys do. fc.weight is (5, 8) in the file, (10, 8) in the network."
    )
    assert second.value.misfit.hint is None


def quantity(dtype: torch.dtype) -> dict[str, Tensor]:
    return {key: (100 * value).to(dtype) for key, value in Untied().state_dict().items()}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            {k: v + 1j for k, v in Untied().state_dict().items()},
            "holds complex numbers, first in a.weight, where the network has real",
        ),
        (quantity(torch.int8), "holds whole numbers (int8), first in a.weight"),
        (quantity(torch.uint8), "holds whole numbers (uint8), first in a.weight"),
        (quantity(torch.int16), "holds whole numbers (int16), first in a.weight"),
        (quantity(torch.int32), "holds whole numbers (int32), first in a.weight"),
        (
            {k: v.to("meta") for k, v in Untied().state_dict().items()},
            "holds the shapes of weights without their numbers",
        ),
        ({k: v * float("nan") for k, v in Untied().state_dict().items()}, "not a number (NaN), first in a.weight"),
        ({k: v * float("nan") * 1j for k, v in Untied().state_dict().items()}, "not a number (NaN), first in a.weight"),
    ],
)
def test_numbers_that_torch_would_change_without_a_word_are_refused(tmp_path: Path, state: Any, sentence: str) -> None:
    torch.save(state, tmp_path / "w.pth")
    network = Untied()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ModelError, match=re.escape(sentence)):
        load_weights(network, tmp_path / "w.pth")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_whole_numbers_of_64_bits_and_masks_are_numbers(tmp_path: Path) -> None:
    torch.save({"s": torch.tensor(2)}, tmp_path / "w.pth")
    network = Scalar()
    load_weights(network, tmp_path / "w.pth")
    assert network.s.item() == 2


def test_fractions_for_a_counter_are_refused(tmp_path: Path) -> None:
    network = nn.BatchNorm2d(3)
    state = {**network.state_dict(), "num_batches_tracked": torch.tensor(2.5)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="holds fractions, first in num_batches_tracked"):
        load_weights(network, tmp_path / "w.pth")


@pytest.mark.parametrize("way", ["scripted", "traced"])
def test_a_torchscript_file_is_said_to_be_one(tmp_path: Path, way: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    made = torch.jit.script(network) if way == "scripted" else torch.jit.trace(network, torch.zeros(1, 3, 8, 8))
    made.save(str(tmp_path / "w.pt"))
    with pytest.raises(ModelError, match=r"w\.pt is a TorchScript program .* torch\.jit\.load\(…\)\.state_dict\(\)"):
        read_checkpoint(tmp_path / "w.pt")


def test_values_that_do_nothing_may_stand_beside_the_weights(tmp_path: Path) -> None:
    state = small().state_dict()
    beside = {
        "args": argparse.Namespace(lr=0.1, names=["a"]),
        "best": np.float64(0.5),
        "seed": np.arange(3),
        "when": datetime.datetime(2024, 1, 2),
        "where": Path("a/b"),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "shape": torch.Size([1, 2]),
    }
    torch.save({"model": state, **beside}, tmp_path / "w.pth")
    assert load_weights(small(), tmp_path / "w.pth", fix_keys=True) is not None


def test_an_optimiser_alone_is_said_to_hold_no_weights_of_the_network(tmp_path: Path) -> None:
    network = Untied()
    optimiser = torch.optim.Adam(network.parameters())
    network.a(torch.rand(1, 4)).sum().backward()
    optimiser.step()
    torch.save({"optimizer": optimiser.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(
        WeightsMisfitError, match=r"holds tensors under “optimizer\.state\.0”.* only, and none of them fits the network"
    ):
        load_weights(network, tmp_path / "w.pth")


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    state=st.dictionaries(
        NAMES, st.sampled_from([torch.zeros(2), torch.zeros(()), torch.zeros(0, 3), torch.ones(2).bool()])
    )
)
def test_any_names_at_all_give_a_sentence_or_fit(tmp_path: Path, state: dict[str, Tensor]) -> None:
    for ending in ("safetensors", "pth"):
        path = tmp_path / f"w.{ending}"
        plain = {key: value.clone() for key, value in state.items()}
        if ending == "pth":
            torch.save(plain, path)
        elif "__metadata__" not in plain:
            save_file(plain, path)
        else:
            continue
        with pytest.raises(WeightsMisfitError) as caught:
            load_weights(Untied(), path)
        assert "\n" not in caught.value.sentences[0][0]


@pytest.mark.parametrize(
    "harm", [NotADirectoryError, RecursionError, MemoryError, IndexError, TypeError, AssertionError]
)
def test_nothing_but_a_sentence_leaves_load_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise harm("said\nin two lines")

    path = tmp_path / "net.py"
    path.write_text("from torch import nn\ndef net():\n    return nn.Linear(4, 4)\n")
    torch.save(nn.Linear(4, 4).state_dict(), tmp_path / "w.pth")
    for name in ("torch.load", "torch.nn.Module.load_state_dict", "torch.nn.Module.eval", "torch.nn.Module.to"):
        with monkeypatch.context() as patch:
            patch.setattr(name, fail)
            with pytest.raises(ModelError) as caught:
                load_network(Source(str(path), weights=str(tmp_path / "w.pth")))
            assert "\n" not in str(caught.value)
