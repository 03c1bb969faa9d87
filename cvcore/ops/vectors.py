"""Sixteen numbers at once in compiled loops: a value that numba keeps in registers, where LLVM would not find it by itself.

A loop over 16 channels is taken apart into single numbers when its length is known, and does not fill a register's unrolled
remainder when it is not. So the loops that decide the speed of the operators say what they mean: load, multiply, add, store
16 numbers, and turn 16 x 16 of them. LLVM cuts these to what the processor has (AVX-512, AVX2, NEON).

Nothing here checks bounds. Arrays are contiguous; positions count their numbers from the first.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

LANES = 16
"""Numbers in a vector: one cache line of float32."""


class Vector(types.Type):
    """Numba's type of 16 floating-point numbers."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype}, {LANES})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, LANES))


def pointer(context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    """The address of 16 numbers of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    start = builder.gep(data, [position])
    element = context.get_value_type(array_type.dtype)
    return builder.bitcast(start, ir.VectorType(element, LANES).as_pointer())


def _bytes(array_type: Any) -> int:
    return int(array_type.dtype.bitwidth) // 8


def spread(builder: Any, value: Any) -> Any:
    """16 times the same number."""
    kind = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def multiplied(builder: Any, a: Any, b: Any) -> Any:
    """a * b, which a sum may take in without rounding."""
    return builder.fmul(a, b, flags=("contract",))


def added(builder: Any, a: Any, b: Any) -> Any:
    """a + b, in one step with a product where the processor can."""
    return builder.fadd(a, b, flags=("contract",))


@intrinsic
def load(_: Any, array: Any, position: Any) -> Any:
    """16 numbers of an array from a position on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments)
        loaded = builder.load(place)
        loaded.align = _bytes(signature.args[0])
        return loaded

    return Vector(array.dtype)(array, types.intp), generate


@intrinsic
def store(_: Any, array: Any, position: Any, vector: Any) -> Any:
    """Write 16 numbers into an array from a position on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=_bytes(signature.args[0]))
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def zeros_like(_: Any, array: Any) -> Any:
    """16 zeros of an array's kind."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), [0.0] * LANES)

    return Vector(array.dtype)(array), generate


@intrinsic
def multiplied_in(_: Any, total: Any, number: Any, vector: Any) -> Any:
    """total + number * vector, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, number, vector = arguments
        return added(builder, total, multiplied(builder, spread(builder, number), vector))

    return vector(vector, vector.dtype, vector), generate


@intrinsic
def times_in(_: Any, total: Any, a: Any, b: Any) -> Any:
    """total + a * b, number by number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, a, b = arguments
        return added(builder, total, multiplied(builder, a, b))

    return total(total, total, total), generate


@intrinsic
def plus(_: Any, a: Any, b: Any) -> Any:
    """a + b, number by number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return added(builder, *arguments)

    return a(a, a), generate


@intrinsic
def summed(_: Any, vector: Any) -> Any:
    """The sum of the 16 numbers: of halves, quarters, ..."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (total,) = arguments
        nothing = ir.Constant(total.type, ir.Undefined)
        half = LANES // 2
        while half:
            other = builder.shuffle_vector(total, nothing, _mask(*(lane ^ half for lane in range(LANES))))
            total = builder.fadd(total, other)
            half //= 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return vector.dtype(vector), generate


def _mask(*numbers: int) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(numbers))


def _pairs(builder: Any, rows: list[Any], apart: int, low: Any, high: Any) -> list[Any]:
    """Rows i and i + apart become what ``low`` and ``high`` take from the two."""
    out = list(rows)
    for i in range(LANES):
        if not i & apart:
            out[i] = builder.shuffle_vector(rows[i], rows[i + apart], low)
            out[i + apart] = builder.shuffle_vector(rows[i], rows[i + apart], high)
    return out


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of 16 rows, in steps that every processor has: numbers and pairs within quarters, then quarters."""
    quarters = range(0, LANES, 4)
    rows = _pairs(
        builder,
        rows,
        1,
        _mask(*(q + n for q in quarters for n in (0, 16, 1, 17))),
        _mask(*(q + n for q in quarters for n in (2, 18, 3, 19))),
    )
    rows = _pairs(
        builder,
        rows,
        2,
        _mask(*(q + n for q in quarters for n in (0, 1, 16, 17))),
        _mask(*(q + n for q in quarters for n in (2, 3, 18, 19))),
    )
    # row 4 k + j: in quarter q what belongs into quarter k of column 4 q + (j with its two bits changed round)
    even = _mask(*(n + q for q in (0, 8, 16, 24) for n in range(4)))
    odd = _mask(*(n + q for q in (4, 12, 20, 28) for n in range(4)))
    columns = list(rows)
    for j, place in enumerate((0, 2, 1, 3)):
        w = [rows[4 * k + j] for k in range(4)]
        for half, mask in enumerate((even, odd)):
            first, second = builder.shuffle_vector(w[0], w[1], mask), builder.shuffle_vector(w[2], w[3], mask)
            columns[4 * half + place] = builder.shuffle_vector(first, second, even)
            columns[4 * (half + 2) + place] = builder.shuffle_vector(first, second, odd)
    return columns


@intrinsic
def turn(_: Any, source: Any, start: Any, stride: Any, target: Any, place: Any, step: Any) -> Any:
    """Copy 16 rows of 16 numbers, ``stride`` apart, as 16 columns: number j of row i to place + j step + i.

    Returns:
        16 zeros; or NaN among them if one of the numbers was NaN or infinite.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, stride, target, place, step = arguments
        source_type, target_type = signature.args[0], signature.args[3]
        rows = []
        zero = ir.Constant(context.get_value_type(signature.return_type), [0.0] * LANES)
        total = zero
        for i in range(LANES):
            position = builder.add(start, builder.mul(stride, ir.Constant(stride.type, i)))
            row = builder.load(pointer(context, builder, source_type, source, position))
            row.align = _bytes(source_type)
            rows.append(row)
            total = added(builder, total, multiplied(builder, row, zero))
        for j, column in enumerate(_turned(builder, rows)):
            position = builder.add(place, builder.mul(step, ir.Constant(step.type, j)))
            builder.store(column, pointer(context, builder, target_type, target, position), align=_bytes(target_type))
        return total

    return Vector(source.dtype)(source, types.intp, types.intp, target, types.intp, types.intp), generate
