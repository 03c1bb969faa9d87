"""python -m cvcore.train.cyclegan.replay --run FOLDER --out FOLDER: a run as small files that can be shipped and shown.

Written to --out, whole or not at all:

- ``pictures/STEP.jpg``: for each snapshot, the test pictures (top), their translations, and these translated back (bottom), side by side.
- ``log.jsonl``: the recipe (``recipe``), how the grids are laid out (``replay``), the loss terms, neighbouring rows of the run's log
  averaged until at most --rows are left (``loss``), and each grid's file (``pictures``).

What an earlier replay left in --out and this one does not write is removed.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cvcore.assets import asset
from cvcore.train.cyclegan import data
from cvcore.train.cyclegan.pictures import as_pixels
from cvcore.train.cyclegan.score import networks_of
from cvcore.train.files import write_whole
from cvcore.train.pictures import Pixels, read

PHOTOS = ("astronaut.jpg", "moose.jpg", "coffee.jpg", "koala.jpg")
PAINTINGS = ("great_wave.jpg", "inokashira.jpg")
QUALITY = 88


def thinned(rows: Sequence[tuple[int, dict[str, float]]], most: int) -> list[tuple[int, dict[str, float]]]:
    """Means of as many neighbouring rows as it takes to leave at most ``most``; each has the step of the last of them."""
    width = max(1, -(-len(rows) // most))
    parts = [rows[i : i + width] for i in range(0, len(rows), width)]
    return [
        (part[-1][0], {name: round(float(np.mean([loss[name] for _, loss in part])), 5) for name in part[0][1]})
        for part in parts
    ]


def read_log(file: Path) -> tuple[dict[str, Any], list[tuple[int, dict[str, float]]]]:
    """The recipe as it last was, and every row of losses with its step."""
    recipe: dict[str, Any] = {}
    losses = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        recipe |= row.get("recipe", {})
        if "loss" in row:
            losses.append((int(row["step"]), row["loss"]))
    return recipe, losses


@torch.inference_mode()
def grid(run: Path, snapshot: Path, photos: Sequence[torch.Tensor], paintings: Sequence[torch.Tensor]) -> Pixels:
    """(3 * S, (photos + paintings) * S, 3): each picture, its translation, and back, one above the other.

    Args:
        run: its folder.
        snapshot: one of its snapshots.
        photos, paintings: (3, S, S) from -1 to 1.
    """
    _, networks = networks_of(run, snapshot)
    there, back = networks.generator_ab, networks.generator_ba
    columns = []
    for pictures, first, second in ((photos, there, back), (paintings, back, there)):
        for picture in pictures:
            made = first(picture[None])
            columns.append(np.vstack([as_pixels(x[0]) for x in (picture[None], made, second(made))]))
    return np.hstack(columns)


def replay(run: Path, out: Path, photos: Sequence[Pixels], paintings: Sequence[Pixels], *, cell: int, rows: int) -> int:
    """Writes the files; how many checkpoints there are.

    Raises:
        ValueError: the run has no snapshots, or its log no losses.
        OSError: a file cannot be read or written.
    """
    recipe, losses = read_log(run / "log.jsonl")
    snapshots = sorted((run / "snapshots").glob("*.safetensors"))
    if not snapshots or not losses:
        raise ValueError(f"{run} has no snapshots or no losses to show")
    tensors = [[data.square(pixels, cell) for pixels in some] for some in (photos, paintings)]
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    lines: list[tuple[int, dict[str, Any]]] = [(step, {"loss": loss}) for step, loss in thinned(losses, rows)]
    for snapshot in snapshots:
        file = f"pictures/{int(snapshot.stem):06d}.jpg"
        pixels = cv2.cvtColor(grid(run, snapshot, *tensors), cv2.COLOR_RGB2BGR)
        done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise OSError(f"{file} cannot be written as JPEG")
        write_whole(out / file, jpeg.tobytes())
        lines.append((int(snapshot.stem), {"pictures": file}))
    layout = {"cell": cell, "domains": ["a"] * len(photos) + ["b"] * len(paintings)}
    first = [{"step": 0, "recipe": recipe}, {"step": 0, "replay": layout}]
    every = [*first, *({"step": step} | row for step, row in sorted(lines, key=lambda line: line[0]))]
    write_whole(out / "log.jsonl", "".join(json.dumps(row) + "\n" for row in every).encode())
    kept = {row["pictures"] for _, row in lines if "pictures" in row}
    for old in (out / "pictures").glob("*.jpg"):
        if f"pictures/{old.name}" not in kept:
            old.unlink()
    return len(snapshots)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.cyclegan.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    built_in = asset("pictures")
    parser.add_argument("--photos", type=Path, nargs="+", default=[built_in / name for name in PHOTOS])
    parser.add_argument("--paintings", type=Path, nargs="+", default=[built_in / name for name in PAINTINGS])
    parser.add_argument("--cell", type=int, default=192, help="side of a test picture in px, a multiple of 4")
    parser.add_argument("--rows", type=int, default=500, help="of losses, at most")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    try:
        photos, paintings = ([read(file) for file in files] for files in (args.photos, args.paintings))
        count = replay(args.run, args.out, photos, paintings, cell=args.cell, rows=args.rows)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error
    print(f"{count} checkpoints in {args.out}")


if __name__ == "__main__":
    main()
