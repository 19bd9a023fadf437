"""Numba twin of src/hog.pyx: votes are added to the histograms of their columns, these to the blocks', in the same
order as there."""

import math

import numpy as np

from medfast._kernels.jit import kernel
from medfast._kernels.jit.hog_votes import load_row, vote, vote_single

# Where what stands in a plan (medfast/_drivers/hog_plan.py).
N_CHANNELS, LINE_SIZE, N_ROWS, N_COLUMNS, GAMMA, TIES_HIGH_FROM, NARROW = 0, 1, 5, 6, 7, 8, 9
N_BINS, IS_SIGNED, SOFT, NORM, N_LANES, ROW_STRIDE, STRIDE, BLOCK_HEIGHT, N_GROUPS = 10, 11, 12, 13, 14, 16, 17, 18, 19
N_AT_ONCE, N_OPEN_ROWS, N_OPEN_COLS, N_CELL_ROWS, N_CELLS, N_BLOCK_ROWS, N_BLOCKS = 23, 25, 26, 27, 28, 29, 30
BY_SQUARES, OUT_STRIDES, N_WORDS = 32, 40, 45

BLOCKS_LOOK_UP = False


@kernel
def describe(image, plan, tables, shares, start, stop, work, out):
    """Describe the block rows `start` to `stop` of a batch of images."""
    n_block_rows, n_blocks, n_bins = plan[N_BLOCK_ROWS], plan[N_BLOCKS], plan[N_BINS]
    n_open, n_open_cols, n_cell_rows, n_cells = plan[N_OPEN_ROWS], plan[N_OPEN_COLS], plan[N_CELL_ROWS], plan[N_CELLS]
    row_stride, block_height, n_lanes = plan[ROW_STRIDE], plan[BLOCK_HEIGHT], plan[N_LANES]
    row_of = plan[N_WORDS : N_WORDS + plan[N_ROWS]]
    column_of = plan[N_WORDS + len(row_of) : N_WORDS + len(row_of) + plan[N_COLUMNS]]
    n_at_once = min(plan[N_AT_ONCE], row_stride)
    squares = np.zeros((plan[N_GROUPS], n_bins + 1, n_lanes), tables.dtype)
    histograms = np.zeros((len(column_of) - 2, n_bins + 1, n_lanes), tables.dtype)
    blocks = np.zeros((n_blocks, n_cells, n_bins + 1, n_lanes), tables.dtype)
    found = np.empty((n_cells, n_cell_rows, n_bins), tables.dtype)
    votes = np.empty((n_at_once, 4, len(column_of) - 2), tables.dtype)
    while start < stop:
        item = start // n_block_rows
        first = start - item * n_block_rows
        last = min(stop - item * n_block_rows, n_block_rows)
        start = item * n_block_rows + last
        squares[:] = 0
        blocks[:] = 0
        for stride_row in range(first, last - 1 + n_open):
            row, end = stride_row * row_stride, (last - 1) * row_stride + block_height
            end = min(row + row_stride, row + block_height, end)
            begin = row
            while row < end:
                rows_end = min(row + n_at_once, end)
                _vote_rows(image[item], plan, tables, row_of, column_of, row, rows_end, votes)
                weights = tables[16 : 16 + n_open * row_stride * n_lanes].reshape((n_open, row_stride, n_lanes))
                weights = weights[stride_row % n_open, row - begin :]
                if plan[BY_SQUARES]:
                    _add_to_squares(votes[: rows_end - row], plan, tables, weights, squares)
                else:
                    _add_to_columns(votes[: rows_end - row], weights, histograms)
                    _add_columns(histograms, plan, tables, blocks)
                row = rows_end
            block, now = stride_row - n_open + 1, (stride_row + 1) % n_open
            strides = plan[OUT_STRIDES : OUT_STRIDES + 5]
            for j in range(n_blocks if block >= first else 0):
                if plan[BY_SQUARES]:
                    _take_from_squares(squares[j:], now, n_open_cols, found)
                else:
                    _take(blocks[j, :, :, now * n_cell_rows :], found)
                _finish(found, plan[NORM], tables[0], tables[1:5], found)
                for cell, cell_row, k in np.ndindex(found.shape):
                    place = block * strides[0] + j * strides[1] + cell_row * strides[2] + cell * strides[3]
                    out[item, place + k * strides[4]] = found[cell, cell_row, k]
            n_finished = n_open_cols * n_cells * n_cell_rows
            squares[:, :, now * n_finished : (now + 1) * n_finished] = 0
            blocks[:, :, :, now * n_cell_rows : (now + 1) * n_cell_rows] = 0


@kernel
def _vote_rows(image, plan, tables, row_of, column_of, row, end, votes):
    """The votes of rows: two shares and a bin for each pixel."""
    lines = np.empty((3, plan[N_CHANNELS], len(column_of)), tables.dtype)
    n_bins, soft = plan[N_BINS], plan[SOFT] != 0
    edges = tables[len(tables) - 2 * n_bins :].reshape((n_bins, 2))
    for i in range(row, end):
        for k in range(3):
            load_row(image[row_of[i + k]], column_of, plan[GAMMA], lines[k])
        three = lines[0], lines[1], lines[2]
        vote(three, plan[TIES_HIGH_FROM], plan[NARROW] != 0, plan[IS_SIGNED] != 0, soft, edges, n_bins, votes[i - row])
        if soft and n_bins == 1:  # the lower share is lost, as in OpenCV
            votes[i - row, 0] = 0


@kernel
def _add_to_squares(votes, plan, tables, row_weights, squares):
    """Each pixel into the histogram of its square: lanes take it times its row's and its column's weight."""
    stride, n_lanes = plan[STRIDE], plan[N_LANES]
    at = 16 + plan[N_OPEN_ROWS] * plan[ROW_STRIDE] * n_lanes
    column_weights = tables[at : at + stride * n_lanes].reshape((stride, n_lanes))
    for tap in range(stride):
        for row in range(len(votes)):
            for square in range(len(squares)):
                col = square * stride + tap
                if col >= votes.shape[2]:  # part of no block
                    continue
                low = int(votes[row, 2, col])
                for lane in range(n_lanes):
                    weight = row_weights[row, lane] * column_weights[tap, lane]
                    squares[square, low, lane] += votes[row, 0, col] * weight
                    squares[square, low + 1, lane] += votes[row, 1, col] * weight


@kernel
def _take_from_squares(squares, now, n_open_cols, values):
    """(cell cols, cell rows, bins) of a block from those of its lanes in its squares; the bin beyond the last is the
    first."""
    n_cells, n_cell_rows, n_bins = values.shape
    for cell, cell_row, k in np.ndindex(n_cells, n_cell_rows, n_bins + 1):
        total = values.dtype.type(0)
        for open_col in range(n_open_cols):
            lane = ((now * n_open_cols + open_col) * n_cells + cell) * n_cell_rows + cell_row
            total += squares[open_col, k, lane]
        if k < n_bins:
            values[cell, cell_row, k] = total
        else:
            values[cell, cell_row, 0] += total


@kernel
def _add_to_columns(votes, row_weights, histograms):
    """Each pixel into the histogram of its column: lanes take it times its row's weight."""
    histograms[:] = 0
    for row in range(len(votes)):
        for col in range(votes.shape[2]):
            low = int(votes[row, 2, col])
            for lane in range(histograms.shape[2]):
                histograms[col, low, lane] += votes[row, 0, col] * row_weights[row, lane]
                histograms[col, low + 1, lane] += votes[row, 1, col] * row_weights[row, lane]


@kernel
def _add_columns(histograms, plan, tables, blocks):
    """The histograms of the columns into those of the blocks and cells that they lie in."""
    stride, n_open_cols, n_cells = plan[STRIDE], plan[N_OPEN_COLS], plan[N_CELLS]
    at = N_WORDS + plan[N_ROWS] + plan[N_COLUMNS]
    taps = plan[at : at + n_open_cols * n_cells * 2].reshape((n_open_cols, n_cells, 2))
    at = 16 + plan[N_OPEN_ROWS] * plan[ROW_STRIDE] * plan[N_LANES]
    weights = tables[at : at + n_cells * n_open_cols * stride].reshape((n_cells, n_open_cols, stride))
    for block in range(len(blocks)):
        for cell in range(blocks.shape[1]):
            for open_col in range(len(taps)):
                begin, end = taps[open_col, cell]
                for tap in range(begin, end):
                    weight = weights[cell, open_col, tap]
                    col = (block + open_col) * stride + tap
                    for k in range(histograms.shape[1]):
                        for lane in range(histograms.shape[2]):
                            blocks[block, cell, k, lane] += weight * histograms[col, k, lane]


@kernel
def _take(source, values):
    """(cell cols, bins + 1, cell rows) as (cell cols, cell rows, bins); the bin beyond the last is the first."""
    n_bins = values.shape[2]
    for cell_col, cell_row, k in np.ndindex(values.shape):
        value = source[cell_col, k, cell_row]
        values[cell_col, cell_row, k] = value + source[cell_col, n_bins, cell_row] if k == 0 else value


@kernel
def _finish(histograms, norm, clip, epsilon, out):
    """Normalise the histograms of a block and write them; both have three axes, and may be the same."""
    real = histograms.dtype.type
    total = _sum(histograms, norm >= 2) + real(epsilon[0])
    scale = real(1) / ((total if norm < 2 else real(math.sqrt(total))) + real(epsilon[1]))
    if norm == 3:
        for i, j, k in np.ndindex(histograms.shape):
            histograms[i, j, k] = min(histograms[i, j, k] * scale, real(clip))
        scale = real(1) / (real(math.sqrt(_sum(histograms, True) + real(epsilon[2]))) + real(epsilon[3]))
    for i, j, k in np.ndindex(histograms.shape):
        value = histograms[i, j, k] * scale
        out[i, j, k] = real(math.sqrt(value)) if norm == 1 else value


@kernel
def _sum(values, of_squares):
    """In sixteen parts, these in halves."""
    parts = np.zeros(16, values.dtype)
    for i, value in enumerate(values.flat):
        parts[i % 16] += value * value if of_squares else value
    for half in (8, 4):
        for lane in range(half):
            parts[lane] += parts[lane + half]
    return (parts[0] + parts[2]) + (parts[1] + parts[3])


@kernel
def count(
    image,
    row_of,
    column_of,
    run_start,
    run_stop,
    cell_height,
    cell_width,
    gamma,
    is_signed,
    soft,
    single,
    edges,
    special,
    is_answered,
    answers,
    start,
    stop,
    base,
    shares,
    asked,
    n_asked,
    lines,
    work,
    places,
    out,
):
    """Histograms of cells, pixels voting in their own: sums, or with `single` means."""
    n_rows, n_bins = out.shape[1], out.shape[3] - 1
    n_columns = len(column_of) - 2
    is_float = isinstance(image[0, 0, 0, 0], np.float32)
    votes = np.empty((4, n_columns), lines.dtype)
    n_asked[0] = 0
    for i in range(start, stop):
        item, first = i // n_rows, i % n_rows * cell_height
        totals = out[item, i % n_rows]
        totals[:] = 0
        for row in range(first, first + cell_height):
            for k in range(3):
                load_row(image[item, row_of[row + k]], column_of, gamma, lines[k])
                if is_float and gamma and single:
                    lines[k] = lines[k].astype(np.float32)
            three = lines[0], lines[1], lines[2]
            if single:
                vote_single(three, is_float, edges, special, n_bins, votes)
                for col in range(n_columns):
                    if votes[2, col] < 0:  # in doubt: by arctan2, which the caller knows
                        if is_answered:
                            votes[2, col] = answers[n_asked[0]]
                        else:
                            votes[2, col] = 0
                            if n_asked[0] < len(asked):
                                asked[n_asked[0]] = votes[1, col], votes[3, col]
                        n_asked[0] += 1
            else:
                vote(three, n_columns, False, is_signed, soft, edges, n_bins, votes)
                if soft and n_bins == 1:  # the lower share is lost, as in OpenCV
                    votes[0] = 0
            for col in range(n_columns):
                low, cell = int(votes[2, col]), col // cell_width
                if single:
                    totals[cell, low] = np.float32(totals[cell, low] + votes[0, col])
                else:
                    totals[cell, low] += votes[0, col]
                    totals[cell, low + 1] += votes[1, col]
        for cell in range(len(totals)):
            if single:
                for k in range(n_bins):
                    totals[cell, k] = np.float32(totals[cell, k] / (cell_height * cell_width))
            else:
                totals[cell, 0] += totals[cell, n_bins]


@kernel
def normalize(histograms, row_step, step, rows_first, norm, constants, start, stop, values, scales, out):
    """Normalised blocks of cells."""
    n_rows, n_cols, n_bins = out.shape[3:]
    block = np.empty((n_rows, n_cols, n_bins) if rows_first else (n_cols, n_rows, n_bins), histograms.dtype)
    done = np.empty_like(block)
    for i in range(start, stop):
        item, row = i // out.shape[1], i % out.shape[1]
        for j in range(out.shape[2]):
            for cell_row, cell_col, k in np.ndindex((n_rows, n_cols, n_bins)):
                value = histograms[item, row * row_step + cell_row, j * step + cell_col, k]
                if rows_first:
                    block[cell_row, cell_col, k] = value
                else:
                    block[cell_col, cell_row, k] = value
            _finish(block, norm, constants[0], constants[1:], done)
            for cell_row, cell_col, k in np.ndindex((n_rows, n_cols, n_bins)):
                out[item, row, j, cell_row, cell_col, k] = (
                    done[cell_row, cell_col, k] if rows_first else done[cell_col, cell_row, k]
                )


@kernel
def tabulate(n_bins, is_signed, soft, narrow, single, n_lanes, edges, special, work, places, shares, n_doubts):
    """The votes of gradients of bytes; here nobody looks them up."""
    n_doubts[0] = 1


@kernel
def votes(
    image,
    row_of,
    column_of,
    run_start,
    run_stop,
    ties_high_from,
    narrow,
    gamma,
    is_signed,
    n_bins,
    start,
    stop,
    lines,
    work,
    places,
    shares,
    bins,
):
    """The two bins that each pixel votes for, and its votes."""
    found = np.empty((3, shares.shape[1]), np.float32)
    for row in range(start, stop):
        for i in range(3):
            load_row(image[0, row_of[row + i]], column_of, gamma, lines[i])
        vote((lines[0], lines[1], lines[2]), ties_high_from, narrow, is_signed, True, found, n_bins, found)
        for col in range(shares.shape[1]):
            shares[row, col, 0], shares[row, col, 1] = found[0, col], found[1, col]
            low = int(found[2, col])
            bins[row, col, 0], bins[row, col, 1] = low, (low + 1) % n_bins


@kernel
def score(blocks, detector, row_step, step, rho, start, stop, out):
    """The product of each window's blocks with a detector: in sixteen sums, these in double."""
    for row in range(start, stop):
        for col in range(out.shape[1]):
            sums = np.zeros(16, np.float32)
            for i in range(len(detector)):
                for k in range(detector.shape[1]):
                    sums[k % 16] += blocks[row * row_step + i, col * step + k] * detector[i, k]
            totals = sums.astype(np.float64)
            for half in (8, 4, 2, 1):
                for lane in range(half):
                    totals[lane] += totals[lane + half]
            out[row, col] = rho + totals[0]


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
