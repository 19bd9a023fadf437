"""k-means in one dimension: from gray levels to the optimum, and from thresholds to labels, over the kernels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels
from medfast._parallel import for_rows

_HARMLESS = 64
"""Exponents of two whose fourth power is far from overflow and from vanishing, all of 16-bit values among them."""


def distinct(
    values: NDArray[Any],
    mask: NDArray[np.bool_] | None,
    weights: NDArray[np.float64] | None,
    num_threads: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct values inside the mask, rising, and what each weighs; values that weigh nothing are left out."""
    values = _as_integers(values)
    few = values.itemsize > 1 and values.size < 4096  # sorting costs less than 65 536 counters
    if weights is None and values.dtype.kind != "f" and values.size and not few:
        lowest, n_levels = gray_levels.span(values.dtype)
        counts = _count(values, mask, -lowest, n_levels, num_threads)
        used = (counts != 0 if n_levels > 256 else counts).nonzero()[0]  # of booleans: 12 in place of 95 microseconds
        return (used + lowest if lowest else used).astype(np.float64), counts[used].astype(np.float64)
    inside = values.ravel() if mask is None else values[mask]
    if weights is None:
        levels, counts = np.unique(inside, return_counts=True)
        return levels.astype(np.float64), counts.astype(np.float64)
    levels, inverse = np.unique(inside, return_inverse=True)
    weight = np.bincount(inverse, weights.ravel() if mask is None else weights[mask], len(levels)).astype(np.float64)
    # Below this share a weight is lost in the sums, and the mean of such values alone would be 0/0.
    heavy = weight > (weight.max() * 1e-30 if len(weight) else 0.0)
    return levels[heavy].astype(np.float64), weight[heavy]


def binned(
    values: NDArray[Any], mask: NDArray[np.bool_] | None, bins: int, num_threads: int | None
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Floats as the nearest of `bins` levels, evenly from the lowest to the highest value, and the levels' values."""
    volume = values.reshape(1, 1, -1) if values.ndim < 2 else gray_levels.as_volume(values)
    inside = mask if mask is None else mask.reshape(volume.shape).view(np.uint8)
    levels, ends = gray_levels.quantize(volume, inside, bins, num_threads)
    if levels is None:
        levels = np.zeros(values.shape, np.uint16)
    steps = np.linspace(0.0, 1.0, bins)
    return levels.reshape(values.shape), ends[0] * (1.0 - steps) + ends[1] * steps  # the difference may overflow


def optimum(
    values: NDArray[np.float64], weights: NDArray[np.float64], n_clusters: int, *, are_counts: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Bounds of the clusters among the values, their centers, and the inertia; at most as many clusters as values."""
    n_values = len(values)
    n_clusters = min(n_clusters, n_values)
    if n_clusters == n_values:
        return np.arange(n_values + 1), values, 0.0
    # The kernel takes fourth powers of values and squares of weights. A power of two rounds nothing.
    exponent = _exponent(max(-values[0], values[-1]))
    weight_exponent = 0 if are_counts else _exponent(weights.max())
    if exponent or weight_exponent:
        values, weights = np.ldexp(values, -exponent), np.ldexp(weights, -weight_exponent)
    bounds = np.empty(n_clusters + 1, np.int64)
    found = np.empty((2, n_clusters))
    centers, inertia = found
    scratch = np.empty((8, n_values + 1))
    choice = np.empty((n_clusters, n_values + 1), np.int32)
    _kernels.partition.optimum(values, weights, scratch[:6], scratch[6:], choice, bounds, centers, inertia)
    total = math.fsum(inertia.tolist())
    if exponent or weight_exponent:
        return bounds, np.ldexp(centers, exponent), _scaled(total, 2 * exponent + weight_exponent)
    return bounds, centers, total


def label(
    image: NDArray[Any], thresholds: NDArray[Any], first_label: int, labels: NDArray[Any], num_threads: int | None
) -> None:
    """Fill `labels` with `first_label` plus the number of thresholds below each pixel."""
    kernel = _kernels.partition

    def body(start: int, stop: int) -> None:
        kernel.label(plane, thresholds, first_label, start, stop, labels_plane)

    for plane, labels_plane in _planes(image, labels) if image.size else ():  # noqa: B007  (`body` reads it)
        work = plane.shape[1] * (1.0 + len(thresholds)) / 16.0
        for_rows(plane.shape[0], body, work_per_row=work, num_threads=num_threads)


def clusters(
    data: NDArray[Any],
    n_clusters: int,
    mask: NDArray[np.bool_] | None,
    weights: NDArray[np.float64] | None,
    bins: int | None,
    num_threads: int | None,
) -> tuple[NDArray[np.int32], NDArray[Any], float]:
    """The optimum for one channel: labels, −1 outside the mask; centers, and inertia."""
    dtype, table = data.dtype, None
    if bins is not None and data.size and (mask is None or mask.any()):
        data, table = binned(data, mask, bins, num_threads)
    data = _as_integers(data)
    values, counts = distinct(data, mask, weights, num_threads)
    labels = np.empty(data.shape, np.int32)
    centers, inertia = np.full(n_clusters, np.nan), 0.0
    if not len(values):
        labels[...] = 0
    else:
        true = values if table is None else table[values.astype(np.intp)]
        bounds, found, inertia = optimum(true, counts, n_clusters, are_counts=weights is None)
        label(data, values[bounds[1:-1] - 1].astype(data.dtype), 0, labels, num_threads)
        centers[: len(found)], centers[len(found) :] = found, found[-1]
    if mask is not None:
        labels[~mask] = -1
    return labels, centers.astype(np.float32) if dtype == np.float32 else centers, inertia


def thresholds(
    image: NDArray[Any], n_classes: int, mask: NDArray[np.bool_] | None, bins: int | None, num_threads: int | None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The highest level of each class but the last, of fewer classes where there are fewer levels; and the levels."""
    if bins is None or not image.size or (mask is not None and not mask.any()):
        values, counts = distinct(image, mask, None, num_threads)
        bounds = optimum(values, counts, n_classes)[0] if len(values) else np.zeros(2, np.int64)
        return values[bounds[1:-1] - 1].astype(image.dtype), values
    levels, table = binned(image, mask, bins, num_threads)
    used, counts = distinct(levels, mask, None, num_threads)
    values = table[used.astype(np.intp)]
    bounds = optimum(values, counts, n_classes)[0]
    inside = True if mask is None else mask
    highest = [image.max(where=inside & (levels <= used[bound - 1]), initial=-np.inf) for bound in bounds[1:-1]]
    return np.array(highest, image.dtype), values


def _count(
    values: NDArray[Any], mask: NDArray[np.bool_] | None, offset: int, n_levels: int, num_threads: int | None
) -> NDArray[np.int64]:
    """Pixels inside the mask per gray level; that of 0 is `offset`."""
    if values.ndim == 2 or values.ndim == 3:
        return gray_levels.count(
            gray_levels.as_volume(values), gray_levels.as_bytes(mask), offset, n_levels, num_threads
        )
    total = np.zeros(n_levels, np.int64)
    for plane, *masks in _planes(values) if mask is None else _planes(values, mask.view(np.uint8)):
        total += gray_levels.count(plane[None], masks[0][None] if masks else None, offset, n_levels, num_threads)
    return total


def _as_integers(values: NDArray[Any]) -> NDArray[Any]:
    """Floats that are whole numbers of 8 or 16 bits, as such: a histogram is faster than a sort."""
    if values.dtype.kind != "f" or not values.size:
        return values
    lowest, highest = values.min(), values.max()
    for dtype in (np.uint8, np.int16, np.uint16):
        limits = np.iinfo(dtype)
        if limits.min <= lowest and highest <= limits.max:
            whole = values.astype(dtype)
            return whole if np.array_equal(whole, values) else values
    return values


def _planes(*arrays: NDArray[Any]) -> list[tuple[NDArray[Any], ...]]:
    """Arrays of one shape as 2-D views that belong together: a single one where nothing stands in the way."""
    if arrays[0].ndim == 1:
        return [tuple(array[np.newaxis] for array in arrays)]
    if arrays[0].ndim == 2:
        return [arrays]
    if all(array.flags.c_contiguous for array in arrays):
        return [tuple(array.reshape(-1, array.shape[-1]) for array in arrays)]
    return [planes for parts in zip(*arrays, strict=True) for planes in _planes(*parts)]


def _exponent(largest: float) -> int:
    """Of the power of two that numbers up to `largest` are to be divided by; 0 where there is no need."""
    exponent = math.frexp(largest)[1]
    return exponent if abs(exponent) > _HARMLESS else 0


def _scaled(value: float, exponent: int) -> float:
    try:
        return math.ldexp(value, exponent)
    except OverflowError:  # the inertia of values around 1e200
        return math.inf
