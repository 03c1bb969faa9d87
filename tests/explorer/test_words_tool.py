"""``python -m tools.words``: words come, move and go with the sources, and two people's meet without harm."""

import subprocess
from pathlib import Path

import polib
import pytest

from explorer import i18n
from tools import words
from tools.words import Word, Words

ROI, NMS, SHELL_FILE = "explorer/panels/roi/views.py", "explorer/panels/nms.py", "explorer/window/main.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without words."""
    monkeypatch.setattr(words, "ROOT", tmp_path)
    monkeypatch.setattr(words, "TRANSLATIONS", tmp_path / "translations")
    monkeypatch.setattr(words, "literals", dict)
    monkeypatch.setattr("sys.argv", ["words"])
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    return tmp_path


def git(folder: Path, *what: str, check: bool = True) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    run = subprocess.run(["git", "-C", str(folder), *who, *what], capture_output=True, text=True, check=False)
    assert run.returncode == 0 or not check, run.stderr
    return run.stdout


def say(monkeypatch: pytest.MonkeyPatch, *said: Word) -> int:
    """Runs the tool in a program that says this."""
    table: Words = {word.text: word for word in said}
    monkeypatch.setattr(words, "said", lambda: table)
    return words.main()


def translate(domain: str, **texts: str) -> None:
    path = words.path_of("zh_CN", domain)
    file = polib.pofile(str(path), wrapwidth=0)
    for entry in file:
        entry.msgstr = texts.get(entry.msgid, entry.msgstr)
    path.write_text(f"{file}\n".rstrip("\n") + "\n", "utf-8")


def there(domain: str) -> dict[str, str]:
    path = words.path_of("zh_CN", domain)
    return {entry.msgid: entry.msgstr for entry in polib.pofile(str(path))} if path.exists() else {}


def test_new_words_wait_in_the_file_of_their_panel(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        Word("bin", files={ROI}),
        Word("box", files={NMS}),
        Word("both", files={ROI, NMS}),
        Word("title", files={ROI}, shell=True),
        Word("px", files={SHELL_FILE}),
        Word("×", files={SHELL_FILE}),
    )
    assert say(monkeypatch, *said) == 1
    assert there("roi") == {"bin": ""}
    assert there("nms") == {"box": ""}
    assert there("shell") == {"both": "", "px": "", "title": ""}
    assert "shell.po: both" in capsys.readouterr().out
    for domain in ("roi", "nms", "shell"):
        translate(domain, bin="格", box="框", both="都", title="题", px="像素")
    assert say(monkeypatch, *said) == 0


def test_a_word_that_moves_takes_its_translation_along(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, Word("bin", files={ROI}))
    translate("roi", bin="格")
    assert say(monkeypatch, Word("bin", files={ROI, NMS})) == 0
    assert there("shell") == {"bin": "格"}
    assert not words.path_of("zh_CN", "roi").exists()


def test_a_word_that_nothing_says_goes_unless_a_variable_may_say_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, Word("bin", files={ROI}), Word("red", files={ROI}))
    translate("roi", bin="格", red="红")
    monkeypatch.setattr(words, "literals", lambda: {"red": Word("red", files={ROI})})
    assert say(monkeypatch) == 0
    assert there("roi") == {"red": "红"}


def test_what_begins_to_count_keeps_its_translation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, Word("{n} box", files={NMS}))
    translate("nms", **{"{n} box": "{n} 个框"})
    assert say(monkeypatch, Word("{n} box", "{n} boxes", {NMS})) == 0
    (entry,) = polib.pofile(str(words.path_of("zh_CN", "nms")))
    assert (entry.msgid_plural, entry.msgstr_plural, entry.flags) == (
        "{n} boxes",
        {0: "{n} 个框"},
        ["python-brace-format"],
    )
    monkeypatch.setattr(i18n, "catalogue_files", lambda language: [words.path_of("zh_CN", "nms")])
    assert i18n.Catalogue("zh_CN").ngettext("{n} box", "{n} boxes", 1) == "{n} 个框"


def test_check_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["words", "--check"])
    assert say(monkeypatch, Word("bin", files={ROI})) == 1
    assert there("roi") == {}


def test_a_merge_keeps_the_words_of_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two branches add words in one place, one mends a translation, one takes a word away, both translate a third."""
    old, mended, gone, twice = (Word(text, files={ROI}) for text in ("ha", "ia", "ka", "la"))
    ours, theirs = Word("ja ours", files={ROI}), Word("ja theirs", files={ROI})
    say(monkeypatch, old, mended, gone, twice)
    translate("roi", ha="旧", ia="坏", ka="去")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "base")
    git(folder, "checkout", "--quiet", "-b", "other")
    say(monkeypatch, old, mended, twice, theirs)
    translate("roi", **{"ja theirs": "他们", "ia": "好", "la": "二"})
    git(folder, "commit", "--quiet", "-am", "theirs")
    git(folder, "checkout", "--quiet", "main")
    say(monkeypatch, old, mended, gone, twice, ours)
    translate("roi", **{"ja ours": "我们", "la": "一"})
    git(folder, "commit", "--quiet", "-am", "ours")
    git(folder, "merge", "--quiet", "other", check=False)
    assert "<<<<<<<" in words.path_of("zh_CN", "roi").read_text("utf-8")
    capsys.readouterr()
    assert say(monkeypatch, old, mended, twice, ours, theirs) == 0
    assert there("roi") == {"ha": "旧", "ia": "好", "ja ours": "我们", "ja theirs": "他们", "la": "一"}
    assert "both sides translate 'la': 一 stays, 二 goes" in capsys.readouterr().out
