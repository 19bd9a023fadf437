"""The noise level inside functions that Numba compiles: medfast/_drivers/noise_level.py without Rician noise."""

import sys

import numpy as np
from numba.extending import register_jitable

from medfast._drivers.noise_level import HIGH_PASS, QUARTILE
from medfast._njit.sums import pairwise_sum

_LARGEST = sys.float_info.max
_TAPS = HIGH_PASS


@register_jitable
def estimate(planes, inside, is_volume, working):
    """The mean over the channels of an image (planes, channels, rows, columns)."""
    levels = np.empty(planes.shape[1])
    for channel in range(planes.shape[1]):
        levels[channel] = of_channel(planes[:, channel], inside, is_volume, working)
    return min(pairwise_sum(levels) / len(levels), _LARGEST)


@register_jitable
def of_channel(volume, inside, is_volume, working):
    """The median of the finest diagonal band, as a standard deviation."""
    scale = scale_of(volume)
    samples = np.empty(volume.shape, working)
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            for x in range(volume.shape[2]):
                samples[z, y, x] = volume[z, y, x]
                if scale != 1.0:
                    samples[z, y, x] = samples[z, y, x] * samples.dtype.type(scale)
    if is_volume:
        samples = high_pass(samples, working)
    band = high_pass(samples.transpose((1, 0, 2)), working).transpose((1, 0, 2))
    band = high_pass(band.transpose((2, 0, 1)), working).transpose((1, 2, 0))
    sizes, n = np.empty(band.size, working), 0
    for z in range(band.shape[0]):
        for y in range(band.shape[1]):
            for x in range(band.shape[2]):
                size = abs(band[z, y, x])
                if size > 0 and (inside is None or reaches_in(inside, z, y, x, is_volume)):
                    sizes[n] = size
                    n += 1
    if n == 0:
        return 0.0
    middle = (n - 1) // 2
    ordered = np.partition(sizes[:n], middle)
    low = high = ordered[middle]
    if n % 2 == 0:
        high = ordered[middle + 1 :].min()
    level = np.float64((low + high) / samples.dtype.type(2)) / QUARTILE
    return min(level / scale, _LARGEST)


@register_jitable
def scale_of(volume):
    """The power of two with which sums of floats do not overflow."""
    most = 3.4028234663852886e38 / 256 if volume.itemsize == 4 else _LARGEST / 256
    for value in volume.flat:
        if abs(np.float64(value)) >= most:
            return 1 / 256
    return 1.0


@register_jitable
def place_of(n, place):
    """Index of a sample beyond the border, which is repeated."""
    place %= 2 * n
    return min(place, 2 * n - 1 - place)


@register_jitable
def high_pass(samples, working):
    """Along the first axis, each second sample."""
    n = samples.shape[0]
    band = np.zeros(((n + 3) // 2, samples.shape[1], samples.shape[2]), working)
    for i in range(len(band)):
        for tap in range(4):  # one after another: flat regions give exactly the zeros that do not count
            weight, line = band.dtype.type(_TAPS[tap]), samples[place_of(n, 2 * i + 1 - tap)]
            for y in range(band.shape[1]):
                for x in range(band.shape[2]):
                    band[i, y, x] += weight * line[y, x]
    return band


@register_jitable
def reaches_in(inside, z, y, x, is_volume):
    """Whether all samples of a coefficient lie inside the mask."""
    for dz in range(2 * z - 2, 2 * z + 2) if is_volume else range(z, z + 1):
        for dy in range(2 * y - 2, 2 * y + 2):
            for dx in range(2 * x - 2, 2 * x + 2):
                plane = place_of(inside.shape[0], dz) if is_volume else dz
                if not inside[plane, place_of(inside.shape[1], dy), place_of(inside.shape[2], dx)]:
                    return False
    return True
