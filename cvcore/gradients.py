"""Gradients through networks that were not made for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class NoGradientError(ValueError):
    """The network runs, but torch cannot differentiate what it does: it works in place where that is not allowed, on quantised
    numbers, or recomputes in a way that has no place for it."""


@contextmanager
def differentiating(name: str) -> Iterator[None]:
    """Gradients are made in the block, whatever holds outside.

    Args:
        name: of the layer in question, for the sentence.

    Raises:
        NoGradientError: for whatever torch or the network raises there. A :class:`ValueError`, which may say what is wrong with the
            question, and a lack of memory stay what they are.
    """
    with torch.inference_mode(False), torch.enable_grad():
        try:
            yield
        except (ValueError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if "allocate memory" in str(error):
                raise
            raise NoGradientError(f"no gradient can be had at the layer {name!r}: {error}") from error
