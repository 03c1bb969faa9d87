"""The theoretical receptive field of every layer, from the operations a forward pass makes.

The list of modules does not tell how they are joined, so the field is not derived from it. The operations of one forward
pass are watched instead, and every tensor on the way gets, for each of its rows and columns, the first and the last input
pixel it depends on. An operation maps these intervals exactly: what a window covers, less the padding, which depends on
nothing; where branches meet, the union. So residual branches, dilation, ceil mode, cropping and global pooling need no
special case, and the boxes at the borders are exact. Gradients would not do: weights and activations that happen to be 0 hide
pixels. Araujo, Norris, Sim (Distill 2019) give the closed form for chains; tests hold this equal to it and to brute force.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from cvcore.receptive_field.rules import Lost, Spans, spans_after
from cvcore.receptive_field.span import Span
from cvcore.record import submodule, tensors

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The theoretical receptive fields of one layer's positions, in input pixels.

    Coordinates are continuous: the pixel in row i and column j covers [j, j + 1) x [i, i + 1). A layer without a map, such as a
    classifier, has one position, and its box is that of all its units.

    Args:
        y, x: along the rows and columns of the layer's map.
    """

    y: Span
    x: Span

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height before a border cuts them; None where positions differ (upsampling) or each sees everything."""
        return None if self.x.size is None or self.y.size is None else (int(self.x.size), int(self.y.size))

    @property
    def stride(self) -> tuple[float, float] | None:
        """Input pixels from one position to the next, along x and y; None as for :attr:`size`."""
        return None if self.x.step is None or self.y.step is None else (float(self.x.step), float(self.y.step))

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """x, y of the middle of the field before a border cuts it. Where :attr:`size` is None: of the place that the position keeps,
        as behind a gate that sees everything; where that is not known either, of the box."""
        return self.x.centre(column), self.y.centre(row)

    def box(self, row: int, column: int) -> Box:
        """x0, y0, x1, y1 of the smallest box around all pixels the unit depends on; all 0 if it depends on none.

        Raises:
            IndexError: the layer has no such position.
        """
        if not (0 <= row < self.y.count and 0 <= column < self.x.count):
            raise IndexError(f"the layer has {self.y.count} x {self.x.count} positions, not ({row}, {column})")
        x0, x1 = int(self.x.low[column]), int(self.x.high[column]) + 1
        y0, y1 = int(self.y.low[row]), int(self.y.high[row]) + 1
        return (float(x0), float(y0), float(x1), float(y1)) if x0 < x1 and y0 < y1 else (0.0, 0.0, 0.0, 0.0)


def receptive_fields(model: nn.Module, x: Tensor) -> dict[str, ReceptiveField | str]:
    """The theoretical receptive field of every layer that gives a tensor, by name.

    A layer whose field is not known gets the name of the operation that could not be followed. A layer that runs several times
    has the field of its last call. A batch norm in training mode sees everything, as it does.

    Args:
        x: (N, C, H, W), an input; the network is run on it once. The fields depend on its size, not on its values.
    """
    found: dict[str, ReceptiveField | str] = {}
    x = x.clone()  # a network may work in place
    watch = _Watch(x)

    def note(name: str, output: object) -> None:
        first = next(iter(tensors(output)), None)
        spans = watch.of(first) if first is not None else None
        if isinstance(spans, Lost):
            found[name] = spans.operation
        elif spans is not None:
            found[name] = ReceptiveField(*spans)

    handles = [
        module.register_forward_hook(lambda module, args, output, name=name: note(name, output))
        for name, module in model.named_modules()
    ]
    try:
        # Inference mode would hand over whole composite operations.
        with torch.inference_mode(False), torch.no_grad(), watch:
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def receptive_field(model: nn.Module, name: str, x: Tensor) -> ReceptiveField:
    """The theoretical receptive field of one layer: see :func:`receptive_fields`.

    Raises:
        ValueError: there is no such layer, it gives no tensor, or its field is not known.
    """
    submodule(model, name)
    found = receptive_fields(model, x).get(name)
    if found is None:
        raise ValueError(f"the layer {name!r} gives no tensor that depends on the input")
    if isinstance(found, str):
        raise ValueError(f"the receptive field of {name!r} cannot be followed through {found}")
    return found


class _Watch(TorchDispatchMode):
    """Keeps what each tensor depends on, for as long as it lives."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self._spans = WeakTensorKeyDictionary()
        self._spans[x] = (Span.of_input(x.shape[2]), Span.of_input(x.shape[3]))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch; True would import its compiler, which takes more than a second and is of no use here."""
        return False

    def of(self, tensor: Tensor) -> Spans | Lost | None:
        return cast(Spans | Lost | None, self._spans.get(tensor))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        sources = [(t, spans) for t in _flat(args) if (spans := self.of(t)) is not None]
        result = func(*args, **(kwargs or {}))
        name = func.name().partition("::")[2].partition(".")[0]
        for made in _flat(result) if sources else ():
            spans = spans_after(name, args, sources, made, pointwise=torch.Tag.pointwise in func.tags)
            if func._schema.is_mutable and made._base is not None and spans is not self.of(made):
                self._spans[made._base] = Lost(f"{name} into a part of a tensor")
            self._spans[made] = spans
        return result


def _flat(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _flat(value)
