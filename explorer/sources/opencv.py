"""OpenCV, imported so that it neither disturbs Qt nor writes to the terminal. Sources say ``from explorer.sources.opencv import cv2``.

``import cv2`` points Qt to the Qt 5 folders inside OpenCV; FFmpeg and OpenCV report every lost stream on stderr, where a person gets
a sentence in the window instead.
"""

import os

_QT_PATHS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _QT_PATHS}
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when FFmpeg is first used
os.environ.setdefault(
    "OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0"
)  # Windows: opens cameras in tens of seconds otherwise
os.environ.setdefault(
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2"
)  # Linux: seconds a dead camera may hold a read; 10 otherwise

import cv2  # noqa: E402

for _name, _value in _before.items():
    if _value is None:
        os.environ.pop(_name, None)
    else:
        os.environ[_name] = _value
if "OPENCV_LOG_LEVEL" not in os.environ:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
# Its work here is small pieces; its own threads would take the processors from the network that computes meanwhile.
cv2.setNumThreads(1)

__all__ = ["cv2"]
