"""The desktop program: sources, engine, canvas and panels on top of :mod:`cvcore`."""
