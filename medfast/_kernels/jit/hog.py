"""Numba twin of src/hog.pyx: votes are added to their two bins as they come, in the same order as there."""

import math

import numpy as np

from medfast._kernels.jit import kernel

# OpenCV's polynomial for the arctangent on [0, 1], in degrees, off by up to 0.01; as rounded to float32 there
P1, P3, P5, P7 = 57.283626556396484, -18.66744613647461, 8.914000511169434, -2.539724588394165


@kernel
def describe(
    image,
    row_of,
    column_of,
    slot_of_tap,
    row_stride,
    ties_high_from,
    row_weights,
    column_weights,
    taps,
    gamma,
    is_signed,
    soft,
    edges,
    norm,
    clip,
    epsilon,
    start,
    stop,
    line,
    levels,
    votes,
    planes,
    row_sums,
    sums,
    out,
):
    """Describe the block rows `start` to `stop` of a batch of images."""
    n_block_rows, n_block_cols, n_bins = out.shape[1], out.shape[2], out.shape[5]
    block_height, n_open = row_weights.shape[1], sums.shape[0]
    while start < stop:
        item = start // n_block_rows
        first = start - item * n_block_rows
        last = min(stop - item * n_block_rows, n_block_rows)
        start = item * n_block_rows + last
        _load_row(image[item, row_of[first * row_stride]], column_of, gamma, line, levels[(first * row_stride + 2) % 3])
        _load_row(image[item, row_of[first * row_stride + 1]], column_of, gamma, line, levels[first * row_stride % 3])
        for row in range(first * row_stride, (last - 1) * row_stride + block_height):
            _load_row(image[item, row_of[row + 2]], column_of, gamma, line, levels[(row + 1) % 3])
            block = first if row < block_height else max(first, (row - block_height) // row_stride + 1)
            last_block = min(last - 1, row // row_stride)
            if block > last_block:  # a stride beyond the block: a row in none
                continue
            rows = levels[(row + 2) % 3], levels[row % 3], levels[(row + 1) % 3]
            _gradient(rows, column_of, ties_high_from, votes[3], votes[4])
            if soft:
                _vote_soft(votes, n_bins, is_signed)
            else:
                _vote_hard(votes, n_bins, is_signed, edges)
            _sum_columns(votes, slot_of_tap, column_weights, taps, n_block_cols, row_sums)
            while block <= last_block:
                place, i = block % n_open, row - block * row_stride
                if i == 0:
                    sums[place] = 0
                for cell_row in range(sums.shape[1]):
                    weight = row_weights[cell_row, i]
                    if weight != 0:
                        for cell_col in range(sums.shape[2]):
                            for k in range(n_bins):
                                for j in range(n_block_cols):
                                    sums[place, cell_row, cell_col, k, j] += weight * row_sums[cell_col, k, j]
                if i == block_height - 1:
                    for j in range(n_block_cols):
                        _finish(sums[place, :, :, :, j], norm, clip, epsilon, out[item, block, j])
                block += 1


@kernel
def _load_row(image_row, column_of, gamma, line, target):
    """One row of the image in order of phase."""
    for channel in range(target.shape[0]):
        for col in range(len(line)):
            line[col] = image_row[col, channel]
            if gamma:
                line[col] = math.sqrt(line[col])
        for i, col in enumerate(column_of.flat):
            target[channel, i] = line[col]


@kernel
def _gradient(rows, column_of, ties_high_from, dx, dy):
    """Centred differences of the strongest channel."""
    above, here, below = rows
    stride, n_groups = column_of.shape[0] - 2, column_of.shape[1]
    for phase in range(stride):
        for group in range(n_groups):
            i = phase * n_groups + group
            for channel in range(len(here)):
                new_dx = here[channel, i + 2 * n_groups] - here[channel, i]
                new_dy = below[channel, i + n_groups] - above[channel, i + n_groups]
                new, old = new_dx * new_dx + new_dy * new_dy, dx[i] * dx[i] + dy[i] * dy[i]
                if channel == 0 or new > old or (new == old and group * stride + phase >= ties_high_from):
                    dx[i], dy[i] = new_dx, new_dy


@kernel
def _vote_soft(votes, n_bins, is_signed):
    """Magnitude, shared between the two nearest bins; bin k is centred at k + 1/2 widths."""
    real = votes.dtype.type
    to_radians, to_bins = real(np.pi / 180), real(n_bins / (2 * np.pi if is_signed else np.pi))
    for i in range(votes.shape[1]):
        dx, dy = votes[3, i], votes[4, i]
        ax, ay = abs(dx), abs(dy)
        ratio = min(ax, ay) / (max(ax, ay) + real(2.220446049250313e-16))
        square = ratio * ratio
        inner = real(np.float64(square) * P7 + P5)  # OpenCV rounds once for a product and a sum
        outer = real(np.float64(inner) * square + P3)
        angle = real(np.float64(outer) * square + P1) * ratio
        if ax < ay:
            angle = real(90) - angle
        if dx < 0:
            angle = real(180) - angle
        if dy < 0:
            angle = real(360) - angle
        angle = angle * to_radians * to_bins - real(0.5)
        low = math.floor(angle)
        share = angle - real(low)
        magnitude = real(math.sqrt(dx * dx + dy * dy))
        votes[0, i], votes[1, i] = magnitude * (real(1) - share), magnitude * share
        votes[2, i] = low % n_bins  # unsigned: the angle modulo half a circle


@kernel
def _vote_hard(votes, n_bins, is_signed, edges):
    """Magnitude, for the bin [k, k + 1) widths: as many edges as the direction lies on or beyond."""
    real = votes.dtype.type
    for i in range(votes.shape[1]):
        dx, dy = votes[3, i], votes[4, i]
        is_lower = dy < 0 or (dy == 0 and dx < 0)
        magnitude = real(math.sqrt(dx * dx + dy * dy))
        if is_lower:
            dx, dy = -dx, -dy
        in_bin = 0
        for k in range(n_bins - 1):
            beyond = edges[k, 0] * dy - edges[k, 1] * dx >= 0
            if is_signed and 2 * (k + 1) >= n_bins:  # an edge of the lower half plane
                in_bin += is_lower and beyond
            else:
                in_bin += beyond or (is_signed and is_lower)
        votes[0, i], votes[1, i], votes[2, i] = 0, magnitude, (in_bin - 1) % n_bins  # all to the higher bin


@kernel
def _sum_columns(votes, slot_of_tap, weights, taps, n_block_cols, row_sums):
    """The row's part in the histogram of each cell column of each block column: weighted sums over columns."""
    row_sums[:] = 0
    for cell in range(weights.shape[0]):
        for tap in range(taps[cell, 0], taps[cell, 1]):
            weight = weights[cell, tap]
            for block in range(n_block_cols):
                i = slot_of_tap[tap] + block
                low = int(votes[2, i])
                high = (low + 1) % row_sums.shape[1]
                if low != high:  # with one bin the lower share is lost, as in OpenCV
                    row_sums[cell, low, block] += weight * votes[0, i]
                row_sums[cell, high, block] += weight * votes[1, i]


@kernel
def _finish(histograms, norm, clip, epsilon, out):
    """Normalise the histograms of a block and write them."""
    real = histograms.dtype.type
    total = real(0)
    for value in histograms.flat:
        total += value if norm < 2 else value * value
    total += real(epsilon[0])
    scale = real(1) / ((total if norm < 2 else real(math.sqrt(total))) + real(epsilon[1]))
    if norm == 3:
        total = real(0)
        for cell_row, cell_col, k in np.ndindex(histograms.shape):
            value = min(histograms[cell_row, cell_col, k] * scale, real(clip))
            histograms[cell_row, cell_col, k] = value
            total += value * value
        scale = real(1) / (real(math.sqrt(total + real(epsilon[2]))) + real(epsilon[3]))
    for cell_row, cell_col, k in np.ndindex(histograms.shape):
        value = histograms[cell_row, cell_col, k] * scale
        out[cell_row, cell_col, k] = real(math.sqrt(value)) if norm == 1 else value


@kernel
def halve(image, start, stop, out):
    """Mean of 2 x 2 pixels, integers rounded half up; an odd last row or column is left out."""
    is_float = isinstance(out[0, 0, 0, 0], (np.float32, np.float64))
    for i in range(start, stop):
        item, row = i // out.shape[1], i % out.shape[1]
        for col in range(out.shape[2]):
            for channel in range(out.shape[3]):
                above, below = image[item, 2 * row, :, channel], image[item, 2 * row + 1, :, channel]
                if is_float:
                    total = (above[2 * col] + above[2 * col + 1]) + (below[2 * col] + below[2 * col + 1])
                    out[item, row, col, channel] = out.dtype.type(0.25) * total
                else:
                    total = np.int64(above[2 * col]) + np.int64(above[2 * col + 1])
                    total += np.int64(below[2 * col]) + np.int64(below[2 * col + 1])
                    out[item, row, col, channel] = (total + 2) >> 2
