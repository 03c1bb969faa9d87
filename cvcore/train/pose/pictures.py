"""Which pictures are trained on: options of the command line, and what they name."""

import argparse
from pathlib import Path

from cvcore.evaluate.coco_people import read_coco_people
from cvcore.train.pictures import picture_files, read, thumbnail, unlike
from cvcore.train.pose.labels import LabelledPicture, from_coco_people, from_pseudo, read_lsp, read_pseudo


def add_pictures(parser: argparse.ArgumentParser) -> None:
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
