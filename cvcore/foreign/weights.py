"""Puts weights into a network, or says precisely what does not fit and what would help.

What fits is what the network's own ``load_state_dict`` takes: modules rename keys of older versions, tie weights, keep extra state or
packed weights, and know best. A first look at keys and shapes is for the common case and for the words.
"""

import warnings
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cvcore.copying import copied
from cvcore.foreign.checkpoint import WRAPPERS, State, candidates, read_checkpoint, state_of
from cvcore.foreign.errors import ModelError, short
from cvcore.foreign.values import plain, refuse_values

LISTED = 3
"""Keys that a sentence names."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """How a file's keys become the network's: look below ``wrapper``, take ``remove`` off each, put ``add`` before it.

    Args:
        everywhere: ``remove`` is taken out wherever it stands, as the wrappers of parts of a network need it.
        leave_out: keys that only the file has are left out.
    """

    wrapper: str = ""
    remove: str = ""
    add: str = ""
    everywhere: bool = False
    leave_out: bool = False

    def apply(self, found: Mapping[str, Any]) -> State:
        """The state of a checkpoint by the network's keys; what lacks the prefix keeps its own key."""
        state = next((s for wrapper, s in candidates(found) if wrapper == self.wrapper), State({}))
        return state.renamed(self.rename)

    def rename(self, key: str) -> str:
        if self.everywhere:
            return self.add + key.replace(self.remove, "")
        return self.add + key.removeprefix(self.remove)


@dataclass(frozen=True, slots=True)
class Misfit:
    """What differs between a file and a network.

    Args:
        missing: keys that only the network has.
        unexpected: keys that only the file has.
        shapes: key, shape in the file, shape in the network.
        hint: what would make more of them fit, or None.
        fits: keys that fit as they are; with the hint applied.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: tuple[tuple[str, Shape, Shape], ...]
    hint: Hint | None = None
    fits: tuple[int, int] = (0, 0)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)


class WeightsMisfitError(ModelError):
    """The weights do not fit the network; ``misfit`` tells how."""

    def __init__(self, misfit: Misfit, sentence: str, /, *more: ModelError, **values: Any) -> None:
        super().__init__(sentence, *more, **values)
        self.misfit = misfit


def load_weights(network: nn.Module, path: Path, *, fix_keys: bool = False) -> Hint | None:
    """Fills a network from a file; it stays as it was unless every key fits.

    Args:
        fix_keys: apply the hint if one makes everything fit.

    Returns:
        The hint applied, or None.

    Raises:
        ModelError: the file cannot be read, or its numbers would not be the network's; WeightsMisfitError: it does not fit.
    """
    found = read_checkpoint(path)
    own = state_of(found)
    misfit = compare(network, own)
    used = None
    if misfit:
        used = find_hint(network, found, misfit)
        left = compare(network, used.apply(found)) if used else misfit
        fixed = used is not None and not (left.missing or left.shapes or (left.unexpected and not used.leave_out))
        if not (fix_keys and fixed):
            raise _sentence(network, path, found, misfit, None if fix_keys else used, used)
    state = (used.apply(found) if used else own).wanted_by(wanted_of(network))
    if used and used.leave_out:
        for key in compare(network, used.apply(found)).unexpected:
            del state[key]
    refuse_values(network, state, path)
    try:
        _put(network, plain(state, network))
    except Exception as error:  # of the network's own way to read its state too
        raise ModelError("{file} cannot be put into the network: {what}", file=path.name, what=short(error)) from error
    return used


def compare(network: nn.Module, state: State) -> Misfit:
    """What of a state does not fit. Counters of batch norm layers (``num_batches_tracked``) and other names of one weight may
    be missing; what only looks different may be taken by the network all the same.
    """
    misfit = _by_keys(network, state)
    if not misfit:
        return misfit
    taken = _by_trial(network, state)
    return misfit if taken is None else taken


def wanted_of(network: nn.Module) -> Mapping[str, Any]:
    """The network's keys. What a hook or a packed layer gives in place of tensors is there too."""
    return network.state_dict(keep_vars=True)


def _by_keys(network: nn.Module, state: State) -> Misfit:
    wanted = wanted_of(network)
    given = state.wanted_by(wanted)
    shapes = tuple(
        (key, tuple(given[key].shape), tuple(value.shape))
        for key, value in wanted.items()
        if isinstance(given.get(key), Tensor) and _has_shape(value) and given[key].shape != value.shape
    )
    return Misfit(_missing(wanted, given), tuple(key for key in given if key not in wanted), shapes)


def _missing(wanted: Mapping[str, Any], given: Mapping[str, Any], left: Sequence[str] | None = None) -> tuple[str, ...]:
    """Keys that nothing stands for.

    Args:
        left: those that are missing for the network; None takes those that are not given.
    """
    left = [key for key in wanted if key not in given] if left is None else left
    there = {_memory(value) for key, value in wanted.items() if key not in left} - {None}
    return tuple(
        key for key in left if not key.endswith("num_batches_tracked") and _memory(wanted.get(key)) not in there
    )


def _memory(value: Any) -> tuple[Any, ...] | None:
    """Tells whether two names are of one weight; None for what has no place in memory."""
    if not _has_shape(value) or value.is_meta or not value.numel() or value.layout != torch.strided:
        return None
    return value.data_ptr(), tuple(value.shape), value.stride(), value.dtype


def _has_shape(value: Any) -> bool:
    return isinstance(value, Tensor) and not is_lazy(value)


def _by_trial(network: nn.Module, state: State) -> Misfit | None:
    """What the network itself says is missing or unexpected; None where it takes nothing of the kind."""
    wanted = wanted_of(network)
    given = state.wanted_by(wanted)
    try:
        missing, unexpected = _put(copied(network), plain(given, network))
    except Exception:  # it says so in ways of its own; keys and shapes tell more
        return None
    return Misfit(_missing(wanted, given, missing), tuple(unexpected), ())


def _put(network: nn.Module, state: "OrderedDict[str, Any]") -> tuple[list[str], list[str]]:
    """``load_state_dict``; networks made without numbers get those of the file."""
    empty = any(tensor.is_meta for tensor in network.state_dict(keep_vars=True).values() if _has_shape(tensor))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = network.load_state_dict(state, strict=False, **({"assign": True} if empty else {}))
    return list(getattr(answer, "missing_keys", ())), list(getattr(answer, "unexpected_keys", ()))


def fitting(network: nn.Module, state: State) -> int:
    """How many keys have their tensor, of the right shape."""
    wanted = wanted_of(network)
    given = state.wanted_by(wanted)
    return sum(key in given and _alike(given[key], value) for key, value in wanted.items())


def _alike(given: Any, wanted: Any) -> bool:
    """A lazy layer takes any shape; of what is no tensor the network knows."""
    if is_lazy(wanted):
        return isinstance(given, Tensor)
    if isinstance(wanted, Tensor):
        return isinstance(given, Tensor) and given.shape == wanted.shape
    return not isinstance(given, Tensor)


def find_hint(network: nn.Module, found: Mapping[str, Any], misfit: Misfit) -> Hint | None:
    """What makes the most keys fit, if that is more than fit without, or lets all of the network's fit."""
    wanted = wanted_of(network)
    best, score = None, fitting(network, state_of(found))
    for wrapper, state in candidates(found):
        hints = [Hint(wrapper)]
        hints += [Hint(wrapper, remove=prefix) for prefix in _prefixes(state.tensors, wanted)]
        hints += [Hint(wrapper, add=prefix) for prefix in _prefixes(wanted, state.tensors)]
        hints += [
            Hint(wrapper, remove=part, everywhere=True) for part in WRAPPERS if any(part in k for k in state.values)
        ]
        for hint in hints:
            count = fitting(network, hint.apply(found))
            if count > score:
                best, score = hint, count
    left = compare(network, best.apply(found)) if best else misfit
    if left.unexpected and not left.missing and not left.shapes and (best or fitting(network, state_of(found))):
        return replace(best or Hint(), leave_out=True)
    return best


def _prefixes(longer: Mapping[str, Any], shorter: Mapping[str, Any], most: int = 3) -> list[str]:
    """The commonest prefixes whose removal turns keys of one into keys of the other."""
    counts: Counter[str] = Counter()
    for key in longer:
        parts = key.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in shorter:
                counts[".".join(parts[:i]) + "."] += 1
    return [prefix for prefix, _ in counts.most_common(most)]


def _sentence(
    network: nn.Module, path: Path, found: Mapping[str, Any], misfit: Misfit, hint: Hint | None, best: Hint | None
) -> WeightsMisfitError:
    """What does not fit.

    Args:
        hint: to be told; None after it was applied, for then it is no help.
        best: what was found, applied or not.
    """
    total, now = len(wanted_of(network)), fitting(network, state_of(found))
    then = fitting(network, best.apply(found)) if best else now
    left = compare(network, best.apply(found)) if best else misfit
    # What the hint does not cure is what matters.
    shown = left if best and left else misfit
    told = Misfit(shown.missing, shown.unexpected, shown.shapes, hint, (now, then))
    if not state_of(found).tensors and best is None:
        places = [place for place, _ in candidates(found)]
        if not places:
            return WeightsMisfitError(told, "{file} holds no tensors.", file=path.name)
        return WeightsMisfitError(
            told,
            "{file} holds tensors under {places} only, and none of them fits the network.",
            file=path.name,
            places=_listed(tuple(f"“{place}”" for place in places)),
        )
    more = list(_differences(told))
    if hint is not None:
        more += _advice(hint)
        if then > now:
            more.append(ModelError("Then {then} of {total} keys fit.", then=then, total=total))
    return WeightsMisfitError(
        told,
        "{file} does not fit the network: {fits} of {total} keys do.",
        *more,
        file=path.name,
        fits=now if hint is not None or best is None else then,
        total=total,
    )


def _differences(misfit: Misfit) -> Iterator[ModelError]:
    for key, in_file, in_network in misfit.shapes[:LISTED]:
        yield ModelError(
            "{key} is {file} in the file, {network} in the network.", key=key, file=in_file, network=in_network
        )
    if len(misfit.shapes) > LISTED:
        yield ModelError("Another shape as well: {count} more.", count=len(misfit.shapes) - LISTED)
    if misfit.missing:
        yield ModelError("Missing in the file: {keys}.", keys=_listed(misfit.missing))
    if misfit.unexpected:
        yield ModelError("Only in the file: {keys}.", keys=_listed(misfit.unexpected))


def _listed(keys: tuple[str, ...]) -> str:
    left = len(keys) - LISTED
    return ", ".join(keys[:LISTED]) + (f" … (+{left})" if left > 0 else "")


def _advice(hint: Hint) -> Iterator[ModelError]:
    if hint.wrapper:
        yield ModelError("The weights lie under “{wrapper}”.", wrapper=hint.wrapper)
    if hint.remove:
        yield ModelError("Take “{prefix}” off the file’s keys.", prefix=hint.remove)
    if hint.add:
        yield ModelError("Put “{prefix}” before the file’s keys.", prefix=hint.add)
    if hint.leave_out:
        yield ModelError("Leave out what only the file has.")
