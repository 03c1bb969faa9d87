"""The detector against the graph that its weights come from, and its geometry against hand-made cases."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cvcore import zoo
from cvcore.models.nanodet import NanoDet
from cvcore.ops.letterbox import letterbox
from cvcore.record import record
from cvcore.train.convert_nanodet import golden_canvas

GOLDEN = Path(__file__).parents[1] / "goldens" / "nanodet.npz"
PERSON = 0


@pytest.fixture(scope="module")
def detector() -> NanoDet:
    model = zoo.load("nanodet")
    assert isinstance(model, NanoDet)
    return model


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as data:
        return dict(data)


@torch.no_grad()
def test_agrees_with_the_original_graph_run_node_by_node(detector: NanoDet, golden: dict[str, np.ndarray]) -> None:
    x, _ = detector.preprocess(golden_canvas(golden["picture"]))
    found = detector(x)[0]
    cells = golden["cells"]
    assert found.boxes.shape == (3549, 4)
    assert golden["scores"].max() > 0.5, "the golden picture shows something"
    np.testing.assert_allclose(found.boxes, golden["boxes"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(found.scores[cells], golden["scores"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(found.distributions[cells], golden["distributions"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(found.variance[cells], golden["variance"], atol=1e-2, rtol=1e-4)


def test_finds_the_person_of_the_golden_picture_in_picture_coordinates(
    detector: NanoDet, golden: dict[str, np.ndarray]
) -> None:
    picture = golden["picture"]
    found = detector.detect(picture)
    best = found.scores[:, PERSON].argmax()
    assert found.scores[best].argmax() == PERSON
    assert found.scores[best, PERSON] > 0.5
    left, top, right, bottom = found.boxes[best].tolist()
    height, width = picture.shape[:2]
    assert right - left > 0.4 * width
    assert bottom - top > 0.7 * height
    assert -8 < left < right < width + 8
    assert -8 < top < bottom < height + 8


def test_a_moved_picture_moves_its_boxes(detector: NanoDet, golden: dict[str, np.ndarray]) -> None:
    canvas = golden_canvas(golden["picture"])
    still, moved = (detector.detect(np.roll(canvas, shift, (0, 1))) for shift in ((0, 0), (32, -32)))
    a, b = (found.boxes[found.scores[:, PERSON].argmax()] for found in (still, moved))
    torch.testing.assert_close(b - a, torch.tensor([-32.0, 32.0, -32.0, 32.0]), atol=1.0, rtol=0)


def test_candidates_lie_level_after_level_row_after_row(detector: NanoDet) -> None:
    found = detector.detect(np.zeros((416, 416, 3), np.uint8))
    assert found.levels.bincount().tolist() == [52 * 52, 26 * 26, 13 * 13]
    assert found.strides.unique(return_counts=True)[1].tolist() == [2704, 676, 169]
    assert found.centers[[0, 1, 52, 2704, 2705, 2704 + 26, 3548]].tolist() == [
        [4, 4], [12, 4], [4, 12], [8, 8], [24, 8], [8, 24], [400, 400],
    ]  # fmt: skip
    assert found.distributions.shape == (3549, 4, 11)
    torch.testing.assert_close(found.distributions.sum(-1), torch.ones(3549, 4))


def test_decode_of_known_distances() -> None:
    model = NanoDet(num_classes=2, reg_max=4)
    outputs = [torch.full((1, 2 + 4 * 5, side, side), -50.0) for side in (4, 2, 1)]
    # Cell (1, 2) of stride 8, centre (20, 12): left surely 1 stride, top 3, right 2 or 4 with equal odds, bottom 0.
    for side, bins in enumerate(((1,), (3,), (2, 4), (0,))):
        for k in bins:
            outputs[0][0, 2 + side * 5 + k, 1, 2] = 50.0
    outputs[0][0, 1, 1, 2] = 0.0
    found = model.decode(tuple(outputs))[0]
    cell = 1 * 4 + 2
    torch.testing.assert_close(found.boxes[cell], torch.tensor([20 - 8.0, 12 - 24.0, 20 + 24.0, 12 + 0.0]))
    torch.testing.assert_close(found.scores[cell], torch.tensor([0.0, 0.5]))
    torch.testing.assert_close(found.variance[cell], torch.tensor([0.0, 0.0, 64.0, 0.0]))
    # Equal odds everywhere else: distance 2 strides, variance 2 square strides.
    torch.testing.assert_close(found.boxes[-1], torch.tensor([16 - 64.0, 16 - 64.0, 16 + 64.0, 16 + 64.0]))
    torch.testing.assert_close(found.variance[-1], torch.full((4,), 2.0 * 32**2))


def test_other_sizes_tight_padding_and_batches(detector: NanoDet, golden: dict[str, np.ndarray]) -> None:
    wide = golden_canvas(golden["picture"])[100:316]  # 216 x 416
    square, tight = detector.detect(wide), detector.detect(wide, tight=True)
    assert len(tight.boxes) == sum((224 // s) * (416 // s) for s in (8, 16, 32))
    best = [found.boxes[found.scores[:, PERSON].argmax()] for found in (square, tight)]
    torch.testing.assert_close(best[0], best[1], atol=30.0, rtol=0)
    assert len(detector.detect(wide, 320).boxes) == 40 * 40 + 20 * 20 + 10 * 10

    frames = torch.from_numpy(golden_canvas(golden["picture"])).permute(2, 0, 1)
    x, _ = detector.preprocess(torch.stack((frames, frames.flip(-1))))
    with torch.no_grad():
        both, alone = detector(x), detector(x[1:])
        none = detector(x[:0])
    assert both.boxes.shape == (2, 3549, 4)
    torch.testing.assert_close(both[1].boxes, alone[0].boxes, atol=1e-3, rtol=1e-4)
    assert none.boxes.shape == (0, 3549, 4)


def test_uint8_float_and_read_only_frames_are_one(detector: NanoDet, golden: dict[str, np.ndarray]) -> None:
    frame = golden_canvas(golden["picture"])
    frame.flags.writeable = False
    tensor = torch.tensor(frame).permute(2, 0, 1)
    expected, _ = detector.preprocess(frame)
    torch.testing.assert_close(detector.preprocess(tensor)[0], expected)
    torch.testing.assert_close(detector.preprocess(tensor / 255)[0], expected)
    rgb = tensor[:, 200, 200].float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    torch.testing.assert_close(expected[0, :, 200, 200].flip(0), (rgb - mean) / std)


def test_trace_has_the_features_that_the_layers_gave(detector: NanoDet) -> None:
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad(), record(detector, ["backbone.stages.3", "backbone.stages.5", "neck"]) as recording:
        trace = detector.trace(x)
    assert [tuple(f.shape) for f in trace.features] == [(1, 128, 8, 12), (1, 256, 4, 6), (1, 512, 2, 3)]
    assert [tuple(p.shape) for p in trace.pyramid] == [(1, 128, 8, 12), (1, 128, 4, 6), (1, 128, 2, 3)]
    assert torch.equal(recording["backbone.stages.3"], trace.features[0])
    assert torch.equal(recording["backbone.stages.5"], trace.features[2])
    assert torch.equal(recording["neck"][1], trace.pyramid[1])
    with torch.no_grad():
        assert torch.equal(detector(x).boxes, trace.out.boxes)


def test_gradients_reach_the_picture(detector: NanoDet) -> None:
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    found = detector(x)
    (found.scores.sum() + found.boxes.sum() + found.variance.sum()).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    # Max pooling leaves a few pixels without.
    assert (x.grad != 0).float().mean() > 0.9


def test_half_precision_is_near(detector: NanoDet, golden: dict[str, np.ndarray]) -> None:
    half = zoo.load("nanodet").to(torch.bfloat16)
    frame = golden_canvas(golden["picture"])
    expected, found = detector.detect(frame), half.detect(frame)
    assert found.boxes.dtype == torch.float32
    best = expected.scores[:, PERSON].argmax()
    assert abs(float(found.scores[best, PERSON] - expected.scores[best, PERSON])) < 0.1
    torch.testing.assert_close(found.boxes[best], expected.boxes[best], atol=8.0, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3, 416, 400), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 64)])
def test_wrong_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        NanoDet()(torch.zeros(shape))


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1280, 720), (100, 100), (1, 500), (416, 416), (37, 41)])
@pytest.mark.parametrize("tight", [False, True])
def test_letterbox_and_back(height: int, width: int, tight: bool) -> None:
    x, transform = letterbox(np.full((height, width, 3), 200, np.uint8), tight=tight)
    assert x.dtype == torch.uint8
    assert x.shape[2] % 32 == x.shape[3] % 32 == 0
    assert max(x.shape[2:]) == 416
    assert tight or x.shape == (1, 3, 416, 416)
    (top, left), (rows, columns) = transform.offset, transform.resized
    inside = torch.zeros(x.shape[2:], dtype=torch.bool)
    inside[top : top + rows, left : left + columns] = True
    assert (x[0, :, inside] == 200).all()
    assert (x[0, :, ~inside] == 0).all()
    corners = torch.tensor([[0.0, 0.0, width, height]])
    expected = torch.tensor([[left, top, left + columns, top + rows]], dtype=torch.float32)
    torch.testing.assert_close(transform.to_input(corners), expected)
    torch.testing.assert_close(transform.to_picture(expected), corners)
    points = torch.rand(5, 2) * 50
    torch.testing.assert_close(transform.to_picture(transform.to_input(points)), points)


def test_letterbox_puts_what_it_shows_where_it_says() -> None:
    frame = np.zeros((600, 1000, 3), np.uint8)
    frame[240:300, 500:700, 1] = 255
    x, transform = letterbox(frame)
    bright = (x[0, 1] > 127).nonzero().float()
    box = torch.cat((bright.amin(0).flip(0), bright.amax(0).flip(0) + 1))
    torch.testing.assert_close(transform.to_picture(box), torch.tensor([500.0, 240, 700, 300]), atol=1.3, rtol=0)


def test_a_strong_reduction_leaves_nothing_out() -> None:
    frame = np.zeros((64, 1664, 3), np.uint8)
    frame[:, ::4] = 240  # one column in four, and four columns become one
    x, transform = letterbox(frame)
    row = x[0, 0, transform.offset[0] + 8]
    assert abs(float(row.float().mean()) - 60) < 4
    assert row[8:-8].float().std() < 20


@pytest.mark.parametrize(
    "frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), torch.zeros(2)]
)
def test_letterbox_refuses_what_is_no_picture(frame: np.ndarray | Tensor) -> None:
    with pytest.raises(ValueError, match="expected an"):
        letterbox(frame)


@pytest.mark.parametrize("size", [0, -32, 100])
def test_letterbox_refuses_other_sizes(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        letterbox(np.zeros((4, 4, 3), np.uint8), size)


def test_card_names_every_class_in_both_languages(detector: NanoDet) -> None:
    card = zoo.card("nanodet")
    english, chinese = card.label_names("en"), card.label_names("zh_CN")
    assert len(english) == len(set(english)) == len(set(chinese)) == detector.num_classes
    assert (english[0], english[16], english[79]) == ("person", "dog", "toothbrush")
    assert (chinese[0], chinese[16], chinese[79]) == ("人", "狗", "牙刷")
