"""`kmeans` inside functions that Numba compiles: medfast/_drivers/partition.py on one thread, and
Lloyd's algorithm."""

import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import cluster
from medfast._drivers import gray_levels
from medfast._drivers.partition import _HARMLESS
from medfast._njit import arguments, kernels
from medfast._njit.arguments import as_volume, check_data, check_mask_shape, check_threads
from medfast._njit.lloyd import as_samples, mean_variance, runs, spread
from medfast._njit.sums import exact_sum

histogram, partition = kernels.histogram, kernels.partition
KMeansResult = cluster.KMeansResult
_FEW = 4096  # values from which on counting is faster than sorting: see `distinct` of the driver


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
    bins=None,
    num_threads=None,
):
    arguments.unsupported(sample_weight=sample_weight, bins=bins)
    arguments.check_image(data, tuple(range(1, 8)), "data")
    axis = arguments.check_axis(channel_axis, data.ndim)
    for name, each in (("n_clusters", n_clusters), ("n_init", n_init), ("max_iter", max_iter)):
        arguments.check_number(each, name, integer=True)
    arguments.check_number(tol, "tol")
    is_float = isinstance(data.dtype, types.Float)
    if axis is None and (data.ndim == 1 or not is_float):
        solve = _of_channel(data, mask)
    elif data.ndim < 2 or (axis is None and data.ndim != 2):
        raise TypingError(f"data must be 1-D or 2-D without a channel_axis, got {data.ndim} dimensions")
    else:
        solve = _of_vectors(data, axis, mask, init, random_state)

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
        bins=None,
        num_threads=None,
    ):
        check_data(data)
        check_numbers(n_clusters, n_init, max_iter, tol)
        check_threads(num_threads)
        return solve(data, n_clusters, mask, init, n_init, max_iter, tol, random_state)

    return kmeans


def _of_channel(data, mask):
    """The optimum for one channel."""
    arguments.check_mask(mask, data.ndim)
    dtype = np.dtype(data.dtype.name)
    lowest, n_levels = gray_levels.span(dtype)
    find = _distinct_floats if dtype.kind == "f" else _distinct_integers
    center_dtype = np.float32 if dtype == np.float32 else np.float64
    few = 0 if dtype.itemsize == 1 else _FEW

    @register_jitable
    def solve(data, n_clusters, mask, init, n_init, max_iter, tol, random_state):
        check_mask_shape(mask, data.shape)
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

    return solve


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

    @register_jitable
    def solve(data, n_clusters, mask, init, n_init, max_iter, tol, random_state):
        moved = data.transpose(order)
        shape = moved.shape[:-1]
        n_features = moved.shape[-1]
        if n_features == 0:
            raise ValueError("data must have at least one feature")
        check_mask_shape(mask, shape)
        samples = as_samples(moved, mask, n_features)
        if len(samples) < n_clusters:
            raise ValueError("n_clusters must be at most the number of samples")
        tolerance = tol * mean_variance(samples, precision) if tol > 0 else 0.0
        labels, centers, inertia, n_iter = runs(
            samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision
        )
        everywhere = spread(labels, mask, shape)
        return KMeansResult(everywhere, centers, inertia, n_iter)

    return solve


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
