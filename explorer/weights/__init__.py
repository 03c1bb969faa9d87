"""Getting weights that are not shipped, in the window and from the command line."""
