"""Earlier translations, kept as the training keeps them for the discriminators."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cvcore.models.cyclegan import ImagePool


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """An :class:`cvcore.models.cyclegan.ImagePool` between two frames; as data, so that a saved panel opens as it was.

    Args:
        size: pictures kept at most.
        images: (3, h, w) uint8 each, kept so far.
        seen: pictures that went in.
        chosen: (3, h, w) uint8, what came back for the newest.
        older: whether that was an earlier one.
        picture: of which frame the newest is.
    """

    size: int
    images: tuple[Tensor, ...] = ()
    seen: int = 0
    chosen: Tensor | None = None
    older: bool = False
    picture: tuple[str, int, float] | None = None

    def after(self, fake: Tensor, picture: tuple[str, int, float]) -> "Pool":
        """The pool after a frame's translation, which goes in once however often the frame is computed.

        Args:
            fake: (1, 3, h, w) from -1 to 1.
            picture: tells apart frames.
        """
        levels = to_levels(fake)
        if self.picture == picture and self.chosen is not None and self.chosen.shape == levels.shape[1:]:
            return self
        fits = all(image.shape == levels.shape[1:] for image in self.images)
        # Draws depend on how many came before: what is saved and opened again goes on alike.
        pool = ImagePool(self.size, torch.Generator().manual_seed(self.seen))
        pool.images = list(self.images) if fits else []
        chosen = pool.query(levels)[0]
        return Pool(self.size, tuple(pool.images), self.seen + 1, chosen, not torch.equal(chosen, levels[0]), picture)


def to_levels(x: Tensor) -> Tensor:
    """From -1 .. 1 to uint8, on the host: a quarter of the memory, and as fine as a picture file."""
    return x.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().contiguous()


def from_levels(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1
