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
from bench import Row, percentile, table
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication

from explorer import figure as fig
from explorer.canvas import Canvas
from explorer.figure import Axis, Bars, Column, Figure, Heatmap, Image, Pane, Table, TableColumn, Tiles
from explorer.settings.system import clear_opencv_paths
from explorer.widgets.theme import DARK, apply_theme


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
        numbers = Pane("table", "Statistics", (Table(columns, rows, selected=3),))
        tile_pane = Pane("tiles", "Channels", (Tiles(tiles, titles, "activation", selected=5),))
        made.append(Figure(fig.Row((picture_pane, Column((tile_pane, fig.Row((chart, numbers))))))))
    return made


def measure(canvas: Canvas, several: list[Figure], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each part, a value per figure."""
    spent: dict[str, list[float]] = {"set_figure": [], "paint": [], "together": []}
    for number in range(rounds):
        figure = several[number % len(several)]
        start = time.perf_counter()
        canvas.set_figure(figure)
        middle = time.perf_counter()
        QCoreApplication.processEvents()
        end = time.perf_counter()
        spent["set_figure"].append(1e3 * (middle - start))
        spent["paint"].append(1e3 * (end - middle))
        spent["together"].append(1e3 * (end - start))
    return spent


def prepared() -> tuple[QApplication, Canvas, list[Figure]]:
    """A canvas on the screen, warm, and figures for it."""
    import cv2

    # What is asked is the work of one core; resizing would else take all.
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
    measure(canvas, several, 16)
    return app, canvas, several


def main(rounds: int = 200) -> list[Row]:
    app, canvas, several = prepared()
    spent = measure(canvas, several, rounds)
    canvas.close()
    del app
    note = "1280 x 720 with a heat map, 96 tiles of 56 x 56, histogram, table; 1600 x 900; one thread"
    return [
        Row("canvas: set_figure", statistics.median(spent["set_figure"]), "ms"),
        Row(
            "canvas: painting",
            statistics.median(spent["paint"]),
            "ms",
            note=f"95 %: {percentile(spent['paint'], 0.95):.1f} ms",
        ),
        Row("canvas: a whole new figure", statistics.median(spent["together"]), "ms", most=5, note=note),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    chosen = parser.parse_args()
    if chosen.profile:
        parts = prepared()
        with cProfile.Profile() as profile:
            measure(parts[1], parts[2], chosen.rounds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    else:
        print(table(main(chosen.rounds)))
