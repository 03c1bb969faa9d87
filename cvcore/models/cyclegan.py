"""CycleGAN's networks, after Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
ICCV 2017, https://arxiv.org/abs/1703.10593 , section 4 and appendix 7.2.

Tensor names are those of the authors' code, so their checkpoints (``<task>.pth``, the generator's state_dict) load with
``strict=True``, also the ones from before PyTorch 0.4, whose statistics of instance norm are left out on loading.

Not in the paper, and off unless asked for:

- ``upsample="resize"``: nearest-neighbour enlargement and a convolution in place of the transposed convolution, which leaves a
  checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016, https://distill.pub/2016/deconv-checkerboard ).
- ``separable=True``: residual blocks of depthwise and pointwise convolutions, as in Li et al., "GAN Compression", CVPR 2020,
  https://arxiv.org/abs/2003.08936 , section 3.2. Names and order are those of their code; with ``trunk``, ``hidden`` and ``dropout``
  their compressed generators load with ``strict=True``.
- ``norm_ends=False``: no norm in encoder and decoder. With instance norm after the first convolution a picture and the same picture
  brighter or with more contrast give the same output, so no cycle can bring brightness back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Literal["instance", "instance_affine", "batch"]
Upsample = Literal["transpose", "resize"]


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm, worked out as a group norm of one channel a group where no gradient is needed: the same numbers, on a
    CPU 5 to 10 times as fast, and channels_last stays channels_last. (Its gradient in bfloat16 is the slower one.)
    """

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        if torch.is_grad_enabled() or x.dim() != 4 or x.shape[2] * x.shape[3] == 1:
            return super().forward(x)
        return F.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "instance":
        return InstanceNorm2d(channels)
    if kind == "instance_affine":
        return InstanceNorm2d(channels, affine=True)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    assert_never(kind)


class SeparableConv2d(nn.Module):
    """3x3 depthwise convolution, norm, 1x1 convolution; no padding of its own."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: Norm, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, groups=in_channels, bias=bias),
            _norm(norm, in_channels),
            nn.Conv2d(in_channels, out_channels, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H - 2, W - 2)
        out: Tensor = self.conv(x)
        return out


class ResnetBlock(nn.Module):
    """x + two 3x3 convolutions with norm, ReLU between them, edges reflected.

    Args:
        channels: in and out.
        norm: of both convolutions.
        hidden: channels between the two.
        separable: depthwise and pointwise convolutions in place of full ones.
        dropout: with probability 0.5 after the ReLU, in training.
    """

    def __init__(
        self, channels: int, *, norm: Norm, hidden: int | None = None, separable: bool = False, dropout: bool = False
    ) -> None:
        super().__init__()
        hidden = hidden or channels
        make: Any = partial(SeparableConv2d, norm=norm) if separable else partial(nn.Conv2d, kernel_size=3)
        bias = norm != "batch"
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            make(channels, hidden, bias=bias),
            _norm(norm, hidden),
            nn.ReLU(True),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            make(hidden, channels, bias=bias),
            _norm(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:  # (N, channels, H, W) -> the same
        residual: Tensor = self.conv_block(x)
        return x + residual


class ResnetGenerator(nn.Module):
    """c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3 of appendix 7.2, as one Sequential ``model``.

    Fully convolutional; sides that are multiples of 4 come back the same size.

    Args:
        in_channels, out_channels: 3 for colour pictures.
        filters: channels of the first convolution; doubled by each of the two halvings.
        blocks: residual blocks; 9 for pictures from 256 px, 6 below, says the paper.
        norm: the authors' is instance norm without parameters.
        upsample: see the module's docstring.
        separable: likewise.
        trunk: channels of the residual blocks, 4 x filters unless given.
        hidden: channels inside each residual block, those of the trunk unless given.
        dropout: in the residual blocks.
        norm_ends: norms in encoder and decoder too, not in the residual blocks only.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        filters: int = 64,
        blocks: int = 9,
        norm: Norm = "instance",
        *,
        upsample: Upsample = "transpose",
        separable: bool = False,
        trunk: int | None = None,
        hidden: Sequence[int] | None = None,
        dropout: bool = False,
        norm_ends: bool = True,
    ) -> None:
        super().__init__()
        trunk = trunk or 4 * filters
        if hidden is not None and len(hidden) != blocks:
            raise ValueError(f"hidden needs one number of channels for each of the {blocks} blocks, not {len(hidden)}")
        bias = norm != "batch" or not norm_ends  # a batch norm's own shift makes it idle

        def finish(channels: int) -> list[nn.Module]:
            return [_norm(norm, channels), nn.ReLU(True)] if norm_ends else [nn.ReLU(True)]

        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, filters, 7, bias=bias)]
        layers += finish(filters)
        for before, after in ((filters, 2 * filters), (2 * filters, trunk)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=bias), *finish(after)]
        self.encoder_end = len(layers)
        for inner in hidden or [trunk] * blocks:
            layers.append(ResnetBlock(trunk, norm=norm, hidden=inner, separable=separable, dropout=dropout))
        for before, after in ((trunk, 2 * filters), (2 * filters, filters)):
            layers += [_enlarge(before, after, upsample, bias), *finish(after)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(filters, out_channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        self._leave_out_statistics = norm != "batch"
        self.register_load_state_dict_pre_hook(_drop_statistics)

    def forward(self, x: Tensor) -> Tensor:
        """The translated picture.

        Args:
            x: (N, in_channels, H, W) from -1 to 1; H and W multiples of 4, at least 16.

        Returns:
            (N, out_channels, H, W) from -1 to 1.
        """
        out: Tensor = self.model(x)
        return out


class PatchDiscriminator(nn.Module):
    """C64-C128-C256-C512 and a last convolution (appendix 7.2): one score for each overlapping patch, 70x70 px with 3 layers.

    The scores are free numbers: least squares pulls them to 1 for real and 0 for fake, so those above 0.5 accept.

    Args:
        in_channels: 3 for colour pictures.
        filters: channels of the first convolution; doubled by each further layer, up to 8 times.
        layers: of stride 2.
        norm: of all convolutions but the first and the last.
    """

    def __init__(self, in_channels: int = 3, filters: int = 64, layers: int = 3, norm: Norm = "instance") -> None:
        super().__init__()
        model: list[nn.Module] = [nn.Conv2d(in_channels, filters, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        width = filters
        for i in range(1, layers + 1):
            before, width = width, filters * min(2**i, 8)
            stride = 2 if i < layers else 1
            conv = nn.Conv2d(before, width, 4, stride=stride, padding=1, bias=norm != "batch")
            model += [conv, _norm(norm, width), nn.LeakyReLU(0.2, True)]
        model.append(nn.Conv2d(width, 1, 4, stride=1, padding=1))
        self.model = nn.Sequential(*model)
        self._leave_out_statistics = norm != "batch"
        self.register_load_state_dict_pre_hook(_drop_statistics)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the patches.

        Args:
            x: (N, in_channels, H, W) from -1 to 1.

        Returns:
            (N, 1, H / 8 - 2, W / 8 - 2) with 3 layers and sides that are multiples of 8.
        """
        out: Tensor = self.model(x)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class CycleTrace:
    """Both cycles of a pair (equation 2 of the paper, figure 3), all (N, C, H, W) from -1 to 1.

    Args:
        fake_b: G_AB(a).
        cycled_a: G_BA(G_AB(a)).
        fake_a: G_BA(b).
        cycled_b: G_AB(G_BA(b)).
    """

    fake_b: Tensor
    cycled_a: Tensor
    fake_a: Tensor
    cycled_b: Tensor


class CycleGAN(nn.Module):
    """The four networks of a model: ``generator_ab`` (the paper's G), ``generator_ba`` (F), ``discriminator_a``, ``discriminator_b``.

    Args:
        generator: arguments of both :class:`ResnetGenerator`.
        discriminator: arguments of both :class:`PatchDiscriminator`.
    """

    def __init__(self, generator: dict[str, Any] | None = None, discriminator: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.generator_ab = ResnetGenerator(**(generator or {}))
        self.generator_ba = ResnetGenerator(**(generator or {}))
        self.discriminator_a = PatchDiscriminator(**(discriminator or {}))
        self.discriminator_b = PatchDiscriminator(**(discriminator or {}))

    def forward(self, a: Tensor, b: Tensor) -> CycleTrace:
        """Both pictures there and back: a (N, C, H, W) and b (N, C, H, W) from -1 to 1."""
        fake_b, fake_a = self.generator_ab(a), self.generator_ba(b)
        return CycleTrace(fake_b, self.generator_ba(fake_b), fake_a, self.generator_ab(fake_a))


class ImagePool:
    """A history of fakes for the discriminators (section 4; Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828 , section 2.3).

    Until it is full, pictures are kept and handed back as they are. Then each comes back itself with probability 1/2, or else
    an older one comes back and it takes the older one's place.

    Args:
        size: pictures kept; 0 hands everything back.
        generator: of the draws, on the CPU; torch's own unless given.
    """

    def __init__(self, size: int = 50, generator: torch.Generator | None = None) -> None:
        if size < 0:
            raise ValueError(f"an image pool keeps 0 pictures or more, not {size}")
        self.size = size
        self.generator = generator
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """As many pictures as given, some of them older; without gradients.

        Args:
            images: (N, C, H, W), always of one shape but for N.
        """
        if self.size == 0:
            return images.detach()
        chosen = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif torch.rand((), generator=self.generator) > 0.5:
                place = int(torch.randint(self.size, (), generator=self.generator))
                image, self.images[place] = self.images[place], image.clone()
            chosen.append(image)
        return torch.stack(chosen)


def _enlarge(before: int, after: int, upsample: Upsample, bias: bool) -> nn.Module:
    if upsample == "transpose":
        return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=bias)
    if upsample == "resize":
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.ReflectionPad2d(1),
            nn.Conv2d(before, after, 3, bias=bias),
        )
    assert_never(upsample)


def _drop_statistics(network: ResnetGenerator | PatchDiscriminator, state: dict[str, Any], *_: Any) -> None:
    """Before PyTorch 0.4 instance norm saved statistics that it never used."""
    if network._leave_out_statistics:
        for key in [k for k in state if k.endswith((".running_mean", ".running_var", ".num_batches_tracked"))]:
            del state[key]
