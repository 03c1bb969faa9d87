"""Whether a bundle computed here is what it was: ``cv-explorer check-bundle FILE ...``, and the same for the window."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cvcore.sentence import SentenceError
from explorer.bundle.format import Bundle, BundleError, read_bundle, versions, weights
from explorer.bundle.leaves import Array, Difference, Scalar, compare, take_apart
from explorer.bundle.restore import RestoreError, restore
from explorer.i18n import LANGUAGES, said, set_language, tr, tr_n
from explorer.own_networks import command as model_command
from explorer.panel import Frame, Panel, Precision, Result, Task
from explorer.settings.session import fields_from_json, fields_to_json
from explorer.views import networks

if TYPE_CHECKING:
    from explorer.engine.devices import Device


@dataclass(frozen=True, slots=True)
class Fact:
    """Something else than the numbers that is another here, such as a version: before, and now."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Report:
    """How what is computed here compares with a bundle.

    Args:
        arrays, others: how many arrays, and numbers and words, were compared.
        differences: in the trace, the largest first; empty where it is the same bit for bit.
        facts: what else differs: versions, device, weights, parameters.
        error: why it could not be computed here, or empty.
        weights: the networks whose weights are another file now.
    """

    arrays: int
    others: int
    differences: tuple[Difference, ...]
    facts: tuple[Fact, ...]
    error: str = ""
    weights: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return not self.differences and not self.error

    def sentence(self) -> str:
        """What came out, in one sentence; and in another, that it was computed with other weights."""
        said = self._outcome()
        if self.same or not self.weights:
            return said
        names = ", ".join(self.weights)
        return said + " " + tr("It was saved with other weights of {names} than are here now.", names=names)

    def _outcome(self) -> str:
        if self.error:
            return tr("The bundle could not be computed here: {why}", why=self.error)
        if self.same:
            return tr(
                "Computed again and the same, bit for bit: {arrays} arrays, {others} numbers and words.",
                arrays=self.arrays, others=self.others,
            )  # fmt: skip
        worst = next((d for d in self.differences if d.largest is not None), self.differences[0])
        count, most = len(self.differences), self.arrays + self.others
        if worst.largest is None:
            return tr_n(
                "Computed again, {n} of {all} parts differs: {name}.",
                "Computed again, {n} of {all} parts differ, among them {name}.",
                count, all=most, name=worst.name,
            )  # fmt: skip
        return tr_n(
            "Computed again, {n} of {all} parts differs: {name}, by up to {largest}.",
            "Computed again, {n} of {all} parts differ, most of all {name}, by up to {largest}.",
            count, all=most, name=worst.name, largest=f"{worst.largest:.3g}",
        )  # fmt: skip

    def lines(self) -> list[str]:
        """All that differs, a line each."""
        found = [f"{fact.name}: {fact.before or '–'} → {fact.after or '–'}" for fact in self.facts]
        for one in self.differences:
            amount = ""
            if one.largest is not None:
                amount = tr(
                    " (largest difference {largest}, {count} of {size} numbers)",
                    largest=f"{one.largest:.3g}", count=one.count, size=one.size,
                )  # fmt: skip
            found.append(f"{one.name or 'trace'}: {one.before or '–'} → {one.after or '–'}{amount}")
        return found


def own_frame(bundle: Bundle) -> Frame:
    """The bundle's frame, anew: no two openings share one."""
    return replace(bundle.frame)


def set_up(
    bundle: Bundle, panel: Panel, devices: "Sequence[Device]", processors: int
) -> tuple[Any, Any, str, Precision, int]:
    """Params, View, device, precision and threads as the bundle has them, as far as they can be had here."""
    params = fields_from_json(panel.params, dict(bundle.params))
    view = fields_from_json(panel.view, dict(bundle.view))
    device = next((device for device in devices if device.name == bundle.device), devices[0])
    precision: Precision = bundle.precision if bundle.precision in device.precisions else "float32"
    return params, view, device.name, precision, min(bundle.threads, processors)


def report_on(bundle: Bundle, result: Result, view: Any) -> Report:
    """Compares what was computed here with what was saved."""
    task = result.task
    others = tuple(used.name for used in bundle.models if weights(used.name).sha256 not in ("", used.sha256))
    if result.error:
        return Report(0, 0, (), _facts(bundle, task, view, result), result.error, others)
    leaves = take_apart(result.trace)
    return Report(
        sum(isinstance(leaf, Array) for leaf in bundle.leaves.values()),
        sum(isinstance(leaf, Scalar) for leaf in bundle.leaves.values()),
        compare(bundle.leaves, leaves),
        _facts(bundle, task, view, result),
        weights=others,
    )


def memory(bundle: Bundle, result: Result) -> Any:
    """The trace the panel looked back at; None where it did not, or has changed too much.

    Args:
        result: of the same panel without it.
    """
    if bundle.before is None or result.error:
        return None
    try:
        return restore(bundle.before, result.trace)
    except RestoreError:
        return None


def as_saved(bundle: Bundle, result: Result) -> Result | None:
    """The result with the very trace that was saved; None where the panel has changed too much for it."""
    try:
        return replace(result, trace=restore(bundle.leaves, result.trace))
    except RestoreError:
        return None


def _facts(bundle: Bundle, task: Task, view: Any, result: Result) -> tuple[Fact, ...]:
    found = [
        (tr("device"), bundle.device, result.device),
        (tr("precision"), bundle.precision, task.precision),
        (tr("threads"), str(bundle.threads), str(task.threads)),
    ]
    now = versions(result.device)
    found += [(name, bundle.versions.get(name, ""), now.get(name, "")) for name in {**bundle.versions, **now}]
    for used in bundle.models:
        found.append((tr("weights {name}, SHA-256", name=used.name), used.sha256, weights(used.name).sha256))
    values = fields_to_json(task.params, view)
    for name, value in bundle.fields.items():
        found.append((tr("parameter {name}", name=name), json.dumps(value), json.dumps(values.get(name))))
    return tuple(Fact(*one) for one in found if one[1] != one[2])


def compute_again(bundle: Bundle, panels: Mapping[str, Panel]) -> Report:
    """Computes a bundle without a window and compares.

    Raises:
        BundleError: its panel is not here, or a network that its user made is not.
    """
    from explorer.engine.compute import Computer
    from explorer.engine.devices import find_devices, processors

    panel = panels.get(bundle.panel)
    if panel is None:
        raise BundleError(tr("There is no panel named {name}.", name=bundle.panel))
    for used in bundle.models:
        if used.card.get("builder") == "" and not networks.is_own(used.name):  # only those of users have no builder
            raise BundleError(
                tr(
                    "It was made with the network {name}, which bundles do not hold: name its file with --model.",
                    name=used.name,
                )
            )
    params, view, device, precision, threads = set_up(bundle, panel, find_devices(), processors())
    computer, frame, task = Computer(panels), own_frame(bundle), Task(1, panel.name, params, device, precision, threads)
    result = computer.compute(frame, task)
    if result is not None and (before := memory(bundle, result)) is not None:
        computer.remember(task.id, before)
        result = computer.compute(frame, task)
    assert result is not None  # nobody cancels it
    return report_on(bundle, result, view)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cv-explorer check-bundle",
        description="Computes bundles again and says whether they are the same, bit for bit. "
        "The exit code is 0 when all are, 1 when one differs, 2 when one cannot be read or computed.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a bundle, as saved by the window or by export")
    parser.add_argument("--language", default="en", choices=tuple(LANGUAGES))
    model_command.add_arguments(parser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Checks bundles; returns the exit code."""
    wanted = make_parser().parse_args(arguments)
    set_language(wanted.language)
    from explorer.registry import find_panels

    panels = find_panels().panels
    code = 0
    try:
        model_command.settings_of(wanted)
    except SentenceError as error:
        print(f"cv-explorer check-bundle: {said(error)}", file=sys.stderr)
        return 2
    for file in wanted.files:
        try:
            report = compute_again(read_bundle(file), panels)
        except BundleError as error:
            print(f"cv-explorer check-bundle: {error}", file=sys.stderr)
            code = 2
            continue
        print(f"{file}: {report.sentence()}")
        for line in report.lines():
            print(f"  {line}")
        code = max(code, 2 if report.error else 0 if report.same else 1)
    return code
