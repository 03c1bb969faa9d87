"""The recipe of the built-in CBAM on a handful of made-up pictures: what learns, resuming, calibration, and the files it writes."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from cvcore.models.mobilenet import MobileNetV2CBAM
from cvcore.train.cbam import Phase, Recipe, Trainer, build, main, prepare
from cvcore.train.tiny_imagenet import (
    accuracy,
    augmented,
    calibration_error,
    class_ids,
    enlarged,
    halves,
    normalised,
    split,
    temperature,
)

PLAN = (Phase(1, 32, "whole"), Phase(1, 48, "last"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes that differ in colour, in the form of Tiny ImageNet's zips."""
    folder = tmp_path_factory.mktemp("classify")
    random = np.random.default_rng(0)
    ids = ("n01443537", "n01629819", "n01641577")
    (folder / "classes.tsv").write_text("".join(f"{i}\tname {k}\n" for k, i in enumerate(ids)), "utf-8")
    for name, count in (("train", 4), ("val", 2)):
        with zipfile.ZipFile(folder / f"tiny_imagenet_{name}.zip", "w") as packed:
            for k, i in enumerate(ids):
                for n in range(count):
                    pixels = random.integers(0, 120, (64, 64, 3), dtype=np.uint8)
                    pixels[:, :, k] += 120
                    packed.writestr(f"{i}/{n}.JPEG", cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes())
    return folder


def test_reads_the_zips_in_place_and_splits_the_halves(data: Path) -> None:
    train, val = split(data, "train"), split(data, "val")
    assert train.x.shape == (12, 3, 64, 64)
    assert train.y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert train.x[0].float().mean((1, 2)).argmax() == 0, "RGB, not BGR"
    choose, report = halves(val)
    assert choose.y.tolist() == report.y.tolist() == [0, 1, 2], "two pictures of each class, one for each half"
    assert len(split(data, "train", per_class=1).y) == len(class_ids(data)) == 3


def test_augmentation_repeats_with_its_seed_and_keeps_to_the_range(data: Path) -> None:
    x = split(data, "train").x
    once, again = (augmented(x, 40, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, augmented(x, 40, np.random.default_rng(6)))
    assert once.shape == (12, 3, 40, 40)
    low, high = normalised(torch.tensor([0.0, 255.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1))
    assert (once >= low - 1e-5).all()
    assert (once <= high + 1e-5).all()
    torch.testing.assert_close(enlarged(x, 64), normalised(x.float()))


def test_only_what_the_phase_names_learns(data: Path) -> None:
    model = build("both", 3)
    assert isinstance(model, MobileNetV2CBAM)
    prepare(model, "last")
    assert not any(p.requires_grad for p in model.features[:4].parameters())
    assert all(p.requires_grad for p in model.features[4:].parameters())
    assert [all(p.requires_grad for p in block.parameters()) for block in model.blocks()] == [False] * 2 + [True] * 5
    prepare(model, "whole")
    assert all(p.requires_grad for p in model.parameters())
    assert not any(m.training for m in model.features.modules()), "the statistics of ImageNet stay"
    assert all(block.training for block in model.blocks())


def test_a_new_network_gives_nearly_what_the_trunk_gives() -> None:
    plain, cbam = build("none", 3).eval(), build("channel", 3).eval()
    cbam.load_state_dict({k: v for k, v in plain.state_dict().items() if k.startswith("classifier")}, strict=False)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        given, wanted = cbam(x), plain(x)
    assert F.cosine_similarity(given, wanted).min() > 0.9


def test_a_stopped_run_goes_on_with_the_same_result(data: Path, tmp_path: Path) -> None:
    train = split(data, "train")
    choose, _ = halves(split(data, "val"))
    recipe = Recipe(plan=PLAN, batch=6)
    whole = Trainer(recipe, 3, train, choose, tmp_path / "whole")
    assert whole.steps == 4
    start = {key: value.clone() for key, value in whole.model.state_dict().items()}
    expected = whole.run().state_dict()
    Trainer(recipe, 3, train, choose, tmp_path / "parts").run(stop_at=3)
    resumed = Trainer(recipe, 3, train, choose, tmp_path / "parts")
    assert resumed.step == 3
    found = resumed.run().state_dict()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())
    assert not torch.equal(start["features.10.conv.0.0.weight"], expected["features.10.conv.0.0.weight"])
    assert torch.equal(start["features.10.conv.0.1.running_mean"], expected["features.10.conv.0.1.running_mean"])
    scores = [json.loads(line) for line in (tmp_path / "parts/scores.jsonl").read_text("utf-8").splitlines()]
    assert [row["epoch"] for row in scores] == [1, 2]
    with pytest.raises(ValueError, match="another recipe"):
        Trainer(Recipe(plan=PLAN, batch=6, seed=1), 3, train, choose, tmp_path / "parts")


def test_the_command_writes_weights_card_and_scores_and_the_ablation(data: Path, tmp_path: Path) -> None:
    common = ["--data", str(data), "--out", str(tmp_path), "--epochs", "1", "--threads", "1"]
    main([*common, "--work", str(tmp_path / "run")])
    card = json.loads((tmp_path / "mobilenet_v2_cbam.json").read_text("utf-8"))
    assert card["arguments"] == {"num_classes": 3}
    assert "top-1" in card["score"]
    tensors = load_file(tmp_path / "mobilenet_v2_cbam.safetensors")
    MobileNetV2CBAM(3).load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    assert tensors["features.0.0.weight"].dtype == torch.float16
    assert len((tmp_path / "mobilenet_v2_cbam.training.jsonl").read_text("utf-8").splitlines()) == 2
    main([*common, "--ablation", "--work", str(tmp_path / "ablation")])
    found = json.loads((tmp_path / "mobilenet_v2_cbam.ablation.json").read_text("utf-8"))
    assert [row["attention"] for row in found["rows"]] == ["none", "channel", "spatial", "both"]


def test_scores_by_hand() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [0.0, 5.0, 4.0], [1.0, 0.0, 2.0], [9.0, 0.0, 0.0]])
    y = torch.tensor([0, 2, 0, 1])
    assert accuracy(logits, y, 1) == 0.25
    assert accuracy(logits, y, 2) == 0.75 + 0.25 * float(logits[3].topk(2).indices[1] == 1)
    sure = torch.tensor([[10.0, 0.0], [10.0, 0.0]])
    assert calibration_error(sure, torch.tensor([0, 1])) == pytest.approx(0.5, abs=1e-3)
    assert calibration_error(sure, torch.tensor([0, 0])) == pytest.approx(0.0, abs=1e-3)
    torch.manual_seed(0)
    true = torch.randn(4000, 3)
    y = torch.distributions.Categorical(logits=true).sample()
    assert temperature(true * 2, y) == pytest.approx(2.0, abs=0.15)
