"""The themes: readable, complete, and one style sheet for all."""

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QDir
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QLabel

import explorer
from explorer.widgets.theme import ROLES, THEMES, Theme, apply_theme, load_fonts, set_role, style_sheet

pytestmark = pytest.mark.usefixtures("qapp")


def luminance(colour: str) -> float:
    """WCAG 2.1 relative luminance."""
    parts = QColor(colour).getRgbF()[:3]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """WCAG 2.1 contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(params=list(THEMES))
def theme(request: pytest.FixtureRequest) -> Theme:
    return THEMES[request.param]


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_words_reach_wcag_aa(theme: Theme) -> None:
    for ground in (theme.window, theme.surface, theme.raised):
        assert contrast(theme.text, ground) >= 7
        assert contrast(theme.muted, ground) >= 4.5
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    assert contrast(theme.text, theme.accent_soft) >= 4.5
    assert contrast(theme.text, theme.hover) >= 4.5
    assert contrast(theme.warning, theme.warning_soft) >= 4.5
    assert contrast(theme.error, theme.error_soft) >= 4.5


def test_marks_and_focus_stand_out(theme: Theme) -> None:
    assert len(set(theme.palette)) == len(theme.palette) == 8
    for colour in theme.palette:
        assert contrast(colour, theme.surface) >= 3
    assert contrast(theme.accent, theme.surface) >= 3


def test_palette_indices_wrap_and_colours_pass_through(theme: Theme) -> None:
    assert theme.colour(0) == theme.colour(8) == QColor(theme.palette[0])
    assert theme.colour(1, photo=True) == QColor(theme.photo_palette[1])
    assert theme.colour("#123456") == QColor("#123456")


def test_projector_is_larger() -> None:
    assert THEMES["projector"].font > THEMES["light"].font
    assert THEMES["projector"].line > THEMES["light"].line


def test_apply_theme_changes_palette_and_sheet(qapp: QApplication) -> None:
    for theme in THEMES.values():
        apply_theme(qapp, theme)
        assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(theme.window)
        assert qapp.font().pixelSize() == theme.font
        assert qapp.styleSheet() == style_sheet(theme)


def test_sheet_has_no_hole_and_its_pictures_exist(qapp: QApplication, theme: Theme) -> None:
    apply_theme(qapp, theme)
    sheet = style_sheet(theme)
    assert "$" not in sheet
    assert sheet.count("{") == sheet.count("}")
    pictures = set(re.findall(r"url\((theme:[^)]+)\)", sheet))
    assert pictures
    for picture in pictures:
        assert any(Path(folder, picture.removeprefix("theme:")).is_file() for folder in QDir.searchPaths("theme"))


def test_every_role_has_a_look() -> None:
    sheet = style_sheet(THEMES["light"])
    for role in ROLES:
        assert f'[role="{role}"]' in sheet


def test_set_role_takes_effect_on_a_shown_label(qapp: QApplication, qtbot: object) -> None:
    apply_theme(qapp, THEMES["light"])
    label = QLabel("words")
    label.ensurePolished()
    before = label.palette().color(QPalette.ColorRole.WindowText)
    set_role(label, "error")
    assert label.property("role") == "error"
    assert label.palette().color(QPalette.ColorRole.WindowText) == QColor(THEMES["light"].error) != before
    label.deleteLater()


def test_shipped_fonts_stand_in_for_chinese(qapp: QApplication) -> None:
    families = load_fonts(qapp)
    assert families
    assert qapp.font().families()[-len(families) :] == list(families)


def test_nothing_else_calls_set_style_sheet() -> None:
    folder = Path(explorer.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name != "theme.py":
            assert ".setStyleSheet(" not in path.read_text("utf-8"), path
