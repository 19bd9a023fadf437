"""Histograms of single cells: what blocks are made of where nothing weighs their pixels, and pictures of them."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import hog as driver
from medfast._drivers import hog_look_up, hog_tables
from medfast._parallel import for_rows

_LANES = 16  # the kernel's
_FEW = 1000  # directions too near to the edge of a bin; images of integers have none


def histograms(
    images: NDArray[Any],
    parameters: driver.Parameters,
    dtype: np.dtype,
    *,
    single: bool = False,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """(images, cell rows, cell columns, bins + 1) of `images` (images, rows, cols, channels), by the way of `dtype`.

    Sums of magnitudes; with `single`, which `dtype` float64 alone has, scikit-image's means in float32.
    """
    n_rows, n_cols = (n // cell for n, cell in zip(images.shape[1:3], parameters.cell, strict=True))
    height, width = parameters.cell
    columns = n_cols * width
    maps, edges, special, base = _tables(images.shape[1:3], (n_rows * height, columns), parameters, dtype)
    n, n_bins = -(-columns // _LANES) * _LANES, parameters.orientations
    out = np.empty((len(images), n_rows, n_cols, n_bins + 1), dtype)
    switches = parameters.gamma, parameters.signed, parameters.orientation_votes and not single, single
    run: Callable[..., None] = _kernels.hog.count
    shares = None
    if images.dtype == np.uint8 and not parameters.gamma:
        soft = parameters.orientation_votes and not single
        table = hog_look_up.Table(n_bins, parameters.signed, soft, False, single, 1, dtype)
        shares = hog_look_up.shares_of(table, images.size)

    def work(start: int, stop: int) -> None:
        asked, n_asked, answers = np.empty((_FEW if single else 1, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64)
        lines, scratch = np.zeros((3, images.shape[3], n + 2 * _LANES), dtype), np.empty(6 * n, dtype)
        places = np.empty(n, np.int32)

        def once(is_answered: bool) -> None:
            run(
                images, *maps, height, width, *switches, edges, special, is_answered, answers, start, stop, base,
                shares, asked, n_asked, lines, scratch, places, out,
            )  # fmt: skip

        once(False)
        if n_asked[0] > len(asked):
            asked = np.empty((int(n_asked[0]), 2))
            once(False)
        if n_asked[0]:
            answers = _bins_of(asked[: n_asked[0]], n_bins)
            once(True)

    for_rows(len(images) * n_rows, work, work_per_row=2.0 * height * columns, num_threads=num_threads)
    return out


def _bins_of(directions: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The bins of directions (dy, dx), by the very operations of scikit-image; `n_bins` for those in none."""
    degrees = np.rad2deg(np.arctan2(directions[:, 0], directions[:, 1])) % 180
    width, bins = 180.0 / n_bins, np.full(len(degrees), n_bins)
    for k in range(n_bins):
        bins[(degrees >= width * k) & (degrees < width * (k + 1))] = k
    return bins


def blocks(
    cells: NDArray[Any],
    parameters: driver.Parameters,
    out: NDArray[Any],
    *,
    rows_first: bool = False,
    num_threads: int | None = None,
) -> None:
    """Fill `out` (images, block rows, block columns, cell rows, cell columns, bins) with normalised blocks of cells.

    `rows_first` says in which order the cells of a block stand in memory.
    """
    if not out.size:
        return
    steps = [step // cell for step, cell in zip(parameters.stride, parameters.cell, strict=True)]
    shape = out.shape[2], -(-parameters.block_length // _LANES) * _LANES
    norm = driver.NORMS.index(parameters.norm)
    constants = np.array([parameters.clip, *parameters.epsilon], cells.dtype)
    run: Callable[..., None] = _kernels.hog.normalize
    dtype = cells.dtype

    def work(start: int, stop: int) -> None:
        values, scales = np.zeros(shape, dtype), np.empty(shape[0], dtype)
        run(cells, *steps, rows_first, norm, constants, start, stop, values, scales, out)

    per_row = out.shape[2] * parameters.block_length / 2
    for_rows(len(out) * out.shape[1], work, work_per_row=per_row, num_threads=num_threads)


def are_enough(parameters: driver.Parameters) -> bool:
    """Whether blocks are made of histograms of whole cells: nothing weighs the pixels, and strides are of cells."""
    on_cells = all(step % cell == 0 for step, cell in zip(parameters.stride, parameters.cell, strict=True))
    return on_cells and not parameters.spatial_votes and math.isinf(parameters.sigma)


def picture(
    cells: NDArray[Any], parameters: driver.Parameters, shape: tuple[int, int], dtype: np.dtype
) -> NDArray[Any]:
    """(images, rows, cols): in each cell a stroke per bin, across its middle direction, as bright as the bin is strong.

    `cells` are means, as `histograms` has them. Strokes go through the cell's centre, as scikit-image
    draws them, and add up.
    """
    height, width = parameters.cell
    n_images, n_rows, n_cols, _ = cells.shape
    picture = np.zeros((n_images, *shape), dtype)
    radius = min(height, width) // 2 - 1
    circle = 2 * np.pi if parameters.signed else np.pi
    row, col = np.arange(n_rows) * height + height // 2, np.arange(n_cols) * width + width // 2
    for k in range(parameters.orientations):
        angle = circle * (k + 0.5) / parameters.orientations
        down, right = radius * np.cos(angle), radius * np.sin(angle)
        for rows, up_to in _alike(row, -down):
            for cols, right_to in _alike(col, right):
                strength = cells[:, rows[:, np.newaxis], cols, k]
                for r, c in _line(up_to[0], right_to[0], up_to[1], right_to[1]):
                    # the middle of a cell of a single pixel has its ends in others, and maybe in none
                    r_in, c_in = row[rows] + r < shape[0], col[cols] + c < shape[1]
                    place = (row[rows] + r)[r_in, np.newaxis], (col[cols] + c)[c_in]
                    picture[:, *place] += strength[:, r_in][:, :, c_in]
    return picture


def _alike(centres: NDArray[np.int64], offset: float) -> list[tuple[NDArray[np.int64], tuple[int, int]]]:
    """Which cells have their stroke's ends (cut towards 0) in the same places, and these, from the centre on."""
    ends = np.stack([(centres + offset).astype(np.int64), (centres - offset).astype(np.int64)], axis=1)
    found, which = np.unique(ends - centres[:, np.newaxis], axis=0, return_inverse=True)
    return [(np.flatnonzero(which.ravel() == i), (int(a), int(b))) for i, (a, b) in enumerate(found)]


def _line(row: int, col: int, end_row: int, end_col: int) -> NDArray[np.int64]:
    """The pixels (row, column) of a line, one for each step of its longer side; halves go towards its end."""
    n = max(abs(end_row - row), abs(end_col - col))
    steps = np.arange(n + 1)
    if n == 0:
        return np.array([[row, col]])
    moved = [np.sign(d) * ((2 * abs(d) * steps + n) // (2 * n)) for d in (end_row - row, end_col - col)]
    return np.column_stack([row + moved[0], col + moved[1]])


@functools.lru_cache(maxsize=64)
def _tables(
    shape: tuple[int, int], region: tuple[int, int], parameters: driver.Parameters, dtype: np.dtype
) -> tuple[tuple[Any, ...], NDArray[Any], NDArray[np.int64], NDArray[np.int32]]:
    """Where the kernel finds rows and columns, edges of bins, the bins of 45, 90 and 135 degrees, where cells begin."""
    rows, columns, run = hog_tables.maps(shape, region, (0, 0))
    base = np.arange(-(-region[1] // _LANES) * _LANES) // parameters.cell[1] * (parameters.orientations + 1)
    edges = hog_tables.edges(parameters.orientations, parameters.signed, dtype)
    return (rows, columns, *run), edges, hog_tables.special_bins(parameters.orientations), base.astype(np.int32)
