"""No word left untranslated: what the program can say is collected from its sources and panels and looked up in each language."""

import ast
import builtins
import json
import re
import string
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from cvcore import foreign, zoo
from cvcore.assets import asset
from cvcore.download import errors
from cvcore.sentence import SentenceError
from explorer import i18n
from explorer.own_networks.trial import PRESETS
from explorer.panel import Knob, knobs
from explorer.registry import find_panels
from explorer.widgets.actions import ACTIONS

ROOT = Path(i18n.__file__).parent
LANGUAGES = [language for language in i18n.LANGUAGES if language != "en"]
CHINESE = re.compile(r"[\u3400-\u9fff]")
ADDRESS = re.compile(r"\w+://\S+")
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = {"CV", "Explorer"}
SAME_IN_CHINESE = {"NMS", "Soft", "Softer", "DIoU"}
"""Parts of methods' names, which Chinese papers leave as they are."""
UNITS = {"ms", "fps", "px", "GB", "MB", "kB", "GiB", "MiB", "KiB", "Hz", "GFLOP", "GMAC"}

# Calls that put words before a person, and which of their arguments are words.
QT_CALLS = {
    **dict.fromkeys(("setText", "setWindowTitle", "setTitle", "setToolTip", "setStatusTip", "setWhatsThis"), (0,)),
    **dict.fromkeys(("setPlaceholderText", "setSuffix", "setPrefix", "setLabelText", "setInformativeText"), (0,)),
    **dict.fromkeys(("setHeaderLabels", "setHorizontalHeaderLabels", "setVerticalHeaderLabels"), (0,)),
    **dict.fromkeys(("showMessage", "setSpecialValueText", "setAccessibleName", "setSeparatorText"), (0,)),
    **dict.fromkeys(("addAction", "addMenu", "addTab", "addItem", "addRow", "setItemText", "setTabText"), (0, 1)),
    **dict.fromkeys(("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"), (1, 3)),
    **dict.fromkeys(("getText", "getItem", "warning", "critical", "information", "question", "about"), (1, 2)),
    **dict.fromkeys(("QLabel", "QPushButton", "QCheckBox", "QRadioButton", "QGroupBox", "QDockWidget", "QMenu"), (0,)),
    **dict.fromkeys(("QAction", "QToolBar", "QMessageBox", "QProgressDialog"), (0, 1)),
}
FIGURE_CALLS = {"Pane": (1,), "Axis": (0,), "Text": (0,), "Note": (0,), "TableColumn": (0,), "Probe": (0,)}
FIGURE_KEYWORDS = {"label", "labels", "title", "titles", "text"}
LOGGERS = {"log", "logger", "logging", "warnings"}
"""Their ``warning`` and ``critical`` write for developers."""


@cache
def sources() -> dict[Path, ast.Module]:
    return {path.relative_to(ROOT): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
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


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, node


@cache
def said_by_tr() -> dict[str, str]:
    """Keys of every ``tr("...")``, the program's actions and its stages, with where each is said."""
    words = {}
    for path, call in calls():
        if called(call) == "tr" or (called(call) in ("stage", "Stage") and call.args):
            words |= dict.fromkeys(constants(call.args[0]), f"{path}:{call.lineno}")
    for action in ACTIONS:
        words |= {action.text: f"action {action.name}", action.group: f"action {action.name}"}
    pictures = json.loads(asset("pictures", "pictures.json").read_text("utf-8"))
    return words | {picture["title"]: "pictures.json" for picture in pictures}


def words_of_knob(name: str, knob: Knob) -> Iterator[str]:
    if knob.kind == "hidden":
        return
    yield knob.label or name.replace("_", " ").capitalize()
    yield from filter(None, (knob.help, knob.unit, *knob.columns))
    if knob.kind == "choice" and not callable(knob.choices):
        yield from knob.choices


@cache
def said_by_panels() -> dict[str, str]:
    """Titles, chapters, explanations and knobs of the program's own panels, with whose each is."""
    words = {}
    for panel in find_panels().panels.values():
        if panel.compute.__module__.startswith("explorer.panels."):
            own = list(filter(None, (panel.title, panel.chapter, panel.explain)))
            for kind in (panel.params, panel.view):
                for name, (_, knob) in knobs(kind).items():
                    own += words_of_knob(name, knob)
            words |= dict.fromkeys(own, f"panel {panel.name}")
    return words


@cache
def said_by_weights() -> dict[str, str]:
    """Sentences of errors in cvcore's zoo and downloads, and what is shown of the cards."""
    words = {}
    core = Path(zoo.__file__).parent.parent
    for path in (*core.glob("zoo/*.py"), *core.glob("download/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = called(node)
                known = (
                    vars(errors).get(name) or vars(zoo).get(name) or (SentenceError if name == "PastTheEnd" else None)
                )
                if name == "__init__" or (isinstance(known, type) and issubclass(known, SentenceError)):
                    words |= dict.fromkeys(constants(node.args[0]), f"{path.name}:{node.lineno}")
    for card in zoo.cards().values():
        shown = (card.title, card.task, card.licence, card.source, card.terms)
        words |= dict.fromkeys(filter(None, shown), f"card {card.name}")
    return words


@cache
def said_by_own_networks() -> dict[str, str]:
    """Sentences about the user's own networks, and the usual ways to prepare pictures for one."""
    words = {preset.name: "preset" for preset in PRESETS}
    for path in (*Path(foreign.__file__).parent.rglob("*.py"), *ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and called(node) in ("ModelError", "WeightsMisfitError"):
                words |= dict.fromkeys(
                    (text for one in node.args[:2] for text in constants(one)), f"{path.name}:{node.lineno}"
                )
    return words


@cache
def table(language: str) -> dict[str, str]:
    return json.loads(asset("translations", f"{language}.json").read_text("utf-8"))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_panel_loads() -> None:
    assert not find_panels().failures


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("collect", [said_by_tr, said_by_panels, said_by_weights, said_by_own_networks])
def test_everything_said_is_translated(language: str, collect: Callable[[], dict[str, str]]) -> None:
    said = collect()
    assert said
    missing = {text: where for text, where in said.items() if WORD.search(text) and text not in table(language)}
    assert not missing, json.dumps(missing, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_fill_in_the_same_values(language: str) -> None:
    wrong = {text: said for text, said in table(language).items() if placeholders(text) != placeholders(said)}
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_chinese_is_chinese() -> None:
    sentences = {
        text: said
        for text, said in table("zh_CN").items()
        if len(set(WORD.findall(re.sub(r"{[^}]*}", "", text))) - SAME_IN_CHINESE) > 1
    }
    english = {text: said for text, said in sentences.items() if not CHINESE.search(said)}
    assert not english, json.dumps(english, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_stale(language: str) -> None:
    """A key that no source, panel or action says any more has to go; what is said through a variable is a literal somewhere."""
    literals = {
        node.value
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = literals | {text.capitalize() for text in literals} | said_by_tr().keys() | said_by_panels().keys()
    used |= said_by_weights().keys() | said_by_own_networks().keys()
    assert not sorted(table(language).keys() - used)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_sorted(language: str) -> None:
    assert list(table(language)) == sorted(table(language)), "keep the file sorted by key"


def plain_words(node: ast.AST) -> str:
    """The words an argument shows without asking ``tr``."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return " ".join(plain_words(part) for part in parts if isinstance(part, ast.Constant))
        case ast.IfExp(body=body, orelse=orelse):
            return f"{plain_words(body)} {plain_words(orelse)}"
        case ast.BinOp(left=left, right=right):
            return f"{plain_words(left)} {plain_words(right)}"
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.BoolOp(values=parts):
            return " ".join(map(plain_words, parts))
    return ""


def shown_arguments(path: Path, call: ast.Call, errors: set[str]) -> list[ast.expr]:
    name = called(call)
    if name in QT_CALLS:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id in LOGGERS:
            return []
        return [argument for i, argument in enumerate(call.args) if i in QT_CALLS[name]]
    if name in errors:
        return call.args[:1]
    if path.parts[0] == "panels" and name[:1].isupper():
        shown = [argument for i, argument in enumerate(call.args) if i in FIGURE_CALLS.get(name, ())]
        return shown + [keyword.value for keyword in call.keywords if keyword.arg in FIGURE_KEYWORDS]
    return []


def untranslated(path: Path, tree: ast.Module, errors: set[str]) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            text = " ".join(map(plain_words, shown_arguments(path, node, errors)))
            words = set(WORD.findall(ADDRESS.sub("", text))) - UNITS - NAMES
            if words and not CHINESE.search(text):  # the language menu says its name in both
                found.append(f"{path}:{node.lineno} {called(node)}: {text.strip()}")
    return found


def test_no_words_reach_a_person_without_tr() -> None:
    # An exception of the program's own that is raised with a translated sentence somewhere speaks to a person everywhere.
    errors = {
        called(call)
        for _, call in calls()
        if called(call).endswith("Error")
        and not hasattr(builtins, called(call))
        and call.args
        and isinstance(call.args[0], ast.Call)
        and called(call.args[0]) == "tr"
    }
    found = [line for path, tree in sources().items() for line in untranslated(path, tree, errors)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "code", "count"),
    [
        ("window.py", 'label.setText("Frozen")', 1),
        ("window.py", 'label.setText(tr("Frozen"))', 0),
        ("window.py", 'label.setText(f"{seconds:.1f} ms")', 0),
        ("window.py", 'label.setText(f"{seconds:.1f} seconds")', 1),
        ("window.py", 'menu.addAction(icon, "Open" if closed else tr("Close"))', 1),
        ("window.py", 'log.warning("the file %s", "is gone")', 0),
        ("save.py", 'raise SaveError("The disk is full.")', 1),
        ("panels/any.py", 'Pane("map", "Activation", ())', 1),
        ("panels/any.py", 'Curve(x, y, label="loss")', 1),
        ("panels/any.py", 'Curve(x, y, label=tr("loss"))', 0),
        ("canvas/any.py", 'Curve(x, y, label="loss")', 0),
    ],
)
def test_the_search_finds_what_it_should(path: str, code: str, count: int) -> None:
    assert len(untranslated(Path(path), ast.parse(code), {"SaveError"})) == count


def test_languages_switch_and_fill_in() -> None:
    sentence = "There is no panel named {name}."
    assert i18n.tr(sentence, name="x") == "There is no panel named x."
    i18n.set_language("zh_CN")
    assert CHINESE.search(i18n.tr(sentence, name="x"))
    assert "x" in i18n.tr(sentence, name="x")
    assert i18n.tr("not a key at all") == "not a key at all"
    i18n.set_language("en")
    assert i18n.language() == "en"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        i18n.set_language("klingon")
    assert i18n.language() == "en"
