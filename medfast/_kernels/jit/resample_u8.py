"""Numba twin of src/resample_u8.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def nearest(image, columns, rows, row_start, row_stop, scratch, out):
    """Copy the nearest pixel."""
    n_channels = image.shape[2]
    for row in range(row_start, row_stop):
        for col in range(out.shape[1]):
            source = columns[col * n_channels] // n_channels
            for channel in range(n_channels):
                out[row, col, channel] = image[rows[row], source, channel]


@kernel
def linear(image, columns, column_weights, rows, row_weights, row_start, row_stop, scratch, out):
    """The vertical sum is made of high halves of 16-bit products, of horizontal sums without their low four bits."""
    lines, held = _no_lines(columns)
    n_channels = out.shape[2]
    for row in range(row_start, row_stop):
        _find_lines(image, columns, column_weights, rows[:, row], held, lines)
        top, bottom = lines[rows[0, row] % 2], lines[rows[1, row] % 2]
        for i in range(len(top)):
            high = ((top[i] >> 4) * row_weights[0, row] >> 16) + ((bottom[i] >> 4) * row_weights[1, row] >> 16)
            out[row, i // n_channels, i % n_channels] = (high + 2) >> 2


@kernel
def linear_exact(image, columns, column_weights, rows, row_weights, row_start, row_stop, scratch, out):
    """Integer sums, rounded once, half up."""
    _sum_and_shift(image, columns, column_weights, rows, row_weights, row_start, row_stop, 16, out)


@kernel
def cubic(image, columns, column_weights, rows, row_weights, row_start, row_stop, scratch, out):
    """Horizontal sums in integers; vertical ones in float32 from the last tap to the first, rounded half to even.

    The last few values of a row, which do not fill a vector of eight, are summed in integers and rounded half up.
    """
    lines, held = _no_lines(columns)
    n_channels = out.shape[2]
    n_single = columns.shape[1] // 8 * 8
    for row in range(row_start, row_stop):
        _find_lines(image, columns, column_weights, rows[:, row], held, lines)
        for i in range(n_single):
            total = np.float32(0)
            for tap in range(3, -1, -1):
                weight = np.float32(row_weights[tap, row]) * np.float32(2.0**-22)
                total = np.float32(lines[rows[tap, row] % 4, i]) * weight + total
            out[row, i // n_channels, i % n_channels] = _saturate(np.int64(np.rint(total)))
        for i in range(n_single, columns.shape[1]):
            total = 0
            for tap in range(4):
                total += lines[rows[tap, row] % 4, i] * row_weights[tap, row]
            out[row, i // n_channels, i % n_channels] = _saturate((total + (1 << 21)) >> 22)


@kernel
def lanczos4(image, columns, column_weights, rows, row_weights, row_start, row_stop, scratch, out):
    """Integer sums, rounded once, half up."""
    _sum_and_shift(image, columns, column_weights, rows, row_weights, row_start, row_stop, 22, out)


@kernel
def _sum_and_shift(image, columns, column_weights, rows, row_weights, row_start, row_stop, n_bits, out):
    lines, held = _no_lines(columns)
    n_channels = out.shape[2]
    for row in range(row_start, row_stop):
        _find_lines(image, columns, column_weights, rows[:, row], held, lines)
        for i in range(columns.shape[1]):
            total = 1 << (n_bits - 1)
            for tap in range(len(rows)):
                total += lines[rows[tap, row] % len(rows), i] * row_weights[tap, row]
            out[row, i // n_channels, i % n_channels] = _saturate(total >> n_bits)


@kernel
def _no_lines(columns):
    """Room for the line of each tap, and the input row that each line is of: none yet."""
    return np.empty(columns.shape, np.int64), np.full(len(columns), -1)


@kernel
def _find_lines(image, columns, weights, sources, held, lines):
    """Each input row of `sources` at the output's columns; those of earlier output rows are kept."""
    n_channels = image.shape[2]
    for source in sources:
        slot = source % len(lines)
        if held[slot] == source:
            continue
        held[slot] = source
        for i in range(columns.shape[1]):
            total = 0
            for tap in range(len(columns)):
                at = columns[tap, i]
                total += np.int64(image[source, at // n_channels, at % n_channels]) * weights[tap, i]
            lines[slot, i] = total


@kernel
def _saturate(value):
    return max(0, min(value, 255))
