"""Weights that are not built in: found, downloaded, brought, checked, refused."""

import argparse
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors

from cvcore import zoo
from cvcore.download import DownloadError, Timing
from cvcore.zoo import LicenceNeeded, WeightsError, WeightsMissing, store
from cvcore.zoo.checkpoints import by_name, mapped, state_dict_of
from tests import file_server as fs
from tests.file_server import FileServer
from tests.weights_for_tests import checkpoint, sha256, use_cards, write_card

FAST = Timing(silence=10, retries=1, wait=lambda seconds: False)
ONES, TWOS = checkpoint(1.0), checkpoint(2.0)


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cards"
    use_cards(monkeypatch, folder)
    return folder


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(ONES) as made:
        yield made


def put(name: str, data: bytes) -> Path:
    path = zoo.folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def value(name: str = "tiny") -> float:
    return zoo.load(name).weight.mean().item()  # type: ignore[union-attr,operator]


def saved(thing: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, **how)
    return file.getvalue()


# -- the shipped cards


def test_shipped_cards_of_downloads_say_what_they_have_to() -> None:
    downloads = [card for card in zoo.cards().values() if not card.built_in]
    assert len(downloads) >= 17
    for card in downloads:
        assert card.page.startswith("https://")
        assert card.megabytes > 1
        assert card.addresses
        assert zoo.place(card).state == "missing"
        assert "not measured by us" in card.score
        research = any(word in card.licence for word in ("research only", "none named"))
        assert research == bool(card.terms)
    assert {name for name in zoo.available() if zoo.card(name).built_in} == set(zoo.available())
    assert len({card.file for card in downloads}) == len(downloads)


def test_the_1000_classes_of_imagenet_have_names() -> None:
    card = zoo.card("mobilenet_v2_imagenet")
    english, chinese = card.label_names(), card.label_names("zh_CN")
    assert len(english) == len(set(english)) == len(chinese) == 1000
    assert (english[0], english[105], english[999]) == ("tench", "koala", "toilet tissue")
    assert chinese[105] == "考拉"


def test_a_torchvision_checkpoint_fits_the_card() -> None:
    """The names and shapes that torchvision's file has are our builder's, and the file is of about the size the card says."""
    from cvcore.models.mobilenet import mobilenet_v2

    card = zoo.card("mobilenet_v2_imagenet")
    network = mobilenet_v2(**card.arguments)
    data = saved(network.state_dict())
    assert len(data) / 1e6 == pytest.approx(card.megabytes, rel=0.02)
    assert network.state_dict()["classifier.1.weight"].shape == (1000, 1280)


@pytest.mark.parametrize("name", ["cbam_resnet50", "cyclegan_horse2zebra", "light_openpose"])
def test_a_checkpoint_laid_out_as_the_authors_do_has_the_names_of_the_network(name: str) -> None:
    """The tensors are one number each, so that the file is small."""
    card = zoo.card(name)
    if not store.buildable(card):
        pytest.skip("this version has no such network")
    with torch.device("meta"):
        wanted = by_name(card.builder)(**card.arguments).state_dict()
    keys = {
        card.prefix + key: (torch.full((), 0.5) if like.is_floating_point() else torch.tensor(1)).expand(like.shape)
        for key, like in wanted.items()
    }
    data = saved({"epoch": 7, card.state_dict: keys} if card.state_dict else keys)
    put(card.file, data)
    zoo.accept(card)
    assert name in zoo.available()
    found = mapped(card, state_dict_of(card, data, card.file))
    assert {key: tensor.shape for key, tensor in found.items()} == {key: like.shape for key, like in wanted.items()}


def test_listing_needs_no_torch() -> None:
    code = "import sys; from cvcore import zoo; zoo.available(); [zoo.place(c) for c in zoo.cards().values()]; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- finding and using


def test_weights_that_are_not_there_say_how_to_get_them(cards: Path) -> None:
    write_card(cards)
    with pytest.raises(WeightsMissing) as error:
        zoo.load("tiny")
    said = "The weights “Tiny network” are not on this computer yet: cv-explorer weights get tiny gets them."
    assert str(error.value) == said
    assert zoo.available() == {}


def test_weights_in_the_offline_folder_come_first(cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = write_card(cards)
    put("tiny.pth", TWOS)
    offline = tmp_path / "offline"
    offline.mkdir()
    (offline / "tiny.pth").write_bytes(ONES)
    monkeypatch.setenv("CV_EXPLORER_WEIGHTS", str(offline))
    assert zoo.place(card) == zoo.Place("there", offline / "tiny.pth")
    assert list(zoo.available()) == ["tiny"]
    assert value() == 1.0
    zoo.remove(card)
    assert (offline / "tiny.pth").is_file()
    monkeypatch.setenv("CV_EXPLORER_WEIGHTS", str(tmp_path / "nowhere"))
    assert zoo.place(card).state == "missing"


def test_the_folder_is_under_the_programs_home(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    assert zoo.folder() == own_home / "weights"
    monkeypatch.delenv("CV_EXPLORER_HOME")
    assert zoo.folder().parts[-2:] == ("cv-explorer", "weights")


def test_a_card_whose_network_is_not_there_is_not_offered(cards: Path) -> None:
    write_card(cards, builder="cvcore.models.not_written_yet:network")
    put("tiny.pth", ONES)
    assert zoo.available() == {}
    with pytest.raises(WeightsError, match="does not fit the network"):
        zoo.load("tiny")


def invent(raw: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.upper().lower(): tensor + 4 for key, tensor in raw.items()}


@pytest.mark.parametrize(
    ("data", "fields", "wanted"),
    [
        (checkpoint(3.0, under="state_dict", epoch=7), {"state_dict": "state_dict"}, 3.0),
        (checkpoint(3.0, prefix="module."), {"prefix": "module."}, 3.0),
        (saved({"a": {"b": torch.load(io.BytesIO(ONES), weights_only=True)}}), {"state_dict": "a.b"}, 1.0),
        (checkpoint(3.0), {"mapping": f"{__name__}:invent"}, 7.0),
        (saved({"weight": torch.ones(2, 3).half(), "bias": torch.zeros(2).half()}), {}, 1.0),
        (saved(torch.load(io.BytesIO(TWOS), weights_only=True), _use_new_zipfile_serialization=False), {}, 2.0),
        (save_safetensors({"weight": torch.ones(2, 3) * 5, "bias": torch.zeros(2)}), {"file": "tiny.safetensors"}, 5.0),
    ],
)
def test_where_the_weights_sit(cards: Path, data: bytes, fields: dict[str, str], wanted: float) -> None:
    sys.modules.setdefault(__name__, sys.modules[test_where_the_weights_sit.__module__])
    card = write_card(cards, **fields)
    put(card.file, data)
    network = zoo.load("tiny")
    assert value() == wanted
    assert not network.training
    assert all(parameter.dtype == torch.float32 and not parameter.requires_grad for parameter in network.parameters())


class Trap:
    """Unpickling it would make a file."""

    path = ""

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


@pytest.mark.parametrize("how", ["zip", "legacy", "plain"])
def test_a_pickle_with_code_in_it_is_refused_before_it_runs(cards: Path, tmp_path: Path, how: str) -> None:
    write_card(cards)
    trap = Trap()
    Trap.path = str(tmp_path / "sprung")
    whole = {"weight": torch.ones(2, 3), "bias": trap}
    data = pickle.dumps(whole) if how == "plain" else saved(whole, _use_new_zipfile_serialization=how == "zip")
    put("tiny.pth", data)
    with pytest.raises(WeightsError) as error:
        zoo.load("tiny")
    said = str(error.value)
    assert said.startswith("The weight file tiny.pth holds more than numbers (")
    assert said.endswith("it is refused, since reading it would run code in it.")
    assert "\n" not in said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("thing", "what"),
    [
        (torch.nn.Linear(3, 2), "torch.nn.modules.linear.Linear"),
        ({"args": argparse.Namespace(a=1)}, "argparse.Namespace"),
        ({"best": np.float64(0.5)}, "numpy"),
    ],
)
def test_what_else_needs_more_than_numbers(cards: Path, thing: Any, what: str) -> None:
    write_card(cards)
    put("tiny.pth", saved(thing))
    with pytest.raises(WeightsError, match="holds more than numbers") as error:
        zoo.load("tiny")
    assert what in str(error.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused(cards: Path) -> None:
    write_card(cards)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), file)
    put("tiny.pth", file.getvalue())
    with pytest.raises(WeightsError, match="TorchScript"):
        zoo.load("tiny")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged or not of its kind"),
        (bytes(1000), "damaged or not of its kind"),
        (ONES[: len(ONES) // 2], "damaged or not of its kind"),
        (b"  <!DOCTYPE html><p>Log in", "is a web page"),
        (b"PK\x03\x04 and nothing", "damaged or not of its kind"),
        (b"\x80\x02", "damaged or not of its kind"),
        (saved(3), "has no weights where its card says"),
        (saved({}), "has no weights where its card says"),
        (saved({"weight": "text"}), "has no weights where its card says"),
        (checkpoint(1.0, under="model"), "has no weights where its card says"),
        (saved({"weight": torch.ones(5)}), "does not fit the network"),
    ],
)
def test_files_that_are_something_else(cards: Path, data: bytes, said: str) -> None:
    write_card(cards)
    put("tiny.pth", data)
    with pytest.raises(WeightsError, match=said) as error:
        zoo.load("tiny")
    assert str(error.value).endswith(".")
    if "fit" not in said:
        assert list(zoo.folder().iterdir()) == [
            zoo.folder() / "tiny.pth"
        ]  # its checksum is not what later ones must have


def test_a_damaged_byte_is_found_by_the_checksum_of_the_first_use(cards: Path) -> None:
    write_card(cards)
    path = put("tiny.pth", ONES)
    assert value() == 1.0
    path.write_bytes(TWOS)
    with pytest.raises(WeightsError) as error:
        zoo.load("tiny")
    assert "is not the one that was first used" in str(error.value)
    path.write_bytes(ONES)
    assert value() == 1.0


def test_a_checksum_on_the_card_counts_from_the_first_use(cards: Path) -> None:
    write_card(cards, sha256=sha256(TWOS))
    put("tiny.pth", ONES)
    with pytest.raises(WeightsError, match="its checksum is not the one on its card"):
        zoo.load("tiny")


# -- downloading


def test_download_and_use(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address())
    path = zoo.get(card, timing=FAST)
    assert path == zoo.folder() / "tiny.pth"
    assert value() == 1.0
    assert list(zoo.available()) == ["tiny"]
    assert zoo.get(card, timing=FAST) == path
    assert len(server.requests) == 1
    record = json.loads((zoo.folder() / "tiny.first-use.json").read_text("utf-8"))
    assert record == {"sha256": sha256(ONES), "from": server.address()}


def test_a_changed_file_on_the_server_is_refused_until_asked_for(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address())
    zoo.get(card, timing=FAST).unlink()
    server.data = TWOS
    with pytest.raises(DownloadError, match="its checksum is another"):
        zoo.get(card, timing=FAST)
    zoo.get(card, again=True, timing=FAST)
    assert value() == 2.0


def test_the_size_on_the_card_counts(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address(), bytes=len(ONES) + 1)
    with pytest.raises(DownloadError, match=f"has {len(ONES)} bytes, and not {len(ONES) + 1}"):
        zoo.get(card, timing=FAST)


@pytest.mark.parametrize("data", [b"not weights at all", ONES[:-300], saved({"weight": 5}), b"PK\x03\x04" + bytes(500)])
def test_what_holds_no_weights_is_not_kept(cards: Path, server: FileServer, data: bytes) -> None:
    server.data = data
    card = write_card(cards, address=server.address())
    with pytest.raises(DownloadError):
        zoo.get(card, timing=FAST)
    assert zoo.place(card).state == "missing"
    assert not (zoo.folder() / "tiny.first-use.json").exists()


def test_a_part_is_seen_and_gone_on_from(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address())
    server.script = [fs.cut(900), fs.hang_up]
    with pytest.raises(DownloadError):
        zoo.get(card, timing=FAST)
    assert zoo.place(card) == zoo.Place("part", bytes=900)
    assert zoo.available() == {}
    zoo.get(card, timing=FAST)
    assert server.requests[-1].start == 900
    assert value() == 1.0
    zoo.remove(card)
    assert zoo.place(card).state == "missing"


def test_a_mirror_helps(cards: Path, server: FileServer) -> None:
    with FileServer(ONES, otherwise=fs.status("404 Not Found")) as gone:
        card = write_card(cards, address=gone.address(), mirrors=[server.address()])
        zoo.get(card, timing=FAST)
        assert value() == 1.0


def test_without_an_address_a_person_is_told_where(cards: Path) -> None:
    card = write_card(cards)
    with pytest.raises(WeightsError) as error:
        zoo.get(card)
    assert "get tiny.pth from https://example.com and choose that file" in str(error.value)


# -- terms


def test_terms_are_accepted_once_for_each_wording(cards: Path, server: FileServer) -> None:
    card = write_card(cards, address=server.address(), terms="For study only.")
    other = write_card(cards, "other", terms="For study  only.\n")
    third = write_card(cards, "third", terms="For nobody.")
    with pytest.raises(LicenceNeeded, match="terms that have to be accepted first"):
        zoo.get(card, timing=FAST)
    assert server.requests == []
    put("tiny.pth", ONES)
    assert zoo.place(card).state == "locked"
    assert zoo.available() == {}
    with pytest.raises(LicenceNeeded):
        zoo.load("tiny")
    zoo.accept(card)
    assert [zoo.needs_acceptance(one) for one in (card, other, third)] == [False, False, True]
    assert value() == 1.0
    assert list(zoo.available()) == ["tiny"]


# -- the user's own file


def test_a_file_of_the_users(cards: Path, tmp_path: Path) -> None:
    card = write_card(cards, sha256=sha256(ONES))
    mine = tmp_path / "latest_net_G.pth"
    mine.write_bytes(TWOS)
    with pytest.raises(WeightsError, match="its checksum is another"):
        zoo.bring(card, mine)
    mine.write_bytes(ONES)
    assert zoo.bring(card, mine) == zoo.folder() / "tiny.pth"
    assert value() == 1.0
    assert sorted(path.name for path in zoo.folder().iterdir()) == ["tiny.pth"]


def test_another_file_of_the_users_replaces_the_first_use(cards: Path, tmp_path: Path) -> None:
    card = write_card(cards)
    put("tiny.pth", ONES)
    assert value() == 1.0
    mine = tmp_path / "mine.pt"
    mine.write_bytes(TWOS)
    zoo.bring(card, mine)
    assert value() == 2.0


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("model.t7", b"torch7", "is not of a kind that is read here"),
        ("model.safetensors", b"", "which is named tiny.pth"),
        ("model.pth", b"nothing", "damaged or not of its kind"),
        ("model.pth", None, "There is no file"),
    ],
)
def test_files_that_are_not_taken(cards: Path, tmp_path: Path, name: str, data: bytes | None, said: str) -> None:
    card = write_card(cards)
    mine = tmp_path / name
    if data is not None:
        mine.write_bytes(data)
    with pytest.raises((WeightsError, DownloadError), match=said):
        zoo.bring(card, mine)
    assert zoo.place(card).state == "missing"
    assert not zoo.folder().exists() or list(zoo.folder().iterdir()) == []


# -- cards that are wrong


@pytest.mark.parametrize(
    "fields",
    [
        {"file": "../tiny.pth"},
        {"file": "tiny.t7"},
        {"file": ""},
        {"page": "", "sha256": ""},
        {"sha256": "abc"},
        {"address": "ftp://example.com/x"},
        {"address": "https://example.com/x", "mirrors": ["file:///x"]},
        {"bytes": -1},
    ],
)
def test_cards_that_are_wrong(cards: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.json is damaged"):
        write_card(cards, **fields)
