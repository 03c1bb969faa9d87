"""Puts weights into a network, or says precisely what does not fit and what would help."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cvcore.foreign.checkpoint import candidates, read_checkpoint, tensors_of
from cvcore.foreign.errors import ModelError

LISTED = 3
"""Keys that a sentence names."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """How a file's keys become the network's: look below ``wrapper``, take ``remove`` off each, put ``add`` before it."""

    wrapper: str = ""
    remove: str = ""
    add: str = ""

    def apply(self, found: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors of a checkpoint by the network's keys; what lacks the prefix keeps its own key."""
        tensors = next((t for wrapper, t in candidates(found) if wrapper == self.wrapper), {})
        return {self.add + key.removeprefix(self.remove): value for key, value in tensors.items()}


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
        ModelError: the file cannot be read; WeightsMisfitError: it does not fit.
    """
    found = read_checkpoint(path)
    tensors = tensors_of(found)
    misfit = compare(network, tensors)
    used = None
    if misfit:
        used = find_hint(network, found, misfit)
        misfit = _with_hint(misfit, used, network, found)
        if used is None or not fix_keys or compare(network, used.apply(found)):
            raise _sentence(misfit, path, network, empty=not tensors)
        tensors = used.apply(found)
    if unfit := next((key for key, tensor in tensors.items() if _has_nan(tensor)), ""):
        raise ModelError("{file} holds values that are not a number (NaN), first in {key}.", file=path.name, key=unfit)
    network.load_state_dict(tensors, strict=False)
    return used


def _has_nan(tensor: Tensor) -> bool:
    """Infinite values are no harm: masks have them."""
    usual = tensor.is_floating_point() and tensor.element_size() > 1  # torch asks no float of 8 bits
    return usual and bool(tensor.isnan().any())


def compare(network: nn.Module, tensors: Mapping[str, Tensor]) -> Misfit:
    """What of a state_dict does not fit. Counters of batch norm layers (``num_batches_tracked``) may be missing."""
    wanted = network.state_dict()
    missing = tuple(k for k in wanted if k not in tensors and not k.endswith("num_batches_tracked"))
    unexpected = tuple(k for k in tensors if k not in wanted)
    shapes = tuple(
        (k, tuple(tensors[k].shape), tuple(wanted[k].shape))
        for k in wanted
        if k in tensors and isinstance(wanted[k], Tensor) and tensors[k].shape != wanted[k].shape
    )
    return Misfit(missing, unexpected, shapes)


def fitting(network: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    """How many keys have their tensor, of the right shape."""
    return sum(k in tensors and tensors[k].shape == v.shape for k, v in network.state_dict().items())


def find_hint(network: nn.Module, found: Mapping[str, Any], misfit: Misfit) -> Hint | None:
    """What makes the most keys fit, if that is more than fit without."""
    wanted = network.state_dict()
    best, score = None, fitting(network, tensors_of(found))
    for wrapper, tensors in candidates(found):
        hints = [Hint(wrapper)]
        hints += [Hint(wrapper, remove=prefix) for prefix in _prefixes(tensors, wanted)]
        hints += [Hint(wrapper, add=prefix) for prefix in _prefixes(wanted, tensors)]
        for hint in hints:
            count = fitting(network, hint.apply(found))
            if count > score:
                best, score = hint, count
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


def _with_hint(misfit: Misfit, hint: Hint | None, network: nn.Module, found: Mapping[str, Any]) -> Misfit:
    now = fitting(network, tensors_of(found))
    then = fitting(network, hint.apply(found)) if hint else now
    left = compare(network, hint.apply(found)) if hint else misfit
    # What the hint does not cure is what matters.
    shown = left if hint and left else misfit
    return Misfit(shown.missing, shown.unexpected, shown.shapes, hint, (now, then))


def _sentence(misfit: Misfit, path: Path, network: nn.Module, *, empty: bool) -> WeightsMisfitError:
    if empty and misfit.hint is None:
        return WeightsMisfitError(misfit, "{file} holds no tensors.", file=path.name)
    total = len(network.state_dict())
    fits, then = misfit.fits
    more = list(_differences(misfit))
    if misfit.hint is not None:
        more += [*_advice(misfit.hint), ModelError("Then {then} of {total} keys fit.", then=then, total=total)]
    return WeightsMisfitError(
        misfit,
        "{file} does not fit the network: {fits} of {total} keys do.",
        *more,
        file=path.name,
        fits=fits,
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
