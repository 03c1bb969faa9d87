"""Where a discriminator's patches lie, and the pool of earlier translations."""

import torch

from cvcore.image_pool import Pool
from cvcore.models.cyclegan import CycleGAN
from cvcore.receptive_field import receptive_field
from cvcore.receptive_field.patches import patch_field


def test_a_patch_is_where_a_gradient_comes_from() -> None:
    judge = CycleGAN({"filters": 4, "blocks": 1}, {"filters": 4, "norm": "batch"}).discriminator_b.eval()
    x = torch.randn(1, 3, 128, 160, requires_grad=True)
    field_of = patch_field(judge, 128, 160)
    assert field_of.size == (70, 70)
    for row, column in ((7, 9), (0, 0), (13, 17)):
        (gradient,) = torch.autograd.grad(judge(x)[0, 0, row, column], x)
        ys, xs = gradient[0].abs().sum(0).nonzero(as_tuple=True)
        assert field_of.box(row, column) == (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
    # Batch norm in eval mode mixes nothing, so the library's own field of the whole network is the same.
    assert receptive_field(judge, "model", x.detach()).size == (70, 70)
    assert patch_field(CycleGAN({}, {"filters": 4, "layers": 2}).discriminator_a, 64, 64).size == (34, 34)


def test_the_pool_follows_the_papers_rule() -> None:
    """Until it is full everything comes back itself; then about half of what comes back is older, and each older one was there."""
    pool, seen, older = Pool(4), [], 0
    for i in range(60):
        fake = torch.full((1, 3, 8, 8), i / 60)
        before = pool.images
        pool = pool.after(fake, ("t", i, 0.0))
        assert pool.chosen is not None
        assert len(pool.images) == min(i + 1, 4)
        if pool.older:
            older += 1
            assert any(torch.equal(pool.chosen, image) for image in before)
            assert any(torch.equal(seen_one, pool.chosen) for seen_one in seen)
        else:
            assert i < 4 or not any(torch.equal(pool.chosen, image) for image in before)
        seen.append(((fake[0] + 1) * 127.5).round().byte())
    assert 15 <= older <= 41
    assert pool.after(fake, ("t", 59, 0.0)) is pool, "a frame goes in once"
    assert Pool(0).after(fake, ("t", 0, 0.0)).images == ()
