"""Blocks of one level inside functions that Numba compiles: medfast/_drivers/hog.py and hog_cells.py on one thread.

Images are (images, rows, columns, channels). Tables are made at each call, with the driver's numbers bit for bit.
"""

import math

import numpy as np
from numba.extending import register_jitable

from medfast._drivers import hog as driver
from medfast._njit import kernels

kernel, numpy_exp = kernels.hog, kernels.numpy_exp
_PADDING, _TILE_SIZE, _PART_SIZE, _ROWS_AT_ONCE = (
    driver._PADDING, driver._TILE_SIZE, driver._PART_SIZE, driver._ROWS_AT_ONCE
)  # fmt: skip
_NEVER, _HALF = driver._NEVER, math.sqrt(0.5)
padded_size = register_jitable(driver._padded)


@register_jitable
def weights_of(cell, n_cells, spatial_votes, sigma):
    """What each of the pixels along one axis of a block weighs in each of its cells."""
    n = cell * n_cells
    sigma = min(max(sigma, 1e-3), 1e150)
    exponents = np.empty(n)
    for pixel in range(n):
        distance = pixel - n / 2
        exponents[pixel] = -(distance * distance) / (2 * (sigma * sigma))
    powers = numpy_exp(exponents)
    weights = np.empty((n_cells, n))
    for i in range(n_cells):
        for pixel in range(n):
            if spatial_votes:
                share = max(0.0, 1.0 - abs((pixel + 0.5) / cell - 0.5 - i))
            else:
                share = 1.0 if pixel // cell == i else 0.0
            weights[i, pixel] = share * powers[pixel]
    return weights


@register_jitable
def lanes_of(weights, stride, dtype):
    """Weights of rows (open block rows, rows of a stride, lanes): those of open block and cell, by block row modulo."""
    n_cells, height = weights.shape
    n_open = -(-height // stride)
    n_lanes = n_open * n_cells
    lanes = np.zeros((n_open, stride, 4 if n_lanes <= 4 else -(-n_lanes // 8) * 8), dtype)
    for now in range(n_open):
        for block in range(n_open):
            first = (now - block) % n_open * stride
            for row in range(min(stride, height - first)):
                for cell in range(n_cells):
                    lanes[now, row, block * n_cells + cell] = weights[cell, first + row]
    return lanes


@register_jitable
def groups_of(weights, stride, dtype):
    """Weights of columns (cells, strides, columns of a stride), and where those that are not 0 begin and end."""
    n_cells, width = weights.shape
    n_open = -(-width // stride)
    groups, taps = np.zeros((n_cells, n_open, stride), dtype), np.zeros((n_open, n_cells, 2), np.int64)
    for cell in range(n_cells):
        for column in range(width):
            group = column // stride
            tap = column - group * stride
            groups[cell, group, tap] = weights[cell, column]
            if groups[cell, group, tap] != 0:
                if taps[group, cell, 1] == 0:
                    taps[group, cell, 0] = tap
                taps[group, cell, 1] = tap + 1
    return groups, taps


@register_jitable
def edges_of(orientations, signed):
    """Cosine and sine of the edges of the bins: exact on the axes, alike on the diagonals."""
    edges = np.empty((orientations, 2))
    for k in range(orientations):
        above, below = ((2 if signed else 1) * (k + 1)) % orientations, orientations
        mirrored = 2 * above > below
        if mirrored:
            above = below - above
        swapped = 4 * above > below
        if swapped:
            above, below = below - 2 * above, 2 * below
        if 4 * above == below:
            cosine = sine = _HALF
        else:
            angle = math.pi * above / below
            cosine, sine = math.cos(angle), math.sin(angle)
        if swapped:
            cosine, sine = sine, cosine
        edges[k, 0], edges[k, 1] = -cosine if mirrored else cosine, sine
    return edges


@register_jitable
def reflected(place, n):
    """A position outside, reflected at the first and the last, which are not repeated."""
    if n == 1:
        return 0
    place %= 2 * (n - 1)
    return min(place, 2 * (n - 1) - place)


@register_jitable
def maps(images, n_rows, n_cols):
    """`driver.maps` of the rows and columns from 0 on: all but the ones around them are in the image."""
    row_of, column_of = np.arange(-1, n_rows + 1), np.empty(n_cols + 2, np.int32)
    for i in range(n_cols + 2):
        column_of[i] = i - 1
    for i in (0, n_rows + 1):
        row_of[i] = reflected(i - 1, images.shape[1])
    for i in (0, n_cols + 1):
        column_of[i] = reflected(i - 1, images.shape[2])
    return row_of, column_of, min(n_cols, images.shape[2] - 1) + 2


@register_jitable
def describe(images, out, cell, stride, weights, edges, switches, norm, are_enough):
    """Fill `out` (images, block rows, block columns, cell rows, cell columns, bins), as `driver.describe` does."""
    n_blocks, n_bins, n_channels, dtype = out.shape[2], out.shape[5], images.shape[3], edges.dtype
    lanes, column_weights, taps = weights
    gamma, signed, soft = switches
    code, clip, epsilon = norm
    height, width = out.shape[3] * cell[0], out.shape[4] * cell[1]
    row_of, column_of, run_stop = maps(
        images, (out.shape[1] - 1) * stride[0] + height, (n_blocks - 1) * stride[1] + width
    )
    n_groups = n_blocks - 1 + column_weights.shape[1]
    size = padded_size((n_bins + 1) * lanes.shape[2])
    tile_groups = max(1, min(n_groups, _TILE_SIZE // (size * stride[1])))
    n_at_once = min(stride[0], height, _ROWS_AT_ONCE)
    part_groups = tile_groups * max(
        1, min(-(-n_groups // tile_groups), _PART_SIZE // (n_at_once * tile_groups * stride[1]))
    )
    part = padded_size(part_groups * stride[1])
    base = np.empty(part, np.int32)
    for i in range(part):
        base[i] = i % (tile_groups * stride[1]) * size
    kernel.describe(
        images,
        row_of,
        column_of,
        1,
        run_stop,
        stride[0],
        stride[1],
        _NEVER,
        False,
        lanes,
        column_weights,
        taps,
        gamma,
        signed,
        soft,
        edges,
        code,
        clip,
        epsilon,
        0,
        len(out) * out.shape[1],
        n_groups,
        part_groups,
        tile_groups,
        base,
        np.zeros((n_at_once + 2, n_channels, padded_size(n_groups * stride[1]) + 2 * _PADDING), dtype),
        np.empty(6 * n_at_once * part, dtype),
        np.empty((n_at_once, part), np.int32),
        np.empty((tile_groups * stride[1], size), dtype),
        np.empty((n_blocks, out.shape[4], size), dtype),
        np.zeros((n_blocks, padded_size(out.shape[3] * out.shape[4] * n_bins)), dtype),
        np.empty(17 * n_blocks, dtype),
        out,
    )


@register_jitable
def describe_either_way(images, out, cell, stride, weights, edges, switches, norm, are_enough):
    """The same, by the histograms of whole cells where these `are_enough`, as medfast/_drivers/hog_cells.py does."""
    if not are_enough:
        describe(images, out, cell, stride, weights, edges, switches, norm, are_enough)
        return
    n_bins, dtype = out.shape[5], edges.dtype
    gamma, signed, soft = switches
    code, clip, epsilon = norm
    n_rows, n_cols = images.shape[1] // cell[0], images.shape[2] // cell[1]
    row_of, column_of, run_stop = maps(images, n_rows * cell[0], n_cols * cell[1])
    n = padded_size(n_cols * cell[1])
    base = np.empty(n, np.int32)
    for i in range(n):
        base[i] = i // cell[1] * (n_bins + 1)
    cells = np.empty((len(images), n_rows, n_cols, n_bins + 1), dtype)
    none = np.zeros(3, np.int64)  # special directions, answers and questions, which this way of counting has not
    kernel.count(
        images,
        row_of,
        column_of,
        1,
        run_stop,
        cell[0],
        cell[1],
        gamma,
        signed,
        soft,
        False,
        edges,
        none,
        False,
        none,
        0,
        len(images) * n_rows,
        base,
        np.empty((1, 2)),
        none,
        np.zeros((3, images.shape[3], n + 2 * _PADDING), dtype),
        np.empty(6 * n, dtype),
        np.empty(n, np.int32),
        cells,
    )
    kernel.normalize(
        cells,
        stride[0] // cell[0],
        stride[1] // cell[1],
        False,
        code,
        clip,
        epsilon,
        0,
        len(out) * out.shape[1],
        np.zeros((out.shape[2], padded_size(out.shape[3] * out.shape[4] * n_bins)), dtype),
        np.empty(17 * out.shape[2], dtype),
        out,
    )
