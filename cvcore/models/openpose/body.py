"""The network of Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017,
https://arxiv.org/abs/1611.08050 , figure 3: the front of VGG-19, then six stages of two branches, PAFs (L1) and heat maps (L2).

Names of the layers are those of the authors' Caffe model, grouped as in pytorch-openpose, whose checkpoint
``body_pose_model.pth`` (the authors' weights) has them without their group: see :func:`from_official`.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from cvcore.models.openpose.maps import KEYPOINTS, LIMBS, PoseMaps
from cvcore.models.openpose.network import Pixels, PoseNetwork

FRONT: tuple[tuple[str, int, int] | None, ...] = (
    ("conv1_1", 3, 64), ("conv1_2", 64, 64), None,
    ("conv2_1", 64, 128), ("conv2_2", 128, 128), None,
    ("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256), ("conv3_4", 256, 256), None,
    ("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3_CPM", 512, 256), ("conv4_4_CPM", 256, 128),
)  # fmt: skip
"""3x3 convolutions, name, channels in and out; None: halve both sides."""
FEATURES = 128
STAGES = 6
BRANCHES = {1: 2 * LIMBS, 2: KEYPOINTS + 1}
"""Channels that each branch gives."""


class OpenPoseBody(PoseNetwork):
    """52 million parameters, 160 billion multiply-adds at 368 x 656.

    Args:
        rectified: the last heat maps go through a ReLU, as in pytorch-openpose; the authors' Caffe network has none. Only values
            below 0 differ, which decoding does not look at.
    """

    pixels = Pixels(scale=256, mean=0.5, std=1, bgr=True)

    def __init__(self, *, rectified: bool = True) -> None:
        super().__init__()
        self.rectified = rectified
        self.model0 = _front()
        for branch, channels in BRANCHES.items():
            for stage in range(1, STAGES + 1):
                self.add_module(f"model{stage}_{branch}", _branch(stage, branch, channels))

    def stages(self, x: Tensor) -> tuple[PoseMaps, ...]:
        features = self.model0(x)  # (N, 128, H / 8, W / 8)
        out: list[PoseMaps] = []
        for stage in range(1, STAGES + 1):
            seen = (
                torch.cat((out[-1].pafs, out[-1].heatmaps, features), 1) if out else features
            )  # (N, 185 or 128, h, w)
            pafs, heatmaps = (self.get_submodule(f"model{stage}_{branch}")(seen) for branch in BRANCHES)
            out.append(PoseMaps(heatmaps, pafs))
        if self.rectified:
            out[-1] = PoseMaps(out[-1].heatmaps.relu(), out[-1].pafs)
        return tuple(out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last stage, in the order of the authors' code.

        Args:
            x: (N, 3, H, W) BGR in [-0.5, 0.5): value / 256 - 0.5.

        Returns:
            PAFs (N, 38, h, w), heat maps (N, 19, h, w); h = H / 8, w = W / 8, rounded down.
        """
        last = self.stages(x)[-1]
        return last.pafs, last.heatmaps


def openpose_body(*, rectified: bool = True) -> OpenPoseBody:
    """The paper's network of six stages, without weights."""
    return OpenPoseBody(rectified=rectified)


def from_official(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The keys of pytorch-openpose's ``body_pose_model.pth`` -> those of :class:`OpenPoseBody`.

    The checkpoint names a layer alone, ``Mconv7_stage6_L1.weight``; here, as in its code, its group stands before it:

    - ``conv1_1`` to ``conv4_4_CPM`` -> ``model0.``
    - ``conv5_N_CPM_LB`` -> ``model1_B.``
    - ``MconvN_stageT_LB`` -> ``modelT_B.``

    Keys that have their group already stay as they are, and so do unknown ones, which loading then names.
    """
    groups = {
        name.partition(".")[2].rpartition(".")[0]: name.partition(".")[0] for name, _ in _shapes().named_parameters()
    }
    out = {}
    for key, value in tensors.items():
        group = groups.get(key.rpartition(".")[0])
        out[f"{group}.{key}" if group else key] = value
    return out


def _shapes() -> OpenPoseBody:
    with torch.device("meta"):
        return OpenPoseBody()


def _front() -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    pools = 0
    for row in FRONT:
        if row is None:
            pools += 1
            layers[f"pool{pools}_stage1"] = nn.MaxPool2d(2)
        else:
            name, before, after = row
            layers[name] = nn.Conv2d(before, after, 3, padding=1)
            layers[f"relu_{name}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def _branch(stage: int, branch: int, channels: int) -> nn.Sequential:
    """One branch of one stage: three 3x3 convolutions in the first, five 7x7 in the others, then two 1x1."""
    first = stage == 1
    kernels = (3,) * 3 + (1,) * 2 if first else (7,) * 5 + (1,) * 2
    width = 512 if first else 128
    before = FEATURES if first else FEATURES + sum(BRANCHES.values())
    stem = (f"conv5_{{}}_CPM_L{branch}" if first else f"Mconv{{}}_stage{stage}_L{branch}").format
    names = [stem(i + 1) for i in range(len(kernels))]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (name, kernel) in enumerate(zip(names, kernels, strict=True)):
        last = i == len(names) - 1
        after = channels if last else width if i == len(names) - 2 else FEATURES
        layers[name] = nn.Conv2d(before, after, kernel, padding=kernel // 2)
        if not last:
            layers[f"relu_{name}"] = nn.ReLU(inplace=True)
        before = after
    return nn.Sequential(layers)
