"""A run replayed: what is written is what the run's log and snapshots say."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cvcore.train.cyclegan import data
from cvcore.train.cyclegan.pictures import as_pixels
from cvcore.train.cyclegan.recipe import Recipe
from cvcore.train.cyclegan.replay import main, thinned
from cvcore.train.cyclegan.score import networks_of
from cvcore.train.cyclegan.trainer import Trainer
from cvcore.train.pictures import read

TINY = Recipe(size=32, steps=12, decay_from=6, filters=4, blocks=1, trunk=8, discriminator_filters=4, pool=3)


def pictures(folder: Path, count: int, seed: int) -> list[Path]:
    """Smooth ones, which JPEG keeps."""
    draw = np.random.default_rng(seed)
    folder.mkdir()
    files = []
    for i in range(count):
        small = draw.integers(0, 256, (4, 5, 3), np.uint8)
        files.append(folder / f"{i}.png")
        assert cv2.imwrite(str(files[-1]), cv2.resize(small, (100, 80), interpolation=cv2.INTER_CUBIC))
    return files


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two snapshots of an untrained trainer, its checkpoint, and a log of 25 rows."""
    folder = tmp_path_factory.mktemp("run")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    domain = data.Domain([noise], size=32, scales=(1.5,), jitter=data.PHOTO_JITTER)
    trainer = Trainer(TINY, domain, domain, torch.device("cpu"))
    (folder / "snapshots").mkdir()
    trainer.save(folder / "last.pt")
    for step in (10, 250):
        trainer.save_snapshot(folder / "snapshots" / f"{step:06d}.safetensors")
    rows = [
        {"step": 0, "recipe": {"steps": 250, "identity_weight": 2.0}},
        {"step": 100, "recipe": {"identity_weight": 1.0}},
    ]
    rows += [{"step": 10 * i, "loss": {"cycle_a": float(i), "generator_ab": 1.0}} for i in range(1, 26)]  # type: ignore[dict-item]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def test_it_writes_what_log_and_snapshots_say(run: Path, tmp_path: Path) -> None:
    photos, prints = pictures(tmp_path / "a", 2, 0), pictures(tmp_path / "b", 1, 1)
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    (out / "pictures" / "000001.jpg").touch()  # of an earlier replay
    main(
        [
            f"--run={run}",
            f"--out={out}",
            "--photos",
            *map(str, photos),
            "--paintings",
            *map(str, prints),
            "--cell=64",
            "--rows=10",
        ]
    )
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["000010.jpg", "000250.jpg"]
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    assert rows[0]["recipe"] == {"steps": 250, "identity_weight": 1.0}
    assert rows[1]["replay"] == {"cell": 64, "domains": ["a", "a", "b"]}
    losses = [row for row in rows if "loss" in row]
    assert [row["step"] for row in losses] == [30, 60, 90, 120, 150, 180, 210, 240, 250]
    assert losses[0]["loss"] == {"cycle_a": 2.0, "generator_ab": 1.0}
    assert losses[-1]["loss"]["cycle_a"] == 25.0
    assert [row["pictures"] for row in rows if "pictures" in row] == ["pictures/000010.jpg", "pictures/000250.jpg"]
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)

    grid = cv2.imread(str(out / "pictures" / "000250.jpg"), cv2.IMREAD_COLOR_RGB).astype(float)
    assert grid.shape == (3 * 64, 3 * 64, 3)
    _, networks = networks_of(run, run / "snapshots" / "000250.safetensors")
    for column, file in enumerate((*photos, *prints)):
        there, back = networks.generator_ab, networks.generator_ba
        if column == 2:
            there, back = back, there
        x = data.square(read(file), 64)[None]
        with torch.inference_mode():
            made = there(x)
            wanted = np.vstack([as_pixels(one[0]) for one in (x, made, back(made))])
        part = grid[:, 64 * column : 64 * column + 64]
        assert np.abs(part - wanted).mean() < 6


def test_few_rows_are_kept_as_they_are() -> None:
    rows = [(i, {"a": float(i)}) for i in range(5)]
    assert thinned(rows, 5) == rows
    assert thinned(rows, 1) == [(4, {"a": 2.0})]
    assert thinned([], 10) == []


def test_a_run_without_snapshots_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": {"a": 1.0}}\n', "utf-8")
    (photo,) = pictures(tmp_path / "a", 1, 0)
    with pytest.raises(SystemExit, match="no snapshots"):
        main([f"--run={tmp_path}", f"--out={tmp_path / 'out'}", f"--photos={photo}", f"--paintings={photo}"])
    assert not (tmp_path / "out").exists()
