"""python -m cvcore.train.cyclegan.ship --run FOLDER --snapshot STEP --photos PLACE ... --paintings PLACE ...: a snapshot with its card.

The photographs are ones that the run did not train on (see :mod:`cvcore.train.cyclegan.score`). Written to --out:
``cyclegan_ukiyoe.safetensors``, averaged generators and discriminators in half precision, and ``cyclegan_ukiyoe.json``, whose score is
measured now.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cvcore.train.cyclegan.kernel_distance import backbone
from cvcore.train.cyclegan.recipe import Recipe
from cvcore.train.cyclegan.score import networks_of, score
from cvcore.train.files import write_whole
from cvcore.train.pictures import picture_files, read

NAME = "cyclegan_ukiyoe"


def words(found: Mapping[str, float], *, side: int, photos: int, paintings: int) -> str:
    """The numbers of :func:`cvcore.train.cyclegan.score.score` as the card says them."""
    n = {key: f"{value:.3f}" for key, value in found.items()}
    share = {key: f"{100 * value:.0f} %" for key, value in found.items()}
    return (
        f"Cycle L1 on the scale -1 to 1, whole pictures at {side} x {side}: {n['cycle']} photograph -> print -> photograph "
        f"and {n['cycle_back']} the other way round, on {photos} photographs that were not trained on; "
        f"{n['cycle_paintings']} print -> photograph -> print, on the {paintings} prints of the training. "
        f"Patches taken for real: {share['accepted_fake_b']} of translations to prints ({share['accepted_real_b']} of prints), "
        f"{share['accepted_fake_a']} of translations to photographs ({share['accepted_real_a']} of photographs). "
        "Kernel distance on features of the built-in MobileNetV2, 192 px crops: "
        f"translations to prints {n['distance_translations_paintings']}, photographs to prints {n['distance_photos_paintings']}; "
        f"translated prints to photographs {n['distance_translations_photos']}."
    )


def card(recipe: Recipe, *, step: int, sha256: str, measured: str, size: int) -> dict[str, Any]:
    return {
        "name": NAME,
        "title": "CycleGAN: photographs and ukiyo-e prints",
        "task": "image translation",
        "builder": "cvcore.models.cyclegan:CycleGAN",
        "arguments": recipe.networks(),
        "file": f"{NAME}.safetensors",
        "sha256": sha256,
        "licence": "Apache-2.0",
        "source": "trained by cvcore.train.cyclegan (docs/cyclegan_training.md); both generators (moving averages) and both "
        "discriminators, float16",
        "preprocessing": {"size": size, "mean": [0.5] * 3, "std": [0.5] * 3, "colour": "RGB", "scale": 255},
        "training_data": "Nine ukiyo-e prints by Katsushika Hokusai and Utagawa Hiroshige (public domain) and 49 "
        "landmark photographs, both from gcompris-qt-data 3.1; photographs of COCO (COCO128 and pictures with people).",
        "score": f"{step} steps of {recipe.size} x {recipe.size} px crops. {measured}",
        "paper": "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017, "
        "https://arxiv.org/abs/1703.10593",
    }


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m cvcore.train.cyclegan.ship",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--snapshot", type=int, required=True, help="its step")
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--crops", type=int, default=144)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("assets/weights"))
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    photos = [read(f) for f in picture_files(args.photos)]
    paintings = [read(f) for f in picture_files(args.paintings)]
    snapshot = args.run / "snapshots" / f"{args.snapshot:06d}.safetensors"
    recipe, networks = networks_of(args.run, snapshot)
    found = score(networks, backbone(), photos, paintings, side=args.side, crops=args.crops)
    measured = words(found, side=args.side, photos=len(photos), paintings=len(paintings))
    weights = snapshot.read_bytes()
    made = card(
        recipe, step=args.snapshot, sha256=hashlib.sha256(weights).hexdigest(), measured=measured, size=args.side
    )
    write_whole(args.out / f"{NAME}.safetensors", weights)
    write_whole(args.out / f"{NAME}.json", (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
    print(measured)


if __name__ == "__main__":
    main()
