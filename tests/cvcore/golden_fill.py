"""The rule by which the reference numbers of whole networks were made, so that no weight file is needed."""

import zlib
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def fill(model: Network) -> Network:
    """Fills every tensor of the state_dict with numbers that follow from its name and shape alone; in eval mode."""
    with torch.no_grad():
        for key, t in model.state_dict().items():
            if not t.is_floating_point():
                t.zero_()
                continue
            r = torch.randn(t.shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
            if key.endswith("running_var"):
                v = r.abs() * 0.5 + 0.75
            elif key.endswith("running_mean"):
                v = 0.1 * r
            elif t.dim() > 1:
                v = r * (2 / (t.numel() / t.shape[0])) ** 0.5
            elif key.endswith("weight"):
                v = 1 + 0.1 * r
            else:
                v = 0.1 * r
            t.copy_(v)
    return model.eval()
