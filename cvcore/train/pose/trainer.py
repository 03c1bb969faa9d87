"""One step of training, and the whole state of a run, which a checkpoint holds.

What a step draws depends on seed and step alone, so a run that is killed and resumed ends with the same weights, bit for bit, on
the same machine with as many threads.
"""

import copy
import io
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from cvcore.losses.pose import pose_loss_trace
from cvcore.models.openpose import PoseSmall
from cvcore.models.openpose.small import SeparableBlock
from cvcore.train.files import read_checkpoint, write_whole
from cvcore.train.pose.data import Crops, batch
from cvcore.train.pose.recipe import Recipe


class Trainer:
    """A run: the network, its optimiser, the moving average of its weights, the step.

    Args:
        recipe: what to do.
        crops: what is seen.
        posenet: weights of PoseNet, which stay as they are.
        device: where the network is.
    """

    def __init__(self, recipe: Recipe, crops: Crops, posenet: dict[str, Tensor], device: torch.device) -> None:
        self.recipe, self.crops, self.device = recipe, crops, device
        self.step = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = initialised(PoseSmall(), posenet).to(device).train()
        self.network.posenet.requires_grad_(False)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.precision == "bfloat16":
            for module in self.network.modules():
                if isinstance(module, SeparableBlock):
                    module.depthwise.forward = partial(in_single, module.depthwise)  # type: ignore[method-assign]
        learnt: list[nn.Parameter] = [p for p in self.network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in learnt if p.ndim > 1]},
            {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def advance(self) -> dict[str, float]:
        """One step; the loss of each stage's heat maps and PAFs, by name."""
        r = self.recipe
        seen = batch(self.crops, r.batch, np.random.default_rng((r.seed, self.step)))
        for group in self.optimiser.param_groups:
            group["lr"] = r.learning_rate * r.pace(self.step)
        x = (seen.pixels.to(self.device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=r.precision == "bfloat16"):
            stages = self.network.stages(x)
        trace = pose_loss_trace(
            [(s.heatmaps.float(), s.pafs.float()) for s in stages],
            seen.heatmaps.to(self.device),
            seen.pafs.to(self.device),
            seen.heatmap_mask.to(self.device),
            seen.paf_mask.to(self.device),
        )
        self.optimiser.zero_grad(set_to_none=True)
        trace.total.backward()
        nn.utils.clip_grad_norm_(
            [p for p in self.network.parameters() if p.requires_grad], 5 * abs(float(trace.total.detach())) + 1
        )
        self.optimiser.step()
        self.step += 1
        self._follow()
        terms = {"heatmaps": trace.heatmaps.detach().tolist(), "pafs": trace.pafs.detach().tolist()}
        return {f"{name}_{t}": value for name, values in terms.items() for t, value in enumerate(values)}

    def snapshot(self) -> dict[str, Tensor]:
        """What is shipped: the averaged weights in half precision, counters left as they are."""
        state = self.average.state_dict()
        return {k: (t.half() if t.is_floating_point() else t).contiguous().cpu() for k, t in state.items()}

    def save_snapshot(self, file: Path) -> None:
        write_whole(file, save(self.snapshot()))

    def save(self, file: Path) -> None:
        """The whole state; the file appears whole or not at all."""
        buffer = io.BytesIO()
        torch.save(
            {
                "recipe": asdict(self.recipe),
                "step": self.step,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
            buffer,
        )
        write_whole(file, buffer.getvalue())

    def restore(self, file: Path) -> dict[str, Any]:
        """Goes on from a checkpoint; the recipe that it was written with is returned, this run's own stays in force.

        Raises:
            ValueError: the file is no checkpoint of such a network.
        """
        try:
            state = read_checkpoint(file)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{file} is no checkpoint of this network") from error
        self.step = int(state["step"])
        recipe: dict[str, Any] = state["recipe"]
        return recipe

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average; in the first steps faster, since the first weights mean nothing."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        for old, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)


def in_single(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A depthwise convolution in single precision: on a CPU its weights' gradient takes three times as long in bfloat16."""
    with torch.autocast(x.device.type, enabled=False):
        return conv._conv_forward(x.float(), conv.weight, conv.bias)


def initialised(network: PoseSmall, posenet: dict[str, Tensor]) -> PoseSmall:
    """PoseNet as it is; convolutions after He et al. 2015; the ends of the stages 0, so that each begins by believing the one before it,
    and the last norm of each separable block 0, so that blocks begin as their shortcuts (Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677 , section 5.1).

    Raises:
        ValueError: these are not PoseNet's weights.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and not name.startswith("posenet."):
            if name.endswith((".heatmaps", ".pafs")):
                nn.init.zeros_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif name.endswith(".norm2"):
            assert isinstance(module, nn.BatchNorm2d)
            nn.init.zeros_(module.weight)
    try:
        network.posenet.load_state_dict(posenet)
    except RuntimeError as error:
        raise ValueError("these are not PoseNet's weights") from error
    return network
