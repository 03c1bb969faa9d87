"""python -m cvcore.train.pose.score --weights FILE ... --coco FILE: keypoint AP of pose networks on labelled pictures, in one table.

``--posenet FILE`` adds PoseNet with its own decoding, ``--teacher FILE`` a Python file whose ``run(picture)`` gives heat maps (19, h, w)
and PAFs (38, h, w) of an OpenPose network at stride 8 for an RGB picture 368 px high.
"""

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from cvcore.evaluate.coco_people import CocoPeopleDataset, found_people, read_coco_people
from cvcore.evaluate.keypoints import FoundPeople, evaluate_keypoints
from cvcore.models.openpose import PoseSmall, to_picture
from cvcore.models.openpose.network import THREE_SIZES, height_for
from cvcore.models.posenet import PoseNet
from cvcore.ops.letterbox import to_height
from cvcore.ops.paf import decode_scored
from cvcore.train.pictures import read
from cvcore.train.pose.labels import NDBytes

TEACHER_HEIGHT = 368


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: average precision over OKS 0.5 to 0.95, at 0.5, and average recall."""

    name: str
    ap: float
    ap50: float
    recall: float

    def __str__(self) -> str:
        return f"{self.name:44s} AP {self.ap:.3f}  AP50 {self.ap50:.3f}  AR {self.recall:.3f}"


def pose_small(weights: Path) -> PoseSmall:
    """The network with the weights of a file, in single precision."""
    net = PoseSmall()
    net.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in load_file(weights).items()})
    return net.eval()


def small_people(net: PoseSmall, frame: NDBytes, height: int) -> FoundPeople:
    """One RGB picture's people, looked at once."""
    return found_people(*net.scored_people(frame, height))


def small_people_of(
    net: PoseSmall, frame: NDBytes, short_side: int, *, sizes: Sequence[float] = (1.0,), mirrored: bool = False
) -> FoundPeople:
    """One RGB picture's people, by its shorter side."""
    return found_people(*net.scored_people(frame, height_for(frame, short_side), sizes=sizes, mirrored=mirrored))


def posenet_people(net: PoseNet, frame: NDBytes, short_side: int) -> FoundPeople:
    return found_people(*net.people(frame, short_side))


def teacher_people(run: Callable[[NDBytes], tuple[Any, Any]], frame: NDBytes) -> FoundPeople:
    x, transform = to_height(frame, TEACHER_HEIGHT)
    heatmaps, pafs = run(x[0].permute(1, 2, 0).numpy())
    found = decode_scored(torch.as_tensor(heatmaps), torch.as_tensor(pafs))
    return found_people(to_picture(found.people, transform), found.scores)


def row(name: str, data: CocoPeopleDataset, frames: Sequence[NDBytes], find: Callable[[NDBytes], FoundPeople]) -> Row:
    result = evaluate_keypoints([find(frame) for frame in frames], data.people)
    return Row(name, result.ap, result.ap50, result.recall)


def load_teacher(file: Path) -> Callable[[NDBytes], tuple[Any, Any]]:
    """The ``run`` of a Python file, which is executed.

    Raises:
        ValueError: it has none.
    """
    spec = importlib.util.spec_from_file_location("pose_teacher", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[[NDBytes], tuple[Any, Any]] | None = getattr(module, "run", None)
    if run is None:
        raise ValueError(f"{file} has no function run")
    return run


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--weights", type=Path, nargs="+", default=[], help="of pose_small")
    parser.add_argument("--coco", type=Path, required=True, help="person_keypoints JSON, beside its pictures")
    parser.add_argument("--short-sides", type=int, nargs="+", default=[384, 512])
    parser.add_argument(
        "--three-sizes", type=int, nargs="*", default=[384], help="looked at also 1.5 and 2 times as large"
    )
    parser.add_argument("--heights", type=int, nargs="+", default=[256], help="the height, whatever the shape")
    parser.add_argument("--posenet", type=Path)
    parser.add_argument("--posenet-sides", type=int, nargs="+", default=[257, 513])
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    data = read_coco_people(args.coco)
    frames = [np.asarray(read(args.coco.parent / file)) for file in data.files]

    def show(name: str, find: Callable[[NDBytes], FoundPeople]) -> None:
        print(row(name, data, frames, find), flush=True)

    for file in args.weights:
        net = pose_small(file)
        for height in args.heights:
            show(f"{file.stem}, {height} px high", partial(small_people, net, height=height))
        for side in args.short_sides:
            show(f"{file.stem}, short side {side} px", partial(small_people_of, net, short_side=side))
        for side in args.three_sizes:
            for mirrored in (False, True):
                name = f"{file.stem}, short side {side} px and 1.5, 2 times{', mirrored' * mirrored}"
                show(name, partial(small_people_of, net, short_side=side, sizes=THREE_SIZES, mirrored=mirrored))
    if args.posenet:
        posenet = PoseNet().eval()
        posenet.load_state_dict(load_file(args.posenet))
        for side in args.posenet_sides:
            show(f"PoseNet, short side {side} px", partial(posenet_people, posenet, short_side=side))
    if args.teacher:
        run = load_teacher(args.teacher)
        show(f"teacher, {TEACHER_HEIGHT} px high", partial(teacher_people, run))


if __name__ == "__main__":
    main()
