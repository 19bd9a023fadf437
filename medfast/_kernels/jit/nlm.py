"""Numba twin of src/nlm.pyx: shift by shift, box sums of the differences between the image and itself shifted."""

import numpy as np

from medfast._kernels.jit import kernel

BLOCK_ROWS = 16
STEPS = 32


@kernel
def workspace(n_channels, n_weights, n_cols, patch_radius, search_radius):
    """Bytes of scratch that a call needs for `n_cols` columns."""
    width, size = n_cols + 2 * patch_radius, 2 * patch_radius + 1
    return 8 * (2 * n_channels * BLOCK_ROWS * n_cols + n_cols + (1 + BLOCK_ROWS + size - 1) * width)


@kernel
def add_differences(a, b, norm, sign, sums):
    """Add `sign` times the differences of two rows."""
    for x in range(len(sums)):
        difference = np.int32(a[x]) - np.int32(b[x])
        sums[x] += sign * np.int32(abs(difference) if norm == 1 else difference * difference)


@kernel
def box_sum(columns, size, sums):
    """Sums of `size` neighbours."""
    for x in range(len(sums)):
        sums[x] = columns[x]
    for k in range(1, size):
        for x in range(len(sums)):
            sums[x] += columns[x + k]


@kernel
def add_weighted(distances, shift, table, pixels, weights, sums, weight_sums):
    """Look up the weights; add them, and the pixels times them."""
    for x in range(len(sums)):
        weights[x] = table[distances[x] >> shift]
    for x in range(len(sums)):
        weight_sums[x] += weights[x]
        sums[x] += weights[x] * weights.dtype.type(pixels[x])


@kernel
def denoise_integer(padded, patch_radius, search_radius, norm, shift, tables, rate, scratch, row_start, row_stop, out):
    """Denoise the rows with weights from tables; the mean is rounded half up."""
    n_frames, n_channels = padded.shape[:2]
    n_cols = out.shape[2]
    size, border, width = 2 * patch_radius + 1, patch_radius + search_radius, n_cols + 2 * patch_radius
    main = n_frames // 2
    plane = BLOCK_ROWS * n_cols
    wide, narrow = scratch.view(tables.dtype), scratch[8 * (2 * n_channels * plane + n_cols) :].view(np.int32)
    sums = wide[: n_channels * plane].reshape(n_channels, BLOCK_ROWS, n_cols)
    weight_sums = wide[n_channels * plane : 2 * n_channels * plane].reshape(n_channels, BLOCK_ROWS, n_cols)
    weights = wide[2 * n_channels * plane :][:n_cols]
    columns, distances = narrow[:width], narrow[width:][:n_cols]
    for block in range(row_start, row_stop, BLOCK_ROWS):
        stop = min(block + BLOCK_ROWS, row_stop)
        sums[:] = 0
        weight_sums[:] = 0
        for frame in range(n_frames):
            for dy in range(-search_radius, search_radius + 1):
                for dx in range(-search_radius, search_radius + 1):
                    left, shifted = search_radius, search_radius + dx
                    columns[:] = 0
                    for row in range(block, stop):
                        # rows of the patch: `first` to `last`; the column sums of the row before need only its ends
                        first, last = search_radius + row, search_radius + row + size - 1
                        for channel in range(n_channels):
                            a, b = padded[main, channel], padded[frame, channel]
                            for line in range(first if row == block else last, last + 1):
                                add_differences(
                                    a[line, left : left + width],
                                    b[line + dy, shifted : shifted + width],
                                    norm,
                                    np.int32(1),
                                    columns,
                                )
                            if row > block:
                                add_differences(
                                    a[first - 1, left : left + width],
                                    b[first - 1 + dy, shifted : shifted + width],
                                    norm,
                                    np.int32(-1),
                                    columns,
                                )
                        box_sum(columns, size, distances)
                        for channel in range(n_channels):
                            add_weighted(
                                distances,
                                shift,
                                tables[min(channel, len(tables) - 1)],
                                padded[frame, channel, border + row + dy, border + dx : border + dx + n_cols],
                                weights,
                                sums[channel, row - block],
                                weight_sums[channel, row - block],
                            )
        for channel in range(n_channels):
            for row in range(block, stop):
                for col in range(n_cols):
                    weight = np.uint64(weight_sums[channel, row - block, col])
                    value = np.uint64(sums[channel, row - block, col])
                    out[channel, row, col] = (value + weight // np.uint64(2)) // weight


@kernel
def exponential(t, exponentials):
    """exp(-t) = exp(-j / STEPS) exp(r), with the series of the second factor."""
    t = min(t, (len(exponentials) - 1) / STEPS)
    j = np.int32(t * STEPS + 0.5)
    r = j * (1.0 / STEPS) - t
    series = 1.0 + r * (1.0 + r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720))))))
    return exponentials[j] * series


@kernel
def add_formula(distances, norm, factor, exponentials, bias, pixels, own, sums, weight_sums):
    """Compute the weights; add them, and times them the pixels' squares or what they differ by from their own row."""
    for x in range(len(sums)):
        d = distances[x]
        weight = exponential((d * d if norm == 1 else d) * factor, exponentials)
        pixel = np.float64(pixels[x])
        weight_sums[x] += weight
        sums[x] += weight * (pixel * pixel if bias >= 0 else pixel - np.float64(own[x]))


@kernel
def denoise_formula(
    padded, patch_radius, search_radius, norm, factors, exponentials, bias, scratch, row_start, row_stop, out
):
    """Denoise the rows with weights from the formula, in float64; integers are rounded half to even and saturated."""
    n_frames, n_channels = padded.shape[:2]
    n_cols = out.shape[2]
    size, border, width = 2 * patch_radius + 1, patch_radius + search_radius, n_cols + 2 * patch_radius
    main = n_frames // 2
    rounds = out.dtype.type(0.5) == 0  # an integer dtype
    plane = BLOCK_ROWS * n_cols
    space = scratch.view(np.float64)
    sums = space[: n_channels * plane].reshape(n_channels, BLOCK_ROWS, n_cols)
    weight_sums = space[n_channels * plane : 2 * n_channels * plane].reshape(n_channels, BLOCK_ROWS, n_cols)
    space = space[2 * n_channels * plane :]
    distances, columns, lines = space[:n_cols], space[n_cols:][:width], space[n_cols + width :].reshape(-1, width)
    for block in range(row_start, row_stop, BLOCK_ROWS):
        stop = min(block + BLOCK_ROWS, row_stop)
        sums[:] = 0
        weight_sums[:] = 0
        for frame in range(n_frames):
            for dy in range(-search_radius, search_radius + 1):
                for dx in range(-search_radius, search_radius + 1):
                    for k in range(stop - block + size - 1):
                        line = search_radius + block + k
                        for channel in range(n_channels):
                            a = padded[main, channel, line]
                            b = padded[frame, channel, line + dy]
                            for x in range(width):
                                d = np.float64(a[search_radius + x]) - np.float64(b[search_radius + dx + x])
                                d = abs(d) if norm == 1 else d * d
                                lines[k, x] = d if channel == 0 else lines[k, x] + d
                    for row in range(block, stop):
                        # every sum anew and in one order: a running sum would depend on where the block starts
                        for k in range(size):
                            for x in range(width):
                                columns[x] = (
                                    lines[row - block + k, x] if k == 0 else columns[x] + lines[row - block + k, x]
                                )
                        for k in range(size):
                            for x in range(n_cols):
                                distances[x] = columns[x + k] if k == 0 else distances[x] + columns[x + k]
                        for channel in range(n_channels):
                            add_formula(
                                distances,
                                norm,
                                factors[min(channel, len(factors) - 1)],
                                exponentials,
                                bias,
                                padded[frame, channel, border + row + dy, border + dx : border + dx + n_cols],
                                padded[main, channel, border + row, border : border + n_cols],
                                sums[channel, row - block],
                                weight_sums[channel, row - block],
                            )
        for channel in range(n_channels):
            for row in range(block, stop):
                for col in range(n_cols):
                    value = sums[channel, row - block, col] / weight_sums[channel, row - block, col]
                    if bias >= 0:
                        value = np.sqrt(max(value - bias, 0.0))
                    else:  # differences were averaged, so that what is constant stays so to the last bit
                        value += np.float64(padded[main, channel, border + row, border + col])
                    out[channel, row, col] = np.rint(value) if rounds else value
