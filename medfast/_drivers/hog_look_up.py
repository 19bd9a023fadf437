"""The votes of all gradients of bytes, for large images of them.

Looked up, cells take 0.68 of the time while the table stays in a cache, and 1.1 where other work pushes it out.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import hog_tables

_WORTH_IT = 2**16  # pixels of a call that a table is made for; once there is one, it serves fewer, too
_ENOUGH = 2**12  # pixels of a call below which they are as fast without a table: it is not near
_SIDE = 512  # the kernel's: places for each difference, along dy and dx
_MOST_PLACES = 2**16  # of bins: they are numbers of 16 bits


class Table(NamedTuple):
    """What a table depends on."""

    n_bins: int
    signed: bool
    soft: bool
    """Two shares for each gradient."""
    narrow: bool
    """As OpenCV votes in short lines."""
    single: bool
    """Bins as scikit-image's."""
    n_lanes: int
    """From bin to bin."""
    dtype: np.dtype


def shares_of(table: Table, n_pixels: int) -> NDArray[Any] | None:
    """The table for uint8 images as the kernel takes it, or None where it is not worth while."""
    if n_pixels < _ENOUGH:
        return None
    key = _kernels.hog, table
    if key not in _known:
        if n_pixels < _WORTH_IT or (table.n_bins + 1) * table.n_lanes >= _MOST_PLACES:
            return None
        _known.add(key)
    return _made(_kernels.hog, table)


_known: set[tuple[Any, Table]] = set()


@functools.lru_cache(maxsize=4)
def _made(kernel: Any, table: Table) -> NDArray[Any] | None:
    """Two or three megabytes."""
    n_bins, signed, soft, narrow, single, n_lanes, dtype = table
    n_shares = _SIDE * _SIDE * (2 if soft else 1)
    shares = np.empty(n_shares + 2 * _SIDE * _SIDE // dtype.itemsize, dtype)
    edges, special = hog_tables.edges(n_bins, signed, dtype), hog_tables.special_bins(n_bins)
    n_doubts = np.zeros(1, np.int64)
    kernel.tabulate(
        n_bins, signed, soft, narrow, single, n_lanes, edges, special, np.empty(8 * _SIDE, dtype),
        np.empty(_SIDE, np.int32), shares, n_doubts,
    )  # fmt: skip
    return None if n_doubts[0] else shares
