"""Networks that take more than a picture, or the picture in another form: several inputs, dicts and lists, text, sound, states."""

import wave
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cvcore.copying import copied
from cvcore.foreign import (
    Asked,
    Given,
    InputsError,
    ModelError,
    Source,
    asked_by,
    discover,
    in_precision,
    input_shape,
    load_network,
    suggested,
    try_network,
)
from cvcore.foreign.given_values import from_file, from_text
from cvcore.foreign.inputs import layout_of, prepare

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, exporting
X = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)


def of(forward: Any) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = type("Net", (Base,), {"forward": forward})()
    return made.eval().requires_grad_(False)


class Masked(Base):
    def forward(self, x: Tensor, mask: Tensor, scale: float = 2.0, *, bias: Tensor | None = None) -> Tensor:
        made = self.conv(x * mask) * scale
        return made if bias is None else made + bias


class Batch(Base):
    def forward(self, batch: dict[str, Any]) -> Tensor:
        return self.conv(batch["image"])


class More(Base):
    def forward(self, batch: dict[str, Any]) -> Tensor:
        return self.conv(batch["image"]) * batch["scale"].sum()


class Images(Base):
    def forward(self, images: list[Tensor]) -> Tensor:
        assert isinstance(images, list)
        return torch.stack([self.conv(one) for one in images])


class Tokens(nn.Module):
    """Text: it takes no picture at all."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.rows, self.fc = nn.Embedding(100, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        rows, _ = self.rows(self.embedding(input_ids))
        return self.fc(rows if attention_mask is None else rows * attention_mask[..., None])[:, -1]


class Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv1d(1, 4, 9, 4), nn.Linear(4, 5)

    def forward(self, wave: Tensor) -> Tensor:
        return self.fc(self.conv(wave).mean(2))


class State(nn.Module):
    """Recurrent: the picture, and what it knew before."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.cell = nn.Conv2d(3, 4, 3), nn.GRUCell(4, 6)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.cell(self.conv(x).mean((2, 3)), state)
        return state, state


# -- Python


def test_what_a_python_network_asks_for() -> None:
    assert asked_by(Masked()) == (
        Asked("x"),
        Asked("mask"),
        Asked("scale", needed=False),
        Asked("bias", needed=False),
    )
    assert asked_by(nn.DataParallel(nn.Conv2d(3, 4, 3))) == (Asked("x"),)
    assert [one.kind for one in suggested(asked_by(Masked()))] == ["picture", "zeros", "nothing", "nothing"]


@pytest.mark.parametrize(
    ("names", "picture"),
    [
        (["x"], "x"),
        (["input_ids", "pixel_values"], "pixel_values"),
        (["mask", "image"], "image"),
        (["first", "second"], "first"),
    ],
)
def test_the_likeliest_picture_by_name(names: list[str], picture: str) -> None:
    given = suggested([Asked(name) for name in names])
    assert [one.name for one in given if one.kind == "picture"] == [picture]


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 3, 224, 224), "NCHW"),
        ((None, 3, None, None), "NCHW"),
        ((None, None, None, None), "NCHW"),
        ((1, 224, 224, 3), "NHWC"),
        ((None, None, None, 3), "NHWC"),
        ((1, 1, 28, 28), "NCHW"),
        ((3, 224, 224), "CHW"),
        ((224, 224, 3), "HWC"),
        ((1, 3, 224, 3), "NCHW"),
        ((1, 77), ""),
        ((1, 16, 40, 40), ""),
        ((1, 3, 8, 224, 224), ""),
    ],
)
def test_how_a_picture_lies_in_a_tensor(shape: tuple[int | None, ...], layout: str) -> None:
    assert layout_of(shape) == layout


def test_arguments_are_handed_over_as_they_are_said() -> None:
    network = of(Masked.forward)
    with pytest.raises(InputsError, match=r"takes several inputs \(x, mask\)") as caught:
        prepare(network)
    assert [one.name for one in caught.value.asked] == ["x", "mask", "scale", "bias"]
    prepare(
        network,
        [
            Given("x", "picture"),
            Given("mask", "ones", "1, 1, 16, 16"),
            Given("scale", "value", "3"),
            Given("bias", "value", "[[[[1.5]]]]"),
        ],
    )
    wanted = network.conv(X) * 3 + 1.5
    for made in (network, copied(network)):
        assert torch.allclose(made(X), wanted, atol=1e-6)
        assert torch.allclose(made(X, torch.ones(1), 3.0), network.conv(X) * 3)  # as it is called itself
        with torch.inference_mode():
            assert torch.allclose(made(X.clone()), wanted, atol=1e-6)
    assert in_precision(network, torch.bfloat16)(X.bfloat16()).dtype == torch.bfloat16


def test_dicts_lists_and_what_lies_deeper() -> None:
    def forward(self: Any, data: Any, more: Any) -> Tensor:
        assert set(data) == {"image", "meta"}
        assert isinstance(data["meta"], list)
        return self.conv(data["image"]) * data["meta"][0] + more[1]["shift"] + more[0]

    network = of(forward)
    given = [
        Given("data.image", "picture"),
        Given("data.meta.0", "value", "2"),
        Given("more.0", "value", "1"),
        Given("more.1.shift", "value", "0.5"),
    ]
    prepare(network, given)
    assert torch.allclose(network(X), network.conv(X) * 2 + 1.5)


def test_a_network_that_wants_the_picture_in_a_dict_or_list_is_found_out() -> None:
    assert discover(of(Batch.forward), X) == (Given("batch.image", "picture"),)
    assert discover(of(Images.forward), X) == (Given("images.0", "picture", "CHW"),)
    network = of(Images.forward)
    prepare(network, discover(network, X))
    assert network(X).shape == (1, 4, 14, 14)
    with pytest.raises(InputsError, match=r"takes several inputs \(batch\.image, batch\.scale\)"):
        discover(of(More.forward), X)

    def fails(self: Any, x: Tensor) -> Tensor:
        raise RuntimeError("whatever it is given")

    assert discover(of(fails), X) == ()


def test_half_networks_get_half_and_grey_ones_grey() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        network = of(lambda self, x: self.conv(x)).to(dtype)
        prepare(network)
        assert network(X).dtype == dtype
        assert try_network(network, X).maps == ("conv",)
    mixed = of(lambda self, x: self.conv(x))
    mixed.add_module("narrow", nn.Linear(2, 2).half())
    prepare(mixed)
    assert mixed(X).dtype == torch.float32
    grey = nn.Conv2d(1, 2, 3)
    prepare(grey, [Given("input", "picture", "NCHW grey")])
    assert torch.allclose(
        grey(X), grey.forward((X * torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)).sum(1, keepdim=True))
    )


def test_a_plain_network_gets_no_hook() -> None:
    network = of(lambda self, x: self.conv(x))
    assert prepare(network) == (Given("x", "picture"),)
    assert not network._forward_pre_hooks
    assert input_shape(network) == ()


@pytest.mark.parametrize(
    ("make", "given", "classes"),
    [
        (Tokens, [Given("input_ids", "value", "[[5, 6, 7]]")], 5),
        (Tokens, [Given("input_ids", "value", "[[5, 6, 7]]"), Given("attention_mask", "ones", "1, 3")], 5),
        (Sound, [Given("wave", "zeros", "1, 1, 400")], 5),
        (State, [Given("x", "picture"), Given("state", "zeros", "1, 6")], 6),
    ],
)
def test_text_sound_and_states_run(make: type[nn.Module], given: list[Given], classes: int) -> None:
    network = make().eval().requires_grad_(False)
    prepare(network, given)
    trial = try_network(network, X)
    assert trial.classes == classes
    assert trial.shown


# -- torch.export


def exported(
    path: Path, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, **more: Any
) -> nn.Module:
    torch.export.save(torch.export.export(network.eval(), args, kwargs, **more), path)
    return network


def test_constants_of_an_exported_file_are_those_it_was_exported_with(tmp_path: Path) -> None:
    def forward(
        self: Any, x: Tensor, flag: bool = False, *, return_dict: bool = True, mode: str = "a", none: Any = None
    ) -> Any:
        made = self.conv(x) * (2 if mode == "b" else 1)
        return {"out": made} if return_dict else made

    network = of(forward)
    exported(tmp_path / "net.pt2", network, (X, True), {"return_dict": False, "mode": "b", "none": None})
    made = load_network(Source(str(tmp_path / "net.pt2")))
    assert [one.name for one in asked_by(made)] == ["x", "flag", "return_dict", "mode", "none"]
    assert [one.constant for one in asked_by(made)] == ["", "True", "False", "'b'", "None"]
    assert torch.allclose(made(X), network.conv(X) * 2, atol=1e-5)
    assert torch.allclose(copied(made)(X), network.conv(X) * 2, atol=1e-5)
    assert try_network(made, X).maps == ("conv",)


def test_structures_of_an_exported_file_are_kept_to_the_letter(tmp_path: Path) -> None:
    def forward(
        self: Any, data: dict[str, Any], pair: tuple[Tensor, list[Tensor]], *, last: OrderedDict[str, Tensor]
    ) -> Tensor:
        return self.conv(data["image"] * data["mask"]) + pair[0] + pair[1][0] + last["a"]

    network = of(forward)
    data = {"image": X, "mask": torch.ones(1, 1, 16, 16)}
    last = OrderedDict(a=torch.ones(1))
    exported(tmp_path / "net.pt2", network, (data, (torch.ones(1), [torch.zeros(1)])), {"last": last})
    path = str(tmp_path / "net.pt2")
    with pytest.raises(InputsError) as caught:
        load_network(Source(path))
    names = ["data.image", "data.mask", "pair.0", "pair.1.0", "last.a"]
    assert [one.name for one in caught.value.asked] == names
    given = suggested(caught.value.asked)
    assert [one.text for one in given] == ["NCHW", "1, 1, 16, 16", "1", "1", "1"]
    ones = tuple(Given(one.name, "ones", one.text) if one.kind == "zeros" else one for one in given)
    made = load_network(Source(path, inputs=ones))
    assert torch.allclose(made(X), network.conv(X) + 3)
    assert input_shape(made) == (1, 3, 16, 16)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float64, torch.int64])
def test_an_exported_file_gets_the_type_it_was_exported_with(tmp_path: Path, dtype: torch.dtype) -> None:
    network = of(lambda self, x: self.conv(x.float()))
    exported(tmp_path / "net.pt2", network, ((X * 100).abs().to(dtype),))
    made = load_network(Source(str(tmp_path / "net.pt2")))
    x = (X * 100).abs()
    whole = x.round() if not dtype.is_floating_point else x.to(dtype).float()
    assert torch.allclose(made(x), network.conv(whole), atol=1e-4)


def test_an_exported_file_with_the_picture_as_keyword_or_the_other_way_round(tmp_path: Path) -> None:
    network = of(lambda self, *, pixel_values: self.conv(pixel_values.permute(0, 3, 1, 2)))
    exported(tmp_path / "net.pt2", network, (), {"pixel_values": X.permute(0, 2, 3, 1)})
    made = load_network(Source(str(tmp_path / "net.pt2")))
    assert torch.allclose(made(X), network.conv(X), atol=1e-6)
    assert input_shape(made) == (1, 3, 16, 16)


# -- values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("true", True),
        ("None", None),
        ("none", None),
        ("(1, 2)", (1, 2)),
        ("a small cat", "a small cat"),
        ("", ""),
        ('{"a": 1}', {"a": 1}),
        ('["a", "b"]', ["a", "b"]),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_what_is_typed_is_a_value(text: str, wanted: Any) -> None:
    assert from_text(text, None) == wanted


def test_typed_lists_are_tensors_of_the_type_that_is_asked_for() -> None:
    assert torch.equal(from_text("[[1, 2]]", None), torch.tensor([[1, 2]]))
    assert torch.equal(from_text("[1, 2]", torch.float16), torch.tensor([1.0, 2.0], dtype=torch.float16))
    with pytest.raises(ModelError, match="a cat is no value of type int64"):
        from_text("a cat", torch.int64)


@pytest.mark.parametrize("text", ["1, x", "-1", "1.5", "99999999999999999999"])
def test_what_is_no_shape_is_said(text: str) -> None:
    with pytest.raises(ModelError, match="shape of the input mask is numbers with commas"):
        prepare(Masked(), [Given("x", "picture"), Given("mask", "zeros", text)])


def test_files_give_numbers_sound_pictures_and_text(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.save(tmp_path / "a.npy", numbers)
    np.savez(tmp_path / "a.npz", a=numbers)
    torch.save({"state_dict": {"a": torch.from_numpy(numbers)}}, tmp_path / "a.pt")
    for ending in ("npy", "npz", "pt"):
        assert torch.equal(from_file("a", str(tmp_path / f"a.{ending}"), None, None), torch.from_numpy(numbers))
        given = from_file("a", str(tmp_path / f"a.{ending}"), torch.float32, (1, None, 3))
        assert given.shape == (1, 2, 3)
        assert given.dtype == torch.float32
    for width, top in ((1, 127), (2, 2**15 - 1), (3, 2**23 - 1), (4, 2**31 - 1)):
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(width)
            file.setframerate(8000)
            samples = [0, top, -top, 0]
            offset = 128 if width == 1 else 0
            file.writeframes(b"".join((s + offset).to_bytes(width, "little", signed=width > 1) for s in samples))
        sound = from_file("a", str(tmp_path / "a.wav"), None, None)
        assert torch.allclose(sound, torch.tensor([[0.0, -1.0], [1.0, 0.0]]), atol=0.01)
    Image.new("RGB", (4, 2), (255, 0, 51)).save(tmp_path / "a.png")
    picture = from_file("a", str(tmp_path / "a.png"), None, None)
    assert picture.shape == (1, 3, 2, 4)
    assert picture[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])
    (tmp_path / "a.txt").write_text("a cat", "utf-8")
    assert from_file("a", str(tmp_path / "a.txt"), None, None) == "a cat"
    with pytest.raises(ModelError, match=r"The file b\.npy does not exist"):
        from_file("a", str(tmp_path / "b.npy"), None, None)
    (tmp_path / "b.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"b\.npy cannot be read for the input a"):
        from_file("a", str(tmp_path / "b.npy"), None, None)
    np.save(tmp_path / "c.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match=r"c\.npy cannot be read for the input a"):
        from_file("a", str(tmp_path / "c.npy"), None, None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x=picture", Given("x", "picture")),
        ("x=picture:NCHW grey", Given("x", "picture", "NCHW grey")),
        ("batch.image=file:C:/a.npy", Given("batch.image", "file", "C:/a.npy")),
        ("input:0=zeros:1,2", Given("input:0", "zeros", "1,2")),
        ("a = value : b=c ", Given("a", "value", "b=c")),
    ],
)
def test_inputs_on_the_command_line(text: str, wanted: Given) -> None:
    assert Given.parse(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "x=", "=picture", "x=photo"])
def test_what_is_no_input_is_said(text: str) -> None:
    with pytest.raises(ModelError, match="An input is NAME=KIND"):
        Given.parse(text)
