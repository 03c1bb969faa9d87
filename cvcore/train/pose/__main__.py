"""python -m cvcore.train.pose --trunk FILE --pseudo FILE --pictures PLACE ... --lsp FOLDER --out FOLDER: the built-in pose network.

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

from cvcore.evaluate.coco_people import read_coco_people
from cvcore.train.files import Log, stop_signals
from cvcore.train.pictures import picture_files, read, thumbnail, unlike
from cvcore.train.pose.data import People
from cvcore.train.pose.labels import LabelledPicture, from_coco_people, from_pseudo, read_lsp, read_pseudo
from cvcore.train.pose.recipe import Recipe
from cvcore.train.pose.trainer import Trainer


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trunk", type=Path, required=True, help="posenet.safetensors")
    parser.add_argument("--pseudo", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="what the pseudo-labels are of")
    parser.add_argument("--frames", type=Path, nargs="+", default=[], help="frames of videos, which are much alike")
    parser.add_argument("--frames-weight", type=float, default=0.3, help="how often one is drawn, a picture being 1")
    parser.add_argument("--empty-weight", type=float, default=0.2, help="how often a picture without people is drawn")
    parser.add_argument("--lsp", type=Path)
    parser.add_argument("--lsp-pseudo", type=Path)
    parser.add_argument("--coco", type=Path, nargs="+", default=[])
    parser.add_argument("--hold-out", type=Path, nargs="+", default=[])
    parser.add_argument("--lsp-share", type=float, default=0.4, help="of the crops")
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


def labelled_pictures(args: argparse.Namespace) -> list[LabelledPicture]:
    """Everything to train on, weighted so that LSP Extended has its share."""
    held = [thumbnail(read(f)) for f in picture_files(args.hold_out)] if args.hold_out else []
    fresh = [file for file in picture_files(args.pictures) if unlike(thumbnail(read(file)), held)]
    pseudo = read_pseudo(args.pseudo)
    pictures = from_pseudo(pseudo, fresh, empty_weight=args.empty_weight)
    if args.frames:
        pictures += from_pseudo(pseudo, picture_files(args.frames), weight=args.frames_weight)
    for file in args.coco:
        pictures += from_coco_people(read_coco_people(file), file.parent)
    if args.lsp:
        faces = read_pseudo(args.lsp_pseudo) if args.lsp_pseudo else {}
        lsp = read_lsp(args.lsp, faces)
        weight = args.lsp_share / (1 - args.lsp_share) * sum(p.weight for p in pictures) / len(lsp)
        print(f"{len(pictures)} pictures, {len(lsp)} of LSP Extended, {len(held)} held out", flush=True)
        return pictures + [LabelledPicture(p.file, p.xy, p.state, p.ignored, weight) for p in lsp]
    print(f"{len(pictures)} pictures, {len(held)} held out", flush=True)
    return pictures


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
    run(Trainer(recipe, people, load_file(args.trunk), torch.device(args.device)), args.out, args)


if __name__ == "__main__":
    main()
