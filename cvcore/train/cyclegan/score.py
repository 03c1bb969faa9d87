"""python -m cvcore.train.cyclegan.score --run FOLDER --photos PLACE ... --paintings PLACE ...: the numbers of a model's card.

The photographs are ones that the run did not train on; the paintings are the ones it did, since there are few. Measured on one
snapshot of the run, or on each with --all:

- ``cycle``: mean |F(G(a)) - a| over photographs a, on the scale -1 to 1; ``cycle_back``: |G(F(a)) - a| over the same photographs;
  ``cycle_paintings``: |G(F(b)) - b| over paintings b. Whole pictures, the middle square at --side px.
- ``accepted``: the share of patches that each discriminator takes for real, of fakes and of real pictures.
- ``distance``: kernel distance (see :mod:`~cvcore.train.cyclegan.kernel_distance`) of translations to paintings, beside that of the
  photographs themselves to paintings, over crops at several scales; and the same towards photographs.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from cvcore.losses.gan import accepted
from cvcore.models.cyclegan import CycleGAN
from cvcore.models.mobilenet import MobileNetV2
from cvcore.train.cyclegan import data
from cvcore.train.cyclegan.kernel_distance import backbone, features, kernel_distance
from cvcore.train.cyclegan.recipe import Recipe
from cvcore.train.pictures import Pixels, picture_files, read

CROP = 192
SCALES = (1.25, 1.75)
STILL = data.Jitter(0, 0, 0)


def networks_of(run: Path, snapshot: Path) -> tuple[Recipe, CycleGAN]:
    """A run's recipe, and its networks with the weights of one of its snapshots, in eval mode."""
    recipe = Recipe(**torch.load(run / "last.pt", map_location="cpu", weights_only=True, mmap=True)["recipe"])
    networks = CycleGAN(**recipe.networks())
    networks.load_state_dict({key: t.float() for key, t in load_file(snapshot).items()}, strict=True)
    return recipe, networks.requires_grad_(False).eval()


@torch.inference_mode()
def score(
    networks: CycleGAN,
    trunk: MobileNetV2,
    photos: Sequence[Pixels],
    paintings: Sequence[Pixels],
    *,
    side: int,
    crops: int,
) -> dict[str, float]:
    """The numbers, by name.

    Args:
        networks: in eval mode.
        trunk: gives the features of the kernel distance.
        photos, paintings: (H, W, 3) RGB.
        side: of the whole pictures, in px.
        crops: of each domain, for the kernel distances.
    """
    found = {"cycle": 0.0, "cycle_back": 0.0, "cycle_paintings": 0.0}
    ab, ba = networks.generator_ab, networks.generator_ba
    counts = {"fake_b": [0, 0], "fake_a": [0, 0], "real_b": [0, 0], "real_a": [0, 0]}

    def vote(name: str, scores: Tensor) -> None:
        counts[name][0] += int(accepted(scores).sum())
        counts[name][1] += scores.numel()

    for pixels in photos:
        a = data.square(pixels, side)[None]
        fake = ab(a)
        found["cycle"] += float((ba(fake) - a).abs().mean()) / len(photos)
        found["cycle_back"] += float((ab(ba(a)) - a).abs().mean()) / len(photos)
        vote("fake_b", networks.discriminator_b(fake))
        vote("real_a", networks.discriminator_a(a))
    for pixels in paintings:
        b = data.square(pixels, side)[None]
        fake = ba(b)
        found["cycle_paintings"] += float((ab(fake) - b).abs().mean()) / len(paintings)
        vote("fake_a", networks.discriminator_a(fake))
        vote("real_b", networks.discriminator_b(b))
    found |= {f"accepted_{name}": yes / of for name, (yes, of) in counts.items()}

    a, b = (sample(pictures, crops) for pictures in (photos, paintings))
    feature_a, feature_b = features(trunk, a), features(trunk, b)
    found["distance_photos_paintings"] = kernel_distance(feature_a, feature_b)
    found["distance_translations_paintings"] = kernel_distance(features(trunk, translated(ab, a)), feature_b)
    found["distance_translations_photos"] = kernel_distance(features(trunk, translated(ba, b)), feature_a)
    return found


def sample(pictures: Sequence[Pixels], count: int) -> Tensor:
    """(count, 3, 192, 192): the same crops whenever asked, as many of each picture as can be."""
    parts = []
    for i, pixels in enumerate(pictures):
        share = count * (i + 1) // len(pictures) - count * i // len(pictures)
        if share:
            domain = data.Domain([pixels], size=CROP, scales=SCALES, jitter=STILL)
            parts.append(domain.crops(share, np.random.default_rng((1, i))))
    return torch.cat(parts)


def translated(generator: torch.nn.Module, pictures: Tensor) -> Tensor:
    return torch.cat([generator(chunk) for chunk in pictures.split(4)])


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.cyclegan.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--all", action="store_true", help="every snapshot, not the last only")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--crops", type=int, default=144)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    photos = [read(f) for f in picture_files(args.photos)]
    paintings = [read(f) for f in picture_files(args.paintings)]
    trunk = backbone()
    snapshots = sorted((args.run / "snapshots").glob("*.safetensors"))
    if not snapshots:
        raise SystemExit(f"{args.run} has no snapshots")
    for snapshot in snapshots if args.all else snapshots[-1:]:
        _, networks = networks_of(args.run, snapshot)
        found = score(networks, trunk, photos, paintings, side=args.side, crops=args.crops)
        print(json.dumps({"snapshot": snapshot.name} | {k: round(v, 4) for k, v in found.items()}), flush=True)


if __name__ == "__main__":
    main()
