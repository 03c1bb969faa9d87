"""How much two layers' activations differ, cell by cell and as wholes."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvcore.numbers import real


@dataclass(frozen=True, slots=True)
class Difference:
    """Of activations a and b of one shape.

    Args:
        largest, mean: of |a − b|.
        relative: ‖a − b‖ / ‖a‖; 0 where both are zero, infinite where only a is.
        cosine: a · b / (‖a‖ ‖b‖), from −1 to 1; 1 where both are zero, 0 where one is.
    """

    largest: float
    mean: float
    relative: float
    cosine: float


def difference(a: Tensor, b: Tensor) -> Difference:
    """Compares two tensors of one shape in single precision.

    Raises:
        ValueError: the shapes differ, or there is nothing in them.
    """
    if a.shape != b.shape or not a.numel():
        raise ValueError(f"tensors of shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be compared cell by cell")
    a, b = real(a.detach()).reshape(-1), real(b.detach()).reshape(-1)
    apart = (a - b).abs_()
    norm_a, norm_b = torch.linalg.vector_norm(a), torch.linalg.vector_norm(b)
    numbers = torch.stack([apart.max(), apart.mean(), torch.linalg.vector_norm(apart), norm_a, norm_b, a @ b])
    largest, mean, distance, first, second, product = numbers.double().tolist()
    relative = distance / first if first else (0.0 if not distance else float("inf"))
    if not first or not second:
        return Difference(largest, mean, relative, 1.0 if first == second else 0.0)
    return Difference(largest, mean, relative, max(-1.0, min(1.0, product / (first * second))))


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment: ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of columns without their means (Frobenius norms), 0 to 1.

    Kornblith, Norouzi, Lee, Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019, equations 3 and 4,
    https://arxiv.org/abs/1905.00414. It does not change when channels are rotated or scaled all together. With fewer samples
    than channels it is large for any two representations.

    Args:
        x: (n, p) n samples of p channels.
        y: (n, q) the same samples in the other representation.

    Returns:
        NaN where one of them is the same for all samples.

    Raises:
        ValueError: not the same number of samples, or fewer than 2.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
        raise ValueError(f"linear CKA takes (n, p) and (n, q), not {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = real(x.detach()), real(y.detach())
    x, y = x - x.mean(0), y - y.mean(0)
    # Scaled first: squares of squares leave single precision soon.
    size_x, size_y = torch.linalg.matrix_norm(x), torch.linalg.matrix_norm(y)
    if not size_x > 0 or not size_y > 0:
        return float("nan")
    x, y = x / size_x, y / size_y
    if len(x) < min(x.shape[1], y.shape[1]):  # the same by the samples' Gram matrices, which are smaller
        first, second = x @ x.T, y @ y.T
        across = (first * second).sum()
        own = torch.linalg.matrix_norm(first) * torch.linalg.matrix_norm(second)
    else:
        across = torch.linalg.matrix_norm(y.T @ x) ** 2
        own = torch.linalg.matrix_norm(x.T @ x) * torch.linalg.matrix_norm(y.T @ y)
    return min(1.0, float(across / own))


def map_cka(a: Tensor, b: Tensor, *, cells: int = 28) -> float:
    """:func:`linear_cka` of two maps of one picture: each cell is a sample of all channels.

    Args:
        a, b: (1, C, h, w) of any sizes; both are averaged down to the smaller height and width, at most ``cells``.

    Raises:
        ValueError: not such maps, or a single cell.
    """
    if a.ndim != 4 or b.ndim != 4 or len(a) != 1 or len(b) != 1:
        raise ValueError(f"maps are (1, C, h, w), not {tuple(a.shape)} and {tuple(b.shape)}")
    height, width = (min(a.shape[i], b.shape[i], cells) for i in (2, 3))
    x, y = (F.adaptive_avg_pool2d(real(t.detach()), (height, width))[0].flatten(1).T for t in (a, b))
    return linear_cka(x, y)
