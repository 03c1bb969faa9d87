"""The training recipe on tiny networks: resuming, ablations, data, what it writes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load as parse
from safetensors.torch import load_file

from cvcore.models.cyclegan import CycleGAN
from cvcore.train.cyclegan import __main__ as command
from cvcore.train.cyclegan import data, score, ship
from cvcore.train.cyclegan.kernel_distance import kernel_distance
from cvcore.train.cyclegan.recipe import Recipe
from cvcore.train.cyclegan.trainer import Trainer
from cvcore.train.files import Log, stop_signals
from cvcore.train.pictures import Pixels, picture_files, read, without_twins
from cvcore.zoo import Card, Preprocessing

TINY = Recipe(
    size=32, steps=12, decay_from=6, filters=4, blocks=1, trunk=8, discriminator_filters=4, pool=3, cycle_weight_end=5.0
)
OPTIONS = [
    "--size=32", "--steps=60", "--decay-from=20", "--filters=4", "--blocks=1", "--trunk=8", "--discriminator-filters=4",
    "--pool=3", "--save-every=7", "--pictures-every=20", "--snapshot-every=30", "--log-every=1", "--test-size=32",
    "--test-pictures=2", "--device=cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small only wait for a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count: int, seed: int) -> list[Pixels]:
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 256, (90, 100 + 10 * i, 3), np.uint8) for i in range(count)]


def trainer(recipe: Recipe = TINY) -> Trainer:
    photos = data.Domain(pictures(3, 0), size=recipe.size, scales=data.PHOTO_SCALES, jitter=data.PHOTO_JITTER)
    paintings = data.Domain(pictures(2, 1), size=recipe.size, scales=data.PAINTING_SCALES, jitter=data.PAINTING_JITTER)
    return Trainer(recipe, photos, paintings, torch.device("cpu"))


def folders(root: Path) -> list[str]:
    for name, count, seed in (("photos", 4, 0), ("paintings", 2, 1), ("held", 2, 2)):
        (root / name).mkdir()
        for i, pixels in enumerate(pictures(count, seed)):
            assert cv2.imwrite(str(root / name / f"{i}.png"), pixels)
    return [f"--photos={root / 'photos'}", f"--paintings={root / 'paintings'}", f"--hold-out={root / 'held'}"]


def state(run: Trainer) -> dict[str, Any]:
    return {
        "networks": run.networks.state_dict(),
        "average": run.average.state_dict(),
        "g": run.optimiser_g.state_dict()["state"],
        "d": run.optimiser_d.state_dict()["state"],
        "pools": [run.pool_a.images, run.pool_b.images],
        "draws": run.draws.get_state(),
        "step": run.step,
    }


def assert_equal(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_resumed_from_a_checkpoint_ends_with_the_same_weights_bit_for_bit(tmp_path: Path, precision: Any) -> None:
    recipe = replace(TINY, precision=precision)
    whole, first, second = trainer(recipe), trainer(recipe), trainer(recipe)
    terms = [whole.advance() for _ in range(recipe.steps)]
    for _ in range(7):
        first.advance()
    first.save(tmp_path / "last.pt")
    first.advance()  # lost by the kill
    second.restore(tmp_path / "last.pt")
    again = [second.advance() for _ in range(recipe.steps - 7)]
    assert again == terms[7:]
    assert_equal(state(second), state(whole))
    assert len(whole.pool_a.images) == 3, "the pool is full, so its draws count"


def test_a_run_killed_anywhere_and_started_again_writes_the_same(tmp_path: Path) -> None:
    where = folders(tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    line = [sys.executable, "-m", "cvcore.train.cyclegan", *where, f"--out={killed}", *OPTIONS]
    running = subprocess.Popen(line, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    log = killed / "log.jsonl"
    deadline = time.monotonic() + 100
    while not (log.exists() and log.read_text("utf-8").count('"loss"') >= 24):
        assert running.poll() is None, "it ran to its end before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    running.kill()
    assert running.wait() != 0
    assert (killed / "last.pt").exists()
    for out in (killed, whole):
        command.main([*where, f"--out={out}", *OPTIONS])
    for name in ("snapshots/000060.safetensors", "snapshots/000030.safetensors"):
        assert_equal(load_file(killed / name), load_file(whole / name))
    assert log.read_text("utf-8") == (whole / "log.jsonl").read_text("utf-8")
    assert (killed / "pictures/000060.png").read_bytes() == (whole / "pictures/000060.png").read_bytes()
    assert not list(killed.rglob("*.part"))


def test_what_a_run_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command.main([*folders(tmp_path), f"--out={out}", *OPTIONS, "--steps=10", "--decay-from=5"])
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    assert rows[0]["step"] == 0
    assert rows[0]["recipe"]["steps"] == 10
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 11))
    assert set(rows[1]["loss"]) == {
        "generator_ab", "generator_ba", "cycle_a", "cycle_b", "identity_a", "identity_b",
        "discriminator_a_real", "discriminator_a_fake", "discriminator_b_real", "discriminator_b_fake",
    }  # fmt: skip
    assert rows[-1] == {"step": 10, "pictures": "pictures/000010.png"}
    grid = cv2.imread(str(out / "pictures/000010.png"))
    assert grid is not None
    assert grid.shape == (2 * 32, 6 * 32, 3)
    snapshot = load_file(out / "snapshots/000010.safetensors")
    assert all(t.dtype == torch.float16 for t in snapshot.values())
    CycleGAN(**Recipe(filters=4, blocks=1, trunk=8, discriminator_filters=4).networks()).load_state_dict(
        {key: t.float() for key, t in snapshot.items()}, strict=True
    )
    assert "4 photographs, 2 paintings, 2 held out" in capsys.readouterr().out


def test_going_on_with_other_options_says_in_the_log_what_changed(tmp_path: Path) -> None:
    where = [*folders(tmp_path), f"--out={tmp_path / 'out'}", *OPTIONS, "--decay-from=0"]
    command.main([*where, "--steps=3"])
    command.main([*where, "--steps=5", "--cycle-weight=7"])
    rows = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text("utf-8").splitlines()]
    assert {"step": 3, "recipe": {"steps": 5, "cycle_weight": 7.0}} in rows
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5]


def test_a_run_stops_at_its_time_and_at_a_signal_and_saves(tmp_path: Path) -> None:
    where = [*folders(tmp_path), *OPTIONS]
    command.main([*where, f"--out={tmp_path / 'timed'}", "--max-minutes=0"])
    assert torch.load(tmp_path / "timed/last.pt", weights_only=True)["step"] == 0
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("ablate", "cycles", "pooled"),
    [
        ((), {"cycle_a", "cycle_b"}, 3),
        (("no-cycle",), set(), 3),
        (("half-cycle",), {"cycle_a"}, 3),
        (("no-pool",), {"cycle_a", "cycle_b"}, 0),
        (("half-cycle", "no-pool"), {"cycle_a"}, 0),
    ],
)
def test_an_ablation_leaves_out_what_it_says_and_nothing_else(ablate: Any, cycles: set[str], pooled: int) -> None:
    run = trainer(replace(TINY, ablate=ablate))
    for _ in range(4):
        terms = run.advance()
    assert {name for name in terms if name.startswith("cycle")} == cycles
    assert len(run.pool_a.images) == len(run.pool_b.images) == pooled
    assert {name for name in terms if not name.startswith("cycle")} == {
        "generator_ab", "generator_ba", "identity_a", "identity_b",
        "discriminator_a_real", "discriminator_a_fake", "discriminator_b_real", "discriminator_b_fake",
    }  # fmt: skip


def test_without_the_cycle_the_weights_go_another_way() -> None:
    full, without = trainer(), trainer(replace(TINY, ablate=("no-cycle",)))
    assert_equal(full.networks.state_dict(), without.networks.state_dict())
    full.advance()
    without.advance()
    assert not torch.equal(full.generators[0], without.generators[0])


def test_a_step_moves_each_network_and_the_average_follows() -> None:
    run = trainer()
    before = {key: t.clone() for key, t in run.networks.state_dict().items()}
    run.advance()
    after, average = run.networks.state_dict(), run.average.state_dict()
    for part in ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"):
        key = f"{part}.model.0.weight" if part.startswith("d") else f"{part}.model.1.weight"
        assert not torch.equal(before[key], after[key])
    decay = 2 / 11  # (1 + step) / (10 + step) in the first step
    key = "generator_ab.model.1.weight"
    torch.testing.assert_close(average[key], decay * before[key] + (1 - decay) * after[key])
    assert_equal(average["discriminator_a.model.0.weight"], after["discriminator_a.model.0.weight"])


def test_identity_can_be_left_out() -> None:
    assert not [name for name in trainer(replace(TINY, identity_weight=0.0)).advance() if name.startswith("identity")]


def test_the_rates_fall_linearly_and_the_cycle_weight_moves() -> None:
    recipe = Recipe(steps=100, decay_from=50, cycle_weight=10.0, cycle_weight_end=5.0)
    assert [recipe.pace(s) for s in (0, 49, 50, 75, 99)] == pytest.approx([1, 1, 1, 0.5, 0.02])
    assert [recipe.cycle_weight_at(s) for s in (0, 50)] == [10, 7.5]
    run = trainer()
    for _ in range(10):
        run.advance()
    assert run.optimiser_g.param_groups[0]["lr"] == pytest.approx(TINY.learning_rate * (12 - 9) / 6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"size": 100}, "multiple of 8"),
        ({"steps": 5, "decay_from": 6}, "decay"),
        ({"precision": "float16"}, "float32, bfloat16"),
        ({"ablate": ("nothing",)}, "no-cycle, half-cycle, no-pool"),
        ({"ablate": ("no-cycle", "half-cycle")}, "exclude"),
    ],
)
def test_a_wrong_recipe_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Recipe(**wrong)


def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path: Path) -> None:
    where = [*folders(tmp_path), f"--out={tmp_path}", *OPTIONS]
    trainer(replace(TINY, filters=8)).save(tmp_path / "last.pt")
    with pytest.raises(SystemExit, match="no checkpoint of these networks"):
        command.main(where)


def test_the_log_forgets_what_came_after_the_checkpoint_and_a_cut_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    for step in range(4):
        log.add({"step": step})
    with log.file.open("a") as stream:
        stream.write('{"step": 4, "lo')
    log.rewind(2)
    assert [json.loads(line)["step"] for line in log.file.read_text("utf-8").splitlines()] == [0, 1, 2]


def test_held_out_pictures_and_their_copies_are_not_trained_on() -> None:
    smooth = [cv2.GaussianBlur(p, (0, 0), 12) for p in pictures(3, 5)]
    shrunk = data.resized(smooth[0], 60)
    kept = without_twins([shrunk, smooth[1], smooth[1], smooth[2]], known=[smooth[0]], limit=1.0)
    assert [p is q for p, q in zip(kept, smooth[1:], strict=True)] == [True, True]


def test_crops_depend_on_the_draw_alone_and_stay_in_range() -> None:
    domain = data.Domain(pictures(2, 3), size=32, scales=(1.25, 2.5), jitter=data.PHOTO_JITTER)
    a, again, b = (domain.crops(3, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert a.shape == (3, 3, 32, 32)
    assert torch.equal(a, again)
    assert not torch.equal(a, b)
    assert a.abs().max() <= 1


def test_without_jitter_a_crop_has_the_colours_of_its_picture() -> None:
    red = np.zeros((80, 80, 3), np.uint8)
    red[...] = (255, 51, 0)
    domain = data.Domain([red], size=32, scales=(1.25,), jitter=data.Jitter(0, 0, 0))
    (crop,) = domain.crops(1, np.random.default_rng(0))
    torch.testing.assert_close(crop, torch.tensor([1.0, -0.6, -1.0]).view(3, 1, 1).expand(3, 32, 32))


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no picture")
    with pytest.raises(ValueError, match="no picture"):
        picture_files([tmp_path])
    with pytest.raises(ValueError, match="does not exist"):
        picture_files([tmp_path / "nowhere"])
    (tmp_path / "broken.jpg").write_text("no picture")
    with pytest.raises(ValueError, match="is not a picture"):
        read(tmp_path / "broken.jpg")


def test_kernel_distance_is_near_zero_for_one_distribution_and_grows_with_the_shift() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y, z = (torch.randn(200, 8, generator=draw) for _ in range(3))
    same, near, far = kernel_distance(x, y), kernel_distance(x, z + 0.5), kernel_distance(x, z + 1)
    assert 5 * abs(same) < near < far
    assert kernel_distance(y, x) == pytest.approx(same)


def test_kernel_distance_is_the_sum_over_pairs_of_different_pictures() -> None:
    x, y = torch.tensor([[1.0, 2.0], [0.0, -1.0], [2.0, 1.0]]), torch.tensor([[1.0, 0.0], [3.0, 1.0]])

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 2 + 1) ** 3)

    xx = np.mean([k(x[i], x[j]) for i in range(3) for j in range(3) if i != j])
    yy = k(y[0], y[1])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert kernel_distance(x, y) == pytest.approx(xx + yy - 2 * xy)
    with pytest.raises(ValueError, match="at least 2"):
        kernel_distance(x, y[:1])


def test_the_score_of_generators_that_change_nothing_has_no_cycle_error(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = CycleGAN(**TINY.networks()).eval()
    for name in ("generator_ab", "generator_ba"):
        setattr(networks, name, torch.nn.Identity())
    for network, says in ((networks.discriminator_a, 1.0), (networks.discriminator_b, 0.0)):
        torch.nn.init.zeros_(network.model[-1].weight)
        torch.nn.init.constant_(network.model[-1].bias, says)
    monkeypatch.setattr(score, "features", lambda _, x: x.mean((2, 3)))
    found = score.score(networks, None, pictures(3, 0), pictures(2, 1), side=64, crops=6)  # type: ignore[arg-type]
    assert found["cycle"] == found["cycle_back"] == found["cycle_paintings"] == 0
    assert found["accepted_fake_a"] == found["accepted_real_a"] == 1
    assert found["accepted_fake_b"] == found["accepted_real_b"] == 0
    assert found["distance_translations_paintings"] == found["distance_photos_paintings"]


def test_the_score_reads_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = folders(tmp_path)
    command.main([*where, f"--out={tmp_path / 'out'}", *OPTIONS, "--steps=1", "--decay-from=0"])
    capsys.readouterr()
    score.main([*where[:2], f"--run={tmp_path / 'out'}", "--side=32", "--crops=4"])
    found = json.loads(capsys.readouterr().out)
    assert found["snapshot"] == "000001.safetensors"
    assert 0 < found["cycle"] < 2
    assert 0 <= found["accepted_fake_b"] <= 1


def test_a_snapshot_is_shipped_with_a_card_that_builds_it(tmp_path: Path) -> None:
    where = folders(tmp_path)
    command.main([*where, f"--out={tmp_path / 'out'}", *OPTIONS, "--steps=1", "--decay-from=0"])
    (tmp_path / "weights").mkdir()
    line = [*where[:2], f"--run={tmp_path / 'out'}", f"--out={tmp_path / 'weights'}", "--side=32", "--crops=4"]
    ship.main([*line, "--snapshot=1"])
    raw = json.loads((tmp_path / "weights/cyclegan_ukiyoe.json").read_text("utf-8"))
    card = Card(**{**raw, "preprocessing": Preprocessing(**raw["preprocessing"])})
    weights = (tmp_path / "weights" / card.file).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card.sha256
    network = CycleGAN(**card.arguments)
    network.load_state_dict({key: t.float() for key, t in parse(weights).items()}, strict=True)
    assert "on 4 photographs that were not trained on" in card.score
    assert "nan" not in card.score
