"""Where a pane's coordinates lie on the paper: everything a mark needs to draw itself."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QFont, QPaintEngine, QPainter, QTransform

from explorer.canvas.resample import Area
from explorer.figure import Extent
from explorer.widgets.theme import LIGHT, Theme


@dataclass(frozen=True, slots=True)
class Projection:
    """Maps a pane's coordinates to logical pixels: ``px = x * sx + dx``, ``py = y * sy + dy``.

    Args:
        clip: the pane on the paper, in logical pixels.
        device: from logical to device pixels.
        theme: colours and sizes.
        photo: a picture lies underneath, so lines want a halo.
        vector: the paper is a vector drawing (SVG), which wants cells, not device pixels.
        log: whether x and y are shown as their logarithm.
        font: of words.
    """

    sx: float = 1.0
    sy: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    clip: QRectF = field(default_factory=QRectF)
    device: QTransform = field(default_factory=QTransform)
    theme: Theme = LIGHT
    photo: bool = True
    vector: bool = False
    log: tuple[bool, bool] = (False, False)
    font: QFont = field(default_factory=QFont)

    @classmethod
    def of(
        cls, painter: QPainter, rect: QRectF, theme: Theme, *, photo: bool, log: tuple[bool, bool], font: QFont
    ) -> "Projection":
        """Reads the transform of a painter whose coordinates are the pane's; ``rect`` is what is visible of them."""
        world = painter.worldTransform()
        engine = painter.paintEngine()
        return cls(
            sx=world.m11(),
            sy=world.m22(),
            dx=world.dx(),
            dy=world.dy(),
            clip=world.mapRect(rect),
            device=world.inverted()[0] * painter.deviceTransform(),
            theme=theme,
            photo=photo,
            vector=engine is not None and engine.type() == QPaintEngine.Type.SVG,
            log=log,
            font=font,
        )

    def x(self, values: ArrayLike) -> NDArray[np.float64]:
        return self.axis(values, 0) * self.sx + self.dx

    def y(self, values: ArrayLike) -> NDArray[np.float64]:
        return self.axis(values, 1) * self.sy + self.dy

    def axis(self, values: ArrayLike, which: int) -> NDArray[np.float64]:
        """Values as the axis counts them: their logarithm on a logarithmic one (NaN where there is none)."""
        array = np.asarray(values, dtype=np.float64)
        if not self.log[which]:
            return array
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log10(array)
        return np.where(np.isfinite(found), found, np.nan)

    def point(self, x: float, y: float) -> QPointF:
        return QPointF(float(self.x(x)), float(self.y(y)))

    def rect(self, extent: Extent) -> QRectF:
        x0, y0, x1, y1 = extent
        return QRectF(self.point(x0, y0), self.point(x1, y1)).normalized()

    def device_area(self, rect: QRectF) -> Area:
        there = self.device.mapRect(rect)
        return Area(there.left(), there.top(), there.right(), there.bottom())

    def colour(self, colour: int | str, opacity: float = 1.0) -> QColor:
        made = self.theme.colour(colour, photo=self.photo)
        made.setAlphaF(opacity)
        return made

    def finite(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logical pixels that the painter can take: far away ones are pulled near, NaN is off the paper."""
        found = np.clip(values, -1e5, 1e5)
        found[np.isnan(found)] = -1e5
        return found
