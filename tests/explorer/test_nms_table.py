"""The script that measures the methods: its verdicts against the evaluation, and its tables in the document."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from cvcore.assets import asset
from cvcore.evaluate.detection import Annotations, Detections, evaluate_detection
from cvcore.suppression.candidates import Settings, scene
from cvcore.suppression.methods import METHODS

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nms_table", ROOT / "tools" / "nms_table.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def objects(*boxes: tuple[float, float, float, float], crowd: tuple[bool, ...] = ()) -> Annotations:
    count = len(boxes)
    return Annotations(
        np.array(boxes, float).reshape(-1, 4), np.ones(count, np.int64), np.array(crowd or (False,) * count)
    )


def found(*boxes: tuple[float, float, float, float]) -> Detections:
    scores = np.linspace(0.9, 0.5, len(boxes))
    return Detections(np.array(boxes, float).reshape(-1, 4), scores, np.ones(len(boxes), np.int64))


def test_a_second_find_is_wrong_and_one_on_a_crowd_does_not_count(tool: ModuleType) -> None:
    truth = objects((0, 0, 10, 10), (50, 50, 90, 90), crowd=(False, True))
    verdict = tool.right(found((0, 0, 10, 9), (0, 0, 10, 10), (50, 50, 90, 90), (30, 0, 40, 10)), truth)
    assert verdict[[0, 1, 3]].tolist() == [1, 0, 0]
    assert np.isnan(verdict[2])


def test_right_ones_are_the_recall_of_the_evaluation(tool: ModuleType) -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        corners = random.uniform(0, 60, (12, 2))
        boxes = np.concatenate((corners, corners + random.uniform(10, 40, (12, 2))), 1)
        truth, detected = objects(*map(tuple, boxes[:5])), found(*map(tuple, boxes[3:] + random.normal(0, 2, (9, 4))))
        score = evaluate_detection([detected], [truth], iou_thresholds=np.array([0.5]))
        assert tool.right(detected, truth).sum() / 5 == pytest.approx(score.recall)


def test_density_from_the_labels(tool: ModuleType) -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [100, 0, 110, 10]])
    candidates = scene(
        boxes, torch.tensor([0.9, 0.8, 0.7]), torch.ones(3, dtype=torch.long), torch.ones(3, 4), Settings()
    )
    truth = objects((0, 0, 10, 10), (5, 0, 15, 10))
    assert tool.true_density(candidates, truth).tolist() == pytest.approx([1 / 3, 1 / 3, 0])
    assert tool.quality(candidates, truth).tolist() == pytest.approx([1, 1, 0])
    assert tool.true_density(candidates, objects()).tolist() == [0, 0, 0]


def test_ranks_correlate_as_they_should(tool: ModuleType) -> None:
    x = torch.tensor([0.1, 0.5, 0.3, 0.9])
    assert tool.rank_correlation(x, x.exp()) == pytest.approx(1)
    assert tool.rank_correlation(x, -x) == pytest.approx(-1)


def test_tables_go_between_their_markers(tool: ModuleType) -> None:
    document = "# Words\n\n<!-- one:begin -->\nold\n<!-- one:end -->\n\nMore.\n"
    table = tool.markdown(("a", "b"), [["x", "1"]])
    put = tool.put(document, {"one": table})
    assert put == "# Words\n\n<!-- one:begin -->\n\n| a | b |\n| --- | --: |\n| x | 1 |\n\n<!-- one:end -->\n\nMore.\n"
    assert tool.put(put, {"one": table}) == put
    with pytest.raises(ValueError, match="two"):
        tool.put(document, {"two": table})


def test_the_document_and_the_panel_have_what_was_measured(tool: ModuleType) -> None:
    document = (ROOT / "docs" / "nms_methods.md").read_text("utf-8")
    for case in tool.CASES:
        assert f"| {case.name} |" in document, case.name
    measured = json.loads(asset("measurements", "nms_methods.json").read_text("utf-8"))["reliability"]
    assert set(measured) == set(METHODS) == set(tool.IN_PANEL)
    for method, curve in measured.items():
        assert tool.CASES[tool.IN_PANEL[method]].method == method
        assert len(curve["score"]) == len(curve["precision"]) == len(curve["count"]) > 5
        assert (np.diff(curve["score"]) > 0).all()
