"""The main window and the panels' docks in it."""
