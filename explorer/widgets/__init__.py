"""Parts of windows that know no panel: controls, dialogs, theme, icons."""
