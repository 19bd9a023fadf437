"""`skimage.exposure.equalize_adapthist`: CLAHE on 16384 levels in `nbins` bins, and the mean of neighbouring tables.

What scikit-image does to each pixel on the way to its bin, and to each level of the result, is done to a table of
levels here; the means are taken in bands of one kernel's height, by several threads, in scikit-image's order of
operations: products in float64, each rounded to float32 and added in float32, and the sum cut off.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._parallel import for_rows
from medfast.compat._calls import FallBack
from medfast.compat.skimage.exposure import look_up

__all__ = ["equalize_adapthist"]

N_GRAY = 2**14
"""Levels that scikit-image works with."""

_DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))


def equalize_adapthist(
    image: NDArray[Any],
    kernel_size: int | Sequence[int] | None = None,
    clip_limit: float = 0.01,
    nbins: int = 256,
) -> NDArray[Any]:
    """Equalise contrast by neighbourhood (CLAHE), as ``skimage.exposure.equalize_adapthist`` does.

    Parameters
    ----------
    image : ndarray of shape (M, N[, ...]), dtype {uint8, uint16, int16, float32, float64}
        Image or volume; floats in -1 to 1. Values below zero count as zero.
    kernel_size : int or sequence of int, optional
        Size of the tiles; an eighth of the image when omitted.
    clip_limit : float, default=0.01
        Largest share of a tile's pixels in a bin; no limit where it is 0.
    nbins : int, default=256
        Bins of the histograms.

    Returns
    -------
    ndarray, same shape as `image`
        The result in 0 to 1; float32 for float32, else float64.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.clahe : OpenCV's CLAHE, at full depth and with a mask; keeps the dtype.

    Notes
    -----
    Equal to scikit-image 0.26. Left to it: colours, other dtypes, floats outside of -1 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.adapthist import equalize_adapthist
    >>> equalize_adapthist(np.array([[10, 10], [20, 30]], np.uint8))
    array([[1., 1.],
           [1., 1.]])
    """
    if type(image) is not np.ndarray or image.dtype not in _DTYPES or not image.size or image.ndim < 2:
        raise FallBack(f"image is a {type(image).__name__} of dtype {getattr(image, 'dtype', None)}")
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        raise FallBack(f"image has shape {image.shape}, which is a colour image")
    if kernel_size is None:
        kernel = tuple(max(n // 8, 1) for n in image.shape)
    elif np.ndim(kernel_size) == 0:
        kernel = (int(kernel_size),) * image.ndim  # type: ignore[arg-type]
    else:
        kernel = tuple(int(k) for k in kernel_size)  # type: ignore[union-attr]
    if len(kernel) != image.ndim or min(kernel) < 1 or nbins < 1:
        raise FallBack(f"kernel_size is {kernel_size!r} and nbins {nbins}")
    levels, gray = _gray(image)
    bin_size = 1 + N_GRAY // nbins
    bins = look_up(levels, (gray // bin_size).astype(np.uint16))
    # Before the first tile stands half a kernel, and after the last; the image fills the tiles.
    padding = [(k // 2, -n % k + math.ceil(k / 2)) for k, n in zip(kernel, image.shape, strict=True)]
    padded = np.pad(bins, padding, mode="reflect")
    tables = _tables(padded, kernel, clip_limit, nbins)
    out = _blend(padded, image.shape, kernel, tables)
    low, high = int(out.min()), int(out.max())
    values = np.arange(N_GRAY).astype(np.float32 if image.dtype == np.float32 else np.float64)
    if low == high:
        return look_up(out, np.clip(values, 0, 1))
    return look_up(out, (values - values[low]) / (values[high] - values[low]))


def _gray(image: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Levels of the pixels, and for each level which of the 16384 it becomes."""
    if image.dtype.kind == "f":
        if not (image.min() >= -1.0 and image.max() <= 1.0):  # NaN, too
            raise FallBack("image has values outside of -1 to 1")
        scaled = np.multiply(image, 65535, dtype=image.dtype)
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, 65535, out=scaled)
        image = scaled.astype(np.uint16)
    n_levels = 256 if image.dtype == np.uint8 else 65536
    as_uint16 = np.arange(n_levels)
    if image.dtype == np.uint8:
        as_uint16 *= 257
    elif image.dtype == np.int16:
        as_uint16 = np.maximum((as_uint16 - 32768) * 32769 // 2**14, 0)
    lowest = -32768 if image.dtype == np.int16 else 0
    low, high = (as_uint16[int(level) - lowest] for level in (image.min(), image.max()))
    clipped = np.clip(as_uint16, low, high)
    if low == high:
        return image, np.clip(clipped, 0, N_GRAY - 1).astype(np.uint16)
    return image, np.round((clipped - low) / (high - low) * (N_GRAY - 1)).astype(np.uint16)


def _tables(padded: NDArray[np.uint16], kernel: tuple[int, ...], clip_limit: float, nbins: int) -> NDArray[np.float64]:
    """For each tile, and those at the border once more, what becomes of each bin."""
    n_axes = padded.ndim
    counts = [n // k - 1 for n, k in zip(padded.shape, kernel, strict=True)]
    inner = padded[tuple(slice(k // 2, k // 2 + n * k) for k, n in zip(kernel, counts, strict=True))]
    tiles = inner.reshape([each for pair in zip(counts, kernel, strict=True) for each in pair])
    tiles = tiles.transpose([*range(0, 2 * n_axes, 2), *range(1, 2 * n_axes, 2)]).reshape(math.prod(counts), -1)
    n_pixels = math.prod(kernel)
    limit = int(np.clip(clip_limit * n_pixels, 1, None)) if clip_limit > 0.0 else n_pixels
    tables = np.empty((len(tiles), nbins))

    def body(start: int, stop: int) -> None:
        for i in range(start, stop):
            histogram = clip_histogram(np.bincount(tiles[i], minlength=nbins), limit)
            np.cumsum(histogram, out=tables[i], dtype=np.float64)

    for_rows(len(tiles), body, work_per_row=2 * n_pixels + 20_000)
    tables *= (N_GRAY - 1) / n_pixels
    np.clip(tables, None, N_GRAY - 1, out=tables)
    np.trunc(tables, out=tables)
    return np.pad(tables.reshape(*counts, nbins), [*[(1, 1)] * n_axes, (0, 0)], mode="edge")


def clip_histogram(histogram: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Cut a histogram off at `limit` and spread the excess evenly, in scikit-image's steps."""
    above = histogram > limit
    excess = int(histogram[above].sum()) - int(np.count_nonzero(above)) * limit
    if not excess:
        return histogram
    histogram[above] = limit
    n_bins = len(histogram)
    increment = excess // n_bins
    low = histogram < limit - increment
    excess -= int(np.count_nonzero(low)) * increment
    histogram[low] += increment
    middle = (histogram >= limit - increment) & (histogram < limit)
    excess += int(histogram[middle].sum()) - int(np.count_nonzero(middle)) * limit
    histogram[middle] = limit
    while excess > 0:
        before = excess
        for index in range(n_bins):
            under = histogram < limit
            step = max(1, int(np.count_nonzero(under)) // excess)
            chosen = under[index::step]
            histogram[index::step] += chosen
            excess -= int(np.count_nonzero(chosen))
            if excess <= 0:
                break
        if excess == before:
            break
    return histogram


def _blend(
    padded: NDArray[np.uint16], shape: tuple[int, ...], kernel: tuple[int, ...], tables: NDArray[np.float64]
) -> NDArray[np.uint16]:
    """For each pixel the mean of what the nearest tables have for its bin."""
    n_axes = len(shape)
    out = np.empty(shape, np.uint16)
    starts = [k // 2 for k in kernel]
    inner = padded[tuple(slice(start, start + n) for start, n in zip(starts, shape, strict=True))]
    blocks, offsets = [], []
    for start, n, k in zip(starts, shape, kernel, strict=True):
        block, offset = np.divmod(np.arange(start, start + n), k)
        blocks.append(block)
        offsets.append(offset / k)
    strides = [stride // tables.itemsize for stride in tables.strides[:-1]]
    place = np.zeros((1,) * n_axes, np.intp)  # of a pixel's first table in those of its band
    for axis in range(1, n_axes):
        place = place + _along(blocks[axis] * strides[axis], axis, n_axes)
    shares = [(1 - each, each) for each in offsets]

    def body(first: int, last: int) -> None:
        start = first
        while start < last:  # a band of one row of tiles, or as much of it as fits the cache
            stop = min(last, start + rows_at_once, start + kernel[0] - (starts[0] + start) % kernel[0])
            base = inner[start:stop] + place
            total = np.zeros(base.shape, np.float32)
            value, term = np.empty(base.shape), np.empty(base.shape, np.float32)
            for edge in itertools.product((0, 1), repeat=n_axes):
                flat = tables[blocks[0][start] + edge[0]].reshape(-1)
                step = sum(strides[axis] for axis in range(1, n_axes) if edge[axis])
                share = np.ones((1,) * n_axes)
                for axis in reversed(range(n_axes)):
                    part = shares[axis][edge[axis]]
                    share = share * _along(part[start:stop] if axis == 0 else part, axis, n_axes)
                np.take(flat[step:], base, out=value, mode="clip")
                np.multiply(value, share, out=term, casting="same_kind")
                total += term
            out[start:stop] = total
            start = stop

    n_values = math.prod(shape[1:])
    rows_at_once = max(1, 16384 // n_values)
    for_rows(shape[0], body, work_per_row=8 * 2**n_axes * n_values // 2)
    return out


def _along(values: NDArray[Any], axis: int, n_axes: int) -> NDArray[Any]:
    return values.reshape([-1 if each == axis else 1 for each in range(n_axes)])
