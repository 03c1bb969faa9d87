"""python -m cvcore.train.pose.distil --posenet FILE --pictures PLACE ... --out FOLDER: what several looks see, for one to learn.

Views of pictures are drawn as crops of 256 px. The initial stage of the network, PoseNet's votes, sees each at up to three sizes, up to 3
times the side, cut from the picture itself, or in the mirror; the maps averaged are what the crop is asked for. No label is needed.
Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531 ; Radosavovic et al., "Data
Distillation", CVPR 2018, https://arxiv.org/abs/1712.04440 , which does it for keypoints.

Written to --out, a shard at a time: ``pixels_NNN.npy`` (N, 3, 256, 256) uint8 and ``maps_NNN.npy`` (N, 57, 32, 32) float16.
Started again, it goes on with the next shard.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from cvcore.models.openpose import PoseSmall
from cvcore.models.openpose.maps import PoseMaps, average, mirror_image
from cvcore.models.openpose.votes import drawn, votes
from cvcore.train.files import write_whole
from cvcore.train.pose.data import STRIDE, Augmentation, People, Sample, View, recoloured, warped
from cvcore.train.pose.pictures import add_pictures, labelled_pictures

SIDE = 256
SIZES = (1.0, 1.5, 2.0, 3.0)
"""Times the side of the crop, at which the ensemble may look."""
LARGEST = 1.7
"""Times the picture's own size: larger is only blurred, and people outgrow what PoseNet sees of them."""
VIEWS = Augmentation(rotation=8.0, mosaic=0.0, plain=0.45, plain_largest=2.6, close=0.15)


def looks(view: View) -> list[tuple[float, bool]]:
    """At which times the crop's side, and whether in the mirror: three larger sizes where the picture has them; of one or two both ways."""
    scale = float(np.sqrt(abs(np.linalg.det(view.matrix[:, :2]))))
    times = [t for t in SIZES if t * scale <= LARGEST][-3:] or [SIZES[0]]
    return [(t, mirror) for t in times for mirror in ((False,) if len(times) == 3 else (False, True))]


@torch.no_grad()
def asked(network: PoseSmall, view: View) -> PoseMaps:
    """The maps of the ensemble, (1, ..., 32, 32), for a crop of a view: every look draws its votes on the cells of the crop."""
    cells = SIDE // STRIDE
    seen = []
    for times, mirror in looks(view):
        crop = warped(view.pixels, view.picture, view.larger(times), round(times * SIDE), flipped=view.flipped)
        x = torch.from_numpy(crop.pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        maps = drawn(votes(network.seen(x.flip(-1) if mirror else x)[2], cells, cells, times * STRIDE))
        seen.append(mirror_image(maps) if mirror else maps)
    return average(seen, (cells, cells))


class Distilled:
    """The shards of a folder; crops from them in other light, mirrored half of the time.

    Raises:
        ValueError: the folder has none.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("pixels_*.npy"))
        if not files:
            raise ValueError(f"{folder} holds no views of cvcore.train.pose.distil")
        self.pixels = [np.load(f, mmap_mode="r") for f in files]
        self.maps = [np.load(f.with_name(f.name.replace("pixels", "maps")), mmap_mode="r") for f in files]
        self._starts = np.cumsum([0, *(len(p) for p in self.pixels)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def sample(self, draw: np.random.Generator) -> Sample:
        """One crop, asked everywhere."""
        number = int(draw.integers(len(self)))
        shard = int(np.searchsorted(self._starts, number, "right")) - 1
        row = number - self._starts[shard]
        pixels = recoloured(np.ascontiguousarray(self.pixels[shard][row].transpose(1, 2, 0)), draw)
        maps = torch.from_numpy(self.maps[shard][row].astype(np.float32))[None]
        both = PoseMaps(*maps.split((19, 38), 1))
        if draw.random() < 0.5:
            pixels, both = np.ascontiguousarray(pixels[:, ::-1]), mirror_image(both)
        heatmaps, pafs = both.heatmaps[0], both.pafs[0]
        crop = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return Sample(crop, heatmaps, pafs, torch.ones_like(heatmaps), torch.ones_like(pafs))


def npy(rows: Sequence[Tensor]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, torch.stack(list(rows)).numpy())
    return buffer.getvalue()


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.pose.distil",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--posenet", type=Path, required=True, help="posenet.safetensors")
    add_pictures(parser)
    parser.add_argument("--views", type=int, default=6000)
    parser.add_argument("--shard", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    network = PoseSmall().eval()
    network.posenet.load_state_dict(load_file(args.posenet))
    people = People(labelled_pictures(args), size=SIDE, augmentation=VIEWS, longest=1600)
    args.out.mkdir(parents=True, exist_ok=True)
    for shard in range(-(-args.views // args.shard)):
        last = args.out / f"pixels_{shard:03d}.npy"
        if last.exists():
            continue
        draw = np.random.default_rng((7, shard))
        pixels, maps = [], []
        for _ in tqdm(range(args.shard), desc=last.stem, mininterval=30, ascii=True):
            view = people.view(draw, SIDE)
            crop = warped(view.pixels, view.picture, view.matrix, SIDE, flipped=view.flipped)
            both = asked(network, view)
            pixels.append(torch.from_numpy(np.ascontiguousarray(crop.pixels.transpose(2, 0, 1))))
            maps.append(torch.cat((both.heatmaps, both.pafs), 1)[0].half())
        write_whole(last.with_name(last.name.replace("pixels", "maps")), npy(maps))
        write_whole(last, npy(pixels))


if __name__ == "__main__":
    main()
