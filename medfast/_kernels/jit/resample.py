"""Numba twin of src/resample.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def nearest(image, columns, rows, row_start, row_stop, out):
    """Copy the nearest pixel."""
    for row in range(row_start, row_stop):
        for col in range(out.shape[1]):
            for channel in range(out.shape[2]):
                out[row, col, channel] = image[rows[row], columns[col], channel]


@kernel
def halve(image, row_start, row_stop, out):
    """Means of two by two pixels."""
    half = np.float64(0.5)
    holds_integers = out.dtype.type(0.5) == 0
    for plane in range(len(out)):
        for row in range(row_start, row_stop):
            top, bottom = image[plane, 2 * row], image[plane, 2 * row + 1]
            for col in range(out.shape[2]):
                upper = top[2 * col] * half + top[2 * col + 1] * half
                mean = upper * half + (bottom[2 * col] * half + bottom[2 * col + 1] * half) * half
                out[plane, row, col] = np.rint(mean) if holds_integers else mean


@kernel
def scratch_size(row_size, width, n_channels, n_column_taps, n_row_taps, n_plane_taps, n_rows_held):
    """Values that `weighted` needs: an input row, its line, and totals over rows and over planes."""
    return row_size + 3 * width


@kernel
def weighted(
    image,
    columns,
    column_weights,
    rows,
    row_weights,
    planes,
    plane_weights,
    row_start,
    row_stop,
    n_rows_held,
    scratch,
    out,
):
    """Weighted sums along columns, rows and planes, tap after tap."""
    width, row_size = columns.shape[1], image.shape[2] * image.shape[3]
    values, lines = scratch[:row_size], scratch[row_size:].reshape((-1, width))
    line, in_plane, totals = lines[0], lines[1], lines[2]
    for plane in range(planes.shape[1]):
        for row in range(row_start, row_stop):
            for plane_tap in range(len(planes)):
                for row_tap in range(len(rows)):
                    _read_row(image[planes[plane_tap, plane], rows[row_tap, row]], values)
                    for tap in range(len(columns)):
                        for i in range(width):
                            _add(line, i, tap, values[columns[tap, i]] * column_weights[tap, i])
                    for i in range(width):
                        _add(in_plane, i, row_tap, line[i] * row_weights[row_tap, row])
                for i in range(width):
                    _add(totals, i, plane_tap, in_plane[i] * plane_weights[plane_tap, plane])
            _store_row(totals, out[plane, row])


@kernel
def _add(totals, i, tap, term):
    """Begin a total with its first term, or add to it."""
    totals[i] = term if tap == 0 else totals[i] + term


@kernel
def _read_row(row, values):
    """The row as one run of values, in the precision of the sums."""
    n_channels = row.shape[1]
    for col in range(len(row)):
        for channel in range(n_channels):
            values[col * n_channels + channel] = row[col, channel]


@kernel
def _store_row(totals, row):
    """Round half to even and saturate where `row` holds integers."""
    n_channels = row.shape[1]
    holds_integers, is_signed = row.dtype.type(0.5) == 0, row.dtype.type(-1) < 0
    n_levels = 256 if row.itemsize == 1 else 65536
    lowest = -(n_levels // 2) if is_signed else 0
    for col in range(len(row)):
        for channel in range(n_channels):
            value = totals[col * n_channels + channel]
            if holds_integers:
                row[col, channel] = max(lowest, min(np.int64(np.rint(value)), lowest + n_levels - 1))
            else:
                row[col, channel] = value
