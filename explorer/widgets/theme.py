"""How the program looks: three themes, each one palette and one style sheet for the whole application.

Nothing else in the program calls ``setStyleSheet``. A label says what it is through the dynamic property ``role`` (see
:data:`ROLES`); a ``QToolButton`` or ``QPushButton`` may have ``role="primary"`` or ``role="flat"``. After changing a role of a
widget that is already shown, call :func:`set_role`, which makes Qt look again.
"""

from dataclasses import dataclass
from string import Template

from PySide6.QtCore import QDir
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from cvcore.assets import asset

ROLES = ("title", "heading", "muted", "small", "mono", "badge", "warning", "error", "note", "readout")
"""What ``role`` a QLabel may have."""


BRIGHT = ("#4fa3f7", "#e9a21b", "#2ec49a", "#ff7a45", "#e58cc0", "#86d9ff", "#f0e442", "#b9c0cc")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours, sizes and spacing of one look. Colours are ``#rrggbb``, sizes are logical pixels.

    Args:
        name: ``light``, ``dark`` or ``projector``.
        window, surface, raised: backgrounds from back to front: window, panels and fields, buttons and headers.
        hover: the background of what the pointer is on.
        canvas: behind pictures and tiles.
        text, muted: words, and words of less weight; both reach WCAG AA on window, surface and raised.
        border: hairlines.
        accent, on_accent: selection and focus, and words on it.
        accent_soft: a background tinted with the accent.
        warning, warning_soft, error, error_soft: words, and the background behind them.
        palette, photo_palette: what a mark's colour index means, colour-blind safe (after Okabe and Ito, "Color Universal Design",
            2008): blue, orange, green, vermilion, purple, sky, yellow, grey. On charts shifted to at least 3:1 against
            ``surface``; on pictures always bright.
        halo: drawn around lines and words that lie on a picture.
        font, small, title: font sizes.
        line: scales the width of every drawn line, and the size of points.
        space: the unit of padding.
        radius: of rounded corners.
    """

    name: str
    window: str
    surface: str
    raised: str
    hover: str
    canvas: str
    text: str
    muted: str
    border: str
    accent: str
    on_accent: str
    accent_soft: str
    warning: str
    warning_soft: str
    error: str
    error_soft: str
    palette: tuple[str, ...]
    photo_palette: tuple[str, ...] = BRIGHT
    halo: str = "#000000"
    font: int = 13
    small: int = 12
    title: int = 15
    line: float = 1.0
    space: int = 4
    radius: int = 6

    def colour(self, colour: int | str, *, photo: bool = False) -> QColor:
        """The colour of a mark, on a chart or on a picture: a palette index (it wraps around) or ``#rrggbb`` itself."""
        palette = self.photo_palette if photo else self.palette
        return QColor(palette[colour % len(palette)] if isinstance(colour, int) else colour)


LIGHT = Theme(
    name="light",
    window="#f3f4f7",
    surface="#ffffff",
    raised="#eceef2",
    hover="#e2e5ec",
    canvas="#e9ebf0",
    text="#1a1e27",
    muted="#586273",
    border="#d8dce4",
    accent="#1f63d0",
    on_accent="#ffffff",
    accent_soft="#dfeafc",
    warning="#7d4e00",
    warning_soft="#fdf1d8",
    error="#b3212b",
    error_soft="#fde8e8",
    palette=("#0072b2", "#c47600", "#008560", "#d04f00", "#b0508a", "#2388c2", "#857d00", "#5b6472"),
)

DARK = Theme(
    name="dark",
    window="#14161b",
    surface="#1b1e25",
    raised="#262a33",
    hover="#303540",
    canvas="#0f1115",
    text="#e7e9ee",
    muted="#9ea7b6",
    border="#2e333d",
    accent="#6aa5ff",
    on_accent="#0b1220",
    accent_soft="#1f3354",
    warning="#f0c060",
    warning_soft="#38301c",
    error="#ff8d8a",
    error_soft="#402226",
    palette=BRIGHT,
)

PROJECTOR = Theme(
    name="projector",
    window="#ffffff",
    surface="#ffffff",
    raised="#e8eaee",
    hover="#d5d9e0",
    canvas="#dfe2e7",
    text="#000000",
    muted="#3c434e",
    border="#8f97a3",
    accent="#0a4db0",
    on_accent="#ffffff",
    accent_soft="#d3e2fb",
    warning="#6b4100",
    warning_soft="#ffecc2",
    error="#9c0f1a",
    error_soft="#fddcdc",
    palette=("#005f9e", "#b35f00", "#00704f", "#b83f00", "#973c74", "#0f74ad", "#6b6400", "#454d59"),
    font=19,
    small=17,
    title=22,
    line=1.8,
    space=6,
    radius=8,
)

THEMES: dict[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK, PROJECTOR)}


def set_role(widget: QWidget, role: str) -> None:
    """Gives a widget a role; one that is already shown is drawn anew."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def load_fonts(app: QApplication) -> tuple[str, ...]:
    """Loads every font in ``assets/fonts`` to stand in for glyphs that the system's own family lacks.

    Where the desktop names no family of its own but only "Sans Serif", the shipped ones come first.

    Returns:
        the families loaded.
    """
    shipped: list[str] = []
    folder = asset("fonts")
    # In the order of their names: Noto Sans has the letters, Signs what it lacks.
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in {".ttf", ".otf", ".ttc"}:
            number = QFontDatabase.addApplicationFont(str(path))
            shipped += [family for family in QFontDatabase.applicationFontFamilies(number) if family not in shipped]
    font = app.font()
    there = set(QFontDatabase.families())
    own = [family for family in font.families() if family in there and family not in shipped]
    if own or shipped:
        font.setFamilies([*own, *shipped])
        app.setFont(font)
    return tuple(shipped)


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Dresses the whole application; what is already open changes at once."""
    if app.style().name().lower() != "fusion":
        app.setStyle("Fusion")
    QDir.setSearchPaths("theme", [str(asset("icons", "theme"))])
    font = QFont(app.font())
    font.setPixelSize(theme.font)
    app.setFont(font)
    app.setPalette(_palette(theme))
    app.setStyleSheet(style_sheet(theme))


def style_sheet(theme: Theme) -> str:
    """The application's style sheet in this theme."""
    names = {name: getattr(theme, name) for name in Theme.__slots__}
    space = theme.space
    return Template(_SHEET).substitute(
        names,
        half=space // 2,
        space2=2 * space,
        space3=3 * space,
        tight=3 * space // 2,
        inner=theme.radius - 2,
        control=theme.font + 3 * space,
        box=theme.font + 3,
        groove=space,
        knob=theme.font + 3,
        knob_out=-(theme.font + 3 - space) // 2,
        knob_radius=(theme.font + 3) // 2,
        bar=theme.font - 2,
        bar_radius=(theme.font - 2 - 4) // 2,
        arrow=theme.font - 3,
        row=theme.font + 2 * space + 1,
        icon=theme.font + 2,
        faded=_faded(theme).name(),
    )


def _faded(theme: Theme) -> QColor:
    """Words of what is disabled."""
    ink, ground = QColor(theme.muted), QColor(theme.surface)

    def mix(a: int, b: int) -> int:
        return round(0.6 * a + 0.4 * b)

    return QColor(mix(ink.red(), ground.red()), mix(ink.green(), ground.green()), mix(ink.blue(), ground.blue()))


def _palette(theme: Theme) -> QPalette:
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    for which, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.surface),
        (role.AlternateBase, theme.window),
        (role.Text, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.Button, theme.raised),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.error),
        (role.ToolTipBase, theme.raised),
        (role.ToolTipText, theme.text),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.on_accent),
        (role.Accent, theme.accent),
        (role.Link, theme.accent),
        (role.LinkVisited, theme.accent),
        (role.Light, theme.hover),
        (role.Midlight, theme.hover),
        (role.Mid, theme.border),
        (role.Dark, theme.border),
        (role.Shadow, theme.border),
    ):
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, which, _faded(theme))
    palette.setColor(group.Disabled, role.Highlight, QColor(theme.border))
    return palette


_SHEET = """
QMainWindow, QDialog { background: $window; }
QMainWindow::separator { background: $window; width: ${space}px; height: ${space}px; }
QMainWindow::separator:hover { background: $accent; }
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: ${space}px ${space2}px; }

QLabel { background: transparent; }
QLabel[role="title"] { font-size: ${title}px; font-weight: 700; }
QLabel[role="heading"] { font-weight: 700; }
QLabel[role="muted"] { color: $muted; }
QLabel[role="small"] { color: $muted; font-size: ${small}px; }
QLabel[role="mono"], QLabel[role="readout"] { color: $muted; font-size: ${small}px; }
QLabel[role="badge"] { background: $accent_soft; color: $text; border-radius: ${radius}px; padding: ${half}px ${space2}px;
    font-size: ${small}px; }
QLabel[role="note"] { background: $accent_soft; color: $text; border-radius: ${radius}px; padding: ${space}px ${space2}px; }
QLabel[role="warning"] { background: $warning_soft; color: $warning; border-radius: ${radius}px;
    padding: ${space}px ${space2}px; }
QLabel[role="error"] { background: $error_soft; color: $error; border-radius: ${radius}px; padding: ${space}px ${space2}px; }

QFrame[role="card"] { background: $surface; border: 1px solid $border; border-radius: ${radius}px; }
QFrame[role="page"] { background: $window; border: none; }
QFrame[role="palette"] { background: $surface; border: 1px solid $accent; border-radius: ${radius}px; }
QFrame[role="line"] { background: $border; border: none; max-height: 1px; min-height: 1px; }

QToolBar { background: $window; border: none; border-bottom: 1px solid $border; padding: ${space}px; spacing: 2px; }
QToolBar::separator { background: $border; width: 1px; margin: ${space}px; }
QStatusBar { background: $window; color: $muted; border-top: 1px solid $border; font-size: ${small}px; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; font-size: ${small}px; padding: 0 ${space}px; }

QPushButton, QToolButton { background: $raised; color: $text; border: 1px solid $border; border-radius: ${radius}px;
    padding: ${space}px ${space3}px; }
QToolButton { padding: ${space}px ${space2}px; }
QToolBar QToolButton { padding: ${space}px ${tight}px; }
QToolBar QToolButton, QToolButton[autoRaise="true"], QToolButton[role="flat"], QPushButton[role="flat"] {
    background: transparent; border-color: transparent; }
QToolButton[role="compact"] { background: transparent; border-color: transparent; padding: 0 ${space}px; color: $muted; }
QPushButton:hover, QToolButton:hover, QToolBar QToolButton:hover, QToolButton[autoRaise="true"]:hover,
QToolButton[role="flat"]:hover, QPushButton[role="flat"]:hover, QToolButton[role="compact"]:hover {
    background: $hover; color: $text; }
QPushButton:pressed, QToolButton:pressed, QToolBar QToolButton:pressed { background: $border; }
QPushButton:checked, QToolButton:checked, QToolBar QToolButton:checked { background: $accent_soft; border-color: $accent;
    color: $text; }
QPushButton:focus, QToolButton:focus { border-color: $accent; }
QPushButton[role="primary"], QPushButton:default { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton[role="primary"]:hover, QPushButton:default:hover { background: $accent; color: $on_accent; border-color: $text; }
QPushButton:disabled, QToolButton:disabled, QToolBar QToolButton:disabled { color: $faded; border-color: transparent; }
QToolButton::menu-indicator { image: none; width: 0; }
QToolButton[popupMode="1"] { padding-right: ${space3}px; }
QToolButton::menu-button { border: none; width: ${arrow}px; }
QToolButton::menu-arrow { image: url(theme:chevron-down.svg); width: ${arrow}px; height: ${arrow}px; }

QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QDoubleSpinBox, QComboBox { background: $surface; color: $text;
    border: 1px solid $border; border-radius: ${radius}px; padding: ${half}px ${space2}px;
    selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { min-height: ${control}px; max-height: ${control}px; padding-top: 0;
    padding-bottom: 0; }
QLineEdit:hover, QSpinBox:hover, QDoubleSpinBox:hover, QComboBox:hover { border-color: $muted; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {
    border-color: $accent; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { background: $window; color: $faded; }
QComboBox QLineEdit { border: none; background: transparent; padding: 0 ${space}px; min-height: 0; }
QComboBox::drop-down { border: none; width: ${control}px; }
QComboBox::down-arrow { image: url(theme:chevron-down.svg); width: ${arrow}px; height: ${arrow}px; }
QComboBox QAbstractItemView { background: $surface; color: $text; border: 1px solid $border; padding: ${half}px; outline: 0;
    selection-background-color: $accent_soft; selection-color: $text; }
QSpinBox, QDoubleSpinBox { padding-right: ${control}px; qproperty-alignment: AlignRight; }
QSpinBox::up-button, QDoubleSpinBox::up-button { subcontrol-origin: border; subcontrol-position: top right; border: none;
    width: ${control}px; }
QSpinBox::down-button, QDoubleSpinBox::down-button { subcontrol-origin: border; subcontrol-position: bottom right;
    border: none; width: ${control}px; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url(theme:chevron-up.svg); width: ${arrow}px; height: ${arrow}px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url(theme:chevron-down.svg); width: ${arrow}px;
    height: ${arrow}px; }

QCheckBox, QRadioButton { spacing: ${space2}px; background: transparent; }
QCheckBox::indicator, QRadioButton::indicator { width: ${box}px; height: ${box}px; background: $surface;
    border: 1px solid $muted; border-radius: ${space}px; }
QRadioButton::indicator { border-radius: ${knob_radius}px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover, QCheckBox::indicator:focus { border-color: $accent; }
QCheckBox::indicator:checked, QRadioButton::indicator:checked { background: $accent; border-color: $accent;
    image: url(theme:check-$name.svg); }
QCheckBox:disabled, QRadioButton:disabled { color: $faded; }

QSlider { background: transparent; }
QSlider:horizontal { min-height: ${control}px; max-height: ${control}px; }
QSlider::groove:horizontal { height: ${groove}px; background: $border; border-radius: ${half}px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: ${half}px; }
QSlider::handle:horizontal { width: ${knob}px; height: ${knob}px; margin: ${knob_out}px 0; border-radius: ${knob_radius}px;
    background: $surface; border: 1px solid $muted; }
QSlider::groove:vertical { width: ${groove}px; background: $border; border-radius: ${half}px; }
QSlider::add-page:vertical { background: $accent; border-radius: ${half}px; }
QSlider::handle:vertical { width: ${knob}px; height: ${knob}px; margin: 0 ${knob_out}px; border-radius: ${knob_radius}px;
    background: $surface; border: 1px solid $muted; }
QSlider::handle:hover, QSlider::handle:focus { border: 2px solid $accent; }
QSlider::handle:disabled { background: $raised; border-color: $border; }
QSlider::sub-page:horizontal:disabled { background: $border; }

QTreeView, QTableView, QListView { background: $surface; alternate-background-color: $window; color: $text; border: none;
    outline: 0; gridline-color: $border; selection-background-color: $accent_soft; selection-color: $text; }
QTreeView::item, QListView::item { height: ${row}px; padding: 0 ${space}px; border: none; }
QTableView::item { padding: 0 ${space}px; border: none; }
QTreeView::item:hover, QTableView::item:hover, QListView::item:hover { background: $hover; }
QTreeView::item:selected, QTableView::item:selected, QListView::item:selected { background: $accent_soft; color: $text; }
QTreeView::branch { background: transparent; }
QTreeView::branch:has-children:closed { image: url(theme:chevron-right.svg); }
QTreeView::branch:has-children:open { image: url(theme:chevron-down.svg); }
QHeaderView { background: $surface; border: none; }
QHeaderView::section { background: $surface; color: $muted; border: none; border-bottom: 1px solid $border;
    padding: ${half}px ${space2}px; font-size: ${small}px; font-weight: 700; }
QTableCornerButton::section { background: $surface; border: none; }

QTabWidget::pane { border: none; border-top: 1px solid $border; }
QTabBar { background: transparent; border: none; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $muted; border: none; border-bottom: 2px solid transparent;
    padding: ${space}px ${space3}px; margin: 0; }
QTabBar::tab:hover { color: $text; background: $hover; border-top-left-radius: ${radius}px;
    border-top-right-radius: ${radius}px; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar::close-button { image: url(theme:close.svg); }
QTabBar::close-button:hover { background: $hover; border-radius: ${inner}px; }

QDockWidget { color: $text; font-weight: 700; titlebar-close-icon: url(theme:close.svg);
    titlebar-normal-icon: url(theme:float.svg); icon-size: ${icon}px; }
QDockWidget::title { background: $surface; text-align: left; padding: ${space}px ${space2}px;
    border-top-left-radius: ${radius}px; border-top-right-radius: ${radius}px; }
QDockWidget::close-button, QDockWidget::float-button { border: none; background: transparent; border-radius: ${inner}px;
    padding: 0; }
QDockWidget::close-button:hover, QDockWidget::float-button:hover { background: $hover; }
QDockWidget > QWidget { background: $surface; }

QMenuBar { background: $window; border-bottom: 1px solid $border; }
QMenuBar::item { background: transparent; padding: ${space}px ${space2}px; border-radius: ${inner}px; }
QMenuBar::item:selected, QMenuBar::item:pressed { background: $hover; }
QMenu { background: $surface; color: $text; border: 1px solid $border; padding: ${space}px; }
QMenu::item { padding: ${space}px ${space3}px; border-radius: ${inner}px; background: transparent; }
QMenu::item:selected { background: $accent_soft; color: $text; }
QMenu::item:disabled { color: $faded; }
QMenu::separator { height: 1px; background: $border; margin: ${space}px ${space2}px; }
QMenu::indicator { width: ${box}px; height: ${box}px; margin-left: ${space}px; }
QMenu::indicator:checked { image: url(theme:tick.svg); }

QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QScrollBar { background: transparent; border: none; margin: 0; }
QScrollBar:vertical { width: ${bar}px; }
QScrollBar:horizontal { height: ${bar}px; }
QScrollBar::handle { background: $border; border-radius: ${bar_radius}px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QAbstractScrollArea::corner { background: transparent; border: none; }

QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $accent; }

QProgressBar { background: $raised; border: none; border-radius: ${half}px; min-height: ${space}px; max-height: ${space}px;
    text-align: center; color: transparent; }
QProgressBar::chunk { background: $accent; border-radius: ${half}px; }

QGroupBox { border: 1px solid $border; border-radius: ${radius}px; margin-top: ${title}px; padding: ${space2}px; }
QGroupBox::title { subcontrol-origin: margin; left: ${space2}px; color: $muted; }
"""
