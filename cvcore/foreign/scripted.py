"""Parts of a network that are TorchScript: torch lets no hook onto those, so each is put into a module that takes hooks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Scripted(nn.Module):
    """A layer that runs a TorchScript program. Its parameters and buffers are the program's own."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.__dict__["program"] = program  # a submodule would be listed, and get hooks
        self._share()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["program"](*args, **kwargs)

    def type_name(self) -> str:
        """What :func:`cvcore.record.describe` calls it."""
        return str(getattr(self.__dict__["program"], "original_name", "TorchScript"))

    def train(self, mode: bool = True) -> "Scripted":
        super().train(mode)
        self.__dict__["program"].train(mode)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Scripted":
        self.__dict__["program"]._apply(fn)
        self._share()
        return self

    def _share(self) -> None:
        program = self.__dict__["program"]
        for name, parameter in program.named_parameters():
            self._parameters[name.replace(".", "_")] = parameter
        for name, buffer in program.named_buffers():
            self._buffers[name.replace(".", "_")] = buffer


def with_hooks(network: nn.Module) -> nn.Module:
    """The network with its TorchScript parts in modules of ours; it must not be such a program itself."""
    for module in list(network.modules()):
        if isinstance(module, torch.jit.ScriptModule):
            continue
        for name, child in module._modules.items():
            if isinstance(child, torch.jit.ScriptModule):
                module._modules[name] = Scripted(child)
    return network
