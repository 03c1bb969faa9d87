"""What survives a restart: settings, open panels and the last source, in one JSON file that appears whole or not at all."""

import json
import logging
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from explorer.files.stored import MOST_BYTES, home
from explorer.files.whole import SaveError, set_aside, write_whole
from explorer.i18n import LANGUAGES, tr
from explorer.panel import Precision, knobs

log = logging.getLogger(__name__)
VERSION = 1
THEMES = ("dark", "light", "projector")
Target = Literal["panel", "pictures", "window"]
"""What is recorded: one panel with its controls, only its pictures and charts, or the whole window."""
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, slots=True)
class OpenPanel:
    """A panel as it stood: its name, number and what its Params and View were set to."""

    name: str
    id: int
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything remembered.

    Args:
        language: a key of LANGUAGES, or empty for the system's.
        device: ``auto`` or a device's name.
        threads: of torch; 0 chooses.
        source: what ``open_source`` takes, or empty for the built-in photograph.
        geometry, docks: Qt's own states, base64.
        records: what is recorded: ``panel``, ``pictures`` or ``window``.
        recordings: the folder for recordings, or empty for the system's folder of videos.
    """

    language: str = ""
    theme: str = "dark"
    device: str = "auto"
    precision: Precision = "float32"
    threads: int = 0
    source: str = ""
    recent: tuple[str, ...] = ()
    folder: str = ""
    geometry: str = ""
    docks: str = ""
    panels: tuple[OpenPanel, ...] = (OpenPanel("layers", 1),)
    records: Target = "panel"
    recordings: str = ""

    def __post_init__(self) -> None:
        for f in fields(self):
            kind = type(f.default)
            value = getattr(self, f.name)
            if not isinstance(value, kind):
                raise ValueError(f"{f.name} is {type(value).__name__}, not {kind.__name__}")
        if self.language and self.language not in LANGUAGES:
            raise ValueError(f"unknown language {self.language!r}")
        if self.theme not in THEMES:
            raise ValueError(f"unknown theme {self.theme!r}")
        if self.precision not in get_args(Precision):
            raise ValueError(f"unknown precision {self.precision!r}")
        if self.records not in TARGETS:
            raise ValueError(f"cannot record {self.records!r}")
        if not 0 <= self.threads <= 1024:
            raise ValueError(f"{self.threads} threads")


class NewerSettingsError(ValueError):
    """Settings that a newer version of the program wrote."""


def load_settings() -> tuple[Settings, str]:
    """The settings, and a sentence if they could not be read (the file is then kept beside, see :func:`explorer.files.whole.set_aside`)."""
    path = home()[0] / "settings.json"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        return settings_from_json(path.read_text("utf-8")), ""
    except FileNotFoundError:
        return Settings(), ""
    except NewerSettingsError as error:
        log.warning("settings not read: %s", error)
        if aside := set_aside(path, "newer"):
            return Settings(), tr(
                "The settings are from a newer CV Explorer; the program starts with new ones and keeps those as {file}.",
                file=aside.name,
            )
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        log.warning("settings not read: %s", error)
        if aside := set_aside(path):
            return Settings(), tr(
                "The settings could not be read; the program starts with new ones and keeps the old file as {file}.",
                file=aside.name,
            )
    return Settings(), tr("The settings could not be read; the program starts with new ones.")


def settings_from_json(text: str) -> Settings:
    """Reads what :func:`save_settings` wrote.

    Raises:
        NewerSettingsError: it is from a newer version.
        ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError: it is something else.
    """
    data = json.loads(text)
    if type(data["version"]) is int and data["version"] > VERSION:
        raise NewerSettingsError(f"settings of version {data['version']}")
    if data["version"] != VERSION:
        raise ValueError(f"settings of version {data['version']}")
    known = {f.name for f in fields(Settings)}
    values = {name: value for name, value in data.items() if name in known}
    if "recent" in values:
        values["recent"] = tuple(str(one) for one in values["recent"])
    if "panels" in values:
        values["panels"] = tuple(OpenPanel(str(p["name"]), int(p["id"]), dict(p["fields"])) for p in values["panels"])
    return Settings(**values)


def save_settings(settings: Settings) -> None:
    """Writes the settings; a failure is logged, never raised: it must not keep the program from closing."""
    path = home()[0] / "settings.json"
    text = json.dumps({"version": VERSION, **asdict(settings)}, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(text.encode("utf-8")))
    except (OSError, SaveError) as error:
        log.warning("settings not saved: %s", error)


def fields_to_json(*instances: Any) -> dict[str, Any]:
    """What the knobs of Params and View are set to, as JSON can hold it."""
    return {name: getattr(one, name) for one in instances for name in knobs(one)}


def fields_from_json(kind: type, values: dict[str, Any]) -> Any:
    """An instance of a Params or View class with those values that still fit it; the others keep their defaults."""
    made = kind()
    for name, (f, _) in knobs(kind).items():
        if name not in values:
            continue
        value = tuple(values[name]) if isinstance(values[name], list) else values[name]
        if f.default is not None and not isinstance(value, type(f.default)):
            if not (isinstance(f.default, float) and isinstance(value, int)):
                continue
            value = float(value)
        try:
            made = replace(made, **{name: value})
        except (ValueError, TypeError):
            log.info("%s.%s: the remembered value %r does not fit any more", kind.__name__, name, value)
    return made
