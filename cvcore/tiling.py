"""A picture of any size through a fully convolutional network in overlapping tiles, in bounded memory.

What a tile gets wrong near its edges, where it does not see its neighbours, is left out, and the rest is blended. Instance norm
(Ulyanov, Vedaldi, Lempitsky 2016, https://arxiv.org/abs/1607.08022 ) is another matter: its mean and variance are those of the whole
picture, and tiles that have their own differ in colour and contrast. :func:`shared_statistics` gives all tiles the same ones.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ALIGN = 4
"""Tiles begin and end at multiples of it, so that a network that halves twice cuts them as it cuts the whole."""
SAMPLE_PIXELS = 768 * 768
"""So many pixels of tiles, evenly spread, make the shared statistics; they pass the network together, so they bound the memory."""


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along an axis: the first at 0, the last ends at the end, all overlap by at least ``overlap``.

    Args:
        length: of the axis, a multiple of 4.
        tile: their length, a multiple of 4; an axis that is not longer has one tile.
        overlap: less than ``tile``.

    Raises:
        ValueError: a length is no multiple of 4, or the overlap too large.
    """
    if length % ALIGN or tile % ALIGN or min(length, tile) < ALIGN:
        raise ValueError(f"lengths of pictures and tiles are multiples of {ALIGN}, not {length} and {tile}")
    if not 0 <= overlap < tile:
        raise ValueError(f"tiles of {tile} px cannot overlap by {overlap} px")
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1) / ALIGN) * ALIGN for i in range(count)]


def tile_boxes(height: int, width: int, tile: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom, right of every tile, row by row: see :func:`tile_starts`."""
    return [
        (top, left, min(top + tile, height), min(left + tile, width))
        for top in tile_starts(height, tile, overlap)
        for left in tile_starts(width, tile, overlap)
    ]


def ramp(start: int, end: int, length: int, overlap: int) -> Tensor:
    """The weights of a tile from ``start`` to ``end`` along an axis, (end - start,): 0 in the outer quarter of the overlap, 1 from three
    quarters of it on, a line between; 1 up to the edge where the picture ends there."""
    place = torch.arange(start, end) + 0.5
    weight = torch.ones(end - start)
    for edge, distance in ((start > 0, place - start), (end < length, end - place)):
        if edge:
            weight = torch.minimum(weight, ((distance - overlap / 4) / max(overlap / 2, 1)).clamp(0, 1))
    return weight.clamp_min(1e-6)


@contextmanager
def shared_statistics(network: nn.Module, sample: Tensor) -> Iterator[None]:
    """Inside, every instance norm uses the mean and variance it has over all of ``sample`` together, whatever it is given.

    Args:
        network: its instance norms work out their own statistics, as they do unless they track them.
        sample: (N, C, H, W), parts of one picture; passed through the network once, without gradients.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)]
    known: dict[nn.InstanceNorm2d, tuple[Tensor, Tensor]] = {}

    def normalised(norm: nn.InstanceNorm2d, x: Tensor) -> Tensor:
        if norm not in known:
            var, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
            known[norm] = mean.to(x.dtype), var.to(x.dtype)
        mean, var = known[norm]
        return F.batch_norm(x, mean, var, norm.weight, norm.bias, training=False, eps=norm.eps)

    for norm in norms:
        norm.forward = partial(normalised, norm)  # type: ignore[method-assign]
    try:
        if norms:
            with torch.no_grad():
                network(sample)
        yield
    finally:
        for norm in norms:
            del norm.__dict__["forward"]


def in_tiles(
    network: nn.Module,
    x: Tensor,
    *,
    tile: int = 256,
    overlap: int = 64,
    shared: bool = True,
    on_tile: Callable[[int, int], None] = lambda done, of: None,
) -> Tensor:
    """What a network that keeps its input's size gives for the whole picture, one tile at a time.

    Args:
        network: fully convolutional.
        x: (1, C, H, W), H and W multiples of 4.
        tile, overlap: of the tiles, in px; the overlap is best as large as what the network's outputs depend on around them.
        shared: instance norms have the same statistics in all tiles, from tiles spread over the picture (all of them if it has at most
            590,000 px); otherwise each tile has its own, and the seams show.
        on_tile: told after each tile how many are done, of how many; what it raises ends the work.

    Returns:
        (1, C', H, W), float32, on the device of ``x``.

    Raises:
        ValueError: sizes, as in :func:`tile_starts`.
    """
    height, width = x.shape[2:]
    boxes = tile_boxes(height, width, tile, overlap)
    total: Tensor | None = None
    weights = torch.zeros(height, width, device=x.device)
    with torch.inference_mode(), _statistics(network, x, tile if shared and len(boxes) > 1 else 0):
        for done, (top, left, bottom, right) in enumerate(boxes, 1):
            made = network(x[:, :, top:bottom, left:right]).float()
            if total is None:
                total = torch.zeros(1, made.shape[1], height, width, device=x.device)
            down, across = ramp(top, bottom, height, overlap), ramp(left, right, width, overlap)
            weight = (down[:, None] * across).to(x.device)
            total[:, :, top:bottom, left:right] += made * weight
            weights[top:bottom, left:right] += weight
            on_tile(done, len(boxes))
    assert total is not None
    return total / weights


@contextmanager
def _statistics(network: nn.Module, x: Tensor, tile: int) -> Iterator[None]:
    if not tile:
        yield
        return
    boxes = tile_boxes(x.shape[2], x.shape[3], tile, 0)  # hardly overlapping, so that no part counts twice as much
    count = min(len(boxes), max(1, SAMPLE_PIXELS // tile**2))
    chosen = [boxes[(2 * i + 1) * len(boxes) // (2 * count)] for i in range(count)]
    sample = torch.cat([x[:, :, top:bottom, left:right] for top, left, bottom, right in chosen])
    with shared_statistics(network, sample):
        yield
