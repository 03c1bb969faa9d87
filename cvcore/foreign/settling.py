"""What a network needs once it is built: eval mode in its own way, shapes for lazy layers, no gradients for its parameters."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvcore.foreign.errors import ModelError, error_in, short


def evaluated(network: nn.Module, places: Sequence[Path] = ()) -> nn.Module:
    """The network in eval mode, as its own ``eval()`` and ``train(False)`` make it.

    Networks fuse branches there, or work out tables. torch calls ``eval()`` of the whole network only, which passes ``train(False)`` on;
    a part that does its work in an ``eval()`` of its own gets that called too, unless what holds it has one.

    Args:
        places: the user's own files and folders, where an error is looked for.

    Raises:
        ModelError: it fails there.
    """
    try:
        network.eval()
        for part in _with_eval(network):
            part.eval()
    except NotImplementedError:  # networks from torch.export have none
        pass
    except Exception as error:
        raise error_in(error, places) or ModelError("The network fails in eval(): {what}", what=short(error)) from error
    for module in network.modules():
        module.training = False
    return network


def _with_eval(network: nn.Module) -> list[nn.Module]:
    """Parts with an ``eval()`` of their own below those that have none."""
    found: dict[nn.Module, None] = {}
    left = [network]
    while left:
        module = left.pop(0)
        if type(module).eval is not nn.Module.eval:
            if module is not network:
                found[module] = None
        else:
            left += module.children()
    return list(found)


def is_settled(network: nn.Module) -> bool:
    """Whether all layers know their shapes; lazy ones learn them from the first pass."""
    return not any(is_lazy(tensor) for tensors in (network.parameters(), network.buffers()) for tensor in tensors)


def settle(network: nn.Module, x: Tensor) -> None:
    """One pass if lazy layers need it.

    Args:
        x: an input of the size that the network is made for.

    Raises:
        Exception: whatever the pass raises.
    """
    if not is_settled(network):
        # Under inference mode the new parameters could never be used outside it.
        with torch.inference_mode(False), torch.no_grad():
            network(x.clone())
        freeze(network)


def freeze(network: nn.Module) -> None:
    """No parameter wants a gradient."""
    for parameter in network.parameters():
        if not is_lazy(parameter):
            parameter.requires_grad_(False)


def in_precision(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network computing in another floating-point type; float32 leaves it as it was made, which may be half or double.

    Complex numbers stay: torch would drop their imaginary parts.

    Raises:
        ModelError: its ``eval()``, which may have worked out tables in the other type, fails.
    """
    if dtype == torch.float32:
        return network
    network._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
    return evaluated(network)
