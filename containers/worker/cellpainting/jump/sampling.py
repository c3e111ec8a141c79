"""N sites of each well, by chance and yet always the same. Pure.

A site's chance is a number that a hash makes of the seed and of its own plate, well and site. So neither the order of
the rows nor any other plate has a say in which sites are taken, and a larger N takes the same sites and more.
"""

import hashlib

import numpy as np
import polars as pl

from cellpainting.jump.tables import BATCH, PLATE, SITE, SOURCE, WELL

PLATE_COLUMNS, SITE_COLUMNS = (SOURCE, BATCH, PLATE), (WELL, SITE)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
LAST_SHIFT = np.uint64(31)


def sample(frame: pl.DataFrame, most: np.ndarray, seed: int) -> np.ndarray:
    """Which rows to take: of each well at most as many sites as `most` has for them.

    Parameters
    ----------
    frame
        Image sets, with the columns of source, batch, plate, well and site as text; not changed.
    most : (rows,) int64
        How many sites of the row's well are wanted, the same for all rows of a well.

    Returns
    -------
    (rows,) bool
    """
    if frame.is_empty():
        return np.zeros(0, bool)
    codes, hashes = zip(*(_codes(frame[name]) for name in (*PLATE_COLUMNS, *SITE_COLUMNS)), strict=True)
    chance = np.full(len(frame), _hash(f"seed {seed}"), np.uint64)
    for code, known in zip(codes, hashes, strict=True):
        chance = _mixed(chance ^ known[code])
    well = np.zeros(len(frame), np.int64)
    for code, known in zip(codes[:-1], hashes[:-1], strict=True):
        well = well * len(known) + code
    order = np.lexsort((chance, well))
    ordered = well[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.empty(len(frame), np.int64)
    rank[order] = np.arange(len(frame)) - np.repeat(starts, np.diff(np.r_[starts, len(frame)]))
    return rank < most


def _codes(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """A number for each value, from 0 on, and the hash of each of them."""
    known = column.unique().sort()
    codes = column.cast(pl.Enum(known)).to_physical().to_numpy().astype(np.int64)
    return codes, np.array([_hash(text) for text in known], np.uint64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread each number over all 64 bits (Steele et al. 2014, SplitMix64, doi:10.1145/2660193.2660195)."""
    values = values + GOLDEN
    for shift, factor in MIX:
        values = (values ^ (values >> shift)) * factor
    mixed: np.ndarray = values ^ (values >> LAST_SHIFT)
    return mixed
