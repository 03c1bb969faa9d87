"""The dialog that opens a network of the user's: where it is, what it expects, and whether it runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cvcore.foreign import InputsError, ModelError, Trial, WeightsMisfitError, fingerprint, suggested
from explorer.i18n import said, tr
from explorer.own_networks.dialog_fields import Fields
from explorer.own_networks.dialog_preview import Preview
from explorer.own_networks.dialog_trust import ask_trust
from explorer.own_networks.known import OwnModel
from explorer.own_networks.trial import guess, try_own
from explorer.own_networks.trust import is_trusted, trust
from explorer.panel import Frame
from explorer.widgets.jobs import Jobs
from explorer.widgets.theme import Theme, set_role


class ModelDialog(QDialog):
    """Asks for one network.

    Args:
        frame: gives the newest frame.
        jobs: runs what the window must not wait for.
        ask: whether a Python file may run; for tests.

    Signals:
        chosen(OwnModel): it runs, and the user wants it.
    """

    chosen = Signal(object)

    def __init__(
        self,
        parent: QWidget,
        theme: Theme,
        frame: Callable[[], Frame | None],
        jobs: Jobs,
        ask: Callable[[QWidget, Path, str], bool] = ask_trust,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("model_dialog")
        self.setWindowTitle(tr("Open a network of your own"))
        self._frame, self._jobs, self._ask = frame, jobs, ask
        self._asked = 0  # tells answers that are still wanted from others
        self._tried: tuple[OwnModel, OwnModel] | None = None
        self._after_trial: Callable[[OwnModel], None] | None = None
        self.fields = Fields(theme)
        self.preview = Preview()
        self.message = QLabel()
        self.message.setObjectName("model_message")
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setMargin(6)
        self.fix = QPushButton(tr("Apply that and try again"))
        self.fix.setObjectName("model_fix")
        self.fix.setAutoDefault(False)
        self.fix.hide()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        cancel = buttons.button(QDialogButtonBox.StandardButton.Cancel)
        cancel.setAutoDefault(False)
        cancel.setIcon(QIcon())
        self.try_button = buttons.addButton(tr("Try"), QDialogButtonBox.ButtonRole.ActionRole)
        self.try_button.setObjectName("model_try")
        self.try_button.setAutoDefault(False)
        self.open_button = buttons.addButton(tr("Open"), QDialogButtonBox.ButtonRole.ActionRole)
        self.open_button.setObjectName("model_open")
        self.open_button.setDefault(True)

        middle = QHBoxLayout()
        middle.setSpacing(18)
        middle.addWidget(self.fields, 1)
        middle.addWidget(self.preview)
        foot = QHBoxLayout()
        foot.addWidget(self.fix)
        foot.addWidget(buttons, 1)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addLayout(middle, 1)
        layout.addWidget(self.message)
        layout.addLayout(foot)
        self.resize(max(880, self.sizeHint().width()), self.sizeHint().height())

        self.fields.place_changed.connect(lambda: self.open_place(self.fields.place.text()))
        self.fields.changed.connect(self._edited)
        self.try_button.clicked.connect(lambda: self.try_it())
        self.open_button.clicked.connect(self._open)
        self.fix.clicked.connect(self._apply_hint)
        buttons.rejected.connect(self.reject)
        self._wait_for_place()

    def open_place(self, place: str, weights: str = "") -> None:
        """Shows what is remembered or guessed of a network; reading its file is left to a thread."""
        if not place:
            self._wait_for_place()
            return

        def look() -> tuple[OwnModel, tuple[str, ...]]:
            own = guess(place)
            own = replace(own, weights=weights or own.weights)
            return own, self.fields.functions(own)

        self.fields.place.set_text(place)
        self._say(tr("Reading the file…"), "note")
        self._start(look, self._looked)

    def want_network(self, weights: str) -> None:
        """Weights were opened alone: the network they belong to is asked for."""
        self.fields.weights.set_text(weights)
        self._say(tr("Weights alone are no network: which one do they belong to?"), "note")

    def try_it(self, after: Callable[[OwnModel], None] | None = None) -> None:
        """One pass in a thread; what comes out, or what is wrong, is told."""
        own, frame = self._model(), self._frame()
        if own is None:
            return
        if frame is None:
            self._say(tr("There is no picture to show yet."), "error")
            return
        if not self._may_run(own):
            self._say(tr("The file was not run."), "note")
            return
        self._after_trial = after
        self._say(tr("Trying the network…"), "note")
        self._start(lambda: (own, *try_own(own, frame.image)), self._tried_out)

    def done(self, result: int) -> None:
        """Answers that come later are not wanted."""
        self._asked += 1
        super().done(result)

    # -- the steps

    def _start(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._asked += 1
        number = self._asked
        self.fix.hide()
        for button in (self.try_button, self.open_button):
            button.setEnabled(False)

        def ended(outcome: Any) -> None:
            if number == self._asked:
                for button in (self.try_button, self.open_button):
                    button.setEnabled(True)
                if isinstance(outcome, Exception):
                    self._failed(outcome)
                else:
                    then(outcome)

        self._jobs.start(work, ended, "own network")

    def _looked(self, found: tuple[OwnModel, tuple[str, ...]]) -> None:
        own, functions = found
        weights = self.fields.weights.text()
        self._tried = None
        self.fields.show_model(own if own.weights or not weights else replace(own, weights=weights), functions)
        self._say(tr("Check what the network expects, then try it."), "note")
        self._show_preview()

    def _tried_out(self, found: tuple[OwnModel, OwnModel, Trial]) -> None:
        asked, own, trial = found
        self._tried = asked, own
        self.fields.show_model(own, self._functions(own))
        self._tried = self._model() or own, own
        self._show_preview()
        self._say(trial_words(trial), "note")
        if self._after_trial is not None:
            self._after_trial(own)

    def _failed(self, error: Exception) -> None:
        self._say(said(error), "error")
        if isinstance(error, InputsError) and (own := self._model()) is not None:
            self.fields.show_model(own.with_inputs(suggested(error.asked)), self._functions(own))
        misfit = error.misfit if isinstance(error, WeightsMisfitError) else None
        self.fix.setVisible(misfit is not None and misfit.hint is not None)

    def _apply_hint(self) -> None:
        own = self._model()
        if own is not None:
            self.fields.show_model(replace(own, fix_keys=True), self._functions(own))
            self.try_it()

    def _open(self) -> None:
        own = self._model()
        if own is None:
            return
        if self._tried is not None and self._tried[0] == own:
            self._accept(self._tried[1])
        else:
            self.try_it(self._accept)

    def _accept(self, own: OwnModel) -> None:
        self.chosen.emit(own)
        self.accept()

    def _edited(self) -> None:
        self._tried = None
        self.fix.hide()
        self._show_preview()

    # -- helpers

    def _model(self) -> OwnModel | None:
        try:
            return self.fields.model()
        except ModelError as error:
            self._say(said(error), "error")
            return None

    def _functions(self, own: OwnModel) -> tuple[str, ...]:
        try:
            return self.fields.functions(own)
        except ModelError:
            return ()

    def _may_run(self, own: OwnModel) -> bool:
        path = own.path
        if path is None or path.suffix.lower() != ".py":
            return True
        try:
            digest = fingerprint(path)
            if is_trusted(path):
                return True
        except ModelError as error:
            self._say(said(error), "error")
            return False
        if self._ask(self, path, digest):
            trust(path, digest)
            return True
        return False

    def _wait_for_place(self) -> None:
        for button in (self.try_button, self.open_button):
            button.setEnabled(False)
        self._say(tr("Choose a file: Python that makes the network, torch.export (.pt2) or ONNX."), "note")
        self.preview.show_input(None, self._frame())

    def _show_preview(self) -> None:
        self.preview.show_input(self._model(), self._frame())

    def _say(self, sentence: str, level: str) -> None:
        self.message.setText(sentence)
        set_role(self.message, level)


def trial_words(trial: Trial) -> str:
    """What one pass showed, in a few sentences."""
    shapes = ", ".join("×".join(map(str, shape)) or "1" for shape in trial.outputs[:4])
    words = [
        tr(
            "It runs: {layers} layers, {parameters:,} parameters, {milliseconds:.0f} ms. It gives {shapes}.",
            layers=trial.layers,
            parameters=trial.parameters,
            milliseconds=1e3 * trial.seconds,
            shapes=shapes + (" …" if len(trial.outputs) > 4 else ""),
        )
    ]
    if trial.classes:
        words.append(tr("That is one score for each of {classes} classes.", classes=trial.classes))
    if trial.fixed:
        words.append(tr("It takes no other input size."))
    return " ".join(words)
