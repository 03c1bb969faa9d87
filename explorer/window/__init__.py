"""What a person sees as one window: panels in docks, the ways to find and to open them, and how it all stood last time."""
