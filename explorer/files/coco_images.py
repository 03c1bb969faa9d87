"""A frame as COCO's JSON names it. Format: https://cocodataset.org/#format-data ."""

import re
from pathlib import PurePath
from typing import Any

from explorer.panel import Frame

COCO_NUMBER = re.compile(r"(\d{12})(?=\.\w+$)|^(\d+)(?=\.\w+$)")


def image_number(frame: Frame) -> int:
    """COCO's number where the file is named by one (``000000000009.jpg``), else that of the frame in its source."""
    found = COCO_NUMBER.search(PurePath(frame.source).name)
    return int(found.group(1) or found.group(2)) if found else frame.index


def image_entry(frame: Frame) -> dict[str, Any]:
    """Of the list ``images``."""
    width, height = frame.size
    return {"id": image_number(frame), "file_name": PurePath(frame.source).name, "width": width, "height": height}
