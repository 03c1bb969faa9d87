"""Where the patches that a discriminator judges lie on the picture."""

from collections import OrderedDict

import torch
from torch import nn

from cvcore.receptive_field.theoretical import ReceptiveField, receptive_fields

KEPT = 8
_known: OrderedDict[tuple[object, ...], ReceptiveField] = OrderedDict()


def patch_field(discriminator: nn.Module, height: int, width: int) -> ReceptiveField:
    """The theoretical receptive field of its scores for an input of this size, as far as its convolutions go.

    Norms are left out: an instance norm also lets every score depend a little on the whole picture, through its mean and variance.
    Only kernels, strides and padding count, so one channel in place of hundreds is enough.

    Raises:
        ValueError: the discriminator is no chain of convolutions.
    """
    shapes = tuple(
        (module.kernel_size, module.stride, module.padding)
        for module in discriminator.modules()
        if isinstance(module, nn.Conv2d)
    )
    key = (shapes, height, width)
    if key not in _known:
        chain = nn.Sequential(*(nn.Conv2d(1, 1, kernel, stride, padding) for kernel, stride, padding in shapes))  # type: ignore[arg-type]
        found = receptive_fields(chain, torch.zeros(1, 1, height, width))[str(len(shapes) - 1)]
        if not isinstance(found, ReceptiveField):
            raise ValueError(f"the patches cannot be followed through {found}")
        _known[key] = found
        if len(_known) > KEPT:
            _known.popitem(last=False)
    return _known[key]
