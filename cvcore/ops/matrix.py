"""Matrix products in compiled loops, in the thread that calls them.

PyTorch's own wakes a second thread for a few thousand numbers, which then turns in the way of our threads, or waits for a processor that
somebody else has, for 20 ms at times. Here six rows by 16 columns of the product stay in registers while the products are added up.
"""

from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from cvcore.ops.compiling import forget_stale
from cvcore.ops.vectors import LANES, Vector, added, load, multiplied, plus, pointer, spread, store

forget_stale(Path(__file__).parent)

ROWS = 6
"""Rows at a time: with 12 registers of 8 numbers (AVX2) there is no more room."""

Floats = NDArray[np.floating[Any]]


def _sums(rows: int) -> tuple[Any, Any]:
    """Compiled functions for that many rows: zeros for their sums, and one product more for each."""

    @intrinsic
    def zeros(_: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            zero = ir.Constant(context.get_value_type(signature.return_type.dtype), [0.0] * LANES)
            return context.make_tuple(builder, signature.return_type, [zero] * rows)

        return types.UniTuple(Vector(array.dtype), rows)(array), generate

    @intrinsic
    def one_more(_: Any, sums: Any, a: Any, at: Any, row: Any, b: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sums, a, at, row, b, place = arguments
            numbers = context.make_array(signature.args[1])(context, builder, a).data
            vector = builder.load(pointer(context, builder, signature.args[4], b, place))
            vector.align = int(signature.args[4].dtype.bitwidth) // 8
            total = []
            for r, old in enumerate(cgutils.unpack_tuple(builder, sums)):
                position = builder.add(at, builder.mul(row, ir.Constant(row.type, r)))
                number = spread(builder, builder.load(builder.gep(numbers, [position])))
                total.append(added(builder, old, multiplied(builder, number, vector)))
            return context.make_tuple(builder, signature.return_type, total)

        return sums(sums, a, types.intp, types.intp, b, types.intp), generate

    return zeros, one_more


_six_zeros, _six_more = _sums(ROWS)
_one_zero, _one_more = _sums(1)


@njit(cache=True, nogil=True)
def multiply(
    a: Floats,
    a_start: int,
    a_row: int,
    a_step: int,
    b: Floats,
    b_start: int,
    b_step: int,
    steps: int,
    out: Floats,
    out_start: int,
    out_row: int,
    rows: int,
) -> None:
    """out[r, :16] += sum over k of a[r, k] b[k, :16], for ``rows`` and ``steps``, on flat arrays.

    Args:
        a_start, a_row, a_step: where a[0, 0] is, and how far a[r + 1, k] and a[r, k + 1] are from a[r, k]; others alike.
    """
    r = 0
    while r + ROWS <= rows:
        at = a_start + r * a_row
        six = _six_zeros(b)
        for k in range(steps):
            six = _six_more(six, a, at + k * a_step, a_row, b, b_start + k * b_step)
        for i in range(ROWS):
            place = out_start + (r + i) * out_row
            store(out, place, plus(load(out, place), six[i]))
        r += ROWS
    while r < rows:
        at = a_start + r * a_row
        one = _one_zero(b)
        for k in range(steps):
            one = _one_more(one, a, at + k * a_step, a_row, b, b_start + k * b_step)
        place = out_start + r * out_row
        store(out, place, plus(load(out, place), one[0]))
        r += 1
