"""What a network is called with: the picture, in the form it wants, and whatever else it asks for.

A network gets a hook in front of it that makes all of that from the picture alone, so that everything else can go on calling
``network(x)`` with x (1, 3, H, W) float32.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cvcore.foreign.errors import ModelError
from cvcore.foreign.given_values import constant, from_file, from_text

Kind = Literal["picture", "zeros", "ones", "value", "file", "nothing"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")
GREY = "grey"
PICTURES = ("pixel_values", "image", "images", "img", "imgs", "picture", "x", "input", "inputs")
"""Names that a picture usually goes by."""
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One input that a network asks for.

    Args:
        name: of the argument, and what lies in it after a dot: ``batch.image``, ``images.0``.
        shape: None where nothing is known; in it None for a side of any length.
        dtype: the name of a type of torch, or empty.
        needed: it has no default.
        constant: what it was exported with and gets, where it is no tensor, as Python writes it; empty where it is one.
    """

    name: str
    shape: Shape | None = None
    dtype: str = ""
    needed: bool = True
    constant: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What an input gets.

    Args:
        name: as of :class:`Asked`.
        kind: the picture; zeros or ones; a value; what is in a file; or nothing, which leaves it out.
        text: of a picture its layout, one of :data:`LAYOUTS` and perhaps ``grey``; of zeros and ones the shape; the value; the file.
    """

    name: str
    kind: Kind
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "Given":
        """From ``NAME=KIND`` or ``NAME=KIND:TEXT``.

        Raises:
            ModelError: it is something else.
        """
        name, equals, what = text.partition("=")
        kind, _, more = what.partition(":")
        found = next((one for one in KINDS if one == kind.strip()), None)
        if not equals or not name.strip() or found is None:
            raise ModelError(
                "An input is NAME=KIND or NAME=KIND:TEXT, with one of {kinds} as KIND, not {text}.",
                kinds=", ".join(KINDS),
                text=text,
            )
        return cls(name.strip(), found, more.strip())


class InputsError(ModelError):
    """A network asks for more than a picture, and it is not known what the rest gets.

    Args:
        asked: all that it asks for.
    """

    def __init__(self, asked: Sequence[Asked], sentence: str, /, **values: Any) -> None:
        super().__init__(sentence, **values)
        self.asked = tuple(asked)


def asked_by(network: nn.Module) -> tuple[Asked, ...]:
    """What a network asks for: as its file says, or by the arguments of its ``forward``."""
    known: Any = getattr(network, "asked", None)
    if isinstance(known, tuple):
        return known
    try:
        parameters = inspect.signature(network.forward).parameters.values()
    except (TypeError, ValueError):  # nothing is known of it
        return (Asked("x"),)
    found = tuple(
        Asked(one.name, needed=one.default is one.empty)
        for one in parameters
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    )
    open_end = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    return found or ((Asked("x"),) if open_end else ())


def suggested(asked: Sequence[Asked]) -> tuple[Given, ...]:
    """What each would get: the likeliest one the picture, what can be left out nothing, all others zeros."""
    picture = _likeliest(asked)
    return tuple(_suggested(one, picture=one is picture) for one in asked)


def _likeliest(asked: Sequence[Asked]) -> Asked | None:
    """The one that is a picture by its shape, else by its name, else the first that has to be given."""
    tensors = [one for one in asked if not one.constant]
    by_shape = sorted((one for one in tensors if layout_of(one.shape)), key=_unlikely)
    unknown = [one for one in tensors if one.shape is None]
    by_name = sorted(
        (one for one in unknown if _end(one.name) in PICTURES), key=lambda one: PICTURES.index(_end(one.name))
    )
    needed = [one for one in unknown if one.needed]
    return next(iter((*by_shape, *by_name, *needed, *unknown)), None)


def _unlikely(one: Asked) -> tuple[int, bool]:
    """Three channels, then an open number, then one or four; at the same, a name that pictures have."""
    channels = one.shape[-1 if layout_of(one.shape).endswith("HWC") else -3] if one.shape else None
    return {3: 0, None: 1}.get(channels, 2), _end(one.name) not in PICTURES


def _end(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _suggested(one: Asked, *, picture: bool) -> Given:
    if picture:
        return Given(one.name, "picture", layout_of(one.shape) if one.shape else "")
    if not one.needed:
        return Given(one.name, "nothing")
    return Given(one.name, "zeros", "" if one.shape is None else ", ".join(str(side or 1) for side in one.shape))


def layout_of(shape: Shape | None) -> str:
    """How a picture lies in a tensor of that shape; empty where it cannot be one."""
    if shape is None or len(shape) not in (3, 4):
        return ""
    channels = (1, 3, 4)
    first, last = shape[-3], shape[-1]
    if first in channels or (first is None and last not in channels):
        return "NCHW" if len(shape) == 4 else "CHW"
    if last in channels:
        return "NHWC" if len(shape) == 4 else "HWC"
    return ""


def prepare(network: nn.Module, given: Sequence[Given] = ()) -> tuple[Given, ...]:
    """Has a network called with a picture alone get what it asks for.

    Args:
        given: empty takes what is plain: one picture, constants, and nothing for what may be left out.

    Returns:
        What each input gets.

    Raises:
        InputsError: it asks for more.
        ModelError: what is given cannot be had, or is not asked for.
    """
    asked = asked_by(network)
    chosen = tuple(given) or suggested(asked)
    if not given and any(one.kind in ("zeros", "ones") for one in chosen):
        names = ", ".join(one.name for one in asked if one.needed and not one.constant)
        raise InputsError(asked, "The network takes several inputs ({names}): say what each of them gets.", names=names)
    by_name = {one.name: one for one in asked}
    tops = {one.name.partition(".")[0] for one in asked}
    for one in chosen:
        if one.name not in by_name and (
            one.name.partition(".")[0] not in tops or getattr(network, "asked", None) is not None
        ):
            known = ", ".join(by_name) or "–"
            raise ModelError("The network has no input {name}; it has {names}.", name=one.name, names=known)
    missing = [
        one.name
        for one in asked
        if one.needed and not any(_within(g.name, one.name) and g.kind != "nothing" for g in chosen)
    ]
    if missing:
        raise InputsError(asked, "It is not said what the network’s input {name} gets.", name=missing[0])
    network.input_shape = picture_in(asked, chosen)[0]  # type: ignore[assignment]
    hook = Inputs(network, asked, chosen)
    if not hook.is_plain:
        network.register_forward_pre_hook(hook, with_kwargs=True)
    return chosen


def picture_in(asked: Sequence[Asked], given: Sequence[Given]) -> tuple[Shape, str]:
    """The shape (N, C, H, W) and the type of the picture among the inputs, as far as they are known; both empty where not."""
    by_name = {one.name: one for one in asked}
    for one in given:
        if one.kind == "picture" and one.name in by_name:
            return _as_nchw(by_name[one.name].shape, one.text), by_name[one.name].dtype
    return (), ""


def _within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(f"{whole}.")


def _as_nchw(shape: Shape | None, layout: str) -> Shape:
    """The shape that the picture has before the hook: (1, 3, H, W) with the sides that are fixed."""
    if shape is None:
        return ()
    words = layout.split()
    if "NHWC" in words and len(shape) == 4:
        shape = (shape[0], shape[3], shape[1], shape[2])
    elif "HWC" in words and len(shape) == 3:
        shape = (1, shape[2], shape[0], shape[1])
    elif "CHW" in words and len(shape) == 3:
        shape = (1, *shape)
    if GREY in words and len(shape) == 4 and shape[1] == 1:
        shape = (shape[0], 3, *shape[2:])
    return shape


class Inputs:
    """The hook: from the picture to everything."""

    def __init__(self, network: nn.Module, asked: Sequence[Asked], given: Sequence[Given]) -> None:
        self.asked, self.given = {one.name: one for one in asked}, tuple(given)
        self.arranged = hasattr(network, "arrange_inputs") and not getattr(network, "takes_one", False)
        self.home = float_type(network)
        self.uniform = _uniform(network)
        self.values: dict[str, Any] = {}
        for one in self.given:
            if one.kind not in ("picture", "nothing"):
                self.values[one.name] = _value(one, self.asked.get(one.name))

    @property
    def is_plain(self) -> bool:
        """Whether the network can be called with the picture as it is."""
        if self.arranged:
            return False
        if len(self.given) - sum(one.kind == "nothing" for one in self.given) != 1 or self.given[0].kind != "picture":
            return False
        first = self.given[0]
        dtype = self.asked[first.name].dtype if first.name in self.asked else ""
        direct = first.name == next(iter(self.asked), "") and "." not in first.name
        return (
            direct and first.text in ("", "NCHW") and dtype in ("", "float32") and self.uniform in (None, torch.float32)
        )

    def __call__(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if len(args) != 1 or kwargs or not isinstance(args[0], Tensor):
            return None
        now = float_type(module)
        leaves = {
            one.name: self._picture(args[0], one, now)
            if one.kind == "picture"
            else self._placed(self.values[one.name], args[0].device, now)
            for one in self.given
            if one.kind != "nothing"
        }
        arrange: Any = getattr(module, "arrange_inputs", None)
        return arrange(leaves) if callable(arrange) else _arguments(module, leaves)

    def _picture(self, x: Tensor, one: Given, now: torch.dtype | None) -> Tensor:
        words = one.text.split()
        if GREY in words:  # Rec. 601
            x = (x * x.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
        if "NHWC" in words:
            x = x.permute(0, 2, 3, 1).contiguous()
        elif "HWC" in words:
            x = x[0].permute(1, 2, 0).contiguous()
        elif "CHW" in words:
            x = x[0]
        asked = self.asked.get(one.name)
        return self._typed(x, asked.dtype if asked is not None else "", now)

    def _typed(self, x: Tensor, name: str, now: torch.dtype | None) -> Tensor:
        """In the type that the file asks for, or that all of the network has; in another precision that of the network."""
        wanted = getattr(torch, name, None) if name else self.uniform
        if not isinstance(wanted, torch.dtype):
            return x
        if wanted.is_floating_point or wanted.is_complex:
            moved = now is not None and now != self.home
            return x.to(now if moved and wanted.is_floating_point else wanted)
        if wanted == torch.bool:
            return x != 0
        limits = torch.iinfo(wanted)
        return x.float().round().clamp(limits.min, limits.max).to(wanted)

    def _placed(self, value: Any, device: torch.device, now: torch.dtype | None) -> Any:
        if not isinstance(value, Tensor):
            return value
        moved = now is not None and now != self.home and value.is_floating_point()
        return value.to(device, now) if moved else value.to(device)


def float_type(network: nn.Module) -> torch.dtype | None:
    """Of the network's first floating-point parameter; None where it has none."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), None)


def _uniform(network: nn.Module) -> torch.dtype | None:
    """The floating-point type of all of a network's parameters; None where they differ."""
    types = {p.dtype for p in network.parameters() if p.is_floating_point()}
    return types.pop() if len(types) == 1 else None


def _value(one: Given, asked: Asked | None) -> Any:
    dtype = getattr(torch, asked.dtype, None) if asked is not None and asked.dtype else None
    shape = asked.shape if asked is not None else None
    match one.kind:
        case "zeros" | "ones":
            return constant(one.name, one.text, one.kind, dtype)
        case "file":
            return from_file(one.name, one.text, dtype, shape)
        case _:
            return from_text(one.text, dtype if isinstance(dtype, torch.dtype) else None)


def _arguments(network: nn.Module, leaves: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments for ``forward``, from values by their dotted names."""
    tops: dict[str, dict[str, Any]] = {}
    for name, value in leaves.items():
        top, _, below = name.partition(".")
        tops.setdefault(top, {})[below] = value
    built = {top: _nested(parts) for top, parts in tops.items()}
    try:
        parameters = inspect.signature(network.forward).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    args, kwargs, behind = [], {}, False
    for name, parameter in parameters.items():
        if name not in built:
            behind = behind or parameter.kind is not parameter.VAR_POSITIONAL
        elif parameter.kind is parameter.POSITIONAL_ONLY or (
            parameter.kind is parameter.POSITIONAL_OR_KEYWORD and not behind
        ):
            args.append(built[name])
        else:
            kwargs[name] = built[name]
    args += [value for name, value in built.items() if name not in parameters]
    return tuple(args), kwargs


def _nested(parts: Mapping[str, Any]) -> Any:
    """``{"": x}`` is x; ``{"image": x}`` a dict, ``{"0": x}`` a list, and so on downwards."""
    if "" in parts:
        return parts[""]
    below: dict[str, dict[str, Any]] = {}
    for name, value in parts.items():
        first, _, rest = name.partition(".")
        below.setdefault(first, {})[rest] = value
    made = {key: _nested(part) for key, part in below.items()}
    if all(key.isdecimal() for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made


class Probe(dict[str, Any]):
    """Stands for the dict that a network takes, and notes which keys it asks for: the first gets the picture."""

    def __init__(self, name: str, x: Tensor) -> None:
        super().__init__()
        self.name, self.x = name, x
        self.keys_asked: list[str] = []

    def __missing__(self, key: str) -> Tensor:
        if not isinstance(key, str):
            raise KeyError(key)
        self.keys_asked.append(key)
        if len(self.keys_asked) > 1:
            raise InputsError(
                [Asked(f"{self.name}.{one}") for one in self.keys_asked],
                "The network takes several inputs ({names}): say what each of them gets.",
                names=", ".join(f"{self.name}.{one}" for one in self.keys_asked),
            )
        self[key] = self.x
        return self.x


def discover(network: nn.Module, x: Tensor) -> tuple[Given, ...]:
    """How a network wants a picture that fails on the picture itself: in a dict or a list. Empty where neither helps.

    Raises:
        InputsError: it takes a dict with more in it.
    """
    asked = asked_by(network)
    if sum(one.needed for one in asked) > 1 or not asked or getattr(network, "asked", None) is not None:
        return ()
    name = next((one.name for one in asked if one.needed), asked[0].name)
    probe = Probe(name, x.clone())
    tries: Iterable[tuple[Any, Callable[[], tuple[Given, ...]]]] = (
        (probe, lambda: (Given(f"{name}.{probe.keys_asked[0]}", "picture"),) if probe.keys_asked else ()),
        ([x[0].clone()], lambda: (Given(f"{name}.0", "picture", "CHW"),)),
        ([x.clone()], lambda: (Given(f"{name}.0", "picture"),)),
        (x[0].clone(), lambda: (Given(name, "picture", "CHW"),)),
        (x.permute(0, 2, 3, 1).contiguous(), lambda: (Given(name, "picture", "NHWC"),)),
    )
    for argument, found in tries:
        try:
            with torch.no_grad():
                network(argument)
        except InputsError:
            raise
        except Exception:  # only whether it runs is asked
            continue
        if given := found():
            return given
    return ()
