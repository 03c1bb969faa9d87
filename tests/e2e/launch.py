"""Runs a program as ``python -m`` would, and tells over a socket what its windows show: ``launch.py SOCKET MODULE [ARG ...]``.

MODULE is a module's name or a path ending in ``.py``. Tests read positions and words from here and act with the real mouse and
keyboard; nothing in the program is changed or called. Every connection gets one JSON object: the visible ``widgets``, or an ``error``.
"""

import json
import runpy
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

MOST_ROWS = 400


def said(widget: Any) -> str:
    """The words on a widget, whatever its class calls them."""
    for name in ("text", "title", "currentText", "toPlainText"):
        method = getattr(widget, name, None)
        if callable(method):
            return str(method())
    return str(widget.windowTitle())


def on_screen(widget: Any, rect: Any) -> list[int]:
    corner = widget.mapToGlobal(rect.topLeft())
    return [corner.x(), corner.y(), rect.width(), rect.height()]


def rows_of(view: Any, parent: Any, depth: int) -> list[dict[str, Any]]:
    """The rows of an item view that can be seen or scrolled to, from the top."""
    from PySide6.QtWidgets import QListView

    model, rows = view.model(), []
    columns = 1 if isinstance(view, QListView) else model.columnCount(parent)  # QListWidget's model hides its own count
    expanded = getattr(view, "isExpanded", lambda index: False)
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        cells = [str(model.index(row, column, parent).data() or "") for column in range(columns)]
        rect = on_screen(view.viewport(), view.visualRect(index))
        selected = bool(view.selectionModel() and view.selectionModel().isSelected(index))
        rows.append({"text": cells[0], "cells": cells, "rect": rect, "depth": depth, "selected": selected})
        if expanded(index):
            rows += rows_of(view, index, depth + 1)
        if len(rows) > MOST_ROWS:
            break
    return rows


def plots_of(view: Any) -> list[dict[str, Any]]:
    """The pyqtgraph view boxes of a graphics view, with the range of coordinates that each shows."""
    plots = []
    for item in view.scene().items() if view.scene() else []:
        if hasattr(item, "viewRange") and hasattr(item, "sceneBoundingRect") and item.isVisible():
            rect = view.mapFromScene(item.sceneBoundingRect()).boundingRect()
            flipped = bool(item.yInverted()) if hasattr(item, "yInverted") else False
            plots.append({"rect": on_screen(view.viewport(), rect), "range": item.viewRange(), "y_down": flipped})
    return plots


def describe(widget: Any) -> dict[str, Any]:
    from PySide6 import QtWidgets

    facts: dict[str, Any] = {
        "kind": type(widget).__name__,
        "kinds": [kind.__name__ for kind in type(widget).__mro__],
        "name": widget.objectName(),
        "text": said(widget).replace("&", ""),
        "tip": widget.toolTip(),
        "window": widget.window().windowTitle(),
        "rect": on_screen(widget, widget.rect()),
        "enabled": widget.isEnabled(),
        "focus": widget.hasFocus(),
        "checked": bool(widget.isChecked()) if hasattr(widget, "isChecked") else None,
        "rows": [],
        "plots": [],
    }
    if isinstance(widget, QtWidgets.QMenu | QtWidgets.QMenuBar):
        facts["rows"] = [
            {"text": action.text().replace("&", ""), "rect": on_screen(widget, widget.actionGeometry(action)),
             "enabled": action.isEnabled(), "checked": action.isChecked()}
            for action in widget.actions() if action.isVisible() and not action.isSeparator()
        ]  # fmt: skip
    elif isinstance(widget, QtWidgets.QTabBar):
        facts["rows"] = [
            {"text": widget.tabText(tab).replace("&", ""), "rect": on_screen(widget, widget.tabRect(tab)),
             "selected": tab == widget.currentIndex()}
            for tab in range(widget.count())
        ]  # fmt: skip
    elif isinstance(widget, QtWidgets.QAbstractItemView) and widget.model():
        facts["rows"] = rows_of(widget, widget.rootIndex(), 0)
    elif isinstance(widget, QtWidgets.QComboBox):
        facts["rows"] = [{"text": widget.itemText(item)} for item in range(widget.count())]
    elif isinstance(widget, QtWidgets.QGraphicsView):
        facts["plots"] = plots_of(widget)
    return facts


def describe_all() -> list[dict[str, Any]]:
    from PySide6.QtWidgets import QApplication, QWidget

    widgets = []
    for window in QApplication.topLevelWidgets():
        if window.isVisible():
            widgets += [window, *(child for child in window.findChildren(QWidget) if child.isVisible())]
    return [describe(widget) for widget in widgets if not widget.visibleRegion().isEmpty()]


def ask_window_thread() -> dict[str, Any]:
    """``describe_all`` run by the thread that owns the windows; an error of it comes back as words."""
    application = getattr(sys.modules.get("PySide6.QtWidgets"), "QApplication", None)
    application = application and application.instance()
    if application is None:
        return {"widgets": []}
    from PySide6.QtCore import QObject, Signal

    answers: list[dict[str, Any]] = []
    answered = threading.Event()

    class Question(QObject):
        asked = Signal()

        def answer(self) -> None:
            try:
                answers.append({"widgets": describe_all()})
            except Exception:
                answers.append({"error": traceback.format_exc()})
            answered.set()

    question = Question()
    question.asked.connect(question.answer)
    question.moveToThread(application.thread())
    question.asked.emit()
    answered.wait(20)
    question.deleteLater()
    return answers[0] if answers else {"error": "the window did not answer within 20 s"}


def serve(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(json.dumps(ask_window_thread()).encode())


def main() -> None:
    path, module, *arguments = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    threading.Thread(target=serve, args=(server,), name="test server", daemon=True).start()
    sys.path[0] = str(Path.cwd())
    sys.argv = [module, *arguments]
    if module.endswith(".py"):
        runpy.run_path(module, run_name="__main__")
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
