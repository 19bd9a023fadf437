"""The slow, obvious definition of scikit-image's non-local means, like those in oracles.py."""

import itertools

import numpy as np

# --- nlm_skimage -----------------------------------------------------------------------------------------------------


def skimage_nl_means(image, patch_size, distance, h, sigma=0.0, fast=True):
    """As scikit-image 0.26's code has it, in float64, pixel by pixel of the search window.

    `image` is (channels, rows, cols) or (channels, planes, rows, cols), and so is the result.
    """
    values = np.asarray(image, np.float64)
    n_channels, shape = values.shape[0], values.shape[1:]
    n_axes, side = len(shape), patch_size + (patch_size % 2 == 0)
    radius = side // 2
    border = [(radius + distance, radius + distance)] * n_axes
    padded = np.pad(values, [(0, 0), *border], mode="reflect")
    inside = np.pad(np.ones(shape, bool), [(distance, distance)] * n_axes)
    if fast:  # the first row, column and plane of the patch are left out, but not of the number of pixels
        line = np.concatenate([[0.0], np.ones(side - 1)])
        scale = 1 / (n_channels * h * h * side**n_axes)
    else:
        offsets = np.arange(-radius, radius + 1)
        line = np.exp(-(offsets**2) / (2 * ((side - 1) / 4) ** 2))
        scale = 1 / (n_channels * h * h * line.sum() ** n_axes)
    total, weights = np.zeros(values.shape), np.zeros(shape)
    for shift in itertools.product(range(-distance, distance + 1), repeat=n_axes):
        steps = np.zeros((side, *shape))  # of t, by the first axis of the patch
        for place in itertools.product(range(side), repeat=n_axes):
            here, there = (
                padded[(slice(None), *[slice(p + k, p + k + n) for p, k, n in zip(place, first, shape, strict=True)])]
                for first in ([distance] * n_axes, [distance + s for s in shift])
            )
            squares = ((here - there) ** 2 - 2 * sigma**2).sum(axis=0)
            steps[place[0]] += np.prod([line[p] for p in place]) * scale * squares
        sums = np.cumsum(steps, axis=0)
        distances = np.maximum(sums[-1], 0)
        if fast:
            weight = np.where(distances > 5, 0, broken_exponential(distances))
        else:  # given up before a row is added, so never because of the last; donors beyond the image count for nothing
            weight = np.where((sums[:-1] > 5).any(axis=0), 0, broken_exponential(distances))
            weight *= inside[tuple(slice(distance + s, distance + s + n) for s, n in zip(shift, shape, strict=True))]
        start = [radius + distance + s for s in shift]
        donors = padded[(slice(None), *[slice(k, k + n) for k, n in zip(start, shape, strict=True)])]
        total += weight * donors
        weights += weight
    return total / weights


def broken_exponential(t):
    """exp(-t) by the upper half of a double's bits, as Schraudolph has it; 0 where that would not be a number."""
    upper = (1072632447 - np.minimum(1048576 / np.log(2) * t, 1.06e9).astype(np.int64)) << 32
    return np.where(t < 700, upper.view(np.float64), 0)
