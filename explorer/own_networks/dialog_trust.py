"""Asks whether a Python file may run."""

from pathlib import Path

from PySide6.QtWidgets import QMessageBox, QWidget

from explorer.i18n import tr

MOST_SHOWN = 200_000


def ask_trust(parent: QWidget, path: Path, digest: str) -> bool:
    """Whether the user says yes to this path with this content."""
    box = QMessageBox(parent)
    box.setObjectName("trust")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(tr("Run this file?"))
    box.setText(tr("{file} is a program. To get its network, it has to be run.", file=path.name))
    box.setInformativeText(
        tr(
            "It can do whatever you can do on this computer, and may run what lies beside it. Say yes only if you know where "
            "it comes from. You will be asked again when it changes.\n\n{path}\nSHA-256 {digest}",
            path=path,
            digest=" ".join(digest[i : i + 16] for i in range(0, len(digest), 16)),
        )
    )
    try:
        box.setDetailedText(path.read_text("utf-8", "replace")[:MOST_SHOWN])
    except OSError:
        return False
    yes = box.addButton(tr("Run it"), QMessageBox.ButtonRole.AcceptRole)
    yes.setObjectName("trust_yes")
    no = box.addButton(tr("Do not run it"), QMessageBox.ButtonRole.RejectRole)
    no.setObjectName("trust_no")
    box.setDefaultButton(no)
    box.setEscapeButton(no)
    box.exec()
    return box.clickedButton() is yes
