"""What is shown, as data: a figure as NPZ and CSV, a frame as a picture. No Qt.

CSV is UTF-8 with a byte order mark (spreadsheets need it to read Chinese), comma separated. A pane with one mark is one plain
table whose header names the units; where several marks or panes share a file, each table has a line ``# pane / mark`` before it
and an empty line after it.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from explorer.figure import (
    Arrows,
    Axis,
    Bars,
    Boxes,
    Curve,
    Figure,
    Graph,
    Handles,
    Heatmap,
    Image,
    Lit,
    Mark,
    Pane,
    Points,
    Segments,
    Table,
    Text,
    Tiles,
)
from explorer.files.whole import SaveError, write_whole
from explorer.i18n import tr
from explorer.panel import Frame

PICTURE_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}

Rows = Iterable[Sequence[object]]


def save_picture(path: Path | str, frame: Frame) -> None:
    """Writes a frame's pixels as PNG or JPEG (quality 95), by the name's ending.

    Raises:
        SaveError: another ending, or it cannot be written.
    """
    kind = PICTURE_KINDS.get(Path(path).suffix.lower())
    if kind is None:
        raise SaveError(tr("{path} was not saved: a picture's name ends in .png or .jpg.", path=path))
    picture = PillowImage.fromarray(frame.image)
    more: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    # Into memory first: Pillow's encoders write past Python's file, and then a full disk is "encoder error -2".
    packed = io.BytesIO()
    picture.save(packed, kind, **more)
    write_whole(path, lambda file: file.write(packed.getbuffer()))


def mark_arrays(mark: Mark) -> dict[str, NDArray[Any]]:
    """A mark's data by field name; labels and units as arrays of one string."""
    found: dict[str, Any] = {}
    match mark:
        case Image(pixels=pixels, extent=extent):
            found = {"pixels": pixels, "extent": extent}
        case Heatmap():
            found = {"values": mark.values, "extent": mark.extent, "label": mark.label, "unit": mark.unit}
        case Tiles():
            found = {"values": mark.values, "titles": mark.titles, "label": mark.label, "unit": mark.unit}
        case Boxes():
            found = {"xyxy": mark.xyxy, "labels": mark.labels}
        case Points():
            found = {"xy": mark.xy, "labels": mark.labels}
        case Segments():
            found = {"start": mark.start, "end": mark.end}
        case Arrows():
            found = {"start": mark.start, "vector": mark.vector}
        case Curve():
            found = {"x": mark.x, "y": mark.y, "label": mark.label}
        case Bars():
            found = {"values": mark.values, "edges": mark.edges, "labels": mark.labels, "label": mark.label}
        case Table():
            for number, column in enumerate(mark.columns):
                # The names of a ZIP's files end at a zero, and halves of a character pair have no UTF-8.
                name = column.title.replace("\0", " ").encode("utf-8", "replace").decode() or f"column {number}"
                name = name if name not in found else f"{name} {number}"
                found[name] = np.array([row[number] for row in mark.rows])
        case Graph():
            found = {"boxes": mark.boxes, "titles": mark.titles, "details": mark.details, "values": mark.values}
            found |= {"ends": mark.ends, "line_labels": mark.line_labels, "label": mark.label, "unit": mark.unit}
        case Text():
            found = {"text": mark.text, "xy": mark.xy}
        case Handles():
            found = {mark.field: mark.value}
        case Lit():
            found = {}
    made = {name: np.asarray(value) for name, value in found.items() if value is not None and np.size(value)}
    # An array of objects would be saved as a pickle, which nobody should have to trust.
    return {name: array.astype(str) if array.dtype == object else array for name, array in made.items()}


def figure_arrays(figure: Figure) -> dict[str, NDArray[Any]]:
    """Everything a figure shows, by name.

    Names are ``pane.mark.field`` (``mark-2`` for a second mark of one key), and ``values.name`` for the numbers of the
    explanation.
    """
    arrays: dict[str, NDArray[Any]] = {}
    times: dict[str, int] = {}
    for pane in figure.panes():
        for mark in pane.marks:
            start = f"{pane.key}.{mark.key}"
            times[start] = times.get(start, 0) + 1
            if times[start] > 1:
                start = f"{start}-{times[start]}"
            for name, array in mark_arrays(mark).items():
                arrays[f"{start}.{name}"] = array
        for axis, name in zip(pane.axes or (), "xy", strict=False):
            arrays[f"{pane.key}.axis {name}"] = np.asarray(_titled(axis.label, axis.unit))
    for name, value in figure.values.items():
        if isinstance(value, str | int | float | np.generic | np.ndarray):
            arrays[f"values.{name}"] = np.asarray(value)
    return arrays


def save_npz(path: Path | str, figure: Figure) -> None:
    """Writes :func:`figure_arrays` as a compressed NPZ file.

    Raises:
        SaveError: it cannot be written.
    """
    arrays = figure_arrays(figure)
    # numpy's stub takes a name for its flag allow_pickle; every name here has a dot.
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def save_csv(path: Path | str, what: Figure | Pane) -> None:
    """Writes the data of a figure or a pane as CSV.

    Raises:
        SaveError: it cannot be written.
    """
    panes = what.panes() if isinstance(what, Figure) else (what,)
    tables = [(pane, name, rows) for pane in panes for name, rows in pane_tables(pane)]

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
        writer = csv.writer(text)
        for number, (pane, name, rows) in enumerate(tables):
            if len(tables) > 1:
                writer.writerow([f"# {pane.title or pane.key} / {name}"])
            writer.writerows(rows)
            if number + 1 < len(tables):
                writer.writerow([])
        text.flush()
        text.detach()

    write_whole(path, write)


def pane_tables(pane: Pane) -> list[tuple[str, Rows]]:
    """The tables of a pane, each a name and rows with a header first.

    Curves share one table. Pictures are left out where there is anything else: they are better saved as pictures.
    """
    marks = [mark for mark in pane.marks if not isinstance(mark, Lit)]
    others = [mark for mark in marks if not isinstance(mark, Image)]
    curves = [mark for mark in marks if isinstance(mark, Curve)]
    tables: list[tuple[str, Rows]] = []
    for mark in others or marks:
        if not isinstance(mark, Curve):
            tables.append((mark.key, mark_rows(mark, pane.axes)))
        elif mark is curves[0]:
            tables.append((mark.key if len(curves) == 1 else "curves", _curve_rows(curves, pane.axes)))
    return tables


def mark_rows(mark: Mark, axes: tuple[Axis, Axis] | None) -> Rows:
    """A mark's table, header first."""
    match mark:
        case Image():
            return _image_rows(mark)
        case Heatmap():
            return _heatmap_rows(mark)
        case Tiles():
            return _tiles_rows(mark)
        case Boxes():
            header = ["box", "label", *_places(("x0", "y0", "x1", "y1"), axes)]
            return _item_rows(header, mark.labels, mark.xyxy)
        case Points():
            return _item_rows(["point", "label", *_places(("x", "y"), axes)], mark.labels, mark.xy)
        case Segments():
            header = ["segment", "label", *_places(("x0", "y0", "x1", "y1"), axes)]
            return _item_rows(header, (), np.concatenate([mark.start, mark.end], axis=1))
        case Arrows():
            header = ["arrow", "label", *_places(("x", "y", "dx", "dy"), axes)]
            return _item_rows(header, (), np.concatenate([mark.start, mark.vector], axis=1))
        case Curve():
            return _curve_rows([mark], axes)
        case Bars():
            return _bars_rows(mark, axes)
        case Table():
            return [[_titled(column.title, column.unit) for column in mark.columns], *mark.rows]
        case Graph():
            return _graph_rows(mark)
        case Text():
            return [["text"], [mark.text]]
        case Handles():
            names = ("x", "y") if mark.kind == "point" else ("x0", "y0", "x1", "y1")
            return [["field", *_places(names, axes)], [mark.field, *_said(np.asarray(mark.value))]]
        case Lit():
            return []


def _titled(label: str, unit: str) -> str:
    return f"{label} ({unit})" if label and unit else label or unit


def _places(names: tuple[str, ...], axes: tuple[Axis, Axis] | None) -> list[str]:
    """Column titles of coordinates: pixels on a picture, the axes' units on a chart."""
    if axes is None:
        return [f"{name} (px)" for name in names]
    return [_titled(name, axes[number % 2].unit) for number, name in enumerate(names)]


def _said(values: NDArray[Any]) -> list[object]:
    """Numbers as they are written: all digits they have, none that they have not."""
    if values.dtype.kind == "f" and values.dtype.itemsize <= 4:
        return [f"{value:.9g}" for value in values.tolist()]
    return list(values.tolist())


def _image_rows(mark: Image) -> Iterator[Sequence[object]]:
    pixels = mark.pixels if mark.pixels.ndim == 3 else mark.pixels[..., None]
    names = {1: ["grey"], 3: ["red", "green", "blue"], 4: ["red", "green", "blue", "alpha"]}[pixels.shape[2]]
    yield ["row", "column", *names]
    for row, line in enumerate(pixels):
        for column, pixel in enumerate(line.tolist()):
            yield [row, column, *pixel]


def _heatmap_rows(mark: Heatmap) -> Iterator[Sequence[object]]:
    yield [_titled(mark.label or "value", mark.unit), *range(mark.values.shape[1])]
    for row, line in enumerate(mark.values):
        yield [row, *_said(line)]


def _tiles_rows(mark: Tiles) -> Iterator[Sequence[object]]:
    yield ["channel", "title", "row", "column", _titled(mark.label or "value", mark.unit)]
    for channel, tile in enumerate(mark.values):
        title = mark.titles[channel] if channel < len(mark.titles) else ""
        for row, line in enumerate(tile):
            for column, value in enumerate(_said(line)):
                yield [channel, title, row, column, value]


def _item_rows(header: list[str], labels: tuple[str, ...], values: NDArray[Any]) -> Iterator[Sequence[object]]:
    yield header
    for index, row in enumerate(values):
        yield [index, labels[index] if index < len(labels) else "", *_said(row)]


def _graph_rows(mark: Graph) -> Iterator[Sequence[object]]:
    """Boxes, and what each gets from which others."""
    yield ["box", "title", "detail", _titled(mark.label or "value", mark.unit), "from"]
    values = [""] * len(mark.boxes) if mark.values is None else _said(mark.values)
    for index, title in enumerate(mark.titles):
        detail = mark.details[index] if index < len(mark.details) else ""
        ends = [] if mark.ends is None else [int(a) for a, b in mark.ends if b == index]
        yield [index, title, detail, values[index], " ".join(str(one) for one in ends)]


def _curve_rows(curves: list[Curve], axes: tuple[Axis, Axis] | None) -> Iterator[Sequence[object]]:
    x, y = (_titled(axis.label, axis.unit) for axis in axes) if axes else ("x", "y")
    yield ["curve", x or "x", y or "y"]
    for curve in curves:
        for a, b in zip(_said(curve.x), _said(curve.y), strict=True):
            yield [curve.label or curve.key, a, b]


def _bars_rows(mark: Bars, axes: tuple[Axis, Axis] | None) -> Iterator[Sequence[object]]:
    along, up = (axes[1], axes[0]) if axes and mark.horizontal else axes or (Axis(""), Axis(""))
    height = _titled(up.label or mark.label or "value", up.unit)
    values = _said(mark.values)
    if mark.edges is not None:
        yield [_titled("from", along.unit), _titled("to", along.unit), height]
        edges = _said(mark.edges)
        for index, value in enumerate(values):
            yield [edges[index], edges[index + 1], value]
        return
    yield ["bar", _titled(along.label, along.unit) or "label", height]
    for index, value in enumerate(values):
        yield [index, mark.labels[index] if index < len(mark.labels) else "", value]
