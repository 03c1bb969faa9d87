"""A small window out of which a file can be dragged, as out of a file manager: ``drag_source.py X Y FILE``.

With ``--copy`` in place of the position it puts the picture on the clipboard instead, and keeps it there until it is ended.
"""

import sys

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel


class DragSource(QLabel):
    def __init__(self, path: str) -> None:
        super().__init__("drag me")
        self._path = path
        self.setWindowTitle("Drag source")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedSize(90, 40)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(self._path)])
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.exec(Qt.DropAction.CopyAction)


if __name__ == "__main__":
    application = QApplication(sys.argv)
    *place, path = sys.argv[1:]
    source = DragSource(path)
    if place == ["--copy"]:
        application.clipboard().setImage(QImage(path))
        source.setText("copied")
    else:
        source.move(int(place[0]), int(place[1]))
        source.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
    source.show()
    sys.exit(application.exec())
