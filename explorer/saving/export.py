"""``cv-explorer export``: a panel over a picture, folder or video, computed and saved without a window."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

from cvcore.sentence import SentenceError
from explorer.i18n import LANGUAGES, said, set_language, tr, typed_number, typed_whole
from explorer.own_networks import command as model_command
from explorer.panel import Frame, Panel, Precision, Task, knobs

if TYPE_CHECKING:
    from explorer.figure import Figure

KINDS = ("png", "svg", "csv", "npz", "json", "bundle")


class UsageError(Exception):
    """The command cannot be carried out as given; the sentence says why."""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cv-explorer export",
        description="Computes a panel over a picture, a folder or a video, and saves what it shows.",
    )
    parser.add_argument("source", help="a picture, a folder, a video, an address, camera:0 or moving:PICTURE")
    parser.add_argument("--panel", required=True, help="which panel, by its name, such as layers")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="sets a control, such as layer=features.3 (repeatable)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the files; made if missing")
    parser.add_argument(
        "--format",
        default="png,npz",
        help=f"what to write, of {', '.join(KINDS)}, separated by commas; json is the panel's own data, "
        "bundle all that is needed to compute it again (default: png,npz)",
    )
    parser.add_argument("--size", default="1366x768", help="of the PNG and SVG in pixels (default: 1366x768)")
    parser.add_argument("--theme", default="light", choices=("light", "dark", "projector"))
    parser.add_argument("--language", default="en", choices=tuple(LANGUAGES))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda:0 or mps (default: auto)")
    parser.add_argument("--precision", default="float32", choices=get_args(Precision))
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0 takes all but one")
    parser.add_argument(
        "--frames", type=int, default=0, help="stop after so many frames; 0 means all (100 of a live source)"
    )
    parser.add_argument("--every", type=int, default=1, help="take every Nth frame")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    model_command.add_arguments(parser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs the export; 0 when everything was written, 2 when the command cannot be carried out, 1 when a frame failed."""
    wanted = make_parser().parse_args(arguments)
    # Chosen before Qt is imported; what a user set on purpose stays.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from explorer.settings import system

    set_language(wanted.language)
    system.prepare(window=False)
    from explorer.files.whole import SaveError
    from explorer.sources import SourceError

    try:
        failed = export(wanted)
    except (UsageError, SourceError, SaveError) as error:
        print(f"cv-explorer export: {error}", file=sys.stderr)
        return 2
    except SentenceError as error:
        print(f"cv-explorer export: {said(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(tr("Stopped; the files written so far are whole."), file=sys.stderr)
        return 130
    return 1 if failed else 0


def export(wanted: argparse.Namespace) -> int:
    """Computes and saves; returns how many frames failed.

    Raises:
        UsageError, SourceError, SaveError: it cannot be done; the sentence says why.
    """
    kinds, size = _kinds(wanted.format), _size(wanted.size)
    if wanted.every < 1:
        raise UsageError(tr("--every is at least 1."))
    from explorer.bundle import open_source
    from explorer.engine.compute import Computer
    from explorer.engine.devices import default_threads, find_devices
    from explorer.registry import find_panels
    from explorer.widgets.theme import THEMES

    registry = find_panels()
    panel = registry.panels.get(wanted.panel)
    if panel is None:
        why = registry.failures.get(wanted.panel, "")
        names = ", ".join(sorted(registry.panels))
        raise UsageError(
            why or tr("There is no panel named {name}; there are {names}.", name=wanted.panel, names=names)
        )
    if kinds == ("json",) and panel.files is None:
        raise UsageError(tr("The panel {panel} has no data of its own to save as JSON.", panel=panel.name))
    params, view = apply_settings(panel, [*model_command.settings_of(wanted), *wanted.set])
    devices = [device.name for device in find_devices()]
    device = devices[0] if wanted.device == "auto" else wanted.device
    if device not in devices:
        names = ", ".join(devices)
        raise UsageError(tr("There is no device {name} here; there are {names}.", name=device, names=names))
    task = Task(1, panel.name, params, device, wanted.precision, wanted.threads or default_threads())
    computer = Computer(registry.panels)
    source = open_source(wanted.source)
    failed = 0
    try:
        limit = wanted.frames or (100 if source.live or source.kind == "moving" else 0)
        for frame in _progress(_frames(source, wanted.every, limit), source.length, limit, wanted):
            result = computer.compute(frame, task)
            if result is None or result.error:
                failed += 1
                sentence = result.error if result else ""
                print(f"cv-explorer export: {frame.source} {frame.index}: {sentence}", file=sys.stderr)
                continue
            name = f"{panel.name}-{frame.index:06d}"
            save_figure(panel.draw(result, view), wanted.out, name, kinds, size, wanted.theme)
            if "json" in kinds and panel.files is not None:
                save_files(panel.files(result, view), wanted.out, name)
            if "bundle" in kinds:
                from explorer.bundle import ENDING
                from explorer.bundle.format import make_bundle, save_bundle
                from explorer.canvas.render import figure_png

                picture = figure_png(panel.draw(result, view), size, THEMES[wanted.theme])
                save_bundle(wanted.out / f"{name}{ENDING}", make_bundle(panel, result, view, picture))
    finally:
        source.close()
    return failed


def save_figure(
    figure: "Figure", folder: Path, name: str, kinds: Sequence[str], size: tuple[int, int], theme: str
) -> None:
    """Writes one figure in each of the kinds asked for that are of figures; the others are the caller's."""
    from explorer.files.whole import SaveError
    from explorer.saving import shown
    from explorer.widgets.theme import THEMES

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(tr("The folder {path} cannot be made: {why}.", path=folder, why=error.strerror)) from error
    for kind in get_args(shown.ShownKind):
        if kind in kinds:
            shown.save_figure(folder / f"{name}.{kind}", figure, kind, size, THEMES[theme])


def save_files(files: Mapping[str, bytes], folder: Path, name: str) -> list[Path]:
    """Writes a panel's own files as ``NAME-FILE``; where they are now.

    Raises:
        SaveError: one cannot be written.
    """
    from explorer.files.whole import write_whole

    paths = [folder / f"{name}-{file}" for file in files]
    for path, content in zip(paths, files.values(), strict=True):
        write_whole(path, partial(_write, content))
    return paths


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def apply_settings(panel: Panel, settings: Sequence[str]) -> tuple[Any, Any]:
    """Params and View of a panel with ``key=value`` texts applied.

    Raises:
        UsageError: there is no such control, or the value does not fit it.
    """
    params, view = panel.params(), panel.view()
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(tr("--set takes KEY=VALUE, not {text}.", text=setting))
        for_params = key in knobs(params)
        if not for_params and key not in knobs(view):
            names = ", ".join((*knobs(params), *knobs(view)))
            raise UsageError(
                tr("The panel {panel} has no {key}; it has {names}.", panel=panel.name, key=key, names=names)
            )
        one = params if for_params else view
        field, _ = knobs(one)[key]
        try:
            changed = replace(one, **{key: parse_value(text, field.default)})
        except (ValueError, TypeError) as error:
            raise UsageError(tr("{key}={text} does not fit: {why}", key=key, text=text, why=error)) from error
        params, view = (changed, view) if for_params else (params, changed)
    return params, view


def parse_value(text: str, default: Any) -> Any:
    """The value that a text stands for, by the type of the control's default; ``none`` where that is None.

    Raises:
        ValueError: it is not of that type.
    """
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise ValueError(tr("true or false is wanted"))
        return text.lower() in ("true", "1", "yes", "on")
    if isinstance(default, int | float):
        return typed_whole(text) if isinstance(default, int) else typed_number(text)
    if isinstance(default, str):
        return text
    if text.lower() == "none":
        return None
    return tuple(typed_number(part) if "." in part else typed_whole(part) for part in text.split(","))


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong or not kinds:
        raise UsageError(tr("--format knows {known}, not {text}.", known=", ".join(KINDS), text=text))
    return kinds


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 100 <= int(width) <= 16384 and 100 <= int(height) <= 16384):
        raise UsageError(tr("--size is WIDTHxHEIGHT in pixels, 100 to 16384 each, not {text}.", text=text))
    return int(width), int(height)


def _frames(source: Any, every: int, limit: int) -> Iterator[Frame]:
    from explorer.sources import SourceEnded

    taken = seen = 0
    while not limit or taken < limit:
        try:
            frame = source.read()
        except SourceEnded as ended:
            if str(ended):  # cut in the middle: what came before is saved, and the sentence is said
                raise
            return
        if seen % every == 0:
            taken += 1
            yield frame
        seen += 1


def _progress(frames: Iterator[Frame], length: int | None, limit: int, wanted: argparse.Namespace) -> Iterator[Frame]:
    from tqdm import tqdm

    total = -(-length // wanted.every) if length else None
    if limit:
        total = min(limit, total) if total else limit
    return iter(tqdm(frames, total=total, unit="frame", disable=wanted.quiet))
