"""CellProfiler's own measurements made faster: the same values, by compiled kernels in place of its functions.

One file per part of CellProfiler, named for it (`parts.py` lists them), with kernels in `kernels/`. It runs under
CellProfiler's Python: NumPy, Numba and CellProfiler only. Nothing is replaced but what `replacing.py` has checked.
"""
