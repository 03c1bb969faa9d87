"""Tiles against the whole: exact where no statistics are involved, close where they are shared, visibly not where they are not."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cvcore.models.cyclegan import ResnetGenerator
from cvcore.tiling import SAMPLE_PIXELS, in_tiles, ramp, shared_statistics, tile_boxes, tile_starts


def generator(**arguments: object) -> ResnetGenerator:
    torch.manual_seed(0)
    made = ResnetGenerator(filters=8, blocks=2, upsample="resize", norm="instance_affine", **arguments)  # type: ignore[arg-type]
    for module in made.modules():
        if isinstance(module, nn.InstanceNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return made.requires_grad_(False).eval()


def uneven(height: int, width: int) -> Tensor:
    """(1, 3, height, width): dark and flat on the left, light and busy on the right."""
    x = torch.linspace(-0.9, 0.6, width).expand(1, 3, height, width)
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    return (x + noise * torch.linspace(0.02, 0.4, width)).clamp(-1, 1)


@given(st.integers(1, 300).map(lambda n: 4 * n), st.integers(4, 80).map(lambda n: 4 * n), st.floats(0, 0.9))
def test_tiles_cover_an_axis_and_overlap_enough(length: int, tile: int, share: float) -> None:
    overlap = int(share * tile) // 4 * 4
    starts = tile_starts(length, tile, overlap)
    ends = [min(start + tile, length) for start in starts]
    assert starts[0] == 0
    assert ends[-1] == length
    assert all(start % 4 == 0 for start in starts)
    # Starts are rounded to multiples of 4, so neighbours may be 4 nearer or farther than an even division says.
    assert all(end - start >= overlap - 4 for end, start in zip(ends, starts[1:], strict=False))
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(("length", "tile", "overlap"), [(6, 4, 0), (8, 6, 0), (8, 4, 4), (8, 4, -1), (0, 4, 0)])
def test_impossible_tiles(length: int, tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="tiles"):
        tile_starts(length, tile, overlap)


def test_a_ramp_is_full_inside_and_at_the_pictures_edges_only() -> None:
    first, middle, last = ramp(0, 16, 48, 8), ramp(16, 32, 48, 8), ramp(32, 48, 48, 8)
    assert first[0] == 1
    assert last[-1] == 1
    torch.testing.assert_close(middle[6:10], torch.ones(4))
    torch.testing.assert_close(middle, middle.flip(0))
    assert middle[0] == middle[1] == pytest.approx(1e-6)


def test_convolutions_alone_give_the_same_in_tiles() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 6, 7), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.Upsample(scale_factor=2), nn.Conv2d(8, 2, 3, padding=1),
    ).requires_grad_(False)  # fmt: skip
    x = uneven(92, 148)
    for tile, overlap in ((48, 32), (64, 24), (92, 40)):
        torch.testing.assert_close(in_tiles(network, x, tile=tile, overlap=overlap), network(x), rtol=1e-4, atol=1e-5)


def test_statistics_of_the_whole_picture_give_what_instance_norm_gives() -> None:
    network, x = generator(), uneven(64, 96)
    with torch.inference_mode():
        plain = network(x)
        with shared_statistics(network, x):
            torch.testing.assert_close(network(x), plain, rtol=1e-4, atol=1e-5)
            # Whatever it is given now, it is normalised alike: a part is what it is in the whole, away from its edges.
            part = network(x[:, :, :, :64])
        torch.testing.assert_close(part[:, :, :, :24], plain[:, :, :, :24], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(network(x), plain, rtol=0, atol=0)


def test_the_norms_are_given_back_after_an_error() -> None:
    network, x = generator(), uneven(32, 32)
    before = network(x)
    with pytest.raises(KeyError), shared_statistics(network, x):
        raise KeyError
    torch.testing.assert_close(network(x), before, rtol=0, atol=0)


@pytest.mark.parametrize("norm_ends", [True, False])
def test_shared_statistics_are_near_the_whole_and_own_ones_are_not(norm_ends: bool) -> None:
    network, x = generator(norm_ends=norm_ends), uneven(96, 256)
    with torch.inference_mode():
        whole = network(x)
    shared = in_tiles(network, x, tile=96, overlap=48)
    own = in_tiles(network, x, tile=96, overlap=48, shared=False)
    near, far = float((shared - whole).abs().mean()), float((own - whole).abs().mean())
    assert near < 0.1 * float(whole.std())
    assert near < 0.4 * far


def test_no_seam_is_seen() -> None:
    """What differs from the whole picture changes slowly with shared statistics; with own ones it jumps from tile to tile."""
    network, x = generator(), uneven(96, 384)
    with torch.inference_mode():
        whole = network(x)
    starts = tile_starts(384, 96, 48)
    middles = [(a + 96 + b) // 2 for a, b in pairwise(starts)]

    def jumps(made: Tensor) -> list[float]:
        """Of the mean level of the difference, from one side of each seam to the other."""
        level = (made - whole).mean((0, 2))  # (3, W)
        return [
            float((level[:, m + 12 : m + 24].mean(1) - level[:, m - 24 : m - 12].mean(1)).abs().max()) for m in middles
        ]

    shared = jumps(in_tiles(network, x, tile=96, overlap=48))
    own = jumps(in_tiles(network, x, tile=96, overlap=48, shared=False))
    assert max(shared) < 0.35 * max(own)
    assert max(shared) < 0.02


def test_the_network_never_sees_more_than_so_many_pixels() -> None:
    network, seen = generator(), []
    network.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    told: list[tuple[int, int]] = []
    x = torch.zeros(1, 3, 1024, 1600)
    made = in_tiles(network, x, tile=256, overlap=32, on_tile=lambda done, of: told.append((done, of)))
    assert made.shape == x.shape
    assert max(n * h * w for n, _, h, w in seen) <= SAMPLE_PIXELS
    count = len(tile_boxes(1024, 1600, 256, 32))
    assert told == [(i + 1, count) for i in range(count)]


def test_one_tile_is_the_whole() -> None:
    network, x = generator(), uneven(40, 56)
    torch.testing.assert_close(in_tiles(network, x, tile=64, overlap=16), network(x), rtol=1e-4, atol=1e-5)


def test_what_is_told_can_stop_it() -> None:
    network = generator()

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        in_tiles(network, uneven(64, 256), tile=64, overlap=16, on_tile=stop)
    assert all("forward" not in module.__dict__ for module in network.modules())
