"""Device, precision and threads in the toolbar: room for their words."""

import pytest
from PySide6.QtWidgets import QApplication, QComboBox, QStyleOptionComboBox, QToolBar
from pytestqt.qtbot import QtBot

from explorer.engine.devices import Device
from explorer.settings.session import OpenPanel, Settings
from explorer.widgets.chooser import ElidingComboBox
from explorer.widgets.theme import load_fonts
from explorer.window.main import MainWindow


def said(combo: QComboBox) -> str:
    option = QStyleOptionComboBox()
    combo.initStyleOption(option)
    return option.currentText


def test_a_name_too_long_for_its_list_ends_in_an_ellipsis(qtbot: QtBot) -> None:
    combo = ElidingComboBox()
    qtbot.addWidget(combo)
    combo.addItem("Auto (NVIDIA GeForce RTX 4090 Laptop GPU)")
    combo.resize(combo.sizeHint())
    assert said(combo) == combo.currentText()
    combo.resize(combo.sizeHint().width() // 2, combo.height())
    assert said(combo).endswith("…")
    assert combo.currentText().startswith(said(combo)[:-1])


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("theme", ["light", "projector"])
def test_on_a_small_screen_no_word_in_the_toolbar_is_cut(qtbot: QtBot, theme: str, language: str) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    load_fonts(application)
    window = MainWindow(Settings(language=language, theme=theme, panels=(OpenPanel("picture", 1),)), "")
    qtbot.addWidget(window)
    window.chooser.set_devices((Device("cpu", "CPU", ("float32", "bfloat16")),))
    window.resize(1366, 768)
    with qtbot.waitExposed(window):
        window.show()
    for name in ("device", "precision", "threads"):
        combo = window.chooser.findChild(QComboBox, name)
        assert said(combo) == combo.currentText()
    bar = window.findChild(QToolBar, "bar_main")
    assert bar.widgetForAction(window.actions_by_name["show_shortcuts"]).geometry().right() < bar.width()
    assert all(bar.widgetForAction(action).isVisible() for action in bar.actions())
    window.close()
