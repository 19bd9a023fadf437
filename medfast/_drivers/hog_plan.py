"""What the kernel `hog.describe` is given beside images and result: integers, numbers, room to work in.

Made once per geometry and kept: for a small image, the arithmetic of sizes takes as long as the kernel, and so does the
handing over of twenty arrays. Functions with integers alone are compiled by Numba as well (medfast/_njit/hog.py).
"""

import functools
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast._drivers import hog_tables
from medfast._drivers.hog_look_up import Table
from medfast._drivers.hog_parameters import NORMS, Parameters

LANES = 16
"""The kernel's: what is handled side by side is padded to a multiple of it."""
NEVER = 2**62
"""A column that no image has."""
OPENCV_SHORT = 16
"""Pixels of a line from where on OpenCV has vectors for it."""
N_WORDS = 45
"""Of `words`, before the maps."""

_TILE_SIZE = 3072  # values of the histograms of columns that leave room for the rest in 32 KB of cache
_PART_SIZE = 1024  # pixels whose votes are found at once
_ROWS_AT_ONCE = 16  # rows whose votes go into histograms before these are added up
_KEPT_BYTES = 2**20  # of work arrays, per thread and dtype


class Plan(NamedTuple):
    """Of a geometry."""

    words: NDArray[np.int64]
    """`words`, the row of the image of each row of a region from -1 on, the same for columns; then `taps` and where the
    columns of a tile have their bin 0, for histograms of columns."""
    tables: NDArray[Any]
    """Clip and epsilon, padded to 16; weights of rows and of columns; edges of bins."""
    n_work: int
    """Values to work in."""
    n_block_rows: int
    n_pixels: int
    """Of an image, as far as blocks reach."""
    table: Table | None
    """Of votes, if there may be one (for uint8)."""
    work_per_row: float


def padded(n: int) -> int:
    """The next multiple of the kernel's lanes."""
    return -(-n // LANES) * LANES


def by_squares(n_open_rows: int, n_open_cols: int, n_cell_rows: int, n_cells: int) -> bool:
    """Whether a pixel's cells in all its blocks, `n_cells` in a row of one, have lanes in a histogram of squares."""
    return n_open_rows * n_open_cols * n_cell_rows * n_cells <= LANES


def n_lanes_of(n_open_rows: int, n_open_cols: int, n_cell_rows: int, n_cells: int) -> int:
    """Lanes of a histogram: of a square, or of a column, four or a multiple of eight."""
    if by_squares(n_open_rows, n_open_cols, n_cell_rows, n_cells):
        return LANES
    n_lanes = n_open_rows * n_cell_rows
    return 4 if n_lanes <= 4 else -(-n_lanes // 8) * 8


def opencv_order(blocks: tuple[int, int], cells: tuple[int, int], n_bins: int) -> tuple[int, int, int, int, int]:
    """`out_strides` of OpenCV's order: columns of blocks, rows of them, columns of cells, rows of them, bins."""
    length = cells[0] * cells[1] * n_bins
    return length, blocks[0] * length, n_bins, cells[0] * n_bins, 1


def words(
    shape: tuple[int, int, int],
    run: tuple[int, int],
    region: tuple[int, int],
    blocks: tuple[int, int],
    cells: tuple[int, int],
    opens: tuple[int, int],
    stride: tuple[int, int],
    switches: tuple[int, int, int, int, int],
    ties: tuple[int, int],
    out_strides: tuple[int, int, int, int, int],
) -> tuple[NDArray[np.int64], int]:
    """The members of the kernel's `medfast_hog_plan`, in its order, and how many values it needs to work in.

    `run`: from which column on, and up to which one, columns follow each other in the image. `switches`: gamma, bins,
    signed, votes for two bins, norm. `ties`: the column from where on the last of equally strong channels wins, and
    whether lines are as short as OpenCV takes them another way. `out_strides`: values of the result from block row to
    block row, to block column, cell row, cell column and bin.
    """
    n_channels, n_bins = shape[2], switches[1]
    block_height = region[0] - (blocks[0] - 1) * stride[0]
    n_lanes = n_lanes_of(opens[0], opens[1], cells[0], cells[1])
    squares = by_squares(opens[0], opens[1], cells[0], cells[1])
    size = padded((n_bins + 1) * n_lanes)
    n_groups = blocks[1] - 1 + opens[1]
    n_at_once, strides_at_once = min(stride[0], block_height, _ROWS_AT_ONCE), 1
    tile_groups = max(1, min(n_groups, _TILE_SIZE // (size if squares else size * stride[1])))
    part_groups = tile_groups * max(
        1, min(-(-n_groups // tile_groups), _PART_SIZE // (n_at_once * tile_groups * stride[1]))
    )
    if squares:
        part_groups = max(1, min(n_groups, _PART_SIZE // (n_at_once * stride[1])))
        if part_groups == n_groups and n_at_once == stride[0]:  # narrow: all the columns, and of rows as many as fit
            strides_at_once = max(1, min(_PART_SIZE // (n_groups * stride[1] * stride[0]), blocks[0] - 1 + opens[0]))
            n_at_once = strides_at_once * stride[0]
    tile_size = padded(part_groups * stride[1])
    n_lines, line_size = n_at_once + 2, padded(n_groups * stride[1]) + 2 * LANES
    n_padded = padded(cells[0] * cells[1] * n_bins)
    vote_room = padded(n_at_once * tile_size) + 2 * LANES
    n_sums = n_groups * size if squares else tile_groups * stride[1] * size
    n_totals = 0 if squares else blocks[1] * cells[1] * size
    at_values = n_lines * n_channels * line_size
    at_scales = at_values + blocks[1] * n_padded
    at_votes = at_scales + padded(blocks[1])
    at_sums = at_votes + 7 * vote_room
    at_totals = at_sums + n_sums
    found = np.array(
        [
            n_channels, line_size, n_lines, run[0], run[1], region[0] + 2, region[1] + 2, switches[0], ties[0], ties[1],
            n_bins, switches[2], switches[3], switches[4], n_lanes, size, stride[0], stride[1], block_height, n_groups,
            part_groups, tile_groups, tile_size, n_at_once, strides_at_once, opens[0], opens[1], cells[0], cells[1],
            blocks[0], blocks[1], n_padded, int(squares), at_values, at_scales, at_votes, vote_room, at_sums, at_totals,
            n_sums if squares else n_totals, out_strides[0], out_strides[1], out_strides[2], out_strides[3],
            out_strides[4],
        ],
        np.int64,
    )  # fmt: skip
    return found, at_totals + n_totals


@functools.lru_cache(maxsize=256)
def plan(
    shape: tuple[int, int, int],
    blocks: tuple[int, int],
    origin: tuple[int, int],
    opencv: tuple[int, int] | None,
    parameters: Parameters,
    dtype: np.dtype,
    out_strides: tuple[int, int, int, int, int] | None = None,
) -> Plan:
    """For images of `shape` (rows, cols, channels) and so many block rows and columns, the first one at `origin`.

    `opencv` gives the width of OpenCV's continued image, and the column of `origin` in it: OpenCV treats the last
    columns of lines, and short lines, another way. The result is in OpenCV's order, unless `out_strides` tells another.
    """
    stride, pixels, n_bins = parameters.stride, parameters.block_pixels, parameters.orientations
    region = (blocks[0] - 1) * stride[0] + pixels[0], (blocks[1] - 1) * stride[1] + pixels[1]
    rows, cols, run = hog_tables.maps(shape[:2], region, origin)
    row_weights, column_weights = (
        hog_tables.by_stride(hog_tables.weights(cell, n, parameters), step)
        for cell, n, step in zip(parameters.cell, parameters.block, stride, strict=True)
    )
    opens = row_weights.shape[1], column_weights.shape[1]
    ties = (NEVER, 0)
    if opencv is not None:
        ties = opencv[0] - opencv[0] % 4 - opencv[1], int(opencv[0] < OPENCV_SHORT)
    found, n_work = words(
        shape, run, region, blocks, parameters.block, opens, stride,
        (int(parameters.gamma), n_bins, int(parameters.signed), int(parameters.orientation_votes),
         NORMS.index(parameters.norm)),
        ties, out_strides or opencv_order(blocks, parameters.block, n_bins),
    )  # fmt: skip
    taps = hog_tables.taps_of(column_weights, dtype)
    n_lanes, tile = n_lanes_of(*opens, *parameters.block), int(found[21]) * stride[1]
    base = np.arange(int(found[22])) % tile * int(found[15])
    weights: tuple[NDArray[np.float64], ...]
    if by_squares(*opens, *parameters.block):
        weights = (
            hog_tables.row_lanes(row_weights, opens[1] * parameters.block[1], n_lanes),
            hog_tables.column_lanes(column_weights, opens[0], parameters.block[0], n_lanes),
        )
    else:
        weights = hog_tables.row_lanes(row_weights, 1, n_lanes), column_weights
    table = None
    if by_squares(*opens, *parameters.block) and not parameters.gamma and dtype == np.float32:
        table = Table(
            n_bins, parameters.signed, parameters.orientation_votes, bool(ties[1]), False, n_lanes, dtype
        )  # fmt: skip
    norm = np.zeros(LANES)
    norm[:5] = parameters.clip, *parameters.epsilon
    tables = [norm, *weights, hog_tables.edges(n_bins, parameters.signed, dtype)]
    n_columns = found[19] * stride[1]
    integers, numbers = hog_tables.read_only(
        np.concatenate([found, rows, cols, taps.ravel(), base]),
        np.concatenate([table.ravel() for table in tables]).astype(dtype),
    )
    return Plan(
        words=integers,
        tables=numbers,
        n_work=n_work,
        n_block_rows=blocks[0],
        n_pixels=region[0] * region[1],
        table=table,
        work_per_row=float(stride[0] * n_columns * (1 + n_lanes / 8) + blocks[1] * parameters.block_length / 2),
    )


_kept = threading.local()


def work_array(n: int, dtype: np.dtype) -> NDArray[Any]:
    """Room for `n` values, in any state; a small one is kept for the thread's next call: short calls come in rows."""
    kept = _kept.__dict__
    array = kept.get(dtype.char)
    if array is None or len(array) < n:
        array = aligned(n, dtype)
        if array.nbytes <= _KEPT_BYTES:
            kept[dtype.char] = array
    return array


def aligned(n: int, dtype: np.dtype) -> NDArray[Any]:
    """`n` values that begin at a line of cache: vectors across two lines cost twice."""
    room = np.empty(n * dtype.itemsize + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + n * dtype.itemsize].view(dtype)
