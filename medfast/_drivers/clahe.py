"""CLAHE over its kernels: tiles, tables and the planes of a volume, by several threads. Arguments were checked by the
caller.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels
from medfast._parallel import for_rows


def tile_shape(shape: tuple[int, ...], grid: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a tile of a plane."""
    (n_rows, n_cols), (grid_rows, grid_cols) = shape, grid
    if n_rows % grid_rows or n_cols % grid_cols:  # OpenCV's rule: both sides grow to the next larger multiple
        return n_rows // grid_rows + 1, n_cols // grid_cols + 1
    return n_rows // grid_rows, n_cols // grid_cols


def equalize(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, int],
    lowest: int,
    n_bins: int,
    used: tuple[int, int],
    inside: NDArray[np.uint8] | None,
    out_volume: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of each plane of a volume, whose pixels lie on the `used` levels (first, number) of `n_bins`; level 0 is
    `lowest`.
    """
    if volume.dtype.kind == "f":
        _floats(volume, clip_limit, grid, n_bins, inside, out_volume, num_threads)
        return
    for plane in range(len(volume)):
        _plane(
            volume[plane], clip_limit, grid, lowest, *used, n_bins,
            None if inside is None else inside[plane], out_volume[plane], num_threads,
        )  # fmt: skip


def _floats(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, int],
    n_bins: int,
    inside: NDArray[np.uint8] | None,
    out_volume: NDArray[Any],
    num_threads: int | None,
) -> None:
    levels, ends = gray_levels.quantize(volume, inside, n_bins, num_threads)
    if levels is None:
        out_volume[...] = volume
        return
    results = np.empty_like(levels)
    for plane in range(len(levels)):
        _plane(
            levels[plane], clip_limit, grid, 0, 0, n_bins, n_bins,
            None if inside is None else inside[plane], results[plane], num_threads,
        )  # fmt: skip
    gray_levels.restore(results, np.arange(n_bins) / (n_bins - 1), ends, volume, inside, out_volume, num_threads)


def _plane(
    image: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, int],
    lowest: int,
    first: int,
    n_used: int,
    n_bins: int,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of a plane, whose pixels lie on `n_used` of `n_bins` levels, from level `first` up; level 0 is `lowest`."""
    kernel = _kernels.clahe
    n_rows, n_cols = image.shape
    grid_rows, grid_cols = grid
    tile_rows, tile_cols = tile_shape(image.shape, grid)
    offset = -lowest - first

    def make_tables(tables: NDArray[Any], fallback: NDArray[Any], shape: tuple[int, int], columns: int, work: float):
        def make(start: int, stop: int) -> None:
            kernel.tile_tables(
                image, inside, offset, first, n_bins, clip_limit, *shape, columns, start, stop,
                fallback, np.empty(n_used, np.uint32), tables,
            )  # fmt: skip

        for_rows(len(tables), make, work_per_row=work, num_threads=num_threads)

    tables = np.empty((grid_rows * grid_cols, n_used), np.uint16)
    fallback = tables[0]
    if inside is not None:
        fallback = np.zeros(n_used, np.uint16)
        make_tables(fallback[None], fallback, (n_rows, n_cols), 1, image.size)
    make_tables(tables, fallback, (tile_rows, tile_cols), grid_cols, tile_rows * tile_cols / 3 + n_used)

    weights, bounds = np.empty((2, n_cols), np.float32), np.empty(grid_cols + 2, np.int64)
    kernel.column_weights(tile_cols, weights, bounds)
    n_words = 0
    if tile_rows * tile_cols >= n_used:  # bringing the four tables of a cell together pays
        n_words = n_used * image.itemsize

    def interpolate(start: int, stop: int) -> None:
        kernel.interpolate(
            image, inside, offset, lowest, tables, tile_rows, weights, bounds, start, stop,
            np.empty((grid_cols + 1, n_words), np.uint32), out,
        )  # fmt: skip

    for_rows(n_rows, interpolate, work_per_row=n_cols / 2, num_threads=num_threads)
