"""CycleGAN's networks against the authors' code, its image pool, and the cycle."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cvcore.models.cyclegan import CycleGAN, ImagePool, InstanceNorm2d, PatchDiscriminator, ResnetGenerator
from cvcore.record import record
from tests.cvcore.golden_fill import fill

GOLDENS = Path(__file__).parents[1] / "goldens"
SMALL = {"filters": 4, "blocks": 2, "upsample": "resize", "separable": True, "trunk": 8}


@pytest.mark.parametrize(
    ("name", "network"), [("cyclegan_resnet9", ResnetGenerator()), ("cyclegan_patchgan", PatchDiscriminator())]
)
@pytest.mark.parametrize("gradients", [False, True])
def test_agrees_with_the_authors_code(name: str, network: nn.Module, gradients: bool) -> None:
    golden = json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))
    with np.load(GOLDENS / f"{name}.npz") as arrays:
        expected, largest = arrays["out"], arrays["out.stats"][2]
    assert {key: list(t.shape) for key, t in network.state_dict().items()} == golden["state_dict"]
    x = torch.randn(golden["input"], generator=torch.Generator().manual_seed(7))
    with torch.set_grad_enabled(gradients):
        found = fill(network)(x).detach()
    assert list(found.shape) == golden["outputs"]["out"]
    np.testing.assert_allclose(
        found.flatten()[:: max(1, found.numel() // expected.size)], expected.ravel(), atol=1e-4 * largest, rtol=0
    )


def test_a_checkpoint_with_the_idle_statistics_of_old_pytorch_loads_strict() -> None:
    network = ResnetGenerator(filters=4, blocks=1)
    state = network.state_dict()
    old = {key: t + 1 for key, t in state.items()}
    for name, module in network.named_modules():
        if isinstance(module, nn.InstanceNorm2d):
            old |= {f"{name}.running_mean": torch.zeros(4), f"{name}.running_var": torch.ones(4)}
            old[f"{name}.num_batches_tracked"] = torch.tensor(0)
    assert len(old) > len(state)
    network.load_state_dict(old, strict=True)
    assert torch.equal(network.model[1].bias, old["model.1.bias"])
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict(old | {"model.99.weight": torch.zeros(1)}, strict=True)


def test_the_statistics_of_batch_norm_are_kept() -> None:
    network = ResnetGenerator(filters=4, blocks=1, norm="batch")
    state = {key: torch.full_like(t, 3) for key, t in network.state_dict().items()}
    assert any(key.endswith("running_mean") for key in state)
    network.load_state_dict(state, strict=True)
    assert network.state_dict()["model.2.running_mean"].eq(3).all()


def test_separable_blocks_have_the_names_of_gan_compression() -> None:
    network = ResnetGenerator(filters=16, trunk=128, separable=True, dropout=True, hidden=[64] * 3 + [128] * 6)
    shapes = {key: tuple(t.shape) for key, t in network.state_dict().items()}
    assert sum(t.numel() for t in network.parameters()) == 356_867
    assert shapes["model.10.conv_block.1.conv.0.weight"] == (128, 1, 3, 3)
    assert shapes["model.10.conv_block.1.conv.2.weight"] == (64, 128, 1, 1)
    assert shapes["model.18.conv_block.6.conv.2.weight"] == (128, 128, 1, 1)
    assert shapes["model.26.bias"] == (3,)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (2, 3, 48, 80)])
@pytest.mark.parametrize("options", [{"filters": 4, "blocks": 1}, SMALL])
def test_the_picture_comes_back_with_its_size_and_range(shape: tuple[int, ...], options: dict[str, object]) -> None:
    network = ResnetGenerator(**options)  # type: ignore[arg-type]
    y = network(torch.randn(shape))
    assert y.shape == shape
    assert y.abs().max() <= 1


def test_hidden_widths_must_be_as_many_as_the_blocks() -> None:
    with pytest.raises(ValueError, match="each of the 2 blocks, not 3"):
        ResnetGenerator(filters=4, blocks=2, hidden=[8, 8, 8])


def test_resize_convolution_gives_a_flat_picture_without_checkerboard() -> None:
    """Of one colour throughout, the decoder makes one colour: a transposed convolution makes a pattern of 2x2."""
    flat = torch.rand(1, 16, 1, 1, generator=torch.Generator().manual_seed(3)).expand(1, 16, 8, 8)

    def spread(upsample: str) -> float:
        torch.manual_seed(0)
        network = ResnetGenerator(filters=4, blocks=1, upsample=upsample)  # type: ignore[arg-type]
        with torch.no_grad():
            enlarged = network.model[network.encoder_end + 1](flat)
        inside: Tensor = enlarged[..., 2:-2, 2:-2]
        return inside.std((2, 3)).max().item()

    assert spread("resize") < 1e-6
    assert spread("transpose") > 1e-2


@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_is_the_same_with_and_without_gradients(affine: bool) -> None:
    norm = InstanceNorm2d(5, affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = 3 + 2 * torch.randn(2, 5, 6, 7)
    with torch.no_grad():
        without = norm(x)
    torch.testing.assert_close(without, norm(x).detach())
    if not affine:
        torch.testing.assert_close(without.mean((2, 3)), torch.zeros(2, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm_ends", [False, True])
def test_only_without_norm_at_the_ends_is_brightness_seen(norm_ends: bool) -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(filters=8, blocks=1, norm_ends=norm_ends).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        change = (network(x + 0.5) - network(x)).abs().mean().item()
    assert (change < 1e-4) == norm_ends


def test_a_discriminator_scores_patches_of_70_px() -> None:
    network = PatchDiscriminator(filters=4).double()
    x = torch.randn(1, 3, 128, 128, dtype=torch.double, requires_grad=True)
    convolutions = nn.Sequential(*[m for m in network.model if isinstance(m, nn.Conv2d)])  # norms would join all pixels
    scores = convolutions(x)
    assert scores.shape == network(x).shape == (1, 1, 14, 14)
    (gradient,) = torch.autograd.grad(scores[0, 0, 7, 7], x)
    rows, columns = gradient[0].abs().sum(0).nonzero().T
    assert rows.max() - rows.min() + 1 == 70
    assert columns.max() - columns.min() + 1 == 70


def test_both_cycles_are_the_generators_one_after_the_other() -> None:
    model = CycleGAN(SMALL, {"filters": 4}).eval()
    a, b = torch.rand(2, 1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        trace = model(a, b)
        assert torch.equal(trace.fake_b, model.generator_ab(a))
        assert torch.equal(trace.cycled_a, model.generator_ba(model.generator_ab(a)))
        assert torch.equal(trace.fake_a, model.generator_ba(b))
        assert torch.equal(trace.cycled_b, model.generator_ab(model.generator_ba(b)))


def test_the_layers_of_a_generator_can_be_recorded() -> None:
    network = ResnetGenerator(**SMALL).eval()  # type: ignore[arg-type]
    names = ["model.0", f"model.{network.encoder_end}", "model"]
    with record(network, names) as recording:
        y = network(torch.zeros(1, 3, 32, 32))
    assert recording[names[1]].shape == (1, 8, 8, 8)
    assert torch.equal(recording["model"], y)


def images(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_a_pool_hands_everything_back_until_it_is_full() -> None:
    pool = ImagePool(3)
    assert torch.equal(pool.query(images(1, 2)), images(1, 2))
    assert torch.equal(pool.query(images(3)), images(3))
    assert len(pool.images) == 3


def test_a_full_pool_hands_back_half_new_half_old_and_keeps_the_new() -> None:
    pool = ImagePool(50, torch.Generator().manual_seed(0))
    pool.query(images(*range(50)))
    new = 0
    kept = {float(i) for i in range(50)}
    for i in range(50, 1050):
        back = pool.query(images(i))[0, 0, 0, 0].item()
        if back == i:
            new += 1
        else:
            assert back in kept, "an older picture comes back once, then it is gone"
            kept = kept - {back} | {float(i)}
        assert {image[0, 0, 0].item() for image in pool.images} == kept
    assert 430 < new < 570


def test_a_pool_of_none_hands_back_what_it_got() -> None:
    pool = ImagePool(0)
    for i in range(20):
        assert torch.equal(pool.query(images(i)), images(i))
    assert pool.images == []
    with pytest.raises(ValueError, match="not -1"):
        ImagePool(-1)


def test_a_pool_gives_no_gradients_and_keeps_copies() -> None:
    pool = ImagePool(2)
    given = torch.ones(1, 3, 2, 2, requires_grad=True)
    back = pool.query(given * 2)
    assert not back.requires_grad
    back.zero_()
    assert pool.images[0].eq(2).all()
