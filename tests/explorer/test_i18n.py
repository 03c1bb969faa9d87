"""No word left untranslated: what the program can say is collected from its sources and panels and looked up in each language."""

import ast
import builtins
import json
import re
import string
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import polib
import pytest

from cvcore.assets import asset
from explorer import i18n
from explorer.registry import find_panels
from tools import words
from tools.words import COLLECTORS, WORD, Words, called

LANGUAGES = [language for language in i18n.LANGUAGES if language != "en"]
CHINESE = re.compile(r"[\u3400-\u9fff]")
ADDRESS = re.compile(r"\w+://\S+")
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
def entries(language: str) -> list[polib.POEntry]:
    """Every entry of the files of a language, read with another reader than the program's."""
    return [entry for path in i18n.catalogue_files(language) for entry in polib.pofile(str(path))]


def forms(entry: polib.POEntry) -> Iterator[tuple[str, str]]:
    """Each English text of an entry with its translations."""
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
    for said in entry.msgstr_plural.values():
        yield entry.msgid_plural, said


def pairs(language: str) -> list[tuple[str, str]]:
    return [pair for entry in entries(language) for pair in forms(entry)]


def explanations(language: str) -> dict[str, str]:
    folder = asset("explanations", language)
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_panel_loads() -> None:
    assert not find_panels().failures


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("collect", COLLECTORS)
def test_everything_said_is_translated(language: str, collect: Callable[[], Words]) -> None:
    said = collect()
    assert said
    translated = {entry.msgid for entry in entries(language) if entry.translated()}
    missing = {text: sorted(word.files) for text, word in said.items() if WORD.search(text) and text not in translated}
    assert not missing, "python -m tools.words: " + json.dumps(missing, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_half_translated(language: str) -> None:
    assert not [entry.msgid for entry in entries(language) if entry.fuzzy or not entry.translated() or entry.msgctxt]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_has_one_place(language: str) -> None:
    texts = [entry.msgid for entry in entries(language)]
    assert sorted(texts) == sorted(set(texts))


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_fill_in_the_same_values(language: str) -> None:
    wrong = {text: said for text, said in pairs(language) if placeholders(text) != placeholders(said)}
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)


def test_chinese_is_chinese() -> None:
    sentences = {
        text: said
        for text, said in pairs("zh_CN") + list(zip(*(explanations(x).values() for x in ("en", "zh_CN")), strict=True))
        if len(set(WORD.findall(re.sub(r"{[^}]*}", "", text))) - SAME_IN_CHINESE) > 1
    }
    english = {text: said for text, said in sentences.items() if not CHINESE.search(said)}
    assert not english, json.dumps(english, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_stale(language: str) -> None:
    """A text that no source, panel or action says any more has to go; what is said through a variable is a literal somewhere."""
    stale = {entry.msgid for entry in entries(language)} - words.literals().keys() - words.said().keys()
    assert not sorted(stale), "python -m tools.words takes them out"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_files_are_as_the_tool_leaves_them(language: str) -> None:
    """Sorted, each word in the file of its panel, with where it is said."""
    found = {path.stem: path.read_text("utf-8") for path in i18n.catalogue_files(language)}
    wanted = words.brought_up_to_date(language)
    assert sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)) == [], (
        "run: python -m tools.words"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_reads_what_other_programs_read(language: str) -> None:
    catalogue = i18n.Catalogue(language)
    for entry in entries(language):
        if entry.msgid_plural:
            assert catalogue.ngettext(entry.msgid, entry.msgid_plural, 7) in entry.msgstr_plural.values()
        else:
            assert catalogue.gettext(entry.msgid) == entry.msgstr


# -- explanations


def test_every_panel_is_explained_in_every_language() -> None:
    panels = words.own_panels()
    for language in i18n.LANGUAGES:
        assert sorted(explanations(language)) == sorted(panels)
        i18n.set_language(language)
        assert {name: panel.explanation for name, panel in panels.items()} == explanations(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_explanations_fill_in_the_same_values_in_the_same_format(language: str) -> None:
    for name, text in explanations("en").items():
        fields = [sorted({part[1:] for part in string.Formatter().parse(one) if part[1]})
                  for one in (text, explanations(language)[name])]  # fmt: skip
        assert fields[0] == fields[1], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_explanations_have_the_same_parts(language: str) -> None:
    """Paragraphs, headings, lists and formulas stand in the same order."""
    for name, text in explanations("en").items():
        assert parts(text) == parts(explanations(language)[name]), name


def test_every_value_of_an_explanation_is_given_by_its_panel() -> None:
    """A name that a panel's sources do not hold would be a dash for ever; the panels' own tests fill the texts."""
    for name, text in explanations("en").items():
        own = (f"explorer/panels/{name}.py", f"explorer/panels/{name}/")
        nodes = [node for file, tree in words.sources().items() if file.startswith(own) for node in ast.walk(tree)]
        given = [pattern for node in nodes if (pattern := names_given(node))]
        assert [one for one in placeholders(text) if not any(re.fullmatch(way, one) for way in given)] == [], name


def names_given(node: ast.AST) -> str:
    """The names that a key or keyword can be, as a regular expression; a part filled in at run time can be anything."""
    match node:
        case ast.Constant(value=str(text)) | ast.keyword(arg=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts) if any(isinstance(part, ast.Constant) for part in parts):
            return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in parts)
    return ""


def parts(text: str) -> list[list[str]]:
    """Of each paragraph its headings, list items and bold words."""
    marks = re.compile(r"^(?:#+|[-*]|\d+\.)(?= )|\*\*", re.MULTILINE)
    return [marks.findall(one) for one in text.split("\n\n")]


def test_an_explanation_beside_a_module_is_found(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "mine.md").write_text("**Mine** {a}", "utf-8")
    i18n.set_language("zh_CN")
    assert i18n.explanation("mine.md", tmp_path) == "**Mine** {a}"
    assert i18n.explanation("mine.md") == ""


# -- words that go past tr


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


def shown_arguments(path: str, call: ast.Call, errors: set[str]) -> list[ast.expr]:
    name = called(call)
    if name in QT_CALLS:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id in LOGGERS:
            return []
        return [argument for i, argument in enumerate(call.args) if i in QT_CALLS[name]]
    if name in errors:
        return call.args[:1]
    if path.startswith(("explorer/panels/", "explorer/views/")) and name[:1].isupper():
        shown = [argument for i, argument in enumerate(call.args) if i in FIGURE_CALLS.get(name, ())]
        return shown + [keyword.value for keyword in call.keywords if keyword.arg in FIGURE_KEYWORDS]
    return []


def untranslated(path: str, tree: ast.Module, errors: set[str]) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            text = " ".join(map(plain_words, shown_arguments(path, node, errors)))
            # The language menu says the names of languages in themselves.
            if set(WORD.findall(ADDRESS.sub("", text))) - UNITS - NAMES and not CHINESE.search(
                text
            ):  # the language menu says its name in both
                found.append(f"{path}:{node.lineno} {called(node)}: {text.strip()}")
    return found


def test_no_words_reach_a_person_without_tr() -> None:
    # An exception of the program's own that is raised with a translated sentence somewhere speaks to a person everywhere.
    errors = {
        called(call)
        for _, call in words.calls("explorer/")
        if called(call).endswith("Error")
        and not hasattr(builtins, called(call))
        and call.args
        and isinstance(call.args[0], ast.Call)
        and called(call.args[0]) == "tr"
    }
    own = {path: tree for path, tree in words.sources().items() if path.startswith("explorer/")}
    found = [line for path, tree in own.items() for line in untranslated(path, tree, errors)]
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
        ("files/whole.py", 'raise SaveError("The disk is full.")', 1),
        ("panels/any.py", 'Pane("map", "Activation", ())', 1),
        ("panels/any.py", 'Curve(x, y, label="loss")', 1),
        ("panels/any.py", 'Curve(x, y, label=tr("loss"))', 0),
        ("canvas/any.py", 'Curve(x, y, label="loss")', 0),
    ],
)
def test_the_search_finds_what_it_should(path: str, code: str, count: int) -> None:
    assert len(untranslated(f"explorer/{path}", ast.parse(code), {"SaveError"})) == count


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


def test_numbers_of_things() -> None:
    assert i18n.tr_n("{n} box of {all}", "{n} boxes of {all}", 1, all=3) == "1 box of 3"
    assert i18n.tr_n("{n} box of {all}", "{n} boxes of {all}", 0, all=3) == "0 boxes of 3"
    i18n.set_language("zh_CN")
    assert i18n.tr_n("not a key", "not keys", 2) == "not keys"


def files_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> i18n.Catalogue:
    for name, text in texts.items():
        (folder / f"{name}.po").write_text(
            'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=n>1;\\n"\n\n' + text, "utf-8"
        )
    monkeypatch.setattr(i18n, "catalogue_files", lambda language: sorted(folder.glob("*.po")))
    return i18n.Catalogue("any")


def test_a_translators_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrapped lines, escapes, plurals, comments, what is empty and what is put aside."""
    text = """
# by hand
#: a.py:1
msgid ""
"A long "
"text"
msgstr ""
"Ein "
"Text"

msgid "say \\"a\\"\\n\\tb \\\\n"
msgstr "\\"A\\"\\n\\tB \\\\n"

#, python-brace-format
msgid "{n} box"
msgid_plural "{n} boxes"
msgstr[0] "{n} Kiste"
msgstr[1] "{n} Kisten"

msgid "empty"
msgstr ""

#~ msgid "gone"
#~ msgstr "weg"
"""
    catalogue = files_of(tmp_path, monkeypatch, shell=text)
    assert catalogue.gettext("A long text") == "Ein Text"
    assert catalogue.gettext('say "a"\n\tb \\n') == '"A"\n\tB \\n'
    assert [catalogue.ngettext("{n} box", "{n} boxes", n) for n in (0, 1, 2)] == [
        "{n} Kiste",
        "{n} Kiste",
        "{n} Kisten",
    ]
    assert catalogue.gettext("empty") == "empty"
    assert catalogue.gettext("gone") == "gone"
    assert catalogue.gettext("") == ""


def test_a_panels_words_are_read_when_asked_for_from_any_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = files_of(
        tmp_path,
        monkeypatch,
        shell='msgid "a"\nmsgstr "A"\n',
        **{f"panel{i}": f'msgid "{i}"\nmsgstr "n{i}"\n' for i in range(9)},
    )
    read: list[str] = []
    whole = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, *how: read.append(path.stem) or whole(path, *how))
    assert catalogue.gettext("a") == "A"
    assert read == []
    start, found = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        found.append([catalogue.gettext(str(i)) for i in range(9)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[f"n{i}" for i in range(9)]] * 8
    assert sorted(read) == [f"panel{i}" for i in range(9)]
