"""How each operation of torch maps what its sources depend on to what its result depends on.

A tensor's last two dimensions are its rows and columns; one with two dimensions (N, features) has no map and one span for all.
Operations go by their name in torch's operator library (``aten``). One that has no rule here is said to be lost, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from torch import Tensor

from cvcore.receptive_field.span import Span

Spans = tuple[Span, Span]
"""Along rows and along columns."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What a tensor depends on is not known since this operation."""

    operation: str


SAME = {"clone", "detach", "alias", "_to_copy", "native_dropout"}
SAME |= {"_native_batch_norm_legit_no_training", "_batch_norm_no_update"}
BATCH_NORMS = {"native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm", "miopen_batch_norm"}
MIXERS = {"mm", "addmm", "native_group_norm", "_batch_norm_with_update"}
REDUCTIONS = {"mean", "sum", "amax", "amin", "var", "std", "var_mean", "max", "min"}
RESHAPES = {"view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze", "expand"}


def spans_after(
    name: str, args: Sequence[Any], sources: Sequence[tuple[Tensor, Spans | Lost]], made: Tensor, *, pointwise: bool
) -> Spans | Lost:
    """What ``made`` depends on, a result of the operation ``name`` on ``args``.

    Args:
        sources: the arguments that depend on the input; at least one.
        pointwise: each element of the result depends on one element of each argument.
    """
    known: list[Spans] = []
    for _, spans in sources:
        if isinstance(spans, Lost):
            return spans
        known.append(spans)
    source, spans = sources[0][0], known[0]
    if source.ndim < 3 or name in MIXERS:
        return _everything(known, made)
    if name in BATCH_NORMS:
        training = next(a for a in args if isinstance(a, bool))  # the first flag of each of them
        return _everything(known, made) if training else spans
    if name in SAME:
        return spans
    if pointwise or name in ("cat", "stack", "copy_"):
        if name in ("cat", "stack") and _is_spatial(args[1] if len(args) > 1 else 0, made):
            return Lost(name)
        return reduce(lambda a, b: (a[0].joined(b[0]), a[1].joined(b[1])), known)
    if name in REDUCTIONS:
        return _reduced(args, source, spans, made, name)
    if name in RESHAPES:
        return _reshaped(name, source, spans, made)
    if name == "native_layer_norm":
        over = len(args[1])
        return spans[0].whole(spans[0].count) if over > 1 else spans[0], spans[1].whole(spans[1].count)
    if name in ("_softmax", "_log_softmax"):
        return _everything(known, made) if _is_spatial(args[1], made) else spans
    if name in ("transpose", "permute", "select", "split", "split_with_sizes", "unbind"):
        return Lost(name) if _moves_the_map(name, args, source) else spans
    if made.ndim < 3:
        return Lost(name)
    along = [
        _along(name, args, span, made.shape[axis], axis, source) for axis, span in zip((-2, -1), spans, strict=True)
    ]
    return Lost(name) if along[0] is None or along[1] is None else (along[0], along[1])


def _along(name: str, args: Sequence[Any], span: Span, count: int, axis: int, source: Tensor) -> Span | None:
    """The rules that treat rows (axis -2) and columns (-1) alike and apart; None where there is none."""
    if name == "convolution" and len(args[3]) == 2:
        window = _window(args[1].shape[axis], args[3][axis], args[4][axis], args[5][axis])
        return span.transposed(count, **window) if args[6] else span.windows(count, **window)
    if name in ("max_pool2d_with_indices", "avg_pool2d"):
        kernel = _pair(args[1], axis)
        stride = _pair(args[2], axis) if len(args) > 2 and args[2] else kernel
        dilation = _pair(args[4], axis) if len(args) > 4 and name != "avg_pool2d" else 1
        return span.windows(count, **_window(kernel, stride, _pair(args[3], axis) if len(args) > 3 else 0, dilation))
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        first, last = np.arange(count) * span.count // count, -(-np.arange(1, count + 1) * span.count // count) - 1
        taps = first[:, None] + np.arange((last - first).max(initial=0) + 1)
        return span.gather(np.where(taps <= last[:, None], taps, -1))
    if name == "upsample_nearest2d" and count % span.count == 0:
        return span.gather((np.arange(count) * span.count // count)[:, None])
    if name == "upsample_bilinear2d" and (args[2] or count % span.count == 0):
        return span.gather(_linear_taps(span.count, count, align_corners=args[2]))
    if name == "pixel_shuffle":
        return span.gather(np.arange(count)[:, None] // args[1])
    if name in ("constant_pad_nd", "reflection_pad2d", "replication_pad2d") and (name[0] != "c" or len(args[1]) <= 4):
        before = args[1][0 if axis == -1 else 2] if len(args[1]) > (0 if axis == -1 else 2) else 0
        return _padded(name, span, np.arange(count) - before, before)
    if name == "slice":
        if args[1] % source.ndim - source.ndim != axis:
            return span
        start = args[2] or 0 if len(args) > 2 else 0
        start = min(max(start + span.count if start < 0 else start, 0), span.count)
        return span.windows(count, **_window(1, args[4] if len(args) > 4 else 1, -start, 1))
    return None


def _window(kernel: int, stride: int, padding: int, dilation: int) -> dict[str, int]:
    return {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def _pair(value: Any, axis: int) -> int:
    return int(value[axis % len(value)]) if isinstance(value, list | tuple) else int(value)


def _linear_taps(source: int, count: int, *, align_corners: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The one or two positions that each output of a linear interpolation is weighed from."""
    place = np.arange(count)
    # Exact integers: position = top / bottom.
    top, bottom = (
        (place * (source - 1), max(count - 1, 1)) if align_corners else ((2 * place + 1) * source - count, 2 * count)
    )
    top = np.clip(top, 0, (source - 1) * bottom)
    first = top // bottom
    return np.stack([first, np.where(top % bottom, first + 1, first)], 1)


def _padded(name: str, span: Span, taps: np.ndarray[Any, np.dtype[np.int64]], before: int) -> Span:
    if name == "constant_pad_nd":
        return span.windows(len(taps), **_window(1, 1, before, 1))
    last = span.count - 1
    inside = np.clip(taps, 0, last) if name == "replication_pad2d" else last - np.abs(last - np.abs(taps))
    moved = span.windows(len(taps), **_window(1, 1, before, 1))
    return replace(span.gather(inside[:, None]), place=moved.place)


def _everything(known: Sequence[Spans], made: Tensor) -> Spans:
    """Each element depends on everything that any source depends on."""
    height, width = made.shape[-2:] if made.ndim > 2 else (1, 1)
    rows, columns = (
        reduce(Span.joined, (spans[axis].whole(count if spans[axis].count == count else 1) for spans in known))
        for axis, count in enumerate((height, width))
    )
    return rows.whole(height), columns.whole(width)


def _reduced(args: Sequence[Any], source: Tensor, spans: Spans, made: Tensor, name: str) -> Spans | Lost:
    dims = args[1] if len(args) > 1 and args[1] not in (None, []) else list(range(source.ndim))
    over = {d % source.ndim - source.ndim for d in (dims if isinstance(dims, list | tuple) else [dims])}
    if over >= {-1, -2}:
        return _everything([spans], made)
    if not over & {-1, -2}:
        return spans
    if made.ndim != source.ndim:
        return Lost(name)
    return spans[0].whole() if -2 in over else spans[0], spans[1].whole() if -1 in over else spans[1]


def _reshaped(name: str, source: Tensor, spans: Spans, made: Tensor) -> Spans | Lost:
    before, after = tuple(source.shape[-2:]), tuple(made.shape[-2:])
    if made.ndim >= 3 and before == after:
        return spans
    if made.ndim <= 2 or all((span.low == span.low[:1]).all() and (span.high == span.high[:1]).all() for span in spans):
        return _everything([spans], made)  # all elements depend on the same
    return Lost(name)


def _is_spatial(dim: int, tensor: Tensor) -> bool:
    return dim % tensor.ndim >= tensor.ndim - 2


def _moves_the_map(name: str, args: Sequence[Any], source: Tensor) -> bool:
    if name == "permute":
        return [d % source.ndim for d in args[1][-2:]] != [source.ndim - 2, source.ndim - 1]
    if name == "transpose":
        return any(_is_spatial(d, source) for d in args[1:3])
    place = 2 if name.startswith("split") else 1
    return _is_spatial(args[place] if len(args) > place else 0, source)
