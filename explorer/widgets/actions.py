"""Every action of the window, once: its words, shortcut and icon. The menus, the toolbar and the ``?`` list are made from it."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["Source", "Playing", "Panels", "Saving", "Computing", "Window", "This panel"]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One thing to do.

    Args:
        name: the window's method that does it.
        text: English words, translated where shown.
        shortcut: as QKeySequence reads it.
        icon: a file in assets/icons, without its ending.
        checkable: it is on or off.
        keys: as the list of shortcuts shows them, where that is not ``shortcut``.
    """

    name: str
    text: str
    shortcut: str
    group: Group
    icon: str = ""
    checkable: bool = False
    keys: str = ""


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open_file", "Open a picture, video or bundle…", "Ctrl+O", "Source", "open"),
    ActionSpec("open_folder", "Open a folder of pictures…", "Ctrl+Shift+O", "Source", "folder"),
    ActionSpec("open_stream", "Open a network stream…", "Ctrl+L", "Source", "stream"),
    ActionSpec("open_camera", "Open the first camera", "Ctrl+K", "Source", "camera"),
    ActionSpec("paste", "Paste a picture or an address", "Ctrl+V", "Source", "paste"),
    ActionSpec("open_sample", "Next built-in photograph", "Ctrl+B", "Source", "samples"),
    ActionSpec("open_moving", "Moving picture", "Ctrl+M", "Source", "moving"),
    ActionSpec("mirror", "Mirror the camera", "M", "Source", "", checkable=True),
    ActionSpec("rotate", "Rotate the camera by 90°", "R", "Source"),
    ActionSpec("freeze", "Freeze", "Space", "Playing", "freeze", checkable=True),
    ActionSpec("play", "Play or pause", "P", "Playing", "play"),
    ActionSpec("step_back", "One frame back", ",", "Playing", "step-back"),
    ActionSpec("step_forward", "One frame on", ".", "Playing", "step-forward"),
    ActionSpec("previous", "Previous picture", "PgUp", "Playing", "previous"),
    ActionSpec("next", "Next picture", "PgDown", "Playing", "next"),
    ActionSpec("loop", "Repeat at the end", "L", "Playing", "loop", checkable=True),
    ActionSpec("slower", "Slower", "[", "Playing"),
    ActionSpec("faster", "Faster", "]", "Playing"),
    ActionSpec("find_anything", "Find a panel, a control or an explanation…", "Ctrl+P", "Panels", "search"),
    ActionSpec("show_start", "Start page", "Ctrl+H", "Panels", "panels"),
    ActionSpec("open_model", "Open a network of your own…", "Ctrl+Shift+M", "Panels", "layers"),
    ActionSpec("duplicate_panel", "Open the panel once more", "Ctrl+N", "Panels", "panels"),
    ActionSpec("next_panel", "Go to the next panel", "F6", "Panels"),
    ActionSpec("close_panel", "Close the panel", "Ctrl+W", "Panels"),
    ActionSpec("fit", "Fit the pictures", "Ctrl+0", "Panels", "fit"),
    ActionSpec("toggle_side", "Show or hide the controls", "F9", "Panels"),
    ActionSpec("save_frame", "Save the frame…", "Ctrl+S", "Saving", "save"),
    ActionSpec("save_png", "Save the panel as PNG…", "Ctrl+Shift+S", "Saving"),
    ActionSpec("save_svg", "Save the panel as SVG…", "Ctrl+Shift+G", "Saving"),
    ActionSpec("save_csv", "Save the data as CSV…", "Ctrl+E", "Saving"),
    ActionSpec("save_npz", "Save the data as NPZ…", "Ctrl+Shift+E", "Saving"),
    ActionSpec("save_files", "Save the panel's own data…", "Ctrl+Shift+J", "Saving"),
    ActionSpec("save_bundle", "Save everything as a bundle…", "Ctrl+Shift+B", "Saving", "export"),
    ActionSpec("record", "Record, or stop recording", "Ctrl+R", "Saving", "", checkable=True),
    ActionSpec("copy", "Copy the panel", "Ctrl+C", "Saving", "copy"),
    ActionSpec("next_device", "Next device", "Ctrl+D", "Computing"),
    ActionSpec("next_precision", "Next precision", "Ctrl+Shift+P", "Computing"),
    ActionSpec("fewer_threads", "Fewer threads", "Ctrl+-", "Computing"),
    ActionSpec("more_threads", "More threads", "Ctrl++", "Computing"),
    ActionSpec("show_weights", "Weights…", "Ctrl+Shift+W", "Computing", "data"),
    ActionSpec("next_theme", "Light, dark, projector", "Ctrl+T", "Window", "theme"),
    ActionSpec("next_language", "English, 简体中文", "Ctrl+Shift+L", "Window", "language"),
    ActionSpec("full_screen", "Full screen", "F11", "Window"),
    ActionSpec("copy_diagnostics", "Copy diagnostics", "Ctrl+Shift+D", "Window"),
    ActionSpec("show_shortcuts", "Keyboard shortcuts", "?", "Window", "help"),
    ActionSpec("quit", "Quit", "Ctrl+Q", "Window"),
)

GO_TO_PANEL = ActionSpec("go_to", "Go to the first, second, … open panel", "Ctrl+1", "Panels", keys="Ctrl+1 … Ctrl+9")
"""Of the list of shortcuts only: the desk has an action for each."""
