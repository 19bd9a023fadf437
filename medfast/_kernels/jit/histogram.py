"""Numba twin of src/histogram.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def count(image, mask, offset, row_start, row_stop, counts):
    """Add 1 to `counts[value + offset]` for each pixel of the rows."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            if mask is None or mask[plane, line, col]:
                counts[np.int64(image[plane, line, col]) + offset] += 1


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
def look_up(image, mask, table, offset, row_start, row_stop, out):
    """Replace each pixel of the rows by its entry in `table`."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            value = image[plane, line, col]
            if mask is None or mask[plane, line, col]:
                value = table[np.int64(value) + offset]
            out[plane, line, col] = value


@kernel
def equalize(image, mask, offset, counts, table, out):
    """The three steps for all rows in one call."""
    n_rows = image.shape[0] * image.shape[1]
    count(image, mask, offset, 0, n_rows, counts)
    equalization_table(counts, table, offset)
    look_up(image, mask, table, offset, 0, n_rows, out)


@kernel
def quantize(image, unit, low, span, n_steps, row_start, row_stop, levels):
    """Nearest of `n_steps + 1` evenly spaced levels for each pixel of the rows; values outside go to the nearer end."""
    n_rows = image.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            level = (np.float64(image[plane, line, col]) * unit - low) / span * n_steps + 0.5
            levels[plane, line, col] = np.uint16(min(max(level, 0.0), n_steps))


@kernel
def restore(levels, mask, image, table, row_start, row_stop, out):
    """Look up the value of each pixel's level in the rows; pixels outside the mask keep theirs."""
    n_rows = levels.shape[1]
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(levels.shape[2]):
            if mask is None or mask[plane, line, col]:
                out[plane, line, col] = table[levels[plane, line, col]]
            else:
                out[plane, line, col] = image[plane, line, col]
