"""Kernel distance between two sets of pictures, after Bińkowski et al., "Demystifying MMD GANs", ICLR 2018,
https://arxiv.org/abs/1801.01401 , section 4, on features of the built-in MobileNetV2 (ImageNet) in place of Inception's: the
numbers compare with each other and not with those of papers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvcore import zoo
from cvcore.models.mobilenet import MobileNetV2

SIDE = 224


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy under the kernel (x . y / d + 1)^3 (equations 3 and 4).

    Near 0, and as often below as above, for two sets from one distribution, however small they are.

    Args:
        x: (N, d), N at least 2.
        y: (M, d), M at least 2.

    Raises:
        ValueError: shapes are wrong.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"features are (N, d) and (M, d) with N and M at least 2, not {tuple(x.shape)}, {tuple(y.shape)}"
        )
    x, y = x.double(), y.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:  # a picture is not compared with itself
        k = kernel(a, a)
        return (k.sum() - k.trace()) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def backbone() -> MobileNetV2:
    """The built-in MobileNetV2."""
    network = zoo.load("mobilenet_v2")
    assert isinstance(network, MobileNetV2)
    return network


@torch.inference_mode()
def features(network: MobileNetV2, pictures: Tensor) -> Tensor:
    """(N, 1280): pooled features of pictures (N, 3, H, W) from -1 to 1, resized to 224 x 224."""
    made = zoo.card("mobilenet_v2").preprocessing
    mean, std = torch.tensor(made.mean).view(1, 3, 1, 1), torch.tensor(made.std).view(1, 3, 1, 1)
    rows = []
    for chunk in pictures.split(16):
        x = F.interpolate((chunk + 1) / 2, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
        rows.append(nn.functional.adaptive_avg_pool2d(network.features((x - mean) / std), 1).flatten(1))
    return torch.cat(rows)
