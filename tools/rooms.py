"""Draws docs/rooms.svg: the rooms of the program, which of them uses which, and how many arrows there are.

A room is a folder of ``explorer``, a file at its top, or ``cvcore``. Rooms stand on those that they use; an arrow that leads up, because
two rooms use each other, is drawn dashed. ``--check`` changes nothing and fails where the drawing is no longer true.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "rooms.svg"
WIDE, HIGH, ACROSS, DOWN, MARGIN = 132, 40, 28, 64, 24

Arrows = Counter[tuple[str, str]]


def room_of(module: str) -> str:
    """``explorer.window.dock`` is in ``window``, ``explorer.panel`` in ``panel``, all of ``cvcore`` in ``cvcore``."""
    parts = module.split(".")
    return parts[0] if parts[0] == "cvcore" or len(parts) == 1 else parts[1]


def arrows() -> Arrows:
    """How many imports lead from one room to another."""
    graph = grimp.build_graph("explorer", "cvcore")
    found: Arrows = Counter()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            a, b = room_of(module), room_of(other)
            if a != b and "explorer" not in (a, b):
                found[a, b] += 1
    return found


def floors(found: Arrows) -> dict[str, int]:
    """The floor of each room: one above the highest that it uses. Of two that use each other, the one that uses less stands below."""
    down = {pair for pair, n in found.items() if n >= found.get((pair[1], pair[0]), 0)}
    rooms = sorted({room for pair in found for room in pair})
    floor = dict.fromkeys(rooms, 0)
    for _ in rooms:  # as many rounds as the longest way can be
        for a, b in sorted(down):
            if floor[a] <= floor[b] < len(rooms) and not _leads_back(down, b, a):
                floor[a] = floor[b] + 1
    return floor


def _leads_back(pairs: set[tuple[str, str]], start: str, end: str) -> bool:
    seen, left = set[str](), [start]
    while left:
        here = left.pop()
        if here == end:
            return True
        if here not in seen:
            seen.add(here)
            left += [b for a, b in pairs if a == here]
    return False


def drawing(found: Arrows) -> str:
    """The SVG: floors from the top of the house down."""
    floor = floors(found)
    top = max(floor.values())
    rows = [sorted(room for room in floor if floor[room] == level) for level in range(top, -1, -1)]
    widest = max(len(row) for row in rows)
    width = 2 * MARGIN + widest * WIDE + (widest - 1) * ACROSS
    height = 2 * MARGIN + len(rows) * HIGH + (len(rows) - 1) * DOWN + 24
    place: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * WIDE - (len(row) - 1) * ACROSS) / 2
        for column, room in enumerate(row):
            place[room] = left + column * (WIDE + ACROSS), MARGIN + number * (HIGH + DOWN)
    lines, boxes = [], []
    for (a, b), n in sorted(found.items()):
        (x0, y0), (x1, y1) = place[a], place[b]
        low = y0 < y1
        start, end = (x0 + WIDE / 2, y0 + (HIGH if low else 0)), (x1 + WIDE / 2, y1 + (0 if low else HIGH))
        if y0 == y1:
            start, end = (x0 + WIDE / 2, y0 + HIGH), (x1 + WIDE / 2, y1 + HIGH)
        bend = (start[1] + end[1]) / 2 + (DOWN / 2 if y0 == y1 else 0)
        dash = "" if floor[a] > floor[b] else ' stroke-dasharray="4 4"'
        lines.append(
            f'<path d="M{start[0]:.0f} {start[1]:.0f} C{start[0]:.0f} {bend:.0f} {end[0]:.0f} {bend:.0f} {end[0]:.0f} {end[1]:.0f}"'
            f' stroke-width="{min(0.6 + n / 25, 2.5):.1f}"{dash}/>'
        )
    for room, (x, y) in place.items():
        fill = "#dbeafe" if room == "cvcore" else "#fef3c7" if room == "panels" else "#ffffff"
        boxes.append(
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDE}" height="{HIGH}" rx="6" fill="{fill}" stroke="#334155"/>'
            f'<text x="{x + WIDE / 2:.0f}" y="{y + 26:.0f}" text-anchor="middle">{escape(room)}</text>'
        )
    said = f"{len(place)} rooms, {len(found)} arrows"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="15">',
            f'<rect width="{width}" height="{height}" fill="#f8fafc"/>',
            '<g fill="none" stroke="#64748b" opacity="0.55">',
            *lines,
            "</g>",
            *boxes,
            f'<text x="{MARGIN}" y="{height - 12}" fill="#475569">{said}</text>',
            "</svg>",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws docs/rooms.svg.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the drawing is not true")
    wanted = parser.parse_args()
    made = drawing(arrows())
    if wanted.check:
        return int(not FILE.exists() or FILE.read_text("utf-8") != made)
    FILE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
