"""Cards and weights: what is shipped loads, and what is damaged is refused in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cvcore import zoo
from cvcore.assets import asset
from cvcore.zoo import Preprocessing, WeightsError, catalogue, store


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights of our own, with one good network."""
    real = asset("weights")
    for name in ("mobilenet_v2.json", "mobilenet_v2.safetensors", "tiny_imagenet_202.labels.json"):
        shutil.copyfile(real / name, tmp_path / name)
    for module in (catalogue, store):
        monkeypatch.setattr(module, "asset", lambda *parts: tmp_path.joinpath(*parts[1:]))
    catalogue._label_names.cache_clear()
    yield tmp_path
    catalogue._label_names.cache_clear()


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "mobilenet_v2.json"
    raw = json.loads(path.read_text("utf-8"))
    change(raw)
    path.write_text(json.dumps(raw, indent=2), "utf-8")


def sentence(error: pytest.ExceptionInfo[WeightsError]) -> str:
    said = str(error.value)
    assert said[0].isupper()
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_every_shipped_card_is_complete_and_loads() -> None:
    cards = zoo.cards()
    assert "mobilenet_v2" in cards
    assert list(cards) == sorted(cards)
    for name, card in cards.items():
        assert card.name == name
        for words in (card.title, card.task, card.licence, card.source, card.training_data, card.score, card.paper):
            assert words.strip()
        if name not in zoo.available():
            continue
        network = zoo.load(name)
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert all(p.isfinite().all() for p in network.parameters())


def test_labels_are_one_for_each_class_in_both_languages() -> None:
    card = zoo.card("mobilenet_v2")
    network = zoo.load("mobilenet_v2")
    with torch.inference_mode():
        classes = network(torch.zeros(1, 3, 64, 64)).shape[1]
    english, chinese = card.label_names(), card.label_names("zh_CN")
    assert len(english) == len(chinese) == classes == 202
    assert len(set(english)) == len(set(chinese)) == 202
    assert (english[12], chinese[12]) == ("koala", "考拉")
    assert card.label_names("xx") == english


def test_loading_gives_a_network_of_its_own_each_time() -> None:
    one, other = zoo.load("mobilenet_v2"), zoo.load("mobilenet_v2")
    next(one.parameters()).data.zero_()
    assert next(other.parameters()).abs().sum() > 0


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(WeightsError) as error:
        zoo.load("resnet")
    assert "resnet" in sentence(error)
    assert "mobilenet_v2" in sentence(error)


def test_a_missing_file(weights: Path) -> None:
    (weights / "mobilenet_v2.safetensors").unlink()
    with pytest.raises(WeightsError) as error:
        zoo.load("mobilenet_v2")
    assert sentence(error) == "The weight file mobilenet_v2.safetensors is missing or cannot be read."


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_a_damaged_file(weights: Path, damage: Callable[[bytes], bytes]) -> None:
    file = weights / "mobilenet_v2.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(WeightsError) as error:
        zoo.load("mobilenet_v2")
    assert "mobilenet_v2.safetensors is damaged" in sentence(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw["arguments"].update(num_classes=10),
        lambda raw: raw["arguments"].update(nonsense=1),
        lambda raw: raw.update(builder="cvcore.models.mobilenet:no_such_network"),
        lambda raw: raw.update(builder="cvcore.models.no_such_file:network"),
    ],
)
def test_weights_that_do_not_fit_their_builder(weights: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(weights, change)
    with pytest.raises(WeightsError) as error:
        zoo.load("mobilenet_v2")
    assert "does not fit the network MobileNetV2" in sentence(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("licence"),
        lambda raw: raw.update(surprise=1),
        lambda raw: raw["preprocessing"].update(colour="GBR"),
        lambda raw: raw["preprocessing"].update(std=[0, 1, 1]),
        lambda raw: raw.pop("preprocessing"),
    ],
)
def test_a_damaged_card(weights: Path, change: Callable[[dict[str, Any]], object]) -> None:
    assert "mobilenet_v2" in zoo.cards()
    edit(weights, change)
    with pytest.raises(WeightsError) as error:
        zoo.cards()
    assert sentence(error) == "The weight card mobilenet_v2.json is damaged."


def test_a_card_that_is_no_json_and_two_of_one_name(weights: Path) -> None:
    shutil.copyfile(weights / "mobilenet_v2.json", weights / "copy.json")
    with pytest.raises(WeightsError) as error:
        zoo.cards()
    assert "named mobilenet_v2" in sentence(error)
    (weights / "copy.json").write_text("{", "utf-8")
    with pytest.raises(WeightsError) as error:
        zoo.cards()
    assert "copy.json is damaged" in sentence(error)


def test_damaged_class_names(weights: Path) -> None:
    (weights / "tiny_imagenet_202.labels.json").write_text('[{"zh_CN": "x"}]', "utf-8")
    with pytest.raises(WeightsError) as error:
        zoo.card("mobilenet_v2").label_names()
    assert "tiny_imagenet_202.labels.json is missing or damaged" in sentence(error)


def test_preprocessing_is_checked() -> None:
    with pytest.raises(ValueError, match="RGB or BGR"):
        Preprocessing(224, (0, 0, 0), (1, 1, 1), "GRB")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive"):
        Preprocessing(0, (0, 0, 0), (1, 1, 1))
