"""python -m cvcore.train.pose.pseudo --posenet FILE --pictures PLACE ... --out FILE: people that PoseNet finds, as labels.

PoseNet (``cvcore.train.convert_posenet``) runs on several sizes of each picture and of its mirror image. People of the different
passes that are the same one, by object keypoint similarity, are merged: places weighted by probability. Where NanoDet sees a person
that no label covers, and where the passes do not agree, a region is marked to be ignored. Where NanoDet sees nobody at all, PoseNet
is not asked. A video stands for every --every-th of
its frames, which are written as pictures into --frames.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tqdm import tqdm

from cvcore import zoo
from cvcore.evaluate.keypoints import SIGMAS
from cvcore.models.nanodet import NanoDet
from cvcore.models.posenet import PoseNet
from cvcore.ops.nms import nms
from cvcore.ops.paf import COCO_17_NAMES, mirrored
from cvcore.train.pictures import picture_files, read
from cvcore.train.pose.labels import NDFloat, box_of, overlap, write_pseudo

MIRRORED = mirrored(COCO_17_NAMES)
"""COCO's keypoints of the mirror image."""
SAME_FROM = 0.4
"""Object keypoint similarity from which two people are one."""
KEEP_FROM = 0.25
"""A merged person's score; below, its box is ignored."""
ALONE_FROM = 0.55
"""The score of a merged person in which NanoDet sees none: it may be a dog."""
IGNORE_FROM = 0.35
"""Score of a box that, without a label in it, is ignored."""
PERSON = 0
"""NanoDet's class."""


def similarity(one: NDFloat, others: NDFloat) -> NDFloat:
    """(P,) of a person (17, 3) to others (P, 17, 3): COCO's object keypoint similarity, each keypoint weighted by the lower probability."""
    area = 0.6 * float(np.prod(np.ptp(one[:, :2], axis=0))) + 1
    squared = ((one[None, :, :2] - others[:, :, :2]) ** 2).sum(-1)
    alike = np.exp(-squared / (2 * area * (2 * np.asarray(SIGMAS)) ** 2))
    weights = np.minimum(one[:, 2], others[..., 2]) + 1e-3
    return np.asarray((alike * weights).sum(1) / weights.sum(1), np.float32)


def merge(passes: Sequence[tuple[NDFloat, NDFloat]]) -> tuple[NDFloat, NDFloat]:
    """The people of several passes over one picture, (P, 17, 3) and (P,) scores each, as one set.

    A person's score, and each keypoint's probability, is the mean of the best pass's and of all passes', where a pass that does not
    have the person counts as 0.
    """
    people, scores = (np.concatenate([p[i] for p in passes]) for i in (0, 1))
    source = np.repeat(np.arange(len(passes)), [len(p[1]) for p in passes])
    order = np.argsort(-scores, kind="stable")
    people, scores, source = people[order], scores[order], source[order]
    left = np.ones(len(people), bool)
    merged, merged_scores = [], []
    for k in range(len(people)):
        if not left[k]:
            continue
        same = left & (similarity(people[k], people) > SAME_FROM)
        same[k] = True
        left &= ~same
        first = np.unique(source[same], return_index=True)[1]  # of each pass, its surest
        group = people[same][first]
        weights = group[..., 2:] ** 2 + 1e-6
        place = (group[..., :2] * weights).sum(0) / weights.sum(0)
        probability = (group[..., 2].sum(0) / len(passes) + group[..., 2].max(0)) / 2
        merged.append(np.concatenate((place, probability[:, None]), 1))
        merged_scores.append((scores[same][first].sum() / len(passes) + scores[k]) / 2)
    return (
        np.array(merged, np.float32).reshape(-1, 17, 3),
        np.array(merged_scores, np.float32),
    )


def look(net: PoseNet, frame: NDArray[np.uint8], sides: Sequence[int]) -> tuple[NDFloat, NDFloat]:
    """The merged people of one RGB picture seen at several shorter sides, each also mirrored."""
    passes = []
    for side in sides:
        people, scores = net.people(frame, side)
        passes.append((people.numpy(), scores.numpy()))
        people, scores = net.people(np.ascontiguousarray(frame[:, ::-1]), side)
        back = people.numpy()[:, MIRRORED]
        back[..., 0] = frame.shape[1] - back[..., 0]
        passes.append((back, scores.numpy()))
    return merge(passes)


@torch.no_grad()
def person_boxes(net: NanoDet, frame: NDArray[np.uint8], score: float = 0.15) -> tuple[NDFloat, NDFloat]:
    """The people that NanoDet sees: (N, 4) xyxy and (N,) scores."""
    found = net.detect(frame)
    person = found.scores[:, PERSON]
    sure = person > score
    boxes, person = found.boxes[sure], person[sure]
    kept = nms(boxes, person, 0.5)
    return boxes[kept].numpy().reshape(-1, 4), person[kept].numpy()


def label(
    posenet: PoseNet, nanodet: NanoDet, frame: NDArray[np.uint8], sides: Sequence[int]
) -> tuple[NDFloat, NDFloat]:
    """People (P, 17, 3) and ignored boxes (N, 4) of one RGB picture."""
    seen, score = person_boxes(nanodet, frame)
    if not len(seen):
        return np.zeros((0, 17, 3), np.float32), np.zeros((0, 4), np.float32)
    people, scores = look(posenet, frame, sides)
    boxes = np.array([box_of(p[:, :2], p[:, 2] > 0.1) for p in people], np.float32).reshape(-1, 4)
    seen_too = np.array([max(overlap(box, other) for other in seen) >= 0.5 for box in boxes], bool)
    known = np.where(seen_too, scores >= KEEP_FROM, scores >= ALONE_FROM)
    ignored = list(boxes[~known])
    for box in seen[score > IGNORE_FROM]:
        if max((overlap(box, other) for other in boxes[known]), default=0.0) < 0.5:
            ignored.append(box)
    return people[known], np.array(ignored, np.float32).reshape(-1, 4)


def video_frames(video: Path, every: int, folder: Path) -> Iterator[Path]:
    """Writes every so-manieth frame as a JPEG.

    Raises:
        ValueError: it is no video.
    """
    capture = cv2.VideoCapture(str(video))
    folder.mkdir(parents=True, exist_ok=True)
    index = 0
    while capture.grab():
        if index % every == 0:
            file = folder / f"{video.stem}_{index:06d}.jpg"
            cv2.imwrite(str(file), capture.retrieve()[1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            yield file
        index += 1
    if not index:
        raise ValueError(f"{video} is no video")


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose.pseudo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--posenet", type=Path, required=True, help="posenet.safetensors")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], help="pictures, or folders of them")
    parser.add_argument("--videos", type=Path, nargs="+", default=[])
    parser.add_argument("--every", type=int, default=10, help="frames")
    parser.add_argument("--frames", type=Path, help="a folder for the videos' frames")
    parser.add_argument("--sides", type=int, nargs="+", default=[513, 769, 1025], help="16 k + 1 each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(given)
    if args.videos and not args.frames:
        parser.error("--videos needs --frames")
    torch.set_num_threads(args.threads)
    posenet = PoseNet().eval()
    posenet.load_state_dict(load_file(args.posenet))
    nanodet = zoo.load("nanodet").eval()
    assert isinstance(nanodet, NanoDet)
    files = picture_files(args.pictures) if args.pictures else []
    files += [frame for video in args.videos for frame in video_frames(video, args.every, args.frames)]
    write_pseudo(
        args.out,
        ((f.name, *label(posenet, nanodet, read(f), args.sides)) for f in tqdm(files, mininterval=30, ascii=True)),
    )


if __name__ == "__main__":
    main()
