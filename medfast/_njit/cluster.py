"""`kmeans` inside functions that Numba compiles: medfast/_drivers/partition.py and lloyd.py on one thread."""

import math
from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import cluster
from medfast._drivers import gray_levels, lloyd
from medfast._drivers.partition import _HARMLESS
from medfast._njit import arguments, kernels
from medfast._njit.arguments import as_volume, check_data, check_mask_shape, check_threads
from medfast._njit.sums import exact_sum, pairwise_sum

histogram, kernel, partition = kernels.histogram, kernels.kmeans, kernels.partition
KMeansResult, STRIP, TILE_STEPS, MOST_TILES = cluster.KMeansResult, lloyd.STRIP, lloyd.TILE_STEPS, lloyd.MOST_TILES
_FEW = 4096  # values from which on counting is faster than sorting: see `distinct` of the driver


class Pass(NamedTuple):
    """What a pass over the samples gives."""

    sums: np.ndarray
    weights: np.ndarray
    inertia: float
    n_changed: int


@overload(cluster.kmeans, prefer_literal=True)
def _kmeans(
    data,
    n_clusters,
    channel_axis=None,
    mask=None,
    init="k-means++",
    n_init=1,
    max_iter=300,
    tol=1e-4,
    random_state=None,
    sample_weight=None,
    num_threads=None,
):
    arguments.unsupported(sample_weight=sample_weight)
    arguments.check_image(data, tuple(range(1, 8)), "data")
    axis = arguments.check_axis(channel_axis, data.ndim)
    for name, each in (("n_clusters", n_clusters), ("n_init", n_init), ("max_iter", max_iter)):
        arguments.check_number(each, name, integer=True)
    arguments.check_number(tol, "tol")
    is_float = isinstance(data.dtype, types.Float)
    if axis is None and (data.ndim == 1 or not is_float):
        return _of_channel(data, mask)
    if data.ndim < 2 or (axis is None and data.ndim != 2):
        raise TypingError(f"data must be 1-D or 2-D without a channel_axis, got {data.ndim} dimensions")
    return _of_vectors(data, axis, mask, init, random_state)


def _of_channel(data, mask):
    """The optimum for one channel."""
    arguments.check_mask(mask, data.ndim)
    dtype = np.dtype(data.dtype.name)
    lowest, n_levels = gray_levels.span(dtype)
    find = _distinct_floats if dtype.kind == "f" else _distinct_integers
    center_dtype = np.float32 if dtype == np.float32 else np.float64
    few = 0 if dtype.itemsize == 1 else _FEW

    def kmeans(
        data,
        n_clusters,
        channel_axis=None,
        mask=None,
        init="k-means++",
        n_init=1,
        max_iter=300,
        tol=1e-4,
        random_state=None,
        sample_weight=None,
        num_threads=None,
    ):
        check_data(data)
        check_mask_shape(mask, data.shape)
        check_numbers(n_clusters, n_init, max_iter, tol)
        check_threads(num_threads)
        labels = np.zeros(data.shape, np.int32)
        centers, inertia = np.full(n_clusters, np.nan), 0.0
        if data.size > 0:
            rows = as_rows(data)
            values, counts = find(rows, rows_of(mask), lowest, n_levels, few)
            if len(values) > 0:
                bounds, found, inertia = optimum(values, counts, n_clusters)
                thresholds = np.empty(len(found) - 1, dtype)
                for i in range(len(thresholds)):
                    thresholds[i] = values[bounds[i + 1] - 1]
                in_rows = as_rows(labels)
                partition.label(rows, thresholds, 0, 0, len(rows), in_rows)
                centers[: len(found)] = found
                centers[len(found) :] = found[-1]
            leave_out(rows_of(mask), as_rows(labels))
        return KMeansResult(labels, centers.astype(center_dtype), inertia, 0)

    return kmeans


def _of_vectors(data, axis, mask, init, random_state):
    """Lloyd's algorithm."""
    ndim, features = data.ndim, data.ndim - 1 if axis is None else axis
    order = (*[i for i in range(ndim) if i != features], features)
    arguments.check_mask(mask, ndim - 1)
    precision = np.float64 if data.dtype == types.float64 else np.float32
    given = isinstance(init, types.Array)
    if given and init.ndim != 2:
        raise TypingError(f"init must have 2 dimensions, got {init.ndim}")
    if not given:
        if arguments.check_choice(init, "init", ("k-means++", "random")) == "random":
            raise TypingError('init="random" is not supported inside njit')
        if not isinstance(random_state, types.NumPyRandomGeneratorType):
            raise TypingError("random_state must be a numpy.random.Generator inside njit, or init an array of centers")

    def kmeans(
        data,
        n_clusters,
        channel_axis=None,
        mask=None,
        init="k-means++",
        n_init=1,
        max_iter=300,
        tol=1e-4,
        random_state=None,
        sample_weight=None,
        num_threads=None,
    ):
        check_data(data)
        moved = data.transpose(order)
        shape = moved.shape[:-1]
        n_features = moved.shape[-1]
        if n_features == 0:
            raise ValueError("data must have at least one feature")
        check_mask_shape(mask, shape)
        check_numbers(n_clusters, n_init, max_iter, tol)
        check_threads(num_threads)
        samples = as_samples(moved, mask, n_features)
        if len(samples) < n_clusters:
            raise ValueError("n_clusters must be at most the number of samples")
        tolerance = tol * mean_variance(samples, precision) if tol > 0 else 0.0
        labels, centers, inertia, n_iter = runs(
            samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision
        )
        everywhere = spread(labels, mask, shape)
        return KMeansResult(everywhere, centers, inertia, n_iter)

    return kmeans


@register_jitable
def check_numbers(n_clusters, n_init, max_iter, tol):
    if not 1 <= n_clusters < 2**31:
        raise ValueError("n_clusters must be >= 1 and < 2**31")
    if n_init < 1:
        raise ValueError("n_init must be >= 1")
    if max_iter < 1:
        raise ValueError("max_iter must be >= 1")
    if not (tol >= 0 and math.isfinite(tol)):
        raise ValueError("tol must be >= 0 and finite")


# --- one channel -----------------------------------------------------------------------------------------------------


def as_rows(array):
    """Any array as a plane: a view, unless it has three axes or more that do not lie in one piece."""
    raise NotImplementedError


@overload(as_rows)
def _as_rows(array):
    if array.ndim == 1:
        return lambda array: np.expand_dims(array, 0)
    if array.ndim == 2:
        return lambda array: array
    if array.layout == "C":
        return lambda array: array.reshape((-1, array.shape[-1]))
    return lambda array: np.ascontiguousarray(array).reshape((-1, array.shape[-1]))


def rows_of(mask):
    """The same of a mask, if there is one."""
    raise NotImplementedError


@overload(rows_of)
def _rows_of(mask):
    if arguments.is_none(mask):
        return lambda mask: None
    return lambda mask: as_rows(mask)


@register_jitable
def leave_out(mask, labels):
    """Label −1 what is outside the mask."""
    if mask is not None:
        for row in range(labels.shape[0]):
            for col in range(labels.shape[1]):
                if not mask[row, col]:
                    labels[row, col] = -1


@register_jitable
def _distinct_integers(rows, mask, lowest, n_levels, few):
    """Distinct values, rising, and how many there are of each."""
    if rows.size < few:
        return _distinct_sorted(inside_of(rows, mask))
    counts = np.zeros(n_levels, np.int64)
    histogram.count(as_volume(rows), as_volume(mask), -lowest, 0, rows.shape[0], counts)
    n_used = 0
    for level in range(n_levels):
        n_used += counts[level] > 0
    values, weights, at = np.empty(n_used), np.empty(n_used), 0
    for level in range(n_levels):
        if counts[level] > 0:
            values[at], weights[at] = level + lowest, counts[level]
            at += 1
    return values, weights


@register_jitable
def _distinct_floats(rows, mask, lowest, n_levels, few):
    low, high, n_whole = np.inf, -np.inf, 0
    for row in range(rows.shape[0]):
        for col in range(rows.shape[1]):
            value = np.float64(rows[row, col])
            low, high = min(low, value), max(high, value)
            n_whole += value == math.floor(value)
    if n_whole == rows.size:  # a histogram is faster than a sort
        if low >= -32768 and high <= 32767:
            return _distinct_integers(rows.astype(np.int16), mask, -32768, 65536, few)
        if low >= 0 and high <= 65535:
            return _distinct_integers(rows.astype(np.uint16), mask, 0, 65536, few)
    return _distinct_sorted(inside_of(rows, mask))


@register_jitable
def inside_of(rows, mask):
    """What is inside the mask, in a copy."""
    found, n = np.empty(rows.size, rows.dtype), 0
    for row in range(rows.shape[0]):
        for col in range(rows.shape[1]):
            if mask is None or mask[row, col]:
                found[n] = rows[row, col]
                n += 1
    return found[:n]


@register_jitable
def _distinct_sorted(found):
    found.sort()
    n_used = 0
    for i in range(len(found)):
        n_used += i == 0 or found[i] != found[i - 1]
    values, weights, at = np.empty(n_used), np.zeros(n_used), -1
    for i in range(len(found)):
        if i == 0 or found[i] != found[i - 1]:
            at += 1
            values[at] = found[i]
        weights[at] += 1
    return values, weights


@register_jitable
def optimum(values, weights, n_clusters):
    """Bounds of the clusters among the values, their centers, and the inertia."""
    n_values = len(values)
    n_clusters = min(n_clusters, n_values)
    if n_clusters == n_values:
        return np.arange(n_values + 1), values, 0.0
    exponent = math.frexp(max(-values[0], values[-1]))[1]
    if abs(exponent) <= _HARMLESS:
        exponent = 0
    scaled = values
    if exponent != 0:
        scaled = np.empty(n_values)
        for i in range(n_values):
            scaled[i] = math.ldexp(values[i], -exponent)
    bounds = np.empty(n_clusters + 1, np.int64)
    found, scratch = np.empty((2, n_clusters)), np.empty((8, n_values + 1))
    choice = np.empty((n_clusters, n_values + 1), np.int32)
    partition.optimum(scaled, weights, scratch[:6], scratch[6:], choice, bounds, found[0], found[1])
    total = exact_sum(found[1])
    centers = found[0]
    if exponent != 0:
        for i in range(n_clusters):
            centers[i] = math.ldexp(centers[i], exponent)
        total = math.ldexp(total, 2 * exponent)
    return bounds, centers, total


# --- vectors ---------------------------------------------------------------------------------------------------------


def as_samples(moved, mask, n_features):
    """(samples, features) of an array whose last axis is that of the features: a view, if that can be."""
    raise NotImplementedError


@overload(as_samples)
def _as_samples(moved, mask, n_features):
    two = moved.ndim == 2
    if arguments.is_none(mask):
        if two:
            return lambda moved, mask, n_features: moved
        return lambda moved, mask, n_features: np.ascontiguousarray(moved).reshape((-1, n_features))

    def inside(moved, mask, n_features):
        vectors, chosen = np.ascontiguousarray(moved).reshape((-1, n_features)), np.ascontiguousarray(mask).ravel()
        found, n = np.empty((chosen.sum(), n_features), moved.dtype), 0
        for i in range(len(chosen)):
            if chosen[i]:
                found[n] = vectors[i]
                n += 1
        return found

    return inside


def spread(labels, mask, shape):
    """Labels where the samples came from, −1 elsewhere."""
    raise NotImplementedError


@overload(spread)
def _spread(labels, mask, shape):
    if arguments.is_none(mask):
        return lambda labels, mask, shape: labels.reshape(shape)

    def inside(labels, mask, shape):
        chosen, n = np.ascontiguousarray(mask).ravel(), 0
        everywhere = np.full(len(chosen), -1, np.int32)
        for i in range(len(chosen)):
            if chosen[i]:
                everywhere[i] = labels[n]
                n += 1
        return everywhere.reshape(shape)

    return inside


def runs(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
    """The best of some runs."""
    raise NotImplementedError


@overload(runs)
def _runs(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
    if isinstance(init, types.Array):

        def from_centers(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
            if init.shape != (n_clusters, samples.shape[1]):
                raise ValueError("init must have shape (n_clusters, n_features)")
            centers = np.empty(init.shape, precision)
            centers[...] = init
            if not np.isfinite(centers).all():
                raise ValueError("init must be finite, got NaN or infinity")
            return run(samples, centers, max_iter, tolerance, precision)

        return from_centers

    def from_random(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
        centers = plus_plus(samples, n_clusters, random_state, precision)
        best = run(samples, centers, max_iter, tolerance, precision)
        for _ in range(1, n_init):
            centers = plus_plus(samples, n_clusters, random_state, precision)
            other = run(samples, centers, max_iter, tolerance, precision)
            if other[2] < best[2]:
                best = other
        return best

    return from_random


@register_jitable
def tiles_of(n_samples, n_features, n_clusters):
    """Samples of a tile, and tiles: those of the driver, for sums over tiles are added in order."""
    rows = max(math.ceil(n_samples / MOST_TILES), math.ceil(TILE_STEPS / (n_clusters * n_features)))
    tile_rows = STRIP * math.ceil(rows / STRIP)
    return np.int64(tile_rows), np.int64(math.ceil(n_samples / tile_rows))


@register_jitable
def assign(samples, centers, labels, precision):
    """Label by nearest center: sums and weights by cluster, the inertia, and how many labels changed."""
    n_clusters, n_features = centers.shape
    n_samples = len(samples)
    tile_rows, n_tiles = tiles_of(n_samples, n_features, n_clusters)
    sums, totals = np.empty((n_tiles, n_clusters, n_features + 1)), np.empty((n_tiles, 2))
    scratch, weights = np.empty(2 * n_features * STRIP, precision), np.empty(0)
    for tile in range(n_tiles):
        start, stop = tile * tile_rows, min((tile + 1) * tile_rows, n_samples)
        kernel.assign(samples, weights, centers, tile, start, stop, scratch, labels, sums, totals)
    for tile in range(1, n_tiles):
        sums[0] += sums[tile]
        totals[0] += totals[tile]
    return Pass(sums[0, :, :-1], sums[0, :, -1], totals[0, 0], np.int64(totals[0, 1]))


@register_jitable
def lower(samples, center, closest, precision):
    """Take one more center into account in the squared distances; their sum."""
    n_samples, n_features = samples.shape
    tile_rows, n_tiles = tiles_of(n_samples, n_features, 1)
    totals, scratch, weights = np.empty(n_tiles), np.empty(2 * n_features * STRIP, precision), np.empty(0)
    for tile in range(n_tiles):
        start, stop = tile * tile_rows, min((tile + 1) * tile_rows, n_samples)
        kernel.lower(samples, weights, center, tile, start, stop, scratch, closest, totals)
    total = totals[0]
    for tile in range(1, n_tiles):
        total += totals[tile]
    return total


@register_jitable
def take(samples, i, precision):
    """A sample, as a center."""
    center = np.empty(samples.shape[1], precision)
    center[:] = samples[i]
    return center


@register_jitable
def mean_variance(samples, precision):
    """Variance of a feature, averaged over the features."""
    labels = np.empty(len(samples), np.int32)
    first = np.expand_dims(take(samples, 0, precision), 0)
    found = assign(samples, first, labels, precision)
    center = np.empty(first.shape, precision)
    for feature in range(samples.shape[1]):
        center[0, feature] = found.sums[0, feature] / found.weights[0]
    return assign(samples, center, labels, precision).inertia / (len(samples) * samples.shape[1])


@register_jitable
def run(samples, centers, max_iter, tolerance, precision):
    """Lloyd's algorithm from `centers`: labels, centers, inertia, iterations."""
    labels = np.full(len(samples), -1, np.int32)
    squares, shifts = np.empty(centers.shape[1]), np.empty(centers.shape[0])
    iteration = 0
    for number in range(1, max_iter + 1):
        iteration = number
        found = assign(samples, centers, labels, precision)
        if found.n_changed == 0:
            return labels, centers, found.inertia, iteration
        new = means(samples, centers, labels, found.sums, found.weights, precision)
        for i in range(len(shifts)):
            for feature in range(len(squares)):
                squares[feature] = (np.float64(new[i, feature]) - centers[i, feature]) ** 2
            shifts[i] = pairwise_sum(squares)
        centers = new
        if pairwise_sum(shifts) <= tolerance:
            break
    return labels, centers, assign(samples, centers, labels, precision).inertia, iteration


@register_jitable
def means(samples, centers, labels, sums, weights, precision):
    """New centers. Clusters that got no sample move to the samples farthest from `centers`, farthest first."""
    if (weights == 0).any():
        closest = np.full(len(labels), np.inf).astype(precision)
        for i in range(len(centers)):
            lower(samples, centers[i], closest, precision)
        empty, is_first = np.flatnonzero(weights == 0), True
        for i in range(min(len(empty), len(labels))):
            farthest = np.argmax(closest)
            if is_first and not closest[farthest] > 0:  # there are fewer distinct samples than clusters
                break
            is_first = False
            closest[farthest] = -1
            old, new = labels[farthest], empty[i]
            for feature in range(samples.shape[1]):
                value = np.float64(samples[farthest, feature])
                sums[old, feature] -= value
                sums[new, feature] = value
            weights[old] -= 1.0
            weights[new] = 1.0
        heaviest = np.argmax(weights)
        for i in range(len(weights)):
            if weights[i] <= 0:
                sums[i], weights[i] = sums[heaviest], weights[heaviest]
    new_centers = np.empty(centers.shape, precision)
    for i in range(len(centers)):
        for feature in range(centers.shape[1]):
            new_centers[i, feature] = sums[i, feature] / weights[i]
    return new_centers


@register_jitable
def plus_plus(samples, n_clusters, generator, precision):
    """Greedy k-means++."""
    n_samples = len(samples)
    n_trials = 2 + int(math.log(n_clusters))
    centers = np.empty((n_clusters, samples.shape[1]), precision)
    centers[0] = samples[generator.integers(0, n_samples)]
    closest = np.full(n_samples, np.inf).astype(precision)
    lower(samples, centers[0], closest, precision)
    for n_chosen in range(1, n_clusters):
        cumulated, running = np.empty(n_samples), 0.0
        for i in range(n_samples):
            running += closest[i]
            cumulated[i] = running
        drawn = generator.random(n_trials) * cumulated[-1]
        best_sum, best = np.inf, closest
        for trial in range(n_trials):
            candidate = min(np.searchsorted(cumulated, drawn[trial], side="right"), n_samples - 1)
            distances = closest.copy()
            total = lower(samples, take(samples, candidate, precision), distances, precision)
            if trial == 0 or total < best_sum:
                best_sum, best = total, distances
                centers[n_chosen] = samples[candidate]
        closest = best
    return centers
