"""Pictures, figures and data written to files, in the window and without one."""
