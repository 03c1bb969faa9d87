"""Keeps the words: ``python -m tools.words`` collects what the program can say and brings the .po files up to date.

New words are added with an empty translation, each in the file of its panel, or in ``shell.po`` where it belongs to none or to several;
one that moved takes its translation along, and one that nothing says any more goes. The files are sorted by their English words.
``--check`` changes nothing and fails where something would change. In a merge or rebase that stopped at .po files, both sides' words
are kept: run it, then ``git add`` them.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import polib

from cvcore import zoo
from cvcore.download import errors
from cvcore.sentence import SentenceError
from explorer.i18n import LANGUAGES, SHELL
from explorer.own_networks.trial import PRESETS
from explorer.panel import Knob, Panel, knobs
from explorer.registry import CHAPTERS, find_panels
from explorer.widgets.actions import ACTIONS, GO_TO_PANEL

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "assets" / "translations"
WORD = re.compile(r"[^\W\d_]{2,}")
"""What asks for a translation."""
PLURALS = {"zh_CN": "nplurals=1; plural=0;"}
SAY_THE_FIRST = ("tr", "stage", "Stage", "Step", "Items")
"""Calls that show their first argument in the user's language: steps of a walk and dimensions among them."""
ERRORS_OF_OWN_NETWORKS = ("InputsError", "ModelError", "WeightsMisfitError")


@dataclass(slots=True)
class Word:
    """What the program says somewhere.

    Args:
        many: the English plural, where the text counts something.
        files: where it is said, from the checkout's top.
        shell: it is shown without its panel, in a menu say.
    """

    text: str
    many: str = ""
    files: set[str] = field(default_factory=set)
    shell: bool = False

    @property
    def domain(self) -> str:
        """The panel that alone says it, or the program."""
        parts = {
            file.split("/")[2].removesuffix(".py") if file.startswith("explorer/panels/") else SHELL
            for file in self.files
        }
        return SHELL if self.shell or len(parts) != 1 else parts.pop()


Words = dict[str, Word]


def add(words: Words, text: str, file: str, many: str = "", shell: bool = False) -> None:
    word = words.setdefault(text, Word(text))
    word.files.add(file)
    word.many = word.many or many
    word.shell = word.shell or shell


# -- what is said


@cache
def sources() -> dict[str, ast.Module]:
    """Every source file of the two packages, by its path from the checkout's top."""
    paths = (path for package in ("cvcore", "explorer") for path in sorted((ROOT / package).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def made_by(node: ast.Call) -> str:
    """The class whose classmethod is called: Items of ``Items.all(...)``."""
    match node.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
        case _:
            return ""


def constants(node: ast.AST) -> Iterator[str]:
    """The strings an expression can be: itself, or the arms of a condition."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from constants(body)
            yield from constants(orelse)
        case ast.BoolOp(values=values):
            for value in values:
                yield from constants(value)
        case _:
            return


def calls(*under: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call in the sources whose path begins with one of these."""
    for file, tree in sources().items():
        if file.startswith(under):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and node.args:
                    yield file, node


@cache
def said_by_tr() -> Words:
    """Every ``tr("...")`` and ``tr_n("...", "...", n)``, stages, steps, the program's actions and its pictures' titles."""
    words: Words = {}
    for file, call in calls("explorer/"):
        name = called(call)
        if name in SAY_THE_FIRST or made_by(call) in SAY_THE_FIRST:
            for text in constants(call.args[0]):
                add(words, text, file)
        elif name == "tr_n":
            for one, many in zip(constants(call.args[0]), constants(call.args[1]), strict=True):
                add(words, one, file, many)
    for action in (*ACTIONS, GO_TO_PANEL):
        for text in (action.text, action.group):
            add(words, text, "explorer/widgets/actions.py")
    for picture in json.loads((ROOT / "assets" / "pictures" / "pictures.json").read_text("utf-8")):
        add(words, picture["title"], "assets/pictures/pictures.json")
    return words


def words_of_knob(name: str, knob: Knob) -> Iterator[str]:
    if knob.kind == "hidden":
        return
    yield knob.label or name.replace("_", " ").capitalize()
    yield from filter(None, (knob.help, knob.unit, *knob.columns))
    if knob.kind == "choice" and not callable(knob.choices):
        yield from knob.choices


@cache
def own_panels() -> dict[str, Panel]:
    """The program's own panels, without those of installed packages."""
    found = find_panels()
    panels = {name: found.load(name) for name, entry in found.entries.items() if entry.own}
    if found.failures:
        raise RuntimeError(f"panels that cannot be loaded: {dict(found.failures)}")
    return {name: panel for name, panel in panels.items() if panel is not None}


@cache
def said_by_panels() -> Words:
    """The chapters; titles, first sentences and knobs of the program's own panels."""
    words: Words = {}
    for chapter in CHAPTERS:
        add(words, chapter, "explorer/registry.py")
    for panel in own_panels().values():
        file = _file_of(f"explorer.panels.{panel.name}")
        entry = find_panels().entries[panel.name]
        for text in filter(None, (panel.title, panel.chapter, entry.about)):
            add(words, text, file, shell=True)
        for kind in (panel.params, panel.view):
            for name, (_, knob) in knobs(kind).items():
                for text in words_of_knob(name, knob):
                    add(words, text, _file_of(kind.__module__))
    return words


def _file_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}.py" if f"{path}.py" in sources() else f"{path}/__init__.py"


@cache
def said_by_weights() -> Words:
    """Sentences of errors in cvcore's zoo and downloads, and what is shown of the cards."""
    words: Words = {}
    for file, call in calls("cvcore/zoo/", "cvcore/download/"):
        name = called(call)
        known = vars(errors).get(name) or vars(zoo).get(name) or (SentenceError if name == "PastTheEnd" else None)
        if name == "__init__" or (isinstance(known, type) and issubclass(known, SentenceError)):
            for text in constants(call.args[0]):
                add(words, text, file)
    for card in zoo.cards().values():
        for text in filter(None, (card.title, card.task, card.licence, card.source, card.terms)):
            add(words, text, f"assets/weights/{card.name}.json")
    return words


@cache
def said_by_own_networks() -> Words:
    """Sentences about the user's own networks, and the usual ways to prepare pictures for one."""
    words: Words = {}
    for preset in PRESETS:
        add(words, preset.name, "explorer/own_networks/trial.py")
    for file, call in calls("cvcore/foreign/", "explorer/"):
        if called(call) in ERRORS_OF_OWN_NETWORKS:
            for argument in call.args[:2]:
                for text in constants(argument):
                    add(words, text, file)
    return words


COLLECTORS = (said_by_tr, said_by_panels, said_by_weights, said_by_own_networks)


@cache
def said() -> Words:
    """Everything that is known to be said."""
    words: Words = {}
    for collect in COLLECTORS:
        for word in collect().values():
            for file in word.files:
                add(words, word.text, file, word.many, word.shell)
    return words


@cache
def literals() -> Words:
    """Every string in the program's sources, and it with a capital: what ``tr`` is given in a variable is one of them."""
    words: Words = {}
    for file, tree in sources().items():
        if file.startswith("explorer/"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    add(words, node.value, file)
                    add(words, node.value.capitalize(), file)
    return words


# -- the files


def path_of(language: str, domain: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / f"{domain}.po"


def files_of(language: str) -> list[Path]:
    return sorted(path_of(language, SHELL).parent.glob("*.po"))


def brought_up_to_date(language: str) -> dict[str, str]:
    """What each file of a language is to hold, by domain."""
    there: dict[str, polib.POEntry] = {}
    for entry in entries(language):
        known = there.get(entry.msgid)
        if known is None or not known.translated():
            there[entry.msgid] = entry
    domains: dict[str, list[polib.POEntry]] = defaultdict(list)
    forms = int(re.findall(r"nplurals=(\d+)", PLURALS[language])[0])
    for text in there.keys() | said().keys():
        entry = there.get(text)
        word = said().get(text)
        if word is None:
            word = literals().get(text)
        elif entry is None and WORD.search(text):
            entry = polib.POEntry(msgid=text)
        if word is not None and entry is not None:
            domains[word.domain].append(_tidied(entry, word, forms))
    return {domain: written(language, found) for domain, found in domains.items()}


def _tidied(entry: polib.POEntry, word: Word, forms: int) -> polib.POEntry:
    """An entry with this word's plural in so many forms, places and flags."""
    if word.many and not entry.msgid_plural:
        entry.msgstr_plural, entry.msgstr = dict.fromkeys(range(forms), entry.msgstr), ""
    elif entry.msgid_plural and not word.many:
        entry.msgstr, entry.msgstr_plural = entry.msgstr_plural.get(0, ""), {}
    entry.msgid_plural = word.many
    entry.occurrences = [(file, "") for file in sorted(word.files)[:3]]  # all forty of "Picture" help no one
    entry.flags = (["fuzzy"] if entry.fuzzy else []) + (["python-brace-format"] if "{" in word.text else [])
    entry.previous_msgid = entry.previous_msgid_plural = entry.previous_msgctxt = None
    return entry


def written(language: str, found: list[polib.POEntry]) -> str:
    """The text of a file. Its header has no dates, which would be a conflict in every merge."""
    file = polib.POFile(wrapwidth=0)
    file.metadata = {
        "Project-Id-Version": "CV Explorer",
        "Last-Translator": "CV Explorer authors",
        "Language-Team": LANGUAGES[language],
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS[language],
    }
    file.extend(sorted(found, key=lambda entry: entry.msgid))
    return f"{file}".rstrip("\n") + "\n"


def entries(language: str) -> Iterator[polib.POEntry]:
    """All that the files of a language hold, of a file in conflict the entries of both sides."""
    unmerged = _git("ls-files", "--unmerged", "--full-name", TRANSLATIONS.as_posix())
    conflicts: dict[str, list[str]] = defaultdict(list)
    for line in unmerged.splitlines():
        about, name = line.split("\t")
        conflicts[name].append(about.split()[1])
    for path in files_of(language):
        name = path.relative_to(ROOT).as_posix()
        if name in conflicts:
            yield from _merged(*(polib.pofile(_git("cat-file", "blob", one)) for one in conflicts.pop(name)))
        else:
            yield from polib.pofile(path.read_text("utf-8"))


def _merged(*stages: polib.POFile) -> list[polib.POEntry]:
    """Of base, ours and theirs: every entry, and of one that is in both the one that is not as it was."""
    base, ours, theirs = ({entry.msgid: entry for entry in side} for side in (polib.POFile(), *stages)[-3:])
    merged = theirs | ours
    for text in ours.keys() & theirs.keys():
        was, first, second = (_translation(side.get(text)) for side in (base, ours, theirs))
        if second and first in ((), was):
            merged[text] = theirs[text]
        elif second not in (first, was, ()):
            print(f"both sides translate {text!r}: {' | '.join(first)} stays, {' | '.join(second)} goes")
    return list(merged.values())


def _translation(entry: polib.POEntry | None) -> tuple[str, ...]:
    return () if entry is None or not entry.translated() else (entry.msgstr, *entry.msgstr_plural.values())


def _git(*words: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    return run.stdout if run.returncode == 0 else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where something would change")
    check = parser.parse_args().check
    changed = missing = 0
    for language in LANGUAGES.keys() - {"en"}:
        texts = brought_up_to_date(language)
        for path in files_of(language):
            texts.setdefault(path.stem, "")
        for domain, text in sorted(texts.items()):
            path = path_of(language, domain)
            if text != (path.read_text("utf-8") if path.exists() else ""):
                changed += 1
                print(f"{'to change' if check else 'changed'}: {path.relative_to(ROOT)}")
                if not check and text:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, "utf-8", newline="\n")
                elif not check:
                    path.unlink()
            for entry in polib.pofile(text).untranslated_entries() if text else ():
                missing += 1
                print(f"to translate: {path.relative_to(ROOT)}: {entry.msgid}")
    return int(bool(missing or (check and changed)))


if __name__ == "__main__":
    sys.exit(main())
