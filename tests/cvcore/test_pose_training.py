"""Training of the built-in pose network: labels, merging, masks, crops, and a run that goes on after a kill."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cvcore.evaluate.coco_people import read_coco_people
from cvcore.models.openpose import PoseSmall
from cvcore.models.openpose.network import height_for
from cvcore.models.posenet import PoseNet
from cvcore.ops.paf import COCO_TO_OPENPOSE, OPENPOSE_18, decode
from cvcore.train.pose import __main__ as command
from cvcore.train.pose.data import MIRRORED, Augmentation, Mixed, People, Scene, View, batch, drawn, mosaic, warped
from cvcore.train.pose.distil import LARGEST, SIDE, Distilled, asked, looks
from cvcore.train.pose.distil import main as distil
from cvcore.train.pose.labels import (
    ABSENT,
    SURE,
    UNSURE,
    from_coco_people,
    from_pseudo,
    labelled,
    overlap,
    read_lsp,
    read_pseudo,
    write_pseudo,
)
from cvcore.train.pose.pseudo import merge, similarity
from cvcore.train.pose.recipe import Recipe
from cvcore.train.pose.score import pose_small
from cvcore.train.pose.ship import card
from cvcore.train.pose.trainer import Trainer

NOSE, NECK, RIGHT_WRIST, LEFT_WRIST = (
    OPENPOSE_18.names.index(n) for n in ("nose", "neck", "right wrist", "left wrist")
)
TINY = Recipe(size=32, batch=2, steps=8, warm_up=2)


def figure(x: float, y: float, size: float) -> np.ndarray:
    """(17, 3) a standing person in COCO's order, seen from the front, all keypoints labelled."""
    # fmt: off
    places = np.array([
        (0, -0.9), (0.05, -0.93), (-0.05, -0.93), (0.1, -0.9), (-0.1, -0.9), (0.22, -0.7), (-0.22, -0.7), (0.32, -0.4),
        (-0.32, -0.4), (0.35, -0.1), (-0.35, -0.1), (0.15, 0), (-0.15, 0), (0.16, 0.45), (-0.16, 0.45), (0.17, 0.9), (-0.17, 0.9),
    ])
    # fmt: on
    return np.concatenate((places * size / 2 + (x, y), np.ones((17, 1))), 1).astype(np.float32)


def picture(root: Path, name: str = "a.png", sides: tuple[int, int] = (96, 128)) -> Path:
    file = root / name
    pixels = np.random.default_rng(len(name)).integers(0, 255, (*sides, 3), np.uint8)
    assert cv2.imwrite(str(file), pixels)
    return file


def test_a_pseudo_label_is_sure_unsure_or_absent_by_its_probability(tmp_path: Path) -> None:
    person = figure(60, 50, 60)
    person[:, 2] = 0.9
    person[9, 2], person[10, 2] = 0.2, 0.01  # left wrist, right wrist
    one = labelled(tmp_path / "a.png", person[None], np.zeros((0, 4)))
    assert one.state[0, LEFT_WRIST] == UNSURE
    assert one.state[0, RIGHT_WRIST] == ABSENT
    assert (one.state[0] == SURE).sum() == 16
    np.testing.assert_allclose(one.xy[0, NECK], (person[5, :2] + person[6, :2]) / 2, rtol=1e-5)


def test_cocos_labels_leave_open_what_is_not_labelled_and_ignore_crowds(tmp_path: Path) -> None:
    person = figure(60, 50, 60)
    person[0] = 0  # the nose is not labelled
    person[1:, 2] = 2
    boxes = [[1, 2, 30, 40], [50, 10, 20, 20], [5, 5, 10, 10]]
    rows: list[dict[str, Any]] = [
        {"image_id": 7, "category_id": 1, "keypoints": k, "bbox": b, "area": 100.0, "iscrowd": c}
        for k, b, c in zip((person.reshape(-1).tolist(), [0] * 51, [0] * 51), boxes, (0, 1, 0), strict=True)
    ]
    file = tmp_path / "people.json"
    file.write_text(json.dumps({"images": [{"id": 7, "file_name": "x.jpg"}], "annotations": rows}))
    (one,) = from_coco_people(read_coco_people(file), tmp_path)
    assert one.file == tmp_path / "x.jpg"
    assert one.state.shape == (1, 18)
    assert one.state[0, NOSE] == UNSURE
    assert not np.isfinite(one.xy[0, NOSE]).any()
    assert (one.state[0] == SURE).sum() == 17
    np.testing.assert_allclose(one.ignored, [[50, 10, 70, 30], [5, 5, 15, 15]])


def test_pseudo_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    people = figure(30, 40, 50)[None]
    ignored = np.array([[1.0, 2, 3, 4]], np.float32)
    write_pseudo(tmp_path / "p.json", [("a.png", people, ignored), ("b.png", np.zeros((0, 17, 3)), np.zeros((0, 4)))])
    back = read_pseudo(tmp_path / "p.json")
    np.testing.assert_allclose(back["a.png"][0], people, atol=1e-3)
    np.testing.assert_allclose(back["a.png"][1], ignored)
    files = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"]
    assert [p.file.name for p in from_pseudo(back, files)] == ["a.png"]
    assert [(p.file.name, p.weight) for p in from_pseudo(back, files, empty_weight=0.2)] == [
        ("a.png", 1),
        ("b.png", 0.2),
    ]
    (tmp_path / "bad.json").write_text("{}x")
    with pytest.raises(ValueError, match="no pseudo-labels"):
        read_pseudo(tmp_path / "bad.json")


def test_similarity_is_cocos() -> None:
    one = figure(50, 50, 60)
    far = one + np.array((300, 0, 0), np.float32)
    near = one + np.array((1, 0, 0), np.float32)
    assert similarity(one, np.stack((one, near, far))).round(3).tolist()[0] == 1
    _, a, b = similarity(one, np.stack((one, near, far)))
    assert 0.5 < a < 1
    assert b < 1e-3


def test_passes_that_see_the_same_person_become_one_and_strangers_stay() -> None:
    a, b = figure(50, 50, 60), figure(150, 50, 60)
    shifted = a + np.array((2, 0, 0), np.float32)
    people, scores = merge([(np.stack((a, b)), np.array([0.8, 0.6])), (shifted[None], np.array([0.8]))])
    assert len(people) == 2
    np.testing.assert_allclose(people[0, :, 0], a[:, 0] + 1, atol=1e-4)  # the mean of two alike
    np.testing.assert_allclose(people[1, :, :2], b[:, :2], atol=1e-4)
    np.testing.assert_allclose(scores, [0.8, (0.6 / 2 + 0.6) / 2])
    np.testing.assert_allclose(people[1, :, 2], 0.75)  # only one of two passes has it
    empty, none = merge([(np.zeros((0, 17, 3)), np.zeros(0))])
    assert empty.shape == (0, 17, 3)
    assert none.shape == (0,)


def lsp(root: Path, rows: np.ndarray) -> Path:
    scipy = pytest.importorskip("scipy.io")
    (root / "images").mkdir()
    picture(root / "images", "im00002.jpg")
    joints = np.zeros((14, 3, 3))
    joints[:, :, 1] = rows
    scipy.savemat(root / "joints.mat", {"joints": joints})
    return root


LSP_OF_COCO = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9)  # ankles, knees, hips, wrists, elbows, shoulders


def test_lsp_takes_its_face_from_an_agreeing_pseudo_label_and_doubts_what_does_not_agree(tmp_path: Path) -> None:
    person = figure(60, 50, 80)
    rows = np.concatenate((person[list(LSP_OF_COCO)], np.zeros((2, 3))))
    rows[6, 0] += 45  # the right wrist is labelled wrongly
    rows[0, 2] = 0  # the right ankle is not visible
    pseudo = {"im00002.jpg": (np.stack((person, figure(400, 50, 80))), np.array([[300.0, 0, 320, 30]], np.float32))}
    (one,) = read_lsp(lsp(tmp_path, rows), pseudo)
    assert one.state[0, NOSE] == SURE
    np.testing.assert_allclose(one.xy[0, NOSE], person[0, :2])
    assert one.state[0, RIGHT_WRIST] == UNSURE
    assert one.state[0, OPENPOSE_18.names.index("right ankle")] == UNSURE
    assert one.state[0, NECK] == SURE
    assert len(one.ignored) == 2, "the other person, and the box that was ignored before"


def test_lsp_without_pseudo_labels_leaves_the_face_open(tmp_path: Path) -> None:
    rows = np.concatenate((figure(60, 50, 80)[list(LSP_OF_COCO)], np.zeros((2, 3))))
    (one,) = read_lsp(lsp(tmp_path, rows), {})
    assert one.state[0, NOSE] == UNSURE
    assert not np.isfinite(one.xy[0, NOSE]).any()
    with pytest.raises(ValueError, match="not LSP Extended"):
        read_lsp(tmp_path / "nowhere", {})


def scene(people: list[np.ndarray], side: int = 256, ignored: np.ndarray | None = None) -> Scene:
    pictures = labelled(Path("x"), np.array(people), np.zeros((0, 4)))
    polygons = np.zeros((0, 4, 2), np.float32) if ignored is None else ignored
    return Scene(np.zeros((side, side, 3), np.uint8), pictures.xy, pictures.state, polygons)


def test_targets_of_a_crop_decode_to_its_people() -> None:
    people = [figure(70, 128, 180), figure(190, 128, 180)]
    sample = drawn(scene(people))
    assert sample.heatmap_mask.min() == 1
    found = decode(sample.heatmaps, sample.pafs)
    assert len(found) == 2
    found = found[found[:, NOSE, 0].argsort()]
    order = np.array(COCO_TO_OPENPOSE)
    for person, ours in zip(people, found, strict=True):
        np.testing.assert_allclose((ours[order, :2] + 0.5) * 8, person[:, :2], atol=2.0)


def test_nothing_is_asked_about_what_is_not_labelled() -> None:
    s = scene([figure(128, 128, 180)])
    s.state[0, RIGHT_WRIST] = UNSURE
    x, y = (s.xy[0, RIGHT_WRIST] / 8).astype(int)
    sample = drawn(s)
    mask = sample.heatmap_mask
    assert mask[RIGHT_WRIST, y, x] == 0
    assert mask[-1, y, x] == 0, "nor whether it is background"
    assert mask[LEFT_WRIST].min() == 1
    assert mask[RIGHT_WRIST].mean() > 0.9, "only near it"
    limbs = [c for c, limb in enumerate(OPENPOSE_18.limbs) if RIGHT_WRIST in limb]
    open_channels = {channel for c in limbs for channel in OPENPOSE_18.paf_channels[c]}
    for channel in range(sample.paf_mask.shape[0]):
        assert (sample.paf_mask[channel].min() == 0) == (channel in open_channels)
    s.xy[0, RIGHT_WRIST] = np.nan  # anywhere about the person
    wide = drawn(s).heatmap_mask[RIGHT_WRIST]
    assert wide.mean() < mask[RIGHT_WRIST].mean()
    assert wide[0, 0] == 1


def test_nothing_is_asked_in_ignored_regions_but_of_labelled_people() -> None:
    square = np.array([[(0, 0), (256, 0), (256, 256), (0, 256)]], np.float32)
    sample = drawn(scene([figure(128, 128, 120)], ignored=square))
    assert sample.heatmap_mask[:, 0, 0].max() == 0
    assert sample.paf_mask[:, 0, 0].max() == 0
    assert sample.heatmap_mask[:, 16, 16].min() == 1


def test_the_mirror_image_has_left_and_right_the_other_way_round(tmp_path: Path) -> None:
    assert [MIRRORED[MIRRORED[k]] for k in range(18)] == list(range(18))
    one = labelled(tmp_path / "x", figure(40, 50, 60)[None], np.array([[0.0, 0, 10, 20]]))
    pixels = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    mirror = np.array([[-1.0, 0, 99], [0, 1, 0]])
    s = warped(pixels, one, mirror, 100, flipped=True)
    np.testing.assert_array_equal(s.pixels, pixels[:, ::-1])
    np.testing.assert_allclose(s.xy[0, LEFT_WRIST], (99 - one.xy[0, RIGHT_WRIST, 0], one.xy[0, RIGHT_WRIST, 1]))
    np.testing.assert_allclose(s.ignored[0], [(99, 0), (89, 0), (89, 20), (99, 20)])


def test_what_a_crop_leaves_out_is_absent_and_what_is_not_known_stays_open(tmp_path: Path) -> None:
    one = labelled(tmp_path / "x", figure(50, 50, 60)[None], np.zeros((0, 4)))
    one.xy[0, NOSE], one.state[0, NOSE] = np.nan, UNSURE
    s = warped(np.zeros((100, 100, 3), np.uint8), one, np.array([[1.0, 0, 0], [0, 1, -50]]), 60, flipped=False)
    assert s.state[0, NECK] == ABSENT
    assert s.state[0, NOSE] == UNSURE
    assert s.state[0, OPENPOSE_18.names.index("left knee")] == SURE


def test_a_mosaic_puts_each_crop_in_its_corner() -> None:
    one = scene([figure(64, 64, 90)], 128)
    whole = mosaic([one] * 4, 128)
    assert whole.pixels.shape == (256, 256, 3)
    np.testing.assert_allclose(whole.xy[3], one.xy[0] + 128)
    np.testing.assert_allclose(whole.xy[1], one.xy[0] + (128, 0))


def people(root: Path) -> People:
    files = [picture(root, "a.png"), picture(root, "bb.png", (200, 60))]
    found = [labelled(f, figure(30, 50, 70)[None], np.array([[0.0, 0, 9, 9]])) for f in files]
    return People(found, size=TINY.size, longest=150)


def test_crops_depend_on_the_draw_alone_and_see_people(tmp_path: Path) -> None:
    data = people(tmp_path)
    a, b, c = (batch(data, 8, np.random.default_rng(seed)) for seed in (3, 3, 4))
    for name in a.__slots__:
        assert torch.equal(getattr(a, name), getattr(b, name))
    assert not torch.equal(a.pixels, c.pixels)
    assert a.pixels.shape == (8, 3, 32, 32)
    assert a.heatmaps.shape == a.heatmap_mask.shape == (8, 19, 4, 4)
    assert a.pafs.shape == a.paf_mask.shape == (8, 38, 4, 4)
    assert a.heatmaps[:, :-1].amax() > 0.5
    assert max(p.shape[0] for p, _ in data.pictures) == 150
    close = People([p for _, p in data.pictures], size=32, augmentation=Augmentation(close=1, mosaic=0))
    assert batch(close, 4, np.random.default_rng(0)).heatmaps[:, :-1].amax() > 0.3
    with pytest.raises(ValueError, match="multiple of 8"):
        People([], size=33)
    with pytest.raises(ValueError, match="no labelled picture"):
        People([], size=32)


def posenet() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return PoseNet().state_dict()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_resumed_from_a_checkpoint_ends_with_the_same_weights_bit_for_bit(tmp_path: Path, precision: Any) -> None:
    recipe = replace(TINY, precision=precision, steps=4)
    data, weights, cpu = people(tmp_path), posenet(), torch.device("cpu")
    whole, first, second = (Trainer(recipe, data, weights, cpu) for _ in range(3))
    terms = [whole.advance() for _ in range(4)]
    for _ in range(2):
        first.advance()
    first.save(tmp_path / "last.pt")
    second.restore(tmp_path / "last.pt")
    assert [second.advance() for _ in range(2)] == terms[2:]
    for a, b in ((second.network, whole.network), (second.average, whole.average)):
        torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    assert set(terms[0]) == {f"{kind}_{t}" for kind in ("heatmaps", "pafs") for t in range(3)}
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(ValueError, match="no checkpoint of this network"):
        first.restore(tmp_path / "junk.pt")


def test_a_stage_begins_by_believing_the_one_before_and_learns_while_posenet_stays(tmp_path: Path) -> None:
    weights = posenet()
    run = Trainer(replace(TINY, warm_up=0, steps=100), people(tmp_path), weights, torch.device("cpu"))
    with torch.no_grad():
        stages = run.average.stages(torch.rand(1, 3, 32, 32) * 2 - 1)
    for stage in stages[1:]:
        torch.testing.assert_close(stage.heatmaps, stages[0].heatmaps, rtol=0, atol=0)
        torch.testing.assert_close(stage.pafs, stages[0].pafs, rtol=0, atol=0)
    first = run.advance()
    for _ in range(40):
        last = run.advance()
    assert last["heatmaps_2"] / last["heatmaps_0"] < 0.9 * first["heatmaps_2"] / first["heatmaps_0"]
    for key, tensor in weights.items():
        torch.testing.assert_close(run.network.posenet.state_dict()[key], tensor, rtol=0, atol=0)
    with pytest.raises(ValueError, match="PoseNet"):
        Trainer(TINY, run.crops, {}, torch.device("cpu"))


def test_what_several_looks_see_is_asked_of_one(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture(folder, "a.png", (300, 400))
    write_pseudo(tmp_path / "p.json", [("a.png", figure(150, 150, 200)[None], np.zeros((0, 4)))])
    save_file(posenet(), tmp_path / "posenet.safetensors")
    out = tmp_path / "views"
    given = [f"--posenet={tmp_path / 'posenet.safetensors'}", f"--pseudo={tmp_path / 'p.json'}", f"--pictures={folder}"]
    distil([*given, "--views=4", "--shard=2", f"--out={out}"])
    assert sorted(f.name for f in out.iterdir()) == [f"{k}_00{i}.npy" for k in ("maps", "pixels") for i in (0, 1)]
    before = (out / "pixels_000.npy").read_bytes()
    (out / "pixels_001.npy").unlink()
    distil([*given, "--views=4", "--shard=2", f"--out={out}"])
    assert (out / "pixels_000.npy").read_bytes() == before
    views = Distilled(out)
    assert len(views) == 4
    a, b = (views.sample(np.random.default_rng(s)) for s in (3, 3))
    assert torch.equal(a.pixels, b.pixels)
    assert torch.equal(a.pafs, b.pafs)
    assert a.pixels.shape == (3, SIDE, SIDE)
    assert a.heatmaps.shape == a.heatmap_mask.shape == (19, 32, 32)
    assert (a.paf_mask == 1).all()
    both = batch(Mixed(People(from_pseudo(read_pseudo(tmp_path / "p.json"), [folder / "a.png"]), size=SIDE), views, 0.5), 4,
                 np.random.default_rng(0))  # fmt: skip
    assert both.pafs.shape == (4, 38, 32, 32)
    with pytest.raises(ValueError, match="no views"):
        Distilled(folder)


def test_looks_are_at_sizes_that_the_picture_has(tmp_path: Path) -> None:
    data = people(tmp_path)
    pixels, one = data.pictures[0]
    for scale, expected in ((0.5, [1.5, 2, 3]), (1.0, [1, 1, 1.5, 1.5]), (2.0, [1, 1])):
        view = View(pixels, one, np.array([[scale, 0, 3.0], [0, scale, 5.0]]), flipped=False)
        assert [times for times, _ in looks(view)] == expected
        assert all(times == 1 or times * scale <= LARGEST for times in expected)
        larger = view.larger(3)
        np.testing.assert_allclose(larger @ (10, 20, 1) + 0.5, 3 * (view.matrix @ (10, 20, 1) + 0.5))
    network = PoseSmall(channels=8, blocks=1).eval()
    maps = asked(network, view)
    assert maps.heatmaps.shape == (1, 19, 32, 32)


def test_a_run_killed_and_started_again_writes_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture(folder, "a.png")
    held = tmp_path / "held.png"
    held.write_bytes(picture(folder, "bb.png").read_bytes())
    write_pseudo(tmp_path / "p.json", [(n, figure(50, 50, 70)[None], np.zeros((0, 4))) for n in ("a.png", "bb.png")])
    save_file(posenet(), tmp_path / "posenet.safetensors")
    where = [
        f"--posenet={tmp_path / 'posenet.safetensors'}", f"--pseudo={tmp_path / 'p.json'}", f"--pictures={folder}",
        f"--hold-out={held}", "--size=32", "--batch=2", "--steps=12", "--warm-up=2", "--log-every=1", "--save-every=3",
        "--snapshot-every=12", "--device=cpu",
    ]  # fmt: skip
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    line = [sys.executable, "-m", "cvcore.train.pose", *where, f"--out={killed}"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True)
    deadline = time.monotonic() + 100
    while not (killed / "last.pt").exists():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    running.kill()
    assert running.stdout is not None
    with running.stdout:
        assert "1 pictures, 1 held out" in running.stdout.read()
    running.wait()
    for out in (killed, whole):
        command.main([*where, f"--out={out}"])
    name = "snapshots/000012.safetensors"
    torch.testing.assert_close(load_file(killed / name), load_file(whole / name), rtol=0, atol=0)
    assert (killed / "log.jsonl").read_text("utf-8") == (whole / "log.jsonl").read_text("utf-8")
    assert pose_small(whole / name)(torch.zeros(1, 3, 32, 32))[0].shape == (1, 19, 4, 4)


def test_the_size_of_an_input_whose_shorter_side_is_given() -> None:
    assert height_for(np.zeros((480, 640, 3), np.uint8), 512) == 512
    assert height_for(np.zeros((640, 480, 3), np.uint8), 512) == 680  # 682.7 to a multiple of 8


def test_the_card_tells_the_run() -> None:
    made = card({"batch": 10, "size": 256}, step=5000, sha256="0" * 64, measured="AP 0.")
    assert made["score"].startswith("5000 steps of 10 crops of 256 x 256 px. AP 0. Fails")


def test_boxes_overlap_by_the_smaller() -> None:
    assert overlap(np.array([0.0, 0, 10, 10]), np.array([5.0, 5, 7, 7])) == 1
    assert overlap(np.array([0.0, 0, 10, 10]), np.array([20.0, 0, 30, 10])) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 33}, "multiple of 8"),
        ({"batch": 0}, "1 or more"),
        ({"precision": "float64"}, "precision is one of"),
        ({"warm_up": -1}, "not negative"),
        ({"distilled_share": 1.5}, "share of distilled"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Recipe(**wrong)


def test_the_rates_rise_and_fall() -> None:
    recipe = Recipe(steps=100, warm_up=10)
    paces = [recipe.pace(step) for step in range(100)]
    assert paces[0] == pytest.approx(0.1)
    assert max(paces) == pytest.approx(1)
    assert paces[-1] < 0.02
    assert paces[10:] == sorted(paces[10:], reverse=True)
