"""Which panels there are: every module in ``explorer/panels`` and every entry point ``cv_explorer.panels`` of an installed package.

What a list of panels shows stands as literals in each panel's file and is read from its source, so that thirty panels cost no more than
nine at the start; a panel is imported when it is first used.
"""

import ast
import importlib
import logging
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import MappingProxyType

import explorer.panels
from explorer.panel import Panel

log = logging.getLogger(__name__)
GROUP = "cv_explorer.panels"
CHAPTERS = (
    "1 Pictures and tensors",
    "2 Convolutional networks",
    "3 Object detection",
    "4 Segmentation",
    "5 Human pose",
    "6 Generative models",
    "7 Resolution and scale",
    "8 Likeness and few examples",
    "9 Attention and transformers",
)
"""The course, in its order: what a panel's ``CHAPTER`` is. Chapters of other packages follow, those with a number first."""

_WORDS = ("TITLE", "CHAPTER", "PAPER")
_BODY = re.compile(r"^(?:@|def |class |async def )", re.MULTILINE)
_SENTENCE = re.compile(r".+?[.?!](?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a panel without importing it.

    Args:
        name: of its module.
        title, chapter, paper: as the panel has them, in English.
        about: the first sentence of its docstring, without the title.
        module: what is imported.
        own: it comes with the program.
    """

    name: str
    title: str
    chapter: str = ""
    paper: str = ""
    about: str = ""
    module: str = ""
    own: bool = True

    @property
    def place(self) -> tuple[int, str, str]:
        """Where it stands in the course."""
        number = re.match(r"\d+", self.chapter)
        return int(number[0]) if number else sys.maxsize, self.chapter, self.title


class Registry:
    """All panels, in the order of the course.

    May be used from several threads. Panels are imported by whoever asks for one first, which is not to be the window's thread.

    Args:
        panels: those that are imported already, by name.
        failures: why others are missing, by name.
        entries: those that are not imported yet.
        installed: finds more of them; called once, when all of them are asked for.
    """

    def __init__(
        self,
        panels: Mapping[str, Panel] = MappingProxyType({}),
        failures: Mapping[str, str] = MappingProxyType({}),
        entries: Iterable[Entry] = (),
        installed: Callable[[], Iterable[Entry]] = tuple,
    ) -> None:
        self._loaded = dict(panels)
        self._failures = dict(failures)
        self._entries: dict[str, Entry] = {}
        self._installed: Callable[[], Iterable[Entry]] | None = installed
        self._lock = threading.RLock()
        self._add(Entry(one.name, one.title, one.chapter, one.paper, module="") for one in panels.values())
        self._add(entries)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """By name. Those of installed packages are among them once :attr:`panels` was asked for."""
        return MappingProxyType(self._entries)

    @property
    def failures(self) -> Mapping[str, str]:
        """Why panels are missing: their names are taken, or they were to be imported and could not."""
        return MappingProxyType(self._failures)

    @property
    def panels(self) -> Mapping[str, Panel]:
        """All panels by name; each is imported when it is taken out."""
        with self._lock:
            if self._installed is not None:
                found, self._installed = self._installed(), None
                self._add(found)
        return _Panels(self)

    def loaded(self, name: str) -> Panel | None:
        """A panel that is imported already."""
        return self._loaded.get(name)

    def load(self, name: str) -> Panel | None:
        """A panel, imported now if it was not yet; None if there is none, or it cannot be imported, which ``failures`` tells."""
        with self._lock:
            entry = self._entries.get(name)
            if name not in self._loaded and name not in self._failures and entry is not None:
                try:
                    self._loaded[name] = Panel.from_module(importlib.import_module(entry.module))
                except Exception as error:
                    log.exception("the panel %s cannot be loaded", name)
                    self._failures[name] = str(error) or type(error).__name__
                else:
                    log.info("the panel %s is loaded", name)
            return self._loaded.get(name)

    def _add(self, entries: Iterable[Entry]) -> None:
        known = dict(self._entries)
        for entry in entries:
            if entry.name in known:
                log.error("%s: there is already a panel named %s", entry.module, entry.name)
                self._failures[entry.module] = f"there is already a panel named {entry.name}"
            else:
                known[entry.name] = entry
        self._entries = dict(sorted(known.items(), key=lambda item: item[1].place))  # whole: others may be reading


class _Panels(Mapping[str, Panel]):
    """The panels of a registry; those that turn out not to be importable are left out from then on."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> Panel:
        panel = self._registry.load(name)
        if panel is None:
            raise KeyError(name)
        return panel

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self._registry.entries if name not in self._registry.failures])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._registry.entries and name not in self._registry.failures


def find_panels() -> Registry:
    """Reads what panels there are; imports none of them."""
    return Registry(entries=_own_entries(), installed=_installed_entries)


def _own_entries() -> Iterator[Entry]:
    for info in pkgutil.iter_modules(explorer.panels.__path__):
        if not info.name.startswith("_"):
            yield entry_of(f"explorer.panels.{info.name}", own=True)


def _installed_entries() -> Iterator[Entry]:
    from importlib.metadata import entry_points  # looks into every installed package

    for point in entry_points(group=GROUP):
        yield entry_of(point.module, own=False)


def entry_of(module: str, *, own: bool) -> Entry:
    """What a panel's source says of it; its name is its title where that is no literal there."""
    name = module.rpartition(".")[2]
    words = words_of(source_of(module))
    title = words.get("TITLE") or name.replace("_", " ").capitalize()
    about = first_sentence(words.get("", ""), title)
    return Entry(name, title, words.get("CHAPTER", ""), words.get("PAPER", ""), about, module, own)


def source_of(module: str) -> str:
    """A module's text, found as importing would find it but without importing it or the packages that it is in; empty without one."""
    spec: ModuleSpec | None = None
    path: Iterable[str] | None = None
    parts = module.split(".")
    for i in range(len(parts)):
        whole = ".".join(parts[: i + 1])
        found = (finder.find_spec(whole, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))  # type: ignore[arg-type]
        spec = next((one for one in found if one is not None), None)
        if spec is None:
            return ""
        path = spec.submodule_search_locations
    read = getattr(spec.loader, "get_source", None) if spec is not None else None
    try:
        return (read(module) if read is not None else None) or ""
    except (ImportError, OSError, UnicodeError, SyntaxError) as error:
        log.info("the source of %s was not read: %s", module, error)
        return ""


def words_of(source: str) -> dict[str, str]:
    """TITLE, CHAPTER and PAPER of a panel's source where they are literals, and under the empty name its docstring."""
    body = _BODY.search(source)
    found: dict[str, str] = {}
    # The words stand above the code, which takes a hundred times as long to parse.
    for text in (source[: body.start()] if body else source, source):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        found = {"": ast.get_docstring(tree) or ""}
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name) and target.id in _WORDS and isinstance(node.value.value, str):
                        found[target.id] = node.value.value
        if "TITLE" in found:
            break
    return found


def first_sentence(docstring: str, title: str = "") -> str:
    """The first sentence of a docstring on one line, without ``title:`` before it."""
    sentence = _SENTENCE.match(docstring.strip())
    said = " ".join((sentence[0] if sentence else docstring).split())
    if title and said.casefold().startswith(f"{title.casefold()}: "):
        said = said[len(title) + 2 :]
    return said[:1].upper() + said[1:]
