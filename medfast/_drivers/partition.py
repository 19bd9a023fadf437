"""k-means in one dimension: from gray levels to the optimum, and from thresholds to labels, over the kernels."""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows


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
        offset = -int(np.iinfo(values.dtype).min)
        counts = _count(values, mask, offset, num_threads)
        used = np.flatnonzero(counts)
        return (used - offset).astype(np.float64), counts[used].astype(np.float64)
    inside = values.ravel() if mask is None else values[mask]
    if weights is None:
        levels, counts = np.unique(inside, return_counts=True)
        return levels.astype(np.float64), counts.astype(np.float64)
    levels, inverse = np.unique(inside, return_inverse=True)
    weight = np.bincount(inverse, weights.ravel() if mask is None else weights[mask], len(levels)).astype(np.float64)
    # Below this share a weight is lost in the sums, and the mean of such values alone would be 0/0.
    heavy = weight > (weight.max() * 1e-30 if len(weight) else 0.0)
    return levels[heavy].astype(np.float64), weight[heavy]


def optimum(
    values: NDArray[np.float64], weights: NDArray[np.float64], n_clusters: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Bounds of the clusters among the values, their centers, and the inertia; at most as many clusters as values."""
    n_values = len(values)
    n_clusters = min(n_clusters, n_values)
    if n_clusters == n_values:
        return np.arange(n_values + 1), values, 0.0
    # Values of at most 1 cannot overflow when they are squared, and a power of two rounds nothing.
    exponent = math.frexp(max(-values[0], values[-1]))[1]
    weight_exponent = math.frexp(weights.max())[1]  # so do the weights: the kernel squares their sums
    kernel = _kernels.partition
    sums = np.empty((6, n_values + 1))
    layers = np.empty((2, n_values + 1))
    choice = np.empty((n_clusters, n_values + 1), np.int32)
    bounds = np.empty(n_clusters + 1, np.int64)
    centers, inertia = np.empty(n_clusters), np.empty(n_clusters)
    kernel.running_sums(np.ldexp(values, -exponent), np.ldexp(weights, -weight_exponent), sums)
    for layer in range(1, n_clusters + 1):
        # The clusters before need a value each, and so do those still to come; only the last layer's last entry is
        # asked.
        first = layer if layer < n_clusters else n_values
        last = n_values - (n_clusters - layer)
        kernel.advance(sums, layers[(layer - 1) % 2], layer, first, last, layers[layer % 2], choice[layer - 1])
    kernel.trace(sums, choice, bounds, centers, inertia)
    return bounds, np.ldexp(centers, exponent), _scaled(math.fsum(inertia), 2 * exponent + weight_exponent)


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


def _count(
    values: NDArray[Any], mask: NDArray[np.bool_] | None, offset: int, num_threads: int | None
) -> NDArray[np.int64]:
    """Pixels inside the mask per gray level; that of 0 is `offset`."""
    kernel = _kernels.histogram
    total = np.zeros(256 if values.itemsize == 1 else 65536, np.int64)
    lock = threading.Lock()
    for plane, *masks in _planes(values) if mask is None else _planes(values, mask.view(np.uint8)):
        volume, inside = plane[None], masks[0][None] if masks else None

        def count(start: int, stop: int, volume: NDArray[Any] = volume, inside: NDArray[Any] | None = inside) -> None:
            counts = np.zeros_like(total)
            kernel.count(volume, inside, offset, start, stop, counts)
            with lock:  # whole numbers: any order gives the same sum
                np.add(total, counts, out=total)

        for_rows(plane.shape[0], count, work_per_row=plane.shape[1] / 3, num_threads=num_threads)
    return total


def _as_integers(values: NDArray[Any]) -> NDArray[Any]:
    """Floats that are whole numbers of 16 bits, as such: a histogram is faster than a sort."""
    if values.dtype.kind != "f" or not values.size:
        return values
    lowest, highest = values.min(), values.max()
    for dtype in (np.int16, np.uint16):
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


def _scaled(value: float, exponent: int) -> float:
    with np.errstate(over="ignore"):  # the inertia of values around 1e200 is infinite
        return float(np.ldexp(value, exponent))
