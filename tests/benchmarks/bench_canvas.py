"""Milliseconds that one new figure costs the canvas: ``set_figure`` and the painting it causes.

    QT_QPA_PLATFORM=offscreen python tests/benchmarks/bench_canvas.py [--profile]

The figure is what the Layers panel shows: a 1280 x 720 picture with a heat map over it, 96 tiles of 56 x 56, a histogram and a
table, all new every time, in a window of 1600 x 900.
"""

import argparse
import cProfile
import pstats
import statistics
import time

import numpy as np
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from explorer.canvas import Canvas
from explorer.figure import (
    Axis,
    Bars,
    Column,
    Figure,
    Heatmap,
    Image,
    Pane,
    Row,
    Table,
    TableColumn,
    Tiles,
)
from explorer.system import clear_opencv_paths
from explorer.theme import DARK, apply_theme


def figures(count: int) -> list[Figure]:
    """Figures of one structure whose every array is new."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(count):
        picture = generator.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
        heat = generator.random((14, 14), dtype=np.float32)
        tiles = generator.standard_normal((96, 56, 56), dtype=np.float32)
        counts, edges = np.histogram(tiles, 64)
        over = Heatmap(heat, "activation", opacity=0.5, extent=(0, 0, 1280, 720), smooth=True)
        rows = tuple((f"channel {i}", float(tiles[i].mean()), float(tiles[i].std())) for i in range(20))
        columns = (TableColumn("Channel"), TableColumn("Mean", digits=4), TableColumn("Std", digits=4))
        titles = tuple(str(i) for i in range(96))
        histogram = Bars(counts, edges=edges, label="units")
        picture_pane = Pane("picture", "Picture", (Image(picture), over), space="picture", size=(1280, 720))
        chart = Pane("histogram", "Histogram", (histogram,), axes=(Axis("activation"), Axis("units")))
        table = Pane("table", "Statistics", (Table(columns, rows, selected=3),))
        tile_pane = Pane("tiles", "Channels", (Tiles(tiles, titles, "activation", selected=5),))
        made.append(Figure(Row((picture_pane, Column((tile_pane, Row((chart, table))))))))
    return made


def measure(canvas: Canvas, several: list[Figure], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each part, a value per figure."""
    spent: dict[str, list[float]] = {"set_figure": [], "paint": [], "together": []}
    for number in range(rounds):
        figure = several[number % len(several)]
        start = time.perf_counter()
        canvas.set_figure(figure)
        middle = time.perf_counter()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        QCoreApplication.processEvents()
        end = time.perf_counter()
        spent["set_figure"].append(1e3 * (middle - start))
        spent["paint"].append(1e3 * (end - middle))
        spent["together"].append(1e3 * (end - start))
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    chosen = parser.parse_args()
    import cv2

    cv2.setNumThreads(1)
    clear_opencv_paths()
    app = QApplication([])
    apply_theme(app, DARK)
    canvas = Canvas()
    canvas.set_theme(DARK)
    canvas.resize(1600, 900)
    several = figures(8)
    canvas.set_figure(several[0])
    canvas.show()
    measure(canvas, several, 10)
    if chosen.profile:
        with cProfile.Profile() as profile:
            measure(canvas, several, chosen.rounds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(f"{'':12s} {'median':>8s} {'p95':>8s}  ms per figure, one thread")
    for name, values in measure(canvas, several, chosen.rounds).items():
        print(f"{name:12s} {statistics.median(values):8.2f} {sorted(values)[int(0.95 * len(values))]:8.2f}")


if __name__ == "__main__":
    main()
