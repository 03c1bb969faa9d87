"""Whether a call is to be written into a graph: torch.compile, torch.export, fake tensors, traces.

The operators are registered with ``torch.library`` under ``torch.ops.cvcore``, so that these see one node with known shapes where
they could not look into compiled loops. A registered call costs some twenty microseconds of Python, a quarter of a small NMS:
numbers alone take the short way.
"""

import torch
from torch import Tensor
from torch.nn import Parameter

PLAIN = (Tensor, Parameter)


def captured(*values: Tensor | None) -> bool:
    """Whether the registered operator is to be called: something looks on, or one of the tensors is not a plain one."""
    if torch.compiler.is_compiling():
        return True
    # a dispatch mode (make_fx, fake tensors, counters), or torch.jit.trace
    if torch._C._len_torch_dispatch_stack() > 0 or torch._C._is_tracing():
        return True
    return any(value is not None and (type(value) not in PLAIN or value.is_meta) for value in values)
