"""Slow, obvious definitions of equalisation, like those in oracles.py."""

import numpy as np

# --- clahe -----------------------------------------------------------------------------------------------------------


def clahe(image, clip_limit=2.0, tile_grid=(8, 8), bit_depth=None, mask=None, histogram=None):
    """CLAHE of a plane, of each plane of a volume, or, with three entries in the grid, of a volume."""
    inside = np.ones(image.shape, bool) if mask is None else mask
    if not inside.any():
        return image.copy()
    if image.dtype.kind == "f":
        n_bins = 2 ** (bit_depth or 16)
        levels, low, high = float_levels(image, n_bins, mask)
        if levels is None:
            return image.copy()
        new = clahe(levels.astype(np.uint16), clip_limit, tile_grid, int(np.log2(n_bins)), mask)
        result = spread(new / (n_bins - 1), low, high).astype(image.dtype)
        return np.where(inside, result, image)
    n_bins = 2 ** (bit_depth or 8 * image.dtype.itemsize)
    lowest = -(n_bins // 2) if image.dtype == np.int16 and bit_depth is None else 0
    bins = np.where(inside, image.astype(np.int64) - lowest, 0)
    if len(tile_grid) == 3:
        levels = clahe_volume(bins, inside, clip_limit, tile_grid, n_bins, histogram)
    else:
        planes = (bins, inside) if image.ndim == 3 else (bins[None], inside[None])
        levels = [
            clahe_volume(plane[None], part[None], clip_limit, (1, *tile_grid), n_bins, histogram)[0]
            for plane, part in zip(*planes, strict=True)
        ]
    return np.where(inside, np.reshape(levels, image.shape) + lowest, image).astype(image.dtype)


def clahe_volume(bins, inside, clip_limit, grid, n_bins, histogram):
    """Trilinear CLAHE in OpenCV's order of float32 operations; one plane of tiles makes it bilinear."""
    if not inside.any():
        return bins
    n_planes, n_rows, n_cols = bins.shape
    padding = [-n_planes % grid[0], 0, 0]
    if n_rows % grid[1] or n_cols % grid[2]:
        padding[1:] = grid[1] - n_rows % grid[1], grid[2] - n_cols % grid[2]
    padding = [(0, n) for n in padding]
    extended, extended_inside = np.pad(bins, padding, mode="reflect"), np.pad(inside, padding, mode="reflect")
    depth, height, width = (n // tiles for n, tiles in zip(extended.shape, grid, strict=True))
    tables = np.empty((*grid, n_bins), np.float32)
    for k, i, j in np.ndindex(grid):
        box = (
            slice(k * depth, (k + 1) * depth),
            slice(i * height, (i + 1) * height),
            slice(j * width, (j + 1) * width),
        )
        values = extended[box][extended_inside[box]]
        counts = np.bincount(values if len(values) else bins[inside], minlength=n_bins)
        if histogram is not None:
            histograms = np.broadcast_to(histogram, (*grid, n_bins) if histogram.ndim != 3 else (*grid[1:], n_bins))
            counts = histograms[k, i, j] if histograms.ndim == 4 else histograms[i, j]
            counts = counts if counts.any() else histograms.reshape(-1, n_bins).sum(axis=0)
        tables[k, i, j] = clahe_table(counts, clip_limit)
    one, half = np.float32(1), np.float32(0.5)
    y = np.arange(n_rows, dtype=np.float32) * (one / np.float32(height)) - half
    x = np.arange(n_cols, dtype=np.float32) * (one / np.float32(width)) - half
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - np.floor(y))[:, None], x - np.floor(x)
    up, left = one - down, one - right
    above, below = np.maximum(y0, 0)[:, None], np.minimum(y0 + 1, grid[1] - 1)[:, None]
    before, after = np.maximum(x0, 0), np.minimum(x0 + 1, grid[2] - 1)
    levels = np.empty(bins.shape, np.int64)
    for plane, values in enumerate(bins):

        def bilinear(table, values=values):
            upper = table[above, before, values] * left + table[above, after, values] * right
            lower = table[below, before, values] * left + table[below, after, values] * right
            return upper * up + lower * down

        z = (plane + 0.5) / depth - 0.5
        near, far = max(int(np.floor(z)), 0), min(int(np.floor(z)) + 1, grid[0] - 1)
        back = np.float32(z - np.floor(z)) if near < far else np.float32(0)
        levels[plane] = np.rint(bilinear(tables[near]) * (one - back) + bilinear(tables[far]) * back)
    return levels


def clahe_table(counts, clip_limit):
    """New level for each bin, from the counts of a tile."""
    n_bins, total = len(counts), counts.sum()
    if clip_limit > 0:
        limit = max(int(min(clip_limit * total / n_bins, total)), 1)
        excess = np.maximum(counts - limit, 0).sum()
        counts = np.minimum(counts, limit) + excess // n_bins
        residual = excess % n_bins
        if residual:
            step = max(n_bins // residual, 1)
            counts[np.arange(0, n_bins, step)[:residual]] += 1
    scale = np.float32(n_bins - 1) / np.float32(total)
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


# --- lab -------------------------------------------------------------------------------------------------------------

TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.950456], [1.0], [1.088754]])


def lab_roots(colours):
    """f(X), f(Y), f(Z) of sRGB colours 0 ... 1 along the last axis."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    t = linear @ TO_XYZ.T
    return np.where(t > 216 / 24389, np.cbrt(t), 841 / 108 * t + 4 / 29)


def lab_levels(colours, n_levels):
    """Lightness of sRGB colours 0 ... 1 on levels 0 ... n_levels - 1."""
    lightness = 116 * lab_roots(colours)[..., 1] - 16
    return np.clip(np.floor(lightness / 100 * (n_levels - 1) + 0.5), 0, n_levels - 1).astype(np.uint16)


def lab_with_levels(colours, levels, n_levels):
    """sRGB colours of another lightness, with the a* and b* of the given ones."""
    roots = lab_roots(colours)
    lightness = levels * 100.0 / (n_levels - 1)
    roots = roots + ((lightness + 16) / 116 - roots[..., 1])[..., None]
    t = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 108 / 841)
    linear = np.clip(t @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
