"""Any tensor as ordinary numbers, to be looked at and compared."""

import torch
from torch import Tensor


def real(tensor: Tensor) -> Tensor:
    """The tensor in float32, dense: of quantised numbers the values they stand for, of complex ones their magnitude.

    Returns:
        The tensor itself where it is such a one.
    """
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    elif tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return (tensor.abs() if tensor.is_complex() else tensor).float()
