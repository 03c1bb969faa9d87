"""One step of training, and the whole state of a run, which a checkpoint holds.

What a step draws depends on seed and step alone (the crops) or on a generator kept in the checkpoint (the image pools), so a run
that is killed and resumed ends with the same weights, bit for bit, on the same machine with as many threads.
"""

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from cvcore.losses.gan import cycle_loss, discriminator_loss, generator_loss, identity_loss
from cvcore.models.cyclegan import CycleGAN, ImagePool, PatchDiscriminator, ResnetBlock
from cvcore.train.cyclegan.data import Domain
from cvcore.train.cyclegan.recipe import Recipe
from cvcore.train.files import read_checkpoint, write_whole

BETAS = (0.5, 0.999)


class Trainer:
    """A run: networks, optimisers, image pools, the moving average of the generators, the step.

    Args:
        recipe: what to do.
        photos: domain A.
        paintings: domain B.
        device: where the networks are.
    """

    def __init__(self, recipe: Recipe, photos: Domain, paintings: Domain, device: torch.device) -> None:
        self.recipe = recipe
        self.photos, self.paintings = photos, paintings
        self.device = device
        self.step = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.networks = initialised(CycleGAN(**recipe.networks())).to(device)
        self.average = copy.deepcopy(self.networks).requires_grad_(False).eval()
        m = self.networks
        self.generators = [*m.generator_ab.parameters(), *m.generator_ba.parameters()]
        self.discriminators = [*m.discriminator_a.parameters(), *m.discriminator_b.parameters()]
        self.optimiser_g = torch.optim.Adam(self.generators, recipe.learning_rate, BETAS)
        self.optimiser_d = torch.optim.Adam(self.discriminators, recipe.discriminator_learning_rate, BETAS)
        self.draws = torch.Generator().manual_seed(recipe.seed)
        self.pool_a = ImagePool(recipe.pool_size, self.draws)
        self.pool_b = ImagePool(recipe.pool_size, self.draws)

    def advance(self) -> dict[str, float]:
        """One step; every loss term of it, unweighted, by name."""
        r = self.recipe
        crops = np.random.default_rng((r.seed, self.step))
        a = self.photos.crops(r.batch, crops).to(self.device)
        b = self.paintings.crops(r.batch, crops).to(self.device)
        for optimiser, rate in (
            (self.optimiser_g, r.learning_rate),
            (self.optimiser_d, r.discriminator_learning_rate),
        ):
            optimiser.param_groups[0]["lr"] = rate * r.pace(self.step)
        fake_a, fake_b, terms = self._step_generators(a, b)
        terms |= self._step_discriminators(a, b, fake_a, fake_b)
        self.step += 1
        self._follow()
        return dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))

    def snapshot(self) -> dict[str, Tensor]:
        """What is shipped: the averaged generators and the discriminators, in half precision."""
        return {key: t.detach().half().contiguous().cpu() for key, t in self.average.state_dict().items()}

    def save(self, file: Path) -> None:
        """The whole state; the file appears whole or not at all."""
        buffer = io.BytesIO()
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "networks": self.networks.state_dict(),
            "average": self.average.state_dict(),
            "optimiser_g": self.optimiser_g.state_dict(),
            "optimiser_d": self.optimiser_d.state_dict(),
            "pool_a": self.pool_a.images,
            "pool_b": self.pool_b.images,
            "draws": self.draws.get_state(),
        }
        torch.save(state, buffer)
        write_whole(file, buffer.getvalue())

    def save_snapshot(self, file: Path) -> None:
        write_whole(file, save(self.snapshot()))

    def restore(self, file: Path) -> dict[str, Any]:
        """Goes on from a checkpoint; the recipe that it was written with is returned, this run's own stays in force.

        Raises:
            ValueError: the file is no checkpoint of such networks.
        """
        try:
            state = read_checkpoint(file)
            self.networks.load_state_dict(state["networks"])
            self.average.load_state_dict(state["average"])
            self.optimiser_g.load_state_dict(state["optimiser_g"])
            self.optimiser_d.load_state_dict(state["optimiser_d"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{file} is no checkpoint of these networks") from error
        for pool, name in ((self.pool_a, "pool_a"), (self.pool_b, "pool_b")):
            pool.images = [image.to(self.device) for image in state[name][: pool.size]]
        self.draws.set_state(state["draws"])
        self.step = int(state["step"])
        recipe: dict[str, Any] = state["recipe"]
        return recipe

    def _step_generators(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Equation 3 with the identity term of section 5.2, for both generators at once."""
        r, m = self.recipe, self.networks
        with frozen(self.discriminators), self._autocast():
            if r.identity_weight:  # both uses of a generator in one batch: instance norm keeps them apart
                fake_b, same_b = m.generator_ab(torch.cat((a, b))).float().chunk(2)
                fake_a, same_a = m.generator_ba(torch.cat((b, a))).float().chunk(2)
            else:
                fake_b, fake_a = m.generator_ab(a).float(), m.generator_ba(b).float()
            terms = {
                "generator_ab": generator_loss(m.discriminator_b(fake_b).float(), r.adversarial),
                "generator_ba": generator_loss(m.discriminator_a(fake_a).float(), r.adversarial),
            }
            weights = {"generator_ab": r.adversarial_weight, "generator_ba": r.adversarial_weight}
            if r.cycles_a:
                terms["cycle_a"] = cycle_loss(m.generator_ba(fake_b).float(), a)
            if r.cycles_b:
                terms["cycle_b"] = cycle_loss(m.generator_ab(fake_a).float(), b)
            if r.identity_weight:
                terms["identity_a"], terms["identity_b"] = identity_loss(same_a, a), identity_loss(same_b, b)
        cycle = r.cycle_weight_at(self.step)
        weights |= {
            "cycle_a": cycle,
            "cycle_b": cycle,
            "identity_a": r.identity_weight,
            "identity_b": r.identity_weight,
        }
        self.optimiser_g.zero_grad(set_to_none=True)
        torch.stack([weights[name] * term for name, term in terms.items()]).sum().backward()
        self.optimiser_g.step()
        return fake_a.detach(), fake_b.detach(), {name: term.detach() for name, term in terms.items()}

    def _step_discriminators(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        m = self.networks
        terms: dict[str, Tensor] = {}
        losses = []
        for name, network, real, fake in (
            ("discriminator_a", m.discriminator_a, a, self.pool_a.query(fake_a)),
            ("discriminator_b", m.discriminator_b, b, self.pool_b.query(fake_b)),
        ):
            real_scores, fake_scores = self._scores(network, torch.cat((real, fake))).chunk(2)
            loss = discriminator_loss(real_scores, fake_scores, self.recipe.adversarial)
            losses.append(loss.total)
            terms |= {f"{name}_real": loss.real.detach(), f"{name}_fake": loss.fake.detach()}
        self.optimiser_d.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        self.optimiser_d.step()
        return terms

    def _scores(self, network: PatchDiscriminator, x: Tensor) -> Tensor:
        with self._autocast():
            return network(x).float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average; in the first steps faster, since the first weights mean nothing."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name in ("generator_ab", "generator_ba"):
            old, new = getattr(self.average, name), getattr(self.networks, name)
            torch._foreach_lerp_(list(old.parameters()), list(new.parameters()), 1 - decay)
        for name in ("discriminator_a", "discriminator_b"):
            old, new = getattr(self.average, name), getattr(self.networks, name)
            torch._foreach_copy_(list(old.parameters()), list(new.parameters()))


def initialised(networks: CycleGAN) -> CycleGAN:
    """First weights: the discriminators' from N(0, 0.02^2) as in appendix 7.1; the generators', whose ends have no norm to set their scale,
    after He et al. 2015 (https://arxiv.org/abs/1502.01852 , equation 14), and the last norm of each residual block 0, so that the
    blocks begin as identities (Goyal et al. 2017, https://arxiv.org/abs/1706.02677 , section 5.1).
    """
    for name, module in networks.named_modules():
        if isinstance(module, ResnetBlock):
            last = module.conv_block[-1]
            assert isinstance(last, nn.InstanceNorm2d)
            nn.init.zeros_(last.weight)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            if name.startswith("generator"):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for generator in (networks.generator_ab, networks.generator_ba):
        end = generator.model[-2]  # before tanh: small, so that it is not saturated at first
        assert isinstance(end, nn.Conv2d)
        nn.init.normal_(end.weight, 0.0, 0.02)
    return networks


@contextmanager
def frozen(parameters: list[nn.Parameter]) -> Iterator[None]:
    """Without gradients for these parameters, but through them."""
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
