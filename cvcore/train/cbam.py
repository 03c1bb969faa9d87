"""python -m cvcore.train.cbam --data FOLDER: the built-in MobileNetV2 with CBAM, and the paper's ablation on the same pictures.

FOLDER holds Tiny ImageNet's zips (see :mod:`cvcore.train.tiny_imagenet`). The network starts from the built-in ``mobilenet_v2``
(an ImageNet trunk with a linear head) with attention blocks that begin near 1, and is trained in two phases (:data:`PLAN`): the
whole network, then the stages from the third on with larger pictures. The trunk's batch norms keep the statistics of ImageNet's
sharp photographs throughout: with those of the small blurred pictures the first loss rose from 2.9 to 4.6, and a camera's
pictures are sharp. AdamW, one cosine over all steps, label smoothing, and a moving average of the weights, which is what is
scored and kept. On a CPU with bfloat16 instructions the convolutions run in bfloat16.

Tried and left out: a further run of three epochs from gates moved to a mean of 1/2, where sigmoid is steepest, with fifty times
the trunk's rate for the attention. The gates of the first six blocks spread no further, and top-1 at 192 px fell from 0.671 to 0.661
on the choosing half.

``--work`` keeps a checkpoint; a run that was stopped goes on from there with the same result, since every step draws its random
numbers from the seed and its own number. After the last step the temperature (Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017, section 4.2) and the input size are chosen on the choosing half of the validation pictures; the other half is
reported. Written to --out: ``mobilenet_v2_cbam.safetensors`` (float16), its card, and ``mobilenet_v2_cbam.training.jsonl`` with the
score of every epoch.

``--ablation`` trains four short runs alike (:data:`ABLATION_PLAN`: without attention, channel only, spatial only, both) and
writes ``mobilenet_v2_cbam.ablation.json``; run it first, and the card tells its scores.
"""

import argparse
import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from cvcore import zoo
from cvcore.models.mobilenet import GATE_START, MobileNetV2, MobileNetV2CBAM, mobilenet_v2, mobilenet_v2_cbam
from cvcore.nn.cbam_network import FILE as ABLATION_FILE
from cvcore.train.tiny_imagenet import (
    MEAN,
    STD,
    Pictures,
    accuracy,
    augmented,
    calibration_error,
    class_ids,
    enlarged,
    halves,
    split,
    temperature,
)

Trunk = Literal["whole", "last"]

VARIANTS = ("none", "channel", "spatial", "both")
WEAKNESSES = (
    "It has 202 classes and always chooses among them: a polar bear becomes a dugong, a macaw a ladybird; "
    "people and rooms are called after some object in them."
)
SIZES = (128, 144, 160, 176, 192, 224)
SAVE_EVERY = 100


@dataclass(frozen=True)
class Phase:
    """So many epochs alike.

    Args:
        size: side of the training pictures, px.
        trunk: ``whole``, or ``last``: the stages from the third on (:data:`FIRST_TRAINED`).
    """

    epochs: int
    size: int
    trunk: Trunk


FIRST_TRAINED = 4
"""Where only the last stages learn, ``features`` before this one stay as they are, with their attention."""

PLAN: tuple[Phase, ...] = (Phase(3, 128, "whole"), Phase(4, 160, "last"))
ABLATION_PLAN: tuple[Phase, ...] = (Phase(1, 128, "whole"), Phase(1, 128, "last"))


@dataclass(frozen=True)
class Recipe:
    """What a run depends on."""

    attention: str = "both"
    plan: tuple[Phase, ...] = PLAN
    batch: int = 64
    trunk_rate: float = 1e-4
    new_rate: float = 1e-3
    decay: float = 0.02
    smoothing: float = 0.1
    average: float = 0.998
    seed: int = 0


class Trainer:
    """One run: :meth:`run` trains to the end, from the checkpoint in ``work`` where there is one.

    Args:
        train, choose: the training pictures, and the validation pictures that may choose.
        work: gets ``checkpoint.pt`` and ``scores.jsonl``.
    """

    def __init__(self, recipe: Recipe, classes: int, train: Pictures, choose: Pictures, work: Path) -> None:
        self.recipe, self.train, self.choose, self.work = recipe, train, choose, work
        torch.manual_seed(recipe.seed)
        self.model = build(recipe.attention, classes)
        self.average = build(recipe.attention, classes)
        self.average.load_state_dict(self.model.state_dict())
        trunk = [p for name, p in self.model.named_parameters() if name.startswith("features.")]
        new = [p for name, p in self.model.named_parameters() if not name.startswith("features.")]
        self.optimiser = torch.optim.AdamW(
            ({"params": trunk, "lr": recipe.trunk_rate}, {"params": new, "lr": recipe.new_rate}),
            weight_decay=recipe.decay,
        )
        self.rates = (recipe.trunk_rate, recipe.new_rate)
        self.steps_per_epoch = max(1, len(train.y) // recipe.batch)
        self.steps = self.steps_per_epoch * sum(phase.epochs for phase in recipe.plan)
        self.step = 0
        self.scores: list[dict[str, object]] = []
        work.mkdir(parents=True, exist_ok=True)
        if (work / "checkpoint.pt").exists():
            self._load()

    def run(self, stop_at: int | None = None) -> MobileNetV2:
        """Trains to the last step, or to ``stop_at``, and gives the averaged network."""
        end = self.steps if stop_at is None else min(stop_at, self.steps)
        started, losses = time.monotonic(), []
        bar = tqdm(total=self.steps, initial=self.step, desc=self.recipe.attention, unit="step")
        while self.step < end:
            losses.append(self._step())
            bar.update()
            bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}")
            if self.step % self.steps_per_epoch == 0:
                self._score(float(np.mean(losses)), time.monotonic() - started)
                started, losses = time.monotonic(), []
            if self.step % SAVE_EVERY == 0 or self.step in (end, self.steps) or self.step % self.steps_per_epoch == 0:
                self._save()
        bar.close()
        return self.average.eval()

    def phase(self) -> Phase:
        """The phase of the next step."""
        epoch = self.step // self.steps_per_epoch
        for phase in self.recipe.plan:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.recipe.plan[-1]

    def _step(self) -> float:
        phase, recipe = self.phase(), self.recipe
        prepare(self.model, phase.trunk)
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(self.train.y))
        rows = torch.from_numpy(order[place * recipe.batch : (place + 1) * recipe.batch])
        x = augmented(self.train.x[rows], phase.size, np.random.default_rng((recipe.seed, epoch, place)))
        torch.manual_seed(recipe.seed * 1_000_003 + self.step)  # dropout
        self._set_rates()
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            scores = self.model(x)
        loss = F.cross_entropy(scores.float(), self.train.y[rows], label_smoothing=recipe.smoothing)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        self._average()
        return loss.item()

    def _set_rates(self) -> None:
        progress = self.step / self.steps
        shape = min(1.0, (self.step + 1) / 200) * (1 + math.cos(math.pi * progress)) / 2
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * shape

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        ours, theirs = self.average.state_dict(), self.model.state_dict()
        for key, value in ours.items():
            if value.is_floating_point():
                value.lerp_(theirs[key], 1 - keep)
            else:
                value.copy_(theirs[key])

    def _score(self, loss: float, seconds: float) -> None:
        phase = self.recipe.plan[-1] if self.step == self.steps else self.phase()
        size = max(p.size for p in self.recipe.plan)
        logits = predict(self.average.eval(), self.choose.x, size)
        row: dict[str, object] = {
            "epoch": self.step // self.steps_per_epoch,
            "trained": phase.trunk,
            "loss": round(loss, 4),
            "top1": round(accuracy(logits, self.choose.y, 1), 4),
            "top5": round(accuracy(logits, self.choose.y, 5), 4),
            "size": size,
            "seconds": round(seconds, 1),
        }
        self.scores.append(row)
        (self.work / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in self.scores), "utf-8")
        tqdm.write(json.dumps(row))

    def _save(self) -> None:
        state = {
            "recipe": json.dumps(asdict(self.recipe)),
            "step": self.step,
            "scores": json.dumps(self.scores),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        part = self.work / "checkpoint.part"
        torch.save(state, part)
        os.replace(part, self.work / "checkpoint.pt")

    def _load(self) -> None:
        state = torch.load(self.work / "checkpoint.pt", weights_only=True)
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise ValueError(f"The checkpoint in {self.work} belongs to another recipe; choose another --work.")
        self.step, self.scores = state["step"], json.loads(state["scores"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def build(attention: str, classes: int) -> MobileNetV2:
    """The network to train: the trunk, and where the classes agree the head, of the built-in mobilenet_v2."""
    if attention == "none":
        model = mobilenet_v2(classes)
    elif attention in ("both", "channel", "spatial"):
        model = mobilenet_v2_cbam(classes, attention)  # type: ignore[arg-type]
    else:
        raise ValueError(f"the attention is one of {', '.join(VARIANTS)}, not {attention!r}")
    known = zoo.load("mobilenet_v2").state_dict()
    own = model.state_dict()
    model.load_state_dict({k: v for k, v in known.items() if own[k].shape == v.shape}, strict=False)
    if isinstance(model, MobileNetV2CBAM):
        compensate(model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


@torch.no_grad()
def compensate(model: MobileNetV2CBAM) -> None:
    """Makes up for gates that begin below 1, so that the trunk still knows what it knew.

    What follows a stage is one 1x1 convolution; its weights are divided by what the gates begin with.
    """
    for end, block in zip(model.stage_ends, model.blocks(), strict=True):
        start = GATE_START ** sum(gate is not None for gate in (block.ChannelGate, block.SpatialGate))
        following = next(m for m in model.features[end + 1].modules() if isinstance(m, nn.Conv2d))
        following.weight.div_(start)


def prepare(model: MobileNetV2, trunk: Trunk) -> None:
    """Chooses what learns. The trunk's batch norms, and everything that does not learn, keep their statistics."""
    model.train()
    model.features.eval()
    first = {"whole": 0, "last": FIRST_TRAINED}[trunk]
    for i, layer in enumerate(model.features):
        layer.requires_grad_(i >= first)
    if isinstance(model, MobileNetV2CBAM):
        for end, block in zip(model.stage_ends, model.blocks(), strict=True):
            block.train(end >= first).requires_grad_(end >= first)


@torch.no_grad()
def predict(model: nn.Module, x: Tensor, size: int) -> Tensor:
    """(N, classes) logits of pictures (N, 3, h, w) shown at size x size."""
    return torch.cat([model(enlarged(chunk, size)) for chunk in x.split(64)])


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 (else it would be slower than float32)."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def finish(trainer: Trainer, report: Pictures, out: Path) -> None:
    """Chooses size and temperature, rounds to float16, reports, and writes weights, card and scores."""
    model = trainer.average.eval()
    for parameter in model.state_dict().values():
        if parameter.is_floating_point():
            parameter.copy_(parameter.half().float())
    choose = trainer.choose
    found = {size: predict(model, choose.x, size) for size in SIZES}
    size = max(SIZES, key=lambda s: accuracy(found[s], choose.y, 1))
    t = temperature(found[size], choose.y)
    with torch.no_grad():
        head = model.head
        head.weight.copy_((head.weight / t).half().float())
        head.bias.copy_((head.bias / t).half().float())
    logits = predict(model, report.x, size)
    before = calibration_error(logits * t, report.y)
    top1, top5 = accuracy(logits, report.y, 1), accuracy(logits, report.y, 5)
    error = calibration_error(logits, report.y)
    score = (
        f"{top1:.3f} top-1, {top5:.3f} top-5 on {len(report.y)} validation pictures of 64 x 64 px enlarged to {size} "
        f"(the half that chose nothing); expected calibration error {error:.3f} ({before:.3f} before the temperature {t:.2f})."
        f"{ablation_words(out)} {WEAKNESSES}"
    )
    print(score)
    write(model, out, score, size, trainer)


def ablation_words(out: Path) -> str:
    """A sentence with the scores of the ablation in ``out``, or nothing where it was not run."""
    file = out / ABLATION_FILE
    if not file.exists():
        return ""
    found = json.loads(file.read_text("utf-8"))
    said = {"none": "without attention", "channel": "channel only", "spatial": "spatial only", "both": "both"}
    scores = ", ".join(f"{said[row['attention']]} {row['top1']:.3f}" for row in found["rows"])
    return f" Short runs alike ({found['epochs']} epochs, {found['size']} px), top-1: {scores}."


def write(model: MobileNetV2, out: Path, score: str, size: int, trainer: Trainer) -> None:
    """Weights in float16, the card, and the score of every epoch."""
    file = out / "mobilenet_v2_cbam.safetensors"
    tensors = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, file)
    file.chmod(0o644)  # safetensors makes it private
    (out / "mobilenet_v2_cbam.training.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in trainer.scores), "utf-8"
    )
    card = {
        "name": "mobilenet_v2_cbam",
        "title": "MobileNetV2 with CBAM",
        "task": "image classification",
        "builder": "cvcore.models.mobilenet:mobilenet_v2_cbam",
        "arguments": {"num_classes": model.head.out_features},
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": "MIT (trunk) AND Apache-2.0 (what was trained on it); ImageNet's pictures are for research and teaching",
        "source": "trained from the built-in mobilenet_v2 by python -m cvcore.train.cbam; float16",
        "preprocessing": {"size": size, "mean": MEAN, "std": STD, "colour": "RGB"},
        "training_data": "trunk: ImageNet-1k (1.28 million photographs, 1000 classes); attention, head and fine-tuning: Tiny ImageNet "
        f"({len(trainer.train.y):,} pictures of 64 x 64 px, 202 of ImageNet's classes)",
        "score": score,
        "paper": "Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018, https://arxiv.org/abs/1807.06521",
        "labels": "tiny_imagenet_202.labels.json",
    }
    (out / "mobilenet_v2_cbam.json").write_text(json.dumps(card, indent=1) + "\n", "utf-8")


def ablation(recipe: Recipe, classes: int, train: Pictures, val: Pictures, work: Path, out: Path) -> None:
    """The four networks alike; the reported half judges each, at the size they were trained at."""
    choose, report = halves(val)
    size = recipe.plan[-1].size
    rows = []
    for attention in VARIANTS:
        own = Recipe(**{**asdict(recipe), "attention": attention, "plan": recipe.plan})
        model = Trainer(own, classes, train, choose, work / attention).run()
        logits = predict(model, report.x, size)
        rows.append(
            {
                "attention": attention,
                "top1": round(accuracy(logits, report.y, 1), 4),
                "top5": round(accuracy(logits, report.y, 5), 4),
                "loss": round(F.cross_entropy(logits, report.y).item(), 4),
                "parameters": sum(p.numel() for p in model.parameters()),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    found = {"epochs": sum(p.epochs for p in recipe.plan), "size": size, "pictures": len(report.y), "rows": rows}
    (out / ABLATION_FILE).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/cbam"))
    parser.add_argument("--out", type=Path, default=Path("assets/weights"))
    parser.add_argument("--attention", choices=VARIANTS[1:], default="both")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--per-class", type=int, help="only the first pictures of each class, to try the recipe")
    parser.add_argument("--epochs", type=int, help="of each phase, in place of the plan's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    plan = ABLATION_PLAN if args.ablation else PLAN
    if args.epochs:
        plan = tuple(Phase(args.epochs, phase.size, phase.trunk) for phase in plan)
    recipe = Recipe(attention=args.attention, plan=plan, seed=args.seed)
    classes = len(class_ids(args.data))
    train, val = split(args.data, "train", args.per_class), split(args.data, "val")
    choose, report = halves(val)
    if args.ablation:
        ablation(recipe, classes, train, val, args.work, args.out)
        return
    trainer = Trainer(recipe, classes, train, choose, args.work)
    trainer.run()
    finish(trainer, report, args.out)


if __name__ == "__main__":
    main()
