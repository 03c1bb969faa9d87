"""python -m cvcore.train.cyclegan --photos PLACE ... --paintings PLACE ... --out FOLDER: CycleGAN between two sets of pictures.

A PLACE is a picture or a folder of pictures. Pictures under --hold-out are never trained on, nor are copies of them among the
others; some of them are the test pictures. Started again with the same --out, a run goes on from its last checkpoint, with the
options it is now given; what changed goes into the log.

Written to --out:

- ``last.pt``: the checkpoint, every --save-every steps, at the end, and when told to stop (Ctrl-C, SIGTERM, --max-minutes).
- ``log.jsonl``: the recipe (``recipe``), every --log-every steps the loss terms (``loss``), after each grid its file (``pictures``).
- ``pictures/STEP.png``: the test pictures, there and back, every --pictures-every steps.
- ``snapshots/STEP.safetensors``: averaged generators and discriminators in half precision, every --snapshot-every steps.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cvcore.train.cyclegan import data, pictures
from cvcore.train.cyclegan.recipe import ABLATIONS, Recipe
from cvcore.train.cyclegan.trainer import Trainer
from cvcore.train.files import Log, stop_signals
from cvcore.train.pictures import picture_files, read, without_twins


@dataclass(frozen=True, slots=True)
class Tests:
    """The pictures of the grids: as many photographs as paintings, (3, S, S) from -1 to 1."""

    photos: list[Tensor]
    paintings: list[Tensor]


@dataclass(frozen=True, slots=True)
class Every:
    """How many steps lie between two of what a run writes."""

    log: int
    save: int
    pictures: int
    snapshot: int


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.cyclegan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--hold-out", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-minutes", type=float, default=float("inf"))
    parser.add_argument("--log-every", type=int, default=10)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--pictures-every", type=int, default=500)
    parser.add_argument("--snapshot-every", type=int, default=1000)
    parser.add_argument("--test-pictures", type=int, default=6, help="rows of the grid")
    parser.add_argument("--test-size", type=int, default=192, help="side of a test picture in px")
    defaults = Recipe()
    for f in fields(Recipe):
        option = "--" + f.name.replace("_", "-")
        default = getattr(defaults, f.name)
        text = f"{f.metadata['help']} (default: {default if default != () else 'nothing'})"
        if f.name == "ablate":
            parser.add_argument(option, nargs="+", choices=ABLATIONS, default=[], help=text)
        else:
            parser.add_argument(option, type=type(default), default=default, help=text)
    return parser.parse_args(given)


def recipe_of(args: argparse.Namespace) -> Recipe:
    values = {f.name: getattr(args, f.name) for f in fields(Recipe)}
    return Recipe(**{**values, "ablate": tuple(args.ablate)})


def load_data(args: argparse.Namespace, recipe: Recipe) -> tuple[data.Domain, data.Domain, Tests]:
    """Both domains and the test pictures: the first held-out photographs (training ones without any) and the first paintings."""
    held_files = picture_files(args.hold_out) if args.hold_out else []
    held = [read(f) for f in held_files]
    same = {f.resolve() for f in held_files}
    photos = [read(f) for f in picture_files(args.photos) if f.resolve() not in same]
    photos = without_twins(photos, held)
    paintings = [read(f) for f in picture_files(args.paintings)]
    if not photos:
        raise ValueError("every photograph is held out")
    print(f"{len(photos)} photographs, {len(paintings)} paintings, {len(held)} held out", flush=True)
    rows = args.test_pictures
    tests = Tests(
        [data.square(p, args.test_size) for p in spread(held or photos, rows)],
        [data.square(p, args.test_size) for p in spread(paintings, rows)],
    )
    domain_a = data.Domain(photos, size=recipe.size, scales=data.PHOTO_SCALES, jitter=data.PHOTO_JITTER)
    domain_b = data.Domain(paintings, size=recipe.size, scales=data.PAINTING_SCALES, jitter=data.PAINTING_JITTER)
    return domain_a, domain_b, tests


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, evenly apart."""
    return [items[i * len(items) // count] for i in range(count)]


def run(trainer: Trainer, tests: Tests, out: Path, every: Every, *, max_minutes: float = float("inf")) -> None:
    """Trains to the last step, or until told to stop; goes on from ``out/last.pt`` where there is one."""
    for folder in (out, out / "pictures", out / "snapshots"):
        folder.mkdir(parents=True, exist_ok=True)
    log, checkpoint = Log(out / "log.jsonl"), out / "last.pt"
    recipe = asdict(trainer.recipe)
    before: dict[str, Any] = trainer.restore(checkpoint) if checkpoint.exists() else {}
    log.rewind(trainer.step)
    changed = {key: value for key, value in recipe.items() if key not in before or before[key] != value}
    if changed:
        log.add({"step": trainer.step, "recipe": changed})
    until = time.monotonic() + 60 * max_minutes
    started, first = time.monotonic(), trainer.step
    with stop_signals() as stop:
        while trainer.step < trainer.recipe.steps and not stop and time.monotonic() < until:
            terms = trainer.advance()
            step = trainer.step
            if step % every.log == 0:
                log.add({"step": step, "loss": {name: round(value, 5) for name, value in terms.items()}})
            if step % every.pictures == 0 or step == trainer.recipe.steps:
                file = Path("pictures") / f"{step:06d}.png"
                pictures.write_png(out / file, pictures.grid(trainer.average, tests.photos, tests.paintings))
                log.add({"step": step, "pictures": file.as_posix()})
            if step % every.snapshot == 0 or step == trainer.recipe.steps:
                trainer.save_snapshot(out / "snapshots" / f"{step:06d}.safetensors")
            if step % every.save == 0:
                trainer.save(checkpoint)
                pace = (time.monotonic() - started) / (step - first)
                print(f"step {step}, {pace:.3f} s a step, {describe(terms)}", flush=True)
    trainer.save(checkpoint)


def describe(terms: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in terms.items())


def main(given: Sequence[str] | None = None) -> None:
    args = arguments(given)
    torch.set_num_threads(args.threads)
    try:
        recipe = recipe_of(args)
        photos, paintings, tests = load_data(args, recipe)
        trainer = Trainer(recipe, photos, paintings, torch.device(args.device))
        every = Every(args.log_every, args.save_every, args.pictures_every, args.snapshot_every)
        run(trainer, tests, args.out, every, max_minutes=args.max_minutes)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
