"""What the kernels of HOG look up: where rows and columns of an image are, weights of pixels, edges of bins."""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers.hog_parameters import Parameters


def maps(
    shape: tuple[int, int], region: tuple[int, int], origin: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int]]:
    """The row of the image of each row of a region, from -1 on, and the column of each column; and from where on and up
    to where the latter follow each other.
    """
    rows, cols = (np.arange(-1, n + 1) + first for n, first in zip(region, origin, strict=True))
    inside = np.flatnonzero((cols >= 0) & (cols < shape[1]))
    run = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 1)
    return _reflect(rows, shape[0]), _reflect(cols, shape[1]), run


def row_lanes(weights: NDArray[np.float64], n_cols: int, n_lanes: int) -> NDArray[np.float64]:
    """(open block rows, rows of a stride, lanes) from weights of rows (cell rows, strides, rows of a stride).

    Lanes are those of (block row modulo the open ones, `n_cols` whatever there is in a row, cell row), and zeros.
    """
    n_cell_rows, n_open, height = weights.shape
    lanes = np.zeros((n_open, height, n_open, n_cols, n_cell_rows))
    for now in range(n_open):
        for block in range(n_open):  # the open one that has its number modulo n_open
            lanes[now, :, block] = weights[:, (now - block) % n_open].T[:, np.newaxis]
    return _filled_up(lanes.reshape(n_open, height, -1), n_lanes)


def column_lanes(weights: NDArray[np.float64], opens: int, n_cell_rows: int, n_lanes: int) -> NDArray[np.float64]:
    """(columns of a stride, lanes) from weights of columns (cell columns, strides, columns of a stride).

    Lanes are those of (`opens` block rows, block column from the last one on, cell column, cell row), and zeros.
    """
    n_cells, n_open, width = weights.shape
    lanes = np.empty((width, opens, n_open, n_cells, n_cell_rows))
    lanes[:] = weights.transpose(2, 1, 0)[:, np.newaxis, :, :, np.newaxis]
    return _filled_up(lanes.reshape(width, -1), n_lanes)


def taps_of(weights: NDArray[np.float64], dtype: np.dtype) -> NDArray[np.int64]:
    """(strides, cell columns, 2): where the weights of columns that are not 0 begin and end."""
    taps = np.zeros((weights.shape[1], weights.shape[0], 2), np.int64)
    for cell, group in np.ndindex(weights.shape[:2]):
        if len(found := np.flatnonzero(weights[cell, group].astype(dtype))):
            taps[group, cell] = found[0], found[-1] + 1
    return taps


def _filled_up(lanes: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    filled = np.zeros((*lanes.shape[:-1], n))
    filled[..., : lanes.shape[-1]] = lanes
    return filled


@functools.lru_cache(maxsize=64)
def edges(n_bins: int, signed: bool, dtype: np.dtype) -> NDArray[Any]:
    """(bins, 2): cosine and sine of the upper edge of each bin."""
    circle = 2 if signed else 1
    return read_only(np.array([_direction(circle * k, n_bins) for k in range(1, n_bins + 1)], dtype))[0]


@functools.lru_cache(maxsize=64)
def special_bins(n_bins: int) -> NDArray[np.int64]:
    """scikit-image's bins of 45, 90 and 135 degrees; the quotient can be rounded, the bounds are what counts."""
    width, bins = 180.0 / n_bins, []
    for degrees in (45.0, 90.0, 135.0):
        near = range(max(0, math.floor(degrees / width) - 1), n_bins + 1)
        bins.append(next((k for k in near if width * k <= degrees < width * (k + 1)), n_bins))
    return read_only(np.array(bins))[0]


def by_stride(weights: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """(cells, strides, pixels of a stride) from (cells, pixels), the last stride filled up with zeros."""
    n_open = -(-weights.shape[1] // stride)
    out = np.zeros((len(weights), n_open * stride))
    out[:, : weights.shape[1]] = weights
    return out.reshape(len(weights), n_open, stride)


def weights(cell: int, n_cells: int, parameters: Parameters) -> NDArray[np.float64]:
    """What each of the pixels along one axis of a block weighs in each of its cells."""
    pixels, cells = np.arange(cell * n_cells), np.arange(n_cells)[:, np.newaxis]
    if parameters.spatial_votes:
        shares = np.maximum(0.0, 1.0 - np.abs((pixels + 0.5) / cell - 0.5 - cells))
    else:
        shares = (pixels // cell == cells).astype(np.float64)
    # Between these bounds the square is finite, and beyond them no weight changes any more.
    sigma = min(max(parameters.sigma, 1e-3), 1e150)
    return shares * np.exp(-((pixels - len(pixels) / 2) ** 2) / (2 * sigma**2))


def _direction(numerator: int, denominator: int) -> tuple[float, float]:
    """Cosine and sine of numerator/denominator half circles, modulo one; exact on the axes, alike on the diagonals."""
    numerator %= denominator
    if 2 * numerator > denominator:
        cosine, sine = _direction(denominator - numerator, denominator)
        return -cosine, sine
    if 4 * numerator > denominator:
        sine, cosine = _direction(denominator - 2 * numerator, 2 * denominator)
        return cosine, sine
    if 4 * numerator == denominator:
        return math.sqrt(0.5), math.sqrt(0.5)
    angle = math.pi * numerator / denominator
    return math.cos(angle), math.sin(angle)


def _reflect(index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Positions outside of `range(n)` reflected at the first and the last, which are not repeated."""
    if n == 1:
        return np.zeros_like(index)
    period = 2 * (n - 1)
    index = index % period
    return np.minimum(index, period - index)


def read_only(*arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """`arrays`, which are kept from call to call, closed to writing."""
    for array in arrays:
        array.flags.writeable = False
    return arrays
