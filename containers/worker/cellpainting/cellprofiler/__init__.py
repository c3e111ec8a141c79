"""CellProfiler, run as a process in an environment of its own, and held to what it promised."""
