"""Where each output pixel of a resampled axis takes its value from: pixels and weights, made once per pair of sizes.

A table is a pair of arrays (taps, outputs): input pixels, and their weights, which a kernel adds up tap after tap.
Along the columns of an image with channels, an output is one value of one channel and an input pixel its offset in an
interleaved row. Pixel centers lie at one half: output `i` looks at input position ``(i + 1/2)·step − 1/2``.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = tuple[NDArray[np.int32], NDArray[Any]]

FIXED_BITS = 11
"""Bits of the weights that OpenCV gives uint8 pixels; linear-exact has 8."""

_MAX_CACHED = 64


@lru_cache(_MAX_CACHED)
def nearest(kind: str, n: int, size: int, step: float, n_channels: int = 1) -> NDArray[np.int32]:
    """The input pixel of each output: OpenCV's rule, which rounds the left edge of a pixel down.

    ``"nearest-exact"`` takes the pixel under the output's center, in the fixed point of OpenCV 4, whatever `step` is.
    Where OpenCV leaves 31 bits (from 32768 pixels) or the image (one pixel to 65536), this stays inside. OpenCV 5 adds
    up steps in float64 instead.
    """
    if kind == "nearest-exact":
        fixed_step = ((n << 16) + size // 2) // size
        pixels = np.maximum((fixed_step * np.arange(size, dtype=np.int64) + fixed_step // 2 - n % 2) >> 16, 0)
    else:
        pixels = np.floor(np.arange(size) * step)
    pixels = np.minimum(pixels, n - 1)
    offsets = (pixels[:, None] * n_channels + np.arange(n_channels)).ravel().astype(np.int32)
    offsets.flags.writeable = False
    return offsets


@lru_cache(_MAX_CACHED)
def fixed(kind: str, n: int, size: int, step: float, n_channels: int = 1) -> Table:
    """OpenCV's table for uint8: int16 weights of 11 bits made from float32; linear-exact: 8 bits, from float64."""
    base, fraction = _position(kind, n, size, step, np.float64 if kind == "linear-exact" else np.float32)
    if kind == "linear-exact":
        second = np.rint(fraction * 256)
        weights = np.stack([256 - second, second])
    else:
        weights = np.rint(_WEIGHTS[kind](fraction) * np.float32(1 << FIXED_BITS))
    return _table(base, weights.astype(np.int16), n, n_channels)


@lru_cache(_MAX_CACHED)
def real(kind: str, n: int, size: int, step: float, dtype: type, n_channels: int = 1) -> Table:
    """The table in floating point; made in float64 and rounded to `dtype`. ``"mean"`` is area where an axis shrinks."""
    if n == size and step == 1.0:  # an axis that stays has one tap
        base, weights = np.arange(n), np.ones((1, n))
    elif kind == "mean":
        base, weights = _overlaps(n, size, step)
    else:
        base, fraction = _position(kind, n, size, step, np.float64)
        weights = _WEIGHTS[kind](fraction)
    return _table(base, weights.astype(dtype), n, n_channels)


@lru_cache(_MAX_CACHED)
def area(n: int, size: int, step: float, n_channels: int = 1) -> Table:
    """OpenCV's table of areas for uint8: float32 weights, slivers below a thousandth of a pixel left out."""
    start = np.arange(size) * step
    stop = start + step
    width = np.minimum(step, n - start)
    last = np.minimum(np.floor(stop), n - 1)
    first = np.minimum(np.ceil(start), last)
    has_left, has_right = first - start > 1e-3, stop - last > 1e-3
    base = (first - has_left).astype(np.int64)
    taps = base + np.arange(int((last + has_right - base).max()))[:, None]
    weights = np.where(taps < last, 1 / width, 0.0)
    weights = np.where((taps < first) & has_left, (first - start) / width, weights)
    right = np.minimum(np.minimum(stop - last, 1.0), width) / width
    weights = np.where((taps == last) & has_right, right, weights)
    return _table(base, weights.astype(np.float32), n, n_channels)


def _table(base: NDArray[Any], weights: NDArray[Any], n: int, n_channels: int) -> Table:
    """Taps `base`, `base` + 1, …, kept inside the axis (its last pixels repeat), once for each channel."""
    pixels = np.clip(base.astype(np.int64) + np.arange(len(weights))[:, None], 0, n - 1)
    offsets = (pixels[:, :, None] * n_channels + np.arange(n_channels)).reshape(len(weights), -1).astype(np.int32)
    weights = np.ascontiguousarray(np.repeat(weights, n_channels, axis=1))
    offsets.flags.writeable = weights.flags.writeable = False
    return offsets, weights


def _position(kind: str, n: int, size: int, step: float, dtype: type) -> tuple[NDArray[Any], NDArray[Any]]:
    """First tap of each output, and how far the output lies beyond the pixel before it, as a fraction in `dtype`."""
    output = np.arange(size)
    if kind == "area":  # enlarging: linear, with the step from pixel to pixel where their areas meet
        base = np.floor(output * step)
        inverse = 1 / step
        fraction = ((output + 1) - (base + 1) * inverse).astype(dtype)
        fraction = np.where(fraction <= 0, dtype(0), fraction - np.floor(fraction))
    else:
        position: NDArray[Any] = ((output + 0.5) * step - 0.5).astype(dtype)
        base = np.floor(position)
        fraction = position - base
    if dtype is np.float64 and kind in _TWO_TAPS:
        # Beyond the outer centers both taps are one pixel. OpenCV's uint8 keeps their weights apart, as its rounding
        # shows.
        fraction = np.where((base < 0) | (base >= n - 1), 0.0, fraction)
    return base - _TAPS_BEFORE[kind], fraction


def _overlaps(n: int, size: int, step: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """The share that each input pixel has in the area of an output."""
    start = np.arange(size) * step
    stop = np.minimum((np.arange(size) + 1) * step, n)
    base = np.floor(start)
    taps = base + np.arange(math.ceil(step) + 1)[:, None]
    overlap = np.maximum(np.minimum(taps + 1, stop) - np.maximum(taps, start), 0.0)
    overlap = overlap[: max(1, int(np.flatnonzero(overlap.any(1))[-1]) + 1)]
    return base, overlap / (stop - start)


def _linear(x: NDArray[Any]) -> NDArray[Any]:
    return np.stack([1 - x, x])


def _cubic(x: NDArray[Any]) -> NDArray[Any]:
    """Keys' cubic with a = −3/4, in OpenCV's order of operations."""
    a = x.dtype.type(-0.75)
    weights = [
        ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a,
        ((a + 2) * x - (a + 3)) * x * x + 1,
        ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1,
    ]
    return np.stack([*weights, 1 - weights[0] - weights[1] - weights[2]])


def _lanczos4(x: NDArray[Any]) -> NDArray[Any]:
    """Lanczos' window over eight pixels, divided by its sum.

    The sines are the C library's, for NumPy's differ in the last bit from CPU to CPU.
    """
    if x.dtype == np.float64:
        distances = (x + 3) - np.arange(8.0)[:, None]
        weights = _sinc(distances) * _sinc(distances / 4)
        return weights / sum(weights)
    # OpenCV's way, in float32: sin(π·t)·sin(π·t/4) by the addition theorem, and no window at all near a pixel.
    half = math.sqrt(0.5)
    turns = ((1, 0), (-half, -half), (0, 1), (half, -half), (-1, 0), (half, half), (0, -1), (-half, half))
    angles = [-float(value + np.float32(3)) * math.pi * 0.25 for value in x]
    sines, cosines = np.array([math.sin(v) for v in angles]), np.array([math.cos(v) for v in angles])
    on_pixel, on_next = x < np.finfo(np.float32).eps, x == 1
    weights = np.empty((8, len(x)), np.float32)
    for tap, (of_sine, of_cosine) in enumerate(turns):
        y = -(x + np.float32(3) - np.float32(tap)).astype(np.float64) * math.pi * 0.25
        y[on_pixel | on_next] = 1.0
        weights[tap] = (of_sine * sines + of_cosine * cosines) / (y * y)
    weights[:, on_pixel] = (np.arange(8) == 3)[:, None]
    # Rounding can leave a position just below 0, as in enlarging by 49: OpenCV divides by zero there.
    weights[:, on_next] = (np.arange(8) == 4)[:, None]
    return weights * (np.float32(1) / sum(weights))


def _sinc(t: NDArray[Any]) -> NDArray[Any]:
    values = [math.sin(math.pi * v) / (math.pi * v) if v else 1.0 for v in t.ravel()]
    return np.array(values).reshape(t.shape)


_TWO_TAPS = ("linear", "linear-exact", "area")
_TAPS_BEFORE = {"linear": 0, "linear-exact": 0, "area": 0, "cubic": 1, "lanczos4": 3}
_WEIGHTS = {"linear": _linear, "linear-exact": _linear, "area": _linear, "cubic": _cubic, "lanczos4": _lanczos4}
