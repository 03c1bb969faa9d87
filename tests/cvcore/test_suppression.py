"""What suppression begins with, and its methods with and without a trace."""

import pytest
import torch

from cvcore.models.nanodet import Candidates
from cvcore.ops.boxes import box_iou
from cvcore.suppression.candidates import Settings as CandidateSettings
from cvcore.suppression.candidates import from_detector, localization_confidence, scene
from cvcore.suppression.methods import METHODS, Settings, kept_scores, suppress


def test_the_localisation_confidence_is_the_iou_to_be_expected() -> None:
    # Drawn at random: a box whose sides miss by normal errors, against the box itself.
    random = torch.Generator().manual_seed(0)
    box, sigma = torch.tensor([[0.0, 0, 200, 100]]), torch.tensor([[2.0, 1.0, 3.0, 1.5]])
    noisy = box + torch.randn(20_000, 4, generator=random) * sigma
    expected = float(box_iou(noisy, box).mean())
    assert localization_confidence(box, sigma.square()).item() == pytest.approx(expected, abs=0.01)
    surer = localization_confidence(box.expand(3, 4), torch.tensor([[1.0], [4.0], [9.0]]).expand(3, 4))
    assert (surer.diff() < 0).all()
    assert ((surer > 0) & (surer <= 1)).all()


def test_the_same_boxes_without_a_trace() -> None:
    random = torch.Generator().manual_seed(1)
    corners = torch.rand(60, 2, generator=random) * 200
    boxes = torch.cat((corners, corners + 20 + torch.rand(60, 2, generator=random) * 80), 1)
    labels = torch.randint(0, 3, (60,), generator=random)
    scores, variance = torch.rand(60, generator=random), torch.rand(60, 4, generator=random) * 30
    found = scene(boxes, scores, labels, variance, CandidateSettings())
    for settings in (
        Settings(),
        Settings(class_aware=False, decay="gaussian", voting_decay="linear", center_penalty=True),
    ):
        for method in METHODS:
            trace = suppress(method, found, settings)
            assert torch.allclose(kept_scores(method, found, settings), trace.kept_scores), method
    with pytest.raises(ValueError, match="no method"):
        suppress("other", found, Settings())


def test_a_cell_sure_of_two_classes_is_two_candidates() -> None:
    ones = torch.ones(2, 4)
    found = Candidates(
        boxes=torch.tensor([[0.0, 0, 50, 50], [10, 10, 10, 40]]),
        scores=torch.tensor([[0.6, 0.1, 0.8], [0.9, 0.0, 0.0]]),
        distributions=ones[..., None],
        variance=ones,
        centers=ones[:, :2],
        strides=ones[:, 0],
        levels=torch.zeros(2, dtype=torch.long),
    )
    made = from_detector(found, (40, 100), CandidateSettings())
    assert made.labels.tolist() == [2, 0]  # the box without width is no candidate
    assert made.boxes.tolist() == [[0, 0, 40, 50]] * 2
    assert len(from_detector(found, (40, 100), CandidateSettings(), label=1)) == 0
