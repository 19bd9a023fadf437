"""Blocks of one level inside functions that Numba compiles: medfast/_drivers/hog.py and hog_cells.py on one thread.

Images are (images, rows, columns, channels). Tables are made at each call, with the driver's numbers bit for bit.
"""

import math

import numpy as np
from numba.extending import register_jitable

from medfast._drivers import hog_plan
from medfast._njit import kernels

kernel, numpy_exp = kernels.hog, kernels.numpy_exp
_NEVER, _LANES, _HALF = hog_plan.NEVER, hog_plan.LANES, math.sqrt(0.5)
padded_size = register_jitable(hog_plan.padded)
by_squares, n_lanes_of = register_jitable(hog_plan.by_squares), register_jitable(hog_plan.n_lanes_of)
opencv_order, words = register_jitable(hog_plan.opencv_order), register_jitable(hog_plan.words)


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
def fill_row_lanes(weights, stride, n_cols, n_lanes, lanes):
    """`hog_tables.row_lanes` of (cells, pixels), flat."""
    n_cells, height = weights.shape
    n_open = -(-height // stride)
    for now in range(n_open):
        for block in range(n_open):
            first = (now - block) % n_open * stride
            for row in range(min(stride, height - first)):
                for col in range(n_cols):
                    for cell in range(n_cells):
                        lane = (block * n_cols + col) * n_cells + cell
                        lanes[(now * stride + row) * n_lanes + lane] = weights[cell, first + row]


@register_jitable
def fill_column_lanes(weights, stride, opens, n_cell_rows, n_lanes, lanes):
    """`hog_tables.column_lanes` of (cells, pixels), flat."""
    n_cells, width = weights.shape
    n_open = -(-width // stride)
    for pixel in range(width):
        group = pixel // stride
        for block in range(opens):
            for cell in range(n_cells):
                for row in range(n_cell_rows):
                    lane = ((block * n_open + group) * n_cells + cell) * n_cell_rows + row
                    lanes[(pixel - group * stride) * n_lanes + lane] = weights[cell, pixel]


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
def tables_of(row_weights, column_weights, stride, edges, clip, epsilon):
    """`tables` of a plan, its taps and the number of open blocks; `edges` have the dtype of the arithmetic."""
    cells = len(row_weights), len(column_weights)
    opens = -(-row_weights.shape[1] // stride[0]), -(-column_weights.shape[1] // stride[1])
    groups, taps = groups_of(column_weights, stride[1], edges.dtype)
    n_lanes = n_lanes_of(opens[0], opens[1], cells[0], cells[1])
    squares = by_squares(opens[0], opens[1], cells[0], cells[1])
    n_rows, n_cols = opens[0] * stride[0] * n_lanes, stride[1] * n_lanes if squares else groups.size
    tables = np.zeros(16 + n_rows + n_cols + edges.size, edges.dtype)
    tables[0], tables[1:5] = clip, epsilon
    rows, columns = tables[16 : 16 + n_rows], tables[16 + n_rows : 16 + n_rows + n_cols]
    fill_row_lanes(row_weights, stride[0], opens[1] * cells[1] if squares else 1, n_lanes, rows)
    if squares:
        fill_column_lanes(column_weights, stride[1], opens[0], cells[0], n_lanes, columns)
    else:
        columns[:] = groups.ravel()
    tables[16 + n_rows + n_cols :] = edges.ravel()
    return tables, taps, opens


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
    """`hog_tables.maps` of the rows and columns from 0 on: all but the ones around them are in the image."""
    row_of, column_of = np.arange(-1, n_rows + 1), np.arange(-1, n_cols + 1)
    for i in (0, n_rows + 1):
        row_of[i] = reflected(i - 1, images.shape[1])
    for i in (0, n_cols + 1):
        column_of[i] = reflected(i - 1, images.shape[2])
    return row_of, column_of, min(n_cols, images.shape[2] - 1) + 2


@register_jitable
def describe(images, out, cell, stride, plan, edges, switches, norm, are_enough):
    """Fill `out` (images, block columns, block rows, cell columns, cell rows, bins), as `driver.describe` does."""
    tables, taps, opens = plan
    gamma, signed, soft = switches
    n_bins, blocks, cells = out.shape[5], (out.shape[2], out.shape[1]), (out.shape[4], out.shape[3])
    region = (blocks[0] - 1) * stride[0] + cells[0] * cell[0], (blocks[1] - 1) * stride[1] + cells[1] * cell[1]
    row_of, column_of, run_stop = maps(images, region[0], region[1])
    found, n_work = words(
        images.shape[1:],
        (1, run_stop),
        region,
        blocks,
        cells,
        opens,
        stride,
        (int(gamma), n_bins, int(signed), int(soft), norm[0]),
        (_NEVER, 0),
        opencv_order(blocks, cells, n_bins),
    )
    base = np.arange(found[22]) % (found[21] * stride[1]) * found[15]
    kernel.describe(
        images,
        np.concatenate((found, row_of, column_of, taps.ravel(), base)),
        tables,
        None,
        0,
        len(out) * blocks[0],
        np.empty(n_work, tables.dtype),
        out.reshape((len(out), out.size // len(out))),
    )


@register_jitable
def describe_either_way(images, out, cell, stride, plan, edges, switches, norm, are_enough):
    """The same, by the histograms of whole cells where these `are_enough`, as medfast/_drivers/hog_cells.py does."""
    if not are_enough:
        describe(images, out, cell, stride, plan, edges, switches, norm, are_enough)
        return
    n_bins, dtype = out.shape[5], edges.dtype
    gamma, signed, soft = switches
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
        None,
        np.empty((1, 2)),
        none,
        np.zeros((3, images.shape[3], n + 2 * hog_plan.LANES), dtype),
        np.empty(6 * n, dtype),
        np.empty(n, np.int32),
        cells,
    )
    constants = np.empty(5, dtype)
    constants[0], constants[1:] = norm[1], norm[2]
    kernel.normalize(
        cells,
        stride[0] // cell[0],
        stride[1] // cell[1],
        False,
        norm[0],
        constants,
        0,
        len(out) * out.shape[2],
        np.zeros((out.shape[1], padded_size(out.shape[3] * out.shape[4] * n_bins)), dtype),
        np.empty(out.shape[1], dtype),
        out.transpose((0, 2, 1, 4, 3, 5)),
    )
