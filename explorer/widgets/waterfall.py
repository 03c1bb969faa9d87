"""Where a frame's time went, as one strip: a coloured span for each stage, the rate, the frame's age, the verdict."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.engine.timing import Summary
from explorer.i18n import tr
from explorer.widgets.theme import Theme

MARGIN = 8.0
BAR = 6.0


class Waterfall(QWidget):
    """Draws a Summary."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._summary: Summary | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def summary(self) -> Summary | None:
        return self._summary

    def set_summary(self, summary: Summary | None) -> None:
        self._summary = summary
        self.setToolTip(self._tooltip())
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.updateGeometry()
        self.update()

    def _tooltip(self) -> str:
        if self._summary is None:
            return ""
        lines = [f"{tr(name)}: {1000 * seconds:.1f} ms" for name, seconds in self._summary.stages]
        return "\n".join([*lines, tr("frame age: {ms:.0f} ms", ms=1000 * self._summary.frame_age)])

    def sizeHint(self) -> QSize:
        return QSize(200, round(2 * self._line() + BAR + 12))

    def minimumSizeHint(self) -> QSize:
        return QSize(100, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        summary = self._summary
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = QFontMetricsF(self.font())
        line = self._line()
        width = self.width() - 2 * MARGIN
        muted, text = QColor(self._theme.muted), QColor(self._theme.text)
        if summary is None:
            painter.setPen(muted)
            painter.drawText(
                QRectF(MARGIN, 0, width, self.height()),
                Qt.AlignmentFlag.AlignVCenter,
                tr("waiting for the first result"),
            )
            return
        head = tr("{fps:.1f} fps", fps=summary.fps) if summary.fps else ""
        parts = [part for part in (head, summary.verdict) if part]
        if summary.fps and summary.frame_age:
            parts.append(tr("frame age: {ms:.0f} ms", ms=1000 * summary.frame_age))
        painter.setPen(text)
        first = metrics.elidedText("  ·  ".join(parts), Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(MARGIN, 4, width, line), Qt.AlignmentFlag.AlignLeft, first)

        total = sum(seconds for _, seconds in summary.stages) or 1.0
        left, top = MARGIN, 4 + line + 3
        for i, (_, seconds) in enumerate(summary.stages):
            span = width * seconds / total
            painter.fillRect(QRectF(left, top, max(span - 1, 0.5), BAR), self._colour(i))
            left += span
        left, top = MARGIN, top + BAR + 2
        for i, (name, seconds) in enumerate(summary.stages):
            label = f"{tr(name)} {1000 * seconds:.1f}"
            if i == len(summary.stages) - 1:
                label += " ms"
            space = metrics.horizontalAdvance(label) + 22
            if left + space - 8 > MARGIN + width:
                break
            painter.setBrush(self._colour(i))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(QRectF(left, top + line / 2 - 3.5, 7, 7))
            painter.setPen(muted)
            painter.drawText(QRectF(left + 11, top, space, line), Qt.AlignmentFlag.AlignLeft, label)
            left += space

    def _line(self) -> float:
        """Height of a line of words; letters from a fallback font, such as Chinese ones, may be higher than the first font's."""
        return max(QFontMetricsF(self.font()).height(), 1.5 * self._theme.font)

    def _colour(self, i: int) -> QColor:
        return QColor(self._theme.palette[i % len(self._theme.palette)])
