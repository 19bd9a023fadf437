"""`skimage.transform.resize`: a Gaussian against aliasing and a spline of order 0 or 1, in one pass of weighted sums.

Both are sums along each axis with the same weights at every place, so their product is a table of weights too: an
output between the pixels p and p + 1 of the smoothed image, at the fraction f, takes of input pixel p + k
``(1 − f)·g[k] + f·g[k − 1]``, where g is the Gaussian.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows
from medfast.compat._calls import FallBack
from medfast.compat.skimage import _convert

__all__ = ["resize"]

MODES = ("constant", "edge", "symmetric", "reflect", "wrap")
TRUNCATE = 4.0
"""Standard deviations after which SciPy cuts a Gaussian off."""
MOST_TAPS = 2048

_ROWS_HELD_BYTES = 1 << 17
"""Rows of a volume that are done together: see `medfast.transform`."""

Table = tuple[NDArray[np.int32], NDArray[np.float64]]


def resize(
    image: NDArray[Any],
    output_shape: Sequence[int],
    order: int | None = None,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
    anti_aliasing_sigma: float | Sequence[float] | None = None,
) -> NDArray[Any]:
    """Resize an image, as ``skimage.transform.resize`` does.

    Parameters
    ----------
    image : ndarray of shape (M, N[, C]) or (P, M, N[, C])
        Image or volume, dtype {bool, uint8, uint16, int16, float16, float32, float64}.
    output_shape : sequence of int
        Size of the result. Without the last axis, that one stays.
    order : {0, 1}, optional
        Of the spline: 0 takes the nearest pixel, 1 is linear. 1 when omitted, for bool 0.
    mode : {"constant", "edge", "symmetric", "reflect", "wrap"}, default="reflect"
        What lies beyond the border, as in `numpy.pad`.
    cval : float, default=0
        What lies beyond it with ``mode="constant"``.
    clip : bool, default=True
        Whether the result is kept to the range of the image.
    preserve_range : bool, default=False
        Whether integers keep their values; else they are divided by the largest of their dtype.
    anti_aliasing : bool, optional
        Whether to smooth before an axis shrinks. When omitted, yes, but for bool, and for integers with ``order=0``.
    anti_aliasing_sigma : float or sequence of float, optional
        Standard deviation of the Gaussian, one or one per axis; (s - 1) / 2 for an axis that shrinks s times.

    Returns
    -------
    ndarray
        Of float32 for float16 and float32, of the dtype of `image` with ``order=0``, else of float64.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.resize : OpenCV's interpolations, which keep the dtype.

    Notes
    -----
    Within 1e-6 of scikit-image 0.26, relative to the range of the image. Left to scikit-image: splines of order 2 to 5,
    other dtypes, images of other numbers of axes, smoothed integers with ``order=0``, NaN and infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.transform import resize
    >>> resize(np.array([[0, 255]], np.uint8), (1, 4), mode="edge")
    array([[0.  , 0.25, 0.75, 1.  ]])
    """
    if not isinstance(image, np.ndarray) or type(image) is not np.ndarray:
        raise FallBack(f"image is a {type(image).__name__}")
    if image.dtype not in _convert.DTYPES or not image.size:
        raise FallBack(f"image has dtype {image.dtype} and shape {image.shape}")
    shape = tuple(output_shape)
    if len(shape) == image.ndim - 1:
        shape = (*shape, image.shape[-1])
    whole = tuple(int(n) if isinstance(n, int | np.integer | float) and n > 0 else 0 for n in shape)
    if len(shape) != image.ndim or 0 in whole or whole != shape:
        raise FallBack(f"output_shape is {shape} for an image of {image.ndim} axes")
    shape = whole
    is_bool, kind = image.dtype == bool, image.dtype.kind
    factors = np.divide(image.shape, shape)
    smooth = anti_aliasing
    if smooth is None:
        smooth = not is_bool and not (kind in "iu" and order == 0) and any(factors > 1)
    order = (0 if is_bool else 1) if order is None else order
    if order not in (0, 1) or (is_bool and order) or (kind in "biu" and smooth and not order) or mode not in MODES:
        raise FallBack(f"order is {order} and mode {mode!r}, for dtype {image.dtype}, anti_aliasing={smooth}")
    has_channels = image.ndim > 2 and shape[-1] == image.shape[-1]
    if not 2 <= image.ndim - has_channels <= 3:
        raise FallBack(f"image has shape {image.shape}, to be resized to {shape}")
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    sigmas = _sigmas(factors, anti_aliasing_sigma) if smooth else np.zeros(image.ndim)
    if kind in "biu" and order == 0:
        return _nearest(image, shape)
    dtype = _convert.float_type(image.dtype)
    values, factor, low, high = _convert.as_float(image, preserve_range)
    if not np.isfinite(low) or not np.isfinite(high):
        raise FallBack("image is not finite")
    # (planes, rows, columns, channels)
    leading, trailing = (1,) * (3 + has_channels - image.ndim), () if has_channels else (1,)
    volume, sizes = values.reshape(*leading, *image.shape, *trailing), (*leading, *shape, *trailing)
    spreads = (*(0.0 for _ in leading), *sigmas)[:3]
    out = _weighted(volume, factor, sizes, spreads, order, mode, float(cval)).reshape(shape)
    if clip:
        if mode == "constant" and not low <= cval <= high and out.min() <= cval <= out.max():
            low, high = min(low, dtype.type(cval)), max(high, dtype.type(cval))
        np.clip(out, low, high, out=out)
    return out


def _sigmas(factors: NDArray[np.float64], given: Any) -> NDArray[np.float64]:
    """Standard deviation along each axis."""
    if given is None:
        return np.maximum(0, (factors - 1) / 2)
    sigmas = np.atleast_1d(given) * np.ones_like(factors)
    if np.any(sigmas < 0) or np.any((sigmas > 0) & (factors <= 1)):
        raise FallBack(f"anti_aliasing_sigma is {given}")  # scikit-image's error, or its warning
    return sigmas


def _nearest(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    for axis, (n, size) in enumerate(zip(image.shape, shape, strict=True)):
        if n != size:
            places = np.floor((np.arange(size) + 0.5) * (n / size) - 0.5 + 0.5).astype(np.intp)
            image = image.take(places, axis)
    return image.copy() if image.base is not None or not image.flags.owndata else image


def _weighted(
    volume: NDArray[Any],
    factor: float,
    sizes: tuple[int, ...],
    sigmas: Sequence[float],
    order: int,
    mode: str,
    cval: float,
) -> NDArray[Any]:
    """Sums along columns, rows and planes of (planes, rows, columns, channels), times `factor`."""
    n_channels = volume.shape[3]
    tables = [
        _table(n, size, float(sigma), order, mode, n_channels if axis == 2 else 1)
        for axis, (n, size, sigma) in enumerate(zip(volume.shape[:3], sizes[:3], sigmas, strict=True))
    ]
    margins = [(before, after) for _, _, before, after in tables]
    shift = cval if mode == "constant" else 0.0
    extended = _extended(volume, factor, margins, mode, shift)
    out = np.empty(sizes, extended.dtype)
    kernel, width = _kernels.resample, sizes[2] * n_channels
    n_rows_held = max(1, _ROWS_HELD_BYTES // (8 * width))
    (planes, plane_weights, *_), (rows, row_weights, *_), (columns, column_weights, *_) = tables
    n_scratch = kernel.scratch_size(
        extended.shape[2] * n_channels, width, n_channels, len(columns), len(rows), len(planes), n_rows_held
    )

    def body(start: int, stop: int) -> None:
        kernel.weighted(
            extended,
            columns,
            column_weights,
            rows,
            row_weights,
            planes,
            plane_weights,
            start,
            stop,
            n_rows_held,
            np.empty(n_scratch),
            out,
        )

    shrink = volume.shape[1] / sizes[1]
    work_per_row = sizes[0] * width * len(planes) * (0.5 * len(rows) + 0.5 * len(columns) * shrink)
    for_rows(sizes[1], body, work_per_row=work_per_row)
    if shift:
        out += shift
    return out


def _extended(
    volume: NDArray[Any], factor: float, margins: list[tuple[int, int]], mode: str, shift: float
) -> NDArray[Any]:
    """The volume in floats, times `factor` and less `shift`, with what lies beyond its border on each axis."""
    dtype = _convert.float_type(volume.dtype)
    lengths = [n + before + after for n, (before, after) in zip(volume.shape, margins, strict=False)]
    make = np.zeros if mode == "constant" else np.empty
    extended = make((*lengths, volume.shape[3]), dtype)
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(volume.shape, margins, strict=False))
    np.multiply(volume, dtype.type(factor), out=extended[inner])
    if shift:
        extended[inner] -= dtype.type(shift)
    if mode == "constant":
        return extended
    for axis in (2, 1, 0):  # the inner rows' columns, then whole rows, then whole planes
        n, (before, after) = volume.shape[axis], margins[axis]
        region = extended[inner[:axis]].swapaxes(0, axis)
        places = np.pad(np.arange(n), (before, after), mode=mode) + before  # type: ignore[call-overload]
        region[:before] = region[places[:before]]
        region[before + n :] = region[places[before + n :]]
    return extended


@lru_cache(64)
def _table(
    n: int, size: int, sigma: float, order: int, mode: str, n_channels: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], int, int]:
    """Taps and weights of an axis, and how many pixels before and after it they reach."""
    position = (np.arange(size) + 0.5) * (n / size) - 0.5
    if order == 0 or n == size:
        base = np.floor(position + 0.5)
        shares = np.ones((1, size))
    else:
        if mode == "edge":
            position = np.clip(position, 0, n - 1)
        base = np.floor(position)
        fraction = position - base
        shares = np.stack([1 - fraction, fraction])
        if mode == "edge":  # at the last pixel there is no next one, and none is needed
            shares[:, base == n - 1] = [[0.0], [1.0]]
            base[base == n - 1] -= 1
        elif mode == "constant":  # what is outside is 0 there
            shares[:, base < 0] *= [[0.0], [1.0]]
            shares[:, base + 1 > n - 1] *= [[1.0], [0.0]]
    gaussian = _gaussian(sigma)
    radius = len(gaussian) // 2
    weights = np.zeros((len(gaussian) + len(shares) - 1, size))
    for i, share in enumerate(shares):
        weights[i : i + len(gaussian)] += gaussian[:, None] * share
    if len(weights) > MOST_TAPS:
        raise FallBack(f"an axis of {n} pixels shrinks to {size}")
    taps = base.astype(np.int64) - radius + np.arange(len(weights))[:, None]
    before, after = max(0, -int(taps.min())), max(0, int(taps.max()) - (n - 1))
    offsets = ((taps + before)[:, :, None] * n_channels + np.arange(n_channels)).reshape(len(weights), -1)
    spread = np.ascontiguousarray(np.repeat(weights, n_channels, axis=1))
    offsets = offsets.astype(np.int32)
    offsets.flags.writeable = spread.flags.writeable = False
    return offsets, spread, before, after


def _gaussian(sigma: float) -> NDArray[np.float64]:
    """SciPy's, as it cuts and normalises it."""
    if sigma <= 1e-15:
        return np.ones(1)
    radius = int(TRUNCATE * sigma + 0.5)
    values = np.exp(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return values / values.sum()
