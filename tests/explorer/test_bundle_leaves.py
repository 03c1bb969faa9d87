"""A trace taken apart, written, read and put together again: nothing is lost, and every difference is told."""

import math
from collections import namedtuple
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from explorer.bundle.archive import read_trace, write_trace
from explorer.bundle.leaves import Array, Container, LeftOut, Scalar, compare, take_apart
from explorer.bundle.restore import RestoreError, restore
from explorer.panel import MEASURED


class Colour(Enum):
    RED = 1


Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Inner:
    values: Any
    note: str = ""


@dataclass(frozen=True)
class Outer:
    boxes: Any
    inner: Inner | None
    runs: tuple[Inner, ...] = ()
    table: dict[Any, Any] = field(default_factory=dict)
    network: Any = None
    seconds: float = field(default=0.0, metadata=MEASURED)


dtypes = st.sampled_from(["?", "i1", "<i8", ">i4", "u1", "<u8", "<f2", "<f4", ">f8", "<c8", "<U5", "S3", "<M8[s]"])
arrays = dtypes.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
tensors = st.sampled_from(
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
).flatmap(
    lambda kind: st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda shape: (torch.arange(shape[0] * shape[1]).reshape(shape) / 3).to(kind)
    )
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.sampled_from([float("nan"), -0.0, math.inf, 2**70])
)
keys = st.text(max_size=100) | st.integers() | st.booleans() | st.tuples(st.integers(), st.text(max_size=3))
traces = st.recursive(
    scalars | arrays | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | inner.map(Inner)
    ),
    max_leaves=8,
)


@given(traces)
def test_what_is_written_is_read_bit_for_bit(trace: Any) -> None:
    leaves = take_apart(Outer(trace, None))
    again = read_trace(*write_trace(leaves))
    assert list(again) == list(leaves)
    assert compare(leaves, again) == ()


@given(traces)
def test_a_trace_is_put_together_again(trace: Any) -> None:
    whole = Outer(trace, Inner(1), (Inner(2.5), Inner("x")), {"k": 1})
    made = restore(read_trace(*write_trace(take_apart(whole))), whole)
    assert type(made) is Outer
    assert compare(take_apart(whole), take_apart(made)) == ()


def test_names_are_as_in_python_and_shapes_are_listed() -> None:
    trace = Outer(torch.zeros(2, 4), Inner(np.ones(3)), (Inner(1),), {"nms": 2, ("a", 1): 3})
    leaves = take_apart(trace)
    assert list(leaves) == [
        "", "boxes", "inner", "inner.values", "inner.note", "runs", "runs[0]", "runs[0].values", "runs[0].note",
        "table", "table['nms']", "table[('a', 1)]", "network",
    ]  # fmt: skip
    assert leaves[""] == Container("Outer", 5)
    boxes = leaves["boxes"]
    assert isinstance(boxes, Array)
    assert (boxes.values.shape, boxes.dtype, boxes.tensor) == ((2, 4), "float32", True)


def test_the_arrays_are_an_npz_file_as_numpy_reads_it() -> None:
    import io

    packed, _ = write_trace(take_apart(Outer(torch.arange(6).reshape(2, 3), Inner(np.float32([1.5])))))
    with np.load(io.BytesIO(packed), allow_pickle=False) as data:
        assert data["boxes"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert data["inner.values"].tolist() == [1.5]


def test_an_array_that_is_there_twice_is_written_once() -> None:
    same = np.random.default_rng(0).random(10_000)
    once, _ = write_trace(take_apart(Inner(same)))
    twice, listed = write_trace(take_apart((same, same)))
    assert len(twice) < 1.1 * len(once)
    leaves = read_trace(twice, listed)
    assert np.array_equal(leaves["[1]"].values, same)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "after", "largest", "count"),
    [
        (np.float32([1, 2, 3]), np.float32([1, 2.5, 3.25]), 0.5, 2),
        (torch.tensor([1.0, 2.0]).bfloat16(), torch.tensor([1.0, 4.0]).bfloat16(), 2.0, 1),
        (np.float64([0.0]), np.float64([-0.0]), 0.0, 0),
        (np.float64([np.nan, 1]), np.float64([0, 1]), math.inf, 1),
        (np.uint8([0]), np.uint8([255]), 255.0, 1),
        (1.5, 1.25, 0.25, 1),
        (np.bool_([True]), np.bool_([False]), 1.0, 1),
        (np.float32([1]), np.float64([1]), 0.0, 0),
    ],
)
def test_a_difference_is_measured(before: Any, after: Any, largest: float, count: int) -> None:
    (found,) = compare(take_apart(Inner(before)), take_apart(Inner(after)))
    assert (found.name, found.largest, found.count) == ("values", largest, count)


def test_what_came_went_or_changed_its_kind_is_told() -> None:
    found = compare(take_apart(Outer(1, None, (Inner(1),))), take_apart(Outer("1", None, ())))
    said = {one.name: (one.before, one.after) for one in found}
    assert said["boxes"] == ("1", "'1'")
    assert said["runs"] == ("tuple (1)", "tuple (0)")
    assert said["runs[0].values"] == ("1", "")
    assert compare(take_apart(float("nan")), take_apart(float("nan"))) == ()


def test_times_are_left_out_and_objects_are_named_only() -> None:
    leaves = take_apart(Outer(Colour.RED, None, network=object(), seconds=1.5))
    assert "seconds" not in leaves
    assert leaves["network"] == LeftOut("object")
    assert leaves["boxes"] == Scalar("name", "Colour.RED")
    loop: list[Any] = []
    loop.append(loop)
    assert take_apart(loop)["[0]"] == LeftOut("…")


def test_classes_that_the_trace_here_lacks_come_from_the_annotations() -> None:
    saved = Outer(Pair(1, 2), Inner(torch.ones(2)), (Inner(3),), network=[])
    here = Outer(Pair(0, 0), None, (), network=[])
    made = restore(take_apart(saved), here)
    assert isinstance(made.inner, Inner)
    assert made.inner.values.tolist() == [1, 1]
    assert made.runs == (Inner(3),)
    assert made.boxes == Pair(1, 2)


@pytest.mark.parametrize(
    ("saved", "here"),
    [
        (Outer(1, None), Inner(1)),
        (Outer(Colour.RED, None), Outer(1, None)),
        (Outer(object(), None), Outer(1, None)),
        (Outer(Inner(1), None), Outer(1, None)),
    ],
)
def test_a_class_is_never_looked_up_by_the_name_in_the_file(saved: Any, here: Any) -> None:
    with pytest.raises(RestoreError):
        restore(take_apart(saved), here)
