"""What the program remembers, the log, and what the system must give."""
