"""Numba twin of src/resample_area.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def halve(image, row_start, row_stop, out):
    """Mean of two by two pixels, rounded half up."""
    for row in range(row_start, row_stop):
        for col in range(out.shape[1]):
            for channel in range(out.shape[2]):
                out[row, col, channel] = (
                    _block_sum(image, 2 * row, 2 * row + 2, 2 * col, 2 * col + 2, channel) + 2
                ) >> 2


@kernel
def average_blocks(image, tall, wide, half_up, row_start, row_stop, scratch, out):
    """Mean of each block, which the image's edge may cut short, rounded half to even in float32."""
    scale = np.float32(1) / np.float32(tall * wide)
    for row in range(row_start, row_stop):
        bottom = min((row + 1) * tall, image.shape[0])
        for col in range(out.shape[1]):
            right = min((col + 1) * wide, image.shape[1])
            n = (bottom - row * tall) * (right - col * wide)
            for channel in range(out.shape[2]):
                total = _block_sum(image, row * tall, bottom, col * wide, right, channel)
                if n < tall * wide:
                    out[row, col, channel] = np.int64(np.rint(np.float32(total) / np.float32(n)))
                elif half_up:
                    out[row, col, channel] = (total + 2) >> 2
                else:
                    out[row, col, channel] = np.int64(np.rint(np.float32(total) * scale))


@kernel
def _block_sum(image, top, bottom, left, right, channel):
    total = 0
    for row in range(top, bottom):
        for col in range(left, right):
            total += np.int64(image[row, col, channel])
    return total


@kernel
def average(image, columns, column_weights, rows, row_weights, row_start, row_stop, scratch, out):
    """Weighted sums along the columns, then of rows: float32, tap after tap, rounded half to even."""
    n_channels = image.shape[2]
    for row in range(row_start, row_stop):
        for i in range(columns.shape[1]):
            total = np.float32(0)
            for row_tap in range(len(rows)):
                line = np.float32(0)
                for tap in range(len(columns)):
                    at = columns[tap, i]
                    value = np.float32(image[rows[row_tap, row], at // n_channels, at % n_channels])
                    line += value * column_weights[tap, i]
                total += line * row_weights[row_tap, row]
            out[row, i // n_channels, i % n_channels] = max(0, min(np.int64(np.rint(total)), 255))
