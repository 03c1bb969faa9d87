"""The canvas turns a Figure into pixels, and the mouse into Spots and edits."""

from explorer.canvas.canvas import Canvas

__all__ = ["Canvas"]
