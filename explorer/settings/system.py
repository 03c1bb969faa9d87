"""What the system must give before Qt starts: libraries, a display, a clean environment. Standard library only.

Qt ends the process itself when it finds no display or no library for one, so both are looked for first and named in one sentence.
``python -m explorer.settings.system --install [PACKAGE ...]`` installs what is missing where that is possible (root on Debian or Ubuntu).
"""

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from explorer.i18n import tr

# What the libraries of PySide6 name as NEEDED and do not bring along, with the Debian packages that hold them.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
XCB_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
WAYLAND_LIBRARIES = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
PROGRAMS = {"xvfb": "Xvfb"}
"""Commands whose Debian package has another name."""
KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Of oneDNN and of PyTorch's layer over it: compiled kernels are kept for every input size that a network has met."""
KERNELS_KEPT = 256
"""In place of 1,024. A network has 20 to 100 different ones, and 73 sizes of a MobileNetV2 hold 15 MB in place of 47."""


def clear_opencv_paths() -> None:
    """Forgets the folders of its own Qt 5 that ``import cv2`` puts into the environment; a user's own values stay.

    Call it right before the QApplication is made: ``cv2`` may have been imported since the start.
    """
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if "cv2" in Path(os.environ.get(name, "")).parts:
            del os.environ[name]


def missing_libraries(wanted: Mapping[str, str] = QT_LIBRARIES | XCB_LIBRARIES) -> list[str]:
    """The Debian packages of those shared libraries that cannot be loaded, sorted; empty where nothing is missing.

    Args:
        wanted: package names by the library's file name.
    """

    def loads(library: str) -> bool:
        try:
            ctypes.CDLL(library)
        except OSError:
            return False
        return True

    return sorted({package for library, package in wanted.items() if not loads(library)})


def _wayland_reachable() -> bool:
    name = os.environ.get("WAYLAND_DISPLAY", "")
    return bool(name) and Path(os.environ.get("XDG_RUNTIME_DIR", ""), name).exists()


def _x_reachable() -> bool:
    """Whether the X server of DISPLAY lets this process in. Without libxcb it is believed to."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    # Never closed: Xvfb starts anew when its last client leaves, and Qt would meet it half-way.
    return xcb.xcb_connection_has_error(xcb.xcb_connect(None, None)) == 0


def _on_debian() -> bool:
    try:
        lines = Path("/etc/os-release").read_text("utf-8").splitlines()
    except OSError:
        return False
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    names = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".replace('"', "").split()
    return bool({"debian", "ubuntu"} & set(names)) and shutil.which("apt-get") is not None


def install_command(packages: Sequence[str]) -> str:
    """What a person types on Debian or Ubuntu."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {shlex.join(packages)}"


def problem(*, window: bool = True) -> str:
    """One sentence on why Qt cannot start here, or empty.

    Args:
        window: a real window is wanted; else only Qt itself must load.
    """
    if sys.platform != "linux":
        return ""
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if platform not in ("", "xcb", "wayland"):
        window = False
    wayland = window and platform != "xcb" and _wayland_reachable()
    if window and not wayland and not _x_reachable():
        return tr(
            "There is no display to open a window on; "
            "'cv-explorer export SOURCE --panel NAME --out DIR' computes and saves without one."
        )
    libraries = QT_LIBRARIES | (WAYLAND_LIBRARIES if wayland else XCB_LIBRARIES if window else {})
    missing = missing_libraries(libraries)
    if not missing:
        return ""
    return tr(
        "Qt cannot start without these system packages (names of Debian and Ubuntu); install them with: {command}",
        command=install_command(missing),
    )


def prepare(*, window: bool = True) -> None:
    """Makes ready for Qt and PyTorch; call it before the first import of either.

    Raises:
        SystemExit: code 2, after one sentence on stderr, where Qt could not start.
    """
    clear_opencv_paths()
    for cache in KERNEL_CACHES:
        os.environ.setdefault(cache, str(KERNELS_KEPT))
    if sentence := problem(window=window):
        print(sentence, file=sys.stderr)
        raise SystemExit(2)


def install(programs: Sequence[str] = ()) -> bool:
    """Installs missing libraries, and the Debian packages ``programs`` whose commands are missing.

    Returns:
        Whether all is there now. Without the right to install, nothing is done, and what to type is printed.
    """
    if sys.platform != "linux":
        return not programs
    absent = [name for name in programs if shutil.which(PROGRAMS.get(name, name)) is None]
    packages = [*missing_libraries(), *absent]
    if not packages:
        return True
    if not _on_debian() or os.geteuid() != 0:
        print(tr("Missing here: {names}. On Debian and Ubuntu: {command}",
                 names=", ".join(packages), command=install_command(packages)), file=sys.stderr)  # fmt: skip
        return False
    print(tr("Installing {names} ...", names=" ".join(packages)), file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    # A fresh machine or container has no package lists yet, an old one has outdated ones; most have good ones.
    tried = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if tried.returncode:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False, stdout=subprocess.DEVNULL)
        tried = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if tried.returncode:
        print(tried.stderr.strip(), file=sys.stderr)
    return tried.returncode == 0


if __name__ == "__main__":
    if sys.argv[1:2] != ["--install"]:
        sys.exit("usage: python -m explorer.settings.system --install [PACKAGE ...]")
    # What is still missing then is said by the program, or by the tests that are left out.
    install(sys.argv[2:])
