"""What is shipped: the wheel, the licences of the assets, the font, the icons, and the pins."""

import csv
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from cvcore.assets import asset, assets_folder
from explorer.widgets.actions import ACTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def shipped() -> list[str]:
    """Every file in assets that git would take, as LICENCES.tsv writes it."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "assets"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name.removeprefix("assets/") for name in names if (ROOT / name).exists()]


def licences() -> list[dict[str, str]]:
    with asset("LICENCES.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_asset_has_a_licence_and_every_line_a_file() -> None:
    lines = licences()
    assert all(line[column] for line in lines for column in ("file", "author", "licence", "source"))
    files = shipped()
    assert files
    unnamed = [name for name in files if not any(fnmatch(name, line["file"]) for line in lines)]
    assert not unnamed, f"no line in assets/LICENCES.tsv for {', '.join(unnamed)}"
    assert [line["file"] for line in lines if not any(fnmatch(name, line["file"]) for name in files)] == []


def test_licence_texts_named_are_there() -> None:
    texts = {text for line in licences() for text in re.findall(r"text: (\S+)\)", line["licence"])}
    assert texts
    assert [text for text in texts if not asset(*text.split("/")).is_file()] == []


def test_the_wheel_holds_the_assets_and_the_command(tmp_path: Path) -> None:
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / run.stdout.split()[-1]) as wheel:
        names = Counter(wheel.namelist())
        (points,) = [wheel.read(name).decode() for name in names if name.endswith("/entry_points.txt")]
    assert max(names.values()) == 1
    assert [name for name in shipped() if f"cvcore/_assets/{name}" not in names] == []
    code_files = {
        str(path.relative_to(ROOT)) for package in ("cvcore", "explorer") for path in (ROOT / package).rglob("*.py")
    }
    assert code_files <= names.keys()
    assert not [name for name in names if name.startswith(("tests/", "tools/", "assets/"))]
    assert "cv-explorer = explorer.__main__:main" in points


def test_assets_are_found_where_a_wheel_puts_them(tmp_path: Path) -> None:
    package = tmp_path / "cvcore"
    (package / "_assets").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "assets.py").write_text((ROOT / "cvcore" / "assets.py").read_text("utf-8"), "utf-8")
    code = "from cvcore.assets import assets_folder; print(assets_folder())"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip() == str(
        package / "_assets"
    )


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *(line for group in EXTRAS.values() for line in group)]


@pytest.mark.parametrize("wanted", [line for line in REQUIREMENTS if not line.startswith(PROJECT["name"])])
def test_every_requirement_is_pinned_inside_its_range(wanted: str) -> None:
    requirement = Requirement(wanted)
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_pins_name_no_build_variant() -> None:
    assert [version for version in pins().values() if "+" in version] == []


def test_torch_is_the_version_asked_for() -> None:
    assert pins()["torch"] == "2.13.0"


def characters_of_the_fonts() -> set[int]:
    known: set[int] = set()
    for path in asset("fonts").glob("*subset.*tf"):
        with TTFont(path) as font:
            known |= set(font.getBestCmap())
    return known


def test_the_fonts_have_every_character_shown() -> None:
    assert asset("fonts", "NotoSansSC-subset.otf").stat().st_size < 3_500_000
    known = characters_of_the_fonts()
    texts = [path for ending in ("json", "tsv", "txt", "po", "md") for path in assets_folder().rglob(f"*.{ending}")]
    texts += [path for package in ("cvcore", "explorer") for path in (ROOT / package).rglob("*.py")]
    shown = {
        (character, path.name)
        for path in texts
        if not path.name.startswith("LICENCE")
        for character in path.read_text("utf-8")
        if character.isprintable()
    }
    lacking = [
        f"{character} U+{ord(character):04X} in {name}" for character, name in shown if ord(character) not in known
    ]
    assert not lacking, "; ".join(lacking) + "; python tools/make_font.py adds what its source fonts have"


def test_the_font_has_all_of_gb_2312() -> None:
    known = characters_of_the_fonts()
    characters = "".join(
        bytes((0xA0 + row, 0xA0 + cell)).decode("gb2312", errors="ignore")
        for row in range(16, 88)
        for cell in range(1, 95)
    )
    assert len(characters) == 6763
    assert [character for character in characters if ord(character) not in known] == []


def test_quotes_are_as_wide_as_in_english() -> None:
    """The Chinese font's own ones are as wide as a character, which would show where the system has no font of its own."""
    with TTFont(asset("fonts", "NotoSansSC-subset.otf")) as font:
        names, widths = font.getBestCmap(), font["hmtx"]
        assert {sign: widths[names[ord(sign)]][0] for sign in "‘’“”·" if widths[names[ord(sign)]][0] > 600} == {}
        assert widths[names[ord("中")]][0] == 1000


@pytest.mark.parametrize("name", [name for name in shipped() if name.endswith((".jpg", ".png"))])
def test_pictures_open(name: str) -> None:
    with Image.open(asset(*name.split("/"))) as picture:
        picture.load()
        assert min(picture.size) >= (200 if name.startswith("thumbnails/") else 256)


@pytest.mark.parametrize(
    "name", [name for name in shipped() if fnmatch(name, "icons/[!/]*.svg") and name.count("/") == 1]
)
def test_icons_can_be_tinted_and_drawn(name: str) -> None:
    text = asset(*name.split("/")).read_text("utf-8")
    drawing = ElementTree.fromstring(text)
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    if name != "icons/cv-explorer.svg":
        assert drawing.get("viewBox") == "0 0 24 24"
        assert "currentColor" in text


def test_every_action_with_an_icon_has_its_file() -> None:
    wanted = {action.icon for action in ACTIONS if action.icon}
    assert wanted
    assert [name for name in wanted if not asset("icons", f"{name}.svg").is_file()] == []
