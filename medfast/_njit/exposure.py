"""`equalize_hist` and `clahe` inside functions that Numba compiles: the drivers of medfast/_drivers on one thread.

Volumes are (planes, rows, columns).
"""

import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import exposure
from medfast._drivers import clahe as driver
from medfast._drivers import equalization, gray_levels
from medfast._njit import arguments, kernels
from medfast._njit.arguments import as_volume, check_apart, check_finite, check_mask_shape, check_threads, result

clahe, histogram = kernels.clahe, kernels.histogram
tile_shape, scratch_words = register_jitable(driver.tile_shape), register_jitable(driver.scratch_words)
_FLOAT_LEVELS = equalization._FLOAT_LEVELS


@overload(exposure.equalize_hist, prefer_literal=True)
def _equalize_hist(image, mask=None, out=None, num_threads=None):
    arguments.check_image(image, (2, 3))
    arguments.check_mask(mask, image.ndim)
    arguments.check_out(out, image.dtype, image.ndim)
    dtype = np.dtype(image.dtype.name)
    run = _equalize_floats if dtype.kind == "f" else _equalize_integers
    lowest, n_bins = gray_levels.span(dtype)

    def equalize_hist(image, mask=None, out=None, num_threads=None):
        check_finite(image)
        check_mask_shape(mask, image.shape)
        check_apart(out, image, True)
        check_apart(out, mask, False)
        check_threads(num_threads)
        equalized = result(out, image.shape, dtype)
        if image.size > 0:
            run(as_volume(image), as_volume(mask), as_volume(equalized), lowest, n_bins)
        return equalized

    return equalize_hist


@register_jitable
def _equalize_integers(volume, inside, out, lowest, n_bins):
    counts, table = np.zeros(n_bins, np.int64), np.empty(n_bins, volume.dtype)
    histogram.equalize(volume, inside, -lowest, counts, table, out)


@register_jitable
def _equalize_floats(volume, inside, out, lowest, n_bins):
    least, most, n_inside = extremes(volume, inside)
    if n_inside == 0 or least == most:
        out[...] = volume
        return
    levels = quantize(volume, inside, least, most, _FLOAT_LEVELS)
    counts = np.zeros(_FLOAT_LEVELS, np.int64)
    histogram.count(levels, inside, 0, 0, volume.shape[0] * volume.shape[1], counts)
    counts[0] = 0
    running = np.cumsum(counts)
    restore(levels, running / running[-1], least, most, volume, inside, out)


@overload(exposure.clahe, prefer_literal=True)
def _clahe(
    image,
    clip_limit=2.0,
    tile_grid=(8, 8),
    bit_depth=None,
    mask=None,
    histogram=None,
    channel_axis=None,
    out=None,
    num_threads=None,
):
    arguments.unsupported(histogram=histogram, channel_axis=channel_axis)
    arguments.check_image(image, (2, 3))
    arguments.check_mask(mask, image.ndim)
    arguments.check_out(out, image.dtype, image.ndim)
    arguments.check_number(clip_limit, "clip_limit")
    n = len(tile_grid) if isinstance(tile_grid, tuple | types.BaseTuple) else 0
    if n not in ((2, 3) if image.ndim == 3 else (2,)):
        raise TypingError(
            f"tile_grid must be a tuple of {'2 or 3' if image.ndim == 3 else '2'} integers, got {tile_grid}"
        )
    dtype, whole, has_depth = np.dtype(image.dtype.name), n == 3, not arguments.is_none(bit_depth)
    most_bits = exposure._MOST_BITS.get(dtype.name, 16)
    lowest, n_bins = (0, 0) if has_depth else gray_levels.span(dtype)
    is_float, is_byte, has_mask = dtype.kind == "f", dtype == np.uint8, not arguments.is_none(mask)
    run = _clahe_of_boxes if whole else _clahe_inside if has_mask else _clahe_of_planes

    def clahe(
        image,
        clip_limit=2.0,
        tile_grid=(8, 8),
        bit_depth=None,
        mask=None,
        histogram=None,
        channel_axis=None,
        out=None,
        num_threads=None,
    ):
        check_finite(image)
        if not (clip_limit >= 0 and math.isfinite(clip_limit)):
            raise ValueError("clip_limit must be >= 0 and finite")
        for side in tile_grid:
            if not 1 <= side < 2**31:
                raise ValueError("tile_grid must be >= 1")
        first_level, n_levels = lowest, n_bins
        if has_depth:
            if not 1 <= bit_depth <= most_bits:
                raise ValueError("bit_depth must be >= 1, and no more than the bits of the dtype")
            first_level, n_levels = 0, 1 << np.int64(bit_depth)
        check_mask_shape(mask, image.shape)
        check_apart(out, image, False)
        check_apart(out, mask, False)
        check_threads(num_threads)
        equalized = result(out, image.shape, dtype)
        if image.size == 0:
            return equalized
        volume, inside, target = as_volume(image), as_volume(mask), as_volume(equalized)
        shape = tile_shape(volume.shape, tile_grid)
        if np.float64(shape[0]) * shape[1] * shape[2] >= 2.0**31:
            raise ValueError("tile_grid must give tiles of fewer than 2**31 pixels")
        first, n_used = 0, n_levels
        if has_mask or has_depth or not is_byte:
            least, most, n_inside = extremes(volume, inside)
            if n_inside == 0 or (is_float and least == most):
                target[...] = volume
                return equalized
            if not is_float:
                if has_depth and (least < 0 or most >= n_levels):
                    raise ValueError("image must lie in the levels of bit_depth")
                if not is_byte:  # tables of the levels in use
                    first, n_used = np.int64(least) - first_level, np.int64(most) - np.int64(least) + 1
            else:
                levels = quantize(volume, inside, least, most, n_levels)
                results = np.empty_like(levels)
                run(levels, inside, results, clip_limit, tile_grid, 0, n_levels, 0, n_levels)
                shares = np.arange(n_levels) / (n_levels - 1)
                restore(results, shares, least, most, volume, inside, target)
        if not is_float:
            run(volume, inside, target, clip_limit, tile_grid, first_level, n_levels, first, n_used)
        return equalized

    return clahe


@register_jitable
def _clahe_of_planes(volume, inside, out, clip_limit, grid, lowest, n_bins, first, n_used):
    """Each plane by itself, from histograms to pixels."""
    grid_rows, grid_cols = grid[0], grid[1]
    shape = tile_shape(volume.shape, grid)
    scratch = np.empty(scratch_words(volume.shape[2], grid_cols, n_used), np.uint32)
    clahe.equalize(
        volume, -lowest - first, lowest, first, n_used, n_bins, float(clip_limit), shape[1], shape[2], grid_rows,
        grid_cols, 0, volume.shape[0] * (grid_rows + 1), scratch, out,
    )  # fmt: skip


@register_jitable
def _clahe_of_boxes(volume, inside, out, clip_limit, grid, lowest, n_bins, first, n_used):
    """Boxes of a volume."""
    _blend_boxes(volume, inside, out, float(clip_limit), grid[0], grid[1], grid[2], lowest, n_bins, first, n_used)


@register_jitable
def _clahe_inside(volume, inside, out, clip_limit, grid, lowest, n_bins, first, n_used):
    """Each plane by itself, with a mask."""
    for plane in range(volume.shape[0]):
        part = slice(plane, plane + 1)
        _blend_boxes(
            volume[part], inside[part], out[part], float(clip_limit), 1, grid[0], grid[1], lowest, n_bins, first, n_used
        )


@register_jitable
def _blend_boxes(volume, inside, out, clip_limit, grid_planes, grid_rows, grid_cols, lowest, n_bins, first, n_used):
    """Tables of boxes, and the mean of the nearest; of one plane of boxes, two rows of tables at a time."""
    n_planes, n_rows, n_cols = volume.shape
    tile_planes, tile_rows, tile_cols = tile_shape(volume.shape, (grid_planes, grid_rows, grid_cols))
    counts = np.empty(n_used, np.uint32)
    offset = -lowest - first
    fallback = np.zeros((1, n_used), np.uint16)
    if inside is not None and inside.any():
        whole_shape = tile_shape(volume.shape, (1, 1, 1))
        clahe.tile_tables(
            volume, inside, offset, first, n_bins, clip_limit, whole_shape[0], whole_shape[1], whole_shape[2], 1, 1, 0,
            1, fallback[0], counts, fallback,
        )  # fmt: skip
    weights, bounds = np.empty((2, n_cols), np.float32), np.empty(grid_cols + 2, np.int64)
    clahe.column_weights(tile_cols, weights, bounds)
    n_words = n_used * volume.itemsize if tile_rows * tile_cols >= n_used else 0
    cells = np.empty((2 if grid_planes > 1 else 1, grid_cols + 1, n_words), np.uint32)
    shares = np.empty((3, n_cols + 64 * (grid_cols + 1)), np.uint32)
    if grid_planes == 1 and n_planes == 1:
        row_bounds = np.empty(grid_rows + 2, np.int64)
        clahe.column_weights(tile_rows, np.empty((2, n_rows), np.float32), row_bounds)
        tables = np.empty((min(grid_rows, 2) * grid_cols, n_used), np.uint16)
        for band in range(grid_rows + 1):
            if band < grid_rows:
                clahe.tile_tables(
                    volume, inside, offset, first, n_bins, clip_limit, tile_planes, tile_rows, tile_cols, grid_rows,
                    grid_cols, band * grid_cols, (band + 1) * grid_cols, fallback[0], counts, tables,
                )  # fmt: skip
            clahe.interpolate(
                volume[0], plane_of(inside, 0), offset, lowest, tables, tables, 0.0, grid_rows, tile_rows, tile_cols,
                weights, bounds, row_bounds[band], row_bounds[band + 1], cells, shares, out[0],
            )  # fmt: skip
        return
    n_tiles = grid_planes * grid_rows * grid_cols
    tables = np.empty((n_tiles, n_used), np.uint16)
    clahe.tile_tables(
        volume, inside, offset, first, n_bins, clip_limit, tile_planes, tile_rows, tile_cols, grid_rows, grid_cols, 0,
        n_tiles, fallback[0], counts, tables,
    )  # fmt: skip
    in_set = grid_rows * grid_cols
    for plane in range(n_planes):
        position = (plane + 0.5) / tile_planes - 0.5
        before = np.int64(math.floor(position))
        near, far = max(before, 0), min(before + 1, grid_planes - 1)
        clahe.interpolate(
            volume[plane], plane_of(inside, plane), offset, lowest, tables[near * in_set : (near + 1) * in_set],
            tables[far * in_set : (far + 1) * in_set], position - before if near < far else 0.0, grid_rows, tile_rows,
            tile_cols, weights, bounds, 0, n_rows, cells, shares, out[plane],
        )  # fmt: skip


@register_jitable
def extremes(volume, inside):
    """Lowest and highest value inside the mask, and how many there are."""
    least, most, n_inside = volume[0, 0, 0], volume[0, 0, 0], 0
    for plane in range(volume.shape[0]):
        for row in range(volume.shape[1]):
            if inside is None:
                line = volume[plane, row]
                low = high = line[0]
                for col in range(len(line)):
                    low, high = min(low, line[col]), max(high, line[col])
                least, most = min(least, low), max(most, high)
                n_inside += len(line)
                continue
            for col in range(volume.shape[2]):
                if inside[plane, row, col]:
                    value = volume[plane, row, col]
                    if n_inside == 0:
                        least = most = value
                    least, most = min(least, value), max(most, value)
                    n_inside += 1
    return least, most, n_inside


@register_jitable
def unit_of(low, high):
    """What floats are multiplied by so that the difference of the two ends does not overflow."""
    return 1.0 if math.isfinite(high - low) else 0.5


@register_jitable
def quantize(volume, inside, least, most, n_levels):
    """Level of each pixel."""
    low, high = np.float64(least), np.float64(most)
    unit = unit_of(low, high)
    levels = np.empty(volume.shape, np.uint16)
    n_rows = volume.shape[0] * volume.shape[1]
    histogram.quantize(volume, unit, low * unit, high * unit - low * unit, n_levels - 1.0, 0, n_rows, levels)
    return levels


@register_jitable
def restore(levels, shares, least, most, volume, inside, out):
    """Give each pixel the value that lies at the share of its level on the way from the lowest value to the highest."""
    first, last = np.float64(least), np.float64(most)
    unit = unit_of(first, last)
    low, high = first * unit, last * unit
    table = np.empty(len(shares), volume.dtype)
    for level in range(len(shares)):
        value = min(max((low + shares[level] * (high - low)) / unit, first), last)
        table[level] = last if shares[level] == 1.0 else value
    histogram.restore(levels, inside, volume, table, 0, volume.shape[0] * volume.shape[1], out)


def plane_of(inside, plane):
    """A plane of a mask, if there is one."""
    raise NotImplementedError


@overload(plane_of)
def _plane_of(inside, plane):
    if arguments.is_none(inside):
        return lambda inside, plane: None
    return lambda inside, plane: inside[plane]
