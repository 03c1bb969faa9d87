"""A small window with one of each thing that the tests click; the harness itself is tested on it."""

import signal
import sys

from PySide6.QtCore import QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QGraphicsScene,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QListWidget,
    QMainWindow,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)


class TinyWindow(QMainWindow):
    """Says in its label what was last done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Tiny")
        self.setAcceptDrops(True)
        self.said = QLabel("nothing yet")
        self.said.setObjectName("said")
        button = QPushButton("Press me")
        button.clicked.connect(lambda: self.said.setText("pressed"))
        line = QLineEdit()
        line.textChanged.connect(lambda text: self.said.setText(f"typed {text}"))
        rows = QListWidget()
        rows.addItems(["first", "second", "third"])
        rows.currentTextChanged.connect(lambda text: self.said.setText(f"chose {text}"))
        slider = QSlider()
        slider.setRange(0, 100)
        slider.setMinimumHeight(120)
        slider.valueChanged.connect(lambda value: self.said.setText(f"slid {value}"))
        canvas = QGraphicsView(QGraphicsScene())
        middle = QWidget()
        layout = QVBoxLayout(middle)
        for widget in (self.said, button, line, rows, slider, canvas):
            layout.addWidget(widget)
        self.setCentralWidget(middle)
        menu = self.menuBar().addMenu("&Things")
        menu.addAction("Say hello", "Ctrl+H", lambda: self.said.setText("hello"))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        self.said.setText(f"dropped {event.mimeData().urls()[0].toLocalFile()}")
        event.acceptProposedAction()


if __name__ == "__main__":
    application = QApplication(sys.argv)
    window = TinyWindow()
    window.resize(500, 700)
    window.show()
    signal.signal(signal.SIGINT, lambda number, frame: application.quit())
    awake = QTimer()
    awake.timeout.connect(lambda: None)
    awake.start(50)
    sys.exit(application.exec())
