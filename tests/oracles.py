"""Slow, obvious definitions, written from the papers and the references' documents: what every kernel is held to.

Nothing here imports medfast, and nothing here is fast. One section per kernel.
"""

import numpy as np

# --- clahe -----------------------------------------------------------------------------------------------------------


def clahe(image, clip_limit=2.0, tile_grid=(8, 8), bit_depth=None, mask=None):
    """CLAHE of a plane, or of each plane of a volume of integers, in OpenCV's order of float32 operations."""
    if image.dtype.kind == "f":
        n_bins = 2 ** (bit_depth or 16)
        levels, low, high = float_levels(image, n_bins, mask)
        if levels is None:
            return image.copy()
        new = clahe(levels.astype(np.uint16), clip_limit, tile_grid, int(np.log2(n_bins)), mask)
        result = spread(new / (n_bins - 1), low, high).astype(image.dtype)
        return result if mask is None else np.where(mask, result, image)
    if image.ndim == 3:
        masks = [None] * len(image) if mask is None else mask
        return np.stack(
            [
                clahe(*args)
                for args in ((p, clip_limit, tile_grid, bit_depth, m) for p, m in zip(image, masks, strict=True))
            ]
        )
    bits = bit_depth or 8 * image.dtype.itemsize
    n_bins = 2**bits
    lowest = -(n_bins // 2) if image.dtype == np.int16 else 0
    bins = image.astype(np.int64) - lowest
    n_rows, n_cols = image.shape
    grid_rows, grid_cols = tile_grid
    inside = np.ones(image.shape, bool) if mask is None else mask
    if not inside.any():
        return image.copy()
    padding = (0, 0)
    if n_rows % grid_rows or n_cols % grid_cols:
        padding = grid_rows - n_rows % grid_rows, grid_cols - n_cols % grid_cols
    extended = np.pad(bins, ((0, padding[0]), (0, padding[1])), mode="reflect")
    extended_inside = np.pad(inside, ((0, padding[0]), (0, padding[1])), mode="reflect")
    height, width = extended.shape[0] // grid_rows, extended.shape[1] // grid_cols
    tables = np.empty((grid_rows, grid_cols, n_bins), np.float32)
    for i in range(grid_rows):
        for j in range(grid_cols):
            tile = np.s_[i * height : (i + 1) * height, j * width : (j + 1) * width]
            values = extended[tile][extended_inside[tile]]
            tables[i, j] = clahe_table(values if len(values) else bins[inside], n_bins, clip_limit)
    y = np.arange(n_rows, dtype=np.float32) * (np.float32(1) / np.float32(height)) - np.float32(0.5)
    x = np.arange(n_cols, dtype=np.float32) * (np.float32(1) / np.float32(width)) - np.float32(0.5)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - np.floor(y))[:, None], x - np.floor(x)
    up, left = np.float32(1) - down, np.float32(1) - right
    above, below = np.maximum(y0, 0)[:, None], np.minimum(y0 + 1, grid_rows - 1)[:, None]
    before, after = np.maximum(x0, 0), np.minimum(x0 + 1, grid_cols - 1)
    upper = tables[above, before, bins] * left + tables[above, after, bins] * right
    lower = tables[below, before, bins] * left + tables[below, after, bins] * right
    result = np.rint(upper * up + lower * down).astype(np.int64) + lowest
    return np.where(inside, result, image).astype(image.dtype)


def clahe_table(values, n_bins, clip_limit):
    """New level for each bin, from the bins of a tile's pixels."""
    counts = np.bincount(values, minlength=n_bins)
    if clip_limit > 0:
        limit = max(int(min(clip_limit * len(values) / n_bins, len(values))), 1)
        excess = np.maximum(counts - limit, 0).sum()
        counts = np.minimum(counts, limit) + excess // n_bins
        residual = excess % n_bins
        if residual:
            step = max(n_bins // residual, 1)
            counts[np.arange(0, n_bins, step)[:residual]] += 1
    scale = np.float32(n_bins - 1) / np.float32(len(values))
    return np.minimum(np.rint(np.cumsum(counts).astype(np.float32) * scale), n_bins - 1)


# --- histogram -------------------------------------------------------------------------------------------------------


def equalize_hist(image, mask=None):
    """Global histogram equalisation: integers over the dtype's range in OpenCV's float32; floats by shares."""
    inside = np.ones(image.shape, bool) if mask is None else mask
    if not inside.any():
        return image.copy()
    if image.dtype.kind == "f":
        levels, low, high = float_levels(image, 65536, mask)
        if levels is None:
            return image.copy()
        counts = np.bincount(levels[inside], minlength=65536)
        counts[0] = 0
        result = spread((np.cumsum(counts) / counts.sum())[levels], low, high).astype(image.dtype)
        return np.where(inside, result, image)
    limits = np.iinfo(image.dtype)
    n_bins = int(limits.max) - int(limits.min) + 1
    values = image.astype(np.int64) - int(limits.min)
    counts = np.bincount(values[inside], minlength=n_bins)
    lowest = values[inside].min()
    n_above = inside.sum() - counts[lowest]
    if n_above == 0:
        return image.copy()
    counts[lowest] = 0
    scale = np.float32(n_bins - 1) / np.float32(n_above)
    table = np.rint(np.cumsum(counts).astype(np.float32) * scale).astype(np.int64)
    result = np.minimum(table, n_bins - 1)[values] + int(limits.min)
    return np.where(inside, result, image).astype(image.dtype)


def float_levels(image, n_levels, mask=None):
    """Nearest of evenly spaced levels from the lowest to the highest value, and these two; None for equal values."""
    values = image.astype(np.float64)
    inside = values if mask is None else values[mask]
    low, high = inside.min(), inside.max()
    if low == high:
        return None, low, high
    half = halving(low, high)
    share = (values * half - low * half) / (high * half - low * half)
    return np.floor(np.clip(share * (n_levels - 1) + 0.5, 0, n_levels - 1)).astype(np.int64), low, high


def halving(low, high):
    """1/2 where the difference is too large for float64."""
    with np.errstate(over="ignore"):
        return 1.0 if np.isfinite(high - low) else 0.5


def spread(shares, low, high):
    """The value that lies at each share of the way from `low` to `high`."""
    half = halving(low, high)
    values = (low * half + shares * (high * half - low * half)) / half
    return np.where(shares == 1, high, np.clip(values, low, high))


# --- hog -------------------------------------------------------------------------------------------------------------


# --- kmeans ----------------------------------------------------------------------------------------------------------


# --- nlm -------------------------------------------------------------------------------------------------------------


# --- resample --------------------------------------------------------------------------------------------------------
