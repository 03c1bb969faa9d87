"""MobileNetV2 against the paper's table, torchvision's names and the pictures it should know."""

import cv2
import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from cvcore import zoo
from cvcore.assets import asset
from cvcore.models.mobilenet import InvertedResidual, MobileNetV2, make_divisible, mobilenet_v2
from cvcore.record import describe
from cvcore.train.convert_mobilenet import convert, torchvision_key
from cvcore.train.mobilenet_head import stored


def torchvision_names() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's mobilenet_v2, written out from its published layout, not from our module."""
    names: dict[str, tuple[int, ...]] = {}

    def norm(key: str, width: int) -> None:
        names.update({f"{key}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        names[f"{key}.num_batches_tracked"] = ()

    names["features.0.0.weight"] = (32, 3, 3, 3)
    norm("features.0.1", 32)
    width, index = 32, 1
    for t, c, n in ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)):
        for _ in range(n):
            key, hidden, place = f"features.{index}.conv", width * t, 0
            if t > 1:
                names[f"{key}.0.0.weight"] = (hidden, width, 1, 1)
                norm(f"{key}.0.1", hidden)
                place = 1
            names[f"{key}.{place}.0.weight"] = (hidden, 1, 3, 3)
            norm(f"{key}.{place}.1", hidden)
            names[f"{key}.{place + 1}.weight"] = (c, hidden, 1, 1)
            norm(f"{key}.{place + 2}", c)
            width, index = c, index + 1
    names["features.18.0.weight"] = (1280, 320, 1, 1)
    norm("features.18.1", 1280)
    names |= {"classifier.1.weight": (1000, 1280), "classifier.1.bias": (1000,)}
    return names


def test_it_takes_torchvision_s_keys_strictly() -> None:
    wanted = torchvision_names()
    assert len(wanted) == 314
    state = {key: torch.rand(shape) for key, shape in wanted.items()}
    mobilenet_v2().load_state_dict(state, strict=True)
    with pytest.raises(RuntimeError):
        mobilenet_v2().load_state_dict({k: v for k, v in state.items() if k != "features.3.conv.2.weight"}, strict=True)


def test_the_maps_are_those_of_the_paper_s_table_2() -> None:
    layers = {layer.name: layer for layer in describe(mobilenet_v2().eval(), torch.zeros(1, 3, 224, 224))}
    for name, shape in {
        "features.0": (32, 112, 112),
        "features.1": (16, 112, 112),
        "features.3": (24, 56, 56),
        "features.6": (32, 28, 28),
        "features.10": (64, 14, 14),
        "features.13": (96, 14, 14),
        "features.16": (160, 7, 7),
        "features.17": (320, 7, 7),
        "features.18": (1280, 7, 7),
    }.items():
        assert layers[name].shapes == ((1, *shape),)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (32, 320)])
def test_any_input_size_works(height: int, width: int) -> None:
    assert mobilenet_v2(4).eval()(torch.zeros(2, 3, height, width)).shape == (2, 4)


def test_the_shortcut_is_there_exactly_where_stride_and_width_allow() -> None:
    blocks = [m for m in mobilenet_v2(2).features if isinstance(m, InvertedResidual)]
    assert [i for i, b in enumerate(blocks, 1) if b.use_res_connect] == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]
    block = blocks[2].eval()
    x = torch.randn(1, 24, 8, 8)
    torch.testing.assert_close(block(x), x + block.conv(x.clone()))
    with pytest.raises(ValueError, match="stride"):
        InvertedResidual(8, 8, stride=3, expand_ratio=6)


def test_width_multiplier_rounds_as_the_authors_do() -> None:
    assert [make_divisible(32 * m) for m in (0.35, 0.5, 0.75, 1.4)] == [16, 16, 24, 48]
    assert make_divisible(1) == 8
    narrow, wide = MobileNetV2(10, width_mult=0.5), MobileNetV2(10, width_mult=1.4)
    assert (narrow.last_channel, wide.last_channel) == (1280, 1792)
    assert isinstance(narrow.features[0][0], nn.Conv2d)
    assert narrow.features[0][0].out_channels == 16


def test_the_converter_s_names_are_torchvision_s() -> None:
    assert torchvision_key("features.1.conv.0.weight") == "features.1.conv.0.0.weight"
    assert torchvision_key("features.1.conv.3.weight") == "features.1.conv.1.weight"
    assert torchvision_key("features.1.conv.4.running_var") == "features.1.conv.2.running_var"
    assert torchvision_key("features.5.conv.3.weight") == "features.5.conv.1.0.weight"
    assert torchvision_key("features.5.conv.7.bias") == "features.5.conv.3.bias"
    assert torchvision_key("features.0.1.bias") == "features.0.1.bias"
    with pytest.raises(ValueError, match="not the MobileNetV2 checkpoint"):
        convert({"features.0.1.bias": torch.zeros(32)})


def test_what_is_kept_in_half_precision() -> None:
    """Kernels but those of the first blocks; and the shipped file is kept so, exactly."""
    file = asset("weights", "mobilenet_v2.safetensors")
    kept = load_file(file)
    halved = {key for key, value in kept.items() if value.dtype == torch.float16}
    kernels = {key for key, value in mobilenet_v2(202).state_dict().items() if value.dim() > 1}
    assert {key for key in kernels - halved if not key.startswith("features.")} == set()
    assert {key.split(".")[1] for key in kernels - halved} == {"0", "1", "2", "3"}
    assert halved < kernels
    again = stored({key: value.float() if value.is_floating_point() else value for key, value in kept.items()})
    assert save(again) == file.read_bytes()


def test_the_shipped_weights_know_the_dog() -> None:
    card = zoo.card("mobilenet_v2")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (card.preprocessing.mean, card.preprocessing.std))
    pixels = cv2.imread(str(asset("pictures", "dog.jpg")), cv2.IMREAD_COLOR_RGB)
    x = torch.from_numpy(cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_AREA)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        probabilities = zoo.load("mobilenet_v2")((x / 255 - mean) / std).softmax(1)[0]
    assert card.label_names()[int(probabilities.argmax())] == "German shepherd"
    assert probabilities.max() > 0.9
