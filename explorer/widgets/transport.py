"""The bar under the panels: freeze, play, step, seek, speed. It shows the player's state and asks for actions."""

import math
from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSlider, QToolButton, QWidget

from explorer.i18n import tr
from explorer.sources.player import Player
from explorer.sources.state import PlayerState
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
BUTTONS = ("freeze", "previous", "step_back", "play", "step_forward", "next", "loop")


class Transport(QWidget):
    """Freeze, play, step, seek: buttons, and the actions behind them."""

    def __init__(self, player: Player, actions: Mapping[str, QAction]) -> None:
        super().__init__()
        self._player = player
        self._actions = actions
        self._state: PlayerState | None = None
        self._theme: Theme | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 2)
        layout.setSpacing(2)
        for name in BUTTONS:
            button = QToolButton()
            button.setDefaultAction(actions[name])
            button.setAutoRaise(True)
            button.setObjectName(f"transport_{name}")
            if name == "freeze":
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            layout.addWidget(button)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("transport_slider")
        self._slider.sliderMoved.connect(self._moved)
        self._slider.actionTriggered.connect(lambda _: self._moved(self._slider.sliderPosition()))
        self._slider.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        layout.addWidget(self._slider, 1)
        self._where = QLabel()
        self._where.setProperty("role", "muted")
        layout.addWidget(self._where)
        self._speed = QComboBox()
        for speed in SPEEDS:
            self._speed.addItem(f"{speed:g}×", speed)
        self._speed.setCurrentIndex(SPEEDS.index(1.0))
        self._speed.currentIndexChanged.connect(lambda i: player.set_speed(SPEEDS[i]))
        layout.addWidget(self._speed)
        self.retranslate()

    def retranslate(self) -> None:
        self._speed.setToolTip(tr("Speed"))
        self._speed.setAccessibleName(tr("Speed"))
        self._slider.setAccessibleName(tr("Position"))
        if self._state is not None:
            self.show_state(self._state)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._show_play()

    def show_state(self, state: PlayerState) -> None:
        self._state = state
        in_history = self._walks_history(state)
        count = state.history if in_history else (state.length or 0)
        position = max(0, state.history_index) if in_history else state.index
        self._slider.setEnabled(count > 1)
        if not self._slider.isSliderDown():
            with QSignalBlocker(self._slider):
                self._slider.setRange(0, max(0, count - 1))
                self._slider.setValue(position)
        if in_history:
            text = tr("{back} frames back of {all} kept", back=max(0, count - 1 - position), all=count)
        elif count > 1:
            text = f"{position + 1} / {count}"
        else:
            text = ""
        if text != self._where.text():
            self._where.setText(text)
        self._speed.setVisible(state.kind in ("video", "moving"))
        if state.speed in SPEEDS and self._speed.currentData() != state.speed:
            with QSignalBlocker(self._speed):
                self._speed.setCurrentIndex(SPEEDS.index(state.speed))
        self._actions["freeze"].setChecked(state.frozen)
        self._actions["loop"].setChecked(state.loop)
        self._show_play()

    # -- actions

    def freeze(self) -> None:
        self._player.freeze(not self._player.state.frozen)

    def play(self) -> None:
        self._player.toggle()

    def step_back(self) -> None:
        self._player.step(-1)

    def step_forward(self) -> None:
        self._player.step(1)

    def previous(self) -> None:
        self._player.previous()

    def next(self) -> None:
        self._player.next()

    def loop(self) -> None:
        self._player.set_loop(not self._player.state.loop)

    def slower(self) -> None:
        self._change_speed(-1)

    def faster(self) -> None:
        self._change_speed(1)

    def _change_speed(self, by: int) -> None:
        speed = self._player.state.speed
        now = min(range(len(SPEEDS)), key=lambda i: abs(math.log(SPEEDS[i] / speed)))
        self._player.set_speed(SPEEDS[min(len(SPEEDS) - 1, max(0, now + by))])

    def _walks_history(self, state: PlayerState) -> bool:
        return state.frozen and not state.can_seek

    def _show_play(self) -> None:
        if self._theme is None:
            return
        playing = self._state is not None and self._state.playing
        self._actions["play"].setIcon(icon("pause" if playing else "play", self._theme.text))

    def _moved(self, position: int) -> None:
        if self._state is None:
            return
        if self._walks_history(self._state):
            self._player.step(position - self._state.history_index)
        else:
            self._player.seek(position)
