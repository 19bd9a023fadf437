"""Numba twin of src/histogram.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def count(image, offset, row_start, row_stop, counts):
    """Add 1 to `counts[value + offset]` for each pixel of the rows."""
    for row in range(row_start, row_stop):
        for col in range(image.shape[1]):
            counts[np.int64(image[row, col]) + offset] += 1


@kernel
def equalization_table(counts, table, offset):
    """Gray level for each bin: the share of pixels above the lowest level in use, scaled to the whole range."""
    n_bins = len(counts)
    total = 0
    for value in range(n_bins):
        total += counts[value]
    lowest = 0
    while lowest < n_bins - 1 and counts[lowest] == 0:
        lowest += 1
    n_above = total - counts[lowest]
    if n_above == 0:  # a constant image stays as it is
        for value in range(n_bins):
            table[value] = value - offset
        return
    scale = np.float32(n_bins - 1) / np.float32(n_above)
    running = 0
    for value in range(n_bins):
        if value > lowest:
            running += counts[value]
        scaled = np.float32(running) * scale  # float32, rounded half to even: OpenCV's arithmetic
        table[value] = min(np.int64(np.rint(scaled)), n_bins - 1) - offset


@kernel
def look_up(image, table, offset, row_start, row_stop, out):
    """Replace each pixel of the rows by its entry in `table`."""
    for row in range(row_start, row_stop):
        for col in range(image.shape[1]):
            out[row, col] = table[np.int64(image[row, col]) + offset]
