"""Global histogram equalisation over its kernel: counts, table, look-up, by several threads. Arguments were checked by
the caller.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels
from medfast._parallel import for_rows

_FLOAT_LEVELS = 65536
"""Levels on which floats are counted: as many as the 16-bit dtypes have."""


def equalize(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, out_volume: NDArray[Any], num_threads: int | None
) -> None:
    """Equalise a volume (planes, rows, columns), which is not empty, by the histogram of what lies inside the mask."""
    if volume.dtype.kind == "f":
        _equalize_floats(volume, inside, out_volume, num_threads)
        return
    kernel = _kernels.histogram
    lowest, n_bins = gray_levels.span(volume.dtype)
    n_rows, n_cols = gray_levels.n_rows(volume), volume.shape[2]
    counts, table = np.zeros(n_bins, np.int64), np.empty(n_bins, volume.dtype)
    done, lock = False, threading.Lock()

    def count(start: int, stop: int) -> None:
        if stop - start == n_rows:  # nobody else works on it
            kernel.equalize(volume, inside, -lowest, counts, table, out_volume)
            nonlocal done
            done = True
        else:
            gray_levels.add_counts(volume, inside, -lowest, start, stop, counts, lock)

    def look_up(start: int, stop: int) -> None:
        kernel.look_up(volume, inside, table, -lowest, start, stop, out_volume)

    for_rows(n_rows, count, work_per_row=n_cols / 2, num_threads=num_threads)
    if not done:
        kernel.equalization_table(counts, table, -lowest)
        for_rows(n_rows, look_up, work_per_row=n_cols / 4, num_threads=num_threads)


def _equalize_floats(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, out_volume: NDArray[Any], num_threads: int | None
) -> None:
    if inside is not None and not inside.any():
        out_volume[...] = volume
        return
    levels, ends = gray_levels.quantize(volume, inside, _FLOAT_LEVELS, num_threads)
    if levels is None:
        out_volume[...] = volume
        return
    counts = gray_levels.count(levels, inside, 0, _FLOAT_LEVELS, num_threads)
    counts[0] = 0
    running = np.cumsum(counts)
    gray_levels.restore(levels, running / running[-1], ends, volume, inside, out_volume, num_threads)
