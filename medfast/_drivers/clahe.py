"""CLAHE over its kernel: tiles, tables and planes, by several threads. Arguments were checked by the caller.

Images are (planes, rows, columns) here, and so is the grid of tiles; a plane by itself is a volume of one plane.
"""

from collections import deque
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels, lab
from medfast._parallel import for_rows, threads_for

Grid = tuple[int, int, int]

_TABLES_BYTES = 1 << 20
"""What the tables of a plane may take before they are made two rows of tiles at a time: with 65 536 levels and 64 tiles
eight megabytes would leave the second-level cache, and be asked of the system at each call."""

_SPARE_WORDS = 1 << 18
"""A mebibyte, which is kept from call to call."""
_spare: deque[NDArray[np.uint32]] = deque(maxlen=1)  # appending and taking away are atomic

_NO_TABLE = np.zeros(0, np.uint16)


class Scale(NamedTuple):
    """The gray levels that are counted and given back, and those in use."""

    lowest: int
    """Gray level of bin 0."""
    n_bins: int
    first: int
    """Lowest bin in use, or a lower one."""
    n_used: int
    """Bins from that one on of which tables are made."""


def tile_shape(shape: tuple[int, ...], grid: tuple[int, ...]) -> tuple[int, int, int]:
    """Planes, rows and columns of a tile of a volume; a grid of two entries takes each plane by itself."""
    n_rows, n_cols = shape[-2:]
    grid_rows, grid_cols = grid[-2:]
    tile_planes = -(-shape[0] // grid[0]) if len(grid) == 3 else 1
    if n_rows % grid_rows or n_cols % grid_cols:  # OpenCV's rule: both sides grow to the next larger multiple
        return tile_planes, n_rows // grid_rows + 1, n_cols // grid_cols + 1
    return tile_planes, n_rows // grid_rows, n_cols // grid_cols


def equalize(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, ...],
    scale: Scale,
    histogram: NDArray[np.uint32] | None,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of a volume of integers; a grid of two entries takes each plane by itself.

    `histogram` is one for all tiles (1, bins), or one for each (tiles, bins); tables come from the pixels where it is
    None.
    """
    if histogram is not None:
        tables = np.empty(histogram.shape, np.uint16)
        _kernels.clahe.limited_tables(histogram, clip_limit, tables)
        if len(tables) == 1:
            _look_up(volume, scale, tables[0], inside, out, num_threads)
            return
        scale = scale._replace(first=0, n_used=scale.n_bins)
    whole = len(grid) == 3
    if histogram is None and inside is None and not whole:
        _plane_by_plane(volume, clip_limit, grid, scale, out, num_threads)
        return
    boxes: Grid = (grid[0] if whole else 1, grid[-2], grid[-1])
    for part in [slice(None)] if whole else [slice(plane, plane + 1) for plane in range(len(volume))]:
        inside_part = None if inside is None else inside[part]
        if histogram is None and len(volume[part]) == 1 and 2 * boxes[1] * boxes[2] * scale.n_used > _TABLES_BYTES:
            _in_bands(volume[part], clip_limit, boxes, scale, inside_part, out[part], num_threads)
            continue
        if histogram is None:
            tables = _tables(volume[part], clip_limit, boxes, scale, inside_part, num_threads)
        _blend(volume[part], boxes, scale, tables, inside_part, out[part], num_threads)


def equalize_floats(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, ...],
    n_bins: int,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of a volume of floats, on as many levels as there are bins."""
    levels, ends = gray_levels.quantize(volume, inside, n_bins, num_threads)
    if levels is None:
        out[...] = volume
        return
    results = np.empty_like(levels)
    equalize(levels, clip_limit, grid, Scale(0, n_bins, 0, n_bins), None, inside, results, num_threads)
    gray_levels.restore(results, np.arange(n_bins) / (n_bins - 1), ends, volume, inside, out, num_threads)


def equalize_colours(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, ...],
    n_levels: int,
    white: int,
    histogram: NDArray[np.uint32] | None,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of the lightness of a volume (planes, rows, columns, 3) of red, green and blue, which are 0 ... `white`."""
    levels = lab.lightness(volume, inside, n_levels, white, num_threads)
    scale = Scale(0, n_levels, 0, n_levels)
    if levels.dtype != np.uint8:
        least, most = gray_levels.extremes(levels, inside)
        scale = Scale(0, n_levels, least, most - least + 1)
    results = np.empty_like(levels)
    equalize(levels, clip_limit, grid, scale, histogram, inside, results, num_threads)
    lab.relight(volume, results, inside, n_levels, white, out, num_threads)


def _plane_by_plane(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, ...],
    scale: Scale,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Each plane by itself, from histograms to pixels; a thread takes bands between two rows of tile centres."""
    equalize_bands = _kernels.clahe.equalize
    lowest, n_bins, first, n_used = scale
    grid_rows, grid_cols = grid
    tile_rows, tile_cols, n_words, work = _plan(volume.shape, grid, n_used, volume.itemsize)
    n_planes = len(volume)
    n_bands = n_planes * (grid_rows + 1)

    def body(start: int, stop: int) -> None:
        scratch = _scratch(n_words)
        equalize_bands(
            volume, -lowest - first, lowest, first, n_used, n_bins, clip_limit, tile_rows, tile_cols, grid_rows,
            grid_cols, start, stop, scratch, out,
        )  # fmt: skip
        if n_words <= _SPARE_WORDS:
            _spare.append(scratch)

    n_threads = threads_for(n_planes * work, num_threads)
    if n_threads == 1 and n_planes * work < 1e7:
        body(0, n_bands)
        return
    # whoever begins within a plane makes the tables of one row of tiles once more: few large tiles, of which none takes
    # more than a tenth of a second, or whole planes
    work_per_band = work / (grid_rows + 1)
    tile_bands = grid_rows + 1
    if n_planes < 4 * n_threads:
        tile_bands = max(1, min(-(-n_bands // n_threads), int(1e8 / work_per_band)))
    for_rows(n_bands, body, work_per_row=work_per_band, num_threads=num_threads, tile_rows=tile_bands)


@lru_cache(64)
def _plan(shape: tuple[int, ...], grid: tuple[int, ...], n_used: int, itemsize: int) -> tuple[int, int, int, float]:
    """Rows and columns of a tile, words of scratch, and the work of a plane: a microsecond of a call of five."""
    _, n_rows, n_cols = shape
    _, tile_rows, tile_cols = tile_shape(shape, grid)
    work = n_rows * n_cols * itemsize / 2 + grid[0] * grid[1] * n_used / 4
    return tile_rows, tile_cols, scratch_words(n_cols, grid[1], n_used), work


def _scratch(n_words: int) -> NDArray[np.uint32]:
    """Room for the kernel, as a rule that of the call before: new memory is zeroed page by page as it is touched."""
    try:
        scratch = _spare.pop()
    except IndexError:
        return np.empty(n_words, np.uint32)
    return scratch if len(scratch) >= n_words else np.empty(n_words, np.uint32)


def scratch_words(n_cols: int, grid_cols: int, n_used: int) -> int:
    """32-bit words that the kernel's `equalize` works in."""
    n_cells = grid_cols + 1
    cells, shares, bounds, weights = n_cells * 2 * n_used, 3 * (n_cols + 64 * n_cells), 2 * (n_cells + 1), 2 * n_cols
    counts, tables = n_used, grid_cols * n_used
    return cells + shares + bounds + weights + max(counts + tables, 2 * grid_cols * 2568) + 80


def _in_bands(
    volume: NDArray[Any],
    clip_limit: float,
    grid: Grid,
    scale: Scale,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Where all tables together are large, those of two rows of tiles at a time, for the image rows between them."""
    tile_rows = tile_shape(volume.shape, grid)[1]
    bounds = np.empty(grid[1] + 2, np.int64)
    _kernels.clahe.column_weights(tile_rows, np.empty((2, volume.shape[1]), np.float32), bounds)
    tables = np.empty((min(grid[1], 2) * grid[2], scale.n_used), np.uint16)
    fallback = _fallback(volume, clip_limit, scale, inside, num_threads)
    for band in range(grid[1] + 1):
        if band < grid[1]:
            tiles = band * grid[2], (band + 1) * grid[2]
            _fill(tables, tiles, fallback, volume, clip_limit, grid, scale, inside, num_threads)
        rows = int(bounds[band]), int(bounds[band + 1])
        _blend(volume, grid, scale, tables, inside, out, num_threads, rows)


def _tables(
    volume: NDArray[Any],
    clip_limit: float,
    grid: Grid,
    scale: Scale,
    inside: NDArray[np.uint8] | None,
    num_threads: int | None,
) -> NDArray[np.uint16]:
    """(tiles, bins in use) tables from the histograms of the tiles."""
    tables = np.empty((grid[0] * grid[1] * grid[2], scale.n_used), np.uint16)
    fallback = _fallback(volume, clip_limit, scale, inside, num_threads)
    _fill(tables, (0, len(tables)), fallback, volume, clip_limit, grid, scale, inside, num_threads)
    return tables


def _fallback(
    volume: NDArray[Any],
    clip_limit: float,
    scale: Scale,
    inside: NDArray[np.uint8] | None,
    num_threads: int | None,
) -> NDArray[np.uint16]:
    """Table of a tile without a pixel in the mask: that of all pixels. Without a mask there are no such tiles."""
    if inside is None:
        return _NO_TABLE
    table = np.zeros(scale.n_used, np.uint16)
    if inside.any():
        _fill(table[None], (0, 1), table, volume, clip_limit, (1, 1, 1), scale, inside, num_threads)
    return table


def _fill(
    tables: NDArray[np.uint16],
    tiles: tuple[int, int],
    fallback: NDArray[np.uint16],
    volume: NDArray[Any],
    clip_limit: float,
    grid: Grid,
    scale: Scale,
    inside: NDArray[np.uint8] | None,
    num_threads: int | None,
) -> None:
    """Make the tables of some tiles of a grid."""
    kernel = _kernels.clahe
    shape = tile_shape(volume.shape, grid)

    def make(start: int, stop: int) -> None:
        kernel.tile_tables(
            volume, inside, -scale.lowest - scale.first, scale.first, scale.n_bins, clip_limit, *shape, *grid[1:],
            tiles[0] + start, tiles[0] + stop, fallback, np.empty(scale.n_used, np.uint32), tables,
        )  # fmt: skip

    work = shape[0] * shape[1] * shape[2] / 3 + scale.n_used
    for_rows(tiles[1] - tiles[0], make, work_per_row=work, num_threads=num_threads)


def _blend(
    volume: NDArray[Any],
    grid: Grid,
    scale: Scale,
    tables: NDArray[np.uint16],
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
    rows: tuple[int, int] | None = None,
) -> None:
    """Take the mean of what the tables of the nearest tiles make of each pixel; of some rows of the only plane."""
    kernel = _kernels.clahe
    n_planes, n_rows, n_cols = volume.shape
    tile_planes, tile_rows, tile_cols = tile_shape(volume.shape, grid)
    sets = tables.reshape(grid[0], -1, scale.n_used)
    weights, bounds = np.empty((2, n_cols), np.float32), np.empty(grid[2] + 2, np.int64)
    kernel.column_weights(tile_cols, weights, bounds)
    n_words = 0
    if tile_rows * tile_cols >= scale.n_used:  # bringing the four tables of a cell together pays
        n_words = scale.n_used * volume.itemsize

    begin, end = rows or (0, n_planes * n_rows)

    def interpolate(start: int, stop: int) -> None:
        start, stop = begin + start, begin + stop
        cells = np.empty((2 if grid[0] > 1 else 1, grid[2] + 1, n_words), np.uint32)
        shares = np.empty((3, n_cols + 64 * (grid[2] + 1)), np.uint32)
        for plane in range(start // n_rows, -(-stop // n_rows)):
            # the middle of the plane, counted in planes of tiles from the middle of the first
            position = (plane + 0.5) / tile_planes - 0.5
            before = int(position // 1)
            near, far = max(before, 0), min(before + 1, grid[0] - 1)
            kernel.interpolate(
                volume[plane], None if inside is None else inside[plane], -scale.lowest - scale.first, scale.lowest,
                sets[near], sets[far], position - before if near < far else 0.0, grid[1], tile_rows, tile_cols, weights,
                bounds, max(start - plane * n_rows, 0), min(stop - plane * n_rows, n_rows), cells, shares, out[plane],
            )  # fmt: skip

    for_rows(end - begin, interpolate, work_per_row=n_cols / 2, num_threads=num_threads)


def _look_up(
    volume: NDArray[Any],
    scale: Scale,
    levels: NDArray[np.uint16],
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Where all tiles have the same table, their mean is that table."""
    table = (levels.astype(np.int32) + scale.lowest).astype(volume.dtype)

    def body(start: int, stop: int) -> None:
        _kernels.histogram.look_up(volume, inside, table, -scale.lowest, start, stop, out)

    for_rows(gray_levels.n_rows(volume), body, work_per_row=volume.shape[2] / 4, num_threads=num_threads)
