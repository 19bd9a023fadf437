"""Numba twin of src/clahe.pyx."""

import math

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def mirrored(i, n):
    """Index of what stands at `i` >= 0 when `n` values are continued by their mirror image, ends not repeated."""
    if n == 1:
        return 0
    i %= 2 * (n - 1)
    return min(i, 2 * (n - 1) - i)


@kernel
def tile_tables(
    image,
    mask,
    offset,
    first,
    n_bins,
    clip_limit,
    tile_planes,
    tile_rows,
    tile_cols,
    grid_rows,
    grid_cols,
    tile_start,
    tile_stop,
    fallback,
    counts,
    tables,
):
    """Table of each tile of the range; a tile may reach beyond the image, which is continued by its mirror image."""
    n_planes, n_rows, n_cols = image.shape
    for tile in range(tile_start, tile_stop):
        tile_row = tile // grid_cols
        front, top = tile_row // grid_rows * tile_planes, tile_row % grid_rows * tile_rows
        left = tile % grid_cols * tile_cols
        counts[:] = 0
        total = 0
        for plane in range(front, front + tile_planes):
            z = mirrored(plane, n_planes)
            for row in range(top, top + tile_rows):
                y = mirrored(row, n_rows)
                for col in range(left, left + tile_cols):
                    x = mirrored(col, n_cols)
                    if mask is None or mask[z, y, x]:
                        counts[np.int64(image[z, y, x]) + offset] += 1
                        total += 1
        if total:
            make_table(counts, total, first, n_bins, clip_limit, tables[tile % len(tables)])
        else:
            tables[tile % len(tables)] = fallback


@kernel
def limited_tables(counts, clip_limit, tables):
    """Table of each tile from a histogram of at least one pixel."""
    n_tiles, n_bins = counts.shape
    for tile in range(n_tiles):
        total = 0
        for i in range(n_bins):
            total += np.int64(counts[tile, i])
        make_table(counts[tile], total, 0, n_bins, clip_limit, tables[tile])


@kernel
def make_table(counts, total, first, n_bins, clip_limit, table):
    """Clip the histogram, spread the excess over all bins, and scale its running sum to the levels 0 ... n_bins - 1."""
    n_used = len(counts)
    batch, running = 0, 0
    share = clip_limit * total / n_bins
    if clip_limit > 0 and share < total:
        limit = max(int(share), 1)
        excess = 0
        for i in range(n_used):
            excess += max(np.int64(counts[i]) - limit, 0)
            counts[i] = min(np.int64(counts[i]), limit)
        batch = excess // n_bins
        residual = excess - batch * n_bins
        running = batch * first
        if residual > 0:  # one more for every step-th bin, from bin 0 on
            step = max(n_bins // residual, 1)
            n_before = min((first + step - 1) // step, residual)
            running += n_before
            for n in range(n_before, residual):
                if n * step >= first + n_used:
                    break
                counts[n * step - first] += 1
    scale = np.float32(n_bins - 1) / np.float32(total)
    for i in range(n_used):
        running += np.int64(counts[i]) + batch
        table[i] = np.int64(np.rint(np.float32(running) * scale))


@kernel
def column_weights(tile_cols, weights, bounds):
    """Position of each column between the tile centres to its left and right."""
    inverse = np.float32(1.0) / np.float32(tile_cols)
    cell = 0
    bounds[:] = weights.shape[1]
    bounds[0] = 0
    for col in range(weights.shape[1]):
        position = np.float32(col) * inverse - np.float32(0.5)  # float32 throughout: OpenCV's arithmetic
        tile = math.floor(position)
        weights[1, col] = position - np.float32(tile)
        weights[0, col] = np.float32(1.0) - weights[1, col]
        while cell < tile + 1:
            cell += 1
            bounds[cell] = col


@kernel
def bilinear(tables, upper, lower, before, after, i, left, right, up, down):
    """Mean of entry `i` of four tables, in OpenCV's order of operations: along the row first, then across."""
    upper_mean = np.float32(tables[upper + before, i]) * left + np.float32(tables[upper + after, i]) * right
    lower_mean = np.float32(tables[lower + before, i]) * left + np.float32(tables[lower + after, i]) * right
    return upper_mean * up + lower_mean * down


@kernel
def interpolate(
    image,
    mask,
    offset,
    lowest,
    tables,
    beyond,
    share,
    grid_rows,
    tile_rows,
    tile_cols,
    weights,
    bounds,
    row_start,
    row_stop,
    cells,
    shares,
    out,
):
    """Bilinear mean of the tables of the four nearest tiles, for each pixel of the rows; trilinear over two planes of
    tiles.
    """
    grid_cols = len(bounds) - 2
    n_held = len(tables) // grid_cols
    inverse = np.float32(1.0) / np.float32(tile_rows)
    back = np.float32(share)
    front = np.float32(1.0) - back
    for row in range(row_start, row_stop):
        position = np.float32(row) * inverse - np.float32(0.5)
        above = math.floor(position)
        down = position - np.float32(above)
        up = np.float32(1.0) - down
        upper, lower = max(above, 0) % n_held * grid_cols, min(above + 1, grid_rows - 1) % n_held * grid_cols
        for cell in range(grid_cols + 1):
            before, after = max(cell - 1, 0), min(cell, grid_cols - 1)
            for col in range(bounds[cell], bounds[cell + 1]):
                value = np.int64(image[row, col])
                if mask is None or mask[row, col]:
                    i = value + offset
                    left, right = weights[0, col], weights[1, col]
                    mean = bilinear(tables, upper, lower, before, after, i, left, right, up, down)
                    if back > 0:
                        far = bilinear(beyond, upper, lower, before, after, i, left, right, up, down)
                        mean = mean * front + far * back
                    value = np.int64(np.rint(mean)) + lowest
                out[row, col] = value


@kernel
def equalize(
    image,
    offset,
    lowest,
    first,
    n_used,
    n_bins,
    clip_limit,
    tile_rows,
    tile_cols,
    grid_rows,
    grid_cols,
    band_start,
    band_stop,
    scratch,
    out,
):
    """Some bands of planes, each plane by itself, from histograms to pixels."""
    n_rows, n_cols = image.shape[1:]
    tables, counts = np.empty((grid_rows * grid_cols, n_used), np.uint16), np.empty(n_used, np.uint32)
    weights, bounds = np.empty((2, n_cols), np.float32), np.empty(grid_cols + 2, np.int64)
    row_weights, row_bounds = np.empty((2, n_rows), np.float32), np.empty(grid_rows + 2, np.int64)
    column_weights(tile_cols, weights, bounds)
    column_weights(tile_rows, row_weights, row_bounds)
    cells, shares = np.empty((1, 1, 1), np.uint32), np.empty((1, 1), np.uint32)
    for index in range(band_start, band_stop):
        plane, band = index // (grid_rows + 1), index % (grid_rows + 1)
        tile_row = max(band - 1, 0) if index == band_start else band
        tile_start, tile_stop = tile_row * grid_cols, min(band + 1, grid_rows) * grid_cols
        tile_tables(
            image[plane : plane + 1], None, offset, first, n_bins, clip_limit, 1, tile_rows, tile_cols, grid_rows,
            grid_cols, tile_start, tile_stop, tables[0], counts, tables,
        )  # fmt: skip
        interpolate(
            image[plane], None, offset, lowest, tables, tables, 0.0, grid_rows, tile_rows, tile_cols, weights, bounds,
            row_bounds[band], row_bounds[band + 1], cells, shares, out[plane],
        )  # fmt: skip
