"""python -m cvcore.train.pose --posenet FILE --pseudo FILE --pictures PLACE ... --lsp FOLDER --out FOLDER: the built-in pose network.

People come from pseudo-labels (``cvcore.train.pose.pseudo``) on --pictures, from LSP Extended (--lsp, with --lsp-pseudo for its
faces), and from COCO keypoint JSON files (--coco, beside their pictures). Pictures of --hold-out are never trained on, nor are
copies of them. Started again with the same --out, a run goes on from its last checkpoint.

Written to --out: ``last.pt``, ``log.jsonl``, ``snapshots/STEP.safetensors`` (averaged weights in half precision).
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import cv2
import torch
from safetensors.torch import load_file

from cvcore.train.files import Log, stop_signals
from cvcore.train.pose.data import Mixed, People
from cvcore.train.pose.distil import Distilled
from cvcore.train.pose.pictures import add_pictures, labelled_pictures
from cvcore.train.pose.recipe import Recipe
from cvcore.train.pose.trainer import Trainer


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posenet", type=Path, required=True, help="posenet.safetensors")
    add_pictures(parser)
    parser.add_argument("--distilled", type=Path, help="a folder of cvcore.train.pose.distil")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-minutes", type=float, default=float("inf"))
    parser.add_argument("--log-every", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--snapshot-every", type=int, default=1000)
    defaults = Recipe()
    for f in fields(Recipe):
        default = getattr(defaults, f.name)
        text = f"{f.metadata['help']} (default: {default})"
        parser.add_argument("--" + f.name.replace("_", "-"), type=type(default), default=default, help=text)
    return parser.parse_args(given)


def run(trainer: Trainer, out: Path, args: argparse.Namespace) -> None:
    """Trains to the last step, or until told to stop; goes on from ``out/last.pt`` where there is one."""
    (out / "snapshots").mkdir(parents=True, exist_ok=True)
    log, checkpoint = Log(out / "log.jsonl"), out / "last.pt"
    recipe = asdict(trainer.recipe)
    before = trainer.restore(checkpoint) if checkpoint.exists() else {}
    log.rewind(trainer.step)
    changed = {key: value for key, value in recipe.items() if key not in before or before[key] != value}
    if changed:
        log.add({"step": trainer.step, "recipe": changed})
    started, first = time.monotonic(), trainer.step
    until = started + 60 * args.max_minutes
    with stop_signals() as stop:
        while trainer.step < trainer.recipe.steps and not stop and time.monotonic() < until:
            terms = trainer.advance()
            step = trainer.step
            if step % args.log_every == 0:
                log.add({"step": step, "loss": {name: round(value, 4) for name, value in terms.items()}})
            if step % args.snapshot_every == 0 or step == trainer.recipe.steps:
                trainer.save_snapshot(out / "snapshots" / f"{step:06d}.safetensors")
            if step % args.save_every == 0:
                trainer.save(checkpoint)
                pace = (time.monotonic() - started) / (step - first)
                print(f"step {step}, {pace:.3f} s a step, {terms}", flush=True)
    trainer.save(checkpoint)


def main(given: Sequence[str] | None = None) -> None:
    args = arguments(given)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    recipe = Recipe(**{f.name: getattr(args, f.name) for f in fields(Recipe)})
    people = People(labelled_pictures(args), size=recipe.size)
    crops = Mixed(people, Distilled(args.distilled), recipe.distilled_share) if args.distilled else people
    run(Trainer(recipe, crops, load_file(args.posenet), torch.device(args.device)), args.out, args)


if __name__ == "__main__":
    main()
