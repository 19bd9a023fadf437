"""Windows that a detector slides over an image: their descriptors, and their scores without making descriptors.

Pairs are (rows, columns) of pixels. Windows whose distance is a multiple of the block stride share their blocks, so
each block is computed once for all of them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import hog as driver
from medfast._drivers.hog_plan import LANES, aligned, padded
from medfast._parallel import for_rows, threads_for

_FLOAT = np.dtype(np.float32)


class Layout(NamedTuple):
    """Where windows lie on images of one size, which are continued by reflection."""

    parameters: driver.Parameters
    size: tuple[int, int]
    """Of an image."""
    shape: tuple[int, int]
    """Of a window."""
    stride: tuple[int, int]
    """From window to window."""
    pad: tuple[int, int]
    """Above and below, left and right."""
    blocks: tuple[int, int]
    """Block rows and block columns of a window."""
    room: tuple[int, int]
    """Rows and columns that a window may be moved by."""
    n_windows: tuple[int, int]
    """Rows and columns of windows."""
    plan: driver.Plan | None
    """Of an image that is one window: nothing is shared, and the call is short."""


class Windows(NamedTuple):
    """Windows on an image."""

    image: NDArray[Any]
    """(1, rows, cols, channels)"""
    layout: Layout


class _Grid(NamedTuple):
    """Windows that share their blocks."""

    windows: tuple[slice, slice]
    """Which of the rows and columns of windows they are."""
    corner: tuple[int, int]
    """Pixels, in the continued image."""
    shape: tuple[int, int]
    """Blocks."""
    apart: tuple[int, int]
    """Blocks from window to window."""


def place(layout: Layout, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int32]:
    """Upper left corners (x, y), in the image, of some of the windows."""
    x, y = cols * layout.stride[1] - layout.pad[1], rows * layout.stride[0] - layout.pad[0]
    return np.column_stack([x, y]).astype(np.int32)


def layout(
    parameters: driver.Parameters,
    size: tuple[int, int, int],
    shape: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
) -> Layout:
    """Windows of a `shape` on images of `size` (rows, cols, channels), with `pad` as OpenCV rounds it: up to a multiple
    of the strides' divisor where that is a power of 2, else oddly.
    """
    divisors = [math.gcd(*pair) for pair in zip(stride, parameters.stride, strict=True)]
    rows, cols = ((max(0, n) + divisor - 1) & -divisor for n, divisor in zip(pad, divisors, strict=True))
    room = size[0] + 2 * rows - shape[0], size[1] + 2 * cols - shape[1]
    count = room[0] // stride[0] + 1, room[1] // stride[1] + 1
    blocks, plan = parameters.blocks_in(*shape), None
    if count == (1, 1) and min(room) >= 0:
        plan = driver.plan(size, blocks, (-rows, -cols), (size[1] + 2 * cols, 0), parameters, _FLOAT)
    return Layout(parameters, size[:2], shape, stride, (rows, cols), blocks, room, count, plan)


def describe(windows: Windows) -> NDArray[np.float32]:
    """(windows, values): every window in OpenCV's order, row by row; its blocks by columns."""
    layout = windows.layout
    (n_rows, n_cols), (block_rows, block_cols), length = layout.n_windows, layout.blocks, layout.parameters.block_length
    if layout.plan is not None:
        single = np.empty((1, block_rows * block_cols * length), np.float32)
        driver.describe(windows.image, layout.plan, single)
        return single
    features = np.empty((n_rows, n_cols, block_cols, block_rows * length), np.float32)
    for grid in _grids(layout):
        blocks = np.empty((1, grid.shape[0] * grid.shape[1] * length), np.float32)
        _fill(windows, grid.corner, grid.shape, blocks)
        columns = sliding_window_view(blocks.reshape(grid.shape[1], -1), (block_cols, block_rows * length))
        shared, own = columns[:: grid.apart[1], :: grid.apart[0] * length].swapaxes(0, 1), features[grid.windows]

        def copy(start: int, stop: int, shared=shared, own=own) -> None:
            own[start:stop] = shared[start:stop]

        for_rows(len(own), copy, work_per_row=float(own[0].size))
    return features.reshape(n_rows * n_cols, -1)


def describe_at(windows: Windows, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(places, values): the windows with their corners at `places` (x, y) of the image; zeros where they do not fit."""
    layout, parameters = windows.layout, windows.layout.parameters
    features = np.zeros((len(places), math.prod(layout.blocks) * parameters.block_length), np.float32)
    for i in np.flatnonzero(fitting(windows, places)):
        corner = int(places[i, 1]) + layout.pad[0], int(places[i, 0]) + layout.pad[1]
        _fill(windows, corner, layout.blocks, features[i : i + 1])
    return features


def fitting(windows: Windows, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `places` (x, y) hold a window inside the continued image."""
    corners = places + windows.layout.pad[::-1]
    return np.all((corners >= 0) & (corners <= windows.layout.room[::-1]), axis=1)


def as_detector(coefficients: NDArray[np.float32], blocks: tuple[int, int], length: int) -> NDArray[np.float32]:
    """The coefficients of a window, in OpenCV's order, row by row of blocks, each row padded with zeros."""
    size = blocks[1] * length
    detector: NDArray[np.float32] = aligned(blocks[0] * padded(size), _FLOAT).reshape(blocks[0], padded(size))
    values = coefficients[: blocks[0] * size].reshape(*blocks[::-1], length)
    detector[:, :size] = values.swapaxes(0, 1).reshape(blocks[0], size)
    detector[:, size:] = 0
    return detector


def each(function: Callable[[Any], Any], items: Sequence[Any], work_per_item: float) -> list[Any]:
    """`function` of each of `items`, on several threads at once; these share out no work of their own."""
    found: list[Any] = [None] * len(items)

    def work(start: int, stop: int) -> None:
        for i in range(start, stop):
            found[i] = function(items[i])

    tile = 1 if threads_for(len(items) * work_per_item) > 1 else None
    for_rows(len(items), work, work_per_row=work_per_item, tile_rows=tile)
    return found


def work_of(layout: Layout) -> float:
    """Elementary steps to score the windows of an image, about."""
    return layout.size[0] * layout.size[1] * 3.0 + math.prod(layout.n_windows) * math.prod(layout.blocks) * 2.0


def score(
    windows: Windows, detector: NDArray[np.float32], rho: float, num_threads: int | None = None
) -> NDArray[np.float64]:
    """(rows, columns) of windows: `rho` and the product of each window's descriptor with `detector`."""
    parameters, length = windows.layout.parameters, windows.layout.parameters.block_length
    scores: NDArray[np.float64] = np.empty(windows.layout.n_windows)
    n_bins = parameters.orientations
    run: Callable[..., None] = _kernels.hog.score
    for grid in _grids(windows.layout):
        n_rows, size = grid.shape[0], grid.shape[1] * length
        size_with_zeros = padded(size) + LANES
        values: NDArray[np.float32] = aligned(n_rows * size_with_zeros, _FLOAT).reshape(n_rows, size_with_zeros)
        values[:, size:] = 0
        order = size_with_zeros, length, n_bins, parameters.block[0] * n_bins, 1
        _fill(windows, grid.corner, grid.shape, values.reshape(1, -1), order, num_threads)
        out: NDArray[np.float64] = np.empty(scores[grid.windows].shape)
        steps = grid.apart[0], grid.apart[1] * length

        def work(start: int, stop: int, out=out, values=values, steps=steps) -> None:
            run(values, detector, *steps, rho, start, stop, out)

        for_rows(len(out), work, work_per_row=out.shape[1] * detector.size / 16, num_threads=num_threads)
        scores[grid.windows] = out
    return scores


def _grids(layout: Layout) -> Iterator[_Grid]:
    pairs = list(zip(layout.stride, layout.parameters.stride, strict=True))
    steps = [math.lcm(*pair) // pair[0] for pair in pairs]
    apart = math.lcm(*pairs[0]) // pairs[0][1], math.lcm(*pairs[1]) // pairs[1][1]
    n_rows, n_cols = layout.n_windows
    for row in range(min(steps[0], n_rows)):
        for col in range(min(steps[1], n_cols)):
            sharing = len(range(row, n_rows, steps[0])), len(range(col, n_cols, steps[1]))
            rows, cols = ((n - 1) * step + m for n, step, m in zip(sharing, apart, layout.blocks, strict=True))
            yield _Grid(
                windows=(slice(row, None, steps[0]), slice(col, None, steps[1])),
                corner=(row * layout.stride[0], col * layout.stride[1]),
                shape=(rows, cols),
                apart=apart,
            )


def _fill(
    windows: Windows,
    corner: tuple[int, int],
    blocks: tuple[int, int],
    out: NDArray[Any],
    order: tuple[int, int, int, int, int] | None = None,
    num_threads: int | None = None,
) -> None:
    """Fill `out` with so many rows and columns of blocks, the first with its `corner` in the continued image."""
    layout, image = windows.layout, windows.image
    origin = corner[0] - layout.pad[0], corner[1] - layout.pad[1]
    opencv = layout.size[1] + 2 * layout.pad[1], corner[1]
    plan = driver.plan(image.shape[1:], blocks, origin, opencv, layout.parameters, out.dtype, order)
    driver.describe(image, plan, out, num_threads)
