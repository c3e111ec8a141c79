"""Compiled loops over arrays. NumPy and the standard library only; `compile.py` compiles them, ahead of any job."""
