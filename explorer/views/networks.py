"""The networks a panel can choose from: the built-in ones whose weights are there, and the user's own. No Qt."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cvcore import zoo
from cvcore.foreign.errors import ModelError, error_in
from cvcore.sentence import SentenceError
from explorer.i18n import said, tr
from explorer.own_networks.known import OwnModel, own_models, read_labels
from explorer.own_networks.known import state as own_state

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class OwnCard(zoo.Card):
    """What is known about a network of the user's.

    Args:
        names: of the classes.
        input: width and height in pixels, where the network takes no others; else empty.
    """

    names: tuple[str, ...] = ()
    input: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Its file is the user's, whatever its name."""

    @property
    def built_in(self) -> bool:
        return False

    def label_names(self, language: str = "en") -> tuple[str, ...]:
        return self.names


PARTS = {
    "cvcore.models.cyclegan:CycleGAN": ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"),
}
"""What several networks in one file are looked at as: one after the other, each under the name ``CARD/PART``. By builder."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What there was at the last look at the folders."""

    state: Hashable
    cards: Mapping[str, zoo.Card]
    available: Mapping[str, zoo.Card]
    own: Mapping[str, OwnModel]
    names: tuple[str, ...]
    own_cards: dict[str, "OwnCard"]


_seen: _Seen | None = None
_versions: dict[str, Hashable] = {}


def _look() -> _Seen:
    """Looks at the folders only where something has changed since: knobs ask for every frame."""
    global _seen
    state = zoo.state(), own_state()
    now = _seen
    if now is None or now.state != state:
        cards, there, own = zoo.cards(), zoo.available(), own_models()
        built_in = [name for whole, card in there.items() for name in _parts_of(whole, card)]
        _seen = now = _Seen(state, cards, MappingProxyType(there), own, (*built_in, *own), {})
    return now


def look_again() -> bool:
    """Looks for what has come or gone without this program, such as a file copied into a folder; whether there is any."""
    global _seen
    before, _seen = _seen, None
    return before is not None and _look().names != before.names


def available() -> Mapping[str, zoo.Card]:
    """The built-in networks and those whose weights can be used now, as :func:`cvcore.zoo.available`."""
    return _look().available


def names() -> tuple[str, ...]:
    """What can be chosen now, built-in networks first; of a card with several networks each of them.

    What the program itself changes is seen at once, what comes from outside at :func:`look_again`.
    """
    return _look().names


def card(name: str) -> zoo.Card:
    """What is known about a network.

    Raises:
        zoo.WeightsError: there is none of that name.
    """
    seen = _look()
    if name in seen.own:
        if name not in seen.own_cards:
            seen.own_cards[name] = _own_card(seen.own[name], version(name))
        return seen.own_cards[name]
    whole, part = _whole_and_part(name)
    made = seen.cards.get(whole) or zoo.card(whole)
    return replace(made, name=name, title=f"{made.title} ({part})") if part else made


def _parts_of(whole: str, card: zoo.Card) -> tuple[str, ...]:
    parts = PARTS.get(card.builder, ())
    return tuple(f"{whole}/{part}" for part in parts) or (whole,)


def _whole_and_part(name: str) -> tuple[str, str]:
    """The name of a card, and which of its networks is meant; empty where there is one only."""
    whole, _, part = name.rpartition("/")
    known = _look().cards
    return (whole, part) if whole in known and part in PARTS.get(known[whole].builder, ()) else (name, "")


def is_own(name: str) -> bool:
    return name in _look().own


def version(name: str) -> Hashable:
    """Becomes another when a network of the user's is set in another way or its files are written anew.

    Looks at the files, which the engine does before every use of a network: what :func:`card` says is then renewed.
    """
    global _seen
    own = own_models().get(name)
    now = None if own is None else (own, *(_stamp(file) for file in (own.path, own.weights, own.labels) if file))
    if _versions.get(name, now) != now:
        _seen = None
    _versions[name] = now
    return now


def input_size(name: str) -> tuple[int, int] | None:
    """Width and height in pixels, where the network takes no others."""
    own = _look().own.get(name)
    return (own.input[0], own.input[1]) if own is not None and own.input else None


def load(name: str, device: "torch.device | str" = "cpu") -> "torch.nn.Module":
    """A new network, in eval mode, its parameters without gradient.

    Raises:
        SentenceError: it cannot be had.
    """
    own = own_models().get(name)
    if own is not None:
        return load_own(own, device)
    whole, part = _whole_and_part(name)
    network = zoo.load(whole, device)
    return network.get_submodule(part) if part else network


def load_in(name: str, device: "torch.device", dtype: "torch.dtype") -> "torch.nn.Module":
    """As :func:`load`, computing in a floating-point type. A network of the user's in half or double stays so in float32.

    Raises:
        SentenceError: it cannot be had.
    """
    from cvcore.foreign import in_precision

    network = load(name, device)
    return in_precision(network, dtype) if is_own(name) else network.to(dtype)


def load_own(own: OwnModel, device: "torch.device | str" = "cpu") -> "torch.nn.Module":
    """A network of the user's; a Python file is run only if the user has allowed it.

    Raises:
        ModelError: it cannot be had, or may not run.
    """
    import torch

    from cvcore.foreign import Source, kind_of, load_network, run_error, settle
    from explorer.own_networks.trust import require_trust

    if own.path is not None and kind_of(own.place) == "python":
        require_trust(own.path)
    network = load_network(Source(own.place, own.function, own.weights, own.fix_keys, own.given), device)
    width, height = own.input or (own.size, own.size)
    x = torch.zeros(1, 3, height, width, device=device)
    try:
        settle(network, x)
    except Exception as error:
        raise run_error(error, [own.path.parent] if own.path is not None else [], x) from error
    return network


def located(error: Exception) -> Exception:
    """The same error, or, where a Python file of the user's raised it, one that tells the file and the line."""
    if isinstance(error, SentenceError):
        return error
    folders = [own.path.parent for own in own_models().values() if own.path is not None and own.path.suffix == ".py"]
    return (error_in(error, folders) if folders else None) or error


def sentence_of(error: BaseException) -> str:
    """What went wrong; of weights that are not there, also where in the program they are got."""
    if isinstance(error, zoo.WeightsMissing):
        return tr(
            "The weights “{title}” are not on this computer yet: choose Weights in the menu Computing, "
            "or run “cv-explorer weights get {name}”.",
            **{**error.values, "title": tr(error.values["title"])},
        )
    if isinstance(error, zoo.LicenceNeeded):
        return tr(
            "The weights “{title}” are used under terms that have to be accepted first: choose Weights in the menu "
            "Computing, or run “cv-explorer weights get {name}”.",
            **{**error.values, "title": tr(error.values["title"])},
        )
    return said(error)


def _stamp(file: Path | str) -> tuple[int, int]:
    try:
        state = Path(file).stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


@lru_cache(maxsize=64)
def _own_card(own: OwnModel, changed: Hashable) -> OwnCard:
    del changed
    labels: tuple[str, ...] = ()
    if own.classes:
        labels = tuple(str(i) for i in range(own.classes))
        if own.labels:
            try:
                read = read_labels(Path(own.labels))
                labels = read if len(read) == own.classes else labels
            except ModelError:  # the file is gone; numbers are not wrong
                pass
    file = Path(own.weights or own.place)
    return OwnCard(
        name=own.name,
        title=own.name,
        task="image classification" if labels else "",
        builder="",
        file=file.name,
        sha256=_digest(file),
        licence="–",
        source=own.place if own.path is None else own.path.name,
        preprocessing=own.preprocessing,
        training_data="–",
        score="–",
        paper="",
        names=labels,
        input=own.input,
    )


def _digest(file: Path) -> str:
    from cvcore.foreign import fingerprint

    try:
        return fingerprint(file)
    except ModelError:
        return ""
