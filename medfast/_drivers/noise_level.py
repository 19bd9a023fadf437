"""The noise level of an image, from its finest diagonal wavelet band. Arguments were checked by the caller.

A coefficient is a weighted sum of four samples along each axis: number i of those 2 i - 2 ... 2 i + 1. The band is
computed block by block, so that what it takes beside itself is bounded.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Daubechies' wavelet of two vanishing moments: its high-pass filter, in the order in which it meets the samples.
HIGH_PASS = (-0.48296291314453416, 0.8365163037378079, -0.2241438680420134, -0.12940952255126037)

QUARTILE = 0.6744897501960817
"""Median of the absolute value of a standard normal variable."""

BACKGROUND = 3.0
"""Local means below this many noise levels are background: there the mean of pure noise is 1.25 levels, and the first
guess of the level is at worst 0.65 of the truth."""

ROUNDS = 10
BLOCK = 2**19
"""Samples of a block: 4 MiB in float64."""

ENOUGH = 2**20
"""Coefficients that are looked at for Rician noise, where nothing needs to agree to the last digit: their median is off
by a fraction of a per cent."""


def estimate(image: NDArray[Any], mask: NDArray[np.bool_] | None, *, rician: bool) -> float:
    """Noise level of an image or volume; 0.0 where nothing is to be seen."""
    if not image.size:
        return 0.0
    scale = _scale(image)
    if rician:
        level = _rician(image, mask, scale)
    else:
        band = diagonal_band(image, scale)
        if mask is not None:
            for block in _blocks(band.shape):
                band[block] *= _over_support(_samples(mask, block), np.logical_and)
        level = _robust_deviation(np.abs(band, out=band))
    return min(level / scale, sys.float_info.max)


def mean(levels: float | NDArray[np.float64]) -> float:
    """That of the channels, if there are several."""
    with np.errstate(over="ignore"):
        return min(float(np.mean(levels)), sys.float_info.max)


def diagonal_band(image: NDArray[Any], scale: float = 1.0) -> NDArray[Any]:
    """High-pass along every axis, each second sample; the image goes on beyond its border mirrored, border included."""
    band = np.empty([(n + 3) // 2 for n in image.shape], _working(image))
    for block in _blocks(band.shape):
        band[block] = _high_pass(_scaled(_samples(image, block), scale))
    return band


def _working(image: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32 if image.dtype == np.float32 else np.float64)


def _scale(image: NDArray[Any]) -> float:
    """The power of two with which sums of an image's values do not overflow: 1 for most images."""
    if image.dtype.kind != "f" or max(float(image.max()), -float(image.min())) < np.finfo(image.dtype).max / 256:
        return 1.0
    return 1 / 256


def _scaled(samples: NDArray[Any], scale: float) -> NDArray[Any]:
    """The samples as floats, times the scale."""
    samples = samples.astype(_working(samples), copy=False)
    if scale != 1.0:
        samples = samples * samples.dtype.type(scale)
    return samples


def _rician(image: NDArray[Any], mask: NDArray[np.bool_] | None, scale: float) -> float:
    """Noise level of a magnitude image: without its background, and away from edges, which look like noise.

    In turns: what is background follows from the level; the level from the coefficients inside where the local mean
    changes least, the lower half; and what the magnitude hides of the noise from the level and the local mean.
    """
    coefficients, means, changes = (np.concatenate(parts) for parts in zip(*_details(image, mask, scale), strict=True))
    sigma = _robust_deviation(coefficients.copy())
    if not sigma:
        return 0.0
    for _ in range(ROUNDS):
        inside = np.flatnonzero(means - changes / 2 > BACKGROUND * sigma) if mask is None else np.arange(means.size)
        if not inside.size:  # all is background: pure noise has the deviation of a Rayleigh variable
            return sigma / float(np.sqrt(2.0 - np.pi / 2.0))
        flat = inside[changes[inside] <= np.median(changes[inside])]
        previous, sigma = sigma, _robust_deviation(coefficients[flat])
        sigma /= _magnitude_deviation(float(np.median(means[flat])) / sigma)
        if abs(sigma - previous) <= 1e-6 * sigma:
            break
    return sigma


def _details(image: NDArray[Any], mask: NDArray[np.bool_] | None, scale: float) -> Iterator[tuple[NDArray[Any], ...]]:
    """For coefficients other than zero: the absolute value, and the middle and the range of the local mean around.

    Of a large image blocks at even distances. Coefficients that reach beyond the border, which are smaller there, are
    left out, unless an axis has no others to speak of.
    """
    band_shape = [(n + 3) // 2 for n in image.shape]
    inner = tuple(slice(1, n // 2) if n >= 8 else slice(0, (n + 3) // 2) for n in image.shape)
    blocks = list(_blocks(band_shape, inner))
    step = -(-int(np.prod([float(part.stop - part.start) for part in inner])) // ENOUGH)
    for block in blocks[step // 2 :: step] or blocks[-1:]:
        samples = _samples(image, block, margin=1)  # replaces those of the block before, before there are more
        samples = _scaled(samples, scale)
        mean = samples
        for axis in range(mean.ndim):
            lines = np.moveaxis(mean, axis, 0)
            mean = np.moveaxis((lines[:-2] + lines[1:-1] + lines[2:]) / 3, 0, axis)
        low, high = _over_support(mean, np.minimum), _over_support(mean, np.maximum)
        coefficients = np.abs(_high_pass(samples[(slice(1, -1),) * samples.ndim]))
        used = coefficients != 0
        if mask is not None:
            used &= _over_support(_samples(mask, block), np.logical_and)
        yield coefficients[used], low[used] / 2 + high[used] / 2, high[used] - low[used]


def _blocks(shape: Any, inner: tuple[slice, ...] | None = None) -> Iterator[tuple[slice, ...]]:
    """Parts of a band, `inner` or all of it, whose samples are few: much of the last axis, some of the others."""
    inner = inner or tuple(slice(0, n) for n in shape)
    room, most, steps = BLOCK, max(BLOCK // 32, 1), []
    for axis in reversed(range(len(shape))):
        is_last = axis == len(shape) - 1
        length = min(inner[axis].stop - inner[axis].start, max(room // 2 - 2, 1), most)
        steps.append(length)
        room = max(room // (2 * (min(shape[-1], most) if is_last else length) + 4), 1)
    ranges = [
        [slice(start, min(start + step, part.stop)) for start in range(part.start, part.stop, step)]
        for part, step in zip(inner, reversed(steps), strict=True)
    ]
    return itertools.product(*ranges)


def _samples(array: NDArray[Any], block: tuple[slice, ...], margin: int = 0) -> NDArray[Any]:
    """What a block of the band is made of, and `margin` samples more on each side."""
    mirrored = []
    for axis, part in enumerate(block):
        n = array.shape[axis]
        start, stop = 2 * part.start - 2 - margin, 2 * part.stop + margin
        if start < 0 or stop > n:
            places = np.arange(start, stop) % (2 * n)
            places = np.minimum(places, 2 * n - 1 - places)
            start, stop = int(places.min()), int(places.max()) + 1
            mirrored.append((axis, places - start))
        array = array[(slice(None),) * axis + (slice(start, stop),)]
    for axis, places in mirrored:  # copies, so after all axes are cut
        array = array.take(places, axis)
    return array


def _high_pass(samples: NDArray[Any]) -> NDArray[Any]:
    """The block of the band that the samples make."""
    for axis in range(samples.ndim):
        lines = np.moveaxis(samples, axis, 0)
        n = len(lines) // 2 - 1
        # From the first to the last tap, one after another: flat regions then give exactly the zeros that do not count.
        total = np.zeros((n, *lines.shape[1:]), samples.dtype)
        for tap, weight in enumerate(HIGH_PASS):
            total += samples.dtype.type(weight) * lines[3 - tap :: 2][:n]
        samples = np.moveaxis(total, 0, axis)
    return samples


def _over_support(samples: NDArray[Any], function: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """The least, the largest, ... of the samples that make each coefficient."""
    for axis in range(samples.ndim):
        lines = np.moveaxis(samples, axis, 0)
        n = len(lines) // 2 - 1
        total = function(lines[0::2][:n], lines[1::2][:n])
        for tap in (2, 3):
            total = function(total, lines[tap::2][:n])
        samples = np.moveaxis(total, 0, axis)
    return samples


def _robust_deviation(sizes: NDArray[Any]) -> float:
    """The deviation of normal variables from the median of their sizes, zeros left out; reorders the sizes."""
    sizes = sizes.reshape(-1)
    count = int(np.count_nonzero(sizes))
    if not count:
        return 0.0
    zeros = sizes.size - count
    middle = [zeros + (count - 1) // 2, zeros + count // 2]
    sizes.partition(middle)  # in place: no copy of the band
    return float(np.mean(sizes[middle])) / QUARTILE


def _magnitude_deviation(ratio: float) -> float:
    """Deviation of the magnitude at unit noise, where its mean is `ratio` times its deviation (Koay, Basser)."""
    rayleigh = np.sqrt(np.pi / (4.0 - np.pi))
    if ratio <= rayleigh:
        return float(np.sqrt(2.0 - np.pi / 2.0))
    if ratio > 1e8:
        return 1.0
    theta = np.sqrt(ratio**2 - rayleigh**2) if ratio < 30 else ratio
    for _ in range(100):
        previous, theta = theta, np.sqrt(max(_variance(theta) * (1.0 + ratio**2) - 2.0, 0.0))
        if abs(theta - previous) < 1e-9:
            break
    return float(np.sqrt(_variance(theta)))


def _variance(theta: float) -> float:
    """Variance of a Rician variable of signal `theta` and unit noise."""
    if theta > 15:  # the series in 1 / theta; the sum below would overflow from 22 on
        return 1.0 - 0.5 / theta**2 - 0.5 / theta**4
    # the mean, as a sum over the points of a grid: no Bessel functions in NumPy
    x = np.linspace(max(0.0, theta - 9.0), theta + 9.0, 2001)[1:]
    density = x * np.exp(-0.5 * (x - theta) ** 2) * np.i0(x * theta) * np.exp(-x * theta)
    mean = float((x * density).sum() / density.sum())
    return theta**2 + 2.0 - mean**2
