"""Libraries, displays and the environment, on a system as it is and on ones made poor for the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.settings import system

linux = pytest.mark.skipif(sys.platform != "linux", reason="about the system libraries of Linux")


def test_paths_of_opencv_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM_PLUGIN_PATH", "/venv/site-packages/cv2/qt/plugins")
    monkeypatch.setenv("QT_QPA_FONTDIR", "/usr/share/my-fonts")
    system.clear_opencv_paths()
    assert "QT_QPA_PLATFORM_PLUGIN_PATH" not in os.environ
    assert os.environ["QT_QPA_FONTDIR"] == "/usr/share/my-fonts"


@linux
def test_paths_that_opencv_really_sets_are_forgotten() -> None:
    code = "import os, cv2; from explorer.settings import system; system.clear_opencv_paths(); "
    code += "print([name for name in os.environ if name.startswith('QT_QPA_') and name != 'QT_QPA_PLATFORM'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@linux
def test_missing_libraries_names_packages_once() -> None:
    there = {"libc.so.6": "libc6"}
    gone = {"libnot-there.so.1": "libnot-there1", "libnot-there-extra.so.1": "libnot-there1"}
    assert system.missing_libraries(there) == []
    assert system.missing_libraries(there | gone) == ["libnot-there1"]


@linux
@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf (Debian: binutils)")
def test_every_library_that_qt_needs_is_looked_for() -> None:
    import PySide6

    qt = Path(PySide6.__file__).parent / "Qt"
    names = ("plugins/platforms/libqxcb.so", "lib/libQt6XcbQpa.so.6", "lib/libQt6Widgets.so.6", "lib/libQt6Gui.so.6")
    names += (
        "lib/libQt6DBus.so.6",
        "lib/libQt6Svg.so.6",
        "plugins/platforms/libqwayland.so",
        "lib/libQt6WaylandClient.so.6",
    )
    needed: set[str] = set()
    for name in names:
        listing = subprocess.run(["readelf", "-d", qt / name], capture_output=True, text=True, check=True).stdout
        needed |= {line.partition("[")[2].rstrip("]") for line in listing.splitlines() if "(NEEDED)" in line}
    brought = {path.name for path in (qt / "lib").iterdir()}
    # In every Debian system, and next to libglib-2.0 in its package.
    always = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libgthread-2.0.so.0"}
    looked_for = system.QT_LIBRARIES.keys() | system.XCB_LIBRARIES.keys() | system.WAYLAND_LIBRARIES.keys()
    assert needed - brought - always == looked_for


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


@linux
@pytest.mark.parametrize("display", [None, "", ":987"], ids=["none", "empty", "unreachable"])
def test_no_display_is_one_sentence_and_code_2(
    no_display: None, monkeypatch: pytest.MonkeyPatch, display: str | None
) -> None:
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    code = "from explorer.settings import system; system.prepare(); print('went on')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "cv-explorer export" in run.stderr


def test_kernels_of_past_input_sizes_are_not_kept_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = system.KERNEL_CACHES
    monkeypatch.setenv(first, "7")
    monkeypatch.delenv(second, raising=False)
    code = "import os; from explorer.settings import system; system.prepare(window=False); "
    code += f"print([os.environ[k] for k in {[first, second]}])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(["7", str(system.KERNELS_KEPT)])  # a user's own value stays


@linux
def test_offscreen_needs_no_display(no_display: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert system.problem() == ""


@linux
def test_headless_needs_no_display(no_display: None) -> None:
    assert system.problem(window=False) == ""


@linux
def test_a_wayland_display_will_do(no_display: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(system, "WAYLAND_LIBRARIES", {})
    assert "no display" in system.problem()
    (tmp_path / "wayland-0").touch()
    assert system.problem() == ""


@linux
def test_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_x_reachable", lambda: True)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setitem(system.XCB_LIBRARIES, "libnot-there.so.1", "libnot-there1")
    sentence = system.problem()
    assert sentence.endswith("apt-get install -y --no-install-recommends libnot-there1")


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An apt-get whose package lists are empty until ``update``; its calls are in the file returned."""
    log, lists = tmp_path / "calls", tmp_path / "lists"
    fake = tmp_path / "bin" / "apt-get"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\nif [ "$1" = update ]; then touch {lists}; else test -e {lists}; fi\n'
    )
    fake.chmod(0o755)
    log.touch()
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setattr(system, "_on_debian", lambda: True)
    monkeypatch.setattr(system, "missing_libraries", lambda: ["libnot-there1"])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return log


@linux
def test_root_on_debian_installs_and_updates_only_if_needed(apt: Path) -> None:
    install = "install -y -qq --no-install-recommends libnot-there1 no-such-program"
    assert system.install(["sh", "no-such-program"])
    assert apt.read_text().splitlines() == [install, "update -qq", install]
    apt.write_text("")
    assert system.install(["no-such-program"])
    assert apt.read_text().splitlines() == [install]


@linux
def test_without_rights_nothing_is_installed_and_the_command_is_named(
    apt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not system.install()
    assert apt.read_text() == ""
    assert "sudo apt-get install -y --no-install-recommends libnot-there1" in capsys.readouterr().err


@linux
def test_nothing_missing_calls_nothing(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "missing_libraries", list)
    assert system.install(["sh"])
    assert apt.read_text() == ""
