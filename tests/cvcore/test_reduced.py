"""Copies of networks with less in their weights: true copies, also where weights are computed in each pass."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from cvcore import reduced
from cvcore.copying import copied
from cvcore.numbers import real

pytestmark = pytest.mark.filterwarnings(  # torch's, of what is old or new
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore:torch.quantize_per", "ignore:Sparse CSR"
)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()


def test_weights_are_rounded_in_a_copy() -> None:
    model = network()
    before = {name: p.clone() for name, p in model.named_parameters()}
    half = reduced.with_weights_in(model, torch.float16)
    for name, parameter in half.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, before[name].half().float())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    with pytest.raises(ValueError, match="floating"):
        reduced.with_weights_in(model, torch.int8)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantised_weights_lie_on_a_grid_for_each_output_channel(bits: int) -> None:
    model = network()
    made = reduced.with_weights_in_bits(model, bits)
    top = 2 ** (bits - 1) - 1
    for before, after in zip(model[0].weight, made[0].weight, strict=True):  # type: ignore[index, arg-type]
        step = before.abs().max() / top
        counts = after / step
        assert torch.allclose(counts, counts.round(), atol=1e-3)
        assert counts.abs().max() <= top + 1e-3
        assert (before - after).abs().max() <= step / 2 + 1e-6
    assert torch.equal(model[1].weight, made[1].weight)  # type: ignore[index, union-attr, arg-type]
    with pytest.raises(ValueError, match="bits"):
        reduced.with_weights_in_bits(model, 1)


def test_zero_weights_stay_zero() -> None:
    model = nn.Linear(3, 2)
    nn.init.zeros_(model.weight)
    assert not reduced.with_weights_in_bits(model, 8).weight.any()  # type: ignore[operator, union-attr]


def test_another_number_type_and_no_training_are_copies_too() -> None:
    model = network()
    narrow = reduced.computing_in(model, torch.bfloat16)
    assert narrow(torch.zeros(1, 3, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    state = torch.random.get_rng_state()
    first, second = reduced.untrained(model), reduced.untrained(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first[0].weight, second[0].weight)  # type: ignore[index, arg-type]
    assert not torch.equal(first[0].weight, model[0].weight)  # type: ignore[index, arg-type]
    assert model[0].weight.dtype == torch.float32  # type: ignore[index, union-attr]


# -- weights that are computed


class Symmetric(nn.Module):
    """It has no way back."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight + weight.flip(-1)


class Product(nn.Module):
    """Of two sources, with no way back from a weight to these."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weight, torch.ones_like(weight)


def pruned(layer: nn.Module) -> nn.Module:
    prune.l1_unstructured(layer, "weight", 0.5)
    prune.random_unstructured(layer, "weight", 0.2)
    return layer


def parametrised(parametrisation: Callable[[], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    return lambda layer: parametrize.register_parametrization(layer, "weight", parametrisation())


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(4, 6, 3),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3),
    "without bias": lambda: nn.Conv2d(4, 6, 3, bias=False),
    "linear": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(81, 5)),
}
WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "plain": lambda layer: layer,
    "old weight_norm": nn.utils.weight_norm,
    "weight_norm": parametrizations.weight_norm,
    "old spectral_norm": nn.utils.spectral_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": pruned,
    "of its own": parametrised(Symmetric),
    "of two": parametrised(Product),
    "twice": lambda layer: parametrised(Symmetric)(parametrizations.weight_norm(layer)),
    "pruned weight_norm": lambda layer: prune.l1_unstructured(nn.utils.weight_norm(layer), "weight_v", 0.3),
}


def made(layer: str, way: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(3)
    whole = LAYERS[layer]()
    if isinstance(whole, nn.Sequential):
        whole[1] = WAYS[way](whole[1])
    else:
        whole = WAYS[way](whole)
    return nn.Sequential(whole).eval().requires_grad_(False), torch.randn(1, 4, 9, 9)


def inner(network: nn.Module) -> nn.Module:
    return next(
        module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layer", LAYERS)
def test_copies_are_true_whatever_computes_the_weights(layer: str, way: str) -> None:
    network, x = made(layer, way)
    before = network(x)
    copy = copied(network)
    assert torch.equal(copy(x), before)
    for parameter in copy.parameters():
        parameter.fill_(0.5)
    assert torch.equal(network(x), before)

    weight = inner(network).weight.detach().clone()
    assert isinstance(weight, Tensor)
    for narrow, change in (
        (reduced.with_weights_in(network, torch.float16), lambda t: t.half().float()),
        (reduced.with_weights_in_bits(network, 4), rounded),
    ):
        narrow(x)
        given = inner(narrow).weight
        assert isinstance(given, Tensor)
        assert torch.allclose(given, change(weight), atol=1e-6)

    half = reduced.computing_in(network, torch.float16)
    assert half(x.half()).dtype == torch.float16
    assert torch.allclose(half(x.half()).float(), before, atol=0.1, rtol=0.02)

    new = reduced.untrained(network)
    new(x)
    assert not torch.allclose(new(x), before, atol=1e-3)
    assert torch.equal(new(x), reduced.untrained(network)(x))
    if way == "orthogonal":  # the matrix of the last two sides
        last = inner(new).weight
        assert isinstance(last, Tensor)
        gram = last @ last.mT if last.shape[-2] <= last.shape[-1] else last.mT @ last
        assert torch.allclose(gram, torch.eye(gram.shape[-1]).expand_as(gram), atol=1e-4)
    if way == "pruned":
        assert torch.equal(inner(new).weight == 0, weight == 0)
    if "spectral" in way:
        first = inner(new).weight.transpose(0, 1) if layer == "transposed" else inner(new).weight
        assert float(torch.linalg.matrix_norm(first.flatten(1), 2)) == pytest.approx(1, abs=0.2)
    assert torch.equal(network(x), before)


def rounded(weight: Tensor) -> Tensor:
    step = weight.flatten(1).abs().amax(1).reshape(-1, *[1] * (weight.ndim - 1)) / 7
    return torch.where(step > 0, (weight / step).round() * step, weight)


def test_weights_that_no_layer_begins_are_shuffled() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.arange(50.0))
            self.scale = nn.Parameter(torch.tensor(2.0))
            self.attention = nn.MultiheadAttention(4, 2)
            self.rows = nn.LSTM(4, 4)

    network = Net()
    new = reduced.untrained(network)
    assert not torch.equal(new.position, network.position)
    assert torch.equal(new.position.sort()[0], network.position)
    assert new.scale == 2
    for (name, before), after in zip(network.named_parameters(), new.parameters(), strict=True):
        constant = before.numel() == 1 or bool((before == before.flatten()[0]).all())
        assert constant or not torch.equal(before, after), name


def test_quantised_layers_are_copied() -> None:
    network = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 5)), {nn.Linear}, dtype=torch.qint8)
    x = torch.randn(2, 4)
    for copy in (copied(network), reduced.with_weights_in_bits(network, 8), reduced.untrained(network)):
        assert torch.equal(copy(x), network(x))


def test_tensors_with_a_history_are_copied_wherever_a_layer_keeps_them() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    computed = network[0].weight * 2
    network[0].kept, network[0].lists = computed, {"a": [computed, (computed,)]}  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="deepcopy"):
        deepcopy(network)
    copy = copied(network)
    assert copy[0].kept is copy[0].lists["a"][0]
    assert torch.equal(copy[0].kept, computed)
    assert not copy[0].kept.requires_grad


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn]
    )
)
def test_any_tensor_as_ordinary_numbers(dtype: torch.dtype) -> None:
    x = torch.tensor([[0.0, 2.0], [3.0, -4.0]])
    given = real(x.to(dtype))
    assert given.dtype == torch.float32
    assert torch.equal(given, x.abs() if dtype == torch.complex64 else x.to(dtype).float())


def test_quantised_and_sparse_tensors_as_ordinary_numbers() -> None:
    x = torch.tensor([[0.0, 2.0], [3.0, -4.0]])
    assert torch.equal(real(torch.quantize_per_tensor(x, 0.5, 0, torch.qint8)), x)
    for sparse in (x.to_sparse(), x.to_sparse_csr()):
        assert torch.equal(real(sparse), x)
    assert real(x) is x
