"""Finds the panels: every module in ``explorer/panels`` and every entry point ``cv_explorer.panels`` of an installed package."""

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType

import explorer.panels
from explorer.panel import Panel

log = logging.getLogger(__name__)
GROUP = "cv_explorer.panels"


@dataclass(frozen=True, slots=True)
class Registry:
    """All panels by name, in the order of their titles, and why others are missing."""

    panels: Mapping[str, Panel]
    failures: Mapping[str, str]


def find_panels() -> Registry:
    """Imports every panel. One that cannot be imported, or whose name is taken, is left out and told in ``failures``."""
    panels: dict[str, Panel] = {}
    failures: dict[str, str] = {}
    for name, load in _modules():
        try:
            panel = Panel.from_module(load())
            if panel.name in panels:
                raise ValueError(f"there is already a panel named {panel.name}")
            panels[panel.name] = panel
        except Exception as error:
            log.exception("the panel %s cannot be loaded", name)
            failures[name] = str(error) or type(error).__name__
    return Registry(MappingProxyType(panels), MappingProxyType(failures))


def _modules() -> Iterator[tuple[str, "_Load"]]:
    for info in pkgutil.iter_modules(explorer.panels.__path__):
        if not info.name.startswith("_"):
            yield info.name, _Load(f"explorer.panels.{info.name}")
    for point in entry_points(group=GROUP):
        yield point.name, _Load(point.value)


@dataclass(frozen=True, slots=True)
class _Load:
    module: str

    def __call__(self) -> ModuleType:
        return importlib.import_module(self.module)
