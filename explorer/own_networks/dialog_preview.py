"""What a network will get of the picture, shown while its settings are chosen."""

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from explorer.i18n import tr
from explorer.own_networks.known import OwnModel
from explorer.own_networks.trial import network_picture
from explorer.panel import Frame
from explorer.widgets.theme import set_role

SIDE = 300


class Preview(QWidget):
    """The network's input as a picture, its channels as red, green and blue in the order it gets them, and its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._title = QLabel()
        set_role(self._title, "heading")
        self._picture = QLabel()
        self._picture.setObjectName("model_picture")
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._picture.setFixedSize(SIDE, SIDE)
        self._numbers = QLabel()
        self._numbers.setObjectName("model_numbers")
        self._numbers.setWordWrap(True)
        self._numbers.setFixedWidth(SIDE)
        self._numbers.setMinimumHeight(4 * self.fontMetrics().lineSpacing())
        self._numbers.setAlignment(Qt.AlignmentFlag.AlignTop)
        set_role(self._numbers, "muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._title)
        layout.addWidget(self._picture)
        layout.addWidget(self._numbers)
        layout.addStretch(1)
        self._title.setText(tr("What the network gets"))

    def show_input(self, own: OwnModel | None, frame: Frame | None) -> None:
        """Shows it anew; nothing where the settings do not make sense, or there is no picture."""
        if own is None or frame is None:
            self._picture.setPixmap(QPixmap())
            self._numbers.setText(tr("There is no picture to show yet.") if frame is None else "")
            return
        values = network_picture(own, frame.image)[0].numpy()  # (3, h, w)
        low, high = float(values.min()), float(values.max())
        shown = (values - low) * (255 / max(high - low, 1e-6))
        pixels = np.ascontiguousarray(shown.transpose(1, 2, 0).astype(np.uint8))
        height, width = pixels.shape[:2]
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        mode = Qt.TransformationMode.SmoothTransformation
        self._picture.setPixmap(QPixmap.fromImage(image).scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, mode))
        means = ", ".join(f"{round(float(mean), 2) + 0.0:.2f}" for mean in values.mean((1, 2)))
        text = tr(
            "3 × {height} × {width} numbers from {low:.2f} to {high:.2f}; mean of each channel {means}.",
            height=height,
            width=width,
            low=low,
            high=high,
            means=means,
        )
        if own.colour == "BGR":
            text += " " + tr("The order is blue, green, red, so red and blue look exchanged.")
        self._numbers.setText(text.replace("-", "−"))
